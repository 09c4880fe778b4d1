"""Calls whose requests or responses are lost, on the real server.

What each fault must lead to is told by `tests/faults/calls.py`; here is what needs the times and
the connections of a server that keeps running.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from llama_agents.client import (
    InvalidResponseError,
    NotFoundError,
    ServerError,
    WorkflowClient,
)
from llama_agents.client._core.start import new_handler_id
from llama_agents.client.testing import serve

from examples.chaos_proxy import Moment, chaos, losing

from ..support.server import wait_until
from ..support.workflows import Human

pytestmark = pytest.mark.anyio


async def run_ids(url: str) -> set[str]:
    """Return the handler IDs of the runs that the server has started."""
    async with WorkflowClient(base_url=url) as client:
        return {handler.handler_id for handler in (await client.get_handlers()).handlers}


@pytest.mark.parametrize("is_named", [False, True])
@pytest.mark.parametrize("lost", [["forwarded"], ["before", "after", "forwarded"]])
async def test_start_creates_one_run_whatever_is_lost(
    server_url: str, is_named: bool, lost: list[Moment]
) -> None:
    before = await run_ids(server_url)
    with chaos(server_url, losing(lost)) as proxy:
        async with WorkflowClient(base_url=proxy.url) as client:
            name = new_handler_id() if is_named else None
            handler = await client.run_workflow_nowait("human", name)
        assert handler.status == "running"
        assert len(proxy.requests) > len(lost)
    assert await run_ids(server_url) - before == {handler.handler_id}


async def test_start_raises_if_run_found_may_be_an_earlier_one(server_url: str) -> None:
    name = new_handler_id()
    async with WorkflowClient(base_url=server_url) as client:
        await client.run_workflow("greet", name, {"name": "Ada"})
    with chaos(server_url, losing(["before"])) as proxy:
        async with WorkflowClient(base_url=proxy.url) as client:
            with pytest.raises(InvalidResponseError) as caught:
                await client.run_workflow("greet", name, {"name": "Bob"})
    assert caught.value.handler_id == name


async def test_run_workflow_survives_release_of_its_idle_run() -> None:
    """The server ends the request of a run that it releases from memory with a plain 500."""
    with (
        serve({"human": Human(timeout=60)}, idle_timeout=0.1) as url,
        chaos(url, losing([])) as proxy,
        ThreadPoolExecutor(1) as threads,
    ):

        def answer_once_released() -> int:
            wait_until(lambda: proxy.count("poll"))
            event = {"type": "ResponseEvent", "value": {"response": "Ada"}}
            return httpx.post(f"{url}/events/h1", json={"event": event}).status_code

        answered = threads.submit(answer_once_released)
        async with WorkflowClient(base_url=proxy.url) as client:
            handler = await client.run_workflow("human", "h1")
        assert answered.result() == 200
    assert handler.result == {"output": "Hello, Ada"}


async def test_call_succeeds_after_unhandled_server_error(server_url: str) -> None:
    """The server closes that connection without notice; a cancellation is never sent twice."""
    async with WorkflowClient(base_url=server_url) as client:
        for _ in range(20):
            with pytest.raises(ServerError, match="Internal server error"):
                await client.get_workflow_events_schema("opaque")
            with pytest.raises(NotFoundError):
                await client.cancel_handler("nobody")


async def test_call_succeeds_after_stream_without_content(server_url: str) -> None:
    """The server writes a body after a 204."""
    async with WorkflowClient(base_url=server_url) as client:
        handler = await client.run_workflow("greet")
        for _ in range(20):
            async for _ in client.get_workflow_events(handler.handler_id, after_sequence="now"):
                pytest.fail("an event")
            assert (await client.is_healthy()).status == "healthy"


async def test_wait_learns_of_completion_from_stream(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.run_workflow_nowait("count", start_event={"n": 1, "pause": 0.5})
        # Without the stream, the next poll would come after an hour.
        handler = await client.wait_for_handler(
            run.handler_id, poll_interval=3600, max_poll_interval=3600
        )
    assert handler.status == "completed"
