"""Which statements each test sends to the database, so that another server need not be asked all of it again.

With CHATKEEP_TEST_STATEMENTS, a folder, a run writes down there what each of its tests sends. `choose` then finds tests
that together send every statement; with CHATKEEP_TEST_CHOSEN, the file that it has written, a run is of these alone.
What other processes than the tests' own send is not seen.
"""

import json
import os
import sys
import time
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

FOLDER = "CHATKEEP_TEST_STATEMENTS"
CHOSEN = "CHATKEEP_TEST_CHOSEN"
# What each test costs beside its own seconds.
LEAST_SECONDS = 0.05


@dataclass(frozen=True)
class Sent:
    """What a test sent, in digests, and how many seconds it took."""

    seconds: float
    statements: frozenset[str]


class Recorder:
    """Writes down what the tests of this process send."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / f"{os.getpid()}.jsonl"
        self._sent: set[str] = set()
        event.listen(Engine, "before_cursor_execute", self._send)

    def _send(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self._sent.add(statement)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        began = time.monotonic()
        self._sent.clear()
        done = yield
        if "server_url" in getattr(item, "fixturenames", ()):
            digests = [sha256(each.encode()).hexdigest()[:16] for each in self._sent]
            line = json.dumps([item.nodeid, round(time.monotonic() - began, 3), digests])
            with self._file.open("a") as file:
                file.write(line + "\n")
        return done


def choose(tests: Mapping[str, Sent], whole: Iterable[str] = ()) -> list[str]:
    """Return few quick tests that send together what all of them send.

    Args:
        whole: patterns of ids of tests that are chosen whatever they send.
    """
    found = [name for name in tests if any(fnmatchcase(name, pattern) for pattern in whole)]
    left = _statements(tests.values()) - _statements(tests[name] for name in found)
    while left:
        best = max(tests, key=lambda name: len(tests[name].statements & left) / (tests[name].seconds + LEAST_SECONDS))
        found.append(best)
        left -= tests[best].statements
    return found


def _statements(tests: Iterable[Sent]) -> frozenset[str]:
    return frozenset[str]().union(*(each.statements for each in tests))


def read(folder: Path) -> dict[str, Sent]:
    """Return what the tests of a run sent, by their ids."""
    lines = (line for file in sorted(folder.glob("*.jsonl")) for line in file.read_text().splitlines())
    return {name: Sent(seconds, frozenset(sent)) for name, seconds, sent in map(json.loads, lines)}


def chosen() -> frozenset[str] | None:
    """Return the ids of the tests to run; None is all."""
    file = os.environ.get(CHOSEN)
    return None if file is None else frozenset(json.loads(Path(file).read_text()))


def main(folder: str, file: str, *whole: str) -> None:
    """Write down which tests of a run to repeat, and print the names of their files."""
    tests = read(Path(folder))
    names = choose(tests, whole)
    Path(file).write_text(json.dumps(names))
    print(*sorted({name.partition("::")[0] for name in names}))
    some, every = (sum(tests[name].seconds for name in each) for each in (names, tests))
    print(f"{len(names)} of {len(tests)} tests send all of it, in {some:.0f} of {every:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
