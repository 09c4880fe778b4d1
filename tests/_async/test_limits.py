"""Requests end within their limits, whatever the server does, and however slowly."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import partial
from typing import Any

import httpx
import pytest
from llama_agents.client import StreamTimeoutError, WaitTimeoutError, WorkflowClient
from llama_agents.client._core import limits
from llama_agents.client._transport import clients

from ..faults.sources import black_hole
from ..support.scripted import END, HEAD, Turn, chunk, frame, response, scripted

pytestmark = pytest.mark.anyio

RUNNING = response(
    "202 Accepted",
    b'{"handler_id": "h1", "workflow_name": "w", "status": "running", "run_id": null,'
    b' "started_at": "2026-01-01T00:00:00Z"}',
)


def trickle(head: bytes) -> Iterable[bytes]:
    """Send the beginning of a response, and then a byte now and then until the client leaves."""
    yield head
    while True:
        time.sleep(0.01)
        yield b"x"


SILENT = Turn(then="hold")
SLOW_HEAD = Turn(partial(trickle, b"HTTP/1.1 200 OK\r\nX: "))
SLOW_BODY = Turn(partial(trickle, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"))
SLOW_STREAM = Turn(partial(trickle, HEAD + b"186a0\r\n"))
CHUNKS = Turn(partial(trickle, HEAD.replace(b"Transfer-Encoding: chunked", b"X: y")))


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("ATTEMPT_LIMIT", 0.4), ("CALL_LIMIT", 1.0), ("HEALTH_LIMIT", 0.4)):
        monkeypatch.setattr(limits, name, seconds)


@pytest.mark.parametrize(
    "turns",
    [
        [SILENT],
        [SLOW_HEAD],
        [SLOW_BODY],
        [Turn(RUNNING), SILENT],
        [Turn(RUNNING), SLOW_HEAD],
        [Turn(RUNNING), SLOW_STREAM],
        [Turn(RUNNING), CHUNKS],
    ],
    ids=["silent", "head", "body", "silent stream", "head of stream", "stream", "unframed stream"],
)
async def test_wait_ends_at_its_deadline(turns: list[Turn]) -> None:
    with scripted(turns) as script:
        async with WorkflowClient(base_url=script.url) as client:
            with pytest.raises(WaitTimeoutError):
                await client.wait_for_handler("h1", timeout=0.4)
            with pytest.raises(WaitTimeoutError):
                await client.get_run("h1").result(timeout=0)


async def test_wait_ends_at_its_deadline_while_connecting() -> None:
    with black_hole(None) as source:  # type: ignore[arg-type]  # it needs no server
        async with WorkflowClient(base_url=source.url) as client:
            with pytest.raises(WaitTimeoutError):
                await client.get_run("h1").result(timeout=0.4)


@pytest.mark.usefixtures("short_limits")
async def test_plain_calls_end_at_their_limits() -> None:
    with scripted([SILENT]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.is_healthy()
            assert len(script.requests) == 1
            with pytest.raises(httpx.ReadTimeout):
                await client.send_event("h1", {"type": "T", "value": {}})
            assert len(script.requests) == 2
            with pytest.raises(httpx.ReadTimeout):
                await client.list_workflows()
            assert len(script.requests) == 4  # the second retry would be too late
            with pytest.raises(httpx.ReadTimeout, match="handler"):
                await client.run_workflow_nowait("w")


@pytest.mark.usefixtures("short_limits")
@pytest.mark.parametrize("turn", [SLOW_HEAD, SLOW_BODY], ids=["head", "body"])
async def test_plain_call_ends_at_its_limit_while_response_trickles_in(turn: Turn) -> None:
    with scripted([turn]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.is_healthy()


@pytest.mark.usefixtures("short_limits")
async def test_request_that_is_still_connecting_at_its_limit_was_not_sent() -> None:
    with black_hole(None) as source:  # type: ignore[arg-type]
        async with WorkflowClient(base_url=source.url) as client:
            for call in (client.is_healthy, client.list_workflows):
                with pytest.raises(httpx.ConnectTimeout):
                    await call()


async def test_head_of_stream_has_a_limit() -> None:
    with scripted([SLOW_HEAD]) as script:
        async with WorkflowClient(base_url=script.url, timeout=0.1) as client:
            with pytest.raises(StreamTimeoutError):
                async for _ in client.get_workflow_events("h1", max_reconnect_attempts=1):
                    pytest.fail("an event")
    assert len(script.requests) == 2


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, {"/health": 5, "/workflows": 15, "/handlers/h1": 15, "/events/h1": 45}),
        ({"timeout": 5.0}, {"/health": 5, "/workflows": 15, "/handlers/h1": 15, "/events/h1": 45}),
        ({"timeout": 6.0}, {"/health": 6, "/workflows": 6, "/handlers/h1": 6, "/events/h1": 6}),
    ],
    ids=["none", "stock", "chosen"],
)
async def test_stock_timeout_of_external_client_counts_as_not_chosen(
    chosen: dict[str, Any], expected: dict[str, float]
) -> None:
    used: dict[str, float] = {}

    def respond(request: httpx.Request) -> httpx.Response:
        used[request.url.path] = request.extensions["timeout"]["read"]
        return httpx.Response(204, headers={"content-type": "application/json"})

    transport = httpx.MockTransport(respond)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", **chosen) as inner:
        client = WorkflowClient(httpx_client=inner)
        for call in (client.is_healthy, client.list_workflows, partial(client.get_handler, "h1")):
            with pytest.raises(Exception, match="204"):
                await call()
        async for _ in client.get_workflow_events("h1"):
            pytest.fail("an event")
    assert used == pytest.approx(expected, rel=0.01)


def quiet_then_ended() -> Iterable[bytes]:
    """Send nothing for longer than httpx's default timeout, and then the end of the run."""
    yield HEAD
    time.sleep(0.3)
    yield chunk(frame(1, "StopEvent")) + END


async def test_quiet_stream_on_stock_client_keeps_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stock = httpx.Timeout(0.1)
    monkeypatch.setattr(clients, "STOCK_TIMEOUT", stock)
    with scripted([Turn(quiet_then_ended)]) as script:
        async with httpx.AsyncClient(base_url=script.url, timeout=stock) as inner:
            stream = WorkflowClient(httpx_client=inner).get_workflow_events(
                "h1", after_sequence="now"
            )
            assert [event.type async for event in stream] == ["StopEvent"]
    assert len(script.requests) == 1


def quiet_without_numbers() -> Iterable[bytes]:
    """Send events as servers before 0.2 do, with a silence longer than the client's timeout."""
    yield HEAD + chunk(frame(None))
    time.sleep(0.6)
    yield chunk(frame(None)) + chunk(frame(None, "StopEvent")) + END


async def test_silence_after_an_event_without_a_number_is_waited_out() -> None:
    with scripted([Turn(quiet_without_numbers)]) as script:
        async with httpx.AsyncClient(base_url=script.url, timeout=0.2) as inner:
            stream = WorkflowClient(httpx_client=inner).get_workflow_events("h1")
            assert [event.type async for event in stream] == ["Tick", "Tick", "StopEvent"]
    assert len(script.requests) == 1
