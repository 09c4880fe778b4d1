"""The result of a run as an instance of the class that the caller asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from .._lazy_types import Event, StopEvent
from ..errors import EventValidationError

if TYPE_CHECKING:
    from ..protocol import EventEnvelopeWithMetadata, HandlerData

EventT = TypeVar("EventT", bound=Event)
StopT = TypeVar("StopT", bound=StopEvent)


def result_of(handler: HandlerData, result_type: type[StopT] | None) -> Any:
    """Return the result of a completed run.

    Args:
        handler: The run.
        result_type: The class to load the stop event as. With None, it is returned as received.

    Raises:
        EventValidationError: The run has no result, or its stop event is not an instance of
            ``result_type`` or has fields that do not fit.
        TypeError: ``result_type`` is not a subclass of ``StopEvent``.
    """
    result = handler.result
    if result_type is None:
        return result
    from workflows import events

    if not (isinstance(result_type, type) and issubclass(result_type, events.StopEvent)):
        raise TypeError(f"result_type must be a StopEvent class, not {result_type!r}")
    if result is None:
        raise EventValidationError(f"Handler {handler.handler_id!r} has no result")
    names = {result.type, *(result.types or ()), events.StopEvent.__name__}
    if result_type.__name__ not in names:
        raise EventValidationError(
            f"Handler {handler.handler_id!r} completed with {result.type}, "
            f"not {result_type.__name__}: ask for that class, or for none"
        )
    return as_class(result.envelope, result_type)


def as_class(envelope: EventEnvelopeWithMetadata, event_class: type[EventT]) -> EventT:
    """Load an event as the given class, even where the server's class is a subclass of it.

    Raises:
        EventValidationError: The fields do not fit.
    """
    update = {"type": event_class.__name__, "qualified_name": None}
    event = envelope.model_copy(update=update).load_event([event_class])
    assert isinstance(event, event_class)
    return event
