"""Recording: the events of a stream are written to a file while the caller iterates over them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Self, overload

from ..client import EventStream, SyncEventStream
from ..protocol.serializable_events import EventEnvelopeWithMetadata
from ._recording import File, Writer


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
        TypeError: ``stream`` is not an event stream, or ``file`` neither a path nor a file.
        UnsupportedServerError: While iterating, if an event has no sequence number.
        OSError: While iterating, if the file cannot be opened or written.
    """
    if isinstance(stream, EventStream):
        return _AsyncRecorder(stream, file)
    if isinstance(stream, SyncEventStream):
        return _Recorder(stream, file)
    raise TypeError(f"not an event stream: {stream!r}")


# Not generators: one that is interrupted in a step, by a timeout or a signal, would be over.


class _AsyncRecorder:
    def __init__(self, stream: EventStream, file: File) -> None:
        self._stream = stream
        self._writer = Writer(file)
        self._events: AsyncIterator[EventEnvelopeWithMetadata] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EventEnvelopeWithMetadata:
        if self._events is None:
            await self._write(self._writer.begin, self._stream.handler_id)
            self._events = aiter(self._stream)
        event = await anext(self._events)
        await self._write(self._writer.write, self._stream.last_sequence, event)
        return event

    async def _write(self, write: Callable[..., None], *arguments: object) -> None:
        try:
            write(*arguments)
        except (OSError, ValueError):
            await self._stream.aclose()
            raise

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()


class _Recorder:
    def __init__(self, stream: SyncEventStream, file: File) -> None:
        self._stream = stream
        self._writer = Writer(file)
        self._events: Iterator[EventEnvelopeWithMetadata] | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> EventEnvelopeWithMetadata:
        if self._events is None:
            self._write(self._writer.begin, self._stream.handler_id)
            self._events = iter(self._stream)
        event = next(self._events)
        self._write(self._writer.write, self._stream.last_sequence, event)
        return event

    def _write(self, write: Callable[..., None], *arguments: object) -> None:
        try:
            write(*arguments)
        except (OSError, ValueError):
            self._stream.close()
            raise

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()
