# Generated from tests/_async/test_watch.py by `python -m generator`: do not edit.
"""Watching a run, on the real server and through dropped connections."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from llama_agents.client import (
    StreamNotFoundError,
    SyncWorkflowClient,
    UnsupportedServerError,
)
from llama_agents.client.testing import Drop, Unavailable, record, replay

from ..support.scripted import frame

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


def test_watch_shows_the_events_and_the_end(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("count", {"n": 3})
        file = io.StringIO()
        run.watch(file=file)
        *events, end = file.getvalue().splitlines()
        assert events == [*TICKS, "StopEvent"]
        assert end.startswith("count  ✓ completed  watched for ")
        assert end.endswith(f"  4 events  {run.handler_id}")
        assert "completed" in repr(run)
        assert [event for event in run.events()] == []


def test_watch_begins_where_it_is_told(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("count", {"n": 3})
        run.result()
        file = io.StringIO()
        run.watch(1, file=file)
        assert file.getvalue().splitlines()[:3] == [*TICKS[1:], "StopEvent"]
        with pytest.raises(ValueError, match="after_sequence"):
            run.watch(-2, file=file)


def test_watch_names_a_run_that_has_ended_before(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("count", {"n": 3})
        for _ in run.events():
            pass
        known = client.get_run(run.handler_id)
        for each in (run, known):
            file = io.StringIO()
            each.watch(run._position, file=file)
            (line,) = file.getvalue().splitlines()
            assert line.startswith("count  ✓ completed")


def test_watch_shows_a_run_that_fails(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("fail")
        file = io.StringIO()
        run.watch(file=file)
        event, end = file.getvalue().splitlines()
        assert event.startswith('WorkflowFailedEvent  step_name="fail" exception=ValueError("')
        assert end.startswith("fail  ✗ failed")


def test_watch_goes_on_when_a_request_is_answered(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("human")
        event = {"event": {"type": "ResponseEvent", "value": {"response": "Ada"}}}
        url = f"{server_url}/events/{run.handler_id}"
        file = Reacting("RequestEvent", lambda: httpx.post(url, json=event))
        run.watch(file=file)
        assert file.getvalue().splitlines()[:2] == [
            'RequestEvent  prompt="What is your name?"',
            'OutEvent  output="Hello, Ada"',
        ]


def test_interrupted_watch_keeps_the_position_of_what_was_shown(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("count", {"n": 5})
        run.result()
        file = Reacting("n=2", interrupt)
        with pytest.raises(Interrupted):
            run.watch(file=file)
        *shown, end = file.getvalue().splitlines()
        assert shown == TICKS[:2]
        assert "watched for" in end
        assert [event.value.get("n") for event in run.events()] == [2, 3, 4, None]


def test_watch_survives_dropped_connections(server_url: str, tmp_path: Path) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("count", {"n": 3})
        for _ in record(run.events(True), tmp_path / "run"):
            pass
    faults = [Unavailable(503), Drop(after=2), Drop(after=4, times=2)]
    with replay(tmp_path / "run", faults) as server:
        with SyncWorkflowClient(base_url=server.url) as client:
            file = io.StringIO()
            (client.start("count")).watch(file=file)
        assert not server.pending
    assert file.getvalue().splitlines()[:4] == [*TICKS, "StopEvent"]


def test_watch_raises_what_its_stream_raises(server_url: str) -> None:
    file = io.StringIO()
    with SyncWorkflowClient(base_url=server_url) as client:
        with pytest.raises(StreamNotFoundError):
            client.get_run("unknown").watch(file=file)
    assert file.getvalue().endswith("0 events  unknown\n")


def test_watch_of_an_old_server_leaves_no_position() -> None:
    events = b"".join(frame(None, "Tick", n=n, text="") for n in range(3))

    def respond(request: httpx.Request) -> httpx.Response:
        if "/events/" not in request.url.path:
            return httpx.Response(404)
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=events)

    with httpx.Client(base_url="http://h", transport=httpx.MockTransport(respond)) as inner:
        run = SyncWorkflowClient(httpx_client=inner).get_run("h1")
        file = io.StringIO()
        with pytest.raises(UnsupportedServerError, match="may be lost"):
            run.watch(file=file)
        assert file.getvalue().splitlines()[:3] == TICKS
        with pytest.raises(UnsupportedServerError):
            run.events()
