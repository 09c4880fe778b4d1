# Generated from tests/_async/replies.py by `python -m generator`: do not edit.
"""A client without a server: a function returns the responses."""

from __future__ import annotations

from typing import Any

import httpx
from llama_agents.client import SyncWorkflowClient


def replies(handler: Any) -> SyncWorkflowClient:
    """Return a client whose responses come from a function."""
    transport = httpx.MockTransport(handler)
    return SyncWorkflowClient(
        httpx_client=httpx.Client(transport=transport, base_url="http://test")
    )


def reported(run_id: str, status: str) -> dict[str, Any]:
    """Return a run as the server reports it."""
    return {
        "handler_id": "h1",
        "workflow_name": "w",
        "run_id": run_id,
        "status": status,
        "started_at": "2026-01-01T00:00:00+00:00",
    }
