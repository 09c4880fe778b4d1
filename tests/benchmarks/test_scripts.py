"""Each benchmark script reports its figures for the installed client."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from benchmarks.script import running

ROOT: Final = Path(__file__).parents[2]

SCRIPTS: Final = {
    "import_time --repeat 1": "client created libraries",
    "call --batches 1 --calls 2": "client_async httpx_async client_sync httpx_sync",
    "decode --events 300 --repeat 1": "client_async client_sync read split parse",
    "decode --events 300 --repeat 1 --chunked 1": "client_async client_sync read split parse",
    "load_event --repeat 1 --loads 2": "load load_registered validate",
    "streams --streams 100": "seconds bytes",
    "wait --repeat 1": "late",
    "runs --runs 3": "blocked seconds",
    "batch --runs 3 --longer 3": "batch_async semaphore batch_sync threads batch_processor "
    "semaphore_processor",
    "memory --events 1000": "highest over_time",
    "listing --handlers 10 --repeat 1": "seconds collector_off",
}


@pytest.fixture(scope="module")
def urls() -> Iterator[list[str]]:
    """The options that point the scripts to their servers."""
    with running("replay") as replay, running("server") as server:
        yield ["--replay", replay, "--server", server]


@pytest.mark.parametrize(("script", "figures"), SCRIPTS.items())
def test_script_reports_its_figures(script: str, figures: str, urls: list[str]) -> None:
    module, *options = script.split()
    command = [sys.executable, "-m", f"benchmarks.{module}", *urls, *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.keys() == set(figures.split())
    # Memory may not grow at all.
    assert all(max(values) > 0 or module == "memory" for values in found.values()), found
