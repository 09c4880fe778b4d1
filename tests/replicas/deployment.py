"""The deployment: PostgreSQL, two replicas of the server, HAProxy, each a process of its own."""

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
from typing import IO, Final

import attrs

from ..support.ports import free_port
from ..support.server import is_healthy, wait_until
from .postgres import postgres
from .store import Store

ROOT: Final = Path(__file__).parents[2]
CONFIGURATION: Final = ROOT / "docs" / "haproxy.cfg"
READY: Final = 60.0  # s, for a process to start on a loaded machine


@attrs.define
class Replica:
    """A server process that can be killed and started again at the same address.

    Attributes:
        name: The ``executor_id`` that it has in every one of its lives.
        database: The URL of the PostgreSQL it shares with the other one.
        log: The file for what it writes.
        port: Where it listens.
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
        """Start it; `is_ready` tells when it serves."""
        arguments = ("--port", str(self.port), "--database", self.database)
        command = [sys.executable, "-m", "tests.replicas.replica", *arguments]
        command += ["--executor-id", self.name]
        with self.log.open("ab") as log:
            self._process = _started(command, log)

    def is_ready(self) -> bool:
        """Whether it serves; fail when it has ended by itself."""
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        return is_healthy(self.url)

    def freeze(self) -> None:
        """Stop it where it stands, its connections open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it with SIGKILL, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)


@attrs.define
class Proxy:
    """A running HAProxy.

    Attributes:
        url: Where it listens.
        log: The file for its log.
    """

    url: str
    log: Path

    def connections(self) -> Counter[str]:
        """How many event streams were opened, by handler id, of those that have ended."""
        return Counter(re.findall(r'"GET /events/(\w+)', self.log.read_text()))

    def uses(self, replica: Replica) -> bool:
        """Whether it sends requests to a replica."""
        words = self.log.read_text()
        server = f"Server replicas/{replica.name} is"
        return words.rfind(f"{server} UP") >= words.rfind(f"{server} DOWN")


@attrs.define
class Deployment:
    """Two replicas on one database.

    Attributes:
        replicas: Both.
        store: What is in the database.
    """

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
        with proxy.log.open("wb") as log:
            process = _started(command, log, **environment)
        try:
            wait_until(lambda: is_healthy(proxy.url) or process.poll() is not None, within=READY)
            assert process.poll() is None, proxy.log.read_text()
            yield proxy
        finally:
            process.kill()
            process.wait()


@contextmanager
def deployment(folder: Path) -> Iterator[Deployment]:
    """Run the database and both replicas; end all of them at the end."""
    haproxy_binary()
    with postgres() as database, Store(database) as store, ExitStack() as stack:
        replicas = (
            Replica("a", database, folder / "replica-a.log"),
            Replica("b", database, folder / "replica-b.log"),
        )
        for replica in replicas:
            stack.callback(replica.kill)
            replica.start()
            # One after the other: the first one makes the tables.
            wait_until(replica.is_ready, within=READY)
        yield Deployment(replicas, store, folder)


def haproxy_binary() -> str:
    """Return the path of HAProxy.

    Raises:
        FileNotFoundError: It is not installed.
    """
    path = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if path is None:
        raise FileNotFoundError("HAProxy is not installed: apt-get install haproxy")
    return path


def _started(command: list[str], log: IO[bytes], **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
