"""The rules of a handle on a run: what a checkpoint holds, and what a typed result must be.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypedDict, TypeVar

from ._lazy_types import Event, StopEvent
from .errors import CheckpointError, EventValidationError
from .protocol import HandlerData
from .protocol.serializable_events import EventEnvelopeWithMetadata

EventT = TypeVar("EventT", bound=Event)
StopT = TypeVar("StopT", bound=StopEvent)


class Checkpoint(TypedDict):
    """A position in a run, to be kept as JSON.

    Attributes:
        handler_id: The handler.
        run_id: The server's id of the run; a handler that is used again gets another one.
        sequence: The sequence number of the last event that was taken; -1 before the first.
    """

    handler_id: str
    run_id: str
    sequence: int


def take_checkpoint(
    handler_id: str, run_id: str | None, sequence: int | Literal["now"]
) -> Checkpoint:
    """Make a checkpoint.

    Raises:
        CheckpointError: The position or the run is not known.
    """
    if sequence == "now":
        raise CheckpointError(
            f"no position in handler {handler_id!r} yet: its stream began at 'now', and no event "
            "has come"
        )
    if run_id is None:
        raise CheckpointError(f"the server has no id for the run of handler {handler_id!r}")
    return {"handler_id": handler_id, "run_id": run_id, "sequence": sequence}


def read_checkpoint(checkpoint: Mapping[str, Any]) -> Checkpoint:
    """Check what was kept.

    Raises:
        CheckpointError: It is no checkpoint.
    """
    match checkpoint:
        case {"handler_id": str(handler_id), "run_id": str(run_id), "sequence": int(sequence)}:
            if handler_id and run_id and sequence >= -1 and not isinstance(sequence, bool):
                return {"handler_id": handler_id, "run_id": run_id, "sequence": sequence}
    raise CheckpointError(f"not a checkpoint: {checkpoint!r}")


def refuse_another_run(checkpoint: Checkpoint, handler: HandlerData) -> None:
    """Make sure that a handler is still that of the checkpoint's run.

    Raises:
        CheckpointError: It has been used for another run.
    """
    if handler.run_id != checkpoint["run_id"]:
        raise CheckpointError(
            f"handler {handler.handler_id!r} has since been used for another run "
            f"({handler.run_id}, begun {handler.started_at}; the checkpoint is of "
            f"{checkpoint['run_id']})"
        )


def result_of(handler: HandlerData, event_class: type[StopT] | None) -> Any:
    """Return the result of a completed run: its stop event of a class, or as it came.

    Raises:
        EventValidationError: The run ended with an event of another class, or with fields that do
            not fit.
        TypeError: It is no class of stop events.
    """
    result = handler.result
    if event_class is None:
        return result
    from workflows import events

    if not (isinstance(event_class, type) and issubclass(event_class, events.StopEvent)):
        raise TypeError(f"a result is a StopEvent class, not {event_class!r}")
    if result is None:
        raise EventValidationError(f"Handler {handler.handler_id!r} has no result")
    names = {result.type, *(result.types or ()), events.StopEvent.__name__}
    if event_class.__name__ not in names:
        raise EventValidationError(
            f"Handler {handler.handler_id!r} ended with {result.type}, which is no "
            f"{event_class.__name__}"
        )
    return as_class(result.envelope, event_class)


def as_class(envelope: EventEnvelopeWithMetadata, event_class: type[EventT]) -> EventT:
    """Make an event of the class that was asked for, also where the server's is a subclass of it.

    Raises:
        EventValidationError: Its fields do not fit.
    """
    update = {"type": event_class.__name__, "qualified_name": None}
    event = envelope.model_copy(update=update).load_event([event_class])
    assert isinstance(event, event_class)
    return event
