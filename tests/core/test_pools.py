"""What cancelled calls leave in the pool of an httpx client, wherever the cancellation arrives."""

from __future__ import annotations

import asyncio
import gc
import itertools
import linecache
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import anyio
import httpx
import httpx2
import pytest
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSListener
from llama_agents.client import SyncWorkflowClient, WorkflowClient
from llama_agents.client._transport.asyncio_backend import use_asyncio
from llama_agents.client._transport.pool import shard_pools

from ..faults.measure import open_sockets
from ..support.scripted import HEAD, Turn, chunk, frame, response, scripted
from ..support.server import wait_until, wait_until_async
from ..support.tls import certificates

Network = Literal["tcp", "unix", "tls"]
Cancel = Literal["task", "twice", "scope"]
Backend = Literal["httpcore's", "ours"]

WORKFLOWS = b'{"workflows": []}'
STREAM = HEAD + chunk(frame(1))
CONCURRENT = 3
LIMITS = httpx.Limits(max_connections=2, max_keepalive_connections=1)


@asynccontextmanager
async def serving(network: Network, folder: Path) -> AsyncIterator[dict[str, Any]]:
    """Serve in this event loop, so that its steps are the same each time; yield client settings."""
    count = itertools.count()

    async def serve(connection: ByteStream) -> None:
        async with connection:
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while True:
                    head = b""
                    while not head.endswith(b"\r\n\r\n"):
                        head += await connection.receive()
                    keep = "close" if next(count) % 2 else "keep-alive"
                    body = response("200 OK", WORKFLOWS, Connection=keep)
                    await connection.send(STREAM if b"/events/" in head else body)

    options: dict[str, Any] = {"limits": LIMITS}
    url = "http://server"
    if network == "unix":
        options["uds"] = str(folder / "socket")
        listener: Any = await anyio.create_unix_listener(options["uds"])
    else:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        url = f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
    if network == "tls":
        logging.getLogger("anyio.streams.tls").setLevel(logging.CRITICAL)  # lost handshakes
        listener = TLSListener(listener, certificates().server, standard_compatible=False)
        options["verify"] = certificates().client
        url = url.replace("http:", "https:")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve, tasks)
        transport = httpx.AsyncHTTPTransport(**options)
        yield {"transport": transport, "base_url": url}
        tasks.cancel_scope.cancel()


async def list_workflows(client: WorkflowClient) -> None:
    await client.list_workflows()


async def read_stream(client: WorkflowClient) -> None:
    async for _ in client.get_workflow_events("h1"):
        pass


async def close_stream(client: WorkflowClient) -> None:
    events = client.get_workflow_events("h1")
    async for _ in events:
        await events.aclose()


async def cancelled_calls(
    call: Callable[[WorkflowClient], Awaitable[None]],
    client: WorkflowClient,
    steps: int,
    cancel: Cancel,
) -> None:
    """Make calls, and cancel them after so many steps of the event loop."""
    if cancel == "scope":
        async with anyio.create_task_group() as group:
            for _ in range(CONCURRENT):
                group.start_soon(call, client)
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        return
    tasks = [asyncio.ensure_future(call(client)) for _ in range(CONCURRENT)]
    for wait in (steps, 1) if cancel == "twice" else (steps,):
        for _ in range(wait):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    errors = [o for o in outcomes if not isinstance(o, asyncio.CancelledError | None)]
    assert errors == []


def pools_of(settings: dict[str, Any]) -> list[Any]:
    pool = settings["transport"]._pool
    return getattr(pool, "shards", [pool])


def is_empty(pool: Any) -> bool:
    return not pool._requests and all(c.is_idle() or c.is_closed() for c in pool.connections)


async def storm(
    call: Callable[[WorkflowClient], Awaitable[None]],
    backend: Backend,
    network: Network,
    cancel: Cancel,
    folder: Path,
) -> None:
    async with (
        serving(network, folder) as settings,
        aclosing(httpx.AsyncClient(**settings)) as inner,
    ):
        idle = open_sockets()
        if backend == "ours":
            use_asyncio(inner)
            shard_pools(inner)
        client = WorkflowClient(httpx_client=inner)
        for steps in range(80 if network == "tls" else 50):
            await cancelled_calls(call, client, steps, cancel)
            await wait_until_async(lambda: all(is_empty(pool) for pool in pools_of(settings)))
        assert (await client.list_workflows()).workflows == []
        for connection in [each for pool in pools_of(settings) for each in pool.connections]:
            await connection.aclose()
        await wait_until_async(lambda: open_sockets() <= idle)


LOOPS: dict[str, dict[str, Any]] = {
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}


@pytest.mark.parametrize("call", [list_workflows, read_stream, close_stream])
@pytest.mark.parametrize(
    ("loop", "cancel", "backend", "network"),
    [
        *itertools.product(["asyncio", "uvloop"], ["task"], ["httpcore's"], ["tcp", "unix", "tls"]),
        *itertools.product(["asyncio", "uvloop"], ["task"], ["ours"], ["tcp", "tls"]),
        *itertools.product(["trio"], ["scope"], ["httpcore's"], ["tcp", "unix", "tls"]),
        *itertools.product(["asyncio"], ["twice", "scope"], ["httpcore's", "ours"], ["tcp"]),
    ],
)
def test_calls_cancelled_at_any_step_leave_the_pool_empty(
    loop: str,
    cancel: Cancel,
    backend: Backend,
    network: Network,
    call: Callable[[WorkflowClient], Awaitable[None]],
    tmp_path: Path,
) -> None:
    if sys.platform == "win32" and (loop == "uvloop" or network == "unix"):
        pytest.skip("not on Windows")
    anyio.run(storm, call, backend, network, cancel, tmp_path, **LOOPS[loop])


@pytest.mark.anyio
async def test_pool_of_a_transport_inside_another_is_left_empty(tmp_path: Path) -> None:
    class Wrapper(httpx.AsyncBaseTransport):
        def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
            self._inner = inner

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return await self._inner.handle_async_request(request)

    async with serving("tcp", tmp_path) as settings:
        pool = settings["transport"]._pool
        settings["transport"] = Wrapper(settings["transport"])
        async with httpx.AsyncClient(**settings) as inner:
            client = WorkflowClient(httpx_client=inner)
            for steps in range(40):
                await cancelled_calls(list_workflows, client, steps, "scope")
                await wait_until_async(lambda: is_empty(pool))
        await pool.aclose()


def test_connections_that_were_being_closed_are_closed(tmp_path: Path) -> None:
    """A pool closes what has expired before it sends, one after the other."""

    async def expire_and_cancel() -> None:
        async with serving("tcp", tmp_path) as settings:
            limits = httpx.Limits(max_connections=None, keepalive_expiry=60)
            settings["transport"] = httpx.AsyncHTTPTransport(limits=limits)
            pool = settings["transport"]._pool
            async with httpx.AsyncClient(**settings) as inner:
                client = WorkflowClient(httpx_client=inner)
                for steps in range(12):
                    idle = open_sockets()
                    async with anyio.create_task_group() as group:
                        for _ in range(10):
                            group.start_soon(inner.get, "/workflows")
                    assert len(pool.connections) > 2
                    for connection in pool.connections:
                        connection._connection._expire_at = 0
                    await cancelled_calls(list_workflows, client, steps, "task")
                    await pool.aclose()
                    await wait_until_async(lambda: open_sockets() <= idle)  # noqa: B023

    anyio.run(expire_and_cancel)


LIBRARIES = ("httpcore.", "httpcore2.", "httpx.", "httpx2.")


class InterruptError(Exception):
    """What a signal handler raises."""


def interrupting(line: int) -> Callable[[FrameType, str, object], Any]:
    """Return a trace function that raises at one of the lines of httpx and httpcore."""
    lines = itertools.count()

    def trace(frame: FrameType, event: str, _: object) -> Any:
        name = frame.f_globals.get("__name__", "")
        if not name.startswith(LIBRARIES) or name.endswith("_synchronization"):
            return None
        if event == "line" and next(lines) == line:
            source = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
            # Interrupted as it releases its lock, httpcore holds it for ever.
            if "thread_lock" not in source:
                raise InterruptError
        return trace

    return trace


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # of a socket just opened
@pytest.mark.parametrize(
    ("library", "first"),
    [*itertools.product([httpx], range(3)), (httpx2, 0)],
    ids=["0", "1", "2", "httpx2"],
)
def test_call_interrupted_at_any_line_leaves_the_pool_empty(library: Any, first: int) -> None:
    before = sys.gettrace()
    with scripted([Turn(response("200 OK", WORKFLOWS))]) as script:
        idle = open_sockets()
        transport = library.HTTPTransport(limits=LIMITS)
        with library.Client(base_url=script.url, transport=transport) as inner:
            client = SyncWorkflowClient(httpx_client=inner)
            for line in itertools.count(first, 12):
                sys.settrace(interrupting(line))
                try:
                    client.list_workflows()
                    if line > 3000:
                        break
                except InterruptError:
                    pass
                finally:
                    sys.settrace(before)
                assert is_empty(transport._pool), line
        gc.collect()
        wait_until(lambda: open_sockets() <= idle)


async def at_once(client: httpx.AsyncClient, calls: int) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(calls):
            group.start_soon(client.get, "/workflows")


def test_requests_at_once_are_shared_out_to_small_pools(tmp_path: Path) -> None:
    async def share_out() -> None:
        async with serving("tcp", tmp_path) as settings:
            idle = open_sockets()
            limits = httpx.Limits(keepalive_expiry=60)
            settings["transport"] = httpx.AsyncHTTPTransport(limits=limits)
            async with aclosing(httpx.AsyncClient(**settings)) as inner:
                shard_pools(inner)
                await at_once(inner, 1)
                assert len(pools_of(settings)) == 1
                await at_once(inner, 20)
                shards = pools_of(settings)
                assert [len(shard.connections) <= 4 for shard in shards] == [True] * 5
                assert all(is_empty(shard) for shard in shards)
                settings["transport"]._pool._sweep_at = 0.0
                for shard in shards[1:]:
                    for connection in shard.connections:
                        connection._connection._expire_at = 0.0
                await inner.get("/workflows")
                assert pools_of(settings) == shards[:1]
                await at_once(inner, 8)
            await wait_until_async(lambda: open_sockets() <= idle)

    anyio.run(share_out)
