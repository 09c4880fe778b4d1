"""The graph of a workflow; in its own module because the framework's model is slow to import."""

from __future__ import annotations

from pydantic import BaseModel
from workflows.representation import WorkflowGraph


class WorkflowGraphResponse(BaseModel):
    """The steps and events of a workflow as a directed graph."""

    graph: WorkflowGraph
