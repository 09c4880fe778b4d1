"""Every example runs as its reader would run it, and does what it says."""

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

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
LONGEST: Final = 60  # s, for one example


def run(script: str, *arguments: str) -> str:
    """Run an example to its end, without a terminal; return what it prints."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / script), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Started:
    """An example that goes on running, and the lines that it has printed."""

    def __init__(self, script: str, *arguments: str) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-u", str(EXAMPLES / script), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            self.lines.extend(iter(output.readline, ""))

    def address(self) -> str:
        """Where it listens, once it does."""

        def found() -> re.Match[str] | None:
            return re.search(r"running on (http://\S+)", "".join(self.lines))

        wait_until(found, within=LONGEST)
        match = found()
        assert match is not None
        return match[1]

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()


@contextmanager
def started(script: str, *arguments: str) -> Iterator[Started]:
    """Start an example, and kill it at the end."""
    example = Started(script, *arguments)
    try:
        yield example
    finally:
        example.stop()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The example server."""
    with started("server.py", "--port", "0") as server:
        yield server.address()


def test_sync_script_runs_workflows_and_meets_errors(url: str) -> None:
    printed = run("sync_script.py", url)
    assert "Workflows: greet, index, human" in printed
    assert "5 of 5 documents" in printed
    assert "Indexed: 5" in printed
    assert "Failed, as it should: " in printed
    assert "Refused, as it should: 404" in printed


def test_human_in_the_loop_answers_itself_without_a_terminal(url: str) -> None:
    assert run("human_in_the_loop.py", url).endswith("Hello, Ada\n")


def test_handle_leaves_a_run_and_goes_on_with_it(url: str) -> None:
    printed = run("handle.py", url)
    for face in printed.split("WorkflowClient")[1:]:
        numbers = [int(number) for number in re.findall(r"'number': (\d+)", face)]
        assert numbers == [1, 2, 3, 4, 5, 6]
        assert "completed: 6 documents" in face


def test_function_answers_what_a_workflow_asks(url: str) -> None:
    assert run("interact.py", url).count("Hello, Ada\n") == 2


def test_many_runs_are_run_once_however_often_it_is_started(url: str) -> None:
    outcomes = [run("many_runs.py", url, "--batch", "test") for _ in range(2)]
    for printed in outcomes:
        assert re.findall(r"^  (\d+): ", printed, re.MULTILINE) == [*map(str, range(12))] * 2
        assert printed.count("there is nothing to index") == 4
    handlers = httpx.get(f"{url}/handlers", params={"workflow_name": "index"}).json()["handlers"]
    assert sum(handler["handler_id"].startswith("test-") for handler in handlers) == 24


def test_many_runs_broken_off_leave_nothing_running(url: str, tmp_path: Path) -> None:
    with started("many_runs.py", url, "--batch", "broken") as example:

        def states() -> list[str]:
            handlers = httpx.get(f"{url}/handlers").json()["handlers"]
            return [h["status"] for h in handlers if h["handler_id"].startswith("broken-")]

        wait_until(lambda: "running" in states(), within=LONGEST)
        example.process.send_signal(signal.SIGINT)
        example.process.wait(LONGEST)
    assert "Start it again to go on." in "".join(example.lines)
    assert "running" not in states()


def test_recorded_run_is_played_back_with_faults(tmp_path: Path) -> None:
    kept = tmp_path / "run.jsonl"
    printed = run("testing_kit.py", "--keep", str(kept))
    assert "  synchronous: [1, 2, 3, 4, 5, 6, 7, 8], faults that did not happen: 0" in printed
    assert "  asynchronous: [1, 2, 3, 4, 5, 6, 7, 8], faults that did not happen: 0" in printed
    assert printed.endswith("Every event came once.\n")
    assert len(kept.read_text().splitlines()) == 10


def test_typed_events_are_made_of_the_servers_schemas(url: str) -> None:
    printed = run("typed_events.py", url)
    assert "The events of 'index': IndexStart, IndexDone, DocumentIndexed\n" in printed
    assert "3 of 3 documents\nIndexed: 3\n" in printed
    assert "Not sent, as it should be: " in printed
    assert "documents: Input should be a valid integer" in printed
    assert printed.endswith("RequestEvent asks: What is your name?\nThe answer: Hello, Ada\n")


def handled(output: Path) -> list[int]:
    return [int(number) for number in re.findall(r"'number': (\d+)", output.read_text())]


def test_run_is_resumed_after_the_process_was_killed(url: str, tmp_path: Path) -> None:
    checkpoint, output = tmp_path / "at.json", tmp_path / "output"
    arguments = ("resume_from_checkpoint.py", url, "--checkpoint", str(checkpoint))
    command = [sys.executable, str(EXAMPLES / arguments[0]), *arguments[1:]]

    def frozen_between_two_events() -> bool:
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        noted = json.loads(checkpoint.read_text())["sequence"]
        if handled(output)[-1] == noted:
            return True
        process.send_signal(signal.SIGCONT)
        return False

    with output.open("w") as file, subprocess.Popen(command, stdout=file) as process:
        try:
            wait_until(lambda: len(handled(output)) >= 4, within=LONGEST)
            # Killed between handling and noting, an event would rightly come once more.
            wait_until(frozen_between_two_events)
        finally:
            process.kill()
    before = handled(output)
    after = run(*arguments)
    assert len(before) < 20
    assert f"Going on after sequence {before[-1]}" in after
    assert "Indexed: 20" in after
    output.write_text(after)
    assert before + handled(output) == list(range(1, 21))
    assert not checkpoint.exists()


@pytest.fixture
def service(url: str) -> Iterator[httpx.Client]:
    """The service in front of the example server, as a browser sees it."""
    with (
        started("async_service.py", url, "--port", "0") as example,
        httpx.Client(base_url=example.address(), timeout=LONGEST) as browser,
    ):
        yield browser


def relayed(text: str) -> list[tuple[int, str]]:
    """The sequence number and type of each event that was relayed."""
    frames = re.findall(r"id: (\d+)\ndata: (.*)\n\n", text)
    return [(int(sequence), json.loads(data)["type"]) for sequence, data in frames]


def test_service_relays_a_run_to_a_browser_and_resumes(service: httpx.Client) -> None:
    assert "EventSource" in service.get("/").text
    handler_id = service.post("/runs").json()["handler_id"]
    path = f"/runs/{handler_id}/events"

    with service.stream("GET", path) as first:
        lines = first.iter_lines()
        seen = [line for line in (next(lines) for _ in range(6)) if line.startswith("id: ")]
    last = seen[-1].removeprefix("id: ")

    rest = service.get(path, headers={"Last-Event-ID": last})
    events = relayed(rest.text)
    assert rest.headers["content-type"].startswith("text/event-stream")
    assert events[0][0] > int(last)
    assert events[-1][1] == "IndexDone"
    assert rest.text.endswith("event: end\ndata: the run is over\n\n")
    assert len(seen) + len(events) == len(relayed(service.get(path).text)) == 21


def test_service_passes_a_refusal_on(service: httpx.Client) -> None:
    refused = service.get("/runs/nobody/events")
    assert (refused.status_code, refused.json()["detail"]) == (404, "Handler not found")


class OpenStreams:
    """Middleware of a workflow server: counts its event streams that are open."""

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


def test_service_frees_its_connection_when_the_browser_leaves() -> None:
    """Also where no further event comes that it would fail to write."""
    with (
        serve(sample_workflows(), middleware=[Middleware(OpenStreams)]) as upstream,
        started("async_service.py", upstream, "--port", "0") as example,
        httpx.Client(base_url=example.address(), timeout=LONGEST) as browser,
    ):
        waiting = httpx.post(f"{upstream}/workflows/human/run-nowait", json={}).json()
        with browser.stream("GET", f"/runs/{waiting['handler_id']}/events") as question:
            assert any("RequestEvent" in line for line in question.iter_lines())
            assert OpenStreams.count == 1
        wait_until(lambda: OpenStreams.count == 0)


# ------------------------------------------------------------------- the README

README: Final = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
SYNC, ASYNC, STREAM, HUMAN, RUN, ASK, MANY = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("program", [SYNC, ASYNC], ids=["sync", "async"])
def test_quick_start_of_the_readme_works(url: str, program: str, tmp_path: Path) -> None:
    assert "http://127.0.0.1:8080" in program
    (tmp_path / "quick.py").write_text(program.replace("http://127.0.0.1:8080", url))
    printed = run(str(tmp_path / "quick.py"))
    assert "['greet', 'index', 'human']" in printed
    assert "Hello, Ada!" in printed


def test_streams_of_the_readme_work(url: str, tmp_path: Path) -> None:
    lines = [
        *STREAM.splitlines(),
        'handler = await client.run_workflow_nowait("human")',
        *HUMAN.splitlines(),
        'print((await client.get_handler(handler.handler_id)).result["output"])',
        *RUN.splitlines(),
        'run = await client.start("human")',
        *ASK.splitlines(),
        *MANY.splitlines(),
    ]
    body = "\n".join(f"        {line}" for line in lines)
    (tmp_path / "streams.py").write_text(
        "import asyncio, builtins, sys\n"
        f"sys.path.insert(0, {str(EXAMPLES)!r})\n"
        "from llama_agents.client import WorkflowClient\n"
        "from sample_workflows import IndexDone, IndexStart\n"
        "from sample_workflows import OutEvent, RequestEvent, ResponseEvent\n"
        "builtins.input = lambda prompt: 'Ada'\n"
        "async def main():\n"
        f"    async with WorkflowClient(base_url={url!r}) as client:\n"
        f"{body}\n"
        "asyncio.run(main())\n"
    )
    printed = run(str(tmp_path / "streams.py"))
    assert "IndexDone {'indexed': 20}" in printed
    assert printed.count("Hello, Ada\n") == 2
    assert "5 documents" in printed
    assert printed.endswith("2 failed\n")


# ------------------------------------------------------------------- the demo


def test_demo_shows_two_cuts_in_both_faces_and_ends_well() -> None:
    printed = run("demo.py")
    assert printed.count("2 cuts, 3 connections") == 4  # expected and seen, twice
    assert printed.count("Hello, Ada") >= 2
    assert "All as expected." in printed


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
def test_demo_tells_what_was_lost_or_came_twice(demo: ModuleType, numbers: list[int]) -> None:
    whole = demo.account([1, 2, 3], cuts=2, connections=3, indexed=3)
    assert demo.account(numbers, cuts=2, connections=3, indexed=3) != whole


def test_demo_fails_when_anything_differs(demo: ModuleType) -> None:
    good = [demo.Check("step", "same", "same") for _ in range(demo.STEPS)]
    assert demo.exit_status(good) == 0
    assert demo.exit_status(good[1:]) == 1
    assert demo.exit_status([*good[1:], demo.Check("step", "this", "that")]) == 1


def test_demo_takes_an_exception_for_a_difference(demo: ModuleType) -> None:
    checks: list[object] = []
    with demo.checking(checks, "step") as check:
        check.expected = "same"
        raise RuntimeError("no")
    assert (check.ok, check.seen) == (False, "RuntimeError: no")


# ------------------------------------------------------------------- the page on typed events

PAGE: Final = (EXAMPLES.parent / "docs" / "typed-events.md").read_text(encoding="utf-8")


def test_programs_of_the_page_on_typed_events_work(url: str, tmp_path: Path) -> None:
    at_run_time, with_source, checked = (
        block.replace("http://127.0.0.1:8080", url)
        for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    )
    body = "".join(f"    {line}\n" for line in at_run_time.splitlines())
    (tmp_path / "first.py").write_text(
        f"import asyncio\nasync def main():\n{body}asyncio.run(main())\n"
    )
    printed = run(str(tmp_path / "first.py"))
    assert "3 of 3\n" in printed

    (command,) = re.findall(r"python (-m llama_agents\.client\.codegen .*)", PAGE)
    arguments = command.replace("http://127.0.0.1:8080", url).split()
    subprocess.run([sys.executable, *arguments], cwd=tmp_path, check=True, timeout=LONGEST)
    (tmp_path / "second.py").write_text(with_source)
    assert run(str(tmp_path / "second.py")) == printed + "3\n"

    call, *comment = checked.splitlines()
    (tmp_path / "third.py").write_text(
        "from llama_agents.client import EventValidationError, SyncWorkflowClient\n"
        f"client = SyncWorkflowClient(base_url={url!r})\n"
        f"try:\n    {call}\n"
        "except EventValidationError as error:\n    print('EventValidationError:', error)\n"
        "client.close()\n"
    )
    expected = " ".join(line.lstrip("# ") for line in comment)
    assert run(str(tmp_path / "third.py")) == f"{expected}\n"
