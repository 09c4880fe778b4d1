"""Owned httpx clients: one for each event loop, one for all threads, none left open."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import warnings
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import trio
from llama_agents.client import SyncWorkflowClient, WorkflowClient
from llama_agents.client._transport.clients import Settings

from ..support.scripted import Turn, response, scripted
from ..support.server import wait_until

HEALTHY = response("200 OK", b'{"status": "healthy"}', Connection="keep-alive")


@pytest.mark.parametrize("run", [asyncio.run, lambda coroutine: trio.run(_await, coroutine)])
def test_client_works_in_several_event_loops(
    server_url: str, run: Callable[[Awaitable[object]], object]
) -> None:
    client = WorkflowClient(base_url=server_url)
    for _ in range(3):
        run(client.is_healthy())
    assert client._driver.clients._owned == {}


async def _await(awaitable: Awaitable[object]) -> object:
    return await awaitable


def test_end_of_the_event_loop_closes_connections() -> None:
    with scripted([Turn(HEALTHY, then="hold")]) as script, warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(WorkflowClient(base_url=script.url).is_healthy())
        gc.collect()
        wait_until(lambda: script.closed == 1)


def test_end_of_the_event_loop_closes_a_client_after_the_batches_that_use_it(
    server_url: str,
) -> None:
    client = WorkflowClient(base_url=server_url)
    starts = [{"n": 0}, {"n": 1, "pause": 60}]
    results = client.map_workflow("count", starts, key=lambda start: f"end-{start['n']}")

    async def take_one() -> None:
        await anext(results)
        while "end-1" not in {h.handler_id for h in (await client.get_handlers()).handlers}:
            await asyncio.sleep(0.005)

    asyncio.run(take_one())
    assert client._driver.clients._owned == {}
    assert asyncio.run(client.get_handler("end-1")).status == "cancelled"


def test_unreferenced_client_is_closed_while_its_loop_runs() -> None:
    async def main() -> None:
        await WorkflowClient(base_url=script.url).is_healthy()
        gc.collect()
        deadline = time.monotonic() + 10
        while script.closed == 0 and time.monotonic() < deadline:
            await asyncio.sleep(0.005)
        assert script.closed == 1
        assert asyncio.all_tasks() == {asyncio.current_task()}

    with scripted([Turn(HEALTHY, then="hold")]) as script:
        asyncio.run(main())


def test_closed_loop_is_forgotten(server_url: str) -> None:
    client = WorkflowClient(base_url=server_url)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(client._driver.clients.get())
    loop.close()
    assert [*client._driver.clients._owned] == [loop]
    asyncio.run(client.is_healthy())
    assert client._driver.clients._owned == {}


def test_stream_created_outside_a_loop_is_iterated_inside(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as sync_client:
        handler = sync_client.run_workflow_nowait("count", start_event={"n": 2})
    events = WorkflowClient(base_url=server_url).get_workflow_events(handler.handler_id)

    async def types() -> list[str]:
        return [event.type async for event in events]

    assert asyncio.run(types()) == ["Tick", "Tick", "StopEvent"]


def test_sync_client_works_inside_a_running_loop(server_url: str) -> None:
    async def main() -> str:
        with SyncWorkflowClient(base_url=server_url) as client:
            handler = client.run_workflow_nowait("count", start_event={"n": 1})
            *_, last = client.get_workflow_events(handler.handler_id)
        return last.type

    assert asyncio.run(main()) == "StopEvent"


def test_sync_client_works_from_many_threads(server_url: str) -> None:
    barrier = threading.Barrier(8)

    def run(number: int) -> object:
        barrier.wait()
        return client.run_workflow("greet", start_event={"name": str(number)}).result

    with SyncWorkflowClient(base_url=server_url) as client, ThreadPoolExecutor(8) as threads:
        results = list(threads.map(run, range(8)))
    assert results == [{"result": f"Hello, {number}!"} for number in range(8)]


def test_unreferenced_sync_client_is_closed() -> None:
    with scripted([Turn(HEALTHY, then="hold")]) as script:
        client = SyncWorkflowClient(base_url=script.url)
        client.is_healthy()
        inner = weakref.ref(client._driver.clients.get())
        del client
        gc.collect()
        wait_until(lambda: script.closed == 1)
        assert inner() is None


def test_password_of_the_url_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with scripted([Turn(HEALTHY)]) as script, caplog.at_level(0):
        url = script.url.replace("http://", "http://user:se%20cret@")
        with SyncWorkflowClient(base_url=url) as client:
            client.is_healthy()
    assert "Basic dXNlcjpzZSBjcmV0" in script.requests[0]
    assert "cret" not in caplog.text


def test_repr_of_settings_shows_no_secret() -> None:
    settings = Settings(
        httpx.URL("http://user:secret@h"), {"a": "secret"}, ("u", "secret"), httpx.Timeout(1)
    )
    assert "secret" not in repr(settings)


def test_async_function_of_a_sync_client_is_an_error() -> None:
    async def on_response(*_: object) -> None:
        raise AssertionError("nobody awaits it")

    with scripted([Turn(response("200 OK", b'{"workflows": []}'))]) as script:
        client = SyncWorkflowClient(base_url=script.url, on_response=on_response)
        with client, pytest.raises(TypeError, match="on_response is async"):
            client.list_workflows()
