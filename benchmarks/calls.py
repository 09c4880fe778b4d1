"""Processor time per call, with many calls at once, and per request of bare httpx and aiohttp."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import httpx
import llama_agents.client

from .script import arguments, report_all
from .subjects import IS_PUBLISHED, bare_aiohttp, bare_httpx, workflow_client

Call: TypeAlias = Callable[[], Awaitable[object]]

PATH: Final = "/handlers/h1"
WARM_UP: Final = 20  # calls, besides those that open the connections
SLOWNESS: Final = 20  # calls of this client in the time of one of the published client


async def measured(call: Call, at_once: int, calls: int) -> float:
    """Return seconds per call of workers, each of which makes one call after the other."""

    async def make(calls: int) -> None:
        left = iter(range(calls))

        async def work() -> None:
            for _ in left:
                await call()

        await asyncio.gather(*(work() for _ in range(at_once)))

    await make(at_once + WARM_UP)
    gc.collect()
    begin = time.process_time()
    await make(calls)
    return (time.process_time() - begin) / calls


async def client(url: str, *sizes: int, **options: Any) -> float:
    """Measure the installed client."""
    async with workflow_client(url, **options) as workflows:
        return await measured(lambda: workflows.get_handler("h1"), *sizes)


async def only_httpx(url: str, *sizes: int) -> float:
    """Measure the same request with httpx."""
    async with bare_httpx(url) as session:

        async def call() -> object:
            return (await session.get(PATH)).raise_for_status().json()

        return await measured(call, *sizes)


async def only_aiohttp(url: str, *sizes: int) -> float:
    """Measure the same request with aiohttp."""
    async with bare_aiohttp(url) as session:

        async def call() -> object:
            async with session.get(PATH) as response:
                response.raise_for_status()
                return await response.json()

        return await measured(call, *sizes)


def measured_sync(call: Callable[[], object], calls: int) -> float:
    """Return seconds per call, one at a time."""
    for _ in range(WARM_UP):
        call()
    gc.collect()
    begin = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - begin) / calls


def sync(url: str, calls: int) -> float:
    """Measure the sync client."""
    with llama_agents.client.SyncWorkflowClient(base_url=url) as workflows:
        return measured_sync(lambda: workflows.get_handler("h1"), calls)


def only_httpx_sync(url: str, calls: int) -> float:
    """Measure the same request with httpx."""
    with httpx.Client(base_url=url) as session:
        return measured_sync(lambda: session.get(PATH).raise_for_status().json(), calls)


options = arguments(__doc__, at_once=1, calls=500, repeat=1)
url, at_once, calls = options.replay, options.at_once, options.calls
if IS_PUBLISHED:
    calls = max(at_once, calls // SLOWNESS)
ways: dict[str, Callable[[], float]] = {"client": lambda: asyncio.run(client(url, at_once, calls))}
if not IS_PUBLISHED:
    ways["aiohttp"] = lambda: asyncio.run(client(url, at_once, calls, transport="aiohttp"))
    ways["bare_httpx"] = lambda: asyncio.run(only_httpx(url, at_once, calls))
    ways["bare_aiohttp"] = lambda: asyncio.run(only_aiohttp(url, at_once, calls))
    if at_once == 1:
        ways["sync"] = lambda: sync(url, calls)
        ways["bare_httpx_sync"] = lambda: only_httpx_sync(url, calls)
report_all(ways, options.repeat)
