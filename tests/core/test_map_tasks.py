"""What only tasks do with many runs: they are cancelled."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel
import pytest
from llama_agents.client import WorkflowClient
from llama_agents.client._start import new_handler_id

pytestmark = pytest.mark.anyio


async def running(client: WorkflowClient, prefix: str) -> list[str]:
    found = (await client.get_handlers(["running"])).handlers
    return [h.handler_id for h in found if h.handler_id.startswith(prefix)]


async def test_cancelled_task_cancels_what_it_started(server_url: str) -> None:
    prefix = new_handler_id()
    begun = anyio.Event()

    async def follow() -> None:
        def note(progress: object) -> None:
            if getattr(progress, "running", 0) == 3:
                begun.set()

        starts = [{"n": n} for n in range(3)]
        async for _ in client.map_workflow(
            "human", starts, key=lambda start: f"{prefix}-{start['n']}", on_progress=note
        ):
            raise AssertionError("nobody answers")

    async with WorkflowClient(base_url=server_url) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow)
            await begun.wait()
            assert len(await running(client, prefix)) == 3
            tasks.cancel_scope.cancel()
        assert await running(client, prefix) == []


async def test_break_of_a_loop_cancels_when_python_drops_the_iterator(server_url: str) -> None:
    prefix = new_handler_id()

    async def left() -> bool:
        return not await running(client, prefix)

    async with WorkflowClient(base_url=server_url) as client:
        starts = [{"n": 0}, {"n": 1000, "pause": 0.01}]
        async for _ in client.map_workflow(
            "count", starts, key=lambda start: f"{prefix}-{start['n']}"
        ):
            break
        with anyio.fail_after(10):
            while not await left():
                await anyio.sleep(0.01)


async def test_input_may_be_asynchronous(server_url: str) -> None:
    async def starts() -> AsyncIterator[dict[str, int]]:
        for n in range(5):
            await anyio.lowlevel.checkpoint()
            yield {"n": n}

    async with WorkflowClient(base_url=server_url) as client:
        results = [result async for result in client.map_workflow("echo", starts(), limit=2)]
    assert [result.result()["result"] for result in results] == [{"n": n} for n in range(5)]


@pytest.fixture
def anyio_backend() -> str:
    # trio disposes of a dropped iterator in a scope that is cancelled: there, aclosing() it is.
    return "asyncio"
