"""Command line and output of the scripts, and the servers that they measure against."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
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


def report_all(ways: Mapping[str, Callable[[], float]], repeat: int) -> None:
    """Measure in every way, one after the other, several times, and print the results."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeat):
        for name, way in ways.items():
            found[name].append(way())
    report(**found)


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


def resident(process: int | str = "self") -> int:
    """Return the resident memory of a process, of this one by default, in bytes."""
    pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
