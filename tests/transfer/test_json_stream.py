"""Values out of files: in pieces of any size, with broken ones among them, and in little memory."""

import io
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from chatkeep.transfer import json_stream
from chatkeep.transfer.imported import Unreadable
from chatkeep.transfer.json_stream import JsonValues

VALUES = [
    {"a": [1, -2.5, 'x\\" ] } [ {']},
    [],
    [[{}]],
    "お茶 😀 \u2028",
    12345,
    {"long": "y" * 500},
    None,
    True,
    {"z": {}},
]
# Reads a file as an import does, and tells how much memory that took at most.
READ = """
import sys
from datetime import UTC, datetime
from uuid import UUID
import psutil
from chatkeep.transfer.archive import values_in
from chatkeep.transfer.batch_reader import BatchReader

def count():
    with open(sys.argv[1], "rb") as file:
        reader, read, peak = BatchReader([("", values_in(file, max_bytes=10**9))], UUID(int=1)), 0, 0
        while batch := reader.next_batch(datetime.now(UTC)):
            read += sum(each.rows is not None for each in batch)
            peak = max(peak, psutil.Process().memory_info().rss // 1024**2)
        return read, peak

print(*count())
"""


def read(text: bytes) -> list[object]:
    return [each.reason if isinstance(each, Unreadable) else each.parsed for each in JsonValues(io.BytesIO(text))]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10**6])
@pytest.mark.parametrize("form", ["list", "lines", "pretty", "lists"])
def test_every_form_gives_the_same_values_however_it_is_cut(
    monkeypatch: pytest.MonkeyPatch, size: int, form: str
) -> None:
    monkeypatch.setattr(json_stream, "CHUNK_BYTES", size)
    text = {
        "list": json.dumps(VALUES),
        "lines": "\n".join(json.dumps(each, ensure_ascii=False) for each in VALUES if not isinstance(each, list)),
        "pretty": "\ufeff" + json.dumps(VALUES, indent=2, ensure_ascii=False),
        "lists": json.dumps(VALUES[:4]) + "\r\n" + json.dumps(VALUES[4:]),
    }[form]
    wanted = [each for each in VALUES if form != "lines" or not isinstance(each, list)]
    assert read(text.encode()) == wanted


@pytest.mark.parametrize("size", [1, 5, 10**6])
def test_a_broken_value_is_passed_over_by_its_brackets(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(json_stream, "CHUNK_BYTES", size)
    broken = ('{"a": [b]}', '{"a": "\\x \\" ]}"}', "[1 2]", '{"a" "]"}')
    text = "[" + ",".join(f'{each}, {{"good": "[\\"{{"}}' for each in broken) + "]"
    found = read(text.encode())
    assert found[1::2] == [{"good": '["{'}] * 4
    assert all(isinstance(each, str) and "not valid JSON" in each for each in found[::2])


def test_a_value_that_is_too_large_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "CHUNK_BYTES", 1000)
    monkeypatch.setattr(json_stream, "MAX_CHARACTERS", 20_000)
    monkeypatch.setattr(json_stream, "MAX_PARTS", 5000)
    large, good = {"a": "]" * 50_000}, {"b": "x" * 15_000}
    many: list[list[int]] = [[]] * 9000
    found = read(json.dumps([good, large, good, many, good]).encode())
    assert [found[0], found[2], found[4]] == [good] * 3
    assert all("larger than" in str(each) for each in found[1::2])


def conversations(chance: random.Random, path: Path, megabytes: int) -> int:
    """Write a ChatGPT export of about that size; return how many conversations are in it."""
    words = "".join(chance.choice("あいうえお abcdefghij") for _ in range(3000))
    count = 0
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        while file.tell() < megabytes * 1_000_000:
            nodes = {
                str(number): {
                    "parent": str(number - 1),
                    "message": {
                        "author": {"role": ("user", "assistant")[number % 2]},
                        "create_time": 1.7e9 + number,
                        "content": {"content_type": "text", "parts": [words]},
                    },
                }
                for number in range(chance.randrange(2, 40))
            }
            file.write(("," if count else "") + json.dumps({"id": str(count), "mapping": nodes}, ensure_ascii=False))
            count += 1
        file.write("]")
    return count


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    peaks = []
    for megabytes in (4, 64):
        path = tmp_path / f"{megabytes}.json"
        count = conversations(random.Random(megabytes), path, megabytes)
        done = subprocess.run([sys.executable, "-c", READ, path], capture_output=True, text=True, check=True)
        read_, peak = map(int, done.stdout.split())
        assert read_ == count
        peaks.append(peak)
    assert peaks[1] < peaks[0] + 16, peaks
    assert peaks[1] < 200


@pytest.mark.parametrize("short", [1, 7, 4096])
def test_short_values_are_read_as_long_ones_are(monkeypatch: pytest.MonkeyPatch, short: int) -> None:
    monkeypatch.setattr(json_stream, "SHORT_CHARACTERS", short)
    text = '[{"a": [1, "]", "\\"}"]}, {"b": 1]}, [], {"c": {"d": []}}, "t\\n", {1}, {"e": NaN}] {"f": 1e999} {"g": [1'
    found = read(text.encode())
    monkeypatch.setattr(json_stream, "SHORT_CHARACTERS", 0)
    assert found == read(text.encode())
    assert found[0] == {"a": [1, "]", '"}']}
