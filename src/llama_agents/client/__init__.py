"""The Python client for LlamaIndex workflow servers, in an async and a sync variant."""

from __future__ import annotations

import logging
from importlib import import_module
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
    EventValidationError,
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

# A library is silent until its program configures logging; warnings would go to stderr otherwise.
logging.getLogger(__name__).addHandler(logging.NullHandler())

# The models need pydantic, which takes as long to import as the rest; a client imports it.
if TYPE_CHECKING:
    from .protocol import (
        CancelHandlerResponse,
        EventEnvelopeWithMetadata,
        HandlerData,
        HandlersListResponse,
        HealthResponse,
        SendEventResponse,
        WorkflowEventsListResponse,
        WorkflowGraphResponse,
        WorkflowSchemaResponse,
        WorkflowsListResponse,
    )
    from .typed import EventTypes
else:  # not for type checkers: it would hide misspelled names

    def __getattr__(name: str) -> Any:
        if name == "protocol":
            return import_module(".protocol", __name__)
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module = ".typed" if name == "EventTypes" else ".protocol"
        return getattr(import_module(module, __name__), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


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
