"""The one model made of the framework's own, which is slow to import: so it stands apart."""

from __future__ import annotations

from pydantic import BaseModel
from workflows.representation import WorkflowGraph


class WorkflowGraphResponse(BaseModel):
    """The steps and events of a workflow as a directed graph."""

    graph: WorkflowGraph
