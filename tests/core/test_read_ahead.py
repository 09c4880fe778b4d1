"""Reading a stream beside its consumer."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel
import httpx
import pytest
from llama_agents.client import WorkflowClient
from llama_agents.client._transport.read_ahead import aread_ahead

from ..support.scripted import frame

pytestmark = pytest.mark.anyio


class Source:
    """Yields three items at once."""

    async def __aiter__(self) -> AsyncIterator[int]:
        for number in range(3):
            yield number
        await anyio.sleep_forever()

    async def aclose(self) -> None:
        """Do nothing."""


async def test_items_that_arrive_at_once_are_taken_at_once() -> None:
    async with aread_ahead(Source(), str) as new:
        assert await new.get(None) == ["0", "1", "2"]
        assert await new.get(0.0) == []


class Body(httpx.AsyncByteStream):
    """Sends one event when told so."""

    def __init__(self) -> None:
        self.ready = anyio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await self.ready.wait()
        for _ in range(3):  # as a socket that has data does, which cannot be cancelled
            await anyio.lowlevel.cancel_shielded_checkpoint()
        yield frame(0)
        await anyio.sleep_forever()


@pytest.mark.filterwarnings("error::ResourceWarning")
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
async def test_stream_closed_as_data_arrives_leaves_no_generator() -> None:
    body = Body()
    headers = {"content-type": "text/event-stream"}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, stream=body))
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as http:
        stream = WorkflowClient(httpx_client=http).get_workflow_events("h")
        async with aread_ahead(stream, str):
            await anyio.wait_all_tasks_blocked()
            body.ready.set()
        del stream
        gc.collect()
