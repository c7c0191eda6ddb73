"""Figures over time as SVG that a page may hold: shapes and their classes. The page's own styles say how they look."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil, floor, log10
from unicodedata import east_asian_width

from chatkeep.web.rendering import render_svg

# In the units of the drawing, which is as wide as there is room.
WIDTH, HEIGHT = 460, 200
TOP, BOTTOM = 14, 178
CHARACTER_WIDTH = 6.5
LABEL_GAP = 5
MAX_STEPS = 4
MAX_LABELS = 6
# Of a bar's place on the axis of time.
BAR_SHARE = 0.88

Formatter = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Series:
    """One value for each place on the axis of time; None where there is none."""

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class _Shapes:
    """One series as it is drawn."""

    paths: Sequence[str] = ()
    dots: Sequence[dict[str, object]] = ()
    bars: Sequence[dict[str, object]] = ()


@dataclass(frozen=True, slots=True)
class _Plot:
    """The scale of a drawing: values upwards, places from left to right."""

    labels: Sequence[str]
    steps: Sequence[float]
    format_value: Formatter

    @property
    def left(self) -> float:
        return LABEL_GAP + CHARACTER_WIDTH * max(_columns(self.format_value(step)) for step in self.steps)

    @property
    def place_width(self) -> float:
        return (WIDTH - self.left) / len(self.labels)

    def x(self, place: float) -> float:
        return _rounded(self.left + (place + 0.5) * self.place_width)

    def y(self, value: float) -> float:
        return _rounded(BOTTOM - (BOTTOM - TOP) * value / self.steps[-1])

    def draw(self, shapes: Sequence[_Shapes], attributes: dict[str, str]) -> str:
        every = ceil(len(self.labels) / MAX_LABELS)
        return render_svg(
            "chart.svg",
            size=(WIDTH, HEIGHT),
            left=_rounded(self.left),
            gap=LABEL_GAP,
            steps=[(self.y(step), self.format_value(step)) for step in self.steps],
            labels=[(self.x(place), self.labels[place]) for place in range(0, len(self.labels), every)],
            series=shapes,
            attributes={name.replace("_", "-"): value for name, value in attributes.items()},
        )


def bars(labels: Sequence[str], series: Sequence[Series], format_value: Formatter, **attributes: str) -> str:
    """Return bars, those of several series on top of each other. See `lines`."""
    sums = [sum(value or 0 for value in values) for values in zip(*(each.values for each in series), strict=True)]
    plot = _Plot(labels, steps_to(max(sums), smallest=1), format_value)
    heights = [0.0] * len(labels)
    shapes = [_Shapes(bars=_bars(plot, each, len(series) > 1, heights)) for each in series]
    return plot.draw(shapes, attributes)


def lines(labels: Sequence[str], series: Sequence[Series], format_value: Formatter, **attributes: str) -> str:
    """Return a line for each series, broken where there is no value; a dot where there is none on either side.

    Args:
        labels: of each place on the axis of time; some of them are written.
        format_value: a value as text.
        attributes: of the drawing as a whole.

    Returns:
        An `svg` element without a style, a script or an address. Its text is escaped.
    """
    highest = max(value for each in series for value in each.values if value is not None)
    plot = _Plot(labels, steps_to(highest), format_value)
    return plot.draw([_line(plot, each, len(series) > 1) for each in series], attributes)


def steps_to(highest: float, smallest: float = 0) -> list[float]:
    """Return the values to write on an axis: from 0 to `highest` or the next one, by 1, 2 or 5 of a power of ten."""
    least = max(highest / MAX_STEPS, smallest) or 1
    power = 10 ** floor(log10(least))
    step = next(times * power for times in (1, 2, 5, 10) if times * power >= least * (1 - 1e-9))
    return [round(n * step, 9) for n in range(max(ceil(highest / step - 1e-9), 1) + 1)]


def _bars(plot: _Plot, series: Series, named: bool, heights: list[float]) -> list[dict[str, object]]:
    """Return the rectangles of one series, and add it to the `heights` that the next one stands on."""
    shapes: list[dict[str, object]] = []
    for place, value in enumerate(series.values):
        if not value:
            continue
        foot, head = plot.y(heights[place]), plot.y(heights[place] + value)
        heights[place] += value
        if foot > head:
            x = plot.x(place - BAR_SHARE / 2)
            title = _title(plot, series, place, named)
            shapes.append({"x": x, "y": head, "height": _rounded(foot - head), "title": title})
    width = _rounded(BAR_SHARE * plot.place_width)
    return [{**shape, "width": width} for shape in shapes]


def _line(plot: _Plot, series: Series, named: bool) -> _Shapes:
    paths, dots = [], []
    for known, run in groupby(enumerate(series.values), key=lambda each: each[1] is not None):
        points = [(place, plot.x(place), plot.y(value or 0)) for place, value in run]
        if known and len(points) == 1:
            place, x, y = points[0]
            dots.append({"x": x, "y": y, "title": _title(plot, series, place, named)})
        elif known:
            paths.append("M" + " L".join(f"{x:g} {y:g}" for _, x, y in points))
    return _Shapes(paths=paths, dots=dots)


def _title(plot: _Plot, series: Series, place: int, named: bool) -> str:
    """Return the text that browsers show beside the pointer."""
    value = plot.format_value(series.values[place] or 0)
    return f"{plot.labels[place]} {series.name}: {value}" if named else f"{plot.labels[place]} {value}"


def _columns(text: str) -> int:
    """Japanese characters are twice as wide as digits."""
    return sum(2 if east_asian_width(character) in "FW" else 1 for character in text)


def _rounded(number: float) -> float:
    """A tenth of a unit is less than a pixel."""
    return round(number, 1)
