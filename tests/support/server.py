"""The real server with the sample workflows, and helpers that wait for a condition."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio
import httpx
from llama_agents.client._core.server import ServerTraits

if TYPE_CHECKING:
    from llama_agents.server import WorkflowServer


def wait_until(condition: Callable[[], object], *, within: float = 10.0) -> None:
    """Block until the condition is true; fail after ``within`` seconds."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"condition not met within {within} s: {condition}")
        time.sleep(0.005)


async def wait_until_async(condition: Callable[[], object], *, within: float = 10.0) -> None:
    """Wait until the condition is true without blocking the event loop; fail after ``within`` s."""
    with anyio.fail_after(within):
        while not condition():
            await anyio.sleep(0.005)


def newest_server() -> ServerTraits:
    """Return what a client knows once it has found out all about the newest server."""
    return ServerTraits(has_cursors=True, refuses_used_ids=True)


def is_healthy(url: str) -> bool:
    """Return whether a healthy server responds at the URL."""
    try:
        return httpx.get(f"{url}/health").status_code == 200
    except httpx.TransportError:
        return False


def sample_server(**options: Any) -> WorkflowServer:
    """Return a server that offers the sample workflows."""
    from llama_agents.server import WorkflowServer

    from .workflows import RequestEvent, ResponseEvent, Tick, sample_workflows

    server = WorkflowServer(**options)
    # The step of "dialog" waits for events in its body, where the server cannot see them, and no
    # step of "human" takes a Tick.
    additional = {"dialog": [RequestEvent, ResponseEvent], "human": [Tick]}
    for name, workflow in sample_workflows().items():
        server.add_workflow(name, workflow, additional_events=additional.get(name))
    return server
