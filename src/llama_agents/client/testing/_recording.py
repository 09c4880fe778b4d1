"""The format of recordings: JSON lines, a header first, then a line for each event.

    {"recording": 1, "handler_id": "qzzXkhmH7Y"}
    {"sequence": 1, "event": {"type": "Progress", "value": {"done": 1}}}
    {"sequence": 3, "event": {"type": "StopEvent", "value": {"result": "ok"}}}

An event is an envelope as the server writes it; ``types`` and ``qualified_name`` may be left out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO, TypeVar

import attrs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..protocol.serializable_events import EventEnvelopeWithMetadata

if TYPE_CHECKING:
    from workflows.events import Event

VERSION: Final = 1
UNNAMED: Final = "replayed"  # the handler id of events that were given without one

File = str | os.PathLike[str] | TextIO
Writer = Callable[[int | Literal["now"], EventEnvelopeWithMetadata], None]


class _Header(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    recording: Literal[1]
    handler_id: str = Field(min_length=1)


class RecordedEvent(BaseModel):
    """An event, and its number in the stream."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sequence: int = Field(ge=0)
    event: EventEnvelopeWithMetadata


ModelT = TypeVar("ModelT", bound=BaseModel)


@attrs.frozen
class Recording:
    """A stream that was recorded.

    Attributes:
        handler_id: The run.
        events: Its events. Without a terminal event the run goes on.
    """

    handler_id: str
    events: tuple[RecordedEvent, ...]

    @property
    def last(self) -> EventEnvelopeWithMetadata | None:
        """The terminal event, if it was recorded."""
        if self.events and self.events[-1].event.is_terminal:
            return self.events[-1].event
        return None


@contextmanager
def writing(file: File, handler_id: str) -> Iterator[Writer]:
    """Write a recording, and each line at once: a test that breaks off leaves what it has seen.

    Args:
        file: A path, which is written anew, or an open text file, which stays open.
        handler_id: The run.

    Yields:
        What writes an event. It raises ValueError for one without a sequence number.
    """
    with ExitStack() as opened:
        output: TextIO
        if isinstance(file, (str, os.PathLike)):
            output = opened.enter_context(open(file, "w", encoding="utf-8", newline="\n"))
        else:
            output = file

        def write_line(line: BaseModel) -> None:
            output.write(line.model_dump_json() + "\n")
            output.flush()

        def write(sequence: int | Literal["now"], event: EventEnvelopeWithMetadata) -> None:
            if sequence == "now":
                raise ValueError(f"{event.type} has no sequence number and cannot be recorded")
            write_line(RecordedEvent(sequence=sequence, event=event))

        write_line(_Header(recording=VERSION, handler_id=handler_id))
        yield write


def load(source: File | Sequence[Event | EventEnvelopeWithMetadata]) -> Recording:
    """Read a recording, or make one of events.

    Raises:
        ValueError: It is no recording; file and line are named.
        TypeError: It is neither a file nor events.
    """
    if isinstance(source, (str, os.PathLike)):
        with open(source, encoding="utf-8") as file:
            return _read(file, os.fspath(source))
    if isinstance(source, Sequence):
        events = [
            RecordedEvent(sequence=number, event=_envelope(event))
            for number, event in enumerate(source, start=1)
        ]
        return _checked(UNNAMED, ((f"event {event.sequence}", event) for event in events))
    if not hasattr(source, "read"):
        raise TypeError(f"a recording is a path, a text file or events, not {source!r}")
    return _read(source, getattr(source, "name", "recording"))


def _envelope(event: object) -> EventEnvelopeWithMetadata:
    if isinstance(event, EventEnvelopeWithMetadata):
        return event
    from workflows.events import Event  # slow to import, and a file needs none of it

    if not isinstance(event, Event):
        raise TypeError(f"events are Event objects or envelopes, not {event!r}")
    return EventEnvelopeWithMetadata.from_event(event)


def _read(file: TextIO, name: object) -> Recording:
    lines = ((f"{name}, line {number}", line) for number, line in enumerate(file, start=1))
    where, first = next(lines, (f"{name}, line 1", ""))
    header = _parse(_Header, where, first)
    return _checked(
        header.handler_id, ((where, _parse(RecordedEvent, where, line)) for where, line in lines)
    )


def _parse(model: type[ModelT], where: str, line: str) -> ModelT:
    try:
        return model.model_validate_json(line)
    except ValidationError as error:
        problem: Any = error.errors(include_url=False)[0]
        place = ".".join(map(str, problem["loc"]))
        raise ValueError(f"{where}: {place}{': ' if place else ''}{problem['msg']}") from error


def _checked(handler_id: str, events: Iterable[tuple[str, RecordedEvent]]) -> Recording:
    taken: list[RecordedEvent] = []
    for where, event in events:
        if taken and taken[-1].event.is_terminal:
            raise ValueError(f"{where}: {taken[-1].event.type} has ended the run before it")
        # A server may give a number to two events, but never goes back.
        if taken and event.sequence < taken[-1].sequence:
            raise ValueError(
                f"{where}: sequence {event.sequence} after sequence {taken[-1].sequence}"
            )
        taken.append(event)
    return Recording(handler_id, tuple(taken))
