"""Tables that are printed as their rows arrive: in columns on a terminal, whole in a pipe.

On a terminal a row is one line: columns are left out and text is cut until it fits. Into a pipe every column goes,
and only long text is cut. Widths come from the first rows; widths are those of terminals, where a Japanese
character takes two cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

from chatkeep.cli.terminal.output import escape_terminal, results

GAP = "  "
MIN_TEXT_CHARACTERS = 20
PIPED_TEXT = 60
MAX_CELL_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class Column:
    """Args:
    widest: cells; None shares the rest of the line with others of its kind, and holds long text.
    leave_out: of the columns that do not fit, the one with the highest number goes first; 0 stays.
    """

    title: str
    widest: int | None = 32
    leave_out: int = 0
    right: bool = False
    style: str = ""


@dataclass(slots=True)
class Table:
    """Prints rows below a header that comes with the first of them."""

    columns: Sequence[Column]
    console: Console = field(default_factory=lambda: results)
    _widths: dict[int, int] = field(default_factory=dict)

    def write(self, rows: Sequence[Sequence[str | Text]]) -> None:
        """Print rows, each with a cell for each column."""
        cells = [[_cell(cell, column) for cell, column in zip(row, self.columns, strict=True)] for row in rows]
        if not cells:
            return
        if not self._widths:
            header = [Text(column.title, style="bold") for column in self.columns]
            self._widths = self._fitted([header, *cells])
            self._print(header)
        for row in cells:
            self._print(row)

    def _print(self, row: Sequence[Text]) -> None:
        parts = []
        for index, width in self._widths.items():
            cell = row[index].copy()
            if self.console.is_terminal or self.columns[index].widest is None:
                _cut(cell, width)
            cell.align("right" if self.columns[index].right else "left", max(width, cell.cell_len))
            parts.append(cell)
        line = Text(GAP).join(parts)
        line.rstrip()
        self.console.print(line, soft_wrap=True)

    def _fitted(self, rows: Sequence[Sequence[Text]]) -> dict[int, int]:
        """Return the width of each column that is shown, by its place."""
        natural = [max(row[index].cell_len for row in rows) for index in range(len(self.columns))]
        shown = list(range(len(self.columns)))
        while self.console.is_terminal and self._least(natural, shown) > self.console.width:
            last = max(shown, key=lambda index: self.columns[index].leave_out)
            if not self.columns[last].leave_out:
                break
            shown.remove(last)
        return self._shared(natural, shown)

    def _least(self, natural: Sequence[int], shown: Sequence[int]) -> int:
        """The width of the columns when long text takes as little as it may."""
        return sum(min(natural[index], self._widest(index)) for index in shown) + len(GAP) * (len(shown) - 1)

    def _widest(self, index: int) -> int:
        widest = self.columns[index].widest
        if widest is not None:
            return widest
        return MIN_TEXT_CHARACTERS if self.console.is_terminal else PIPED_TEXT

    def _shared(self, natural: Sequence[int], shown: Sequence[int]) -> dict[int, int]:
        widths = {index: min(natural[index], self._widest(index)) for index in shown}
        spare = self.console.width - self._least(natural, shown)
        texts = sorted((index for index in shown if self.columns[index].widest is None), key=lambda i: natural[i])
        # The shortest first: what it does not need goes to the others.
        for place, index in enumerate(texts):
            more = min(natural[index] - widths[index], max(0, spare) // (len(texts) - place))
            widths[index] += more
            spare -= more
        return widths


def _cut(cell: Text, width: int) -> None:
    if cell.cell_len > width:
        cell.truncate(width - 1)
        cell.rstrip()  # half of a wide character is a space
        cell.append("…")


def _cell(content: str | Text, column: Column) -> Text:
    if isinstance(content, Text):
        return content
    # No terminal is wider, and measuring a whole book takes its time.
    return Text(escape_terminal(content[:MAX_CELL_CHARACTERS]), style=column.style)
