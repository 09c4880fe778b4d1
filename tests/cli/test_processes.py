"""The command line as a process: at a terminal, interrupted, with a closed pipe, at once."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import httpx
import pytest
from llama_agents.client import SyncWorkflowClient
from llama_agents.client._statuses import ENDED_STATUSES
from llama_agents.client.cli import arguments
from llama_agents.client.testing import serve

from examples.chaos_proxy import Fault, chaos, in_turn

from ..support.scripted import Turn, response, scripted
from ..support.server import wait_until
from ..support.terminal import Terminal, terminal
from ..support.workflows import sample_workflows

MODULE: Final = (sys.executable, "-m", "llama_agents.client")
TIMEOUT: Final = 60  # s

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs pseudo-terminals")


def environment(url: str, **variables: str) -> dict[str, str]:
    kept = {n: v for n, v in os.environ.items() if not n.startswith("LLAMA_AGENTS_")}
    return {**kept, "LLAMA_AGENTS_URL": url, "TERM": "xterm", **variables}


def at_terminal(url: str, *arguments: str, **variables: str) -> AbstractContextManager[Terminal]:
    return terminal([*MODULE, *arguments], environment(url, **variables))


def ran(url: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MODULE, *arguments],
        env=environment(url, **variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


def status_of(url: str, handler_id: str) -> str:
    return str(httpx.get(f"{url}/handlers/{handler_id}").json()["status"])


# ------------------------------------------------------------------- at a terminal


def test_run_asks_at_the_terminal_and_prints_the_result(url: str) -> None:
    with at_terminal(url, "run", "human") as person:
        person.wait_for("RequestEvent\x1b[0m: What is your name?")
        person.wait_for("response: ")
        person.type("Ada\n")
        assert person.wait() == 0
    assert person.text.count("What is your name?") == 1
    assert person.text.endswith("output: Hello, Ada\n")


def test_question_survives_a_drop_and_is_asked_once(url: str) -> None:
    with (
        chaos(url, in_turn(stream=[Fault(events=1), Fault(events=2)])) as proxy,
        at_terminal(proxy.url, "run", "human", NO_COLOR="1") as person,
    ):
        person.wait_for("RequestEvent: What is your name?\r\nresponse: ")
        person.type("Ada\n")
        assert person.wait() == 0
    assert person.text.count("response: ") == 1
    assert "\x1b" not in person.shown
    assert proxy.count("stream") >= 3


def test_question_left_open_is_answered_by_another_command(url: str) -> None:
    with at_terminal(url, "run", "human", "--id", "left") as person:
        person.wait_for("response: ")
        person.type("\x04")
        assert person.wait() == 5
    assert person.text.rstrip().endswith(" answer left")
    with at_terminal(url, "answer", "left") as person:
        person.wait_for("response: ")
        person.type("Eve\n")
        assert person.wait() == 0
    assert person.text.endswith("output: Hello, Eve\n")
    with at_terminal(url, "answer", "left") as person:
        assert person.wait() == 0  # nothing is open
    assert "response: " not in person.text


def test_no_input_asks_nothing_at_a_terminal(url: str) -> None:
    with at_terminal(url, "run", "human", "--no-input") as person:
        assert person.wait() == 5
    assert "response: " not in person.text


def test_every_request_of_an_interview_is_asked(server_url: str) -> None:
    with at_terminal(server_url, "run", "interview", "n:=2") as person:
        for number in range(2):
            person.wait_for(f"RequestEvent\x1b[0m: {number}")
            person.wait_for("response: ")
            person.type(f"answer {number}\n")
        assert person.wait() == 0
    assert person.text.endswith("output: answer 0,answer 1\n")


def test_interrupted_run_goes_on_and_is_followed_from_there(url: str) -> None:
    with at_terminal(url, "run", "index", "documents=60", "--id", "cut") as person:
        person.wait_for("number=3")
        person.type("\x03")
        assert person.wait() == 130
    (command,) = re.findall(r"to follow it: .*\.client (.*)\n", person.text)
    shown = re.findall(r"number=(\d+)", person.text)
    assert status_of(url, "cut") == "running"
    followed = ran(url, *command.split())
    assert followed.returncode == 0
    rest = re.findall(r"number=(\d+)", followed.stdout)
    assert [*map(int, shown + rest)] == [*range(1, 61)]


def test_interrupted_follow_prints_the_command_that_continues(url: str) -> None:
    ran(url, "run", "index", "documents=300", "--id", "followed", "--detach")
    with at_terminal(url, "events", "followed", "--follow", "--after", "now") as person:
        person.wait_for("DocumentIndexed")
        person.wait_for("\n")
        person.type("\x03")
        assert person.wait() == 130
    last = re.findall(r"^ +(\d+) DocumentIndexed", person.text, re.MULTILINE)[-1]
    assert person.text.rstrip().endswith(f"events followed --follow --after {last}")
    ran(url, "cancel", "followed")


def test_map_shows_progress_and_continues_after_an_interruption(url: str, tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text("".join(f'{{"documents": 3, "n": {number}}}\n' for number in range(12)))
    arguments = ("map", "index", str(file), "--limit", "2", "--key", "n")

    def runs() -> dict[str, str]:
        listed = httpx.get(f"{url}/handlers", params={"workflow_name": "index"}).json()["handlers"]
        ids = {f"index-{number}" for number in range(12)}
        return {e["handler_id"]: e["run_id"] for e in listed if e["handler_id"] in ids}

    with at_terminal(url, *arguments) as person:
        person.wait_for("2/12 done")
        person.wait_for('"completed"')
        person.type("\x03")
        assert person.wait() == 130
    assert "The same command continues" in person.text
    before = {i: run for i, run in runs().items() if status_of(url, i) == "completed"}
    again = ran(url, *arguments)
    assert again.returncode == 0
    lines = [json.loads(line) for line in again.stdout.splitlines()]
    assert [line["handler_id"] for line in lines] == [f"index-{number}" for number in range(12)]
    assert before
    assert before.items() <= runs().items()
    assert again.stderr == "12 completed, 0 failed\n"  # no progress without a terminal


def test_interrupted_question_prints_the_command_that_answers(url: str) -> None:
    with at_terminal(url, "run", "human", "--id", "given-up") as person:
        person.wait_for("response: ")
        person.type("\x03")
        assert person.wait() == 130
    (command,) = re.findall(r"to give it: .*\.client (.*)\n", person.text)
    with at_terminal(url, *command.split()) as person:
        person.wait_for("response: ")
        person.type("Ada\n")
        assert person.wait() == 0


def test_timeout_expires_while_a_question_is_open(url: str) -> None:
    with at_terminal(url, "run", "human", "--timeout", "1") as person:
        person.wait_for("response: ")
        assert person.wait() == 124
    assert "the run waits for an answer; to give it: " in person.text


def test_answer_that_is_no_text_is_asked_again(url: str) -> None:
    with at_terminal(url, "run", "human", PYTHONIOENCODING="ascii") as person:
        person.wait_for("response: ")
        person.type("\xe4\n")
        person.wait_for("that is not ascii; again: ")
        person.type("Ada\n")
        assert person.wait() == 0
    assert person.text.endswith("output: Hello, Ada\n")


# ------------------------------------------------------------------- pipes and signals


def test_closed_pipe_is_silent(url: str) -> None:
    ran(url, "run", "index", "documents=20", "seconds_each=0", "--id", "piped", "--quiet")
    with subprocess.Popen(
        [*MODULE, "events", "piped", "--follow"],
        env=environment(url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(TIMEOUT) == 141
        assert process.stderr.read() == ""


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_to_a_closed_pipe_is_silent(argument: str) -> None:
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as closed:
        done = subprocess.run(
            [*MODULE, argument],
            env=environment("", PYTHONUNBUFFERED=""),
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT,
        )
    assert (done.returncode, done.stderr) == (141, "")


def test_json_is_json_in_every_encoding(server_url: str) -> None:
    text = "\xe4 \u6f22 \U0001f600"
    for variables in (
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C"},
        {"PYTHONIOENCODING": "cp1252"},
    ):
        done = ran(server_url, "run", "echo", f"text={text}", "-o", "jsonl", **variables)
        assert done.returncode == 0
        last = json.loads(done.stdout.splitlines()[-1])
        assert last["result"]["value"]["result"] == {"text": text}


def test_interrupt_before_the_command_has_begun_is_silent() -> None:
    program = (
        "import sys\nfrom llama_agents.client.cli import main\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.endswith(sys.argv[1]): raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "sys.exit(main(['runs', '--url', 'http://127.0.0.1:9']))"
    )
    for module in ("argparse", "cli.arguments", "cli.execution", "httpx"):
        done = subprocess.run(
            [sys.executable, "-c", program, module], capture_output=True, text=True, timeout=TIMEOUT
        )
        assert (done.returncode, done.stderr) == (130, "")


def test_missed_events_are_a_warning_on_one_line(url: str) -> None:
    ran(url, "run", "human", "--id", "missed", "--detach")
    with (
        chaos(url, in_turn(stream=[Fault(events=0)])) as proxy,
        subprocess.Popen(
            [*MODULE, "events", "missed", "--follow", "--after", "now"],
            env=environment(proxy.url),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        wait_until(lambda: proxy.count("stream") >= 1, within=TIMEOUT)
        # The first connection ends with the run's next event; the next one has the others.
        with SyncWorkflowClient(base_url=url) as client:
            client.send_event("missed", {"type": "ResponseEvent", "value": {"response": "Ada"}})
        assert process.wait(TIMEOUT) == 0
        assert process.stderr is not None
        shown = process.stderr.read()
    assert shown.startswith("warning: ")
    assert shown.count("\n") == 1


def test_log_is_inert_and_has_no_token_that_a_server_repeats() -> None:
    echo = response("500 Oops", b'{"detail": "\x1b]0;owned\x07 you sent s3cret-token"}')
    with scripted([Turn(echo)]) as server:
        done = ran(server.url, "runs", LLAMA_AGENTS_LOG="debug", LLAMA_AGENTS_TOKEN="s3cret-token")
    assert done.returncode == 1
    assert "Traceback" in done.stderr  # asked for
    assert "you sent ***" in done.stderr
    assert "s3cret" not in done.stderr
    assert done.stderr.replace("\n", "").isprintable()


@pytest.mark.parametrize("redirected", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams_are_no_error(url: str, redirected: str) -> None:
    command = f'exec "$0" -m llama_agents.client run greet {redirected}'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable],
        env=environment(url),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_full_disk_is_one_line(url: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*MODULE, "workflows"],
            env=environment(url),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TIMEOUT,
        )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "No space left" in done.stderr


def test_interrupt_while_the_server_is_silent_ends_at_once() -> None:
    with chaos("http://127.0.0.1:9", lambda _: Fault(stall=True)) as proxy:
        process = subprocess.Popen(
            [*MODULE, "workflows"],
            env=environment(proxy.url),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            wait_until(lambda: proxy.requests, within=TIMEOUT)
            process.send_signal(signal.SIGINT)
            assert process.wait(TIMEOUT) == 130
            assert process.stderr is not None
            assert "Traceback" not in process.stderr.read()


def test_log_shows_what_the_client_does_and_no_token(url: str) -> None:
    faults = in_turn(stream=[Fault(events=1)])
    with chaos(url, faults) as proxy:
        done = ran(
            proxy.url,
            *("run", "index", "documents=2", "seconds_each=0.1", "--quiet"),
            LLAMA_AGENTS_LOG="info",
            LLAMA_AGENTS_TOKEN="s3cret-token",
        )
        assert done.returncode == 0
        assert "retrying in" in done.stderr
        debug = ran(
            proxy.url, "result", "none", LLAMA_AGENTS_LOG="debug", LLAMA_AGENTS_TOKEN="s3cret-token"
        )
    assert "get_handler" in debug.stderr
    assert "s3cret" not in done.stderr + debug.stderr
    wrong = ran(url, "runs", LLAMA_AGENTS_LOG="all")
    assert (wrong.returncode, wrong.stdout) == (2, "")


# ------------------------------------------------------------------- at once


def modules_after(arguments: Sequence[str]) -> set[str]:
    """The modules that are loaded when a command ends in `SystemExit`."""
    program = (
        "import sys\nfrom llama_agents.client.cli import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: print(*sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, *arguments]
    # Measuring coverage imports much itself.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(
        command, env=plain, capture_output=True, text=True, timeout=TIMEOUT, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["walk"], ["run", "w", "--limit"]], ids=" ".join
)
def test_help_and_usage_errors_import_nothing_slow(arguments: list[str]) -> None:
    loaded = modules_after(arguments)
    assert "argparse" in loaded
    slow = {"httpx", "attr", "pydantic", "logging", "asyncio", "json", "inspect", "typing"}
    assert not slow & loaded


def test_help_of_every_command_names_its_options() -> None:
    commands = re.findall(r"^    (\w+)  ", ran("", "--help").stdout, re.MULTILINE)
    assert len(commands) == 12
    for command in commands:
        shown = ran("", command, "--help").stdout
        assert "--url URL" in shown
        assert re.search(rf"usage: .* {command} ", shown)


def test_statuses_to_choose_from_are_all_there_are() -> None:
    assert set(arguments.ENDED_STATUSES) == ENDED_STATUSES


def test_version_is_that_of_the_distribution() -> None:
    assert re.fullmatch(r"llama-agents-client \d+\.\d+\.\d+\n", ran("", "--version").stdout)


def completions(url: str, line: str) -> list[str]:
    """What argcomplete offers for a command line."""
    done = subprocess.run(
        [*MODULE],
        env=environment(
            url,
            _ARGCOMPLETE="1",
            COMP_LINE=line,
            COMP_POINT=str(len(line)),
            _ARGCOMPLETE_IFS="\n",
            _ARGCOMPLETE_STDOUT_FILENAME=os.environ["COMPLETIONS"],
        ),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.stderr == ""
    return [word.strip() for word in Path(os.environ["COMPLETIONS"]).read_text().split("\n")]


def test_shell_completes_commands_workflows_and_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPLETIONS", str(tmp_path / "completions"))
    with serve(sample_workflows()) as url:
        assert completions(url, "llama-agents-client wor") == ["workflows"]
        assert "restless" in completions(url, "llama-agents-client run re")
        httpx.post(f"{url}/workflows/greet/run-nowait", json={"handler_id": "to-complete"})
        assert completions(url, "llama-agents-client result to-") == ["to-complete"]
        assert completions("http://127.0.0.1:9", "llama-agents-client result to-") == [""]
