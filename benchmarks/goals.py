"""The goals, and how each is measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from .laboratory import Laboratory

MEBIBYTE: Final = 1024 * 1024


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


def duration(seconds: float) -> str:
    """Format seconds."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def size(count: float) -> str:
    """Format bytes."""
    return f"{count / MEBIBYTE:.3g} MiB" if count >= MEBIBYTE else f"{count / 1024:.3g} KiB"


def slower(figure: str, ours: float, other: float, what: str, at_most: float | None = None) -> Goal:
    """A goal for this client's time as a multiple of another time."""
    return Goal(figure, duration(ours), f"{duration(other)} {what}", ours / other, at_most=at_most)


def faster(figure: str, ours: float, published: float, at_least: float) -> Goal:
    """A goal for the published client's time as a multiple of this client's."""
    return Goal(
        figure,
        duration(ours),
        f"{duration(published)} published",
        published / ours,
        at_least=at_least,
    )


def import_time(lab: Laboratory) -> Iterator[Goal]:
    """Time to import the client."""
    found = lab.measure("import_time", rounds=2 if lab.quick else 12, repeat=2)
    ours, published = found.ours("client"), found.published("client")
    what = "`import llama_agents.client`"
    yield slower(what, ours, published, "published", at_most=0.55)
    libraries = found.ours("libraries")
    yield slower(f"{what}: httpx and attrs only", libraries, published, "published")
    ours, published = found.ours("created"), found.published("created")
    yield slower(f"{what}, and creating the first client", ours, published, "published")


def call(lab: Laboratory) -> Iterator[Goal]:
    """Time per call of a client with default settings."""
    found = lab.measure(
        "call", rounds=1 if lab.quick else 3, batches=4 if lab.quick else 10, calls=20
    )
    ours = found.ours("client_async")
    yield faster("a call, async", ours, found.published("client_async"), at_least=15)
    yield slower("a call, async", ours, found.ours("httpx_async"), "pooled httpx", at_most=1.15)
    sync = found.ours("client_sync")
    yield slower("a call, sync", sync, found.ours("httpx_sync"), "pooled httpx", at_most=1.15)


def decode(lab: Laboratory) -> Iterator[Goal]:
    """Time to read a stream."""
    events = 20_000 if lab.quick else 100_000
    found = lab.measure("decode", rounds=2 if lab.quick else 9, repeat=1, events=events)
    ours, sync = found.ours("client_async"), found.ours("client_sync")
    floor = found.ours("read") + found.ours("parse")
    what = f"a stream of {events:,} events"
    yield faster(what, ours, found.published("client_async"), at_least=2)
    yield slower(what, ours, floor, "reading and parsing only", at_most=1.6)
    split = floor + found.ours("split")
    yield slower(f"{what}: also splitting the bytes into fields", split, floor, "without")
    yield slower(f"{what}, sync", sync, ours, "async", at_most=1.0)


def load_event(lab: Laboratory) -> Iterator[Goal]:
    """Time to turn an envelope into an event."""
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
    """Time and memory per stream, with many live streams on one client."""
    count = 100 if lab.quick else 1000
    found = lab.measure("streams", rounds=1 if lab.quick else 3, streams=count)
    what = f"each of {count:,} live streams"
    yield faster(f"{what}, time", found.ours("seconds"), found.published("seconds"), at_least=12)
    ours, published = found.ours("bytes"), found.published("bytes")
    yield Goal(
        f"{what}, memory", size(ours), f"{size(published)} published", published / ours, at_least=12
    )


def wait(lab: Laboratory) -> Iterator[Goal]:
    """Delay until the end of a run is noticed."""
    found = lab.measure("wait", rounds=1 if lab.quick else 3, repeat=2 if lab.quick else 7)
    late, published = found.ours("late"), found.published("late")
    yield Goal(
        "`wait_for_handler`: delay after the run ends",
        duration(late),
        f"{duration(published)} published",
        late * 1000,
        "ms",
        at_most=60,
    )


def runs(lab: Laboratory) -> Iterator[Goal]:
    """Responsiveness of the event loop during many concurrent runs."""
    count = 50 if lab.quick else 200
    found = lab.measure("runs", rounds=1 if lab.quick else 3, runs=count)
    blocked, published = found.ours("blocked"), found.published("blocked")
    yield Goal(
        f"{count} concurrent `run_workflow` calls: event loop blocked",
        duration(blocked),
        f"{duration(published)} published",
        blocked * 1000,
        "ms",
        at_most=250,
    )


def batch(lab: Laboratory) -> Iterator[Goal]:
    """Cost of a batch, compared with what a program would write itself."""
    short, longer = (50, 100) if lab.quick else (200, 500)
    found = lab.measure(
        "batch", rounds=1 if lab.quick else 3, clients=("ours",), runs=short, longer=longer
    )
    what = f"`map_workflow` of {short} short runs, 50 ms away"
    ours, other = found.ours("batch_async"), found.ours("semaphore")
    yield slower(what, ours, other, "a semaphore around `run_workflow`", at_most=1.3)
    ours, other = found.ours("batch_sync"), found.ours("threads")
    yield slower(f"{what}, sync", ours, other, "a thread pool around it", at_most=1.3)
    ours, other = found.ours("batch_processor"), found.ours("semaphore_processor")
    what = f"`map_workflow` of {longer} runs of 0.5 s, processor time"
    yield slower(what, ours, other, "a semaphore around `run_workflow`", at_most=2)


def memory(lab: Laboratory) -> Iterator[Goal]:
    """Memory of a stream whose consumer is slower than the server."""
    events = 100_000 if lab.quick else 1_000_000
    found = lab.measure("memory", events=events, samples=50, pause=1 if lab.quick else 3)
    ours, published = found.ours("highest"), found.published("highest")
    yield Goal(
        f"memory for {events:,} events with a slow consumer",
        size(ours),
        f"{size(published)} published",
        ours / MEBIBYTE,
        "MiB",
        at_most=4,
    )


ALL: Final = (import_time, call, decode, load_event, streams, wait, runs, batch, memory)
