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

WAYS: Final = "client aiohttp bare_httpx bare_aiohttp"
BATCHES: Final = "semaphore threads batch batch_sync"
SCRIPTS: Final = {
    "live --streams 3 --events 4": WAYS,
    "live --streams 3 --events 200 --rate 0 --repeat 2": WAYS,
    "live --streams 1 --events 300 --rate 0": f"{WAYS} sync",
    "calls --calls 2": f"{WAYS} sync bare_httpx_sync",
    "calls --calls 20 --at_once 10": WAYS,
    "decoders --events 300 --repeat 1": "ours",
    "batch --runs 3 --longer 3": " ".join(
        f"{way}_{what}"
        for way in BATCHES.split()
        for what in ("seconds", "processor", "longer_processor")
    ),
    "relay --streams 20 --events 20 --rate 0": "httpx_seconds httpx_bytes aiohttp_seconds "
    "aiohttp_bytes",
    "import_time --repeat 1": "client created libraries",
    "load_event --repeat 1 --loads 2": "load load_registered validate",
    "streams --streams 100": "seconds bytes",
    "streams --streams 100 --aiohttp 1": "seconds bytes",
    "wait --repeat 1": "late",
    "runs --runs 3": "blocked seconds",
    "memory --events 1000": "highest over_time",
    "listing --handlers 10 --repeat 1": "seconds collector_off",
}
MAY_BE_ZERO: Final = ("memory", "relay")  # memory may not grow, and little time may be no tick


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
    assert all(max(values) > 0 or module in MAY_BE_ZERO for values in found.values()), found
