"""The command as a process: its end, restarts, servers that are away, and what it must not show."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import MCPError

from ..faults.server_process import server_process
from ..support.server import wait_until
from .hosts import COMMAND, environment, host, read_question, text_of

INITIALIZE: dict[str, Any] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


@contextmanager
def process(url: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The command, whose peer writes its messages by hand."""
    command = [sys.executable, *COMMAND, "--url", url]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment(folder)
    ) as started:
        try:
            send(started, "initialize", 0, **INITIALIZE)
            assert json.loads(read(started))["result"]["serverInfo"]["name"]
            send(started, "notifications/initialized")
            yield started
        finally:
            started.kill()


def send(to: subprocess.Popen[str], method: str, number: int | None = None, **params: Any) -> None:
    assert to.stdin is not None
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    to.stdin.write(json.dumps(message | ({} if number is None else {"id": number})) + "\n")
    to.stdin.flush()


def read(from_: subprocess.Popen[str]) -> str:
    assert from_.stdout is not None
    return from_.stdout.readline()


def newest(url: str, workflow: str) -> dict[str, Any]:
    found = httpx.get(f"{url}/handlers", params={"workflow_name": workflow}).json()["handlers"]
    return max(found, key=lambda run: str(run["started_at"]), default={"status": None})


def call_slow(to: subprocess.Popen[str]) -> None:
    """Start a run that does not end by itself, and wait until it has begun."""
    meta = {"progressToken": 7}
    send(to, "tools/call", 1, name="slow", arguments={}, _meta=meta)
    assert "begun" in read(to)


def close_stdin(started: subprocess.Popen[str]) -> None:
    assert started.stdin is not None
    started.stdin.close()


def close_stdout(started: subprocess.Popen[str]) -> None:
    assert started.stdout is not None
    started.stdout.close()
    with suppress(BrokenPipeError):
        send(started, "ping", 2)


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (close_stdin, 0),
        (close_stdout, 141),
        (lambda started: started.send_signal(signal.SIGTERM), 143),
    ],
    ids=["stdin", "stdout", "SIGTERM"],
)
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_end_of_the_host_cancels_the_runs_of_its_calls(
    url: str, state: Path, end: Callable[[subprocess.Popen[str]], None], status: int
) -> None:
    with process(url, state) as started:
        call_slow(started)
        assert newest(url, "slow")["status"] == "running"
        end(started)
        assert started.wait(30) == status
        assert started.stderr is not None
        assert started.stderr.read() == ""
    wait_until(lambda: newest(url, "slow")["status"] == "cancelled")


def test_credentials_appear_nowhere(url: str, state: Path) -> None:
    secret = url.replace("http://", "http://user:s3cretword@")
    variables = {"LLAMA_AGENTS_TOKEN": "s3crettoken", "LLAMA_AGENTS_LOG": "debug"}
    with host(secret, state, "--header", "X-Key: s3cretkey", variables=variables) as one:
        said = [str(one.tools()), text_of(one.call("fail")), text_of(one.call("typed", name=1))]
        asked = one.call("human")
        said.append(str(asked))
        said.append(str(one.answer(asked, response="Ada")))
        name, _ = read_question(asked)
        said.append(text_of(one.call(name, token="s3crettoken", answer={})))
        said.append(one.log.read_text())
    assert not [text for text in said if "s3cret" in text]
    assert "Hello, Ada" in said[4]


def test_tokens_last_as_long_as_the_process_where_no_key_can_be_kept(
    url: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()  # where a folder has to be
    variables = {"XDG_STATE_HOME": str(tmp_path / "file"), "LOCALAPPDATA": str(tmp_path / "file")}
    with host(url, tmp_path, variables=variables) as one:
        asked = one.call("human")
        assert one.answer(asked, response="Ada").structured_content == {"output": "Hello, Ada"}
        warning = "questions can be answered until this process ends, not longer: "
        assert warning in one.log.read_text()


def test_server_may_come_later_and_go(state: Path, tmp_path: Path) -> None:
    with (
        server_process(tmp_path, start=False) as server,
        host(server.url, state, "--workflow", "greet", "--workflow", "gone") as one,
    ):
        away = f"cannot connect to {server.url}: "
        with pytest.raises(MCPError, match=f"{away}.* Is the server running"):
            one.tools()
        assert away in text_of(one.call("greet"))
        server.start()
        assert set(one.tools()) == {"greet", "answer"}
        assert "the server has no workflow gone" in one.log.read_text()
        assert one.call("greet").structured_content == {"result": "Hello, World!"}
        server.kill()
        gone = one.call("greet")
        assert gone.is_error
        assert away in text_of(gone)
