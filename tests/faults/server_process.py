"""The real server as a process of its own, on a durable store: to be killed, and started again."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

import attrs
import httpx

from ..support.ports import free_port
from ..support.server import is_healthy, sample_server, wait_until

ROOT: Final = Path(__file__).parents[2]
SHORT: Final = 80  # characters
READY: Final = 60.0  # s, for a process to start on a loaded machine


@attrs.define
class ServerProcess:
    """A server that can be killed.

    Attributes:
        url: Where it is, also after a restart.
        store: The file of its store.
    """

    url: str
    store: Path
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        port = httpx.URL(self.url).port
        command = [sys.executable, "-m", __name__, str(port), str(self.store)]
        self._process = subprocess.Popen(command, cwd=ROOT)
        wait_until(self._is_up, within=READY)

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def ensure(self) -> None:
        """Start it, unless it runs."""
        if self._process is None:
            self.start()

    def restart(self) -> None:
        """Kill it, and start it again."""
        self.kill()
        self.start()

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the server has ended by itself"
        return is_healthy(self.url)

    def stored(self, handler_id: str) -> list[str]:
        """The events of a run that has ended, as the server has them, each as `seen` writes it.

        Read without the client: it is what the client is held against.
        """
        answer = httpx.get(
            f"{self.url}/events/{handler_id}", params={"after_sequence": -1}, timeout=60
        )
        return events_in(answer)

    def wait_for_event(self, handler_id: str) -> None:
        """Wait until a run has produced an event."""
        url = f"{self.url}/events/{handler_id}?after_sequence=-1"
        with httpx.stream("GET", url, timeout=60) as answer:
            assert any(line.startswith("data") for line in answer.iter_lines())

    def runs(self) -> set[str]:
        """The ids of all runs that were ever started."""
        handlers = httpx.get(f"{self.url}/handlers", timeout=60).json()["handlers"]
        return {handler["handler_id"] for handler in handlers}


def events_in(answer: httpx.Response) -> list[str]:
    """Read an answer that is a whole event stream, each event as `seen` writes it."""
    answer.raise_for_status()
    events = []
    for frame in answer.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in frame.split("\n") if ": " in line)
        if "data" in fields:
            events.append(seen(int(fields["id"]), json.loads(fields["data"])["value"]))
    return events


def seen(sequence: object, value: dict[str, object]) -> str:
    """Write an event down: two of them are the same if and only if this is."""
    text = json.dumps(value, sort_keys=True)
    if len(text) > SHORT:
        text = f"{text[:8]}... {sha256(text.encode()).hexdigest()[:16]}"
    return f"{sequence} {text}"


@contextmanager
def server_process(folder: Path, *, at_once: bool = True) -> Iterator[ServerProcess]:
    """Run a server on a store in a folder, at once or when it is started; kill it at the end."""
    server = ServerProcess(f"http://127.0.0.1:{free_port()}", folder / "store.sqlite")
    try:
        if at_once:
            server.start()
        yield server
    finally:
        server.kill()


@contextmanager
def restarting(server: ServerProcess) -> Iterator[threading.Event]:
    """Start a server again, beside the block, once the event is set."""
    dead, left = threading.Event(), threading.Event()

    def work() -> None:
        dead.wait()
        if not left.is_set():
            server.restart()

    starter = threading.Thread(target=work)
    starter.start()
    try:
        yield dead
    finally:
        if not dead.is_set():
            left.set()
            dead.set()
        # Else the server would be started when nobody is left to end it.
        starter.join()


@contextmanager
def killing_once_it_runs(server: ServerProcess) -> Iterator[None]:
    """Kill a server once its only run has produced an event, and start it again."""

    def work() -> None:
        wait_until(server.runs)
        (handler_id,) = server.runs()
        # A run that is killed before its first event can have nothing in the store: it fails.
        server.wait_for_event(handler_id)
        server.restart()

    killer = threading.Thread(target=work)
    killer.start()
    try:
        yield
    finally:
        killer.join()


def _serve(port: str, store: str) -> None:
    import uvicorn
    from llama_agents.server import SqliteWorkflowStore
    from llama_agents.server import server as server_module

    # Runs that are younger than this would not go on after a restart.
    server_module.RESUME_FRESH_HANDLER_GRACE = timedelta(0)
    # On Python 3.11, a look into the store that is cut short by this interval can leave the run's
    # lock taken, for ever: asyncio.wait_for() around Condition.wait().
    durable = SqliteWorkflowStore(store, poll_interval=3600.0)
    server = sample_server(workflow_store=durable)
    uvicorn.run(server.app, host="127.0.0.1", port=int(port), log_level="critical", ws="none")


if __name__ == "__main__":
    _serve(*sys.argv[1:])
