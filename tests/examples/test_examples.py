"""Every example, and every program of the README, runs as a reader would run it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Final

import httpx
import pytest
from llama_agents.client.testing import serve
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from ..support.server import wait_until
from ..support.workflows import sample_workflows

ROOT: Final = Path(__file__).parents[2]
EXAMPLES: Final = ROOT / "examples"
TIMEOUT: Final = 60  # s, for one example


def run(script: str | Path, *arguments: str) -> str:
    """Run an example to its end, without a terminal; return its output."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / script), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Started:
    """A running example and its output so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.output = ""

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line

    def address(self) -> str:
        """Where it listens, once it does."""
        wait_until(lambda: "running on http" in self.output, within=TIMEOUT)
        (address,) = re.findall(r"running on (http://\S+)", self.output)
        return str(address)


@contextmanager
def started(script: str, *arguments: str) -> Iterator[Started]:
    """Start an example, and kill it at the end."""
    command = [sys.executable, "-u", str(EXAMPLES / script), *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        example = Started(process)
        reader = threading.Thread(target=example.read)
        reader.start()
        try:
            yield example
        finally:
            process.kill()
            reader.join()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The example server."""
    with started("server.py", "--port", "0") as server:
        yield server.address()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (
            "sync_script.py",
            r"Workflows: greet, index, human\n(?s:.*)5 of 5 documents\nIndexed: 5\n"
            r"Failed, as expected: .*\n404, as expected: Workflow not found\n",
        ),
        ("human_in_the_loop.py", r"What is your name\? .*\nHello, Ada\n"),
        ("interact.py", r"(What is your name\? .*\nHello, Ada\n){2}"),
        (
            "handle.py",
            r"(\w+\n"
            r"(  DocumentIndexed {'number': [123], .*\n){3}  stopped; checkpoint .*\n"
            r"(  DocumentIndexed {'number': [456], .*\n){3}  IndexDone .*\n"
            r"  completed: 6 documents\n){2}",
        ),
        (
            "typed_events.py",
            r"Events of 'index': IndexStart, IndexDone, DocumentIndexed\n"
            r"(  . of 3 documents\n){3}Indexed: 3\n"
            r"Rejected, as expected: .*documents: Input should be a valid integer.*\n"
            r"RequestEvent asks: What is your name\?\nResult: Hello, Ada\n",
        ),
    ],
)
def test_example_prints_what_it_shows(url: str, script: str, expected: str) -> None:
    printed = run(script, url)
    assert re.fullmatch(expected, printed), printed


def test_batch_runs_each_item_once_when_started_twice(url: str) -> None:
    for _ in range(2):
        printed = run("batch.py", url, "--batch", "test")
        assert re.findall(r"^  (\d+): ", printed, re.MULTILINE) == [*map(str, range(12))] * 2
        assert printed.count("documents must be at least 1") == 4
    handlers = httpx.get(f"{url}/handlers", params={"workflow_name": "index"}).json()["handlers"]
    assert sum(handler["handler_id"].startswith("test-") for handler in handlers) == 24


def test_interrupted_batch_cancels_its_runs(url: str) -> None:
    def statuses() -> list[str]:
        handlers = httpx.get(f"{url}/handlers").json()["handlers"]
        return [h["status"] for h in handlers if h["handler_id"].startswith("interrupted-")]

    with started("batch.py", url, "--batch", "interrupted") as example:
        wait_until(lambda: "running" in statuses(), within=TIMEOUT)
        example.process.send_signal(signal.SIGINT)
        example.process.wait(TIMEOUT)
    assert "Start it again to continue." in example.output
    assert "running" not in statuses()


def test_kit_records_a_run_and_replays_it_with_faults(tmp_path: Path) -> None:
    recording = tmp_path / "run.jsonl"
    printed = run("testing_kit.py", "--keep", str(recording))
    for variant in ("sync", "async"):
        assert f"  {variant}: documents [1, 2, 3, 4, 5, 6, 7, 8], 0 faults left" in printed
    assert len(recording.read_text().splitlines()) == 10


def handled(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"'number': (\d+)", text)]


def test_killed_program_resumes_from_its_checkpoint(url: str, tmp_path: Path) -> None:
    checkpoint, output = tmp_path / "checkpoint.json", tmp_path / "output"
    arguments = ("resume_from_checkpoint.py", url, "--checkpoint", str(checkpoint))
    command = [sys.executable, str(EXAMPLES / arguments[0]), *arguments[1:]]

    def frozen_between_two_events() -> bool:
        """Killed between handling and saving, it would rightly handle the event again."""
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        if handled(output.read_text())[-1] == json.loads(checkpoint.read_text())["sequence"]:
            return True
        process.send_signal(signal.SIGCONT)
        return False

    with output.open("w") as file, subprocess.Popen(command, stdout=file) as process:
        try:
            wait_until(lambda: len(handled(output.read_text())) >= 4, within=TIMEOUT)
            wait_until(frozen_between_two_events)
        finally:
            process.kill()
    before = handled(output.read_text())
    after = run(*arguments)
    assert len(before) < 20
    assert f"Resuming after sequence {before[-1]}\n" in after
    assert before + handled(after) == list(range(1, 21))
    assert after.endswith("Indexed: 20\n")
    assert not checkpoint.exists()


# ------------------------------------------------------------------- the web service


@contextmanager
def service(upstream: str) -> Iterator[httpx.Client]:
    """The service in front of a workflow server, as a browser sees it."""
    with (
        started("async_service.py", upstream, "--port", "0") as example,
        httpx.Client(base_url=example.address(), timeout=TIMEOUT) as browser,
    ):
        yield browser


def relayed(text: str) -> list[tuple[int, str]]:
    """The sequence number and type of each relayed event."""
    frames = re.findall(r"id: (\d+)\ndata: (.*)\n\n", text)
    return [(int(sequence), json.loads(data)["type"]) for sequence, data in frames]


def test_service_relays_a_run_and_resumes_and_passes_errors_on(url: str) -> None:
    with service(url) as browser:
        assert "EventSource" in browser.get("/").text
        path = f"/runs/{browser.post('/runs').json()['handler_id']}/events"
        with browser.stream("GET", path) as first:
            lines = first.iter_lines()
            seen = [line for line in (next(lines) for _ in range(6)) if line.startswith("id: ")]
        last = seen[-1].removeprefix("id: ")
        rest = browser.get(path, headers={"Last-Event-ID": last})
        events = relayed(rest.text)
        assert rest.headers["content-type"].startswith("text/event-stream")
        assert events[0][0] > int(last)
        assert events[-1][1] == "IndexDone"
        assert rest.text.endswith("event: end\ndata: the run has ended\n\n")
        assert len(seen) + len(events) == len(relayed(browser.get(path).text)) == 21

        unknown = browser.get("/runs/unknown/events")
        assert (unknown.status_code, unknown.json()["detail"]) == (404, "Handler not found")


class OpenStreams:
    """Middleware of a workflow server that counts its open event streams."""

    count = 0

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stream = scope.get("method") == "GET" and scope["path"].startswith("/events/")
        OpenStreams.count += stream
        try:
            await self._app(scope, receive, send)
        finally:
            OpenStreams.count -= stream


def test_service_closes_its_stream_when_the_browser_disconnects() -> None:
    """Even if no further event comes, which it would fail to write."""
    with (
        serve(sample_workflows(), middleware=[Middleware(OpenStreams)]) as upstream,
        service(upstream) as browser,
    ):
        run = httpx.post(f"{upstream}/workflows/human/run-nowait", json={}).json()
        with browser.stream("GET", f"/runs/{run['handler_id']}/events") as events:
            lines = events.iter_lines()  # kept: it closes the response when it is dropped
            assert any("RequestEvent" in line for line in lines)
            assert OpenStreams.count == 1
        wait_until(lambda: OpenStreams.count == 0)


# ------------------------------------------------------------------- the demo


def test_demo_survives_the_cuts_with_both_client_variants() -> None:
    printed = run("demo.py")
    assert printed.count("2 cuts, 3 connections") == 4  # expected and actual, twice
    assert printed.count("result: Hello, Ada") == 2
    assert printed.endswith("Everything as expected.\n")


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The demo as a module."""
    monkeypatch.syspath_prepend(EXAMPLES)
    spec = importlib.util.spec_from_file_location("demo", EXAMPLES / "demo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "demo", module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("numbers", [[1, 2, 4], [1, 2, 2, 3], [2, 1, 3], [], [1, 2]], ids=str)
def test_demo_reports_lost_and_repeated_events(demo: ModuleType, numbers: list[int]) -> None:
    expected = demo.summarize([1, 2, 3], cuts=2, connections=3, indexed=3)
    assert demo.summarize(numbers, cuts=2, connections=3, indexed=3) != expected


def test_demo_fails_when_a_step_differs_raises_or_is_missing(demo: ModuleType) -> None:
    checks: list[object] = [demo.Check("step", "same", "same") for _ in range(demo.STEPS - 1)]
    assert demo.exit_status(checks) == 1
    assert demo.exit_status([*checks, demo.Check("step", "this", "that")]) == 1
    assert demo.exit_status([*checks, demo.Check("step", "same", "same")]) == 0
    with demo.checking(checks, "step") as check:
        check.expected = "same"
        raise RuntimeError("broken")
    assert check.actual == "RuntimeError: broken"
    assert demo.exit_status(checks) == 1
