"""What an SVG picture draws, read from the document: boxes, labels, lines and texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final
from xml.etree import ElementTree

import attrs
from llama_agents.client._graphs.lettering import width

SVG: Final = "{http://www.w3.org/2000/svg}"
_NUMBER: Final = re.compile(r"-?[\d.]+")


@attrs.frozen
class Area:
    """A rectangle."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Area, apart: float = 0.0) -> bool:
        """Whether two areas share more than a border, or are less than ``apart`` apart."""
        return (
            self.left < other.right + apart
            and other.left < self.right + apart
            and self.top < other.bottom + apart
            and other.top < self.bottom + apart
        )

    def contains(self, point: tuple[float, float], by: float = 0.0) -> bool:
        """Whether a point is inside, at least ``by`` from the border (outside, if negative)."""
        x, y = point
        return self.left + by < x < self.right - by and self.top + by < y < self.bottom - by

    def holds(self, other: Area) -> bool:
        """Whether an area is inside."""
        corners = ((other.left, other.top), (other.right, other.bottom))
        return all(self.contains(corner, by=-0.1) for corner in corners)


@attrs.frozen
class Drawn:
    """A box or a label with its texts."""

    area: Area
    texts: tuple[str, ...]
    text_areas: tuple[Area, ...]


@attrs.frozen
class Drawing:
    """All that a picture draws."""

    whole: Area
    boxes: list[Drawn]
    labels: list[Drawn]
    lines: list[list[tuple[float, float]]]
    heads: list[list[tuple[float, float]]]


def read(svg: str) -> Drawing:
    """Read a picture."""
    root = ElementTree.fromstring(svg)
    left, top, right, bottom = numbers(root.attrib["viewBox"])
    boxes, labels = [], []
    for group in root.iter(f"{SVG}g"):
        rect = group.find(f"{SVG}rect")
        assert rect is not None
        (boxes if "stroke" in rect.attrib else labels).append(_drawn(group, rect))
    return Drawing(
        whole=Area(left, top, right, bottom),
        boxes=boxes,
        labels=labels,
        lines=[list(points(path.attrib["d"])) for path in root.iter(f"{SVG}path")],
        heads=[_pairs(head.attrib["points"]) for head in root.iter(f"{SVG}polygon")],
    )


def numbers(text: str) -> list[float]:
    return [float(number) for number in _NUMBER.findall(text)]


def _pairs(text: str) -> list[tuple[float, float]]:
    flat = numbers(text)
    return list(zip(flat[::2], flat[1::2], strict=True))


def _drawn(group: ElementTree.Element, rect: ElementTree.Element) -> Drawn:
    x, y, w, h = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
    texts = list(group.iter(f"{SVG}text"))
    return Drawn(
        Area(x, y, x + w, y + h),
        tuple(text.text or "" for text in texts),
        tuple(_text_area(text) for text in texts),
    )


def _text_area(text: ElementTree.Element) -> Area:
    size = float(text.attrib.get("font-size", 13))
    half = width(text.text or "", size, is_bold="font-weight" in text.attrib) / 2
    x, y = float(text.attrib["x"]), float(text.attrib["y"])
    return Area(x - half, y - size * 0.75, x + half, y + size * 0.25)


def points(path: str) -> Iterator[tuple[float, float]]:
    """Yield points along a path of moves, lines and cubic curves, a few pixels apart."""
    at = (0.0, 0.0)
    for command, arguments in re.findall(r"([MLC])([^MLC]*)", path):
        ends = [at, *_pairs(arguments)]
        steps = {"M": 1, "L": 8, "C": 20}[command]
        for step in range(1, steps + 1):
            yield ends[-1] if command == "M" else _on_curve(ends, step / steps)
        at = ends[-1]


def _on_curve(ends: list[tuple[float, float]], share: float) -> tuple[float, float]:
    """Return a point of a Bezier curve (de Casteljau)."""
    while len(ends) > 1:
        ends = [
            (x0 + (x1 - x0) * share, y0 + (y1 - y0) * share)
            for (x0, y0), (x1, y1) in pairwise(ends)
        ]
    return ends[0]
