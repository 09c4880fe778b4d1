"""When the processor time of live streams is measured."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from benchmarks import replay
from benchmarks.meter import INTERVAL, Meter, wait_until_idle
from benchmarks.script import running


def test_waits_until_an_interval_takes_hardly_any_time() -> None:
    times = iter([1.0, 1.2, 1.3, 1.31, 9.0])
    slept: list[float] = []
    assert wait_until_idle(lambda: next(times), slept.append) == 1.31
    assert slept == [INTERVAL] * 3


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running("replay") as url:
        yield url


def test_time_counts_from_the_begin_to_the_last_event(url: str) -> None:
    now = 5.0
    meter = Meter(lambda: now, streams=1, events=4, rate=0)
    with meter.conducting(url), httpx.stream("GET", f"{url}/events/{meter.name}") as response:
        text = response.read()
    assert text == b"".join(replay.events(5))
    lines = text.splitlines()
    for number in range(len(lines)):
        now = 6.0 + number
        assert meter.is_over == (number >= 4 * replay.EVENT_LINES)
        meter.seen(1)
    assert meter.seconds() == (6.0 + 4 * replay.EVENT_LINES - 1 - 5.0) / 4


def test_missing_events_are_an_error(url: str) -> None:
    meter = Meter(lambda: 0.0, streams=1, events=2, rate=0)
    with meter.conducting(url):
        httpx.get(f"{url}/events/{meter.name}")
    meter.seen(2 * replay.EVENT_LINES - 1)
    with pytest.raises(AssertionError, match="missing"):
        meter.seconds()
