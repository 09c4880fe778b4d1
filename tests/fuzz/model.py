"""What the fuzzed machines share: time, the ways a request fails, responses and delays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import attrs
import httpx
from llama_agents.client import WorkflowClientError
from llama_agents.client._core.actions import TimeSource
from llama_agents.client._core.policy import TRANSPORT_ERRORS

HANDLER_ID: Final = "the-run"
EPOCH: Final = 1_700_000_000.0
REQUEST: Final = httpx.Request("GET", "http://host/x")
HTTP_STATUS: Final = {"running": 202, "completed": 200, "failed": 500, "cancelled": 500}
RETRYABLE: Final = (429, 502, 503, 504)
MAX_RETRY_AFTER: Final = 300.0


def _raised(cls: type[Exception]) -> Iterator[type[Exception]]:
    """Yield the subclasses that are raised."""
    below = [kind for kind in cls.__subclasses__() if kind.__module__ == "httpx"]
    if not below:
        yield cls
    for kind in below:
        yield from _raised(kind)


CALLER_ERRORS: Final = [httpx.UnsupportedProtocol, httpx.LocalProtocolError]
FAILURES: Final = [
    kind for cls in TRANSPORT_ERRORS for kind in _raised(cls) if kind not in CALLER_ERRORS
]
# Where the transport is known to raise them only before it sends.
NOT_SENT: Final = [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError]
LOST: Final = [kind for kind in FAILURES if kind not in NOT_SENT]


class Clock:
    """Time that passes, and chance that changes, only when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.chance = 0.5
        self.time = TimeSource(lambda: self.now, lambda: EPOCH + self.now, lambda: self.chance)


@attrs.define
class Run:
    """A run as the server stores it, in seconds since the epoch."""

    run_id: str = "run 1"
    started: float = EPOCH
    status: str = "running"
    ended: float | None = None

    def response(self, **headers: str) -> httpx.Response:
        """Return the response to a poll."""
        started, ended = (
            None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
            for seconds in (self.started, self.ended)
        )
        body = {
            "handler_id": HANDLER_ID,
            "workflow_name": "w",
            "run_id": self.run_id,
            "status": self.status,
            "started_at": started,
            "completed_at": ended,
        }
        return response(HTTP_STATUS[self.status], body, **headers)


def response(status: int, body: object = None, **headers: str) -> httpx.Response:
    content = b"" if body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, content=content, headers=named, request=REQUEST)


def assert_delay(
    delay: float, failures: int, *, at_least: float = 0.0, at_most: float = MAX_RETRY_AFTER
) -> None:
    """Assert that a delay is the back-off after so many failures in a row."""
    backoff = 2.0 ** (failures - 2) if failures > 1 else 0.0
    low, high = (max(min(backoff * jitter, 30.0), at_least) for jitter in (0.75, 1.25))
    assert min(low, at_most) <= delay <= min(high, at_most)


def assert_names_run(error: Any) -> None:
    if isinstance(error, WorkflowClientError):
        assert error.handler_id == HANDLER_ID  # type: ignore[attr-defined]
        assert HANDLER_ID in str(error)
    else:
        assert any(HANDLER_ID in note for note in error.__notes__)
