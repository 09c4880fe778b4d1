"""The goals, and what is measured for each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from .laboratory import Laboratory

MEBIBYTE: Final = 1024 * 1024


@attrs.frozen
class Goal:
    """A figure that has a goal.

    Attributes:
        figure: What is measured.
        ours: What this client takes, as text.
        other: What it is compared with, as text; empty if the goal is a bound of its own.
        value: The ratio, or the figure itself.
        unit: What the value is of: "x" for a ratio.
        at_most: The goal, if it is an upper bound.
        at_least: The goal, if it is a lower bound. With neither, it is there for comparison.
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
        """Whether it is reached, in a word."""
        if self.at_most is None and self.at_least is None:
            return "to compare"
        return "reached" if self.reached else "missed"

    @property
    def reached(self) -> bool:
        """Whether it is."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return self.at_least is None or self.value >= self.at_least

    @property
    def text(self) -> str:
        """The goal, to be read."""
        if self.at_most is not None:
            return f"≤ {self.at_most:g} {self.unit}"
        return "none" if self.at_least is None else f"≥ {self.at_least:g} {self.unit}"


def duration(seconds: float) -> str:
    """Seconds, to be read."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def size(count: float) -> str:
    """Bytes, to be read."""
    return f"{count / MEBIBYTE:.3g} MiB" if count >= MEBIBYTE else f"{count / 1024:.3g} KiB"


def slower(figure: str, ours: float, other: float, what: str, at_most: float | None = None) -> Goal:
    """A goal that this client takes at most so many times as long."""
    return Goal(figure, duration(ours), f"{duration(other)} {what}", ours / other, at_most=at_most)


def faster(figure: str, ours: float, published: float, at_least: float) -> Goal:
    """A goal that the published client takes so many times as long."""
    return Goal(
        figure,
        duration(ours),
        f"{duration(published)} published",
        published / ours,
        at_least=at_least,
    )


def import_time(lab: Laboratory) -> Iterator[Goal]:
    """Importing the client."""
    found = lab.measure("import_time", rounds=2 if lab.quick else 12, repeat=2)
    ours, published = found.ours("client"), found.published("client")
    what = "`import llama_agents.client`"
    yield slower(what, ours, published, "published", at_most=0.6)
    yield slower(f"{what}: its libraries alone", found.ours("libraries"), published, "published")


def call(lab: Laboratory) -> Iterator[Goal]:
    """One call of a default client."""
    found = lab.measure(
        "call", rounds=1 if lab.quick else 3, batches=4 if lab.quick else 10, calls=20
    )
    ours = found.ours("client_async")
    yield faster("a call, async", ours, found.published("client_async"), at_least=15)
    yield slower("a call, async", ours, found.ours("httpx_async"), "pooled httpx", at_most=1.15)
    sync = found.ours("client_sync")
    yield slower("a call, sync", sync, found.ours("httpx_sync"), "pooled httpx", at_most=1.15)


def decode(lab: Laboratory) -> Iterator[Goal]:
    """Reading a stream."""
    events = 20_000 if lab.quick else 100_000
    found = lab.measure("decode", rounds=2 if lab.quick else 9, repeat=1, events=events)
    ours, sync = found.ours("client_async"), found.ours("client_sync")
    floor = found.ours("read") + found.ours("parse")
    what = f"a stream of {events:,} events"
    yield faster(what, ours, found.published("client_async"), at_least=2)
    yield slower(what, ours, floor, "reading and parsing alone", at_most=1.6)
    cut = floor + found.ours("cut")
    yield slower(f"{what}: its bytes cut into fields, too", cut, floor, "without")
    yield slower(f"{what}, sync", sync, ours, "async", at_most=1.0)


def load_event(lab: Laboratory) -> Iterator[Goal]:
    """Making an event of an envelope."""
    found = lab.measure("load_event", rounds=2 if lab.quick else 5)
    least = found.ours("validate")
    for what, name, at_least in (
        ("`load_event()`", "load", 2),
        ("`load_event(registry)`", "load_registered", 3),
    ):
        ours = found.ours(name)
        yield faster(what, ours, found.published(name), at_least=at_least)
        yield slower(what, ours, least, "`model_validate`", at_most=1.5)


def streams(lab: Laboratory) -> Iterator[Goal]:
    """Many live streams on one client."""
    count = 100 if lab.quick else 1000
    found = lab.measure("streams", rounds=1 if lab.quick else 3, streams=count)
    what = f"each of {count:,} live streams"
    yield faster(f"{what}, time", found.ours("seconds"), found.published("seconds"), at_least=12)
    ours, published = found.ours("bytes"), found.published("bytes")
    yield Goal(
        f"{what}, memory", size(ours), f"{size(published)} published", published / ours, at_least=12
    )


def wait(lab: Laboratory) -> Iterator[Goal]:
    """Learning of the end of a run."""
    found = lab.measure("wait", rounds=1 if lab.quick else 3, repeat=2 if lab.quick else 7)
    late, published = found.ours("late"), found.published("late")
    yield Goal(
        "`wait_for_handler` after the run's end",
        duration(late),
        f"{duration(published)} published",
        late * 1000,
        "ms",
        at_most=60,
    )


def runs(lab: Laboratory) -> Iterator[Goal]:
    """Many runs at once."""
    count = 50 if lab.quick else 200
    found = lab.measure("runs", rounds=1 if lab.quick else 3, runs=count)
    blocked, published = found.ours("blocked"), found.published("blocked")
    yield Goal(
        f"{count} concurrent `run_workflow`: event loop blocked",
        duration(blocked),
        f"{duration(published)} published",
        blocked * 1000,
        "ms",
        at_most=250,
    )


def memory(lab: Laboratory) -> Iterator[Goal]:
    """A consumer slower than the server."""
    events = 100_000 if lab.quick else 1_000_000
    found = lab.measure("memory", events=events, looks=50, pause=1 if lab.quick else 3)
    ours, published = found.ours("highest"), found.published("highest")
    yield Goal(
        f"memory for {events:,} events, with a slower consumer",
        size(ours),
        f"{size(published)} published",
        ours / MEBIBYTE,
        "MiB",
        at_most=4,
    )


ALL: Final = (import_time, call, decode, load_event, streams, wait, runs, memory)
