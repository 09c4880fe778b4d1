"""Time to read a whole event stream from a server that only replays bytes.

For comparison, the unavoidable parts: reading the bytes with httpx, parsing each event, and
splitting the bytes into fields, which is the least that a decoder in Python has to do.
"""

from __future__ import annotations

import asyncio
import time

import httpx
import llama_agents.client
from llama_agents.client import WorkflowClient
from llama_agents.client.protocol.serializable_events import EventEnvelopeWithMetadata

from .script import arguments, report

FIELD = b"data: "
WARM_UP = "many-1"  # excludes what a client does only once


async def client_async(url: str, stream: str, count: int) -> float:
    """Return seconds for the stream."""
    client = WorkflowClient(base_url=url)
    async for _ in client.get_workflow_events(WARM_UP):
        pass
    begin, seen = time.perf_counter(), 0
    async for _ in client.get_workflow_events(stream):
        seen += 1
    assert seen == count, f"{seen} events"
    return time.perf_counter() - begin


def client_sync(url: str, stream: str, count: int) -> float:
    """Return seconds for the stream."""
    client = llama_agents.client.SyncWorkflowClient(base_url=url)
    for _ in client.get_workflow_events(WARM_UP):
        pass
    begin, seen = time.perf_counter(), 0
    for _ in client.get_workflow_events(stream):
        seen += 1
    assert seen == count, f"{seen} events"
    return time.perf_counter() - begin


async def read(url: str, stream: str, chunks: list[bytes]) -> float:
    """Return seconds to read the bytes of the stream."""
    async with httpx.AsyncClient(base_url=url) as client:
        await client.get(f"/events/{WARM_UP}")
        begin = time.perf_counter()
        async with client.stream("GET", f"/events/{stream}") as response:
            async for chunk in response.aiter_bytes():
                chunks.append(chunk)
        return time.perf_counter() - begin


def parse(data: list[bytes]) -> float:
    """Return seconds to parse the events."""
    begin = time.perf_counter()
    for text in data:
        EventEnvelopeWithMetadata.model_validate_json(text)
    return time.perf_counter() - begin


def split(chunks: list[bytes]) -> float:
    """Return seconds to split the bytes into lines, and each line into name and value."""
    begin = time.perf_counter()
    for chunk in chunks:
        for line in chunk.splitlines():
            line.partition(b":")
    return time.perf_counter() - begin


options = arguments(__doc__, events=100_000, repeat=3, chunked=0)
stream = f"{'chunked' if options.chunked else 'many'}-{options.events}"
found: dict[str, list[float]] = {"client_async": [], "read": [], "split": [], "parse": []}
for _ in range(options.repeat):
    chunks: list[bytes] = []
    found["read"].append(asyncio.run(read(options.replay, stream, chunks)))
    found["split"].append(split(chunks))
    lines = b"".join(chunks).split(b"\n")
    data = [line.removeprefix(FIELD) for line in lines if line.startswith(FIELD)]
    found["parse"].append(parse(data))
    del chunks, lines, data
    found["client_async"].append(asyncio.run(client_async(options.replay, stream, options.events)))
    if hasattr(llama_agents.client, "SyncWorkflowClient"):
        seconds = client_sync(options.replay, stream, options.events)
        found.setdefault("client_sync", []).append(seconds)
report(**found)
