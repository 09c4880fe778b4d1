"""The real server with the sample workflows, and what waits for a server."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio
import httpx

if TYPE_CHECKING:
    from llama_agents.server import WorkflowServer


def wait_until(condition: Callable[[], object], *, within: float = 10.0) -> None:
    """Wait for a condition; fail when it does not come."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s: {condition}")
        time.sleep(0.005)


async def wait_until_async(condition: Callable[[], object], *, within: float = 10.0) -> None:
    """Wait for a condition while the event loop goes on; fail when it does not come."""
    with anyio.fail_after(within):
        while not condition():
            await anyio.sleep(0.005)


def is_healthy(url: str) -> bool:
    """Whether a server answers there, and says that it is ready."""
    try:
        return httpx.get(f"{url}/health").status_code == 200
    except httpx.TransportError:
        return False


def sample_server(**options: Any) -> WorkflowServer:
    """Make a server with the sample workflows."""
    from llama_agents.server import WorkflowServer

    from .workflows import RequestEvent, ResponseEvent, sample_workflows

    server = WorkflowServer(**options)
    for name, workflow in sample_workflows().items():
        # Those that a step waits for inside are not to be seen from outside.
        inner = [RequestEvent, ResponseEvent] if name == "dialog" else None
        server.add_workflow(name, workflow, additional_events=inner)
    return server
