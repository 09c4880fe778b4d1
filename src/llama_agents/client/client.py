"""The classes of both client variants, at the import path of llama-agents-client 0.4.1."""

from __future__ import annotations

from ._async.batch import Batch
from ._async.client import WorkflowClient
from ._async.run import WorkflowRun
from ._async.stream import EventStream
from ._sync.batch import SyncBatch
from ._sync.client import SyncWorkflowClient
from ._sync.run import SyncWorkflowRun
from ._sync.stream import SyncEventStream

__all__ = [
    "Batch",
    "EventStream",
    "SyncBatch",
    "SyncEventStream",
    "SyncWorkflowClient",
    "SyncWorkflowRun",
    "WorkflowClient",
    "WorkflowRun",
]
