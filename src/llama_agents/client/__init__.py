"""Python client for LlamaIndex workflow servers, asynchronous and synchronous."""

from __future__ import annotations

from .client import EventStream, SyncEventStream, SyncWorkflowClient, WorkflowClient
from .errors import (
    ConflictError,
    InvalidResponseError,
    MissedEventsWarning,
    NotFoundError,
    ServerError,
    StatusError,
    StreamDisconnectedError,
    StreamNotFoundError,
    StreamTimeoutError,
    UnreadableResultError,
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
    WorkflowGraphResponse,
    WorkflowSchemaResponse,
    WorkflowsListResponse,
)
from .protocol.serializable_events import EventEnvelopeWithMetadata, EventValidationError

__all__ = [
    "CancelHandlerResponse",
    "ConflictError",
    "EventEnvelopeWithMetadata",
    "EventStream",
    "EventValidationError",
    "HandlerData",
    "HandlersListResponse",
    "HealthResponse",
    "InvalidResponseError",
    "MissedEventsWarning",
    "NotFoundError",
    "SendEventResponse",
    "ServerError",
    "StatusError",
    "StreamDisconnectedError",
    "StreamNotFoundError",
    "StreamTimeoutError",
    "SyncEventStream",
    "SyncWorkflowClient",
    "UnreadableResultError",
    "WaitTimeoutError",
    "WorkflowClient",
    "WorkflowClientError",
    "WorkflowEventsListResponse",
    "WorkflowFailedError",
    "WorkflowGraphResponse",
    "WorkflowSchemaResponse",
    "WorkflowsListResponse",
]
