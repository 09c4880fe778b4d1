"""Processor time to decode an event from the bytes of a stream and to parse its JSON.

The decoders of this client, openai and langgraph_sdk read the same bytes: whichever are installed.
This client's also validates each event and follows the sequence numbers. Each chunk is one event.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import TypeAlias

import httpx

from .replay import events
from .script import arguments, report

Decode: TypeAlias = Callable[[list[bytes]], Iterator[object]]
"""Yields the parsed events of a stream."""


def ours(chunks: list[bytes]) -> Iterator[object]:
    """Decode as the client does."""
    from llama_agents.client._core.actions import TimeSource
    from llama_agents.client._core.server import ServerTraits
    from llama_agents.client._core.stream import StreamMachine

    machine = StreamMachine(
        "run",
        after_sequence=-1,
        include_internal=False,
        max_reconnect_attempts=0,
        server=ServerTraits(),
        time=TimeSource(time.monotonic, time.time, random.random),
    )
    machine.opened(httpx.Response(200, headers={"content-type": "text/event-stream"}))
    for chunk in chunks:
        yield from machine.receive(chunk)


def openai(chunks: list[bytes]) -> Iterator[object]:
    """Decode as openai's stream of responses does."""
    from openai._streaming import SSEDecoder  # type: ignore[import-not-found]

    for sse in SSEDecoder().iter_bytes(iter(chunks)):
        yield sse.json()


def langgraph_sdk(chunks: list[bytes]) -> Iterator[object]:
    """Decode as langgraph_sdk's stream of a run does."""
    from langgraph_sdk.sse import (  # type: ignore[import-not-found]
        BytesLineDecoder,
        SSEDecoder,
    )

    lines, decoder = BytesLineDecoder(), SSEDecoder()
    for chunk in chunks:
        for line in lines.decode(chunk):
            part = decoder.decode(line)
            if part is not None:
                yield part


def measured(decode: Decode, chunks: list[bytes]) -> float:
    """Return seconds per event."""
    gc.collect()
    begin = time.process_time()
    count = sum(1 for _ in decode(chunks))
    seconds = time.process_time() - begin
    assert count == len(chunks), f"{count} events"
    return seconds / count


options = arguments(__doc__, events=50_000, repeat=5)
decoders: dict[str, tuple[str, Decode]] = {
    "ours": ("llama_agents.client", ours),
    "openai": ("openai", openai),
    "langgraph_sdk": ("langgraph_sdk", langgraph_sdk),
}
chunks = list(events(options.events))
found: dict[str, list[float]] = {}
for name, (module, decode) in decoders.items():
    if find_spec(module.partition(".")[0]):
        measured(decode, chunks[-1:])  # imports it
        found[name] = [measured(decode, chunks) for _ in range(options.repeat)]
report(**found)
