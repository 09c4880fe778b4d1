# Generated from tests/_async/test_stream.py by `python -m generator`: do not edit.
"""Event streams over sockets: the real server, and servers that break."""

from __future__ import annotations

import gc
import time
import zlib

import httpx
import pytest
from llama_agents.client import (
    InvalidResponseError,
    MissedEventsWarning,
    ServerError,
    StreamDisconnectedError,
    StreamNotFoundError,
    StreamTimeoutError,
    SyncEventStream,
    SyncWorkflowClient,
)

from ..support.scripted import END, HEAD, Turn, answer, chunk, frame, scripted, stream
from ..support.server import wait_until

DONE = frame(9, "StopEvent")


def collect(events: SyncEventStream) -> list[int]:
    """The `n` of each event that has one."""
    return [event.value["n"] for event in events if "n" in event.value]


def stream_all(turns: list[Turn], **options: object) -> tuple[list[int], list[str]]:
    """Stream from a scripted server; return what was delivered and requested."""
    with scripted(turns) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            numbers = collect(client.get_workflow_events("h1", **options))  # type: ignore[arg-type]
    return numbers, script.requests


# ------------------------------------------------------------------- the real server


def test_events_come_in_order_with_their_sequence(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        handler = client.run_workflow_nowait("count", start_event={"n": 3})
        events = client.get_workflow_events(handler.handler_id)
        assert events.last_sequence == -1
        seen = [(event.type, events.last_sequence) for event in events]
    assert [type_ for type_, _ in seen] == ["Tick", "Tick", "Tick", "StopEvent"]
    sequences = [sequence for _, sequence in seen]
    assert sequences == sorted(set(sequences))
    assert events.last_sequence == sequences[-1]


def test_internal_events_come_when_asked_for(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        handler = client.run_workflow_nowait("count", start_event={"n": 1})
        events = client.get_workflow_events(handler.handler_id, True)
        types = [event.type for event in events]
    assert "StepStateChanged" in types
    assert types[-1] == "StopEvent"


def test_stream_resumes_after_a_given_sequence(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        handler = client.run_workflow_nowait("count", start_event={"n": 5})
        first = client.get_workflow_events(handler.handler_id)
        for event in first:
            if event.value["n"] == 1:
                break
        rest = client.get_workflow_events(handler.handler_id, after_sequence=first.last_sequence)
        assert collect(rest) == [2, 3, 4]


def test_ended_run_has_nothing_now(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        handler = client.run_workflow("greet")
        events = client.get_workflow_events(handler.handler_id, after_sequence="now")
        assert collect(events) == []
        assert events.last_sequence == "now"


def test_line_separators_inside_an_event_arrive_intact(server_url: str) -> None:
    text = "a\u2028b\u2029c\u0085d\x1ce\r\nf"
    with SyncWorkflowClient(base_url=server_url) as client:
        handler = client.run_workflow_nowait("count", start_event={"n": 1, "text": text})
        events = client.get_workflow_events(handler.handler_id)
        texts = [event.value["text"] for event in events if event.type == "Tick"]
    assert texts == [text]


def test_unknown_handler_is_not_found(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        with pytest.raises(StreamNotFoundError) as caught:
            collect(client.get_workflow_events("nobody"))
    assert caught.value.detail == "Handler not found"


def test_entering_fixes_the_moment_of_now(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        handler = client.run_workflow_nowait("human")
        first = client.get_workflow_events(handler.handler_id)
        for event in first:
            assert event.type == "RequestEvent"
            break
        with client.get_workflow_events(handler.handler_id, after_sequence="now") as events:
            answer_ = {"type": "ResponseEvent", "value": {"response": "Ada"}}
            client.send_event(handler.handler_id, answer_)
            assert [event.type for event in events] == ["OutEvent"]


# ------------------------------------------------------------------- drops


def test_clean_end_without_terminal_event_resumes() -> None:
    numbers, requests = stream_all(
        [Turn(stream(frame(1, n=1), frame(2, n=2))), Turn(stream(frame(3, n=3), DONE))]
    )
    assert numbers == [1, 2, 3]
    assert "after_sequence=-1" in requests[0]
    assert "after_sequence=2" in requests[1]


def test_reset_resumes_without_loss_or_repetition() -> None:
    numbers, requests = stream_all(
        [
            Turn(stream(frame(1, n=1), frame(2, n=2)[:-9], end=b"")),
            Turn(stream(frame(1, n=1), frame(2, n=2), frame(3, n=3), DONE)),
        ],
    )
    assert numbers == [1, 2, 3]
    assert "after_sequence=1" in requests[1]


def test_headers_of_the_client_go_with_every_connection() -> None:
    with scripted([Turn(stream(frame(1, n=1))), Turn(stream(DONE))]) as script:
        client = SyncWorkflowClient(base_url=script.url, headers={"Authorization": "Bearer t"})
        with client:
            collect(client.get_workflow_events("h1"))
    assert len(script.requests) == 2
    assert all("authorization: bearer t" in request.lower() for request in script.requests)
    assert all("connection: close" in request.lower() for request in script.requests)


def test_unavailable_server_is_asked_again() -> None:
    numbers, requests = stream_all(
        [Turn(answer("503 Service Unavailable")), Turn(stream(frame(1, n=1), DONE))]
    )
    assert numbers == [1]
    assert len(requests) == 2


def test_server_that_accepts_and_drops_gets_a_bounded_number_of_connections() -> None:
    with scripted([Turn()]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events("h1", max_reconnect_attempts=1)
            with pytest.raises(StreamDisconnectedError) as caught:
                collect(events)
    assert len(script.requests) == 2
    assert caught.value.last_sequence == -1
    assert isinstance(caught.value.__cause__, httpx.TransportError)


def test_refused_connection_exhausts_the_budget() -> None:
    with scripted([Turn()]) as script:
        url = script.url
    with SyncWorkflowClient(base_url=url) as client:
        with pytest.raises(StreamDisconnectedError):
            collect(client.get_workflow_events("h1", max_reconnect_attempts=1))


def test_exhaustion_by_an_unavailable_server_keeps_its_answer() -> None:
    with scripted([Turn(answer("503 Service Unavailable", b'{"detail": "down"}'))]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            with pytest.raises(StreamDisconnectedError) as caught:
                collect(client.get_workflow_events("h1", max_reconnect_attempts=1))
    assert isinstance(caught.value.__cause__, ServerError)
    assert caught.value.__cause__.detail == "down"
    assert len(script.requests) == 2


def test_torn_error_body_does_not_hide_the_status() -> None:
    torn = b"HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\n{"
    with scripted([Turn(torn)]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            with pytest.raises(ServerError, match="500 Oops"):
                collect(client.get_workflow_events("h1"))


def test_login_page_is_an_error_with_its_text() -> None:
    page = answer("200 OK", b"<html>log in</html>", Content_Type="text/html")
    with scripted([Turn(stream(frame(1, n=1))), Turn(page)]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            with pytest.raises(InvalidResponseError) as caught:
                collect(client.get_workflow_events("h1"))
    assert caught.value.last_sequence == 1
    assert caught.value.response.text == "<html>log in</html>"


def test_frame_that_is_no_event_raises_after_what_came_before() -> None:
    delivered = []
    with scripted([Turn(stream(frame(1, n=1), b"data: {}\n\n"))]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            with pytest.raises(InvalidResponseError):
                for event in client.get_workflow_events("h1"):
                    delivered.append(event.value["n"])
    assert delivered == [1]


def test_drop_before_the_first_event_at_now_is_told() -> None:
    with pytest.warns(MissedEventsWarning):
        numbers, requests = stream_all(
            [Turn(stream(b": hi\n\n")), Turn(stream(DONE))], after_sequence="now"
        )
    assert numbers == []
    assert "after_sequence=now" in requests[1]


def test_204_after_a_drop_ends_the_stream() -> None:
    numbers, _ = stream_all([Turn(stream(frame(1, n=1))), Turn(b"HTTP/1.1 204 No Content\r\n\r\n")])
    assert numbers == [1]


def test_terminal_event_ends_the_iteration_at_once() -> None:
    """The server never ends the body, and never closes."""
    with scripted([Turn(stream(frame(1, n=1), DONE, end=b""), then="hold")]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            started = time.monotonic()
            assert collect(client.get_workflow_events("h1")) == [1]
            assert time.monotonic() - started < 5
            wait_until(lambda: script.closed == 1)


# ------------------------------------------------------------------- silence


def test_silence_after_the_headers_resumes_and_costs_no_budget() -> None:
    silent = Turn(stream(frame(1, n=1), end=b""), then="hold")
    still = Turn(HEAD, then="hold")
    with scripted([silent, still, still, Turn(stream(DONE))]) as script:
        with SyncWorkflowClient(base_url=script.url, timeout=0.2) as client:
            events = client.get_workflow_events("h1", max_reconnect_attempts=0)
            assert collect(events) == [1]
    assert len(script.requests) == 4


def test_silence_before_the_headers_is_a_timeout() -> None:
    with scripted([Turn(then="hold")]) as script:
        with SyncWorkflowClient(base_url=script.url, timeout=0.2) as client:
            with pytest.raises(StreamTimeoutError):
                collect(client.get_workflow_events("h1", max_reconnect_attempts=0))


def test_read_timeout_of_a_client_handed_in_is_the_idle_limit() -> None:
    with scripted([Turn(HEAD, then="hold"), Turn(stream(DONE))]) as script:
        with httpx.Client(base_url=script.url, timeout=0.2) as httpx_client:
            client = SyncWorkflowClient(httpx_client=httpx_client)
            collect(client.get_workflow_events("h1", max_reconnect_attempts=0))
    assert len(script.requests) == 2


# ------------------------------------------------------------------- ending early


def test_break_frees_the_connection_although_the_stream_is_held() -> None:
    with scripted([Turn(stream(frame(1, n=1), end=b""), then="hold")]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events("h1")
            for _ in events:
                break
            gc.collect()
            wait_until(lambda: script.closed == 1)
            assert events.last_sequence == 1


def test_error_in_the_loop_body_frees_the_connection() -> None:
    with scripted([Turn(stream(frame(1, n=1), end=b""), then="hold")]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            with pytest.raises(ZeroDivisionError):
                with client.get_workflow_events("h1") as events:
                    for _ in events:
                        _ = 1 // 0
            wait_until(lambda: script.closed == 1)


def test_closing_in_the_loop_ends_it() -> None:
    held = Turn(stream(frame(1, n=1), frame(2, n=2), end=b""), then="hold")
    with scripted([held]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events("h1")
            seen = []
            for event in events:
                seen.append(event.value["n"])
                events.close()
            assert seen == [1]
            wait_until(lambda: script.closed == 1)


def test_stream_that_is_never_iterated_sends_nothing() -> None:
    with scripted([Turn(stream(DONE))]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events("h1")
            events.close()
            with pytest.raises(RuntimeError, match="closed"):
                collect(events)
            with pytest.raises(RuntimeError, match="entered only once"):
                events.__enter__()
    assert script.requests == []


def test_second_iteration_is_refused() -> None:
    with scripted([Turn(stream(DONE))]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events("h1")
            collect(events)
            with pytest.raises(RuntimeError, match="only once"):
                collect(events)
    assert len(script.requests) == 1


def test_entering_a_finished_stream_gives_no_events() -> None:
    with scripted([Turn(b"HTTP/1.1 204 No Content\r\n\r\n")]) as script:
        with (
            SyncWorkflowClient(base_url=script.url) as client,
            client.get_workflow_events("h1") as events,
        ):
            assert collect(events) == []
    assert len(script.requests) == 1


def test_entering_a_refused_stream_raises_and_frees_the_connection() -> None:
    with scripted([Turn(answer("404 Not Found", b"{}"), then="hold")]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            with pytest.raises(StreamNotFoundError):
                with client.get_workflow_events("h1"):
                    pytest.fail("entered")
            wait_until(lambda: script.closed == 1)


def test_gzip_is_delivered_as_it_is_flushed() -> None:
    packer = zlib.compressobj(wbits=31)
    first = packer.compress(frame(1, n=1)) + packer.flush(zlib.Z_SYNC_FLUSH)
    head = HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    with scripted([Turn(head + chunk(first), then="hold")]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            for event in client.get_workflow_events("h1"):
                assert event.value == {"n": 1}
                break


def test_body_in_single_bytes_gives_the_same_events() -> None:
    body = b"".join(chunk(bytes([byte])) for byte in frame(1, n=1, text="\u00e4\u2028") + DONE)
    numbers, _ = stream_all([Turn(HEAD + body + END)])
    assert numbers == [1]
