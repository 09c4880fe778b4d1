"""How the cost per item grows with the number of items: it should not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from .goals import Goal, duration
from .laboratory import BOTH, Client, Laboratory

FLAT: Final = 1.25  # the cost per item at the largest number, relative to the next smaller one


@attrs.frozen
class Curve:
    """The cost per item for growing numbers of items.

    Attributes:
        title: The title of the plot.
        unit: What the numbers count.
        measure: The unit of the cost, "µs" or "KiB".
        numbers: The numbers of items.
        costs: For each line of the plot, the cost per item at each number. A line may be shorter.
    """

    title: str
    unit: str
    measure: str
    numbers: Sequence[int]
    costs: dict[str, list[float]] = attrs.field(factory=dict)

    def add(self, line: str, cost: float) -> None:
        """Append a point to a line."""
        self.costs.setdefault(line, []).append(cost)


# Larger numbers would take the published client minutes.
PUBLISHED_LIMIT: Final = {"events": 100_000, "streams": 1000, "handlers": 1000, "calls": 0}


def clients(lab: Laboratory, unit: str, number: int) -> Sequence[Client]:
    """The clients to measure; the published one is only needed for the plots."""
    return ("ours",) if lab.quick or number > PUBLISHED_LIMIT[unit] else BOTH


def events(lab: Laboratory) -> Curve:
    """Time per event, in streams of growing length."""
    numbers = [1000, 5000, 20_000] if lab.quick else [1000, 10_000, 100_000, 1_000_000]
    curve = Curve("Time for each event of a stream", "events", "µs", numbers)
    for number in numbers:
        who = clients(lab, "events", number)
        found = lab.measure("decode", clients=who, repeat=3 if number < 10**6 else 1, events=number)
        curve.add("this client, async", found.ours("client_async") / number * 1e6)
        curve.add("this client, sync", found.ours("client_sync") / number * 1e6)
        if "published" in who:
            curve.add("published client", found.published("client_async") / number * 1e6)
    return curve


def calls(lab: Laboratory) -> Curve:
    """Time per call, for growing numbers of calls."""
    numbers = [100, 500] if lab.quick else [100, 1000, 10_000]
    curve = Curve("Time for each call on one client", "calls", "µs", numbers)
    for number in numbers:
        found = lab.measure(
            "call", clients=clients(lab, "calls", number), batches=5, calls=max(1, number // 5)
        )
        curve.add("this client, async", found.ours("client_async") * 1e6)
        curve.add("this client, sync", found.ours("client_sync") * 1e6)
        curve.add("pooled httpx, async", found.ours("httpx_async") * 1e6)
    return curve


def streams(lab: Laboratory) -> Iterator[Curve]:
    """Time and memory per live stream, for growing numbers of streams."""
    numbers = [10, 100] if lab.quick else [10, 100, 1000]
    times = Curve("Time for each live stream", "streams", "µs", numbers)
    memory = Curve("Memory for each live stream", "streams", "KiB", numbers)
    for number in numbers:
        who = clients(lab, "streams", number)
        rounds = 1 if lab.quick else 3
        found = lab.measure("streams", clients=who, rounds=rounds, streams=number)
        times.add("this client", found.ours("seconds") * 1e6)
        memory.add("this client", found.ours("bytes") / 1024)
        if "published" in who:
            times.add("published client", found.published("seconds") * 1e6)
            memory.add("published client", found.published("bytes") / 1024)
    yield times
    yield memory


def handlers(lab: Laboratory) -> Curve:
    """Time per handler, in lists of growing length."""
    numbers = [10, 100, 1000] if lab.quick else [10, 100, 1000, 10_000]
    curve = Curve("Time for each handler of a list", "handlers", "µs", numbers)
    for number in numbers:
        who = clients(lab, "handlers", number)
        found = lab.measure("listing", clients=who, rounds=1 if lab.quick else 3, handlers=number)
        curve.add("this client", found.ours("seconds") / number * 1e6)
        curve.add("without garbage collection", found.ours("collector_off") / number * 1e6)
        if "published" in who:
            curve.add("published client", found.published("seconds") / number * 1e6)
    return curve


def all_curves(lab: Laboratory) -> list[Curve]:
    """Measure all curves."""
    return [events(lab), calls(lab), *streams(lab), handlers(lab)]


def goals(curves: Sequence[Curve]) -> Iterator[Goal]:
    """The goals that each curve is flat between its last two numbers."""
    for curve in curves:
        for line, costs in curve.costs.items():
            if not line.startswith("this client"):
                continue
            before, last = costs[-2:]
            yield Goal(
                f"{curve.title.lower()}, {line.removeprefix('this client').strip(', ') or 'async'}",
                f"{show(last, curve)} at {curve.numbers[-1]:,}",
                f"{show(before, curve)} at {curve.numbers[-2]:,}",
                last / before if before else math.inf if last else 1.0,
                at_most=FLAT,
            )


def show(cost: float, curve: Curve) -> str:
    """Format a cost."""
    return duration(cost / 1e6) if curve.measure == "µs" else f"{cost:.3g} {curve.measure}"
