"""Nodes in layers: arrows lead down, except those that close a cycle, and cross rarely.

The method is Sugiyama's: arrows that close a cycle are turned around, each node goes one layer
below the lowest of those before it, arrows that span several layers get a stop-over in each of
them, and layers are sorted by the positions of neighbors.

Nodes are in even layers and the labels of arrows in odd ones, so a label is placed like a node and
cannot cover one.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

import attrs

MAX_PLACES: Final = 8000  # nodes, labels and stop-overs; beyond, a picture is a tangle
_SWEEPS: Final = 12


@attrs.frozen
class Way:
    """The way of an arrow through the layers.

    Attributes:
        places: Where it goes through, from the upper node to the lower node.
        label: Which of the places has the label.
        is_back: Whether the arrow leads up.
    """

    places: tuple[int, ...]
    label: int
    is_back: bool


@attrs.frozen
class Layers:
    """The layers, from the top to the bottom; the nodes are the places with the first numbers.

    Attributes:
        rows: The places of each layer, from left to right.
        ways: For each arrow, its way.
    """

    rows: Sequence[Sequence[int]]
    ways: Sequence[Way]


def arrange(count: int, arrows: Sequence[tuple[int, int]], labels: Sequence[float]) -> Layers:
    """Sort nodes and labels into layers.

    Args:
        count: The number of nodes. Those that come first also go first where there is a choice.
        arrows: From which node to which other one.
        labels: The width of each arrow's label.

    Raises:
        ValueError: The arrows span too many layers.
    """
    back = _closing(count, arrows)
    down = [(b, a) if i in back else (a, b) for i, (a, b) in enumerate(arrows)]
    ranks = _ranks(count, down)
    total = count + sum(2 * (ranks[b] - ranks[a]) - 1 for a, b in down)
    if total > MAX_PLACES:
        raise ValueError(
            "The graph is too entangled to be drawn: its arrows span too many layers; "
            "to_text() lists the steps"
        )
    rows: list[list[int]] = [[] for _ in range(2 * max(ranks) + 1 if ranks else 0)]
    for node in range(count):
        rows[2 * ranks[node]].append(node)
    taken = [0.0] * len(rows)  # by labels
    ways, place = [], count
    for number, (a, b) in enumerate(down):
        between = range(2 * ranks[a] + 1, 2 * ranks[b])
        # A label goes near the source, unless there is more room further on.
        odd = between[::2] if number not in back else between[::-2]
        row = min(odd, key=lambda row: round(taken[row] / 200))
        taken[row] += labels[number]
        over = range(place, place + len(between))
        for stop, layer in zip(over, between, strict=True):
            rows[layer].append(stop)
        place = over.stop
        ways.append(Way((a, *over, b), over[row - between.start], number in back))
    return Layers(_without_crossings(rows, ways), ways)


def _closing(count: int, arrows: Sequence[tuple[int, int]]) -> set[int]:
    """Return the arrows that lead back to a node on the way to them."""
    leaving: list[list[int]] = [[] for _ in range(count)]
    for number, (source, _) in enumerate(arrows):
        leaving[source].append(number)
    found, done, on_the_way = set[int](), set[int](), set[int]()
    for root in range(count):
        if root in done:
            continue
        stack = [(root, iter(leaving[root]))]
        on_the_way.add(root)
        while stack:
            node, rest = stack[-1]
            for number in rest:
                target = arrows[number][1]
                if target in on_the_way:
                    found.add(number)
                elif target not in done:
                    on_the_way.add(target)
                    stack.append((target, iter(leaving[target])))
                    break
            else:
                stack.pop()
                done.add(node)
                on_the_way.discard(node)
    return found


def _ranks(count: int, down: Iterable[tuple[int, int]]) -> list[int]:
    """Return a layer for each node, below those of all nodes before it."""
    after: list[list[int]] = [[] for _ in range(count)]
    before = [0] * count
    for source, target in down:
        after[source].append(target)
        before[target] += 1
    is_first = [not number for number in before]
    ranks, order = [0] * count, [node for node in range(count) if is_first[node]]
    for node in order:
        for target in after[node]:
            ranks[target] = max(ranks[target], ranks[node] + 1)
            before[target] -= 1
            if not before[target]:
                order.append(target)
    for node in reversed(order):
        if is_first[node] and after[node]:  # where it is needed, not at the top
            ranks[node] = min(ranks[target] for target in after[node]) - 1
    return ranks


def _without_crossings(rows: list[list[int]], ways: Sequence[Way]) -> list[list[int]]:
    """Return the rows in an order in which few arrows cross."""
    above: dict[int, list[int]] = {}
    below: dict[int, list[int]] = {}
    for way in ways:
        for upper, lower in pairwise(way.places):
            below.setdefault(upper, []).append(lower)
            above.setdefault(lower, []).append(upper)
    best = rows = _first_order(rows, below)
    fewest = _crossings(rows, below)
    for sweep in range(_SWEEPS):
        rows = [list(row) for row in rows]
        neighbors, order = (
            (below, range(len(rows) - 2, -1, -1)) if sweep % 2 else (above, range(1, len(rows)))
        )
        for number in order:
            other = rows[number + 1 if sweep % 2 else number - 1]
            _sort(rows[number], other, neighbors)
        crossings = _crossings(rows, below)
        if crossings < fewest:
            best, fewest = rows, crossings
        if not fewest:
            break
    return best


def _first_order(rows: list[list[int]], below: dict[int, list[int]]) -> list[list[int]]:
    """Return the rows in the order in which a walk from the top gets to their places."""
    found: dict[int, None] = {}
    for row in rows:
        for root in row:
            stack = [root]
            while stack:
                place = stack.pop()
                if place not in found:
                    found[place] = None
                    stack.extend(reversed(below.get(place, ())))
    order = {place: number for number, place in enumerate(found)}
    return [sorted(row, key=order.__getitem__) for row in rows]


def _sort(row: list[int], other: Sequence[int], neighbors: dict[int, list[int]]) -> None:
    """Sort a row by the mean position of neighbors; places without any stay where they are."""
    position = {place: number for number, place in enumerate(other)}
    means = {
        place: sum(position[each] for each in neighbors[place]) / len(neighbors[place])
        for place in row
        if place in neighbors
    }
    moving = iter(sorted(means, key=means.__getitem__))
    row[:] = [next(moving) if place in means else place for place in row]


def _crossings(rows: Sequence[Sequence[int]], below: dict[int, list[int]]) -> int:
    crossings = 0
    for upper, lower in pairwise(rows):
        position = {place: number for number, place in enumerate(lower)}
        seen: list[int] = []
        for place in upper:
            ends = sorted(position[each] for each in below.get(place, ()))
            crossings += sum(len(seen) - bisect_left(seen, end + 1) for end in ends)
            for end in ends:
                insort(seen, end)
    return crossings
