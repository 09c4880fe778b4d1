"""Asynchronous streams that are written down as they are read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager

from ...client import EventStream
from ...protocol.serializable_events import EventEnvelopeWithMetadata
from .._recording import Writer


async def recorded(
    stream: EventStream, recorder: AbstractContextManager[Writer]
) -> AsyncIterator[EventEnvelopeWithMetadata]:
    """Pass the events of a stream on, each when it has been written."""
    try:
        with recorder as write:
            async for event in stream:
                write(stream.last_sequence, event)
                yield event
    finally:
        await stream.aclose()
