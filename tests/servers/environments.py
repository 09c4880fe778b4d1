"""The servers to exercise the client against, each in an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs

from ..support.ports import listener
from ..support.server import is_healthy, wait_until

_SERVER: Final = "llama-agents-server"
PROGRAM: Final = Path(__file__).with_name("old_server.py")


@attrs.frozen
class Server:
    """A release of the server.

    Attributes:
        name: What it is called on the page.
        requirement: What is installed.
        until: The day after its release; nothing newer is installed with it. None for today's.
    """

    name: str
    requirement: str
    until: str | None = None


SERVERS: Final = (
    Server("workflows 2.8.3", "llama-index-workflows[server]==2.8.3", "2025-10-19"),
    Server("workflows 2.12.2", "llama-index-workflows[server]==2.12.2", "2026-01-17"),
    Server("0.1.3", "llama-agents-server==0.1.3", "2026-02-15"),
    Server("0.2.3", "llama-agents-server==0.2.3", "2026-03-14"),
    Server("0.4.7", "llama-agents-server==0.4.7", "2026-04-26"),
    Server("0.6.4", "llama-agents-server==0.6.4", "2026-07-08"),
    Server("0.7.1", "llama-agents-server==0.7.1", "2026-08-24"),
    Server("0.8.0", "llama-agents-server==0.8.0", "2026-09-18"),
    Server("newest", "llama-agents-server"),
)


TOGETHER: Final = {
    "llama-index-workflows==2.24.0": "workflows",
    "llama-agents-dbos": "llama_agents.dbos",
    "llama-agents-agentcore": "llama_agents.agentcore",
    "llama-deploy-appserver": "llama_deploy.appserver",
}
"""What is installed in one environment with the client and a server, and what is imported then."""


def install_together(requirement: str, folder: Path) -> str:
    """Install this project with a server and another package, and import all; return versions."""
    python = _new(folder)
    _run(_uv(), "pip", "install", "--quiet", "--python", str(python), ".", _SERVER, requirement)
    listed = _run(_uv(), "pip", "freeze", "--quiet", "--python", str(python))
    modules = f"llama_agents.client, llama_agents.server, {TOGETHER[requirement]}"
    _run(str(python), "-I", "-c", f"import {modules}")
    names = (requirement.partition("==")[0], _SERVER, "llama-index-workflows")
    lines = [
        line for line in listed.splitlines() if line.startswith(tuple(f"{n}==" for n in names))
    ]
    return ", ".join(line.replace("==", " ") for line in lines)


def install(server: Server, folder: Path) -> Path:
    """Install a server with the versions of its day; return its Python."""
    python = _python(folder)
    if not python.exists():
        _new(folder)
        newest = ["--exclude-newer", server.until] if server.until else []
        command = ("pip", "install", "--quiet", "--python", str(python), *newest)
        _run(_uv(), *command, server.requirement)
    return python


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _new(folder: Path) -> Path:
    _run(_uv(), "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
    return _python(folder)


def _uv() -> str:
    uv = shutil.which("uv")
    if uv is None:
        raise RuntimeError("uv is needed: only it installs the versions of a day in the past")
    return uv


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} failed: {done.stderr.strip()}")
    return done.stdout


@contextmanager
def running(python: Path, log: Path) -> Iterator[str]:
    """Run a server; yield its URL."""
    with listener() as reserved:
        port = reserved.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(python), str(PROGRAM), str(port)], stdout=output, stderr=output, env=environment
        )
        try:
            wait_until(lambda: is_healthy(url) or process.poll() is not None, within=60)
            if process.poll() is not None:
                raise RuntimeError(f"the server ended at once; see {log}")
            yield url
        finally:
            process.kill()
            process.wait()
