"""While a file is read, no full garbage collection holds up the other threads."""

import gc
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest

from chatkeep.clock import utc_now
from chatkeep.transfer import full_collections
from chatkeep.transfer.archive import values_in
from chatkeep.transfer.batch_reader import BatchReader
from chatkeep.transfer.full_collections import full_collections_put_off
from tests.transfer.test_siblings import fan

OLDEST = 2


@contextmanager
def noted() -> Iterator[list[int]]:
    """Yield the generations that are collected."""
    found: list[int] = []

    def note(phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            found.append(info["generation"])

    gc.collect()
    gc.callbacks.append(note)
    try:
        yield found
    finally:
        gc.callbacks.remove(note)


def test_a_large_file_is_read_without_a_full_collection() -> None:
    file = json.dumps([fan(8_000)]).encode()
    usual = gc.get_threshold()
    collected = []
    for read in (BatchReader._next_batch, BatchReader.next_batch):
        with noted() as generations:
            found = values_in(io.BytesIO(file), max_bytes=10**8, check=lambda: None)
            (conversation,) = read(BatchReader([("", found)], UUID(int=1)), utc_now())
            collected.append(list(generations))
        assert conversation.rows is not None
        assert len(conversation.rows.turns) == 8_000
    usually, put_off = collected
    assert OLDEST in usually
    assert OLDEST not in put_off
    assert set(put_off) >= {0, 1}
    assert gc.get_threshold() == usual


def test_what_was_read_is_held_by_nobody_else() -> None:
    found = values_in(io.BytesIO(b'[{"a": []}, {"b": []}]'), max_bytes=100, check=lambda: None)
    for expected in ("#1", "#2"):
        place, value = next(found)
        assert place == expected
        # By its name here, and by the call that counts.
        assert sys.getrefcount(value) <= 2


def test_the_last_of_several_files_has_them_again() -> None:
    usual = gc.get_threshold()
    with full_collections_put_off():
        with full_collections_put_off():
            assert gc.get_threshold()[OLDEST] == full_collections.NEVER
        assert gc.get_threshold()[OLDEST] == full_collections.NEVER
    assert gc.get_threshold() == usual


def test_they_are_not_put_off_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = gc.get_threshold()
    monkeypatch.setattr(full_collections, "MAX_PUT_OFF_SECONDS", -1)
    first, second = full_collections_put_off(), full_collections_put_off()
    with second:
        with first:
            pass
        assert gc.get_threshold()[OLDEST] == full_collections.NEVER
    with full_collections_put_off(), pytest.raises(LookupError), full_collections_put_off():
        raise LookupError
    assert gc.get_threshold() == usual
