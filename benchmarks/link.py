"""A slow link to a server: ``python -m benchmarks.link URL``.

It prints its own URL, delays whatever it forwards, and exits at the end of its standard input.
"""

from __future__ import annotations

import asyncio
import os
import sys
from urllib.parse import urlsplit

ROUND_TRIP = 0.05  # s


async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Forward bytes in one direction, each chunk after half of a round trip."""
    loop = asyncio.get_running_loop()
    while chunk := await reader.read(65536):
        loop.call_later(ROUND_TRIP / 2, writer.write, chunk)
    loop.call_later(ROUND_TRIP / 2, writer.close)


async def main(host: str, port: int) -> None:
    """Serve until standard input ends."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, downstream = await asyncio.open_connection(host, port)
        await asyncio.gather(forward(reader, downstream), forward(upstream, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", backlog=2048)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)  # whatever is being forwarded


url = urlsplit(sys.argv[1])
asyncio.run(main(url.hostname or "", url.port or 80))
