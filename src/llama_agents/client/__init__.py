"""The Python client for LlamaIndex workflow servers, in an async and a sync variant."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ._core.batch_results import MapProgress, MapResult
from ._core.checkpoint import Checkpoint
from .client import (
    Batch,
    EventStream,
    SyncBatch,
    SyncEventStream,
    SyncWorkflowClient,
    SyncWorkflowRun,
    WorkflowClient,
    WorkflowRun,
)
from .errors import (
    CheckpointError,
    ConflictError,
    Cursor,
    InvalidResponseError,
    MissedEventsWarning,
    NotFoundError,
    ResponseTooLargeError,
    ServerError,
    StatusError,
    StreamDisconnectedError,
    StreamNotFoundError,
    StreamTimeoutError,
    UnansweredRequestError,
    UnreadableResultError,
    UnsupportedServerError,
    WaitTimeoutError,
    WorkflowClientError,
    WorkflowFailedError,
)
from .protocol import (
    CancelHandlerResponse,
    HandlerData,
    HandlersListResponse,
    HealthResponse,
    SendEventResponse,
    WorkflowEventsListResponse,
    WorkflowSchemaResponse,
    WorkflowsListResponse,
)
from .protocol.serializable_events import EventEnvelopeWithMetadata, EventValidationError

# A library is silent until its program configures logging; warnings would go to stderr otherwise.
logging.getLogger(__name__).addHandler(logging.NullHandler())

if TYPE_CHECKING:
    from .protocol import WorkflowGraphResponse
    from .typed import EventTypes
else:  # not for type checkers: it would hide misspelled names

    def __getattr__(name: str) -> Any:
        if name == "WorkflowGraphResponse":
            from .protocol import WorkflowGraphResponse

            return WorkflowGraphResponse
        if name == "EventTypes":
            from .typed import EventTypes

            return EventTypes
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "Batch",
    "CancelHandlerResponse",
    "Checkpoint",
    "CheckpointError",
    "ConflictError",
    "Cursor",
    "EventEnvelopeWithMetadata",
    "EventStream",
    "EventTypes",
    "EventValidationError",
    "HandlerData",
    "HandlersListResponse",
    "HealthResponse",
    "InvalidResponseError",
    "MapProgress",
    "MapResult",
    "MissedEventsWarning",
    "NotFoundError",
    "ResponseTooLargeError",
    "SendEventResponse",
    "ServerError",
    "StatusError",
    "StreamDisconnectedError",
    "StreamNotFoundError",
    "StreamTimeoutError",
    "SyncBatch",
    "SyncEventStream",
    "SyncWorkflowClient",
    "SyncWorkflowRun",
    "UnansweredRequestError",
    "UnreadableResultError",
    "UnsupportedServerError",
    "WaitTimeoutError",
    "WorkflowClient",
    "WorkflowClientError",
    "WorkflowEventsListResponse",
    "WorkflowFailedError",
    "WorkflowGraphResponse",
    "WorkflowRun",
    "WorkflowSchemaResponse",
    "WorkflowsListResponse",
]
