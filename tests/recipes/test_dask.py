"""The recipe of Dask: workers die, and no item is started twice."""

from __future__ import annotations

import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil
import pytest

from examples.chaos_proxy import Fault, Request, chaos

from ..support.server import wait_until
from .engines import PATIENCE, serve_index, stopping

ITEMS = 32
FAILURE = "failed: Workflow 'index' failed (handler 'job-shard-00'): there is nothing to index"
RESULTS = [f"shard-{number:02} {number or FAILURE}" for number in range(ITEMS)]


@pytest.mark.timeout(4 * PATIENCE)
def test_item_is_started_once_when_workers_are_killed(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Workers that start fast, also on a busy machine, and are waited for there.
    monkeypatch.setenv("DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD", "forkserver")
    monkeypatch.setenv("DASK_DISTRIBUTED__DEPLOY__LOST_WORKER_TIMEOUT", f"{PATIENCE} s")
    command = [sys.executable, "batch.py", "job"]
    with serve_index(tmp_path) as engine:
        monkeypatch.setenv("WORKFLOWS_URL", engine.url)
        batch = subprocess.Popen(command, cwd=programs, stdout=subprocess.PIPE, text=True)
        with batch, stopping(batch.pid) as process:
            # A worker dies when it has started runs, and before it knows that.
            wait_until(lambda: engine.starts.total() == ITEMS, within=PATIENCE)
            first, second = workers(process)
            first.kill()
            engine.responds.set()
            wait_until(lambda: len(engine.waits) == ITEMS, within=PATIENCE)
            # The other one dies when it waits for all runs.
            second.kill()
            wait_until(lambda: engine.waits.total() == 2 * ITEMS, within=PATIENCE)
            engine.ends.set()
            output, _ = batch.communicate(timeout=PATIENCE)
    assert output.splitlines() == RESULTS
    assert engine.starts == Counter(range(ITEMS))


def workers(batch: psutil.Process) -> list[psutil.Process]:
    [server] = [child for child in batch.children() if "forkserver" in " ".join(child.cmdline())]
    return server.children()


def test_item_is_started_once_when_responses_to_starts_are_lost(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve_index(tmp_path) as engine, chaos(engine.url, losing_starts) as proxy:
        monkeypatch.setenv("WORKFLOWS_URL", proxy.url)
        engine.responds.set()
        engine.ends.set()
        index = runpy.run_path(str(programs / "tasks.py"))["index"]
        for number in [*range(1, 21), *range(1, 21)]:
            assert index(f"job-{number}", number) == number
    assert engine.starts == Counter(range(1, 21))


def losing_starts(request: Request) -> Fault:
    return Fault(lose="after" if request.kind == "start" else None)
