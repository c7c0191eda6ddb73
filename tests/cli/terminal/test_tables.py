"""Tables: what a terminal of some width shows, and what a pipe gets."""

import io
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from chatkeep.cli.terminal.tables import Column, Table

COLUMNS = (
    Column("WHEN", leave_out=1),
    Column("WHO", widest=10),
    Column("SAID", widest=None),
    Column("HEARD", widest=None, leave_out=2),
)
ROW = ["2026-01-31 09:30", "寿限無寿限無寿限無", "short", "すもももももももものうち" * 9]


def printed(*rows: Sequence[str | Text], columns: int, terminal: bool = True) -> list[str]:
    out = io.StringIO()
    table = Table(COLUMNS, Console(file=out, width=columns, force_terminal=terminal, color_system=None))
    for row in rows:
        table.write([row])
    return out.getvalue().splitlines()


def test_a_row_is_a_line_of_the_terminals_width() -> None:
    for columns in (60, 80, 100, 140):
        header, row = printed(ROW, columns=columns)
        assert Text(row).cell_len <= columns
        assert Text(row.partition("short")[0]).cell_len == header.index("SAID")
    assert printed(ROW, columns=60)[1] == "2026-01-31 09:30  寿限無寿…   short  すもももももももものう…"


def test_columns_that_do_not_fit_are_left_out() -> None:
    assert printed(ROW, columns=45)[0].split() == ["WHEN", "WHO", "SAID"]
    assert printed(ROW, columns=20)[0].split() == ["WHO", "SAID"]


def test_text_that_needs_less_leaves_the_rest_to_the_other() -> None:
    assert "short  すもも" in printed(ROW, columns=100)[1]
    assert Text(printed(ROW, columns=100)[1]).cell_len >= 99


def test_a_pipe_gets_every_column_and_whole_names() -> None:
    header, row = printed(ROW, columns=40, terminal=False)
    assert header.split() == ["WHEN", "WHO", "SAID", "HEARD"]
    assert "寿限無寿限無寿限無  short" in row
    assert len(row) < len(ROW[3])


def test_the_header_comes_once_and_only_above_rows() -> None:
    assert printed(columns=80) == []
    assert [line[:4] for line in printed(ROW, ROW, columns=80)] == ["WHEN", "2026", "2026"]


def test_text_is_on_one_line_and_moves_nothing() -> None:
    assert "a b c ·[2J [bold]d[/]" in printed(["", "x", "a\nb\r\nc\t\x1b[2J [bold]d[/]", ""], columns=80)[1]


def test_a_book_is_shown_at_once() -> None:
    assert printed(["", "x", "すもも" * 1_000_000, ""], columns=80)[1].endswith("…")
