"""What clients of a test send requests through."""

from __future__ import annotations

from typing import Any, Final

import pytest
from llama_agents.client import WorkflowClient

TRANSPORTS: Final = ("httpx", "aiohttp")


def use_transport(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let async clients that are created with a base_url send through a transport."""
    create = WorkflowClient.__init__

    def init(self: WorkflowClient, **options: Any) -> None:
        if "base_url" in options:
            options.setdefault("transport", name)
        create(self, **options)

    monkeypatch.setattr(WorkflowClient, "__init__", init)
