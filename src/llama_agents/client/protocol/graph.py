"""The graph of a workflow; in its own module because the framework's model is slow to import."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, field_validator
from workflows.representation import WorkflowGraph

from .serializable_events import EventEnvelopeWithMetadata


class WorkflowGraphResponse(BaseModel):
    """The steps and events of a workflow as a directed graph.

    In pictures, steps are boxes and events label the arrows between them. A notebook shows a graph
    as a picture.

    Attributes:
        graph: The nodes and edges.
    """

    graph: WorkflowGraph

    @field_validator("graph", mode="before")
    @classmethod
    def _accept_no_name(cls, graph: Any) -> Any:
        # Servers inside llama-index-workflows before 2.12 send none.
        return {"name": "", **graph} if isinstance(graph, dict) else graph

    def to_mermaid(
        self, *, events: bool = False, run: Iterable[EventEnvelopeWithMetadata] | None = None
    ) -> str:
        """Return the graph as source for Mermaid, which Markdown on GitHub, for example, draws.

        Args:
            events: Whether each event is a box of its own, with its fields. Defaults to False:
                events are labels of arrows.
            run: The events of a run so far, as ``get_workflow_events`` yields them with
                ``include_internal_events=True``. Boxes then say what each step did: done, running,
                failed, stopped (it was running when the run ended), ended (but never with an
                event), or not reached; and how often it was started, retries included. A person
                may be waited for. Arrows that an event is known to have taken are thick. Without
                internal events, only the step that failed, or those that a timeout stopped, are
                known.

        Returns:
            A flowchart, for a block with the info string ``mermaid``.

        Raises:
            ValueError: The graph has more than 500 boxes or 500 arrows.
        """
        from .. import _graphs

        return _graphs.to_mermaid(self.graph, events, run)

    def to_svg(
        self, *, events: bool = False, run: Iterable[EventEnvelopeWithMetadata] | None = None
    ) -> str:
        """Return the graph as an SVG document without scripts, styles or references.

        Args:
            events: As for `to_mermaid`.
            run: As for `to_mermaid`.

        Returns:
            The document, to write to a file in UTF-8 or to place in an HTML page.

        Raises:
            ValueError: The graph is too large to be drawn: it has more than 500 boxes or 500
                arrows, or too many arrows are too long.
        """
        from .. import _graphs

        return _graphs.to_svg(self.graph, events, run)

    def to_text(self) -> str:
        """Return a table of the steps with the events that each takes and gives, start first."""
        from .. import _graphs

        return _graphs.to_text(self.graph)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Return what a notebook shows: a picture, or the table if it is too large for one."""
        bundle = {"text/plain": self.to_text()}
        try:
            return {
                "image/svg+xml": self.to_svg(),
                "text/vnd.mermaid": self.to_mermaid(),
                **bundle,
            }
        except ValueError:
            return bundle
