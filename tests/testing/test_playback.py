"""The server of a replay: what it answers, and where the faults come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import pytest
from llama_agents.client.testing import Drop, Fault, Stall, Unavailable
from llama_agents.client.testing._playback import (
    Answer,
    Playback,
    Request,
    Reset,
    Step,
    Wait,
    Write,
)
from llama_agents.client.testing._recording import load
from pydantic_core import from_json, to_json
from workflows.events import Event, StopEvent

from ..support.workflows import Tick

EVENTS: Final = [Tick(n=0), Tick(n=1), StopEvent()]


def playback(*faults: Fault, events: Sequence[Event] = EVENTS) -> Playback:
    return Playback(load(list(events)), faults, "2026-01-01T00:00:00+00:00")


def whole(played: Playback, method: str, target: str, body: Any = None, **headers: str) -> Answer:
    answer = played.answer(Request(method, target, headers, b"" if body is None else to_json(body)))
    assert isinstance(answer, Answer)
    return answer


def steps(played: Playback, query: str = "after_sequence=-1", **headers: str) -> Iterator[Step]:
    answer = played.answer(Request("GET", f"/events/replayed?{query}", headers))
    assert not isinstance(answer, Answer)
    return answer


def told(played: Playback, query: str = "after_sequence=-1", **headers: str) -> list[object]:
    """The ids that are written, and the other steps."""
    return [
        int(step.data.split()[1]) if isinstance(step, Write) else step
        for step in steps(played, query, **headers)
    ]


# ------------------------------------------------------------------- the cursor


@pytest.mark.parametrize(
    ("query", "headers", "ids"),
    [
        ("after_sequence=-1", {}, [1, 2, 3]),
        ("after_sequence=1", {}, [2, 3]),
        ("after_sequence=NOW", {}, [1, 2, 3]),
        ("", {}, [1, 2, 3]),
        ("after_sequence=-1", {"last-event-id": "2"}, [3]),
        ("after_sequence=1", {"last-event-id": "x"}, [2, 3]),
    ],
)
def test_stream_begins_after_the_cursor(
    query: str, headers: dict[str, str], ids: Sequence[int]
) -> None:
    assert told(playback(), query, **headers) == ids


@pytest.mark.parametrize("cursor", ["3", "99"])
def test_ended_stream_has_nothing_more(cursor: str) -> None:
    assert whole(playback(), "GET", f"/events/replayed?after_sequence={cursor}").status == 204


def test_bad_cursor_is_refused() -> None:
    answer = whole(playback(Unavailable()), "GET", "/events/replayed?after_sequence=1.5")
    assert answer.status == 400
    assert from_json(answer.body) == {"detail": "Invalid after_sequence: '1.5'"}


def test_frame_is_that_of_the_server() -> None:
    first = next(steps(playback()))
    assert isinstance(first, Write)
    head, data, *rest = first.data.split(b"\n")
    assert (head, rest) == (b"id: 1", [b"", b""])
    envelope = from_json(data.removeprefix(b"data: "))
    assert envelope["value"] == {"n": 0, "text": ""}
    assert envelope["type"] == "Tick"


def test_run_without_an_end_has_heartbeats() -> None:
    stream = steps(playback(events=EVENTS[:1]))
    next(stream)
    assert [next(stream), next(stream)] * 2 == [Wait(25.0), Write(b": heartbeat\n\n")] * 2


# ------------------------------------------------------------------- faults


def test_faults_come_in_order_where_they_are_wanted() -> None:
    played = playback(Stall(0, 5), Stall(2, 6), Drop(2), Unavailable(429, retry_after=7))
    assert told(played) == [Wait(5), 1, 2, Wait(6), Reset()]
    refused = whole(played, "GET", "/events/replayed?after_sequence=2")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "7")
    assert told(played, "after_sequence=2") == [3]
    assert played.pending == []


def test_fault_counts_as_happened_when_the_client_has_the_event_before_it() -> None:
    played = playback(Drop(1), Stall(2, 1))
    stream = steps(played)
    next(stream)
    assert played.pending == [Stall(2, 1)]


def test_faults_after_the_last_event_come() -> None:
    assert told(playback(Stall(3, 1), Drop(3))) == [1, 2, 3, Wait(1), Reset()]


def test_only_streams_that_there_are_use_faults_up() -> None:
    played = playback(Unavailable())
    assert whole(played, "GET", "/events/nobody").status == 404
    assert whole(played, "GET", "/health").status == 200
    assert played.pending == [Unavailable()]
    assert "Retry-After" not in whole(played, "GET", "/events/replayed").headers


BAD: Final[Sequence[Callable[[], object]]] = [
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


@pytest.mark.parametrize("make", BAD)
def test_bad_values_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"must be .*, not "):
        make()


def test_what_is_no_fault_is_refused() -> None:
    with pytest.raises(TypeError, match="not a fault: 'drop'"):
        playback("drop")  # type: ignore[arg-type]


# ------------------------------------------------------------------- calls


@pytest.mark.parametrize(
    ("method", "target", "body", "status"),
    [
        ("GET", "/handlers/replayed", None, 200),
        ("GET", "/handlers/nobody", None, 404),
        ("POST", "/events/nobody", {}, 404),
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
def test_call_is_answered(method: str, target: str, body: Any, status: int) -> None:
    answer = whole(playback(), method, target, body)
    assert answer.status == status
    assert ("detail" in from_json(answer.body)) == (status >= 400)


def test_run_has_its_name_decoded_and_begins_running() -> None:
    played = playback()
    started = whole(played, "POST", "/workflows/a%20b/run-nowait", {"handler_id": "x y"})
    assert from_json(started.body)["status"] == "running"
    assert from_json(started.body)["completed_at"] is None
    looked = whole(played, "GET", "/handlers/x%20y")
    assert from_json(looked.body)["status"] == "completed"
    assert from_json(looked.body)["workflow_name"] == "a b"


def test_runs_that_are_started_have_their_own_now() -> None:
    played = playback()
    told(played)
    whole(played, "POST", "/workflows/any/run-nowait", {"handler_id": "mine"})
    answer = played.answer(Request("GET", "/events/mine"))
    assert not isinstance(answer, Answer)
    assert len([*answer]) == 3
