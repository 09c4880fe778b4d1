"""Event classes built at run time from a workflow's JSON schemas.

`WorkflowClient.get_event_types` returns `EventTypes`; the source that `llama_agents.client.codegen`
writes derives its classes from `SparseModel`, `NestedModel` and `OpenModel`.
"""

from __future__ import annotations

from ._events.builder import EventTypes
from ._events.models import NestedModel, OpenModel, SparseModel

__all__ = ["EventTypes", "NestedModel", "OpenModel", "SparseModel"]
