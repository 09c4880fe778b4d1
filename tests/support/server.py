"""The real server on a free loopback port, in a thread."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def running(server: WorkflowServer, **uvicorn_options: Any) -> Iterator[str]:
    """Serve; give the base URL; stop at the end."""
    import uvicorn  # here and below, as half of the tests do without

    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        server.app, log_level="critical", timeout_graceful_shutdown=2, ws="none", **uvicorn_options
    )
    uvicorn_server = uvicorn.Server(config)
    thread = threading.Thread(target=uvicorn_server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        wait_until(lambda: uvicorn_server.started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        uvicorn_server.should_exit = True
        thread.join()
        listener.close()


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
