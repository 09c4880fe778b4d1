"""Event streams through sockets: the real server, and what one scripted server shows."""

from __future__ import annotations

import httpx
import pytest
from llama_agents.client import EventStream, ServerError, StreamNotFoundError, WorkflowClient

from ..support.scripted import HEAD, Turn, frame, response, scripted, stream
from ..support.server import wait_until_async

pytestmark = pytest.mark.anyio

DONE = frame(9, "StopEvent")
NO_CONTENT = b"HTTP/1.1 204 No Content\r\nContent-Type: application/json\r\n\r\n"


async def collect(events: EventStream) -> list[str]:
    """Return the types of the events of a stream."""
    return [event.type async for event in events]


async def test_stream_yields_events_in_order_with_their_sequence(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        handler = await client.run_workflow_nowait("count", start_event={"n": 3})
        events = client.get_workflow_events(handler.handler_id)
        assert (events.handler_id, events.last_sequence) == (handler.handler_id, -1)
        seen = [(event.type, events.last_sequence) async for event in events]
    assert [type_ for type_, _ in seen] == ["Tick", "Tick", "Tick", "StopEvent"]
    sequences = [sequence for _, sequence in seen]
    assert sequences == sorted(set(sequences))
    assert events.last_sequence == sequences[-1]


async def test_stream_includes_internal_events_on_request(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        handler = await client.run_workflow_nowait("count", start_event={"n": 1})
        types = await collect(client.get_workflow_events(handler.handler_id, True))
    assert "StepStateChanged" in types
    assert types[-1] == "StopEvent"


async def test_stream_raises_not_found_for_unknown_run(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        with pytest.raises(StreamNotFoundError) as caught:
            await collect(client.get_workflow_events("nobody"))
    assert (caught.value.detail, caught.value.handler_id) == ("Handler not found", "nobody")


async def test_stream_fixes_now_when_entered(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        handler = await client.run_workflow_nowait("human")
        first = client.get_workflow_events(handler.handler_id)
        async for event in first:
            assert event.type == "RequestEvent"
            break
        async with client.get_workflow_events(handler.handler_id, after_sequence="now") as events:
            reply = {"type": "ResponseEvent", "value": {"response": "Ada"}}
            await client.send_event(handler.handler_id, reply)
            assert await collect(events) == ["OutEvent"]


async def test_stream_requests_carry_client_headers_and_close_the_connection() -> None:
    with scripted([Turn(stream(frame(1, n=1))), Turn(stream(DONE))]) as script:
        client = WorkflowClient(base_url=script.url, headers={"Authorization": "Bearer t"})
        async with client:
            await collect(client.get_workflow_events("h1"))
    assert len(script.requests) == 2
    assert all("authorization: bearer t" in request.lower() for request in script.requests)
    assert all("connection: close" in request.lower() for request in script.requests)


async def test_stream_raises_status_even_if_error_body_is_truncated() -> None:
    truncated = b"HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\n{"
    with scripted([Turn(truncated)]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            with pytest.raises(ServerError, match="500 Oops"):
                await collect(client.get_workflow_events("h1"))


async def test_stream_uses_read_timeout_of_external_client() -> None:
    with scripted([Turn(HEAD, then="hold"), Turn(stream(DONE))]) as script:
        async with httpx.AsyncClient(base_url=script.url, timeout=0.2) as httpx_client:
            client = WorkflowClient(httpx_client=httpx_client)
            await collect(client.get_workflow_events("h1", max_reconnect_attempts=0))
    assert len(script.requests) == 2


# ------------------------------------------------------------------- entering and closing


async def test_stream_closes_connection_when_block_is_left() -> None:
    with scripted([Turn(stream(frame(1, n=1), end=b""), then="hold")]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            with pytest.raises(ZeroDivisionError):
                async with client.get_workflow_events("h1") as events:
                    async for _ in events:
                        _ = 1 // 0
            await wait_until_async(lambda: script.closed == 1)
            assert events.last_sequence == 1


async def test_stream_rejects_use_after_close() -> None:
    with scripted([Turn(stream(DONE))]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events("h1")
            await events.aclose()
            with pytest.raises(RuntimeError, match="closed"):
                await collect(events)
            with pytest.raises(RuntimeError, match="entered only once"):
                await events.__aenter__()
    assert script.requests == []


async def test_stream_rejects_second_iteration() -> None:
    with scripted([Turn(stream(DONE))]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            events = client.get_workflow_events("h1")
            await collect(events)
            with pytest.raises(RuntimeError, match="only once"):
                await collect(events)
    assert len(script.requests) == 1


async def test_stream_yields_nothing_if_run_ended_before_it_was_entered() -> None:
    with scripted([Turn(NO_CONTENT)]) as script:
        async with (
            WorkflowClient(base_url=script.url) as client,
            client.get_workflow_events("h1") as events,
        ):
            assert await collect(events) == []
    assert len(script.requests) == 1


async def test_stream_closes_connection_if_entering_fails() -> None:
    with scripted([Turn(response("404 Not Found", b"{}"), then="hold")]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            with pytest.raises(StreamNotFoundError):
                async with client.get_workflow_events("h1"):
                    pytest.fail("entered")
            await wait_until_async(lambda: script.closed == 1)


class ReadsEveryBody(httpx.Auth):
    requires_response_body = True


async def test_a_body_that_credentials_have_read_already_is_not_read_again(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url, auth=ReadsEveryBody()) as client:
        handler = await client.run_workflow("count", start_event={"n": 2})
        events = client.get_workflow_events(handler.handler_id)
        assert await collect(events) == ["Tick", "Tick", "StopEvent"]
        with pytest.raises(StreamNotFoundError, match="Handler not found"):
            await collect(client.get_workflow_events("nobody"))
