"""How much of what a server sends is stored: bodies, events, and what they decompress to."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator

import httpx
import pytest
from llama_agents.client import InvalidResponseError, ResponseTooLargeError, WorkflowClient

from ..support.scripted import END, HEAD, Turn, chunk, frame, response, scripted, stream
from ..support.server import wait_until_async
from .replies import reported

pytestmark = pytest.mark.anyio

LIMIT = 100_000  # bytes
DONE = frame(9, "StopEvent")
JSON = "application/json"
CHUNKED = HEAD.replace(b"text/event-stream", JSON.encode())


def client_for(url: str) -> WorkflowClient:
    """Return a client with a limit for bodies, and the same for events."""
    return WorkflowClient(base_url=url, max_response_size=LIMIT, max_event_size=LIMIT)


def endless(head: bytes) -> Turn:
    """Return a turn whose chunked body does not end."""

    def data() -> Iterator[bytes]:
        yield head
        while True:
            yield chunk(b"x" * 10_000)

    return Turn(data)


def encoded(head: bytes, coding: str, body: bytes) -> bytes:
    """Return a chunked response with a compressed body."""
    head = head.replace(b"\r\n\r\n", f"\r\nContent-Encoding: {coding}\r\n\r\n".encode())
    return head + chunk(body) + END


BOMB = gzip.compress(b"[" * 2_000_000)
TOO_LARGE = {
    "no end": endless(CHUNKED),
    "an error without end": endless(CHUNKED.replace(b"200 OK", b"500 Internal Server Error")),
    "its length says so": Turn(
        response("200 OK").replace(b": 0\r\n", f": {LIMIT + 1}\r\n".encode()), then="hold"
    ),
    "gzip": Turn(encoded(CHUNKED, "gzip", BOMB)),
    "deflate": Turn(encoded(CHUNKED, "deflate", zlib.compress(b"[" * 2_000_000))),
}


@pytest.mark.parametrize("turn", TOO_LARGE.values(), ids=TOO_LARGE)
async def test_body_beyond_the_limit_is_an_error_and_closes_the_connection(turn: Turn) -> None:
    with scripted([turn]) as script:
        async with client_for(script.url) as client:
            with pytest.raises(ResponseTooLargeError) as caught:
                await client.get_handler("h1")
            if turn.then == "hold":
                await wait_until_async(lambda: script.closed == 1)
        assert len(script.requests) == 1
    error = caught.value
    assert (error.limit, error.handler_id, error.last_sequence) == (LIMIT, "h1", None)
    assert "larger than 100000 bytes (max_response_size)" in str(error)


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1])
async def test_body_may_be_as_large_as_the_limit(size: int) -> None:
    body = b'{"workflows": []}'.ljust(size)
    with scripted([Turn(response("200 OK", body))]) as script:
        async with client_for(script.url) as client:
            if size == LIMIT:
                assert (await client.list_workflows()).workflows == []
            else:
                with pytest.raises(ResponseTooLargeError):
                    await client.list_workflows()


async def test_body_nested_without_end_is_an_invalid_response() -> None:
    value = b'{"type": "StopEvent", "value": {"result": ' + b"[" * 30_000 + b"]" * 30_000 + b"}}"
    turns = [Turn(response("200 OK", value)), Turn(HEAD + chunk(b"data: " + value + b"\n\n") + END)]
    with scripted(turns) as script:
        async with client_for(script.url) as client:
            with pytest.raises(InvalidResponseError, match="recursion limit exceeded"):
                await client.get_handler("h1")
            with pytest.raises(InvalidResponseError, match="Malformed event"):
                await anext(aiter(client.get_workflow_events("h1")))


async def test_limits_apply_to_external_client_and_can_be_lifted() -> None:
    body = b'{"workflows": []}'.ljust(LIMIT)
    with scripted([Turn(response("200 OK", body))]) as script:
        async with httpx.AsyncClient(base_url=script.url) as inner:
            with pytest.raises(ResponseTooLargeError):
                await WorkflowClient(httpx_client=inner, max_response_size=9).list_workflows()
            unlimited = WorkflowClient(httpx_client=inner, max_response_size=None)
            assert (await unlimited.list_workflows()).workflows == []


async def test_start_with_too_large_response_is_sent_once_and_names_its_run() -> None:
    with scripted([endless(CHUNKED)]) as script:
        async with client_for(script.url) as client:
            with pytest.raises(ResponseTooLargeError) as caught:
                await client.run_workflow("w")
        assert len(script.requests) == 1
    assert caught.value.handler_id is not None
    assert caught.value.handler_id in str(caught.value)


async def test_compressed_body_within_the_limit_is_read() -> None:
    body = b'{"workflows": ["w"]}'
    with scripted([Turn(encoded(CHUNKED, "gzip", gzip.compress(body)))]) as script:
        async with client_for(script.url) as client:
            assert (await client.list_workflows()).workflows == ["w"]


async def test_body_compressed_twice_is_rejected() -> None:
    twice = gzip.compress(gzip.compress(b'{"workflows": ["w"]}'))
    with scripted([Turn(encoded(CHUNKED, "gzip, gzip", twice))]) as script:
        async with client_for(script.url) as client:
            with pytest.raises(httpx.DecodingError, match="more than one content encoding"):
                await client.list_workflows()


async def test_stream_continues_after_the_end_of_its_compressed_data() -> None:
    members = gzip.compress(frame(1)) + gzip.compress(frame(2))
    rest = gzip.compress(frame(2) + DONE)
    first = encoded(HEAD, "gzip", members).removesuffix(END)
    turns = [Turn(first, then="hold"), Turn(encoded(HEAD, "gzip", rest))]
    with scripted(turns) as script:
        async with client_for(script.url) as client:
            events = client.get_workflow_events("h1")
            assert [events.last_sequence async for _ in events] == [1, 2, 9]
    assert "after_sequence=1&" in script.requests[1]


LARGE = b"x" * (LIMIT + 1)
EVENTS = {
    "a line without end": endless(stream(frame(1), b"id: 2\ndata: ", end=b"")),
    "one event": Turn(stream(frame(1), b"id: 2\ndata: " + LARGE + b"\n\n")),
    "one event of many lines": Turn(
        stream(frame(1), b"id: 2\n" + b"data: xxx\n" * LIMIT + b"\n"), then="hold"
    ),
    "gzip": Turn(
        encoded(HEAD, "gzip", gzip.compress(frame(1) + b"id: 2\ndata: " + b"x" * 2_000_000))
    ),
}


@pytest.mark.parametrize("turn", EVENTS.values(), ids=EVENTS)
async def test_event_beyond_the_limit_is_an_error_after_the_events_before_it(turn: Turn) -> None:
    with scripted([turn]) as script:
        async with client_for(script.url) as client:
            events = client.get_workflow_events("h1")
            seen = []
            with pytest.raises(ResponseTooLargeError) as caught:
                async for _ in events:
                    seen.append(events.last_sequence)
        assert len(script.requests) == 1
    assert seen == [1]
    error = caught.value
    assert (error.limit, error.handler_id, error.last_sequence) == (LIMIT, "h1", 1)
    assert "larger than 100000 bytes (max_event_size) after sequence 1" in str(error)


async def test_comments_and_unknown_fields_have_no_limit() -> None:
    long = b": " + LARGE + b"\n" + LARGE + b"\nevent: " + LARGE + b"\n"
    with scripted([Turn(stream(long, frame(1) + long, DONE))]) as script:
        async with client_for(script.url) as client:
            events = client.get_workflow_events("h1")
            assert [event.type async for event in events] == ["Tick", "StopEvent"]


async def test_wait_polls_if_its_stream_has_a_too_large_event() -> None:
    def run(status: str) -> Turn:
        return Turn(response("200 OK", httpx.Response(200, json=reported("r", status)).content))

    turns = [run("running"), Turn(stream(b"data: " + 2 * LARGE, end=b""), then="hold")]
    with scripted([*turns, run("completed")]) as script:
        async with client_for(script.url) as client:
            handler = await client.wait_for_handler("h1", poll_interval=0)
    assert handler.status == "completed"
    assert len(script.requests) == 3
