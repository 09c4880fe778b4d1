"""A TCP proxy that cuts event streams in the middle of an event.

It stands for what happens to long connections on their way: a load balancer's time limit, a pod
that restarts, a laptop that changes its network.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Self

CHUNK: Final = 65536  # bytes
EVENT: Final = b"data: "  # begins the one data line of each event of a workflow server


class CuttingProxy:
    """Forwards connections to a port of this machine, and cuts the first event streams.

    Args:
        port: Where the server listens.
        cut_after: For each cut, the number of events that the connection lets through before it.

    Attributes:
        cuts: How many connections it has cut.
        streams: How many connections have asked for an event stream.
    """

    def __init__(self, port: int, *, cut_after: Sequence[int]) -> None:
        self.cuts = 0
        self.streams = 0
        self._port = port
        self._cut_after = list(cut_after)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where clients find it."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._forward(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _forward(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Forward both ways until one side ends, or the cut."""
        to_server = None
        requests = None
        try:
            server, to_server = await asyncio.open_connection("127.0.0.1", self._port)
            cut_after: asyncio.Queue[int] = asyncio.Queue()
            requests = asyncio.create_task(self._requests(client, to_server, cut_after))
            await self._answers(server, to_client, cut_after)
        except ConnectionError:
            pass  # either side has gone: so goes the other
        finally:
            if requests is not None:
                requests.cancel()
            for writer in (to_client, to_server):
                if writer is not None:
                    writer.transport.abort()

    async def _requests(
        self,
        client: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
        cut_after: asyncio.Queue[int],
    ) -> None:
        with suppress(ConnectionError):
            while data := await client.read(CHUNK):
                if data.startswith(b"GET /events/"):
                    self.streams += 1
                    if self._cut_after:
                        cut_after.put_nowait(self._cut_after.pop(0))
                to_server.write(data)
                await to_server.drain()
        to_server.close()

    async def _answers(
        self,
        server: asyncio.StreamReader,
        to_client: asyncio.StreamWriter,
        cut_after: asyncio.Queue[int],
    ) -> None:
        events_left: int | None = None
        while data := await server.read(CHUNK):
            if events_left is None and not cut_after.empty():
                events_left = cut_after.get_nowait()
            if events_left is not None:
                events = data.split(EVENT)
                if len(events) - 1 > events_left:
                    # Up to here and a little more: the next event arrives in part.
                    torn = EVENT.join(events[: events_left + 1]) + EVENT + b'{"val'
                    to_client.write(torn)
                    await to_client.drain()
                    self.cuts += 1
                    return
                events_left -= len(events) - 1
            to_client.write(data)
            await to_client.drain()
