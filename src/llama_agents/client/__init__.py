"""The Python client for LlamaIndex workflow servers, in an async and a sync variant.

Each name is imported from its module when it is first asked for: importing the client takes several
times as long as starting Python, and the help of the command line needs none of it.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # as type checkers know it: importing typing would double the time
if TYPE_CHECKING:
    from typing import Any, Final

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
    _SUBMODULES: Final = ("client", "errors", "protocol")  # `import llama_agents.client` suffices
    _MODULES: Final = {
        "Checkpoint": "_core.checkpoint",
        "EventEnvelopeWithMetadata": "protocol",
        "EventTypes": "typed",
        "HandlerData": "protocol",
        "MapProgress": "_core.batch_results",
        "MapResult": "_core.batch_results",
    }

    def __getattr__(name: str) -> Any:
        if name in _SUBMODULES:
            return import_module(f".{name}", __name__)
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f".{_module_of(name)}", __name__), name)
        return value

    def _module_of(name: str) -> str:
        if name.endswith("Response"):
            return "protocol"
        if name.endswith(("Error", "Warning")) or name == "Cursor":
            return "errors"
        return _MODULES.get(name, "client")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__, *_SUBMODULES})


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
