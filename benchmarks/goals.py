"""The results: goals, rows of the table that leads the page, and curves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

import attrs

from .laboratory import Median

MEBIBYTE: Final = 1024 * 1024
FLAT: Final = 1.25  # the cost per item at the largest number, relative to the next smaller one


@attrs.frozen
class Goal:
    """A measured figure and its goal.

    Attributes:
        figure: What is measured.
        ours: The result of this client, as text.
        other: What it is compared with, as text.
        value: The ratio of the two, or the result itself.
        unit: The unit of the value; "x" for a ratio.
        at_most: The goal, if it is an upper limit.
        at_least: The goal, if it is a lower limit. Without either, the figure is for comparison.
    """

    figure: str
    ours: str
    other: str
    value: float
    unit: str = "x"
    at_most: float | None = None
    at_least: float | None = None

    @property
    def verdict(self) -> str:
        """Whether the goal is reached, as text."""
        if self.at_most is None and self.at_least is None:
            return "for comparison"
        return "reached" if self.reached else "missed"

    @property
    def reached(self) -> bool:
        """Whether the goal is reached; true if there is none."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return self.at_least is None or self.value >= self.at_least

    @property
    def text(self) -> str:
        """The goal as text."""
        if self.at_most is not None:
            return f"≤ {self.at_most:g} {self.unit}"
        return "none" if self.at_least is None else f"≥ {self.at_least:g} {self.unit}"


@attrs.frozen
class Row:
    """What a figure costs in each way to send requests: a row of the table that leads the page.

    Attributes:
        figure: What is measured.
        costs: Seconds, for each column.
    """

    figure: str
    costs: Mapping[str, Median]


@attrs.frozen
class Curve:
    """The cost per item for growing numbers of items.

    Attributes:
        title: The title of the plot.
        unit: What the numbers count.
        measure: The unit of the cost, "µs" or "KiB".
        is_flat: Whether it is a goal that the cost does not grow.
        leads: Whether its plot is at the beginning of the page.
        costs: For each line of the plot, the cost per item at each number.
    """

    title: str
    unit: str
    measure: str
    is_flat: bool = True
    leads: bool = False
    costs: dict[str, dict[int, float]] = attrs.field(factory=dict)

    def add(self, line: str, number: int, cost: float) -> None:
        """Add a point to a line."""
        self.costs.setdefault(line, {})[number] = cost

    @property
    def numbers(self) -> list[int]:
        """The numbers of items."""
        return sorted({number for costs in self.costs.values() for number in costs})

    def goals(self) -> Iterator[Goal]:
        """The goals that this client's lines are flat between their last two numbers."""
        for line, costs in self.costs.items():
            if not (self.is_flat and line.startswith("this client")):
                continue
            if len(costs) < 2:
                continue
            *_, before, last = sorted(costs)
            variant = line.removeprefix("this client").removeprefix(",").strip()
            yield Goal(
                ", ".join(filter(None, [self.title[:1].lower() + self.title[1:], variant])),
                f"{self.show(costs[last])} at {last:,}",
                f"{self.show(costs[before])} at {before:,}",
                _growth(costs[before], costs[last]),
                at_most=FLAT,
            )

    def show(self, cost: float) -> str:
        """Format a cost."""
        return duration(cost / 1e6) if self.measure == "µs" else f"{cost:.3g} {self.measure}"


Result: TypeAlias = Goal | Row | Curve


def _growth(before: float, last: float) -> float:
    # Memory may not grow at all, which leaves nothing to divide by.
    if before > 0:
        return last / before
    return math.inf if last > 0 else 1.0


def _scaled(value: float, unit: str, size: float) -> str:
    """Format a value, with the range that the middle half of its repetitions lie in."""
    text = f"{value / size:.3g} {unit}"
    if isinstance(value, Median) and value.low < value.high:
        text += f" ({value.low / size:.3g}–{value.high / size:.3g})"
    return text


def duration(seconds: float) -> str:
    """Format seconds."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return _scaled(seconds, unit, size)
    return _scaled(seconds, "µs", 1e-6)


def size(count: float) -> str:
    """Format bytes."""
    if count >= MEBIBYTE:
        return _scaled(count, "MiB", MEBIBYTE)
    return _scaled(count, "KiB", 1024)


def slower(figure: str, ours: float, other: float, what: str, at_most: float | None = None) -> Goal:
    """A goal for this client's time as a multiple of another time."""
    return Goal(figure, duration(ours), f"{duration(other)} {what}", ours / other, at_most=at_most)


def soon(figure: str, ours: float, published: float, at_most: float) -> Goal:
    """A goal for a time of its own, in milliseconds."""
    other = f"{duration(published)} published"
    return Goal(figure, duration(ours), other, ours * 1000, "ms", at_most=at_most)


def faster(
    figure: str,
    ours: float,
    other: float,
    what: str = "published",
    at_least: float | None = None,
) -> Goal:
    """A goal for another time, the published client's, as a multiple of this client's."""
    return Goal(
        figure, duration(ours), f"{duration(other)} {what}", other / ours, at_least=at_least
    )
