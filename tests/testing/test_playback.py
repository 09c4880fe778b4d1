"""The rules of a replay: its responses, and where it injects faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import pytest
from llama_agents.client import EventEnvelopeWithMetadata
from llama_agents.client.testing import Drop, Fault, Stall, StartedRun, Unavailable
from llama_agents.client.testing._playback import (
    Pause,
    Playback,
    Request,
    Reset,
    Response,
    StreamAction,
    Write,
)
from llama_agents.client.testing._recording import load
from pydantic_core import from_json, to_json
from workflows.events import Event, InputRequiredEvent, StopEvent

from ..support.workflows import Tick

EVENTS: Final = [Tick(n=0), Tick(n=1), StopEvent()]
STREAM: Final = "/events/replayed?after_sequence="


def playback(
    *faults: Fault, events: Sequence[Event | EventEnvelopeWithMetadata] = EVENTS
) -> Playback:
    return Playback(load(list(events)), faults, "2026-01-01T00:00:00+00:00")


def call(played: Playback, method: str, target: str, body: Any = None) -> Response:
    response = played.respond(Request(method, target, {}, b"" if body is None else to_json(body)))
    assert isinstance(response, Response)
    return response


def stream(played: Playback, target: str = f"{STREAM}-1", **headers: str) -> Iterator[StreamAction]:
    response = played.respond(Request("GET", target, headers))
    assert not isinstance(response, Response)
    return response


def played_actions(played: Playback, target: str = f"{STREAM}-1", **headers: str) -> list[object]:
    """The sequence numbers of the events that are written, and the other actions."""
    return [
        int(action.data.split()[1]) if isinstance(action, Write) else action
        for action in stream(played, target, **headers)
    ]


# ------------------------------------------------------------------- the cursor


@pytest.mark.parametrize(
    ("query", "headers", "sequences"),
    [
        ("?after_sequence=-1", {}, [1, 2, 3]),
        ("?after_sequence=1", {}, [2, 3]),
        ("?after_sequence=NOW", {}, [1, 2, 3]),
        ("", {}, [1, 2, 3]),
        ("?after_sequence=-1", {"last-event-id": "2"}, [3]),
        ("?after_sequence=1", {"last-event-id": "x"}, [2, 3]),
    ],
)
def test_stream_starts_after_the_cursor(
    query: str, headers: dict[str, str], sequences: Sequence[int]
) -> None:
    assert played_actions(playback(), f"/events/replayed{query}", **headers) == sequences


def test_now_is_after_the_events_that_any_client_was_sent() -> None:
    played = playback(Drop(2))
    assert played_actions(played) == [1, 2, Reset()]
    call(played, "POST", "/workflows/any/run-nowait", {"handler_id": "mine"})
    assert played_actions(played, "/events/mine") == [1, 2, 3]  # each run has its own "now"
    assert played_actions(played, f"{STREAM}now") == [3]
    assert call(played, "GET", f"{STREAM}now").status == 204
    assert played_actions(played, f"{STREAM}1") == [2, 3]


@pytest.mark.parametrize(("cursor", "status"), [("3", 204), ("99", 204), ("1.5", 400), ("-2", 400)])
def test_cursor_at_the_end_or_invalid_gets_a_response(cursor: str, status: int) -> None:
    faults = [Unavailable()] if status == 400 else []
    response = call(playback(*faults), "GET", STREAM + cursor)
    assert response.status == status
    if status == 400:
        assert from_json(response.body) == {"detail": f"Invalid after_sequence: '{cursor}'"}


def test_event_is_framed_as_by_the_server() -> None:
    first = next(stream(playback()))
    assert isinstance(first, Write)
    head, data, *rest = first.data.split(b"\n")
    assert (head, rest) == (b"id: 1", [b"", b""])
    envelope = from_json(data.removeprefix(b"data: "))
    assert (envelope["type"], envelope["value"]) == ("Tick", {"n": 0, "text": ""})


def test_run_without_terminal_event_stays_running() -> None:
    played = playback(events=EVENTS[:1])
    actions = stream(played)
    next(actions)
    heartbeat = [Pause(25.0), Write(b": heartbeat\n\n")]
    assert [next(actions) for _ in range(4)] == heartbeat * 2
    polled = call(played, "GET", "/handlers/replayed")
    assert (polled.status, from_json(polled.body)["status"]) == (202, "running")
    waited = call(played, "POST", "/workflows/any/run", {})
    assert waited.status == 500
    assert "no terminal event" in from_json(waited.body)["detail"]


def test_stream_waits_for_as_many_events_as_were_requested() -> None:
    ask = EventEnvelopeWithMetadata(value={}, type="Ask", types=["InputRequiredEvent"])
    recording = load([ask, Tick(n=0), InputRequiredEvent(), StopEvent()])
    played = Playback(recording, [Drop(1)], "2026-01-01", wait_for_answers=True)
    answer = {"event": {"type": "Answer", "value": {}}}
    assert played_actions(played) == [1, Reset()]  # faults are injected first
    actions = stream(played, f"{STREAM}1")
    wait = Pause(0.01)
    assert next(actions) == wait
    call(played, "POST", "/workflows/any/run-nowait", {"handler_id": "other"})
    call(played, "POST", "/events/other", answer)
    pauses = [next(actions) for _ in range(2501)]
    assert set(pauses) == {wait, Write(b": heartbeat\n\n")}
    assert pauses.count(wait) == 2500
    call(played, "POST", "/events/replayed", answer)
    assert [type(next(actions)) for _ in range(3)] == [Write, Write, Pause]
    call(played, "POST", "/events/replayed", answer)
    assert [type(action) for action in actions] == [Write]
    assert played_actions(played) == [1, 2, 3, 4]
    call(played, "POST", "/workflows/any/run-nowait", {})  # again, and nothing is answered yet
    again = stream(played)
    assert [type(next(again)) for _ in range(2)] == [Write, Pause]


# ------------------------------------------------------------------- faults


def test_faults_are_injected_in_order_at_their_events() -> None:
    played = playback(Stall(0, 5), Stall(2, 6), Drop(2), Unavailable(429, retry_after=7))
    assert played_actions(played) == [Pause(5), 1, 2, Pause(6), Reset()]
    unavailable = call(played, "GET", f"{STREAM}2")
    assert (unavailable.status, unavailable.headers["Retry-After"]) == (429, "7")
    assert played_actions(played, f"{STREAM}2") == [3]
    assert played.pending == []


def test_fault_is_injected_as_often_as_told() -> None:
    played = playback(Drop(2, times=2), Unavailable(401, times=2))
    assert played_actions(played) == [1, 2, Reset()]
    assert played.pending == [Drop(2), Unavailable(401, times=2)]
    assert played_actions(played, f"{STREAM}2") == [Reset()]
    for _ in range(2):
        unavailable = call(played, "GET", f"{STREAM}2")
        assert (unavailable.status, "Retry-After" in unavailable.headers) == (401, False)
    assert played_actions(played, f"{STREAM}2") == [3]


def test_fault_in_the_past_stays_pending_and_blocks_those_behind_it() -> None:
    played = playback(Drop(2), Drop(1), Drop(3))
    assert played_actions(played) == [1, 2, Reset()]
    assert played_actions(played, f"{STREAM}2") == [3]
    assert played.pending == [Drop(1), Drop(3)]


def test_fault_is_no_longer_pending_once_the_client_has_the_event_before_it() -> None:
    played = playback(Drop(1), Stall(2, 1))
    next(stream(played))
    assert played.pending == [Stall(2, 1)]


def test_faults_are_injected_after_the_last_event() -> None:
    assert played_actions(playback(Stall(3, 1), Drop(3))) == [1, 2, 3, Pause(1), Reset()]


def test_only_streams_of_known_runs_consume_faults() -> None:
    played = playback(Unavailable())
    assert call(played, "GET", "/events/unknown").status == 404
    assert call(played, "GET", "/health").status == 200
    assert played.pending == [Unavailable()]


INVALID: Final[Sequence[Callable[[], object]]] = [
    lambda: Drop(-1),
    lambda: Drop(1.5),  # type: ignore[arg-type]
    lambda: Drop(True),
    lambda: Drop(1, times=0),
    lambda: Stall(-1, 1),
    lambda: Stall(1, 0),
    lambda: Stall(1, float("nan")),
    lambda: Stall(1, "1"),  # type: ignore[arg-type]
    lambda: Unavailable(200),
    lambda: Unavailable(600),
    lambda: Unavailable("503"),  # type: ignore[arg-type]
    lambda: Unavailable(times=0),
    lambda: Unavailable(retry_after=-1),
    lambda: Unavailable(retry_after=0.5),  # type: ignore[arg-type]
]


@pytest.mark.parametrize("create", INVALID)
def test_fault_rejects_invalid_values(create: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"must be .*, not "):
        create()


def test_replay_rejects_other_objects_as_faults() -> None:
    with pytest.raises(TypeError, match="expected a Drop, Stall or Unavailable, not 'drop'"):
        playback("drop")  # type: ignore[arg-type]


# ------------------------------------------------------------------- plain calls


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("GET", "/handlers/replayed", None, 200),
        ("GET", "/handlers/unknown", None, 404),
        ("POST", "/events/unknown", {}, 404),
        ("POST", "/events/replayed", {"event": {"type": "Answer", "value": {}}}, 200),
        ("POST", "/events/replayed", {"event": {"type": "Answer"}}, 400),
        ("POST", "/events/replayed", {}, 400),
        ("POST", "/events/replayed", [], 400),
        ("POST", "/events/replayed", None, 400),
        ("POST", "/workflows/any/run", {}, 200),
        ("POST", "/workflows/any/run-nowait", {}, 200),
        ("POST", "/workflows/any/run", None, 400),
        ("POST", "/workflows/any/run", [], 400),
        ("POST", "/workflows/any/run", {"handler_id": [1]}, 400),
        ("POST", "/handlers/replayed/cancel", None, 404),
        ("GET", "/workflows", None, 404),
        ("GET", "/", None, 404),
    ],
)
def test_call_gets_a_response(method: str, target: str, body: Any, status: int) -> None:
    response = call(playback(), method, target, body)
    assert response.status == status
    assert ("detail" in from_json(response.body)) == (status >= 400)


def test_started_run_has_its_own_id_and_ends_like_the_recording() -> None:
    played = playback()
    body = {"handler_id": "x y", "start_event": {"name": "Ada"}}
    started = from_json(call(played, "POST", "/workflows/a%20b/run-nowait", body).body)
    assert (started["status"], started["completed_at"]) == ("running", None)
    polled = from_json(call(played, "GET", "/handlers/x%20y").body)
    assert (polled["status"], polled["workflow_name"]) == ("completed", "a b")
    assert played.started == [StartedRun("x y", "a b", {"name": "Ada"})]


def test_failed_run_fails_again() -> None:
    value = {"step_name": "s", "exception": {"exception_message": "boom"}}
    failed = EventEnvelopeWithMetadata(value=value, type="WorkflowFailedEvent", types=["StopEvent"])
    response = call(playback(events=[failed]), "POST", "/workflows/any/run", {})
    handler = from_json(response.body)
    assert (response.status, handler["status"], handler["error"]) == (500, "failed", "boom")
