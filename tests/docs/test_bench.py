"""The commands of bench/README.md: tests/bench runs each case, at a size at which it takes seconds."""

import re
import shlex

import pytest

from bench.__main__ import options
from bench.cases import EVERY
from tests.docs.claims import runs
from tests.docs.documents import ROOT, Block

DOCUMENT = "bench/README.md"


@runs(
    DOCUMENT, "make bench", weaker="a whole run takes an hour: its options are parsed, and tests/bench runs each case"
)
def test_every_command_has_options_that_there_are(block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = [shlex.split(line, comments=True) for line in block.text.splitlines()]
    assert len(commands) > 4
    for make, target, *given in commands:
        assert (make, target) == ("make", "bench")
        words = [word for each in given for word in shlex.split(each.removeprefix("BENCH="))]
        monkeypatch.setattr("sys.argv", ["bench", *words])
        assert options().messages > 0


def test_the_table_names_every_case() -> None:
    text = (ROOT / DOCUMENT).read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE) == EVERY
