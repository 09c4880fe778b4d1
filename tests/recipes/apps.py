"""What the recipes of web applications run against: the server of the examples, and uvicorn."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any, Final

import uvicorn
from llama_agents.client.testing import serve

from ..support.server import wait_until

EXAMPLES: Final = Path(__file__).parents[2] / "examples"


@contextmanager
def serve_examples() -> Iterator[str]:
    """Run the server that the pages name, and yield its URL."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        with serve(load(EXAMPLES / "server.py").create_server()) as url:
            yield url
    finally:
        sys.path.remove(str(EXAMPLES))


@contextmanager
def serve_app(app: Any) -> Iterator[str]:
    """Run an ASGI application in a thread, and yield its URL; its responses are cut at the end."""
    config = uvicorn.Config(app, port=0, log_level="critical", timeout_graceful_shutdown=0)
    server = uvicorn.Server(config)
    thread = Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), within=30)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def load(file: Path) -> ModuleType:
    """Import a program anew."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
