"""Batches: when runs are polled, and what only tasks do: concurrency and cancellation."""

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
from llama_agents.client._core import endpoints
from llama_agents.client._core.actions import TimeSource
from llama_agents.client._core.batch import BatchItem, BatchState, PollDue, StartMore
from llama_agents.client._core.start import new_handler_id
from llama_agents.client._core.wait import Wait
from llama_agents.client._transport.concurrency import MAX_CONCURRENCY, afor_each

from .._async.replies import replies, reported
from .machines import Clock

pytestmark = pytest.mark.anyio

TIMEOUT = 10  # s


def batch_of(count: int, clock: Clock) -> BatchState:
    """A batch with so many running items."""
    state = BatchState("w", limit=count, ordered=True, total=None, rerun=(), clock=clock)
    for _ in range(count):
        run_item(state)
    return state


def run_item(state: BatchState) -> BatchItem:
    item = state.admit({}, new_handler_id())
    assert state.try_start(item)
    time = TimeSource(lambda: 0.0, lambda: 0.0, lambda: 0.5)
    state.started(item, Wait(endpoints.get_handler("h"), "h", time=time))
    return item


def poll_times(state: BatchState, clock: Clock, seconds: float) -> list[float]:
    """Let time pass; return when a run was polled."""
    begin, times = clock.now, []
    while clock.now - begin < seconds:
        action = state.next_action()
        if isinstance(action, StartMore):  # they alternate
            continue
        assert isinstance(action, PollDue)
        clock.now += action.delay
        due = state.due()
        assert due, "a delay that is too short"
        for item in due:
            times.append(clock.now - begin)
            state.reschedule(item)
    return times


@pytest.mark.parametrize("seconds", [0.05, 1.0, 8.0, 100.0])
def test_end_of_a_run_is_noticed_soon_and_with_few_polls(seconds: float) -> None:
    clock = Clock()
    times = poll_times(batch_of(1, clock), clock, seconds)
    late = times[-1] - seconds
    assert 0 <= late <= max(min(0.11 * seconds, 1.001), 0.01)
    assert len(times) <= 80 + seconds


def test_runs_are_polled_at_most_a_thousand_times_a_second() -> None:
    clock = Clock()
    times = poll_times(batch_of(1000, clock), clock, 3.0)
    assert 1000 <= len(times) <= 4000


def test_new_run_is_polled_sooner_than_the_older_ones() -> None:
    clock = Clock()
    state = batch_of(3, clock)
    poll_times(state, clock, 8.0)
    state.end(next(iter(state.running.values())), ValueError("ended"))
    late = run_item(state)
    for old in state.due():
        state.reschedule(old)
    clock.now += 0.01
    assert state.due() == [late]


async def running(client: WorkflowClient, prefix: str) -> list[str]:
    found = (await client.get_handlers(["running"])).handlers
    return [h.handler_id for h in found if h.handler_id.startswith(prefix)]


async def test_cancelled_task_cancels_what_it_started(server_url: str) -> None:
    prefix = new_handler_id()
    started = anyio.Event()

    async def follow() -> None:
        def note(progress: object) -> None:
            if getattr(progress, "running", 0) == 3:
                started.set()

        starts = [{"n": n} for n in range(3)]
        async for _ in client.map_workflow(
            "human", starts, key=lambda start: f"{prefix}-{start['n']}", on_progress=note
        ):
            raise AssertionError("a human workflow ended")

    async with WorkflowClient(base_url=server_url) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            await started.wait()
            assert len(await running(client, prefix)) == 3
            tasks.cancel_scope.cancel()
        assert await running(client, prefix) == []


async def test_break_cancels_runs_when_the_iterator_is_dropped(server_url: str) -> None:
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
    """Releases those who wait once there are so many."""

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


async def test_runs_are_started_and_polled_concurrently() -> None:
    starts, polls = Barrier(6), Barrier(2)

    async def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            await starts.wait()
        else:
            await polls.wait(0.02)
        status = "running" if polls.most < 2 else "completed"
        return httpx.Response(200, json=reported("r1", status))

    async with replies(respond) as client:
        with anyio.fail_after(TIMEOUT):
            results = [r.error async for r in client.map_workflow("w", [{}] * 6, limit=6)]
    assert results == [None] * 6


async def test_items_of_one_key_are_not_started_concurrently() -> None:
    known, started = set(), []

    async def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            started.append(json.loads(request.content)["handler_id"])
            await anyio.sleep(0.01)
            known.add(started[-1])
        elif request.url.path.split("/")[-1] not in known:
            return httpx.Response(404, json={})
        return httpx.Response(200, json=reported("r1", "completed"))

    async with replies(respond) as client:
        starts = [{"n": n} for n in (0, 0, 1, 0, 1)]
        results = client.map_workflow("w", starts, key=lambda start: f"h{start['n']}")
        assert [result.error async for result in results] == [None] * 5
    assert sorted(started) == ["h0", "h1"]


async def test_slow_input_does_not_delay_earlier_starts() -> None:
    started = anyio.Event()

    async def respond(request: httpx.Request) -> httpx.Response:
        started.set()
        return httpx.Response(200, json=reported("r1", "completed"))

    async def slow() -> AsyncIterator[dict[str, Any]]:
        yield {}
        with anyio.fail_after(TIMEOUT):
            await started.wait()
        yield {}

    async with replies(respond) as client:
        assert len([r async for r in client.map_workflow("w", slow())]) == 2


async def test_error_of_one_start_cancels_the_others_and_is_raised() -> None:
    cancelled = []

    async def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/cancel"):
            cancelled.append(request.url.path.split("/")[2])
            return httpx.Response(404, json={})
        if request.method == "GET":
            return httpx.Response(404, json={})
        if b'"n":3' in request.content:
            return httpx.Response(401, json={})
        await anyio.sleep_forever()
        raise AssertionError

    async with replies(respond) as client:
        starts = [{"n": n} for n in range(5)]
        with anyio.fail_after(TIMEOUT), pytest.raises(httpx.HTTPStatusError, match="401"):
            [r async for r in client.map_workflow("w", starts, key=lambda s: f"h{s['n']}")]
    assert {"h0", "h1", "h2"} <= set(cancelled) <= {"h0", "h1", "h2", "h3", "h4"}
    assert len(cancelled) == len(set(cancelled)), "a rejected start does not arrive later"


async def test_progress_callback_is_never_called_concurrently() -> None:
    reported_progress: list[MapProgress] = []
    inside = 0

    async def note(progress: MapProgress) -> None:
        nonlocal inside
        inside += 1
        assert inside == 1
        await anyio.lowlevel.checkpoint()
        reported_progress.append(progress)
        inside -= 1

    async def respond(request: httpx.Request) -> httpx.Response:
        status = "running" if request.method == "POST" else "completed"
        return httpx.Response(200, json=reported("r1", status))

    async with replies(respond) as client:
        results = client.map_workflow("w", [{}] * 20, limit=5, on_progress=note)
        assert len([result async for result in results]) == 20
    assert reported_progress[-1] == MapProgress(20, started=20, running=0, completed=20, failed=0)
    assert all(one != other for one, other in pairwise(reported_progress))
    assert all(p.started == p.running + p.completed and p.running <= 5 for p in reported_progress)


async def test_calls_are_limited_to_the_maximum_concurrency() -> None:
    barrier, left = Barrier(MAX_CONCURRENCY), iter(range(3 * MAX_CONCURRENCY))
    done = []

    async def function(item: int) -> None:
        await barrier.wait()
        await anyio.lowlevel.checkpoint()
        done.append(item)

    with anyio.fail_after(TIMEOUT):
        await afor_each(function, lambda: next(left, None))
    assert sorted(done) == list(range(3 * MAX_CONCURRENCY))
    assert barrier.most == MAX_CONCURRENCY


@pytest.mark.parametrize("where", ["function", "take"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
async def test_first_error_is_raised_unwrapped(where: str, error: type[BaseException]) -> None:
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

    with anyio.fail_after(TIMEOUT), pytest.raises(error):
        await afor_each(function, take)


async def test_task_that_is_cancelled_from_elsewhere_is_not_taken_as_done() -> None:
    """As a transport can be that waits for a task of its own."""
    items = iter([1, 2, 3])

    async def function(item: int) -> None:
        if item == 2:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await afor_each(function, lambda: next(items, None))


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_input_may_hold_a_task_group_open() -> None:
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

    async def respond(request: httpx.Request) -> httpx.Response:
        status = "running" if request.method == "POST" else "completed"
        return httpx.Response(200, json=reported("r1", status))

    async with replies(respond) as client:
        results = client.map_workflow("w", starts(), limit=4)
        assert [result.index async for result in results] == list(range(10))


def test_interrupt_on_trio_is_raised_unwrapped() -> None:
    waiting = threading.Event()

    def interrupt() -> None:
        waiting.wait(TIMEOUT)
        os.kill(os.getpid(), signal.SIGINT)

    async def function(item: int) -> None:
        waiting.set()
        await anyio.sleep_forever()

    async def main() -> None:
        with anyio.fail_after(TIMEOUT):
            await afor_each(function, partial(next, iter([1]), None))

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            trio.run(main)
    finally:
        thread.join()


@pytest.fixture
def anyio_backend() -> str:
    # trio finalizes a dropped iterator in a cancelled scope: there, it needs aclosing().
    return "asyncio"
