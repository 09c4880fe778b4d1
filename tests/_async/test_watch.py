"""Watching a run, on the real server and through dropped connections."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from llama_agents.client import (
    StreamNotFoundError,
    UnsupportedServerError,
    WorkflowClient,
)
from llama_agents.client.testing import Drop, Unavailable, record, replay

from ..support.scripted import frame

pytestmark = pytest.mark.anyio

TICKS = [f'Tick  n={n} text=""' for n in range(3)]


class Reacting(io.StringIO):
    """A file with something that happens when a text is written to it."""

    def __init__(self, text: str, react: Callable[[], object]) -> None:
        super().__init__()
        self._text = text
        self._react = react

    def write(self, text: str) -> int:
        if self._text in text:
            self._react()
        return super().write(text)


class Interrupted(Exception):
    """What ends a watch from outside."""


def interrupt() -> None:
    raise Interrupted


async def test_watch_shows_the_events_and_the_end(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("count", {"n": 3})
        file = io.StringIO()
        await run.watch(file=file)
        *events, end = file.getvalue().splitlines()
        assert events == [*TICKS, "StopEvent"]
        assert end.startswith("count  ✓ completed  watched for ")
        assert end.endswith(f"  4 events  {run.handler_id}")
        assert "completed" in repr(run)
        assert [event async for event in run.events()] == []


async def test_watch_begins_where_it_is_told(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("count", {"n": 3})
        await run.result()
        file = io.StringIO()
        await run.watch(1, file=file)
        assert file.getvalue().splitlines()[:3] == [*TICKS[1:], "StopEvent"]
        with pytest.raises(ValueError, match="after_sequence"):
            await run.watch(-2, file=file)


async def test_watch_names_a_run_that_has_ended_before(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("count", {"n": 3})
        async for _ in run.events():
            pass
        known = client.get_run(run.handler_id)
        for each in (run, known):
            file = io.StringIO()
            await each.watch(run._position, file=file)
            (line,) = file.getvalue().splitlines()
            assert line.startswith("count  ✓ completed")


async def test_watch_shows_a_run_that_fails(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("fail")
        file = io.StringIO()
        await run.watch(file=file)
        event, end = file.getvalue().splitlines()
        assert event.startswith('WorkflowFailedEvent  step_name="fail" exception=ValueError("')
        assert end.startswith("fail  ✗ failed")


async def test_watch_goes_on_when_a_request_is_answered(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("human")
        event = {"event": {"type": "ResponseEvent", "value": {"response": "Ada"}}}
        url = f"{server_url}/events/{run.handler_id}"
        file = Reacting("RequestEvent", lambda: httpx.post(url, json=event))
        await run.watch(file=file)
        assert file.getvalue().splitlines()[:2] == [
            'RequestEvent  prompt="What is your name?"',
            'OutEvent  output="Hello, Ada"',
        ]


async def test_interrupted_watch_keeps_the_position_of_what_was_shown(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("count", {"n": 5})
        await run.result()
        file = Reacting("n=2", interrupt)
        with pytest.raises(Interrupted):
            await run.watch(file=file)
        *shown, end = file.getvalue().splitlines()
        assert shown == TICKS[:2]
        assert "watched for" in end
        assert [event.value.get("n") async for event in run.events()] == [2, 3, 4, None]


async def test_watch_survives_dropped_connections(server_url: str, tmp_path: Path) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("count", {"n": 3})
        async for _ in record(run.events(True), tmp_path / "run"):
            pass
    faults = [Unavailable(503), Drop(after=2), Drop(after=4, times=2)]
    with replay(tmp_path / "run", faults) as server:
        async with WorkflowClient(base_url=server.url) as client:
            file = io.StringIO()
            await (await client.start("count")).watch(file=file)
        assert not server.pending
    assert file.getvalue().splitlines()[:4] == [*TICKS, "StopEvent"]


async def test_watch_raises_what_its_stream_raises(server_url: str) -> None:
    file = io.StringIO()
    async with WorkflowClient(base_url=server_url) as client:
        with pytest.raises(StreamNotFoundError):
            await client.get_run("unknown").watch(file=file)
    assert file.getvalue().endswith("0 events  unknown\n")


async def test_watch_of_an_old_server_leaves_no_position() -> None:
    events = b"".join(frame(None, "Tick", n=n, text="") for n in range(3))

    def respond(request: httpx.Request) -> httpx.Response:
        if "/events/" not in request.url.path:
            return httpx.Response(404)
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=events)

    async with httpx.AsyncClient(
        base_url="http://h", transport=httpx.MockTransport(respond)
    ) as inner:
        run = WorkflowClient(httpx_client=inner).get_run("h1")
        file = io.StringIO()
        with pytest.raises(UnsupportedServerError, match="may be lost"):
            await run.watch(file=file)
        assert file.getvalue().splitlines()[:3] == TICKS
        with pytest.raises(UnsupportedServerError):
            run.events()
