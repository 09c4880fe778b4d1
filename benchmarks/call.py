"""Time per call of a client with default settings, and per request of a pooled httpx client.

Batches of calls alternate between the two.
"""

from __future__ import annotations

import asyncio
import time

import httpx
import llama_agents.client
from llama_agents.client import WorkflowClient

from .script import arguments, report

PATH = "/handlers/h1"


async def client_async(client: WorkflowClient, calls: int) -> float:
    """Return seconds per call."""
    begin = time.perf_counter()
    for _ in range(calls):
        await client.get_handler("h1")
    return (time.perf_counter() - begin) / calls


async def httpx_async(client: httpx.AsyncClient, calls: int) -> float:
    """Return seconds per request."""
    begin = time.perf_counter()
    for _ in range(calls):
        (await client.get(PATH)).raise_for_status().json()
    return (time.perf_counter() - begin) / calls


def httpx_sync(client: httpx.Client, calls: int) -> float:
    """Return seconds per request."""
    begin = time.perf_counter()
    for _ in range(calls):
        client.get(PATH).raise_for_status().json()
    return (time.perf_counter() - begin) / calls


async def asynchronous(url: str, batches: int, calls: int) -> dict[str, list[float]]:
    """Measure the async client."""
    client = WorkflowClient(base_url=url)
    found: dict[str, list[float]] = {"client_async": [], "httpx_async": []}
    async with httpx.AsyncClient(base_url=url) as bare:
        await client_async(client, 1)
        await httpx_async(bare, 1)
        for _ in range(batches):
            found["client_async"].append(await client_async(client, calls))
            found["httpx_async"].append(await httpx_async(bare, calls))
    return found


def synchronous(url: str, batches: int, calls: int) -> dict[str, list[float]]:
    """Measure the sync client, if there is one."""
    if not hasattr(llama_agents.client, "SyncWorkflowClient"):
        return {}
    client = llama_agents.client.SyncWorkflowClient(base_url=url)
    found: dict[str, list[float]] = {"client_sync": [], "httpx_sync": []}
    with httpx.Client(base_url=url) as bare:
        client.get_handler("h1")
        httpx_sync(bare, 1)
        for _ in range(batches):
            begin = time.perf_counter()
            for _ in range(calls):
                client.get_handler("h1")
            found["client_sync"].append((time.perf_counter() - begin) / calls)
            found["httpx_sync"].append(httpx_sync(bare, calls))
    return found


options = arguments(__doc__, batches=10, calls=50)
found = asyncio.run(asynchronous(options.replay, options.batches, options.calls))
report(**found, **synchronous(options.replay, options.batches, options.calls))
