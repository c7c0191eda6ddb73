"""Charts hold shapes and text, and nothing that a strict page would refuse."""

import re
from xml.etree import ElementTree as ET

import pytest

from chatkeep.web.charts import Series, bars, lines, steps_to

SHAPES = {"svg", "g", "path", "rect", "circle", "text", "title"}
PLACES = {"viewBox", "class", "transform", "d", "x", "y", "width", "height", "cx", "cy"}
NASTY = '<script>alert(1)</script>"&'
LABELS = [f"{NASTY}{n}" for n in range(40)]


def drawn(kind: str, *values: list[float | None]) -> ET.Element:
    draw = bars if kind == "bars" else lines
    series = [Series(f"{NASTY}{n}", each) for n, each in enumerate(values)]
    text = draw(LABELS[: len(values[0])], series, lambda value: f"{value:g} s", role="img", aria_labelledby="title")
    assert not re.search(r"style|http|href|url\(|<!--|<\?|<script", text)
    return ET.fromstring(text)


@pytest.mark.parametrize("kind", ["bars", "lines"])
def test_a_chart_is_shapes_and_text_alone(kind: str) -> None:
    svg = drawn(kind, [float(n) for n in range(40)], [None] * 20 + [2.0] + [None] * 19)
    assert {each.tag for each in svg.iter()} == SHAPES - {"circle" if kind == "bars" else "rect"}
    assert {name for each in svg.iter() for name in each.attrib} <= PLACES | {"role", "aria-labelledby"}
    assert svg.attrib["aria-labelledby"] == "title"


def test_each_bar_is_told_to_who_points_at_it() -> None:
    titles = [each.text for each in drawn("bars", [1.0, None, 3.0], [4.0, 5.0, None]).iter("title")]
    told = [(0, 0, 1), (0, 2, 3), (1, 0, 4), (1, 1, 5)]
    assert titles == [f"{LABELS[place]} {NASTY}{series}: {value} s" for series, place, value in told]


def test_a_line_is_broken_where_nothing_is_known_and_a_lonely_value_is_a_dot() -> None:
    series = drawn("lines", [1.0, 2.0, None, 3.0, None, 4.0, 5.0]).findall(".//g[@class='series color-0']")
    assert sum(len(each.findall("path")) for each in series) == 2
    assert [each.findtext("title") for group in series for each in group.findall("circle")] == [f"{LABELS[3]} 3 s"]


@pytest.mark.parametrize(
    ("most", "smallest", "steps"),
    [
        (1, 1, [0, 1]),
        (0, 1, [0, 1]),
        (-5, 1, [0, 1]),
        (0, 0, [0, 1]),
        (3, 1, [0, 1, 2, 3]),
        (14, 1, [0, 5, 10, 15]),
        (1_009_851, 1, [0, 500_000, 1_000_000, 1_500_000]),
        (0.3, 0, [0, 0.1, 0.2, 0.3]),
        (0.0007, 0, [0, 0.0002, 0.0004, 0.0006, 0.0008]),
    ],
)
def test_an_axis_has_a_few_round_steps(most: float, smallest: float, steps: list[float]) -> None:
    assert steps_to(most, smallest) == pytest.approx(steps)
