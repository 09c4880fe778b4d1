"""Data frames in and out."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas
import pytest
from llama_agents.client import SyncWorkflowClient
from llama_agents.client.testing import serve
from workflows import Workflow, step
from workflows.events import StartEvent, StopEvent

from .apps import load, serve_examples

RunRows = Callable[[SyncWorkflowClient, str, pandas.DataFrame, str], pandas.DataFrame]


class Order(StartEvent):
    pages: int
    day: str = "today"


class Printed(StopEvent):
    sheets: int
    day: str


class Print(Workflow):
    printed: list[int]

    @step
    async def print(self, ev: Order) -> Printed:
        self.printed.append(ev.pages)
        if ev.pages > 100:
            raise ValueError("out of paper")
        return Printed(sheets=(ev.pages + 1) // 2, day=ev.day)


@pytest.fixture
def workflow() -> Print:
    workflow = Print()
    workflow.printed = []
    return workflow


@pytest.fixture
def client(workflow: Print) -> Iterator[SyncWorkflowClient]:
    with serve({"print": workflow}) as url, SyncWorkflowClient(base_url=url) as client:
        yield client


@pytest.fixture
def run_rows(programs: Path) -> RunRows:
    function: RunRows = load(programs / "run_rows.py").run_rows
    return function


def test_failed_rows_stay(client: SyncWorkflowClient, run_rows: RunRows) -> None:
    frame = pandas.DataFrame(
        {
            "pages": pandas.array([7, 300, None, 9], dtype="Int64"),
            "day": ["Monday", None, "Friday", pandas.Timestamp("2026-11-28")],
        },
        index=["a", "b", "c", "d"],
    )
    runs = run_rows(client, "print", frame, "letters")
    assert list(runs.index) == ["a", "b", "c", "d"]
    assert list(runs["status"].fillna("none")) == ["completed", "failed", "none", "completed"]
    assert list(runs["result.sheets"].dropna()) == [4, 5]
    assert list(runs["result.day"].dropna()) == ["Monday", "2026-11-28T00:00:00"]
    assert "out of paper" in runs["error"]["b"]
    assert "pages" in runs["error"]["c"]


def test_same_call_runs_only_new_rows(
    client: SyncWorkflowClient, run_rows: RunRows, workflow: Print
) -> None:
    frame = pandas.DataFrame({"pages": [1, 2, 2, 300]})
    first = run_rows(client, "print", frame, "letters")
    assert sorted(workflow.printed) == [1, 2, 300]
    more = pandas.concat([frame, pandas.DataFrame({"pages": [3]})])
    second = run_rows(client, "print", more, "letters")
    assert sorted(workflow.printed) == [1, 2, 3, 300]
    assert list(second["handler_id"][:4]) == list(first["handler_id"])
    assert list(second["result.sheets"].dropna()) == [1, 1, 1, 2]
    assert list(second["status"]) == [*first["status"], "completed"]


def test_no_rows_make_an_empty_frame(client: SyncWorkflowClient, run_rows: RunRows) -> None:
    assert run_rows(client, "print", pandas.DataFrame({"pages": []}), "letters").empty


def test_report_shows_results_beside_their_rows(programs: Path) -> None:
    report = programs / "report.py"
    with serve_examples() as url:
        report.write_text(report.read_text().replace("http://127.0.0.1:8080", url))
        done = subprocess.run([sys.executable, report], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert [line.split()[3:5] for line in lines[1:]] == [
        ["completed", "3.0"],
        ["failed", "NaN"],
        ["completed", "5.0"],
    ], done
