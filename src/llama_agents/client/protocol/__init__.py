"""The models that client and server exchange.

The server builds its responses with them. Fields that a newer server adds are ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, GetPydanticSchema
from pydantic_core import core_schema

from .._statuses import Status, is_status_completed
from .result_envelope import ResultEnvelope
from .serializable_events import EventEnvelopeWithMetadata

if TYPE_CHECKING:
    from .graph import WorkflowGraphResponse

# An unknown value must not make the response, or the whole list it is in, unreadable.
_OrAnyString = GetPydanticSchema(
    lambda literal, handler: core_schema.union_schema(
        [handler(literal), core_schema.str_schema()], mode="left_to_right"
    )
)


class HandlerData(BaseModel):
    """A run of a workflow, as the server reports it; the server calls its record a handler.

    Attributes:
        handler_id: ID by which the run is addressed, chosen by the caller or generated.
        workflow_name: Name of the workflow.
        run_id: The server's internal ID. Reusing a handler ID starts a new run with another one.
        error: Why the run failed; None for any other status.
        result: The stop event of a completed run, as a dict of its fields that is also its
            envelope.
        result_unreadable: Whether the server could not decode the stored result (in lists only).
        status: Whether the run is running or how it ended.
        started_at: When it started, ISO 8601 with an offset.
        updated_at: When it last changed, ISO 8601 with an offset.
        completed_at: When it ended, ISO 8601 with an offset.
    """

    handler_id: str
    workflow_name: str
    run_id: str | None = None
    error: str | None = None
    result: ResultEnvelope | None = None
    result_unreadable: bool = False
    status: Annotated[Status, _OrAnyString]
    started_at: str
    updated_at: str | None = None
    completed_at: str | None = None

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from .._display.bundles import handler_bundle

        return handler_bundle(self)


class HandlersListResponse(BaseModel):
    """The runs that the server has in memory or in its store.

    Attributes:
        handlers: The runs.
    """

    handlers: list[HandlerData]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from .._display.bundles import handlers_bundle

        return handlers_bundle(self)


class HealthResponse(BaseModel):
    """The health status of the server.

    Attributes:
        status: ``"healthy"``, or ``"unhealthy"`` until the server is ready.
    """

    status: Annotated[Literal["healthy", "unhealthy"], _OrAnyString]


class WorkflowsListResponse(BaseModel):
    """The names of the workflows that the server offers.

    Attributes:
        workflows: The names.
    """

    workflows: list[str]


class SendEventResponse(BaseModel):
    """Confirmation that an event was accepted; a step may or may not handle it.

    Attributes:
        status: ``"sent"``.
    """

    status: Annotated[Literal["sent"], _OrAnyString]


class CancelHandlerResponse(BaseModel):
    """Confirmation that a run was cancelled or deleted.

    Attributes:
        status: ``"cancelled"``, or ``"deleted"`` if it was removed from the store.
    """

    status: Annotated[Literal["deleted", "cancelled"], _OrAnyString]


class WorkflowSchemaResponse(BaseModel):
    """The JSON schemas of a workflow's start and stop events.

    Attributes:
        start: The schema of the start event.
        stop: The schema of the stop event.
    """

    start: dict[str, Any]
    stop: dict[str, Any]


class WorkflowEventsListResponse(BaseModel):
    """The JSON schemas of all events of a workflow.

    Attributes:
        events: The schemas; the title of each is the name of the event's class.
    """

    events: list[dict[str, Any]]


if not TYPE_CHECKING:  # a module __getattr__ would hide misspelled names from a type checker

    def __getattr__(name: str) -> Any:
        if name == "WorkflowGraphResponse":
            from .graph import WorkflowGraphResponse

            return WorkflowGraphResponse
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "CancelHandlerResponse",
    "EventEnvelopeWithMetadata",
    "HandlerData",
    "HandlersListResponse",
    "HealthResponse",
    "ResultEnvelope",
    "SendEventResponse",
    "Status",
    "WorkflowEventsListResponse",
    "WorkflowGraphResponse",
    "WorkflowSchemaResponse",
    "WorkflowsListResponse",
    "is_status_completed",
]
