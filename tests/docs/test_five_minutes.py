"""The programs of the first tour print what the page says, with the server that it shows."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from ..support.ports import free_port
from .pages import DOCS, blocks

PAGE: Final = DOCS / "start" / "five-minutes.md"
PORT: Final = "8080"
SERVER: Final = "server.py"
PROGRAMS: Final = [
    block.file for block in blocks(PAGE, "python") if block.file and block.file != SERVER
]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The programs of the page in one folder, beside the server that is running."""
    port = free_port()
    for block in blocks(PAGE, "python"):
        assert block.file is not None
        (tmp_path / block.file).write_text(block.text.replace(PORT, str(port)), encoding="utf-8")
    with subprocess.Popen([sys.executable, SERVER], cwd=tmp_path) as server:
        try:
            wait_for_server(port)
            yield tmp_path
        finally:
            server.kill()


def wait_for_server(port: int) -> None:
    ends_at = time.monotonic() + 60
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < ends_at
            time.sleep(0.05)


def shown_output(program: str) -> str:
    """The output that follows a program on the page; that of the one before, if none does."""
    found = blocks(PAGE, "python", "text")
    position = [block.file for block in found].index(program)
    return next(block.text for block in reversed(found[: position + 2]) if block.language == "text")


def test_programs_print_what_the_page_shows(folder: Path) -> None:
    for program in PROGRAMS:  # in this order: one continues what another has left
        done = subprocess.run(
            [sys.executable, "-W", "error", program],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == shown_output(program)
