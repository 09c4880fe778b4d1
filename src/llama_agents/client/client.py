"""The import path of llama-agents-client 0.4.1 for the client classes."""

from __future__ import annotations

from ._async.client import WorkflowClient
from ._async.stream import EventStream
from ._sync.client import SyncWorkflowClient
from ._sync.stream import SyncEventStream

__all__ = ["EventStream", "SyncEventStream", "SyncWorkflowClient", "WorkflowClient"]
