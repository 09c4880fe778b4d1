# Generated from src/llama_agents/client/testing/_async/recording.py by `python -m generator`: do not edit.
"""Synchronous streams that are written down as they are read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

from ...client import SyncEventStream
from ...protocol.serializable_events import EventEnvelopeWithMetadata
from .._recording import Writer


def recorded(
    stream: SyncEventStream, recorder: AbstractContextManager[Writer]
) -> Iterator[EventEnvelopeWithMetadata]:
    """Pass the events of a stream on, each when it has been written."""
    try:
        with recorder as write:
            for event in stream:
                write(stream.last_sequence, event)
                yield event
    finally:
        stream.close()
