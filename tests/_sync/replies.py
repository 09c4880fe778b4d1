# Generated from tests/_async/replies.py by `python -m generator`: do not edit.
"""A client whose requests a function answers, without a server."""

from __future__ import annotations

from typing import Any

import httpx
from llama_agents.client import SyncWorkflowClient


def replies(handler: Any) -> SyncWorkflowClient:
    """A client whose requests are answered by a function."""
    transport = httpx.MockTransport(handler)
    return SyncWorkflowClient(
        httpx_client=httpx.Client(transport=transport, base_url="http://test")
    )


def reported(run_id: str, status: str) -> dict[str, Any]:
    """A run as a server reports it."""
    return {
        "handler_id": "h1",
        "workflow_name": "w",
        "run_id": run_id,
        "status": status,
        "started_at": "2026-01-01T00:00:00+00:00",
    }
