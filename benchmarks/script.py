"""What each script begins and ends with, and the servers that it measures against."""

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
    """Read the command line.

    Args:
        description: What the script measures.
        **sizes: Its own options, and their defaults.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--replay", help="the URL of `python -m benchmarks.replay`")
    parser.add_argument("--server", help="the URL of `python -m benchmarks.server`")
    for name, default in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


def report(**figures: Sequence[float]) -> None:
    """Print what was measured: for each name, what each repetition gave."""
    print(json.dumps(figures))


@contextmanager
def running(module: str) -> Iterator[str]:
    """Run a server of this package in a process of its own; give its URL."""
    command = [sys.executable, "-m", f"benchmarks.{module}"]
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
    """Bytes of memory that this process has in use."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
