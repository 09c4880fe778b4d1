"""The file format of recordings: JSON lines, a header followed by one line per event.

    {"recording": 1, "handler_id": "qzzXkhmH7Y"}
    {"sequence": 1, "event": {"type": "Progress", "value": {"done": 1}}}
    {"sequence": 3, "event": {"type": "StopEvent", "value": {"result": "ok"}}}

An event is an envelope as the server sends it; ``types`` and ``qualified_name`` are optional.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Literal, TextIO, TypeVar

import attrs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .._lazy_types import Event
from ..protocol.serializable_events import EventEnvelopeWithMetadata

FORMAT_VERSION: Final = 1
DEFAULT_HANDLER_ID: Final = "replayed"  # of a recording that is built from events

File = str | os.PathLike[str] | TextIO
Source = File | Sequence[Event | EventEnvelopeWithMetadata]


class _Header(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    recording: Literal[1]
    handler_id: str = Field(min_length=1)


class RecordedEvent(BaseModel):
    """An event with its sequence number."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sequence: int = Field(ge=0)
    event: EventEnvelopeWithMetadata


ModelT = TypeVar("ModelT", bound=BaseModel)


@attrs.frozen
class Recording:
    """A recorded stream.

    Attributes:
        handler_id: ID of the run.
        events: The events of the run, in order.
    """

    handler_id: str
    events: tuple[RecordedEvent, ...]

    @property
    def terminal_event(self) -> EventEnvelopeWithMetadata | None:
        """The event that ends the run, or None for a run that was still running."""
        if self.events and self.events[-1].event.is_terminal:
            return self.events[-1].event
        return None


class Writer:
    """Writes a recording, line by line, so that what was written last is in the file.

    The file is not kept open: nobody may be there to close it.

    Args:
        file: A path, which is overwritten, or an open text file, which is left open.

    Raises:
        TypeError: ``file`` is neither.
    """

    def __init__(self, file: File) -> None:
        if not isinstance(file, (str, os.PathLike)) and not hasattr(file, "write"):
            raise TypeError(f"expected a path or a text file, not {file!r}")
        self._file = file

    def begin(self, handler_id: str) -> None:
        """Write the header."""
        self._write("w", _Header(recording=FORMAT_VERSION, handler_id=handler_id))

    def write(self, sequence: int | Literal["now"], event: EventEnvelopeWithMetadata) -> None:
        """Write an event."""
        assert sequence != "now"  # an event has moved the position
        self._write("a", RecordedEvent(sequence=sequence, event=event))

    def _write(self, mode: Literal["w", "a"], line: BaseModel) -> None:
        text = line.model_dump_json() + "\n"
        if isinstance(self._file, (str, os.PathLike)):
            with open(self._file, mode, encoding="utf-8", newline="\n") as output:
                output.write(text)
        else:
            self._file.write(text)
            self._file.flush()


def load(source: Source) -> Recording:
    """Read a recording from a file, or build one from events.

    Args:
        source: A path, an open text file, or a sequence of events, which are numbered from 1.

    Raises:
        ValueError: The recording is invalid. The message names the file and the line.
        TypeError: ``source`` is neither a file nor a sequence of events.
    """
    if isinstance(source, (str, os.PathLike)):
        with open(source, encoding="utf-8") as file:
            return _read(file, os.fspath(source))
    if isinstance(source, Sequence):
        events = [
            RecordedEvent(sequence=number, event=_to_envelope(event))
            for number, event in enumerate(source, start=1)
        ]
        labelled = ((f"event {event.sequence}", event) for event in events)
        return _build_recording(DEFAULT_HANDLER_ID, labelled)
    if not hasattr(source, "read"):
        raise TypeError(f"expected a path, a text file or a sequence of events, not {source!r}")
    return _read(source, getattr(source, "name", "recording"))


def _to_envelope(event: object) -> EventEnvelopeWithMetadata:
    if isinstance(event, EventEnvelopeWithMetadata):
        return event
    from workflows.events import Event  # slow to import, and not needed to read a file

    if not isinstance(event, Event):
        raise TypeError(f"expected an Event or an envelope, not {event!r}")
    return EventEnvelopeWithMetadata.from_event(event)


def _read(file: TextIO, name: object) -> Recording:
    lines = _lines(file, name)
    place, first = next(lines, (f"{name}, line 1", ""))
    header = _parse(_Header, place, first)
    events = ((place, _parse(RecordedEvent, place, line)) for place, line in lines)
    return _build_recording(header.handler_id, events)


def _lines(file: TextIO, name: object) -> Iterator[tuple[str, str]]:
    """Yield each line with its place for error messages."""
    number = 0
    try:
        for number, line in enumerate(file, start=1):
            yield f"{name}, line {number}", line
    except UnicodeDecodeError as error:
        # Text is decoded ahead, by the block.
        raise ValueError(f"{name}, line {number + 1} or later: not UTF-8: {error}") from error


def _parse(model: type[ModelT], place: str, line: str) -> ModelT:
    try:
        return model.model_validate_json(line)
    except ValidationError as error:
        problem: Any = error.errors(include_url=False)[0]
        field = ".".join(map(str, problem["loc"]))
        raise ValueError(f"{place}: {field}{': ' if field else ''}{problem['msg']}") from error


def _build_recording(handler_id: str, events: Iterable[tuple[str, RecordedEvent]]) -> Recording:
    """Check the order of the events, each given with its place for error messages."""
    checked: list[RecordedEvent] = []
    for place, event in events:
        if checked and checked[-1].event.is_terminal:
            raise ValueError(f"{place}: event after the terminal event {checked[-1].event.type}")
        # A store may assign a number twice, but never goes back.
        if checked and event.sequence < checked[-1].sequence:
            raise ValueError(
                f"{place}: sequence {event.sequence} after sequence {checked[-1].sequence}"
            )
        checked.append(event)
    return Recording(handler_id, tuple(checked))
