"""Many runs: when they are looked at, and what only tasks do: side by side, and cancelled."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import threading
from collections.abc import AsyncIterator
from functools import partial
from itertools import pairwise
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
import trio
from llama_agents.client import MapProgress, WorkflowClient
from llama_agents.client._map import Crowd, Item
from llama_agents.client._start import new_handler_id
from llama_agents.client._tasks import AT_ONCE, aeach

from .._async.replies import replies, reported

pytestmark = pytest.mark.anyio

IN_TIME = 10  # s


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def crowd_of(count: int, clock: Clock) -> Crowd:
    crowd = Crowd(limit=count, ordered=True, total=None, clock=clock)
    for _ in range(count):
        item = Item(crowd.next_index(), {}, "h")
        crowd.starts(item)
        crowd.began(item)
    return crowd


def looks(crowd: Crowd, clock: Clock, seconds: float) -> list[float]:
    """Go on for so long; return when a run was looked at."""
    begin, times = clock.now, []
    while clock.now - begin < seconds:
        clock.now += crowd.pause()
        due = crowd.due()
        assert due, "a pause that ends too early"
        for item in due:
            times.append(clock.now - begin)
            crowd.goes_on(item)
    return times


@pytest.mark.parametrize("seconds", [0.05, 1.0, 8.0, 100.0])
def test_the_end_of_a_run_is_noticed_soon_and_with_few_looks(seconds: float) -> None:
    clock = Clock()
    times = looks(crowd_of(1, clock), clock, seconds)
    late = times[-1] - seconds
    assert 0 <= late <= max(min(0.11 * seconds, 1.001), 0.01)
    assert len(times) <= 80 + seconds


def test_many_runs_are_not_looked_at_more_than_a_thousand_times_a_second() -> None:
    clock = Clock()
    times = looks(crowd_of(1000, clock), clock, 3.0)
    assert 1000 <= len(times) <= 4000


def test_run_that_ends_does_not_hurry_the_looks_at_the_others() -> None:
    clock = Clock()
    crowd = crowd_of(2, clock)
    looks(crowd, clock, 8.0)
    late = Item(crowd.next_index(), {}, "h")
    crowd.starts(late)
    crowd.began(late)
    for old in crowd.due():
        crowd.goes_on(old)
    clock.now += 0.01
    assert crowd.due() == [late]


async def running(client: WorkflowClient, prefix: str) -> list[str]:
    found = (await client.get_handlers(["running"])).handlers
    return [h.handler_id for h in found if h.handler_id.startswith(prefix)]


async def test_cancelled_task_cancels_what_it_started(server_url: str) -> None:
    prefix = new_handler_id()
    begun = anyio.Event()

    async def follow() -> None:
        def note(progress: object) -> None:
            if getattr(progress, "running", 0) == 3:
                begun.set()

        starts = [{"n": n} for n in range(3)]
        async for _ in client.map_workflow(
            "human", starts, key=lambda start: f"{prefix}-{start['n']}", on_progress=note
        ):
            raise AssertionError("nobody answers")

    async with WorkflowClient(base_url=server_url) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            await begun.wait()
            assert len(await running(client, prefix)) == 3
            tasks.cancel_scope.cancel()
        assert await running(client, prefix) == []


async def test_break_of_a_loop_cancels_when_python_drops_the_iterator(server_url: str) -> None:
    prefix = new_handler_id()

    async def left() -> bool:
        return not await running(client, prefix)

    async with WorkflowClient(base_url=server_url) as client:
        starts = [{"n": 0}, {"n": 1000, "pause": 0.01}]
        async for _ in client.map_workflow(
            "count", starts, key=lambda start: f"{prefix}-{start['n']}"
        ):
            break
        with anyio.fail_after(10):
            while not await left():
                await anyio.sleep(0.01)


async def test_input_may_be_asynchronous(server_url: str) -> None:
    async def starts() -> AsyncIterator[dict[str, int]]:
        for n in range(5):
            await anyio.lowlevel.checkpoint()
            yield {"n": n}

    async with WorkflowClient(base_url=server_url) as client:
        results = [result async for result in client.map_workflow("echo", starts(), limit=2)]
    assert [result.result()["result"] for result in results] == [{"n": n} for n in range(5)]


class Barrier:
    """Lets those who wait go on when there are so many."""

    def __init__(self, parties: int) -> None:
        self.most = 0
        self._parties = parties
        self._waiting = 0
        self._full = anyio.Event()

    async def wait(self, at_most: float = math.inf) -> None:
        self._waiting += 1
        self.most = max(self.most, self._waiting)
        if self._waiting == self._parties:
            self._full.set()
        with anyio.move_on_after(at_most):
            await self._full.wait()
        self._waiting -= 1


async def test_runs_are_started_and_looked_at_side_by_side() -> None:
    starts, looked = Barrier(6), Barrier(2)

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            await starts.wait()
        else:
            await looked.wait(0.02)
        status = "running" if looked.most < 2 else "completed"
        return httpx.Response(200, json=reported("r1", status))

    async with replies(answer) as client:
        with anyio.fail_after(IN_TIME):
            results = [r.error async for r in client.map_workflow("w", [{}] * 6, limit=6)]
    assert results == [None] * 6


async def test_items_of_one_key_are_not_started_side_by_side() -> None:
    known, started = set(), []

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            started.append(json.loads(request.content)["handler_id"])
            await anyio.sleep(0.01)
            known.add(started[-1])
        elif request.url.path.split("/")[-1] not in known:
            return httpx.Response(404, json={})
        return httpx.Response(200, json=reported("r1", "completed"))

    async with replies(answer) as client:
        starts = [{"n": n} for n in (0, 0, 1, 0, 1)]
        results = client.map_workflow("w", starts, key=lambda start: f"h{start['n']}")
        assert [result.error async for result in results] == [None] * 5
    assert sorted(started) == ["h0", "h1"]


async def test_slow_input_does_not_hold_up_the_starts_before() -> None:
    started = anyio.Event()

    async def answer(request: httpx.Request) -> httpx.Response:
        started.set()
        return httpx.Response(200, json=reported("r1", "completed"))

    async def slow() -> AsyncIterator[dict[str, Any]]:
        yield {}
        with anyio.fail_after(IN_TIME):
            await started.wait()
        yield {}

    async with replies(answer) as client:
        assert len([r async for r in client.map_workflow("w", slow())]) == 2


async def test_error_of_one_start_ends_the_others_and_is_raised_as_it_is() -> None:
    cancelled = []

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/cancel"):
            cancelled.append(request.url.path.split("/")[2])
            return httpx.Response(404, json={})
        if request.method == "GET":
            return httpx.Response(404, json={})
        if b'"n":3' in request.content:
            return httpx.Response(401, json={})
        await anyio.sleep_forever()
        raise AssertionError

    async with replies(answer) as client:
        starts = [{"n": n} for n in range(5)]
        with anyio.fail_after(IN_TIME), pytest.raises(httpx.HTTPStatusError, match="401"):
            [r async for r in client.map_workflow("w", starts, key=lambda s: f"h{s['n']}")]
    assert {"h0", "h1", "h2"} <= set(cancelled) <= {"h0", "h1", "h2", "h3", "h4"}
    assert len(cancelled) == len(set(cancelled)), "what is refused does not arrive later"


async def test_progress_is_told_by_one_call_after_another() -> None:
    told: list[MapProgress] = []
    inside = 0

    async def note(progress: MapProgress) -> None:
        nonlocal inside
        inside += 1
        assert inside == 1
        await anyio.lowlevel.checkpoint()
        told.append(progress)
        inside -= 1

    async def answer(request: httpx.Request) -> httpx.Response:
        status = "running" if request.method == "POST" else "completed"
        return httpx.Response(200, json=reported("r1", status))

    async with replies(answer) as client:
        results = client.map_workflow("w", [{}] * 20, limit=5, on_progress=note)
        assert len([result async for result in results]) == 20
    assert told[-1] == MapProgress(20, started=20, running=0, completed=20, failed=0)
    assert all(one != other for one, other in pairwise(told))
    assert all(p.started == p.running + p.completed and p.running <= 5 for p in told)


async def test_no_more_calls_at_once_than_a_server_should_have() -> None:
    barrier, left = Barrier(AT_ONCE), iter(range(3 * AT_ONCE))
    done = []

    async def function(item: int) -> None:
        await barrier.wait()
        await anyio.lowlevel.checkpoint()
        done.append(item)

    with anyio.fail_after(IN_TIME):
        await aeach(function, lambda: next(left, None))
    assert sorted(done) == list(range(3 * AT_ONCE))
    assert barrier.most == AT_ONCE


@pytest.mark.parametrize("where", ["function", "take"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
async def test_first_error_is_raised_as_it_is(where: str, error: type[BaseException]) -> None:
    items = iter([1, 2, 3])

    async def function(item: int) -> None:
        if where == "function" and item == 2:
            raise error
        await anyio.sleep_forever()

    def take() -> int | None:
        item = next(items)
        if where == "take" and item == 3:
            raise error
        return item

    with anyio.fail_after(IN_TIME), pytest.raises(error):
        await aeach(function, take)


async def test_task_that_is_cancelled_by_others_is_no_end() -> None:
    """As a transport can be, that waits for a task of its own."""
    items = iter([1, 2, 3])

    async def function(item: int) -> None:
        if item == 2:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await aeach(function, lambda: next(items, None))


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_input_may_hold_a_group_of_tasks_open() -> None:
    async def starts() -> AsyncIterator[dict[str, Any]]:
        send, receive = anyio.create_memory_object_stream[dict[str, Any]]()

        async def produce() -> None:
            async with send:
                for n in range(10):
                    await send.send({"n": n})

        async with anyio.create_task_group() as tasks, receive:
            tasks.start_soon(produce)
            async for start in receive:
                yield start

    async def answer(request: httpx.Request) -> httpx.Response:
        status = "running" if request.method == "POST" else "completed"
        return httpx.Response(200, json=reported("r1", status))

    async with replies(answer) as client:
        results = client.map_workflow("w", starts(), limit=4)
        assert [result.index async for result in results] == list(range(10))


def test_interrupt_of_trio_is_raised_as_it_is() -> None:
    waiting = threading.Event()

    def interrupt() -> None:
        waiting.wait(IN_TIME)
        os.kill(os.getpid(), signal.SIGINT)

    async def function(item: int) -> None:
        waiting.set()
        await anyio.sleep_forever()

    async def main() -> None:
        with anyio.fail_after(IN_TIME):
            await aeach(function, partial(next, iter([1]), None))

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            trio.run(main)
    finally:
        thread.join()


@pytest.fixture
def anyio_backend() -> str:
    # trio disposes of a dropped iterator in a scope that is cancelled: there, aclosing() it is.
    return "asyncio"
