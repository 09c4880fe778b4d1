"""Processor time for each event of live streams that are read at the same time.

The client, over each transport, is compared with only reading the bytes with httpx and aiohttp.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import llama_agents.client

from .meter import Meter
from .replay import EVENT_LINES
from .script import arguments, report_all
from .subjects import IS_PUBLISHED, bare_aiohttp, bare_httpx, workflow_client

Seen: TypeAlias = Callable[[int], None]
"""Told how many lines have been read."""
Read: TypeAlias = Callable[[str, Seen], Awaitable[None]]
"""Reads a stream."""

WARM_UP: Final = "blocks-1"  # excludes what a client does only once
CLOSE: Final = {"Connection": "close"}  # as the client does: a stream's connection is not reused


async def measured(read: Read, url: str, *sizes: int) -> float:
    """Return seconds per event."""
    await read(WARM_UP, lambda lines: None)
    gc.collect()
    meter = Meter(time.process_time, *sizes)
    streams, _, _ = sizes
    with meter.conducting(url):
        await asyncio.gather(*(read(meter.name, meter.seen) for _ in range(streams)))
    return meter.seconds()


async def client(url: str, *sizes: int, **options: Any) -> float:
    """Measure the installed client."""
    async with workflow_client(url, **options) as workflows:

        async def read(stream: str, seen: Seen) -> None:
            async for _ in workflows.get_workflow_events(stream):
                seen(EVENT_LINES)

        return await measured(read, url, *sizes)


async def only_httpx(url: str, *sizes: int) -> float:
    """Measure reading the bytes with httpx."""
    async with bare_httpx(url, is_limited=False) as session:

        async def read(stream: str, seen: Seen) -> None:
            async with session.stream("GET", f"/events/{stream}", headers=CLOSE) as response:
                async for data in response.aiter_bytes():
                    seen(data.count(b"\n"))

        return await measured(read, url, *sizes)


async def only_aiohttp(url: str, *sizes: int) -> float:
    """Measure reading the bytes with aiohttp."""
    async with bare_aiohttp(url, is_limited=False) as session:

        async def read(stream: str, seen: Seen) -> None:
            async with session.get(f"/events/{stream}", headers=CLOSE) as response:
                async for data in response.content.iter_any():
                    seen(data.count(b"\n"))

        return await measured(read, url, *sizes)


def sync(url: str, events: int) -> float:
    """Return seconds per event of a single stream that the sync client reads."""
    with llama_agents.client.SyncWorkflowClient(base_url=url) as workflows:
        for _ in workflows.get_workflow_events(WARM_UP):
            pass
        gc.collect()
        meter = Meter(time.process_time, 1, events, 0)
        with meter.conducting(url):
            for _ in workflows.get_workflow_events(meter.name):
                meter.seen(EVENT_LINES)
    return meter.seconds()


options = arguments(__doc__, streams=50, events=300, rate=100, repeat=1)
url, sizes = options.replay, (options.streams, options.events, options.rate)
ways: dict[str, Callable[[], float]] = {"client": lambda: asyncio.run(client(url, *sizes))}
if not IS_PUBLISHED:
    ways["aiohttp"] = lambda: asyncio.run(client(url, *sizes, transport="aiohttp"))
    ways["bare_httpx"] = lambda: asyncio.run(only_httpx(url, *sizes))
    ways["bare_aiohttp"] = lambda: asyncio.run(only_aiohttp(url, *sizes))
    if options.streams == 1:
        ways["sync"] = lambda: sync(url, options.events)
report_all(ways, options.repeat)
