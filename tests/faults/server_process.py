"""The real server on a durable store, in a process that can be killed and restarted."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, Final

import attrs
import httpx

from ..support.any_client import describe
from ..support.ports import free_port
from ..support.server import is_healthy, sample_server, wait_until

ROOT: Final = Path(__file__).parents[2]
STARTUP_TIMEOUT: Final = 60.0  # s, on a loaded machine


@attrs.define
class ServerProcess:
    """A server that can be killed; it keeps its address across restarts.

    Attributes:
        url: The base URL.
        store: The file of its store.
        log: Receives what the server writes to stderr.
    """

    url: str
    store: Path
    log: IO[bytes] | None = None
    _process: subprocess.Popen[bytes] | None = None
    _restart: threading.Thread | None = None

    def start(self) -> None:
        """Start the server and wait until it is healthy."""
        port = httpx.URL(self.url).port
        command = [sys.executable, "-m", __name__, str(port), str(self.store)]
        self._process = subprocess.Popen(command, cwd=ROOT, stderr=self.log)
        wait_until(self._is_up, within=STARTUP_TIMEOUT)

    def ensure_running(self) -> None:
        """Start the server unless it is running."""
        if self._process is None:
            self.start()

    def kill(self) -> None:
        """Kill the server with SIGKILL, after any restart that is under way."""
        if self._restart is not None:
            self._restart.join()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self, *, in_background: bool = False) -> None:
        """Kill the server and start it again, optionally without waiting until it is healthy."""
        self.kill()
        if in_background:
            self._restart = threading.Thread(target=self.start)
            self._restart.start()
        else:
            self.start()

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the server has exited"
        return is_healthy(self.url)

    # What follows asks the server without the client: tests compare the client with it.

    def start_run(self, workflow: str, **start_event: Any) -> str:
        """Start a run and return its handler ID; start the server first if need be."""
        self.ensure_running()
        url = f"{self.url}/workflows/{workflow}/run-nowait"
        handler_id: str = httpx.post(url, json={"start_event": start_event}).json()["handler_id"]
        return handler_id

    def stored_events(self, handler_id: str) -> list[str]:
        """Return the events of a run that has ended, as `describe` writes them."""
        params = {"after_sequence": -1}
        return events_in(httpx.get(f"{self.url}/events/{handler_id}", params=params, timeout=60))

    def wait_for_event(self, handler_id: str) -> None:
        """Wait until a run has emitted an event."""
        url = f"{self.url}/events/{handler_id}?after_sequence=-1"
        with httpx.stream("GET", url, timeout=60) as response:
            assert any(line.startswith("data") for line in response.iter_lines())

    def runs(self) -> set[str]:
        """Return the handler IDs of all runs ever started."""
        handlers = httpx.get(f"{self.url}/handlers", timeout=60).json()["handlers"]
        return {handler["handler_id"] for handler in handlers}


def events_in(response: httpx.Response) -> list[str]:
    """Return the events of a complete event stream, as `describe` writes them."""
    response.raise_for_status()
    events = []
    for frame in response.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in frame.split("\n") if ": " in line)
        if "data" in fields:
            events.append(describe(int(fields["id"]), json.loads(fields["data"])["value"]))
    return events


@contextmanager
def server_process(
    folder: Path, *, start: bool = True, log: IO[bytes] | None = None
) -> Iterator[ServerProcess]:
    """Run a server whose store is in a folder, from now or from its first use."""
    url = f"http://127.0.0.1:{free_port()}"
    server = ServerProcess(url, folder / "store.sqlite", log)
    try:
        if start:
            server.start()
        yield server
    finally:
        server.kill()


@contextmanager
def restarting_during_run(server: ServerProcess) -> Iterator[None]:
    """Restart a server, beside the block, once its only run has emitted an event."""

    def restart() -> None:
        wait_until(server.runs)
        (handler_id,) = server.runs()
        # The store may know nothing of a run that is killed before its first event: it fails.
        server.wait_for_event(handler_id)
        server.restart()

    with ThreadPoolExecutor(1) as pool:
        restarted = pool.submit(restart)
        yield
        restarted.result()


def _serve(port: str, store: str) -> None:
    import uvicorn
    from llama_agents.server import SqliteWorkflowStore
    from llama_agents.server import server as server_module

    # Younger runs would not be resumed after a restart.
    server_module.RESUME_FRESH_HANDLER_GRACE = timedelta(0)
    # On Python 3.11, a poll of the store that this interval interrupts can leave the run's lock
    # acquired for good: asyncio.wait_for() around Condition.wait().
    durable = SqliteWorkflowStore(store, poll_interval=3600.0)
    server = sample_server(workflow_store=durable)
    uvicorn.run(server.app, host="127.0.0.1", port=int(port), log_level="critical", ws="none")


if __name__ == "__main__":
    _serve(*sys.argv[1:])
