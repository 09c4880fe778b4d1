"""The network under httpcore on asyncio's protocols, against sockets that do one thing each."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpcore
import pytest
from llama_agents.client import WorkflowClient
from llama_agents.client._transport import asyncio_backend

from ..faults.measure import open_sockets
from ..support.ports import free_port
from ..support.server import wait_until_async
from ..support.tls import certificates

pytestmark = pytest.mark.anyio

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def connected(serve: Serve, **options: Any) -> AsyncIterator[Any]:
    """Connect to a server, and close all in the end."""
    async with serving(serve, **options) as port:
        stream = await connect(port)
        yield stream
        await stream.aclose()


@asynccontextmanager
async def serving(serve: Serve, **options: Any) -> AsyncIterator[int]:
    tasks = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        tasks.add(task)
        try:
            await serve(reader, writer)
        finally:
            writer.close()
            tasks.discard(task)

    before = open_sockets()
    async with await asyncio.start_server(handle, "127.0.0.1", 0, **options) as server:
        yield server.sockets[0].getsockname()[1]
        await wait_until_async(lambda: not tasks)
    await wait_until_async(lambda: open_sockets() <= before)


async def connect(port: int, host: str = "127.0.0.1", timeout: float | None = None) -> Any:
    return await asyncio_backend._Backend().connect_tcp(host, port, timeout)


async def until_closed(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    async def getaddrinfo(*_: object, **__: object) -> list[Any]:
        return [(0, 0, 0, "", (address, 0)) for address in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo, raising=True)


async def test_owned_clients_use_it() -> None:
    async with WorkflowClient(base_url="http://127.0.0.1:9") as client:
        inner: Any = await client._driver.clients.get()
        backends = {type(shard._network_backend) for shard in inner._transport._pool.shards}
    assert backends == {asyncio_backend._Backend}


async def test_no_more_is_received_than_a_limit_until_it_is_read() -> None:
    size = 8_000_000
    sent = bytes(range(250)) * (size // 250)

    async def send(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()

    async with connected(send) as stream:
        await wait_until_async(lambda: stream._is_paused)
        assert len(stream._received) < 1_000_000
        received = b""
        while data := await stream.read(10_000, 5.0):
            assert len(data) <= 10_000
            received += data
    assert received == sent


async def test_a_read_ends_in_time_whatever_the_timeout_of_the_one_before() -> None:
    async def send_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"1")
        await reader.read()

    async with connected(send_once) as stream:
        assert await stream.read(10, 60.0) == b"1"
        for timeout in (0.05, 0.01, 0.1):
            with pytest.raises(httpcore.ReadTimeout):
                await asyncio.wait_for(stream.read(10, timeout), 5)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stream.read(10, None), 0.2)
        stream._transport.write(b"x")


async def test_what_arrived_before_a_failure_is_read_first() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"12345")
        await reader.read(1)
        linger = struct.pack("ii", 1, 0)  # a reset
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    async with connected(reset) as stream:
        await wait_until_async(lambda: stream._received)
        await stream.write(b"xy")
        await wait_until_async(lambda: stream._has_ended)
        assert stream.get_extra_info("is_readable")
        assert await stream.read(3) + await stream.read(3) == b"12345"
        with pytest.raises(httpcore.ReadError):
            await stream.read(3)
        with pytest.raises(httpcore.WriteError):
            await stream.write(b"z")


async def test_end_of_the_connection_is_empty() -> None:
    async def say_no_more(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")

    async with connected(say_no_more) as stream:
        assert [await stream.read(10), await stream.read(10)] == [b"bye", b""]
        assert stream.get_extra_info("is_readable")


async def test_closing_wakes_a_reader() -> None:
    async with connected(until_closed) as stream:
        reading = asyncio.ensure_future(stream.read(10, 60.0))
        await asyncio.sleep(0)
        await stream.aclose()
        with pytest.raises(httpcore.ReadError, match="closed"):
            await reading
        assert stream._timer is None


async def test_a_write_that_nobody_reads_times_out() -> None:
    released = asyncio.Event()

    async def read_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await released.wait()
        writer.transport.abort()

    async with connected(read_nothing, limit=1) as stream:
        with pytest.raises(httpcore.WriteTimeout):
            await asyncio.wait_for(stream.write(bytes(50_000_000), 0.1), 10)
        writing = asyncio.ensure_future(stream.write(bytes(1), 60.0))
        await asyncio.sleep(0)
        released.set()
        await asyncio.wait([writing], timeout=5)  # it is told when the connection is lost
        assert writing.done()


async def test_the_next_address_is_tried_when_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(until_closed) as port:
        resolve_to(monkeypatch, "127.0.0.2", "127.0.0.1")
        stream = await connect(port, "two")
        assert stream.get_extra_info("server_addr") == ("127.0.0.1", port)
        await stream.aclose()


async def test_an_error_names_every_address(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "127.0.0.1", "127.0.0.2")
    with pytest.raises(httpcore.ConnectError, match=r"127\.0\.0\.1.*127\.0\.0\.2"):
        await connect(free_port(), "two")


async def test_an_address_that_does_not_answer_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = []
    connect_to = asyncio_backend._connect_to

    async def stalled(address: str, port: int) -> Any:
        tried.append(address)
        if address != "127.0.0.1":
            await asyncio.sleep(60)
        return await connect_to(address, port)

    monkeypatch.setattr(asyncio_backend, "_connect_to", stalled)
    resolve_to(monkeypatch, "10.0.0.1", "10.0.0.2", "::1", "127.0.0.1")
    async with serving(until_closed) as port:
        stream = await connect(port, "many", 30.0)
        await stream.aclose()
        with pytest.raises(httpcore.ConnectTimeout):
            await connect(port, "many", 0.1)
    assert tried == ["10.0.0.1", "::1", "10.0.0.2", "127.0.0.1", "10.0.0.1"]


async def test_of_two_connections_one_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    both = asyncio.get_running_loop().create_future()
    connect_to = asyncio_backend._connect_to

    async def together(_: str, port: int) -> Any:
        opened.append(await connect_to("127.0.0.1", port))
        if len(opened) == 2:
            both.set_result(None)
        await both
        return opened.pop()

    monkeypatch.setattr(asyncio_backend, "_connect_to", together)
    monkeypatch.setattr(asyncio_backend, "_HEAD_START", 0.0)
    resolve_to(monkeypatch, "127.0.0.1", "127.0.0.2")
    async with serving(until_closed) as port:
        stream = await connect(port, "two")
        assert opened == []
        await stream.aclose()


async def test_names_that_cannot_be_resolved_are_connect_errors() -> None:
    for name in ("a" * 64 + ".test", "nobody.invalid"):
        with pytest.raises(httpcore.ConnectError):
            await connect(80, name)


async def test_failed_handshakes_close_the_connection() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"not TLS\r\n" * 10)
        await reader.read()

    context = certificates().client
    async with serving(answer) as port, serving(until_closed) as silent:
        with pytest.raises(httpcore.ConnectError):
            await (await connect(port)).start_tls(context, "localhost", 5.0)
        with pytest.raises(httpcore.ConnectTimeout):
            await (await connect(silent)).start_tls(context, "localhost", 0.1)


@pytest.mark.parametrize("greeting", [b"SSH-2.0\r\n", b""])
async def test_handshakes_fail_at_once_if_the_server_came_first(greeting: bytes) -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)

    async with serving(greet) as port:
        stream = await connect(port)
        await wait_until_async(lambda: stream._has_ended)
        with pytest.raises(httpcore.ConnectError):
            await stream.start_tls(certificates().client, "localhost", 60.0)


async def test_much_data_may_come_before_tls_is_said_to_have_begun() -> None:
    stream = asyncio_backend._Stream()
    stream.data_received(bytes(100_000))
    assert await stream.read(200_000) == bytes(100_000)


async def test_one_task_reads_at_a_time() -> None:
    async with connected(until_closed) as stream:
        reading = asyncio.ensure_future(stream.read(10))
        await asyncio.sleep(0)
        with pytest.raises(httpcore.ReadError, match="another"):
            await stream.read(10)
        reading.cancel()
        await asyncio.wait([reading])


async def test_tls_inside_tls() -> None:
    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner = await asyncio.open_connection("127.0.0.1", target)

        async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(1000):
                sink.write(data)
            sink.close()

        await asyncio.gather(pass_on(reader, inner), pass_on(inner_reader, writer))

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(4))

    tls = certificates()
    async with (
        serving(echo, ssl=tls.server) as target,
        serving(tunnel, ssl=tls.server) as proxy,
    ):
        outer = await (await connect(proxy)).start_tls(tls.client, "localhost", 5.0)
        inner = await outer.start_tls(tls.client, "localhost", 5.0)
        assert inner.get_extra_info("ssl_object") is not None
        assert isinstance(inner.get_extra_info("socket").fileno(), int)
        await inner.write(b"ping")
        assert await inner.read(10, 5.0) == b"ping"
        await inner.aclose()
        await outer.aclose()


async def test_what_the_event_loop_has_not_seen_yet_counts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stream = await connect(listening.getsockname()[1])
        server, _ = listening.accept()
        assert not stream.get_extra_info("is_readable")
        server.close()
        assert not stream._has_ended
        assert stream.get_extra_info("is_readable")
        await stream.aclose()
        assert stream.get_extra_info("is_readable")
