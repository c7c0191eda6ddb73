"""Figures over time as SVG that a page may hold: shapes and their classes. How they look is the page's own styles'."""

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from math import ceil, floor, log10
from typing import Any
from xml.etree import ElementTree as ET

import pygal

# It adds an importer of plug-ins to Python's own, of a kind that Python has stopped asking and warns of.
sys.meta_path[:] = [each for each in sys.meta_path if type(each) is not pygal.PluginImportFixer]

# In the units of the drawing, which is as wide as there is room.
WIDTH, HEIGHT = 460, 200
FONT_SIZE = 11
MOST_STEPS = 4
MOST_LABELS = 6

# All else is left out: pygal's styles, scripts and the addresses in them, and its tooltips, which need its scripts.
# So is whatever a later version may add.
_ELEMENTS = {"svg", "g", "path", "rect", "circle", "text"}
_ATTRIBUTES = ("viewBox", "class", "transform", "d", "x", "y", "width", "height", "cx", "cy")
_CLASSES = re.compile(r"axis|x|y|series|color-\d+")
_LEFT_OUT = {"background", "tooltip-overlay"}


Told = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Series:
    """One value for each place on the axis of time; None where there is none."""

    name: str
    values: Sequence[float | None]


def bars(labels: Sequence[str], series: Sequence[Series], told: Told, **attributes: str) -> str:
    """Return bars, those of several series on top of each other. See `lines`."""
    most = max(sum(value or 0 for value in values) for values in zip(*(each.values for each in series), strict=True))
    chart = pygal.StackedBar(**_looks(labels), **_scale(most, told, smallest=1))
    return _drawn(chart, labels, series, told, attributes)


def lines(labels: Sequence[str], series: Sequence[Series], told: Told, **attributes: str) -> str:
    """Return a line for each series, broken where there is no value; a dot where there is none on either side.

    Args:
        labels: of each place on the axis of time; some of them are written.
        told: a value as text.
        attributes: of the drawing as a whole.

    Returns:
        An `svg` element without a style, a script or an address. Its text is escaped.
    """
    most = max(value for each in series for value in each.values if value is not None)
    chart = pygal.Line(**_looks(labels), **_scale(most, told), allow_interruptions=True)
    return _drawn(chart, labels, series, told, attributes)


def steps_to(most: float, smallest: float = 0) -> list[float]:
    """Return the values to write on an axis: from 0 up to `most` or the next one, by 1, 2 or 5 of a power of ten."""
    least = max(most / MOST_STEPS, smallest)
    power = 10 ** floor(log10(least))
    step = next(times * power for times in (1, 2, 5, 10) if times * power >= least * (1 - 1e-9))
    return [round(n * step, 9) for n in range(ceil(most / step - 1e-9) + 1)]


def _scale(most: float, told: Told, smallest: float = 0) -> dict[str, Any]:
    steps = steps_to(most, smallest)
    return {"range": (0, steps[-1]), "y_labels": [{"value": step, "label": told(step)} for step in steps]}


def _looks(labels: Sequence[str]) -> dict[str, Any]:
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "margin": 2,
        "margin_top": FONT_SIZE,
        "spacing": 6,
        "style": pygal.style.Style(label_font_size=FONT_SIZE, major_label_font_size=FONT_SIZE),
        "show_legend": False,
        "show_minor_x_labels": False,
        "x_labels_major_every": ceil(len(labels) / MOST_LABELS),
        "truncate_label": -1,
        "js": (),
        "css": (),
        "no_prefix": True,
    }


def _drawn(
    chart: Any,
    labels: Sequence[str],
    series: Sequence[Series],
    told: Told,
    attributes: dict[str, str],
) -> str:
    chart.x_labels = labels
    for each in series:
        chart.add(each.name, each.values, formatter=_naming(each.name, told) if len(series) > 1 else told)
    svg = _cleaned(chart.render_tree())
    for axis in svg.iterfind(".//g[@class='axis x']"):
        _remove(axis, axis.findall("path"))
    for n, each in enumerate(series):
        for group in svg.iterfind(f".//g[@class='series color-{n}']"):
            _remove(group, compress(group.findall("circle"), _have_neighbours(each.values)))
    svg.attrib |= {name.replace("_", "-"): value for name, value in attributes.items()}
    return ET.tostring(svg, encoding="unicode")


def _remove(holder: ET.Element, children: Iterable[ET.Element]) -> None:
    for child in list(children):
        holder.remove(child)


def _have_neighbours(values: Sequence[float | None]) -> list[bool]:
    """Tell of each value that is known whether a line leads to or from it."""
    known = [False, *(value is not None for value in values), False]
    return [known[n - 1] or known[n + 1] for n in range(1, len(known) - 1) if known[n]]


def _naming(name: str, told: Told) -> Told:
    return lambda value: f"{name}: {told(value)}"


def _cleaned(element: Any) -> ET.Element:
    kept = ET.Element(element.tag, _clean_attributes(element))
    kept.text = element.text
    told = {child.get("class"): child.text for child in element if child.tag == "desc"}
    for child in element:
        if child.tag in _ELEMENTS and not _LEFT_OUT & set(child.get("class", "").split()):
            clean = _cleaned(child)
            if "value" in told:
                # Browsers show a shape's title to whoever points at it.
                ET.SubElement(clean, "title").text = f"{told.get('x_label')} {told['value']}"
            # A group that says nothing is as good as what is in it.
            kept.extend(clean if clean.tag == "g" and not clean.attrib else [] if _is_flat(clean) else [clean])
    return kept


def _clean_attributes(element: Any) -> dict[str, str]:
    given = {name: _short(element.get(name)) for name in _ATTRIBUTES if element.get(name)}
    if "class" in given:
        given["class"] = " ".join(filter(_CLASSES.fullmatch, given["class"].split(" ")))
    return {name: value for name, value in given.items() if value}


def _is_flat(element: ET.Element) -> bool:
    return (element.tag == "g" and not len(element)) or (element.tag == "rect" and element.get("height") == "0")


def _short(text: str) -> str:
    """A tenth of a unit is less than a pixel."""
    parts = text.split(" ")
    return " ".join(_rounded(part) for part in parts)


def _rounded(part: str) -> str:
    start = 1 if part[:1] in ("M", "L", "h", "v") else 0
    try:
        return f"{part[:start]}{round(float(part[start:]), 1):g}"
    except ValueError:
        return part
