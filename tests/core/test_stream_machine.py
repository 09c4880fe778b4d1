"""The machine of an event stream, and that of a replay, rule by rule."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from llama_agents.client import (
    Cursor,
    InvalidResponseError,
    MissedEventsWarning,
    ServerError,
    StatusError,
    StreamDisconnectedError,
    StreamNotFoundError,
    StreamTimeoutError,
    UnreadableResultError,
    UnsupportedServerError,
)
from llama_agents.client._core.actions import Finished, Read, Retry
from llama_agents.client._core.server import ServerTraits
from llama_agents.client._core.stream import (
    ERROR_BODY_BYTES,
    ERROR_BODY_SECONDS,
    ErrorBodyReader,
    StreamMachine,
)

from ..support.scripted import frame
from .machines import LOST, REFUSED, Clock, response

STREAM = {"content-type": "text/event-stream; charset=latin-1"}
SILENCE = httpx.ReadTimeout("quiet")


def machine(
    after_sequence: Cursor = -1,
    max_reconnect_attempts: int = 3,
    *,
    handler_id: str = "h1",
    clock: Clock | None = None,
) -> StreamMachine:
    return StreamMachine(
        handler_id,
        after_sequence=after_sequence,
        include_internal=False,
        max_reconnect_attempts=max_reconnect_attempts,
        server=ServerTraits(),
        time=(clock or Clock()).source(),
    )


def opened(*arguments: Any, **options: Any) -> StreamMachine:
    """A machine whose first request got a stream."""
    m = machine(*arguments, **options)
    open_stream(m)
    return m


def open_stream(m: StreamMachine) -> None:
    m.request()
    m.opened(httpx.Response(200, headers=STREAM, request=response(200).request))
    assert m.action == Read()


def deliver(m: StreamMachine, *frames: bytes) -> list[dict[str, Any]]:
    return [event.value for event in m.receive(b"".join(frames))]


def drop(m: StreamMachine, cause: Exception | None = LOST) -> Any:
    m.connection_ended(cause)
    return m.action


def requested_cursor(m: StreamMachine) -> Any:
    params = m.request().params
    assert params is not None
    return params["after_sequence"]


# ------------------------------------------------------------------- the request


@pytest.mark.parametrize("cursor", [-1, 0, 41, "now"])
def test_request_carries_the_cursor(cursor: Cursor) -> None:
    m = machine(cursor)
    assert m.action == Retry(0.0)
    assert m.request().path == "/events/h1"
    assert str(requested_cursor(m)) == str(cursor)


def test_request_after_progress_carries_the_last_sequence() -> None:
    m = opened()
    deliver(m, frame(4), frame(7))
    drop(m)
    assert requested_cursor(m) == 7


@pytest.mark.parametrize(
    ("options", "words"),
    [
        *(({"after_sequence": value}, "after_sequence") for value in (-2, 1.5, "5", "NOW", None)),
        ({"after_sequence": True}, "after_sequence"),
        *(({"max_reconnect_attempts": value}, "max_rec") for value in (-1, 1.5, None)),
        ({"handler_id": ".."}, r"handler_id '\.\.'"),
    ],
)
def test_stream_rejects_invalid_arguments(options: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        machine(**options)


# ------------------------------------------------------------------- the response


def test_204_finishes_the_stream() -> None:
    m = machine()
    m.request()
    m.opened(response(204, content_type="application/json"))
    assert m.action == Finished(None)


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
def test_final_status_is_raised_with_its_detail(status: int, error: type[Exception]) -> None:
    m = machine()
    m.request()
    with pytest.raises(error) as caught:
        m.opened(response(status, {"detail": "because"}))
    assert isinstance(caught.value, StatusError)
    assert (caught.value.status_code, caught.value.detail) == (status, "because")
    assert caught.value.handler_id == "h1"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_unavailable_server_is_retried(status: int) -> None:
    m = machine()
    for headers, delay in [({}, 0.0), ({}, 1.0), ({"retry_after": "7"}, 7.0)]:
        m.request()
        m.opened(response(status, **headers))
        assert m.action == Retry(delay)


def test_server_that_asks_for_a_very_long_delay_is_unavailable() -> None:
    m = machine()
    m.request()
    with pytest.raises(StreamDisconnectedError) as caught:
        m.opened(response(503, retry_after="86400"))
    assert isinstance(caught.value.__cause__, ServerError)


@pytest.mark.parametrize("content_type", ["text/html", "application/x-ndjson", None])
def test_response_that_is_not_an_event_stream_is_an_error(content_type: str | None) -> None:
    m = machine(5)
    m.request()
    headers = {} if content_type is None else {"content_type": content_type}
    page = response(200, b"<html>log in</html>", **headers)
    assert m.error_body_reader(page) is not None
    with pytest.raises(InvalidResponseError, match=content_type or "none") as caught:
        m.opened(page)
    assert (caught.value.handler_id, caught.value.last_sequence) == ("h1", 5)
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
def test_body_is_read_as_an_error_unless_it_is_a_stream(
    answer: httpx.Response, expected: bool
) -> None:
    assert (machine().error_body_reader(answer) is not None) is expected


def test_error_body_is_read_up_to_a_size_and_a_time() -> None:
    clock = Clock()
    reader = ErrorBodyReader(response(503), clock)
    assert not reader.receive(b"x" * (ERROR_BODY_BYTES - 1))
    assert reader.receive(b"x")
    assert len(reader.response().content) == ERROR_BODY_BYTES
    reader = ErrorBodyReader(response(503), clock)
    assert not reader.receive(b"x")
    clock.now += ERROR_BODY_SECONDS
    assert reader.receive(b"y")
    assert reader.response().content == b"xy"


def test_error_body_is_not_decoded_twice() -> None:
    packed = response(503)
    packed.headers.update({"content-encoding": "gzip", "x": "y"})
    reader = ErrorBodyReader(packed, Clock())
    reader.receive(b"plain")
    assert reader.response().text == "plain"
    assert reader.response().headers["x"] == "y"


# ------------------------------------------------------------------- events


def test_cursor_moves_with_each_event_as_it_is_handed_out() -> None:
    m = opened()
    events = m.receive(frame(1) + frame(3))
    assert m.cursor == -1
    next(events)
    assert m.cursor == 1
    next(events)
    assert m.cursor == 3


def test_terminal_event_finishes_the_stream_whatever_follows() -> None:
    m = opened()
    assert deliver(m, frame(1, a=1), frame(2, "StopEvent", a=2), frame(3, a=3)) == [
        {"a": 1},
        {"a": 2},
    ]
    assert m.action == Finished(None)
    assert drop(m) == Finished(None)


def test_subclass_of_the_stop_event_is_terminal() -> None:
    m = opened()
    text = b'id: 1\ndata: {"value": {}, "type": "OutEvent", "types": ["Middle", "StopEvent"]}\n\n'
    assert len(deliver(m, text)) == 1
    assert m.action == Finished(None)


def test_envelope_needs_only_value_and_type() -> None:
    (event,) = opened().receive(b'data: {"value": {}, "type": "T", "new": 1}\n\n')
    assert (event.type, event.types, event.qualified_name) == ("T", None, None)


def test_events_up_to_the_cursor_are_dropped_after_a_resume() -> None:
    m = opened()
    deliver(m, frame(1), frame(2))
    drop(m)
    open_stream(m)
    assert deliver(m, frame(1, a=1), frame(2, a=2), frame(3, a=3)) == [{"a": 3}]


@pytest.mark.parametrize(("cursor", "action"), [(2, Finished(None)), (3, Read())])
def test_terminal_event_sent_again_finishes_a_stream_that_begins_right_after_it(
    cursor: int, action: Any
) -> None:
    """By a server that does not honour cursors exactly; further back it is another run's."""
    m = opened(after_sequence=cursor)
    assert deliver(m, frame(1), frame(2, "StopEvent")) == []
    assert m.action == action


def test_repeated_sequence_within_one_connection_is_delivered() -> None:
    m = opened()
    assert deliver(m, frame(5, a=1), frame(5, a=2), frame(4, a=3)) == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert m.cursor == 5


def test_id_without_data_moves_the_cursor() -> None:
    m = opened("now")
    assert deliver(m, b"id: 9\n\n") == []
    assert m.cursor == 9


def test_torn_event_does_not_move_the_cursor() -> None:
    m = opened()
    assert deliver(m, frame(1), frame(2)[:-1]) == [{}]
    assert m.cursor == 1
    drop(m)
    open_stream(m)
    assert deliver(m, frame(2, a=2)) == [{"a": 2}]


@pytest.mark.parametrize(
    "data",
    [b"{", b"[]", b'"x"', b'{"type": "T"}', b'{"value": 5, "type": "T"}', b"\xff", b"[" * 10**5],
)
def test_malformed_event_raises_after_what_came_before(data: bytes) -> None:
    events = opened().receive(frame(1) + b"id: 2\ndata: " + data + b"\n\n")
    next(events)
    with pytest.raises(InvalidResponseError, match="after sequence 1") as caught:
        next(events)
    assert caught.value.last_sequence == 1


# ------------------------------------------------------------------- drops


def test_clean_end_without_terminal_event_is_a_drop() -> None:
    m = opened()
    deliver(m, frame(1))
    assert drop(m, None) == Retry(0.0)


@pytest.mark.parametrize("sequences", [(1, None), (1, None, 1)])
def test_event_without_a_sequence_number_cannot_be_resumed_after(
    sequences: tuple[int | None, ...],
) -> None:
    m = opened()
    deliver(m, *map(frame, sequences))
    with pytest.raises(UnsupportedServerError, match="without a sequence number") as caught:
        drop(m)
    assert caught.value.__cause__ is LOST


def test_sequence_number_after_an_event_without_one_makes_the_position_known() -> None:
    m = opened()
    deliver(m, frame(None), frame(2))
    assert drop(m) == Retry(0.0)


def test_budget_counts_failures_in_a_row() -> None:
    m = machine()
    for delay in (0.0, 1.0, 2.0):
        m.request()
        assert drop(m, REFUSED) == Retry(delay)
    m.request()
    with pytest.raises(StreamDisconnectedError, match="4 failed attempts") as caught:
        drop(m, REFUSED)
    assert isinstance(caught.value, ConnectionError)
    assert caught.value.__cause__ is REFUSED
    assert (caught.value.handler_id, caught.value.last_sequence) == ("h1", -1)


@pytest.mark.parametrize("text", [b": heartbeat\n\n", frame(3), b""])
def test_only_a_new_event_resets_the_budget(text: bytes) -> None:
    m = machine(3, max_reconnect_attempts=2)
    for _ in range(2):
        open_stream(m)
        assert deliver(m, text) == []
        assert isinstance(drop(m), Retry)
    open_stream(m)
    deliver(m, text)
    with pytest.raises(StreamDisconnectedError):
        drop(m)


def test_delivered_event_resets_the_budget_and_the_delay() -> None:
    m = machine()
    for sequence in range(70):
        open_stream(m)
        deliver(m, frame(sequence))
        assert drop(m) == Retry(0.0)
        m.request()
        assert drop(m, REFUSED) == Retry(1.0)


def test_without_attempts_the_first_drop_raises() -> None:
    m = opened(max_reconnect_attempts=0)
    deliver(m, frame(1))
    with pytest.raises(StreamDisconnectedError) as caught:
        drop(m, None)
    assert caught.value.last_sequence == 1


def test_exhaustion_by_a_timeout_is_also_a_timeout() -> None:
    m = machine(max_reconnect_attempts=0)
    m.request()
    with pytest.raises(StreamTimeoutError) as caught:
        drop(m, httpx.ConnectTimeout("slow"))
    assert isinstance(caught.value, TimeoutError)


def test_exhaustion_by_an_unavailable_server_keeps_its_response() -> None:
    m = machine(max_reconnect_attempts=0)
    m.request()
    with pytest.raises(StreamDisconnectedError) as caught:
        m.opened(response(503, {"detail": "down"}))
    assert isinstance(caught.value.__cause__, ServerError)
    assert caught.value.__cause__.detail == "down"


def test_silence_after_the_headers_is_not_a_failure() -> None:
    m = machine(3, max_reconnect_attempts=0)
    for _ in range(50):
        open_stream(m)
        assert drop(m, SILENCE) == Retry(0.0)


def test_silence_before_the_headers_is_a_failure() -> None:
    m = opened(max_reconnect_attempts=1)
    assert drop(m, SILENCE) == Retry(0.0)
    m.request()
    assert drop(m, SILENCE) == Retry(0.0)
    m.request()
    with pytest.raises(StreamDisconnectedError):
        drop(m, SILENCE)


def test_retry_field_is_the_minimum_delay() -> None:
    m = opened()
    deliver(m, b"retry: 2500\n\n", frame(1))
    assert drop(m) == Retry(2.5)
    open_stream(m)
    assert drop(m, SILENCE) == Retry(2.5)


def test_retry_field_is_limited() -> None:
    m = opened()
    deliver(m, b"retry: 999999999999999\n\n")
    assert drop(m) == Retry(300.0)


@pytest.mark.parametrize(
    "mistake", [httpx.UnsupportedProtocol("ftp"), httpx.LocalProtocolError("x")]
)
def test_caller_error_is_not_retried(mistake: Exception) -> None:
    m = machine()
    m.request()
    with pytest.raises(type(mistake)):
        drop(m, mistake)


def test_drop_before_the_first_event_at_now_warns(caplog: pytest.LogCaptureFixture) -> None:
    m = opened("now")
    with pytest.warns(MissedEventsWarning, match="'h1'"):
        assert drop(m) == Retry(0.0)
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert record.name == "llama_agents.client.streams"
    assert (record.__dict__["handler_id"], record.__dict__["last_sequence"]) == ("h1", "now")
    assert requested_cursor(m) == "now"


def test_failure_before_now_was_fixed_does_not_warn() -> None:
    m = machine("now")
    m.request()
    assert drop(m, REFUSED) == Retry(0.0)


def test_drop_after_the_first_event_at_now_resumes_from_it() -> None:
    m = opened("now")
    deliver(m, frame(8))
    assert drop(m) == Retry(0.0)
    assert m.cursor == 8
