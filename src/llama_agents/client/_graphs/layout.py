"""Coordinates for nodes, labels and arrows, from their sizes.

Each layer is a band. Within a band, everything keeps its distance from its neighbors, and an arrow
that passes goes straight down; arrows turn only between bands, where there is nothing else. So no
arrow runs through a node or a label, whatever the graph.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Final

import attrs

from .layers import Layers, Way, arrange

_GAP: Final = 26.0  # between two bands
_APART: Final = 22.0  # between two neighbors
_PORTS: Final = 22.0  # between two arrows at one side of a node
_MARGIN: Final = 16.0
_LANES: Final = 12.0  # between two arrows that pass
_SWEEPS: Final = 200
_MOVES: Final = 100_000  # of places, in all sweeps


@attrs.frozen
class Size:
    """The size of something that is to be placed.

    Attributes:
        width: Its width.
        height: Its height.
        beside: Room that it needs at its right.
        has_ports: Whether arrows are spread over its upper and lower side.
    """

    width: float
    height: float
    beside: float = 0.0
    has_ports: bool = True


@attrs.frozen
class Rect:
    """A rectangle, by its center."""

    x: float
    y: float
    width: float
    height: float


@attrs.frozen
class Path:
    """The line of an arrow, from its source to its target.

    Attributes:
        points: Pairs of points with a straight, vertical line between them; curves lead on.
        label: The place of the label.
        is_back: Whether it leads up.
    """

    points: tuple[tuple[float, float], ...]
    label: Rect
    is_back: bool


@attrs.frozen
class Layout:
    """Where everything is.

    Attributes:
        width: The width of the whole picture.
        height: Its height.
        nodes: The nodes.
        paths: The arrows.
    """

    width: float
    height: float
    nodes: Sequence[Rect]
    paths: Sequence[Path]


def place(
    nodes: Sequence[Size], arrows: Sequence[tuple[int, int]], labels: Sequence[Size]
) -> Layout:
    """Place nodes, arrows between different nodes, and a label for each arrow.

    Raises:
        ValueError: The arrows span too many layers.
    """
    layers = arrange(len(nodes), arrows, [label.width for label in labels])
    sizes = _sizes(nodes, labels, layers)
    placed = _Placed(layers, sizes)
    return Layout(
        width=round(placed.width, 1),
        height=round(placed.height, 1),
        nodes=[placed.rect(number) for number in range(len(nodes))],
        paths=[placed.path(way) for way in layers.ways],
    )


class _Placed:
    """Places with their coordinates."""

    def __init__(self, layers: Layers, sizes: Mapping[int, Size]) -> None:
        self._sizes = sizes
        self._bands = _bands(layers, sizes)
        self._ports = _Ports(layers, sizes)
        xs = _Columns(layers, sizes).xs()
        left = min((xs[p] - size.width / 2 for p, size in sizes.items()), default=0.0) - _MARGIN
        self._xs = {place: x - left for place, x in xs.items()}
        rights = (self._xs[p] + size.width / 2 + size.beside for p, size in sizes.items())
        self.width = max(rights, default=_MARGIN) + _MARGIN
        self.height = max((lower for _, lower in self._bands.values()), default=_MARGIN) + _MARGIN

    def rect(self, number: int) -> Rect:
        """Return the rectangle of a node or a label."""
        size, (upper, lower) = self._sizes[number], self._bands[number]
        x, y = round(self._xs[number], 1), round((upper + lower) / 2, 1)
        return Rect(x, y, size.width, size.height)

    def path(self, way: Way) -> Path:
        """Return the line of an arrow."""
        first, *stops, last = way.places
        start = self._xs[first] + self._ports.of(first, stops[0])
        end = self._xs[last] + self._ports.of(last, stops[-1])
        upper, lower = self.rect(first), self.rect(last)
        points = [(start, upper.y + upper.height / 2), (start, self._bands[first][1])]
        for stop in stops:
            points += [(self._xs[stop], y) for y in self._bands[stop]]
        points += [(end, self._bands[last][0]), (end, lower.y - lower.height / 2)]
        rounded = [(round(x, 1), round(y, 1)) for x, y in points]
        in_order = tuple(reversed(rounded) if way.is_back else rounded)
        return Path(in_order, self.rect(way.label), way.is_back)


def _sizes(nodes: Sequence[Size], labels: Sequence[Size], layers: Layers) -> dict[int, Size]:
    """Return the sizes of all places."""
    sizes = dict(enumerate(nodes))
    for way, label in zip(layers.ways, labels, strict=True):
        for stop in way.places[1:-1]:
            sizes[stop] = label if stop == way.label else Size(0, 0, has_ports=False)
    return sizes


def _bands(layers: Layers, sizes: Mapping[int, Size]) -> dict[int, tuple[float, float]]:
    """Return where the layer of each place starts and ends."""
    bands: dict[int, tuple[float, float]] = {}
    top = _MARGIN
    for row in layers.rows:
        bottom = top + max((sizes[place].height for place in row), default=0.0)
        bands.update(dict.fromkeys(row, (top, bottom)))
        # An empty band needs no gap of its own; the arrows turn above it.
        top = bottom + (_GAP if bottom > top else _GAP / 2)
    return bands


class _Ports:
    """Where arrows leave and reach nodes, from the center; neighbors first, so none cross there."""

    def __init__(self, layers: Layers, sizes: Mapping[int, Size]) -> None:
        position = {place: n for row in layers.rows for n, place in enumerate(row)}
        below: dict[int, list[int]] = {}
        above: dict[int, list[int]] = {}
        for way in layers.ways:
            below.setdefault(way.places[0], []).append(way.places[1])
            above.setdefault(way.places[-1], []).append(way.places[-2])
        self._offsets = _spread(below, position, sizes) | _spread(above, position, sizes)

    def of(self, place: int, neighbor: int) -> float:
        """Return the offset at a place for the line to a neighbor."""
        return self._offsets.get((place, neighbor), 0.0)


def _spread(
    neighbors: Mapping[int, list[int]], position: Mapping[int, int], sizes: Mapping[int, Size]
) -> dict[tuple[int, int], float]:
    offsets: dict[tuple[int, int], float] = {}
    for node, places in neighbors.items():
        if not sizes[node].has_ports:
            continue
        step = min(_PORTS, (sizes[node].width - 20) / max(len(places) - 1, 1))
        for number, each in enumerate(sorted(places, key=position.__getitem__)):
            offsets[node, each] = (number - (len(places) - 1) / 2) * step
    return offsets


class _Columns:
    """Places the rows from left to right, so that arrows are short and long ones straight."""

    def __init__(self, layers: Layers, sizes: Mapping[int, Size]) -> None:
        self._rows = layers.rows
        self._sizes = sizes
        self._apart = [self._distances(row) for row in layers.rows]
        self._at = {
            p: (row, n) for row, places in enumerate(layers.rows) for n, p in enumerate(places)
        }
        ports = _Ports(layers, sizes)
        # For each place, its neighbors above and below: which, how much it weighs, at which offset.
        above: dict[int, list[tuple[int, float, float]]] = {}
        below: dict[int, list[tuple[int, float, float]]] = {}
        self._pulls = (above, below)
        real = {place for way in layers.ways for place in (way.places[0], way.places[-1])}
        for way in layers.ways:
            for upper, lower in pairwise(way.places):
                weight = (
                    1.0
                    if upper in real and lower in real
                    else 2.0
                    if real & {upper, lower}
                    else 8.0
                )
                offset = ports.of(upper, lower) - ports.of(lower, upper)
                above.setdefault(lower, []).append((upper, weight, offset))
                below.setdefault(upper, []).append((lower, weight, -offset))

    def xs(self) -> dict[int, float]:
        """Return the center of each place."""
        xs: dict[int, float] = {}
        for row, distances in zip(self._rows, self._apart, strict=True):
            shifts = list(accumulate(distances, initial=0.0))
            xs.update({place: x - shifts[-1] / 2 for place, x in zip(row, shifts, strict=True)})
        sweeps = min(_SWEEPS, _MOVES // max(len(xs), 1))
        for sweep in range(sweeps):
            rows = self._rows[::-1] if sweep % 2 else self._rows
            # Towards one side first, so that trees open up; towards both in the end.
            sides = (0, 1) if sweep >= sweeps / 4 else (sweep % 2,)
            for row in rows:
                self._settle(row, xs, sides)
        for chain in sorted(self._chains(), key=len, reverse=True):
            self._straighten(chain, xs)
        return xs

    def _chains(self) -> list[list[int]]:
        """Return what hangs together without a branch, such as the stop-overs of an arrow."""
        above, below = self._pulls
        chains: dict[int, list[int]] = {}  # by the place at their end
        for row in self._rows:
            for place in row:
                upper = above.get(place, [])
                is_next = len(upper) == 1 and len(below[upper[0][0]]) == 1
                chain = chains.pop(upper[0][0]) if is_next else []
                chains[place] = [*chain, place]
        return list(chains.values())

    def _straighten(self, stops: Sequence[int], xs: dict[int, float]) -> None:
        """Move a chain into a straight line, as far as its neighbors allow."""
        run: list[int] = []
        lowest, highest = -math.inf, math.inf
        for stop in [*stops, None]:
            low, high = self._room(stop, xs) if stop is not None else (math.inf, -math.inf)
            if max(low, lowest) > min(high, highest):
                middle = sum(xs[each] for each in run) / max(len(run), 1)
                xs.update(dict.fromkeys(run, min(max(middle, lowest), highest)))
                run, lowest, highest = [], -math.inf, math.inf
            if stop is not None:
                run.append(stop)
                lowest, highest = max(low, lowest), min(high, highest)

    def _room(self, place: int, xs: Mapping[int, float]) -> tuple[float, float]:
        """Return how far to the left and to the right a place can go."""
        row, number = self._at[place]
        distances = self._apart[row]
        places = self._rows[row]
        low = xs[places[number - 1]] + distances[number - 1] if number else -math.inf
        is_last = number == len(places) - 1
        return low, math.inf if is_last else xs[places[number + 1]] - distances[number]

    def _distances(self, row: Sequence[int]) -> list[float]:
        sizes = [self._sizes[place] for place in row]
        return [
            a.width / 2 + a.beside + b.width / 2 + (_APART if a.width or b.width else _LANES)
            for a, b in pairwise(sizes)
        ]

    def _settle(self, row: Sequence[int], xs: dict[int, float], sides: Iterable[int]) -> None:
        """Move a row as close to its neighbors as its distances allow (least squares)."""
        wanted, weights = [], []
        for place in row:
            pulls = [pull for side in sides for pull in self._pulls[side].get(place, ())]
            weight = sum(weight for _, weight, _ in pulls)
            mean = (
                sum((xs[other] + offset) * w for other, w, offset in pulls) / weight
                if pulls
                else xs[place]
            )
            wanted.append(mean)
            weights.append(weight or 0.1)
        shifts = list(accumulate(self._apart[self._at[row[0]][0]], initial=0.0))
        values = _ascending([w - s for w, s in zip(wanted, shifts, strict=True)], weights)
        for place, value, shift in zip(row, values, shifts, strict=True):
            xs[place] = value + shift


def _ascending(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Return the ascending values nearest to the given ones, by pooling adjacent violators."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        count = 1
        while pools and pools[-1][0] > value:
            before, heavy, many = pools.pop()
            value = (before * heavy + value * weight) / (heavy + weight)
            weight += heavy
            count += many
        pools.append((value, weight, count))
    return [value for value, _, count in pools for _ in range(count)]
