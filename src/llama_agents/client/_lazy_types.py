"""Types to name in annotations without importing their modules.

Importing ``workflows`` takes longer than importing the whole client, and most programs need it only
once they send or load an event. The models need pydantic, which takes half as long as the client,
and are imported with the first client. A type checker sees the real classes. At run time each name
is a forward reference that imports its class when it is evaluated: ``typing.get_type_hints``
resolves every public signature, and nothing is imported before it is asked.

These names serve annotations and bounds of type variables only. Code that needs the class itself,
as for ``isinstance``, imports it where it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, ForwardRef

if TYPE_CHECKING:
    from llama_agents.server import WorkflowServer
    from opentelemetry.trace import TracerProvider
    from workflows import Context, Workflow
    from workflows.context.serializers import JsonSerializer
    from workflows.events import Event, StartEvent, StopEvent
    from workflows.representation import WorkflowGraph

    from ._core.books import Books
    from .protocol import (
        CancelHandlerResponse,
        EventEnvelopeWithMetadata,
        HandlerData,
        HandlersListResponse,
        HealthResponse,
        ResultEnvelope,
        SendEventResponse,
        WorkflowEventsListResponse,
        WorkflowGraphResponse,
        WorkflowSchemaResponse,
        WorkflowsListResponse,
    )
    from .typed import EventTypes
else:

    def _lazy(module: str, name: str) -> ForwardRef:
        # Evaluated with the globals of any module: only builtins are certain to be there.
        return ForwardRef(f"__import__({module!r}, fromlist=[{name!r}]).{name}")

    def _of_extra(module: str, name: str) -> Any:
        """Return a class of an extra, or ``Any`` where that is not installed."""
        try:
            return getattr(import_module(module), name)
        except ImportError:
            return Any

    Books = _lazy("llama_agents.client._core.books", "Books")
    CancelHandlerResponse = _lazy("llama_agents.client.protocol", "CancelHandlerResponse")
    Context = _lazy("workflows", "Context")
    Event = _lazy("workflows.events", "Event")
    EventEnvelopeWithMetadata = _lazy("llama_agents.client.protocol", "EventEnvelopeWithMetadata")
    EventTypes = _lazy("llama_agents.client.typed", "EventTypes")
    HandlerData = _lazy("llama_agents.client.protocol", "HandlerData")
    HandlersListResponse = _lazy("llama_agents.client.protocol", "HandlersListResponse")
    HealthResponse = _lazy("llama_agents.client.protocol", "HealthResponse")
    JsonSerializer = _lazy("workflows.context.serializers", "JsonSerializer")
    ResultEnvelope = _lazy("llama_agents.client.protocol", "ResultEnvelope")
    SendEventResponse = _lazy("llama_agents.client.protocol", "SendEventResponse")
    StartEvent = _lazy("workflows.events", "StartEvent")
    StopEvent = _lazy("workflows.events", "StopEvent")
    TracerProvider = ForwardRef(
        f"__import__({__name__!r}, fromlist=['_of_extra'])"
        "._of_extra('opentelemetry.trace', 'TracerProvider')"
    )
    Workflow = _lazy("workflows", "Workflow")
    WorkflowEventsListResponse = _lazy("llama_agents.client.protocol", "WorkflowEventsListResponse")
    WorkflowGraph = _lazy("workflows.representation", "WorkflowGraph")
    WorkflowGraphResponse = _lazy("llama_agents.client.protocol", "WorkflowGraphResponse")
    WorkflowSchemaResponse = _lazy("llama_agents.client.protocol", "WorkflowSchemaResponse")
    WorkflowServer = _lazy("llama_agents.server", "WorkflowServer")
    WorkflowsListResponse = _lazy("llama_agents.client.protocol", "WorkflowsListResponse")

__all__ = [
    "Books",
    "CancelHandlerResponse",
    "Context",
    "Event",
    "EventEnvelopeWithMetadata",
    "EventTypes",
    "HandlerData",
    "HandlersListResponse",
    "HealthResponse",
    "JsonSerializer",
    "ResultEnvelope",
    "SendEventResponse",
    "StartEvent",
    "StopEvent",
    "TracerProvider",
    "Workflow",
    "WorkflowEventsListResponse",
    "WorkflowGraph",
    "WorkflowGraphResponse",
    "WorkflowSchemaResponse",
    "WorkflowServer",
    "WorkflowsListResponse",
]
