"""The deployment: PostgreSQL, two replicas of the server and HAProxy, each in a process."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import attrs

from ..support.ports import free_port
from ..support.server import is_healthy, wait_until
from .postgres import postgres
from .store import Store

ROOT: Final = Path(__file__).parents[2]
CONFIGURATION: Final = ROOT / "docs" / "guides" / "haproxy.cfg"
STARTUP_TIMEOUT: Final = 60.0  # s, for a process on a loaded machine


@attrs.define
class Replica:
    """A server process that can be killed and restarted at the same address.

    Attributes:
        name: Its ``executor_id``, the same after a restart.
        database: URL of the database that it shares with the other replica.
        log: The file for its output.
        port: The port on which it listens.
    """

    name: str
    database: str
    log: Path
    port: int = attrs.field(factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the process, without waiting until it serves."""
        module = "tests.replicas.replica"
        command = [sys.executable, "-m", module, str(self.port), self.database, self.name]
        self._process = _start(command, self.log)

    def is_ready(self) -> bool:
        """Return whether it serves; fail if it has exited."""
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        return is_healthy(self.url)

    def freeze(self) -> None:
        """Suspend the process; its connections stay open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume the process."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the process with SIGKILL if it is running."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@attrs.frozen
class Proxy:
    """A running HAProxy.

    Attributes:
        url: The base URL for clients.
        log: The file of its log.
    """

    url: str
    log: Path

    def connections(self) -> Counter[str]:
        """Return how many event streams have ended, by handler ID."""
        return Counter(re.findall(r'"GET /events/(\w+)', self.log.read_text()))

    def uses(self, replica: Replica) -> bool:
        """Return whether it sends requests to a replica."""
        log = self.log.read_text()
        server = f"Server replicas/{replica.name} is"
        return log.rfind(f"{server} UP") >= log.rfind(f"{server} DOWN")


@attrs.frozen
class Deployment:
    """Two replicas on one database."""

    replicas: tuple[Replica, Replica]
    store: Store
    folder: Path

    @contextmanager
    def proxy(self, **environment: str) -> Iterator[Proxy]:
        """Run HAProxy in front of the replicas."""
        port = free_port()
        proxy = Proxy(f"http://127.0.0.1:{port}", self.folder / f"haproxy-{port}.log")
        environment |= {"LISTEN": f"127.0.0.1:{port}"}
        for replica in self.replicas:
            environment[f"REPLICA_{replica.name.upper()}"] = f"127.0.0.1:{replica.port}"
        command = [haproxy_binary(), "-db", "-f", str(CONFIGURATION)]
        process = _start(command, proxy.log, **environment)
        try:
            wait_until(
                lambda: is_healthy(proxy.url) or process.poll() is not None, within=STARTUP_TIMEOUT
            )
            assert process.poll() is None, proxy.log.read_text()
            yield proxy
        finally:
            process.kill()
            process.wait()


@contextmanager
def deployment(folder: Path) -> Iterator[Deployment]:
    """Run the database and both replicas; stop all of them at the end."""
    haproxy_binary()
    with postgres() as database, Store(database) as store, ExitStack() as stack:
        a, b = (Replica(name, database, folder / f"replica-{name}.log") for name in "ab")
        for replica in (a, b):
            stack.callback(replica.kill)
            replica.start()
            # One after the other: the first one creates the tables.
            wait_until(replica.is_ready, within=STARTUP_TIMEOUT)
        yield Deployment((a, b), store, folder)


def haproxy_binary() -> str:
    """Return the path of HAProxy.

    Raises:
        FileNotFoundError: HAProxy is not installed.
    """
    path = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if path is None:
        raise FileNotFoundError("HAProxy is not installed: apt-get install haproxy")
    return path


def _start(command: list[str], log: Path, **environment: str) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
