"""Pictures of workflows: Mermaid, SVG with its own layout, and a table for terminals.

Nothing here does I/O. A graph is read into a `Flow`, which becomes a `Picture`; what a run did is
read from its events. Names come from a server: they are bounded, and shown as text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from .flow import read_flow
from .picture import Picture, draw

if TYPE_CHECKING:
    from workflows.representation import WorkflowGraph

    from ..protocol import EventEnvelopeWithMetadata

__all__ = ["own_description", "to_mermaid", "to_svg", "to_text"]

# What the server says of a workflow class without a docstring: that of the framework's base class.
_INHERITED: Final = "Event-driven orchestrator to define and run application flows"


def own_description(graph: WorkflowGraph) -> str | None:
    """Return the docstring of the workflow's class, if it has one of its own."""
    description = graph.description
    return None if (description or "").startswith(_INHERITED) else description


def to_mermaid(
    graph: WorkflowGraph, events: bool, run: Iterable[EventEnvelopeWithMetadata] | None
) -> str:
    """Return the graph as Mermaid source."""
    from .mermaid import write_mermaid

    return write_mermaid(_picture(graph, events, run))


def to_svg(
    graph: WorkflowGraph, events: bool, run: Iterable[EventEnvelopeWithMetadata] | None
) -> str:
    """Return the graph as an SVG document."""
    from .svg import write_svg

    return write_svg(_picture(graph, events, run))


def to_text(graph: WorkflowGraph) -> str:
    """Return the graph as a table of its steps."""
    from .table import write_table

    return write_table(read_flow(graph))


def _picture(
    graph: WorkflowGraph, events: bool, run: Iterable[EventEnvelopeWithMetadata] | None
) -> Picture:
    from .progress import read_progress

    flow = read_flow(graph)
    picture = draw(flow, events=events)  # which is small, so nothing of a run is read in vain
    return picture if run is None else draw(flow, events=events, progress=read_progress(flow, run))
