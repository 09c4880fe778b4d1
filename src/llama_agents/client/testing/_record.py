"""Streams are written down as they are read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import overload

from ..client import EventStream, SyncEventStream
from ..protocol.serializable_events import EventEnvelopeWithMetadata
from ._async import recording as _asynchronous
from ._recording import File, writing
from ._sync import recording as _synchronous


@overload
def record(stream: EventStream, file: File) -> AsyncIterator[EventEnvelopeWithMetadata]: ...


@overload
def record(stream: SyncEventStream, file: File) -> Iterator[EventEnvelopeWithMetadata]: ...


def record(
    stream: EventStream | SyncEventStream, file: File
) -> AsyncIterator[EventEnvelopeWithMetadata] | Iterator[EventEnvelopeWithMetadata]:
    """Iterate over a stream, and write its events to a file for `replay`.

    Each event is in the file when the loop gets it. The stream is closed at the end of the loop,
    and when the loop is left early.

    Example:
        Record a run:

            async for event in record(client.get_workflow_events(handler_id), "run.jsonl"):
                print(event.type)

    Args:
        stream: The stream of either client, not iterated yet.
        file: A path, which is written anew, or an open text file, which stays open.

    Returns:
        The events of the stream. Nothing is sent or written before they are iterated over.

    Raises:
        TypeError: It is no event stream.
        ValueError: While iterating: an event has no sequence number.
    """
    if isinstance(stream, EventStream):
        return _asynchronous.recorded(stream, writing(file, stream._machine.handler_id))
    if isinstance(stream, SyncEventStream):
        return _synchronous.recorded(stream, writing(file, stream._machine.handler_id))
    raise TypeError(f"not an event stream: {stream!r}")
