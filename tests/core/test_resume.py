"""The state machine of a stream, rule by rule, without a socket."""

from __future__ import annotations

import logging
from typing import Any, Literal

import httpx
import pytest
from llama_agents.client import (
    InvalidResponseError,
    MissedEventsWarning,
    ServerError,
    StatusError,
    StreamDisconnectedError,
    StreamNotFoundError,
    StreamTimeoutError,
    UnreadableResultError,
)
from llama_agents.client._resume import (
    EVIDENCE_BYTES,
    EVIDENCE_SECONDS,
    Done,
    Evidence,
    ReadOn,
    StreamMachine,
)
from llama_agents.client._retry import Again, Sources, backoff, retry_after

from ..support.scripted import frame

NOW = 1_700_000_000.0
STREAM = {"content-type": "text/event-stream; charset=latin-1"}


def machine(
    after_sequence: int | Literal["now"] = -1, max_reconnect_attempts: int = 3, **options: Any
) -> StreamMachine:
    return StreamMachine(
        options.pop("handler_id", "h1"),
        after_sequence=after_sequence,
        include_internal=False,
        max_reconnect_attempts=max_reconnect_attempts,
        sources=Sources(clock=lambda: 0.0, wall_clock=lambda: NOW, random=lambda: 0.5),
        **options,
    )


def response(status: int, body: bytes = b"", **headers: str) -> httpx.Response:
    return httpx.Response(
        status,
        content=body,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        request=httpx.Request("GET", "http://user:secret@host/events/h1?token=secret"),
    )


def open_stream(m: StreamMachine) -> None:
    """Make the next request and have it answered with a stream."""
    m.request()
    assert m.opened(httpx.Response(200, headers=STREAM, request=response(200).request)) == ReadOn()


def deliver(m: StreamMachine, *frames: bytes) -> list[dict[str, Any]]:
    return [event.value for event in m.receive(b"".join(frames))]


def drop(m: StreamMachine) -> Any:
    return m.closed(httpx.ReadError("reset"))


# ------------------------------------------------------------------- the request


@pytest.mark.parametrize("cursor", [-1, 0, 41, "now"])
def test_request_carries_the_cursor(cursor: int | Literal["now"]) -> None:
    operation = machine(cursor).request()
    assert operation.path == "/events/h1"
    assert operation.params is not None
    assert str(operation.params["after_sequence"]) == str(cursor)


def test_request_after_progress_carries_the_last_sequence() -> None:
    m = machine()
    open_stream(m)
    deliver(m, frame(4), frame(7))
    drop(m)
    params = m.request().params
    assert params is not None
    assert params["after_sequence"] == 7


@pytest.mark.parametrize("cursor", [-2, 1.5, "5", "NOW", True, None])
def test_bad_cursor_is_refused(cursor: Any) -> None:
    with pytest.raises(ValueError, match="after_sequence"):
        machine(cursor)


@pytest.mark.parametrize("attempts", [-1, 1.5, None])
def test_bad_number_of_attempts_is_refused(attempts: Any) -> None:
    with pytest.raises(ValueError, match="max_reconnect_attempts"):
        machine(max_reconnect_attempts=attempts)


def test_bad_handler_id_is_refused_when_the_stream_is_made() -> None:
    with pytest.raises(ValueError, match=r"handler id '\.\.'"):
        machine(handler_id="..")


# ------------------------------------------------------------------- the answer


def test_204_means_that_nothing_is_left() -> None:
    m = machine()
    m.request()
    assert m.opened(response(204)) == Done()
    assert m.finished


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, StatusError),
        (401, StatusError),
        (403, StatusError),
        (404, StreamNotFoundError),
        (404, ValueError),
        (422, UnreadableResultError),
        (500, ServerError),
        (302, StatusError),
    ],
)
def test_refusal_raises_at_once_with_status_and_detail(status: int, error: type[Exception]) -> None:
    m = machine()
    m.request()
    with pytest.raises(error) as caught:
        m.opened(response(status, b'{"detail": "because"}'))
    assert isinstance(caught.value, StatusError)
    assert (caught.value.status_code, caught.value.detail) == (status, "because")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_unavailable_server_is_asked_again(status: int) -> None:
    m = machine()
    m.request()
    assert m.opened(response(status)) == Again(0.0)
    m.request()
    assert m.opened(response(status)) == Again(1.0)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", 7.0),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
        ("Tue, 14 Nov 2023 22:13:30 -0000", 10.0),
    ],
)
def test_retry_after_is_the_least_pause(value: str, expected: float) -> None:
    m = machine()
    m.request()
    assert m.opened(response(503, retry_after=value)) == Again(expected)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "soon",
        "1 Jan 99999999999999999999 00:00 GMT",
        "-5",
        "1.5",
        "\u0661",
        "Tue, 14 Nov 2023 22:13:10 GMT",
    ],
)
def test_unreadable_or_past_retry_after_asks_for_no_pause(value: str) -> None:
    assert retry_after({"retry-after": value}, NOW) == 0.0


def test_server_that_asks_for_a_very_long_pause_is_unavailable() -> None:
    m = machine()
    m.request()
    with pytest.raises(StreamDisconnectedError) as caught:
        m.opened(response(503, retry_after="86400"))
    assert isinstance(caught.value.__cause__, ServerError)


@pytest.mark.parametrize("content_type", ["text/html", "application/x-ndjson", None])
def test_answer_that_is_no_event_stream_is_an_error(content_type: str | None) -> None:
    m = machine(5)
    m.request()
    headers = {} if content_type is None else {"content_type": content_type}
    page = response(200, b"<html>log in</html>", **headers)
    assert m.evidence(page) is not None
    with pytest.raises(InvalidResponseError, match=content_type or "none") as caught:
        m.opened(page)
    assert caught.value.last_sequence == 5
    assert caught.value.handler_id == "h1"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(200, headers=STREAM), False),
        (httpx.Response(204), False),
        (httpx.Response(200), True),
        (httpx.Response(503, headers=STREAM), True),
        (httpx.Response(302), True),
    ],
)
def test_body_of_an_answer_that_is_no_stream_is_evidence(
    answer: httpx.Response, expected: bool
) -> None:
    assert (machine().evidence(answer) is not None) is expected


def test_evidence_is_read_up_to_a_limit() -> None:
    evidence = machine().evidence(response(503))
    assert evidence is not None
    assert not evidence.take(b"x" * (EVIDENCE_BYTES - 1))
    assert evidence.take(b"x")
    assert len(evidence.response().content) == EVIDENCE_BYTES


def test_evidence_is_not_waited_for_long() -> None:
    now = 0.0
    evidence = Evidence(response(503), lambda: now)
    assert not evidence.take(b"x")
    now = EVIDENCE_SECONDS
    assert evidence.take(b"y")
    assert evidence.response().content == b"xy"


def test_evidence_of_a_packed_body_is_not_unpacked_again() -> None:
    packed = httpx.Response(
        503, headers={"content-encoding": "gzip", "x": "y"}, request=response(503).request
    )
    evidence = Evidence(packed, lambda: 0.0)
    evidence.take(b"plain")
    assert evidence.response().text == "plain"
    assert evidence.response().headers["x"] == "y"


# ------------------------------------------------------------------- events


def test_cursor_moves_with_each_event_as_it_is_handed_out() -> None:
    m = machine()
    open_stream(m)
    events = m.receive(frame(1) + frame(3))
    assert m.cursor == -1
    next(events)
    assert m.cursor == 1
    next(events)
    assert m.cursor == 3


def test_terminal_event_ends_the_stream_whatever_follows() -> None:
    m = machine()
    open_stream(m)
    assert deliver(m, frame(1, a=1), frame(2, "StopEvent", a=2), frame(3, a=3)) == [
        {"a": 1},
        {"a": 2},
    ]
    assert m.finished
    assert drop(m) == Done()


def test_subclass_of_the_stop_event_is_terminal() -> None:
    m = machine()
    open_stream(m)
    text = b'id: 1\ndata: {"value": {}, "type": "OutEvent", "types": ["Middle", "StopEvent"]}\n\n'
    assert len(deliver(m, text)) == 1
    assert m.finished


def test_envelope_needs_only_value_and_type() -> None:
    m = machine()
    open_stream(m)
    (event,) = m.receive(b'data: {"value": {}, "type": "T", "new": 1}\n\n')
    assert (event.type, event.types, event.qualified_name) == ("T", None, None)


def test_events_below_the_cursor_are_dropped_after_a_resume() -> None:
    m = machine()
    open_stream(m)
    deliver(m, frame(1), frame(2))
    drop(m)
    open_stream(m)
    assert deliver(m, frame(1, a=1), frame(2, a=2), frame(3, a=3)) == [{"a": 3}]


def test_terminal_event_sent_again_ends_a_stream_that_begins_after_it() -> None:
    """By a server that does not honour cursors exactly; the others answer 204."""
    m = machine(after_sequence=2)
    open_stream(m)
    assert deliver(m, frame(1), frame(2, "StopEvent")) == []
    assert m.finished


def test_terminal_event_below_the_cursor_is_another_runs() -> None:
    m = machine(after_sequence=3)
    open_stream(m)
    assert deliver(m, frame(1), frame(2, "StopEvent")) == []
    assert not m.finished


def test_repeated_sequence_within_one_connection_is_delivered() -> None:
    m = machine()
    open_stream(m)
    assert deliver(m, frame(5, a=1), frame(5, a=2), frame(4, a=3)) == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert m.cursor == 5


def test_block_with_only_an_id_moves_the_cursor() -> None:
    m = machine("now")
    open_stream(m)
    assert deliver(m, b"id: 9\n\n") == []
    assert m.cursor == 9


def test_torn_frame_does_not_move_the_cursor() -> None:
    m = machine()
    open_stream(m)
    assert deliver(m, frame(1), frame(2)[:-1]) == [{}]
    assert m.cursor == 1
    drop(m)
    open_stream(m)
    assert deliver(m, frame(2, a=2)) == [{"a": 2}]


@pytest.mark.parametrize(
    "data",
    [b"{", b"[]", b'"x"', b'{"type": "T"}', b'{"value": 5, "type": "T"}', b"\xff", b"[" * 10**5],
)
def test_frame_that_is_no_event_raises_after_what_came_before(data: bytes) -> None:
    m = machine()
    open_stream(m)
    events = m.receive(frame(1) + b"id: 2\ndata: " + data + b"\n\n")
    next(events)
    with pytest.raises(InvalidResponseError, match="after sequence 1") as caught:
        next(events)
    assert caught.value.last_sequence == 1


# ------------------------------------------------------------------- ends


def test_clean_end_without_terminal_event_resumes() -> None:
    m = machine()
    open_stream(m)
    deliver(m, frame(1))
    assert m.closed(None) == Again(0.0)


def test_event_without_a_sequence_number_cannot_be_resumed_after() -> None:
    m = machine()
    open_stream(m)
    deliver(m, frame(1), frame(None))
    with pytest.raises(StreamDisconnectedError, match="no sequence number"):
        drop(m)


def test_event_with_a_sequence_number_after_one_without_can_be_resumed_after() -> None:
    m = machine()
    open_stream(m)
    deliver(m, frame(None), frame(2))
    assert drop(m) == Again(0.0)


def test_repeated_sequence_number_after_an_event_without_one_does_not_make_it_known() -> None:
    m = machine()
    open_stream(m)
    deliver(m, frame(1), frame(None), frame(1))
    with pytest.raises(StreamDisconnectedError, match="no sequence number"):
        drop(m)


def test_budget_counts_failures_in_a_row() -> None:
    m = machine()
    for pause in (0.0, 1.0, 2.0):
        m.request()
        assert m.closed(httpx.ConnectError("refused")) == Again(pause)
    m.request()
    with pytest.raises(StreamDisconnectedError, match="4 failed attempts") as caught:
        m.closed(httpx.ConnectError("refused"))
    assert isinstance(caught.value, ConnectionError)
    assert isinstance(caught.value.__cause__, httpx.ConnectError)
    assert (caught.value.handler_id, caught.value.last_sequence) == ("h1", -1)


def test_headers_and_heartbeats_do_not_re_arm_the_budget() -> None:
    m = machine()
    for _ in range(3):
        open_stream(m)
        deliver(m, b": heartbeat\n\n")
        assert isinstance(drop(m), Again)
    open_stream(m)
    deliver(m, b": heartbeat\n\n")
    with pytest.raises(StreamDisconnectedError):
        drop(m)


def test_delivered_event_re_arms_the_budget_and_the_pause() -> None:
    m = machine()
    for sequence in range(70):
        open_stream(m)
        deliver(m, frame(sequence))
        assert drop(m) == Again(0.0)
        m.request()
        assert m.closed(httpx.ConnectError("refused")) == Again(1.0)


def test_repeated_event_does_not_re_arm_the_budget() -> None:
    m = machine(max_reconnect_attempts=1)
    open_stream(m)
    deliver(m, frame(1))
    drop(m)
    open_stream(m)
    assert deliver(m, frame(1)) == []
    with pytest.raises(StreamDisconnectedError):
        drop(m)


def test_no_attempts_means_that_the_first_drop_raises() -> None:
    m = machine(max_reconnect_attempts=0)
    open_stream(m)
    deliver(m, frame(1))
    with pytest.raises(StreamDisconnectedError) as caught:
        m.closed(None)
    assert caught.value.last_sequence == 1


def test_exhaustion_by_a_timeout_is_also_a_timeout() -> None:
    m = machine(max_reconnect_attempts=0)
    m.request()
    with pytest.raises(StreamTimeoutError) as caught:
        m.closed(httpx.ConnectTimeout("slow"))
    assert isinstance(caught.value, TimeoutError)


def test_exhaustion_by_an_unavailable_server_keeps_its_answer() -> None:
    m = machine(max_reconnect_attempts=0)
    m.request()
    with pytest.raises(StreamDisconnectedError) as caught:
        m.opened(response(503, b'{"detail": "down"}'))
    assert isinstance(caught.value.__cause__, ServerError)
    assert caught.value.__cause__.detail == "down"


def test_silence_after_the_headers_costs_no_budget() -> None:
    m = machine(3, max_reconnect_attempts=0)
    for _ in range(50):
        open_stream(m)
        assert m.closed(httpx.ReadTimeout("quiet")) == Again(0.0)


def test_silence_before_the_headers_is_a_failure() -> None:
    m = machine(max_reconnect_attempts=1)
    m.request()
    assert m.closed(httpx.ReadTimeout("quiet")) == Again(0.0)
    m.request()
    with pytest.raises(StreamDisconnectedError):
        m.closed(httpx.ReadTimeout("quiet"))


def test_silence_before_the_headers_of_a_reconnect_is_a_failure() -> None:
    m = machine(max_reconnect_attempts=0)
    open_stream(m)
    assert m.closed(httpx.ReadTimeout("quiet")) == Again(0.0)
    m.request()
    with pytest.raises(StreamDisconnectedError):
        m.closed(httpx.ReadTimeout("quiet"))


def test_retry_field_is_the_least_pause() -> None:
    m = machine()
    open_stream(m)
    deliver(m, b"retry: 2500\n\n", frame(1))
    assert drop(m) == Again(2.5)
    open_stream(m)
    assert m.closed(httpx.ReadTimeout("quiet")) == Again(2.5)


def test_hostile_retry_field_does_not_stop_the_stream_for_ever() -> None:
    m = machine()
    open_stream(m)
    deliver(m, b"retry: 999999999999999\n\n")
    assert drop(m) == Again(300.0)


@pytest.mark.parametrize(
    "mistake", [httpx.UnsupportedProtocol("ftp"), httpx.LocalProtocolError("x")]
)
def test_mistake_of_the_caller_is_not_retried(mistake: Exception) -> None:
    m = machine()
    m.request()
    with pytest.raises(type(mistake)):
        m.closed(mistake)


def test_drop_before_the_first_event_at_now_is_told(caplog: pytest.LogCaptureFixture) -> None:
    m = machine("now")
    open_stream(m)
    with caplog.at_level(logging.WARNING), pytest.warns(MissedEventsWarning, match="'h1'"):
        assert drop(m) == Again(0.0)
    assert "not delivered" in caplog.text
    params = m.request().params
    assert params is not None
    assert params["after_sequence"] == "now"


def test_failure_before_now_was_fixed_loses_nothing_and_is_not_told() -> None:
    m = machine("now")
    m.request()
    assert m.closed(httpx.ConnectError("refused")) == Again(0.0)


def test_drop_after_the_first_event_at_now_resumes_from_it() -> None:
    m = machine("now")
    open_stream(m)
    deliver(m, frame(8))
    assert drop(m) == Again(0.0)
    assert m.cursor == 8


# ------------------------------------------------------------------- back-off


@pytest.mark.parametrize(
    ("failures", "lowest", "highest"),
    [(1, 0, 0), (2, 0.75, 1.25), (3, 1.5, 2.5), (4, 3, 5), (7, 24, 30), (2000, 30, 30)],
)
def test_pauses_double_with_jitter_up_to_a_limit(
    failures: int, lowest: float, highest: float
) -> None:
    assert backoff(failures, lambda: 0.0) == lowest
    assert backoff(failures, lambda: 1.0) == highest


def test_default_budget_outlasts_a_restart_of_a_second_and_a_half() -> None:
    assert sum(backoff(failures, lambda: 0.0) for failures in (1, 2, 3)) > 1.5


# ------------------------------------------------------------------- streams of the past


def of_the_past(clock: list[float]) -> StreamMachine:
    """A machine that takes a second of silence for the end."""
    return StreamMachine(
        "h1",
        after_sequence=-1,
        include_internal=True,
        max_reconnect_attempts=3,
        sources=Sources(clock=lambda: clock[0], wall_clock=lambda: NOW, random=lambda: 0.5),
        settle=1.0,
    )


def test_silence_ends_a_stream_of_the_past_and_no_other() -> None:
    silent = httpx.ReadTimeout("silence")
    past, live = of_the_past([0.0]), machine()
    for m in (past, live):
        open_stream(m)
        deliver(m, frame(1))
    assert past.closed(silent) == Done()
    assert past.finished
    assert live.closed(silent) == Again(0.0)
    assert not live.finished


def test_heartbeats_are_silence_to_a_stream_of_the_past() -> None:
    clock = [5.0]
    m = of_the_past(clock)
    open_stream(m)
    clock[0] = 5.9
    deliver(m, frame(1), b": heartbeat\n\n")
    clock[0] = 6.8
    deliver(m, b": heartbeat\n\n")
    assert not m.finished
    clock[0] = 6.9
    deliver(m, b": heartbeat\n\n")
    assert m.finished


def test_slow_head_gives_a_stream_of_the_past_more_time() -> None:
    m = of_the_past([0.0])
    client = httpx.Timeout(connect=10.0, read=45.0, write=45.0, pool=None)
    limits = []
    for _ in range(3):
        m.request()
        timeout = m.timeout(client)
        assert timeout is not None
        assert (timeout.connect, timeout.write, timeout.pool) == (10.0, 45.0, None)
        limits.append(timeout.read)
        assert isinstance(m.closed(httpx.ReadTimeout("no head")), Again)
    assert limits == [1.0, 2.0, 4.0]
    assert machine().timeout(client) is None
    impatient = of_the_past([0.0]).timeout(httpx.Timeout(0.5))
    assert impatient is not None
    assert impatient.read == 0.5
