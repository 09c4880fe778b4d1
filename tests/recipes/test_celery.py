"""The recipe of Celery: processes of the pool die, and no item is started twice."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from ..support.server import wait_until
from .engines import PATIENCE, serve_index, stopping

ITEMS = 8
FAILURE = "Workflow 'index' failed (handler 'job-shard-0'): there is nothing to index"
CANCELLED = "Workflow 'index' cancelled (handler 'job-shard-7'): None"

# The broker in memory is that of one process, whose children are the pool.
SUBMIT = f"""
from celery.contrib.testing.worker import start_worker
from submit import submit
from tasks import app

app.conf.worker_lost_wait = 0.1  # s
with start_worker(app, pool="prefork", concurrency={ITEMS}, perform_ping_check=False):
    submit("job")
"""


@pytest.mark.timeout(4 * PATIENCE)
def test_item_is_started_once_when_processes_are_killed(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "results").mkdir()
    monkeypatch.setenv("CELERY_BROKER_URL", "memory://")
    monkeypatch.setenv("CELERY_RESULT_BACKEND", f"file://{tmp_path / 'results'}")
    command = [sys.executable, "-c", SUBMIT]
    with serve_index(tmp_path) as engine:
        monkeypatch.setenv("WORKFLOWS_URL", engine.url)
        worker = subprocess.Popen(command, cwd=programs, stdout=subprocess.PIPE, text=True)
        with worker, stopping(worker.pid) as process:
            # One process dies when it has started a run, and before it knows that.
            wait_until(lambda: engine.starts.total() == ITEMS, within=PATIENCE)
            first, second, *_ = process.children()
            first.kill()
            engine.responds.set()
            wait_until(lambda: len(engine.waits) == ITEMS, within=PATIENCE)
            # Another one dies while it waits for its run.
            second.kill()
            wait_until(lambda: engine.waits.total() == ITEMS + 1, within=PATIENCE)
            engine.client.cancel_handler("job-shard-7")
            engine.ends.set()
            output, _ = worker.communicate(timeout=PATIENCE)
    lines = output.splitlines()
    assert [FAILURE in lines[0], CANCELLED in lines[-1]] == [True, True], lines
    assert lines[1:-1] == [f"job-shard-{number} {number}" for number in range(1, ITEMS - 1)]
    assert engine.starts == Counter(range(ITEMS))
