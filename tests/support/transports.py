"""What clients of a test send requests through."""

from __future__ import annotations

from typing import Any, Final

import httpx
import httpx2
import pytest
from llama_agents.client import SyncWorkflowClient, WorkflowClient

TRANSPORTS: Final = ("httpx", "aiohttp", "httpx2")
SYNC_TRANSPORTS: Final = ("httpx", "httpx2")

_LIMITS: Final = httpx2.Limits(
    max_connections=None, max_keepalive_connections=20, keepalive_expiry=4.0
)  # as the client's own


def use_transport(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients that are created with a base_url send through a transport."""
    if name == "httpx2":
        _use_httpx2(WorkflowClient, httpx2.AsyncClient, monkeypatch)
        _use_httpx2(SyncWorkflowClient, httpx2.Client, monkeypatch)
        return
    create = WorkflowClient.__init__

    def init(self: WorkflowClient, **options: Any) -> None:
        if "base_url" in options:
            options.setdefault("transport", name)
        create(self, **options)

    monkeypatch.setattr(WorkflowClient, "__init__", init)


def _use_httpx2(cls: Any, inner_class: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients be passed a client of httpx2, which is closed with them."""
    create = cls.__init__

    def init(self: Any, **options: Any) -> None:
        if "base_url" in options and options.get("transport", "httpx") == "httpx":
            options.pop("transport", None)
            names = options.keys() & {"base_url", "headers", "auth", "timeout"}
            settings = {name: options.pop(name) for name in names}
            if (timeout := settings.pop("timeout", None)) is not None:
                settings["timeout"] = httpx2.Timeout(**httpx.Timeout(timeout).as_dict())
            options["httpx_client"] = inner_class(**settings, limits=_LIMITS)
        create(self, **options)

    monkeypatch.setattr(cls, "__init__", init)
    if hasattr(cls, "aclose"):
        aclose = cls.aclose

        async def aclose_both(self: Any) -> None:
            await aclose(self)
            if isinstance(self.httpx_client, httpx2.AsyncClient):
                await self.httpx_client.aclose()

        monkeypatch.setattr(cls, "aclose", aclose_both)
    else:
        close = cls.close

        def close_both(self: Any) -> None:
            close(self)
            if isinstance(self.httpx_client, httpx2.Client):
                self.httpx_client.close()

        monkeypatch.setattr(cls, "close", close_both)
