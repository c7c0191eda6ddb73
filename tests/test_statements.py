"""The choice of the tests that ask another server: whatever is sent is sent again."""

import json
from pathlib import Path

import pytest

from tests.support.statements import Sent, choose, main, read


def sent(seconds: float, statements: str) -> Sent:
    return Sent(seconds, frozenset(statements))


def test_every_statement_is_sent_again_by_few_quick_tests() -> None:
    tests = {"slow": sent(9, "abc"), "ab": sent(1, "ab"), "bc": sent(1, "bc"), "d": sent(2, "d"), "none": sent(0, "")}
    assert set(choose(tests)) == {"ab", "bc", "d"}


def test_what_only_a_slow_test_sends_is_sent_by_that_one() -> None:
    assert set(choose({"slow": sent(100, "abx"), "a": sent(0, "a"), "b": sent(0, "b")})) == {"slow"} | {"a", "b"}


def test_some_are_taken_whatever_they_send_and_nothing_is_sent_for_them_again() -> None:
    tests = {"tests/a.py::one[x]": sent(9, "ab"), "tests/a.py::two": sent(1, ""), "tests/b.py::b": sent(0, "b")}
    assert choose(tests, ["tests/a.py::*"]) == ["tests/a.py::one[x]", "tests/a.py::two"]


def test_no_test_is_chosen_of_none() -> None:
    assert choose({}) == []


def test_a_choice_is_of_every_process_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for process, line in enumerate((["tests/a.py::a", 1.5, ["1", "2"]], ["tests/b.py::b[x y]", 0.1, ["3"]])):
        (tmp_path / f"{process}.jsonl").write_text(json.dumps(line) + "\n")
    assert read(tmp_path)["tests/a.py::a"] == Sent(1.5, frozenset("12"))
    main(str(tmp_path), str(tmp_path / "chosen"))
    assert set(json.loads((tmp_path / "chosen").read_text())) == {"tests/a.py::a", "tests/b.py::b[x y]"}
    assert capsys.readouterr().out == "tests/a.py tests/b.py\n"
