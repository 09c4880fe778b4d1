"""Command line and output of the scripts, and the servers that they measure against."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]


def arguments(description: str | None, **sizes: int) -> argparse.Namespace:
    """Parse the command line.

    Args:
        description: What the script measures.
        **sizes: The script's own options, with their defaults.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--replay", help="URL of `python -m benchmarks.replay`")
    parser.add_argument("--server", help="URL of `python -m benchmarks.server`")
    for name, default in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


def report(**figures: Sequence[float]) -> None:
    """Print the results: for each name, the value of every repetition."""
    print(json.dumps(figures))


@contextmanager
def running(module: str, *arguments: str) -> Iterator[str]:
    """Run a server of this package in its own process and yield its URL."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        try:
            yield url
        finally:
            process.stdin.close()


def resident() -> int:
    """Return the resident memory of this process in bytes."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
