"""Iterating over a stream where the variants differ: tasks and loops, threads, trio's warnings."""

from __future__ import annotations

import asyncio
import gc
import itertools
import sys
import threading
import warnings
import weakref
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType
from typing import Any

import anyio
import pytest
import trio
from llama_agents.client import MissedEventsWarning, SyncWorkflowClient, WorkflowClient
from llama_agents.client._core import limits

from ..support.interruption import Interrupt, ainterrupt, interrupt, waits_for_network
from ..support.scripted import HEAD, Turn, chunk, frame, response, scripted, stream
from ..support.server import wait_until, wait_until_async

DONE = frame(9, "StopEvent")
LIVE = Turn(stream(frame(1), end=b""), then="hold")
REPLY = {"type": "ResponseEvent", "value": {"response": "Ada"}}
SENT = Turn(response("200 OK", b'{"status": "sent"}'))


def later(release: threading.Event, *parts: bytes) -> Callable[[], Iterator[bytes]]:
    """Send all parts but the first once they are released."""

    def data() -> Iterator[bytes]:
        yield parts[0]
        release.wait(10)
        yield from parts[1:]

    return data


@pytest.mark.anyio
async def test_second_task_that_asks_for_an_event_gets_an_error() -> None:
    release = threading.Event()
    with scripted([Turn(later(release, HEAD, chunk(frame(1)), chunk(DONE)))]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            it = aiter(client.get_workflow_events("h1"))
            seen: list[str] = []

            async def read() -> None:
                seen.append((await anext(it)).type)

            async with anyio.create_task_group() as group:
                group.start_soon(read)
                await anyio.wait_all_tasks_blocked()
                with pytest.raises(RuntimeError, match="already running"):
                    await anext(it)
                release.set()
            assert seen == ["Tick"]
            assert [event.type async for event in it] == ["StopEvent"]


def test_second_thread_that_asks_for_an_event_gets_an_error() -> None:
    release = threading.Event()
    turn = Turn(later(release, HEAD, chunk(frame(1)), chunk(DONE)))
    with scripted([turn]) as script, SyncWorkflowClient(base_url=script.url) as client:
        it = iter(client.get_workflow_events("h1"))
        seen: list[str] = []
        reader = threading.Thread(target=lambda: seen.append(next(it).type))
        reader.start()
        wait_until(lambda: waits_for_network(reader))
        with pytest.raises(ValueError, match="already executing"):
            next(it)
        release.set()
        reader.join()
        assert seen == ["Tick"]
        assert [event.type for event in it] == ["StopEvent"]


@pytest.mark.anyio
async def test_steps_with_a_short_timeout_get_past_a_long_delay() -> None:
    away = Turn(response("503 Service Unavailable", b"{}", Retry_After="1"))
    with scripted([away, Turn(stream(DONE))]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            it = aiter(client.get_workflow_events("h1", max_reconnect_attempts=1))
            for _ in range(50):
                with anyio.move_on_after(0.2):
                    assert (await anext(it)).type == "StopEvent"
                    break
            else:
                pytest.fail("every step began the delay anew")


def test_interruption_of_the_next_step_as_it_begins_loses_nothing() -> None:
    """Where the iterator goes on to its next generator: its first lines, one after the other."""

    def trace(frame: FrameType, event: str, _: object) -> Any:
        name = frame.f_globals.get("__name__", "")
        if not name.startswith("llama_agents.client."):
            return None
        if event == "line" and next(lines) == line:
            raise Interrupt
        return trace

    before = sys.gettrace()
    for line in range(15):
        lines = itertools.count()
        rest = Turn(stream(frame(2), DONE))
        with scripted([LIVE, rest]) as script, SyncWorkflowClient(base_url=script.url) as client:
            it = iter(client.get_workflow_events("h1"))
            next(it)
            interrupt(lambda: next(it), lambda: True)  # noqa: B023
            sys.settrace(trace)
            try:
                with pytest.raises(Interrupt):
                    next(it)
            finally:
                sys.settrace(before)
            assert [event.type for event in it] == ["Tick", "StopEvent"], line


def test_stream_is_dropped_with_its_iterator() -> None:
    with scripted([LIVE]) as script, SyncWorkflowClient(base_url=script.url) as client:
        events = client.get_workflow_events("h1")
        it = iter(events)
        next(it)
        dropped = weakref.ref(events)
        gc.disable()
        try:
            del it, events
            assert dropped() is None
        finally:
            gc.enable()


@pytest.mark.anyio
async def test_cancelled_task_drops_its_stream_without_the_garbage_collector() -> None:
    async def work(client: WorkflowClient) -> None:
        events = client.get_workflow_events("h1", after_sequence="now")
        dropped.append(weakref.ref(events))
        await client.get_handler("h1")

    dropped: list[Callable[[], object]] = []
    with scripted([LIVE, Turn(then="hold")]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            gc.collect()
            gc.disable()
            try:
                await ainterrupt(lambda: work(client), lambda: len(script.requests) == 2)
                await wait_until_async(lambda: script.closed == 2)
                await wait_until_async(lambda: dropped[0]() is None)
            finally:
                gc.enable()


def test_stream_at_now_is_not_connected_from_another_loop() -> None:
    with scripted([SENT]) as script:
        client = WorkflowClient(base_url=script.url)

        async def create() -> object:
            return client.get_workflow_events("h1", after_sequence="now")

        events = asyncio.run(create())
        asyncio.run(_await(client.send_event("h1", REPLY)))
        assert events is not None
    assert len(script.requests) == 1


def test_call_waits_for_a_connect_that_another_thread_has_begun() -> None:
    release = threading.Event()
    early: list[bool] = []

    def sent() -> Iterator[bytes]:
        early.append(not release.is_set())
        yield response("200 OK", b'{"status": "sent"}')

    turns = [Turn(later(release, b"", stream(DONE))), Turn(sent)]
    with scripted(turns) as script, SyncWorkflowClient(base_url=script.url) as client:
        events = client.get_workflow_events("h1", after_sequence="now")
        reader = threading.Thread(target=lambda: list(events))
        sender = threading.Thread(target=lambda: client.send_event("h1", REPLY))
        reader.start()
        wait_until(lambda: script.requests)
        sender.start()
        wait_until(lambda: early or _function(sender) == "acquire")
        release.set()
        reader.join()
        sender.join()
    assert early == [False]


def test_call_does_not_wait_for_long_for_a_connect_that_another_thread_has_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "AHEAD_LIMIT", 0.1)
    release = threading.Event()
    turns = [Turn(later(release, b"", stream(DONE))), SENT]
    seen: list[str] = []

    def read() -> None:
        with pytest.warns(MissedEventsWarning):
            seen.extend(event.type for event in events)

    with scripted(turns) as script, SyncWorkflowClient(base_url=script.url) as client:
        events = client.get_workflow_events("h1", after_sequence="now")
        reader = threading.Thread(target=read)
        reader.start()
        wait_until(lambda: script.requests)
        client.send_event("h1", REPLY)
        assert reader.is_alive()
        release.set()
        reader.join()
    assert seen == ["StopEvent"]


@pytest.mark.anyio
async def test_call_does_not_wait_for_long_for_a_connect_that_another_task_has_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "AHEAD_LIMIT", 0.1)
    release = threading.Event()

    async def read() -> None:
        with pytest.warns(MissedEventsWarning):
            assert [event.type async for event in events] == ["StopEvent"]

    with scripted([Turn(later(release, b"", stream(DONE))), SENT]) as script:
        async with (
            WorkflowClient(base_url=script.url) as client,
            anyio.create_task_group() as group,
        ):
            events = client.get_workflow_events("h1", after_sequence="now")
            group.start_soon(read)
            await wait_until_async(lambda: script.requests)
            with anyio.fail_after(5):
                await client.send_event("h1", REPLY)
            release.set()


def _function(thread: threading.Thread) -> str:
    """Return the name of the function that a thread is in."""
    frame = sys._current_frames().get(thread.ident or 0)
    return "" if frame is None else frame.f_code.co_name


async def _read_to_the_end(client: WorkflowClient) -> None:
    async for _ in client.get_workflow_events("h1"):
        pass


async def _break(client: WorkflowClient) -> None:
    async for _ in client.get_workflow_events("h1"):
        break


async def _wait(client: WorkflowClient) -> None:
    with anyio.move_on_after(0.2):
        await client.wait_for_handler("h1")


async def _wait_with_a_deadline(client: WorkflowClient) -> None:
    with pytest.raises((TimeoutError, ConnectionError)):
        await client.wait_for_handler("h1", timeout=0.3)


async def _fail(client: WorkflowClient) -> None:
    with pytest.raises(ValueError, match="404"):
        await _read_to_the_end(client)


RUNNING = response(
    "202 Accepted",
    b'{"handler_id": "h1", "workflow_name": "w", "status": "running", "started_at": "2026-01-01"}',
)
TRICKLE = Turn(RUNNING[:-40] + b" " * 10, then="hold")
LONG_ERROR = HEAD.replace(b"200 OK", b"404 No") + chunk(b"x" * 100_000) * 3


@pytest.mark.parametrize(
    ("use", "turns"),
    [
        (_read_to_the_end, [Turn(stream(frame(1), DONE))]),
        (_read_to_the_end, [Turn(stream(frame(1), DONE, frame(10), end=b""), then="hold")]),
        (_read_to_the_end, [Turn(stream(frame(1))), Turn(stream(DONE))]),
        (_break, [LIVE]),
        (_fail, [Turn(LONG_ERROR, then="hold")]),
        (_wait, [Turn(RUNNING), LIVE]),
        (_wait_with_a_deadline, [TRICKLE]),
    ],
    ids=["whole", "open end", "resumed", "break", "error", "wait", "deadline"],
)
def test_trio_has_nothing_to_warn_about(
    use: Callable[[WorkflowClient], Awaitable[None]], turns: list[Turn]
) -> None:
    async def main() -> None:
        await use(WorkflowClient(base_url=script.url))
        gc.collect()
        await anyio.wait_all_tasks_blocked()

    with scripted(turns) as script, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trio.run(main)
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


async def _await(awaitable: Awaitable[object]) -> object:
    return await awaitable
