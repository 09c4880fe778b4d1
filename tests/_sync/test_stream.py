# Generated from tests/_async/test_stream.py by `python -m generator`: do not edit.
"""Event streams through sockets: the real server, and what one scripted server shows."""

from __future__ import annotations

import httpx
import pytest
from llama_agents.client import (
    ServerError,
    StreamNotFoundError,
    SyncEventStream,
    SyncWorkflowClient,
)

from ..support.scripted import HEAD, Turn, frame, response, scripted, stream
from ..support.server import wait_until

DONE = frame(9, "StopEvent")
NO_CONTENT = b"HTTP/1.1 204 No Content\r\nContent-Type: application/json\r\n\r\n"


def collect(events: SyncEventStream) -> list[str]:
    """Return the types of the events of a stream."""
    return [event.type for event in events]


def test_stream_yields_events_in_order_with_their_sequence(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        handler = client.run_workflow_nowait("count", start_event={"n": 3})
        events = client.get_workflow_events(handler.handler_id)
        assert (events.handler_id, events.last_sequence) == (handler.handler_id, -1)
        seen = [(event.type, events.last_sequence) for event in events]
    assert [type_ for type_, _ in seen] == ["Tick", "Tick", "Tick", "StopEvent"]
    sequences = [sequence for _, sequence in seen]
    assert sequences == sorted(set(sequences))
    assert events.last_sequence == sequences[-1]


def test_stream_includes_internal_events_on_request(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        handler = client.run_workflow_nowait("count", start_event={"n": 1})
        types = collect(client.get_workflow_events(handler.handler_id, True))
    assert "StepStateChanged" in types
    assert types[-1] == "StopEvent"


def test_stream_raises_not_found_for_unknown_run(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        with pytest.raises(StreamNotFoundError) as caught:
            collect(client.get_workflow_events("nobody"))
    assert (caught.value.detail, caught.value.handler_id) == ("Handler not found", "nobody")


def test_stream_fixes_now_when_entered(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        handler = client.run_workflow_nowait("human")
        first = client.get_workflow_events(handler.handler_id)
        for event in first:
            assert event.type == "RequestEvent"
            break
        with client.get_workflow_events(handler.handler_id, after_sequence="now") as events:
            reply = {"type": "ResponseEvent", "value": {"response": "Ada"}}
            client.send_event(handler.handler_id, reply)
            assert collect(events) == ["OutEvent"]


def test_stream_requests_carry_client_headers_and_close_the_connection() -> None:
    with scripted([Turn(stream(frame(1, n=1))), Turn(stream(DONE))]) as script:
        client = SyncWorkflowClient(base_url=script.url, headers={"Authorization": "Bearer t"})
        with client:
            collect(client.get_workflow_events("h1"))
    assert len(script.requests) == 2
    assert all("authorization: bearer t" in request.lower() for request in script.requests)
    assert all("connection: close" in request.lower() for request in script.requests)


def test_stream_raises_status_even_if_error_body_is_truncated() -> None:
    truncated = b"HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\n{"
    with scripted([Turn(truncated)]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            with pytest.raises(ServerError, match="500 Oops"):
                collect(client.get_workflow_events("h1"))


def test_stream_uses_read_timeout_of_external_client() -> None:
    with scripted([Turn(HEAD, then="hold"), Turn(stream(DONE))]) as script:
        with httpx.Client(base_url=script.url, timeout=0.2) as httpx_client:
            client = SyncWorkflowClient(httpx_client=httpx_client)
            collect(client.get_workflow_events("h1", max_reconnect_attempts=0))
    assert len(script.requests) == 2


# ------------------------------------------------------------------- entering and closing


def test_stream_closes_connection_when_block_is_left() -> None:
    with scripted([Turn(stream(frame(1, n=1), end=b""), then="hold")]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            with pytest.raises(ZeroDivisionError):
                with client.get_workflow_events("h1") as events:
                    for _ in events:
                        _ = 1 // 0
            wait_until(lambda: script.closed == 1)
            assert events.last_sequence == 1


def test_stream_rejects_use_after_close() -> None:
    with scripted([Turn(stream(DONE))]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events("h1")
            events.close()
            with pytest.raises(RuntimeError, match="closed"):
                collect(events)
            with pytest.raises(RuntimeError, match="entered only once"):
                events.__enter__()
    assert script.requests == []


def test_stream_rejects_second_iteration() -> None:
    with scripted([Turn(stream(DONE))]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events("h1")
            collect(events)
            with pytest.raises(RuntimeError, match="only once"):
                collect(events)
    assert len(script.requests) == 1


def test_stream_yields_nothing_if_run_ended_before_it_was_entered() -> None:
    with scripted([Turn(NO_CONTENT)]) as script:
        with (
            SyncWorkflowClient(base_url=script.url) as client,
            client.get_workflow_events("h1") as events,
        ):
            assert collect(events) == []
    assert len(script.requests) == 1


def test_stream_closes_connection_if_entering_fails() -> None:
    with scripted([Turn(response("404 Not Found", b"{}"), then="hold")]) as script:
        with SyncWorkflowClient(base_url=script.url) as client:
            with pytest.raises(StreamNotFoundError):
                with client.get_workflow_events("h1"):
                    pytest.fail("entered")
            wait_until(lambda: script.closed == 1)


class ReadsEveryBody(httpx.Auth):
    requires_response_body = True


def test_a_body_that_credentials_have_read_already_is_not_read_again(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url, auth=ReadsEveryBody()) as client:
        handler = client.run_workflow("count", start_event={"n": 2})
        events = client.get_workflow_events(handler.handler_id)
        assert collect(events) == ["Tick", "Tick", "StopEvent"]
        with pytest.raises(StreamNotFoundError, match="Handler not found"):
            collect(client.get_workflow_events("nobody"))
