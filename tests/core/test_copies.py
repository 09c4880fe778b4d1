"""Copied and pickled clients, runs and results."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import httpx
import pytest
from llama_agents.client import (
    EventStream,
    SyncEventStream,
    SyncWorkflowClient,
    WorkflowClient,
)

from ..support.scripted import Turn, response, scripted

HEALTHY = response("200 OK", b'{"status": "healthy"}', Connection="keep-alive")


COPIES: list[Callable[[Any], Any]] = [
    copy.deepcopy,
    lambda original: pickle.loads(pickle.dumps(original)),
]


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("used", [False, True])
def test_copied_client_has_the_settings_and_connections_of_its_own(
    copied: Callable[[Any], Any], used: bool
) -> None:
    settings: Any = {"headers": {"x-of": "the original"}, "auth": ("u", "p"), "timeout": 7.0}
    with (
        scripted([Turn(HEALTHY, then="hold")]) as script,
        SyncWorkflowClient(base_url=script.url, max_event_size=9, **settings) as client,
    ):
        waiting = client.get_workflow_events("h1", after_sequence="now")
        if used:
            client.is_healthy()
        with copied(client) as other:
            other.is_healthy()
            assert other._driver.clients.chosen_timeout == httpx.Timeout(7)
            assert other._driver.options.sizes.event == 9
            assert not other._driver._early  # the stream is the original's
        waiting.close()
        assert len(script.requests) == 1 + used
        assert "x-of: the original" in script.requests[-1]
        assert "Authorization: Basic dTpw" in script.requests[-1]


@pytest.mark.anyio
@pytest.mark.parametrize("copied", COPIES)
async def test_copied_async_client_works(server_url: str, copied: Callable[[Any], Any]) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        await client.is_healthy()
        async with copied(client) as other:
            assert (await other.is_healthy()).status == "healthy"
        assert (await client.is_healthy()).status == "healthy"


@pytest.mark.anyio
@pytest.mark.parametrize("copied", COPIES)
async def test_copied_run_continues_at_its_position(
    server_url: str, copied: Callable[[Any], Any]
) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("count", {"n": 2})
        async with run.events() as events:
            async for _ in events:
                other = copied(run)
                break
        assert vars(other).keys() == vars(run).keys()
        assert await other.checkpoint() == await run.checkpoint()
        assert [event.type async for event in other.events()] == ["Tick", "StopEvent"]
        await other._driver.clients.aclose()


@pytest.mark.parametrize("copied", COPIES)
def test_results_can_be_copied(server_url: str, copied: Callable[[Any], Any]) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        done = client.run_workflow("greet", start_event={"name": "Ada"})
        progress: list[Any] = []
        mapped = [*client.map_workflow("greet", [{}, {}], on_progress=progress.append)]
        events = [*client.start("count", {"n": 1}).events()]
    for original in (done, done.result, mapped, progress, events):
        assert copied(original) == original
        assert type(copied(original)) is type(original)


@pytest.mark.parametrize("copied", COPIES)
def test_client_of_an_httpx_client_says_why_it_cannot_be_copied(
    copied: Callable[[Any], Any],
) -> None:
    with httpx.Client() as inner:
        client = SyncWorkflowClient(httpx_client=inner)
        for original in (client, client.get_run("h1")):
            with pytest.raises(TypeError, match="create it with base_url"):
                copied(original)
    with pytest.raises(TypeError, match="create it with base_url"):
        copied(WorkflowClient(httpx_client=httpx.AsyncClient()))


@pytest.mark.parametrize("copied", [*COPIES, copy.copy])
def test_stream_and_batch_cannot_be_copied(copied: Callable[[Any], Any]) -> None:
    for client in (SyncWorkflowClient(base_url="http://h"), WorkflowClient(base_url="http://h")):
        stream: EventStream | SyncEventStream = client.get_workflow_events("h1")
        with pytest.raises(TypeError, match="create another one from the client"):
            copied(stream)
        with pytest.raises(TypeError, match="call map_workflow again"):
            copied(client.map_workflow("w", []))


def test_pickled_client_is_small() -> None:
    """The state of a random generator alone takes 2.5 kB."""
    assert len(pickle.dumps(WorkflowClient(base_url="http://h"))) < 1000


def health_of(client: SyncWorkflowClient) -> str:
    with client:
        return client.is_healthy().status


def test_client_can_be_sent_to_a_spawned_process(server_url: str) -> None:
    with (
        SyncWorkflowClient(base_url=server_url) as client,
        ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool,
    ):
        client.is_healthy()
        assert pool.submit(health_of, client).result(60) == "healthy"
