"""What docs/guides/testing.md says of ``httpx.ASGITransport``."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from llama_agents.client import (
    ServerError,
    StreamTimeoutError,
    SyncWorkflowClient,
    WaitTimeoutError,
    WorkflowClient,
    WorkflowFailedError,
)
from llama_agents.client.testing import serve
from llama_agents.server import WorkflowServer
from workflows import Context, Workflow, step
from workflows.events import StartEvent, StopEvent

from ..support.workflows import Count, Greet, Human, OutEvent, RequestEvent, ResponseEvent, Tick

FRAME = b'id: 0\ndata: {"type": "Tick", "value": {"n": 0}}\n\n'

pytestmark = pytest.mark.anyio
asyncio_only = pytest.mark.parametrize("anyio_backend", ["asyncio"])


class Held(Workflow):
    """Streams an event, and ends when it is told to."""

    def __init__(self) -> None:
        super().__init__(timeout=60)
        self.may_end = asyncio.Event()

    @step
    async def hold(self, ev: StartEvent, ctx: Context) -> StopEvent:
        ctx.write_event_to_stream(Tick(n=0))
        await self.may_end.wait()
        return StopEvent()


@asynccontextmanager
async def client_of(app: Any, **options: Any) -> AsyncIterator[WorkflowClient]:
    transport = httpx.ASGITransport(app, options.pop("raise_app_exceptions", True))
    async with httpx.AsyncClient(transport=transport, base_url="http://server", **options) as calls:
        yield WorkflowClient(httpx_client=calls)


@asynccontextmanager
async def client_of_server(
    workflows: dict[str, Workflow], **options: Any
) -> AsyncIterator[WorkflowClient]:
    server = WorkflowServer(sse_heartbeat_interval=0.02)
    for name, workflow in workflows.items():
        server.add_workflow(name, workflow)
    async with server.contextmanager(), client_of(server.app, **options) as client:
        yield client


@asyncio_only
async def test_calls_work() -> None:
    async with client_of_server({"greet": Greet(), "human": Human()}) as client:
        assert (await client.run_workflow("greet")).status == "completed"
        assert (await (await client.start("greet")).result()).value["result"] == "Hello, World!"
        run = await client.start("human")
        await run.send(ResponseEvent(response="Ada"))
        assert (await run.result(OutEvent)).output == "Hello, Ada"


@asyncio_only
async def test_events_arrive_when_the_run_has_ended() -> None:
    workflow = Held()
    async with client_of_server({"held": workflow}) as client:
        run = await client.start("held")
        first = asyncio.ensure_future(anext(aiter(run.events(after_sequence=-1))))
        # The server sends the event, and then at least one heartbeat.
        await asyncio.wait([first], timeout=0.1)
        assert not first.done()
        workflow.may_end.set()
        assert (await first).type == "Tick"
        assert await run.status() == "completed"


@asyncio_only
async def test_stream_of_a_long_run_ends_with_its_attempts() -> None:
    async with client_of_server({"held": Held()}, timeout=0.05) as client:
        run = await client.start("held")
        with pytest.raises(StreamTimeoutError, match=r"1 failed attempts? in a row"):
            async for _ in run.events(max_reconnect_attempts=0):
                pytest.fail("an event")


@asyncio_only
async def test_interact_answers_too_late() -> None:
    async with client_of_server({"human": Human(timeout=0.3)}) as client:
        run = await client.start("human")
        with pytest.raises(WorkflowFailedError, match="timed out"):
            await run.interact({RequestEvent: lambda ask: ResponseEvent(response="Ada")}, OutEvent)


@asyncio_only
async def test_limit_of_run_workflow_cancels_the_run() -> None:
    workflow = Held()
    async with client_of_server({"held": workflow}, timeout=0.05) as client:
        with pytest.raises(asyncio.CancelledError):
            await client.run_workflow("held", handler_id="h1")
        workflow.may_end.set()
        with pytest.raises(WaitTimeoutError):
            await client.wait_for_handler("h1", timeout=0.1)
        assert (await client.get_handler("h1")).status == "running"


@asyncio_only
async def test_cancelling_run_workflow_cancels_the_run() -> None:
    async with client_of_server({"held": Held()}) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.run_workflow("held", handler_id="h1")
        with pytest.raises(asyncio.CancelledError), anyio.fail_after(0.2):
            await client.run_workflow("held", handler_id="h2")


async def test_application_is_cancelled_rather_than_told_of_a_disconnect() -> None:
    received: list[str] = []
    cancelled: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": FRAME, "more_body": True})
        try:
            while True:
                received.append((await receive())["type"])
        except BaseException:
            cancelled.append(True)
            raise

    async with client_of(app, timeout=0.05) as client:
        with pytest.raises(StreamTimeoutError):
            async for _ in client.get_workflow_events("h1", max_reconnect_attempts=0):
                pytest.fail("an event")
    assert cancelled == [True]
    assert set(received) == {"http.request"}


async def test_exceptions_of_the_application_are_raised() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"  # no lifespan
        raise ZeroDivisionError

    async with client_of(app) as client:
        with pytest.raises(ZeroDivisionError):
            await client.get_handler("h1")
    async with client_of(app, raise_app_exceptions=False) as client:
        with pytest.raises(ServerError, match="500"):
            await client.get_handler("h1")


def test_sync_client_does_not_work() -> None:
    transport: Any = httpx.ASGITransport(WorkflowServer().app)
    client = SyncWorkflowClient(
        httpx_client=httpx.Client(transport=transport, base_url="http://server")
    )
    with pytest.raises(AttributeError, match="handle_request"):
        client.list_workflows()


@asyncio_only
async def test_workflow_that_was_started_elsewhere_cannot_be_served() -> None:
    workflow = Count()
    async with client_of_server({"count": workflow}):
        pass
    with (
        pytest.raises(RuntimeError, match="after workflow has been launched"),
        serve({"c": workflow}),
    ):
        pass
