"""What the tests of machines share: a clock, responses, runs."""

from __future__ import annotations

import json
from typing import Any, Final

import httpx
from llama_agents.client._core.actions import TimeSource

NOW: Final = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT
DATE: Final = "Tue, 14 Nov 2023 22:13:20 GMT"
LOST: Final = httpx.ReadError("reset")
REFUSED: Final = httpx.ConnectError("refused")


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def source(self) -> TimeSource:
        return TimeSource(clock=self, wall_clock=lambda: NOW, random=lambda: 0.5)


def response(status: int, body: object = b"", **headers: str) -> httpx.Response:
    """A response whose body is given as bytes or as what to write as JSON."""
    content = (
        body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    )
    return httpx.Response(
        status,
        content=content,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        request=httpx.Request("GET", "http://user:secret@host/x?token=secret"),
    )


def run(status: str, started_at: str = "2023-11-14T22:13:19+00:00") -> dict[str, Any]:
    """A run as the server reports it."""
    return {
        "handler_id": "h1",
        "workflow_name": "w",
        "status": status,
        "started_at": started_at,
        "error": "boom" if status == "failed" else None,
    }
