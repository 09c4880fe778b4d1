"""A private PostgreSQL server in a temporary folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ..support.ports import free_port

DEBIAN_BINARIES: Final = Path("/usr/lib/postgresql")  # one folder per major version
SUPERUSER: Final = "postgres"
STARTUP_TIMEOUT: Final = 60  # s


def binaries() -> Path:
    """Return the folder of the server's programs, of the newest version installed.

    Raises:
        FileNotFoundError: PostgreSQL is not installed.
    """
    versions = [path for path in DEBIAN_BINARIES.glob("*/bin") if (path / "initdb").exists()]
    if versions:
        return max(versions, key=lambda path: float(path.parent.name))
    if found := shutil.which("initdb"):
        return Path(found).parent
    raise FileNotFoundError(
        "The PostgreSQL server (initdb, pg_ctl) is not installed: apt-get install postgresql"
    )


@contextmanager
def postgres() -> Iterator[str]:
    """Run PostgreSQL on loopback and yield its URL; stop and delete it at the end."""
    programs = binaries()
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    data, log, port = folder / "data", folder / "log", free_port()
    options = (
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} "
        "-c max_connections=200 -c fsync=off"
    )
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, SUPERUSER, SUPERUSER)
        _run(folder, programs / "initdb", "-D", data, "-U", SUPERUSER, "-A", "trust", "--no-sync")
        start = ("start", "-D", data, "-l", log, "-w", "-t", STARTUP_TIMEOUT, "-o", options)
        try:
            _run(folder, programs / "pg_ctl", *start)
            yield f"postgresql://{SUPERUSER}@127.0.0.1:{port}/postgres"
        finally:
            if (data / "postmaster.pid").exists():
                _run(folder, programs / "pg_ctl", "stop", "-D", data, "-m", "immediate", "-w")
    finally:
        shutil.rmtree(folder)


def _run(folder: Path, *command: object) -> None:
    # PostgreSQL's programs do not run as root.
    user = {"user": SUPERUSER, "group": SUPERUSER, "extra_groups": []} if os.geteuid() == 0 else {}
    finished = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=2 * STARTUP_TIMEOUT,
        **user,
    )
    if finished.returncode != 0:
        log = folder / "log"
        raise RuntimeError(finished.stdout + (log.read_text() if log.exists() else ""))
