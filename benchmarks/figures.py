"""What is measured, how, and the goals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias

from .goals import MEBIBYTE, Curve, Goal, Result, Row, duration, faster, size, slower, soon
from .laboratory import BOTH, Environment, Laboratory

Figure: TypeAlias = Callable[[Laboratory], Iterator[Result]]

STREAMS: Final = 50
EVENTS_PER_SECOND: Final = 5000  # of all streams: less than a processor can read in any way
OVER_AIOHTTP: Final = "this client over aiohttp"

# Larger numbers would take the published client minutes.
PUBLISHED_LIMIT: Final = {"events": 100_000, "streams": 250, "handlers": 1000, "calls": 50}


def environments(unit: str, number: int) -> Sequence[Environment]:
    """Where to measure a number of items."""
    return ("ours",) if number > PUBLISHED_LIMIT[unit] else BOTH


def live_events(lab: Laboratory) -> Iterator[Result]:
    """Time per event of paced streams, for growing numbers of streams."""
    curve = Curve("Processor time for each live event", "streams", "µs", leads=True)
    total = EVENTS_PER_SECOND * (1 if lab.quick else 3)
    for number in (STREAMS,) if lab.quick else (10, STREAMS, 250, 1000):
        costs = lab.measure(
            "live",
            rounds=5 if number == STREAMS else 2,
            environments=environments("streams", number),
            streams=number,
            events=total // number,
            rate=EVENTS_PER_SECOND // number,
        ).columns()
        for column, cost in costs.items():
            curve.add(column, number, cost * 1e6)
        if number == STREAMS:
            rate = EVENTS_PER_SECOND // STREAMS
            yield Row(f"live event: {STREAMS} streams with {rate} a second each", costs)
            ours, bare = costs[OVER_AIOHTTP], costs["bare httpx"]
            what = "a live event over aiohttp"
            yield slower(what, ours, bare, "bare httpx", at_most=0.45)
            yield faster(what, ours, costs["published client"], at_least=3)
            yield slower("a live event", costs["this client"], bare, "bare httpx", at_most=0.55)
    yield curve


def burst_events(lab: Laboratory) -> Iterator[Result]:
    """Time per event of streams that come as fast as possible."""
    costs = lab.measure(
        "live", rounds=5, streams=STREAMS, events=200 if lab.quick else 1000, rate=0
    ).columns()
    yield Row(f"event in a burst: the same {STREAMS} streams, as fast as possible", costs)
    what, ours = "an event in a burst over aiohttp", costs[OVER_AIOHTTP]
    yield slower(what, ours, costs["bare httpx"], "bare httpx", at_most=0.55)
    yield faster(what, ours, costs["published client"], at_least=4.5)


def long_streams(lab: Laboratory) -> Iterator[Result]:
    """Time per event, in streams of growing length."""
    curve = Curve("Processor time for each event of a stream", "events", "µs")
    for number in (1000, 10_000) if lab.quick else (1000, 10_000, 100_000):
        found = lab.measure(
            "live",
            rounds=2,
            environments=("ours",) if lab.quick else environments("events", number),
            streams=1,
            events=number,
            rate=0,
            repeat=1 if number > 10_000 else 3,
        )
        for column, cost in found.columns().items():
            curve.add(column, number, cost * 1e6)
        curve.add("this client, sync", number, found.ours("sync") * 1e6)
    yield curve


def calls(lab: Laboratory) -> Iterator[Result]:
    """Time per call, for growing numbers of calls at once."""
    curve = Curve("Processor time for each call", "calls at once", "µs", is_flat=False, leads=True)
    sizes = {1: 500, 50: 1000, 300: 1500, 1000: 2000}
    if lab.quick:
        sizes = {1: 100, 50: 200, 300: 600}
    for number, count in sizes.items():
        found = lab.measure(
            "calls",
            rounds=3 if number == 1000 else 5,
            environments=environments("calls", number),
            at_once=number,
            calls=count,
        )
        costs = found.columns()
        for column, cost in costs.items():
            curve.add(column, number, cost * 1e6)
        ours, fast = costs["this client"], costs[OVER_AIOHTTP]
        if number == 1:
            alone, fast_alone = ours, fast
            yield Row("call, one at a time", costs)
            yield faster("a call", ours, costs["published client"], at_least=15)
            yield slower("a call", ours, costs["bare httpx"], "bare httpx", at_most=1.15)
            sync, bare = found.ours("sync"), found.ours("bare_httpx_sync")
            yield slower("a call, sync", sync, bare, "bare httpx", at_most=1.15)
            continue
        what = f"a call, {number:,} at once"
        yield Row(f"call, {number:,} at once", costs)
        if number >= 300:
            yield slower(what, ours, alone, "one at a time", at_most=2)
            yield slower(f"{what}, over aiohttp", fast, fast_alone, "one at a time", at_most=1.5)
        if number == 300:
            bare = costs["bare httpx"]
            yield slower(f"{what}, over aiohttp", fast, bare, "bare httpx", at_most=0.25)
    yield curve


def relay(lab: Laboratory) -> Iterator[Result]:
    """Cost of a service that relays many live streams."""
    count, rate = (100, 10) if lab.quick else (1000, 2)
    found = lab.measure(
        "relay", rounds=3, environments=("ours",), streams=count, events=10, rate=rate
    )
    what = f"a web service that relays {count:,} live streams over aiohttp"
    ours, default = found.ours("aiohttp_seconds"), found.ours("httpx_seconds")
    yield Goal(
        f"{what}: an event",
        f"{duration(ours)}: {1 / ours:,.0f} a second and core",
        f"{duration(default)}: {1 / default:,.0f} by default",
        ours / default,
    )
    ours, default = found.ours("aiohttp_bytes"), found.ours("httpx_bytes")
    yield Goal(
        f"{what}: memory for each", size(ours), f"{size(default)} by default", ours / default
    )


def decoders(lab: Laboratory) -> Iterator[Result]:
    """Cost of decoding, compared with other packages."""
    found = lab.measure(
        "decoders", rounds=3, environments=("ours", "others"), events=5000 if lab.quick else 50_000
    )
    ours, what = found.ours("ours"), "an event decoded, parsed and validated"
    yield slower(what, ours, found.others("openai"), "openai, not validated")
    yield slower(what, ours, found.others("langgraph_sdk"), "langgraph_sdk, not validated")


def batch(lab: Laboratory) -> Iterator[Result]:
    """Cost of a batch, compared with what a program would write itself."""
    short, longer = (30, 16) if lab.quick else (100, 64)
    found = lab.measure("batch", rounds=3, runs=short, longer=longer)
    pairs = (
        ("", "batch", "semaphore", "a semaphore"),
        (", sync", "batch_sync", "threads", "threads"),
    )
    for variant, ours, idiom, text in pairs:
        what = f"`map_workflow`{variant}: each of {short} short runs, 50 ms away"
        by_hand = f"{text} around `run_workflow`"
        yield slower(
            what,
            found.ours(f"{ours}_seconds"),
            found.ours(f"{idiom}_seconds"),
            by_hand,
            at_most=1.3,
        )
        yield faster(
            f"{what}, processor time",
            found.ours(f"{ours}_processor"),
            found.published(f"{idiom}_processor"),
            f"{text} around the published client",
        )
        yield slower(
            f"`map_workflow`{variant}: each of {longer} runs of 0.5 s, processor time",
            found.ours(f"{ours}_longer_processor"),
            found.ours(f"{idiom}_longer_processor"),
            by_hand,
            at_most=2,
        )


def import_time(lab: Laboratory) -> Iterator[Result]:
    """Time to import the client."""
    found = lab.measure("import_time", rounds=12, repeat=2)
    ours, published = found.ours("client"), found.published("client")
    what = "`from llama_agents.client import WorkflowClient`"
    yield slower(what, ours, published, "published", at_most=0.55)
    libraries = found.ours("libraries")
    yield slower(f"{what}: httpx and attrs only", libraries, published, "published")
    ours, published = found.ours("created"), found.published("created")
    yield slower(f"{what}, and creating the first client", ours, published, "published")


def load_event(lab: Laboratory) -> Iterator[Result]:
    """Time to turn an envelope into an event."""
    found = lab.measure("load_event", rounds=5)
    least = found.ours("validate")
    for what, name, at_least in (
        ("`load_event()`", "load", 2),
        ("`load_event(registry)`", "load_registered", 3),
    ):
        ours = found.ours(name)
        yield faster(what, ours, found.published(name), at_least=at_least)
        yield slower(what, ours, least, "`model_validate`", at_most=1.5)


def open_streams(lab: Laboratory) -> Iterator[Result]:
    """Time and memory to open a stream, for growing numbers of live streams on one client."""
    times = Curve("Processor time to open a live stream", "streams", "µs")
    memory = Curve("Memory for each live stream", "streams", "KiB")
    for number in (100, 200) if lab.quick else (10, 100, 1000):
        found = lab.measure("streams", rounds=2, streams=number)
        fast = lab.measure("streams", rounds=2, environments=("ours",), streams=number, aiohttp=1)
        for line, seconds, taken in (
            ("this client", found.ours("seconds"), found.ours("bytes")),
            (OVER_AIOHTTP, fast.ours("seconds"), fast.ours("bytes")),
            ("published client", found.published("seconds"), found.published("bytes")),
        ):
            times.add(line, number, seconds * 1e6)
            memory.add(line, number, taken / 1024)
    what = f"each of {number:,} live streams"
    yield faster(
        f"{what}, time to open", found.ours("seconds"), found.published("seconds"), at_least=12
    )
    ours, published = found.ours("bytes"), found.published("bytes")
    yield Goal(
        f"{what}, memory", size(ours), f"{size(published)} published", published / ours, at_least=12
    )
    yield from (times, memory)


def wait(lab: Laboratory) -> Iterator[Result]:
    """Delay until the end of a run is noticed."""
    found = lab.measure("wait", rounds=2, repeat=2 if lab.quick else 7)
    late, published = found.ours("late"), found.published("late")
    yield soon("`wait_for_handler`: delay after the run ends", late, published, at_most=60)


def runs(lab: Laboratory) -> Iterator[Result]:
    """Responsiveness of the event loop during many concurrent runs."""
    count = 50 if lab.quick else 200
    found = lab.measure("runs", rounds=3, runs=count)
    blocked, published = found.ours("blocked"), found.published("blocked")
    what = f"{count} concurrent `run_workflow` calls: event loop blocked"
    yield soon(what, blocked, published, at_most=250)


def memory(lab: Laboratory) -> Iterator[Result]:
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


def handlers(lab: Laboratory) -> Iterator[Result]:
    """Time per handler, in lists of growing length."""
    curve = Curve("Processor time for each handler of a list", "handlers", "µs")
    for number in (100, 1000) if lab.quick else (10, 100, 1000, 10_000):
        where = ("ours",) if lab.quick else environments("handlers", number)
        found = lab.measure("listing", environments=where, rounds=3, handlers=number)
        curve.add("this client", number, found.ours("seconds") / number * 1e6)
        curve.add("without garbage collection", number, found.ours("collector_off") / number * 1e6)
        if "published" in where:
            curve.add("published client", number, found.published("seconds") / number * 1e6)
    yield curve


ALL: Final[Sequence[Figure]] = (
    live_events,
    burst_events,
    calls,
    relay,
    decoders,
    batch,
    import_time,
    load_event,
    open_streams,
    wait,
    runs,
    memory,
    long_streams,
    handlers,
)
