"""A stream from "now": what it must not miss although it has not been iterated yet."""

from __future__ import annotations

import gc
import time
import warnings
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import httpx
import pytest
from llama_agents.client import (
    MissedEventsWarning,
    NotFoundError,
    StreamDisconnectedError,
    WaitTimeoutError,
    WorkflowClient,
)
from llama_agents.client._core import limits

from ..support.interruption import ainterrupt
from ..support.scripted import HEAD, Turn, chunk, frame, response, scripted, stream
from ..support.server import wait_until_async

pytestmark = pytest.mark.anyio

DONE = frame(9, "StopEvent")
REPLY = {"type": "ResponseEvent", "value": {"response": "Ada"}}
SENT = Turn(response("200 OK", b'{"status": "sent"}'))
ERROR = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 100000\r\n\r\n"
GONE = Turn(response("404 Not Found", b'{"detail": "Handler not found"}'))

CALLS: dict[str, Callable[[WorkflowClient], Awaitable[Any]]] = {
    "send_event": lambda client: client.send_event("h1", REPLY),
    "cancel_handler": lambda client: client.cancel_handler("h1"),
    "get_handler": lambda client: client.get_handler("h1"),
    "wait_for_handler": lambda client: client.wait_for_handler("h1", timeout=5),
    "run.send": lambda client: client.get_run("h1").send(REPLY),
    "run.cancel": lambda client: client.get_run("h1").cancel(),
    "run.status": lambda client: client.get_run("h1").status(),
    "run.result": lambda client: client.get_run("h1").result(),
}


async def test_stream_at_now_has_all_events_that_a_later_call_causes(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        for _ in range(3):
            run = await client.start("human")
            async for _ in run.events():
                break
            events = run.events(after_sequence="now")
            await run.send(REPLY)
            await run.result()
            assert [event.type async for event in events] == ["OutEvent"]


@pytest.mark.parametrize("call", CALLS)
async def test_stream_at_now_is_connected_before_its_run_is_asked_for_anything(call: str) -> None:
    live = Turn(stream(frame(1), DONE, end=b""), then="hold")
    with scripted([live, GONE]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events("h1", after_sequence="now")
            other = client.get_workflow_events("h2", after_sequence="now")
            with pytest.raises(NotFoundError):
                await CALLS[call](client)
            assert ["/events/h1?" in head and "=now" in head for head in script.requests] == [
                True,
                False,
            ]
            assert [event.type async for event in events] == ["Tick", "StopEvent"]
            assert other.last_sequence == "now"
    assert len(script.requests) == 2


async def test_stream_at_now_is_connected_once() -> None:
    live = Turn(stream(frame(1), DONE, end=b""), then="hold")
    with scripted([live, SENT]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events("h1", after_sequence="now")
            await client.send_event("h1", REPLY)
            await client.send_event("h1", REPLY)
            async with events:
                await client.send_event("h1", REPLY)
                assert [event.type async for event in events] == ["Tick", "StopEvent"]
            await client.send_event("h1", REPLY)
    assert ["/events/h1?" in head for head in script.requests] == [True, *[False] * 4]


async def test_call_goes_on_if_its_stream_cannot_be_connected() -> None:
    live = Turn(stream(DONE, end=b""), then="hold")
    with scripted([GONE, SENT, SENT, live]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events("h1", after_sequence="now")
            for _ in range(2):  # the second has no stream to connect any more
                assert (await client.send_event("h1", REPLY)).status == "sent"
            with pytest.warns(MissedEventsWarning, match="'h1'"):
                assert [event.type async for event in events] == ["StopEvent"]


async def test_stream_that_cannot_be_connected_raises_when_iterated() -> None:
    with scripted([Turn(), SENT, Turn()]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events(
                "h1", after_sequence="now", max_reconnect_attempts=0
            )
            await client.send_event("h1", REPLY)
            with pytest.raises(StreamDisconnectedError):
                await anext(aiter(events))


@pytest.mark.parametrize("way", ["a call", "entering"])
async def test_connecting_that_was_interrupted_is_done_anew(way: str) -> None:
    async def connect() -> None:
        if way == "a call":
            await client.send_event("h1", REPLY)
        else:
            await events.__aenter__()

    live = Turn(stream(DONE, end=b""), then="hold")
    with scripted([Turn(then="hold"), live, SENT]) as script, warnings.catch_warnings():
        warnings.simplefilter("error")
        async with WorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events("h1", after_sequence="now")
            await ainterrupt(connect, lambda: script.requests)
            await connect()
            assert [event.type async for event in events] == ["StopEvent"]
    assert ["/events/h1?" in head for head in script.requests][:2] == [True, True]


@pytest.mark.parametrize(
    "turn",
    [
        Turn(then="hold"),
        Turn(HEAD[:40], then="hold"),
        Turn(response("503 Service Unavailable", b"{}", Retry_After="30")),
    ],
)
@pytest.mark.parametrize("call", ["send_event", "run.status", "wait_for_handler"])
async def test_call_is_not_held_up_by_a_stream_that_cannot_be_connected(
    monkeypatch: pytest.MonkeyPatch, call: str, turn: Turn
) -> None:
    monkeypatch.setattr(limits, "AHEAD_LIMIT", 1.0)
    live = Turn(stream(DONE, end=b""), then="hold")
    with scripted([turn, GONE, live]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events("h1", after_sequence="now")
            with pytest.raises(NotFoundError):
                await CALLS[call](client)
            assert len(script.requests) == 2  # the stream, once, and the call
            with pytest.warns(MissedEventsWarning):
                assert [event.type async for event in events] == ["StopEvent"]


async def test_wait_is_not_held_up_by_the_retries_of_a_stream() -> None:
    away = Turn(response("503 Service Unavailable", b"{}", Retry_After="2"))
    live = Turn(stream(DONE, end=b""), then="hold")
    with scripted([away, GONE, live]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events("h1", after_sequence="now")
            with pytest.raises(NotFoundError):
                await client.wait_for_handler("h1", timeout=5)
            with pytest.warns(MissedEventsWarning):
                assert [event.type async for event in events] == ["StopEvent"]


STALLED: dict[str, bytes | Callable[[], Iterable[bytes]]] = {
    "silent": b"",
    "silent body of an error": ERROR,
    "slow body of an error": lambda: chain([ERROR], endless_bytes()),
}


def endless_bytes() -> Iterator[bytes]:
    while True:
        time.sleep(0.01)
        yield b"x"


@pytest.mark.parametrize("data", STALLED.values(), ids=STALLED)
async def test_wait_ends_in_time_although_its_stream_cannot_be_connected(
    data: bytes | Callable[[], Iterable[bytes]],
) -> None:
    with scripted([Turn(data, then="hold")]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events("h1", after_sequence="now")
            started = time.monotonic()
            with pytest.raises(WaitTimeoutError):
                await client.wait_for_handler("h1", timeout=1)
            assert time.monotonic() - started < 4  # an error's body would have 5 s
            assert events.last_sequence == "now"
    assert len(script.requests) == 2  # the stream and a poll


async def test_stream_that_a_wait_has_connected_keeps_its_own_idle_timeout() -> None:
    quiet = Turn(HEAD + chunk(b": hi\n\n"), then="hold")
    with scripted([quiet, GONE]) as script, warnings.catch_warnings():
        warnings.simplefilter("error")
        async with WorkflowClient(base_url=script.url, timeout=7) as client:
            events = client.get_workflow_events("h1", after_sequence="now")
            with pytest.raises(NotFoundError):
                await client.wait_for_handler("h1", timeout=0.5)
            assert events._response is not None
            timeout = events._response.request.extensions["timeout"]
            assert timeout == httpx.Timeout(7).as_dict()


async def test_dropped_stream_that_a_call_has_connected_frees_its_connection() -> None:
    with scripted([Turn(HEAD, then="hold"), SENT]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            run = client.get_run("h1")
            events = run.events(after_sequence="now")
            await run.send(REPLY)
            assert events.last_sequence == "now"
            del events
            gc.collect()
            await wait_until_async(lambda: script.closed == 1)
            assert client._driver._early == {}


async def test_dropped_stream_is_not_connected() -> None:
    with scripted([SENT]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            client.get_workflow_events("h1", after_sequence="now")
            gc.collect()
            await client.send_event("h1", REPLY)
    assert len(script.requests) == 1
