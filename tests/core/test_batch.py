"""Batches: when the server is given up, and what only tasks do: concurrency and cancellation."""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
import trio
from llama_agents.client import MapProgress, WorkflowClient
from llama_agents.client._core import batch, endpoints
from llama_agents.client._core.actions import Retry, TimeSource
from llama_agents.client._core.batch import BatchState
from llama_agents.client._core.limits import limits_of
from llama_agents.client._core.policy import RetryBudget
from llama_agents.client._core.start import Phase, Start, new_handler_id
from llama_agents.client._core.wait import Wait
from llama_agents.client._transport.concurrency import MAX_CONCURRENCY, afor_each

from .._async.replies import replies, reported
from ..support.server import newest_server
from .machines import Clock

pytestmark = pytest.mark.anyio

TIMEOUT = 10  # s


def gone(budget: RetryBudget, clock: Clock, attempt: float) -> float:
    """Return when a server that is gone is given up, if each attempt takes so long at most."""
    while True:
        clock.now += min(attempt, budget.remaining())
        delay = budget.record_failure(httpx.ConnectTimeout("gone"))
        if delay is None:
            return clock.now
        clock.now += delay


@pytest.mark.parametrize("attempt", [0.0, 1.0, 10.0])
def test_server_that_is_gone_is_given_up_about_half_a_minute_after_the_first_failure(
    attempt: float,
) -> None:
    clock = Clock()
    time = TimeSource(clock, lambda: 0.0, lambda: 0.5)
    state = BatchState("w", limit=1, ordered=True, total=None, rerun=(), time=time)
    begin = clock.now
    until = gone(state.admit({}, "h1").budget, clock, attempt) - begin - attempt
    assert 20 <= until <= batch.PATIENCE


def start_of_an_item(time: TimeSource, budget: RetryBudget) -> Start:
    start = endpoints.start_run("w", "h1", {}, None, server=newest_server(), blocking=True)
    poll = endpoints.get_handler("h1", must_succeed=True)
    return Start(
        start,
        poll,
        "h1",
        server=newest_server(),
        id_is_generated=True,
        id_is_needed=False,
        time=time,
        budget=budget,
    )


def test_time_that_a_run_took_does_not_count_as_time_without_the_server() -> None:
    """A first attempt fails to connect; the next one is silent for longer than the patience."""
    clock = Clock()
    time = TimeSource(clock, lambda: 0.0, lambda: 0.5)
    state = BatchState("w", limit=1, ordered=True, total=None, rerun=(), time=time)
    item = state.admit({}, "h1")
    machine = start_of_an_item(time, item.budget)
    machine.request()
    assert machine.failed(httpx.ConnectError("refused"), not_sent=True) == Retry(0.0)
    limits = machine.limits(limits_of("blocking start", None))
    assert limits.whole == math.inf
    clock.now += 45
    assert isinstance(machine.failed(httpx.ReadTimeout("silent")), Retry)
    assert machine.phase is Phase.CHECKING


def test_connecting_again_ends_with_the_patience() -> None:
    clock = Clock()
    time = TimeSource(clock, lambda: 0.0, lambda: 0.5)
    state = BatchState("w", limit=1, ordered=True, total=None, rerun=(), time=time)
    budget = state.admit({}, "h1").budget
    machine = start_of_an_item(time, budget)
    machine.request()
    machine.failed(httpx.ConnectError("refused"), not_sent=True)
    clock.now += batch.PATIENCE - 3
    assert machine.limits(limits_of("blocking start", None)).timeout.connect == 3.0
    poll = endpoints.get_handler("h1", must_succeed=True)
    wait = Wait(poll, "h1", server=newest_server(), time=time, budget=budget)
    assert wait.limits(limits_of("plain call", None)).whole == 3.0


async def running(client: WorkflowClient, prefix: str) -> list[str]:
    found = (await client.get_handlers(["running"])).handlers
    return [h.handler_id for h in found if h.handler_id.startswith(prefix)]


async def test_cancelled_task_cancels_what_it_started(server_url: str) -> None:
    prefix = new_handler_id()

    async def follow() -> None:
        starts = [{"n": n} for n in range(3)]
        async for _ in client.map_workflow(
            "human", starts, key=lambda start: f"{prefix}-{start['n']}"
        ):
            raise AssertionError("a human workflow ended")

    async with WorkflowClient(base_url=server_url) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            with anyio.fail_after(TIMEOUT):
                while len(await running(client, prefix)) < 3:
                    await anyio.sleep(0.01)
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


async def test_runs_are_in_progress_concurrently() -> None:
    starts = Barrier(6)

    async def respond(request: httpx.Request) -> httpx.Response:
        await starts.wait()
        return httpx.Response(200, json=reported("r1", "completed"))

    async with replies(respond) as client:
        with anyio.fail_after(TIMEOUT):
            results = [r.error async for r in client.map_workflow("w", [{}] * 6, limit=6)]
    assert results == [None] * 6


async def test_runs_continue_while_the_caller_handles_a_result() -> None:
    left = {f"{n}" for n in range(4)}
    ended = anyio.Event()

    async def respond(request: httpx.Request) -> httpx.Response:
        n = json.loads(request.content)["start_event"]["n"]
        if n != "0":
            await handling.wait()
        left.discard(n)
        if not left:
            ended.set()
        return httpx.Response(200, json=reported("r1", "completed"))

    handling = anyio.Event()
    async with replies(respond) as client:
        starts = [{"n": n} for n in sorted(left)]
        async for _ in client.map_workflow("w", starts):
            handling.set()
            with anyio.fail_after(TIMEOUT):
                await ended.wait()


async def test_interrupted_step_in_the_block_continues() -> None:
    may_end = anyio.Event()

    async def respond(request: httpx.Request) -> httpx.Response:
        assert "cancel" not in request.url.path
        await may_end.wait()
        return httpx.Response(200, json=reported("r1", "completed"))

    async with replies(respond) as client, client.map_workflow("w", [{}] * 3, limit=2) as results:
        for _ in range(2):
            with anyio.move_on_after(0.01) as scope:
                await anext(results)
            assert scope.cancelled_caught
        may_end.set()
        with anyio.fail_after(TIMEOUT):
            assert [result.index async for result in results] == [0, 1, 2]


@pytest.mark.parametrize("begun", [True, False])
async def test_task_of_a_run_that_is_cancelled_from_elsewhere_ends_the_batch(begun: bool) -> None:
    """A step raises no cancellation to a task that was not cancelled, nor waits for ever."""

    async def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/cancel"):
            return httpx.Response(200, json={"status": "cancelled"})
        await anyio.sleep_forever()
        raise AssertionError

    def starts() -> Iterator[dict[str, Any]]:
        yield {}
        cancel()  # with a limit of 2: the task of the first run has been created just now
        yield {}

    def cancel() -> None:
        (task,) = asyncio.all_tasks() - others - {asyncio.current_task()}
        task.cancel()

    async with replies(respond) as client:
        results = client.map_workflow("w", starts(), limit=2 - begun)
        others = asyncio.all_tasks()
        with anyio.fail_after(TIMEOUT):
            async with results:
                if begun:
                    asyncio.get_running_loop().call_later(0.05, cancel)
                with pytest.raises(RuntimeError, match="cancelled from elsewhere"):
                    await anext(results)


async def test_interruption_that_ends_the_input_is_not_the_end_of_the_batch() -> None:
    async def starts() -> AsyncIterator[dict[str, Any]]:
        yield {}
        await anyio.sleep_forever()

    completed = httpx.Response(200, json=reported("r1", "completed"))
    async with (
        replies(lambda _: completed) as client,
        client.map_workflow("w", starts()) as results,
    ):
        with anyio.move_on_after(0.05):
            await anext(results)
        assert (await anext(results)).index == 0
        for _ in range(2):
            with pytest.raises(RuntimeError, match="its input, a generator, ended"):
                await anext(results)


# asyncio may cancel a task that anyio has created but that has not begun.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("leave", ["at the end", "in the middle"])
def test_batch_may_be_dropped_as_the_event_loop_ends(backend: str, leave: str) -> None:
    cancelled = []

    async def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/cancel"):
            await anyio.sleep(0.01)
            cancelled.append(request.url.path)
        elif b'"n":1' in request.content:
            await anyio.sleep_forever()
        return httpx.Response(200, json=reported("r1", "completed"))

    async def main(ticks: int) -> None:
        starts = [{"n": 0}] if leave == "at the end" else [{"n": 0}, {"n": 1}]
        async for _ in replies(respond).map_workflow("w", starts):
            if leave == "in the middle":
                break
        for _ in range(ticks):
            await anyio.lowlevel.checkpoint()

    for ticks in [*range(8)] * 4:  # trio's order is random
        anyio.run(main, ticks, backend=backend)
    assert len(cancelled) == (0 if leave == "at the end" else 32)


def test_client_may_be_dropped_as_trio_ends(server_url: str) -> None:
    async def main() -> None:
        client = WorkflowClient(base_url=server_url)
        assert await client.is_healthy()

    for _ in range(20):  # trio's order is random
        anyio.run(main, backend="trio")


def test_batch_is_cancelled_though_the_task_that_does_so_is_cancelled_again() -> None:
    """As asyncio does with all tasks when the loop ends."""
    cancelled = []
    cancelling = asyncio.Event()

    async def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/cancel"):
            cancelling.set()
            await anyio.sleep(0.01)
            cancelled.append(request.url.path)
            return httpx.Response(200, json={"status": "cancelled"})
        await anyio.sleep_forever()
        raise AssertionError

    async def follow() -> None:
        async with replies(respond).map_workflow("w", [{}] * 3) as results:
            await anext(results)

    async def main() -> None:
        task = asyncio.create_task(follow())
        await asyncio.sleep(0.05)
        task.cancel()
        await cancelling.wait()

    asyncio.run(main())
    assert len(cancelled) == 3


async def test_interrupted_step_without_the_block_stops_the_batch() -> None:
    cancelled = []

    async def respond(request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/cancel"):
            await anyio.sleep_forever()
        cancelled.append(request.url.path)
        return httpx.Response(200, json={"status": "cancelled"})

    async with replies(respond) as client:
        results = client.map_workflow("w", [{}] * 3)
        with anyio.move_on_after(0.05):
            await anext(results)
        assert len(cancelled) == 3
        with pytest.raises(RuntimeError, match="its last step raised"):
            await anext(results)


async def test_only_one_task_iterates_a_batch() -> None:
    waiting = anyio.Event()

    async def respond(request: httpx.Request) -> httpx.Response:
        waiting.set()
        await may_end.wait()
        return httpx.Response(200, json=reported("r1", "completed"))

    async def first() -> None:
        indices.append((await anext(results)).index)

    indices: list[int] = []
    may_end = anyio.Event()
    async with (
        replies(respond) as client,
        client.map_workflow("w", [{}]) as results,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(first)
        await waiting.wait()
        with pytest.raises(RuntimeError, match="another task or thread"):
            await anext(results)
        may_end.set()
    assert indices == [0]


async def test_batch_that_is_closed_elsewhere_ends() -> None:
    waiting = anyio.Event()

    async def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/cancel"):
            return httpx.Response(200, json={"status": "cancelled"})
        waiting.set()
        await anyio.sleep_forever()
        raise AssertionError

    async def follow() -> None:
        assert [result async for result in results] == []

    async with replies(respond) as client:
        results = client.map_workflow("w", [{}])
        with anyio.fail_after(TIMEOUT):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(follow)
                await waiting.wait()
                await results.aclose()


def test_batch_is_not_continued_in_another_event_loop(server_url: str) -> None:
    client = WorkflowClient(base_url=server_url)
    results = client.map_workflow("greet", [{}, {}])

    async def step() -> int:
        return (await anext(results)).index

    assert asyncio.run(step()) == 0
    with pytest.raises(RuntimeError, match="another event loop"):
        asyncio.run(step())


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_batches_with_the_same_keys_wait_for_each_others_runs(server_url: str) -> None:
    prefix = new_handler_id()
    outcomes = []

    async def follow(client: WorkflowClient) -> None:
        starts = [{"n": n, "pause": 0.3} for n in range(1, 5)]
        results = client.map_workflow("count", starts, key=lambda s: f"{prefix}-{s['n']}")
        outcomes.append([(r.error, r.handler and r.handler.run_id) async for r in results])

    async with WorkflowClient(base_url=server_url) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(follow, client)
        # The server can start two runs when two starts arrive at the same moment.
        while len(await running(client, prefix)) < 4:
            await anyio.sleep(0.01)
        tasks.start_soon(follow, client)
    assert {error for outcome in outcomes for error, _ in outcome} == {None}
    assert outcomes[0] == outcomes[1]


async def test_item_whose_predecessor_has_no_run_is_started() -> None:
    """They have the same handler ID, but the start of the first is rejected."""

    async def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(404)
        if b'"n":0' in request.content:
            return httpx.Response(422)
        return httpx.Response(200, json=reported("r1", "completed"))

    async with replies(respond) as client:
        starts = [{"n": 0}, {"n": 1}, {"n": 2}]
        results = [r async for r in client.map_workflow("w", starts, key=lambda _: "h1")]
    assert [result.error is None for result in results] == [False, True, True]


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
    barrier = Barrier(MAX_CONCURRENCY)
    done = []

    async def function(item: int) -> None:
        await barrier.wait()
        await anyio.lowlevel.checkpoint()
        done.append(item)

    with anyio.fail_after(TIMEOUT):
        await afor_each(function, range(3 * MAX_CONCURRENCY), TIMEOUT)
    assert sorted(done) == list(range(3 * MAX_CONCURRENCY))
    assert barrier.most == MAX_CONCURRENCY


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
async def test_first_error_is_raised_unwrapped(error: type[BaseException]) -> None:
    async def function(item: int) -> None:
        if item == 2:
            raise error
        await anyio.sleep_forever()

    with anyio.fail_after(TIMEOUT), pytest.raises(error):
        await afor_each(function, [1, 2, 3], TIMEOUT)


async def test_task_that_is_cancelled_from_elsewhere_is_not_taken_as_done() -> None:
    """As a transport can be that waits for a task of its own."""

    async def function(item: int) -> None:
        if item == 2:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await afor_each(function, [1, 2, 3], TIMEOUT)


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
            await afor_each(function, [1], TIMEOUT)

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
