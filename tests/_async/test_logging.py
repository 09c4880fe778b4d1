"""The records that the client logs while it works: levels, loggers and extra fields, not texts."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from llama_agents.client import ServerError, StreamDisconnectedError, WorkflowClient
from llama_agents.client._core import call

from ..support.scripted import Turn, frame, response, scripted, stream
from ..support.server import wait_until_async
from .replies import replies, reported

pytestmark = pytest.mark.anyio

EXTRA = ("handler_id", "attempt", "delay", "status_code", "last_sequence")
SECRET = "s3cr3t"

Logged = Callable[[str], list[tuple[str, dict[str, Any]]]]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[Logged]:
    """Return the level and the extra fields of each record of a logger; none holds the secret."""

    def records(name: str) -> list[tuple[str, dict[str, Any]]]:
        ours = [r for r in caplog.get_records("call") if r.name.startswith("llama_agents.client")]
        assert SECRET not in repr([(r.getMessage(), vars(r)) for r in ours])
        return [
            (record.levelname, {key: vars(record)[key] for key in EXTRA if key in vars(record)})
            for record in ours
            if record.name == f"llama_agents.client.{name}"
        ]

    with caplog.at_level(logging.DEBUG, logger="llama_agents.client"):
        yield records


def in_turn(*responses: httpx.Response | Exception) -> WorkflowClient:
    """Return a client that gets each response, or failure, once."""
    left = iter(responses)

    def reply(request: httpx.Request) -> httpx.Response:
        outcome = next(left)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return replies(reply)


def unavailable() -> httpx.Response:
    return httpx.Response(503, json={"detail": SECRET})


def run(status: str) -> httpx.Response:
    return httpx.Response(200, json={**reported("r1", status), "error": SECRET})


async def test_each_response_is_logged(logged: Logged) -> None:
    client = in_turn(httpx.Response(200, json={"handlers": []}), run("running"))
    await client.get_handlers(workflow_name=[SECRET])
    await client.get_handler("h1")
    assert logged("requests") == [
        ("DEBUG", {"handler_id": None, "status_code": 200}),
        ("DEBUG", {"handler_id": "h1", "status_code": 200}),
    ]


async def test_retried_call_is_logged(logged: Logged) -> None:
    await in_turn(unavailable(), run("running")).get_handler("h1")
    first = {"handler_id": "h1", "attempt": 1, "delay": 0.0, "status_code": 503}
    assert logged("calls") == [("INFO", first)]


async def test_call_that_gives_up_is_logged(
    logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call, "CALL_RETRIES", 1)
    with pytest.raises(ServerError):
        await in_turn(httpx.ReadError(SECRET), unavailable()).list_workflows()
    assert logged("calls") == [
        ("INFO", {"handler_id": None, "attempt": 1, "delay": 0.0}),
        ("WARNING", {"handler_id": None, "attempt": 2, "status_code": 503}),
    ]


async def test_start_whose_response_is_lost_is_logged(logged: Logged) -> None:
    client = in_turn(httpx.ReadError(SECRET), run("running"))
    await client.run_workflow_nowait("w", start_event={"payload": SECRET})
    records = logged("starts")
    assert {level for level, _ in records} == {"INFO"}
    (handler_id,) = {extra.pop("handler_id") for _, extra in records}
    assert isinstance(handler_id, str)
    lost, retried, found = [extra for _, extra in records]
    assert (lost, retried, found) == ({}, {"attempt": 1, "delay": 0.0}, {})


async def test_failed_poll_is_logged(logged: Logged) -> None:
    await in_turn(unavailable(), run("completed")).wait_for_handler("h1")
    first = {"handler_id": "h1", "attempt": 1, "delay": 0.0, "status_code": 503}
    assert logged("waits") == [("INFO", first)]


async def test_stream_that_reconnects_and_gives_up_is_logged(logged: Logged) -> None:
    turns = [Turn(stream(frame(7, text=SECRET))), Turn(response("503 No", SECRET.encode()))]
    with scripted(turns) as script:
        async with WorkflowClient(base_url=script.url, headers={"X-Token": SECRET}) as client:
            with pytest.raises(StreamDisconnectedError):
                async for _ in client.get_workflow_events("h1", max_reconnect_attempts=1):
                    pass
    position = {"handler_id": "h1", "last_sequence": 7}
    assert logged("streams") == [
        ("INFO", {**position, "attempt": 1, "delay": 0.0}),
        ("WARNING", {**position, "attempt": 2, "status_code": 503}),
    ]


async def test_resumed_run_is_logged(logged: Logged) -> None:
    client = in_turn(run("running"))
    await client.resume({"handler_id": "h1", "run_id": "r1", "sequence": 7})
    assert logged("runs") == [("INFO", {"handler_id": "h1", "last_sequence": 7})]


async def test_batch_that_is_stopped_early_is_logged(logged: Logged) -> None:
    started: list[httpx.Request] = []

    async def starts() -> AsyncIterator[dict[str, str]]:
        yield {}
        await wait_until_async(lambda: started)
        raise LookupError

    def respond(request: httpx.Request) -> httpx.Response:
        started.append(request)
        return run("running")

    results = replies(respond).map_workflow("w", starts())
    with pytest.raises(LookupError):
        [result async for result in results]
    assert [level for level, _ in logged("batches")] == ["INFO"]
