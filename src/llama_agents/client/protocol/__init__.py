"""The models that client and server exchange.

The server builds its answers with them; fields that a newer server adds are ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, GetPydanticSchema
from pydantic_core import core_schema

from .serializable_events import EventEnvelopeWithMetadata

if TYPE_CHECKING:
    from .graph import WorkflowGraphResponse

    # To a type checker a result is the envelope it always was, and a dict as well. At run time one
    # class cannot derive from both a pydantic model and dict.
    class ResultEnvelope(  # type: ignore[misc]  # the bases disagree on __iter__ and copy
        EventEnvelopeWithMetadata,
        dict[str, Any],  # pyright: ignore[reportIncompatibleMethodOverride, reportIncompatibleVariableOverride, reportGeneralTypeIssues]
    ):
        """A result, as a type checker sees it."""

        envelope: EventEnvelopeWithMetadata
else:
    from .serializable_events import ResultEnvelope

Status = Literal["running", "completed", "failed", "cancelled"]
"""The status of a run. A newer server may send another word: it is passed on as it is."""

_TERMINAL: Final = frozenset({"completed", "failed", "cancelled"})

# A word that this client does not know must not lose the answer, or the whole list, that it is in.
_Open = GetPydanticSchema(
    lambda literal, handler: core_schema.union_schema(
        [handler(literal), core_schema.str_schema()], mode="left_to_right"
    )
)


def is_status_completed(status: str) -> bool:
    """Whether a run with this status has ended."""
    return status in _TERMINAL


class HandlerData(BaseModel):
    """A run of a workflow, as the server reports it.

    Attributes:
        handler_id: The name of the run, chosen by the caller or by the server.
        workflow_name: The workflow that runs.
        run_id: The server's own id of this run; a handler id that is used again gets another.
        error: Why the run failed; None for one that was cancelled.
        result: The stop event of a completed run: a dict of its fields and its envelope in one.
        result_unreadable: Whether the server could not decode the stored result (in lists).
        status: Whether the run goes on or how it ended.
        started_at: When it began, ISO 8601 with an offset.
        updated_at: When it last changed, ISO 8601 with an offset.
        completed_at: When it ended, ISO 8601 with an offset.
    """

    handler_id: str
    workflow_name: str
    run_id: str | None = None
    error: str | None = None
    result: ResultEnvelope | None = None
    result_unreadable: bool = False
    status: Annotated[Status, _Open]
    started_at: str
    updated_at: str | None = None
    completed_at: str | None = None


class HandlersListResponse(BaseModel):
    """The runs that the server knows."""

    handlers: list[HandlerData]


class HealthResponse(BaseModel):
    """Whether the server is ready."""

    status: Annotated[Literal["healthy", "unhealthy"], _Open]


class WorkflowsListResponse(BaseModel):
    """The names of the workflows that the server offers."""

    workflows: list[str]


class SendEventResponse(BaseModel):
    """The event was accepted; whether a step handles it is not known yet."""

    status: Annotated[Literal["sent"], _Open]


class CancelHandlerResponse(BaseModel):
    """The run was cancelled, or removed from the store."""

    status: Annotated[Literal["deleted", "cancelled"], _Open]


class WorkflowSchemaResponse(BaseModel):
    """The JSON schemas of a workflow's start and stop events."""

    start: dict[str, Any]
    stop: dict[str, Any]


class WorkflowEventsListResponse(BaseModel):
    """The JSON schemas of all events of a workflow."""

    events: list[dict[str, Any]]


if not TYPE_CHECKING:  # it would hide misspelled names from a type checker

    def __getattr__(name: str) -> Any:
        if name == "WorkflowGraphResponse":
            from .graph import WorkflowGraphResponse

            return WorkflowGraphResponse
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "CancelHandlerResponse",
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
