"""Recording: the events of a stream are written to a file while the caller iterates over them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import overload

from ..client import EventStream, SyncEventStream
from ..protocol.serializable_events import EventEnvelopeWithMetadata
from ._recording import File, open_writer


@overload
def record(stream: EventStream, file: File) -> AsyncIterator[EventEnvelopeWithMetadata]: ...


@overload
def record(stream: SyncEventStream, file: File) -> Iterator[EventEnvelopeWithMetadata]: ...


def record(
    stream: EventStream | SyncEventStream, file: File
) -> AsyncIterator[EventEnvelopeWithMetadata] | Iterator[EventEnvelopeWithMetadata]:
    """Iterate over a stream and write its events to a file that `replay` can play back.

    Each event is flushed to the file before the loop receives it, so a test that fails halfway
    leaves a usable recording. The stream is closed when the loop ends, however it ends.

    Example:
        Record a run:

            async for event in record(client.get_workflow_events(handler_id), "run.jsonl"):
                print(event.type)

    Args:
        stream: A stream of either client variant that has not been iterated yet.
        file: A path, which is overwritten, or an open text file, which is left open.

    Returns:
        An iterator over the stream's events, async for an `EventStream`. Nothing is requested or
        written until it is iterated.

    Raises:
        TypeError: ``stream`` is not an event stream.
        ValueError: While iterating, if an event has no sequence number.
        OSError: While iterating, if the file cannot be opened or written.
    """
    if isinstance(stream, EventStream):
        return _record_async(stream, file)
    if isinstance(stream, SyncEventStream):
        return _record_sync(stream, file)
    raise TypeError(f"not an event stream: {stream!r}")


async def _record_async(
    stream: EventStream, file: File
) -> AsyncIterator[EventEnvelopeWithMetadata]:
    try:
        with open_writer(file, stream.handler_id) as write:
            async for event in stream:
                write(stream.last_sequence, event)
                yield event
    finally:
        await stream.aclose()


def _record_sync(stream: SyncEventStream, file: File) -> Iterator[EventEnvelopeWithMetadata]:
    try:
        with open_writer(file, stream.handler_id) as write:
            for event in stream:
                write(stream.last_sequence, event)
                yield event
    finally:
        stream.close()
