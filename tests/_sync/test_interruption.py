# Generated from tests/_async/test_interruption.py by `python -m generator`: do not edit.
"""A step of a stream that is interrupted: the next one continues, and nothing ends in silence."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import pytest
from llama_agents.client import (
    InvalidResponseError,
    MissedEventsWarning,
    StreamNotFoundError,
    SyncEventStream,
    SyncWorkflowClient,
    UnsupportedServerError,
)
from llama_agents.client.testing import record

from ..support.interruption import Interrupt, interrupt
from ..support.scripted import HEAD, Turn, frame, response, scripted, stream
from ..support.server import wait_until

DONE = frame(9, "StopEvent")
LIVE = Turn(stream(frame(1), end=b""), then="hold")
REST = Turn(stream(frame(2), DONE))


@pytest.mark.parametrize(
    "held",
    [
        Turn(HEAD, then="hold"),
        Turn(then="hold"),
        Turn(b"HTTP/1.1 503 Away\r\nContent-Length: 9\r\n\r\n{", then="hold"),
    ],
    ids=["open stream", "no response", "error body"],
)
def test_interrupted_step_continues_from_the_cursor(held: Turn) -> None:
    with scripted([Turn(stream(frame(1))), held, REST]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            # No failure is allowed but the clean end after the first event.
            events = client.get_workflow_events("h1", max_reconnect_attempts=1)
            it = iter(events)
            assert (next(it)).type == "Tick"
            interrupt(lambda: next(it), lambda: len(script.requests) == 2)
            wait_until(lambda: script.closed == 1)
            assert [(event.type, events.last_sequence) for event in it] == [
                ("Tick", 2),
                ("StopEvent", 9),
            ]
    assert [request.partition("after_sequence=")[2][:2] for request in script.requests] == [
        "-1",
        "1&",
        "1&",
    ]


@pytest.mark.parametrize("twice", [False, True])
def test_interruption_while_decoding_loses_no_event(
    monkeypatch: pytest.MonkeyPatch, twice: bool
) -> None:
    parsed = []
    disconnect, interruptions = SyncEventStream._disconnect, [1] * twice

    def disconnect_interrupted_once(stream: SyncEventStream) -> None:
        if len(parsed) == 2 and interruptions:
            raise Interrupt(interruptions.pop())
        disconnect(stream)

    def interrupted_once(data: bytes) -> Any:
        parsed.append(data)
        if len(parsed) == 2:
            raise Interrupt
        return parse(data)

    monkeypatch.setattr(SyncEventStream, "_disconnect", disconnect_interrupted_once)
    first = Turn(stream(frame(1) + frame(2) + frame(3), end=b""), then="hold")
    with scripted([first, Turn(stream(frame(2), frame(3), DONE))]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events("h1", max_reconnect_attempts=0)
            parse = events._machine._parse
            monkeypatch.setattr(events._machine, "_parse", interrupted_once)
            it = iter(events)
            next(it)
            with pytest.raises(Interrupt):
                next(it)
            assert events.last_sequence == 1
            assert [events.last_sequence for _ in it] == [2, 3, 9]


def test_interruption_before_the_first_event_at_now_warns() -> None:
    with scripted([Turn(HEAD, then="hold"), REST]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            it = iter(events := client.get_workflow_events("h1", after_sequence="now"))
            interrupt(lambda: next(it), lambda: events._response is not None)
            with pytest.warns(MissedEventsWarning, match="'h1'"):
                assert (next(it)).type == "Tick"


def test_interruption_at_an_unknown_position_is_an_error_of_the_next_step() -> None:
    with scripted([Turn(stream(frame(None), end=b""), then="hold")]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            it = iter(client.get_workflow_events("h1"))
            next(it)
            interrupt(lambda: next(it), lambda: True)
            with pytest.raises(UnsupportedServerError, match="position in the stream is unknown"):
                next(it)
    assert len(script.requests) == 1


def test_iterator_is_over_after_an_error_of_the_stream() -> None:
    with scripted([Turn(response("404 Not Found", b"{}"))]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            it = iter(client.get_workflow_events("h1"))
            with pytest.raises(StreamNotFoundError):
                next(it)
            assert [event for event in it] == []
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        (Turn(response("404 Not Found", b"{}")), StreamNotFoundError),
        (Turn(stream(b"data: {\n\n")), InvalidResponseError),
    ],
    ids=["status", "event"],
)
def test_error_that_an_interruption_replaces_is_raised_by_the_next_step(
    monkeypatch: pytest.MonkeyPatch, turn: Turn, expected: type[Exception]
) -> None:
    disconnect, interruptions = SyncEventStream._disconnect, [1]

    def interrupted_once(stream: SyncEventStream) -> None:
        if stream._response is not None and interruptions:
            raise Interrupt(interruptions.pop())
        disconnect(stream)

    monkeypatch.setattr(SyncEventStream, "_disconnect", interrupted_once)
    with scripted([turn]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            it = iter(client.get_workflow_events("h1"))
            with pytest.raises(Interrupt):
                next(it)
            with pytest.raises(expected):
                next(it)
            assert [event for event in it] == []


def test_break_frees_the_connection_of_a_stream_that_is_kept() -> None:
    with scripted([LIVE]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events("h1")
            for _ in events:
                break
            wait_until(lambda: script.closed == 1)
            assert events.last_sequence == 1


def test_iterator_that_is_kept_continues_after_a_break() -> None:
    with scripted([Turn(stream(frame(1), frame(2), DONE))]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            it = iter(client.get_workflow_events("h1"))
            for _ in it:
                break
            assert [event.type for event in it] == ["Tick", "StopEvent"]
    assert len(script.requests) == 1


def test_closing_the_iterator_closes_the_connection() -> None:
    with scripted([LIVE]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            it: Any = iter(client.get_workflow_events("h1"))
            with contextlib.closing(it):
                next(it)
            wait_until(lambda: script.closed == 1)
            assert [event for event in it] == []


def test_interrupted_recording_continues() -> None:
    file = io.StringIO()
    with scripted([LIVE, REST]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            it = record(client.get_workflow_events("h1"), file)
            next(it)
            interrupt(lambda: next(it), lambda: True)
            assert [event.type for event in it] == ["Tick", "StopEvent"]
    assert len(file.getvalue().splitlines()) == 4
