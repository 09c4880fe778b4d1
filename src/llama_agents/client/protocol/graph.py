"""The graph of a workflow; in its own module because the framework's model is slow to import."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, field_validator
from workflows.representation import WorkflowGraph


class WorkflowGraphResponse(BaseModel):
    """The steps and events of a workflow as a directed graph."""

    graph: WorkflowGraph

    @field_validator("graph", mode="before")
    @classmethod
    def _accept_no_name(cls, graph: Any) -> Any:
        # Servers inside llama-index-workflows before 2.12 send none.
        return {"name": "", **graph} if isinstance(graph, dict) else graph
