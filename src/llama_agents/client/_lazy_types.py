"""Types to name in annotations without importing their modules.

Importing ``workflows`` takes longer than importing the whole client, and most programs need it only
once they send or load an event; ``errors`` cannot import the models that its exceptions carry,
because these import it. A type checker sees the real classes. At run time each name is a forward
reference that imports its class when it is evaluated: ``typing.get_type_hints`` resolves every
public signature, and nothing is imported before it is asked.

These names serve annotations and bounds of type variables only. Code that needs the class itself,
as for ``isinstance``, imports it where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ForwardRef

if TYPE_CHECKING:
    from llama_agents.server import WorkflowServer
    from workflows import Context, Workflow
    from workflows.context.serializers import JsonSerializer
    from workflows.events import Event, StartEvent, StopEvent
    from workflows.representation import WorkflowGraph

    from .protocol import HandlerData
    from .protocol.graph import WorkflowGraphResponse
    from .protocol.serializable_events import EventEnvelopeWithMetadata
    from .typed import EventTypes
else:

    def _lazy(module: str, name: str) -> ForwardRef:
        # Evaluated with the globals of any module: only builtins are certain to be there.
        return ForwardRef(f"__import__({module!r}, fromlist=[{name!r}]).{name}")

    Context = _lazy("workflows", "Context")
    Event = _lazy("workflows.events", "Event")
    EventEnvelopeWithMetadata = _lazy(
        "llama_agents.client.protocol.serializable_events", "EventEnvelopeWithMetadata"
    )
    EventTypes = _lazy("llama_agents.client.typed", "EventTypes")
    HandlerData = _lazy("llama_agents.client.protocol", "HandlerData")
    JsonSerializer = _lazy("workflows.context.serializers", "JsonSerializer")
    StartEvent = _lazy("workflows.events", "StartEvent")
    StopEvent = _lazy("workflows.events", "StopEvent")
    Workflow = _lazy("workflows", "Workflow")
    WorkflowGraph = _lazy("workflows.representation", "WorkflowGraph")
    WorkflowGraphResponse = _lazy("llama_agents.client.protocol.graph", "WorkflowGraphResponse")
    WorkflowServer = _lazy("llama_agents.server", "WorkflowServer")

__all__ = [
    "Context",
    "Event",
    "EventEnvelopeWithMetadata",
    "EventTypes",
    "HandlerData",
    "JsonSerializer",
    "StartEvent",
    "StopEvent",
    "Workflow",
    "WorkflowGraph",
    "WorkflowGraphResponse",
    "WorkflowServer",
]
