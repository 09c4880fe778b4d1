"""The pytest plugin, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final


def run_pytest(folder: Path) -> str:
    """Run the tests in a folder, with warnings as errors; return pytest's output."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", "-ra"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


CHEAP: Final = """
import sys

LOADED = {"httpx", "pydantic", "workflows", "llama_agents.client", "llama_agents.server", "uvicorn"}
LOADED &= set(sys.modules)

def test_pytest_start_loads_no_client_modules():
    assert LOADED == set()
"""


def test_unused_plugin_imports_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_cheap.py").write_text(CHEAP)
    assert "llama-agents-client-" in run_pytest(tmp_path)  # pytest found the plugin


FIXTURE: Final = """
import httpx
import pytest
from workflows import Workflow, step
from workflows.events import StartEvent, StopEvent

class Greet(Workflow):
    @step
    async def greet(self, ev: StartEvent) -> StopEvent:
        return StopEvent()

URLS = []

def test_two_servers(serve_workflows):
    URLS.append(serve_workflows({"one": Greet()}))
    URLS.append(serve_workflows({"two": Greet()}, idle_timeout=5))
    with pytest.raises(TypeError, match="nonsense"):
        serve_workflows({}, nonsense=5)
    names = [httpx.get(f"{url}/workflows").json()["workflows"] for url in URLS]
    assert names == [["one"], ["two"]]

@pytest.mark.parametrize("number", [0, 1])
def test_servers_are_stopped(number):
    with pytest.raises(httpx.ConnectError):
        httpx.get(URLS[number])
"""


def test_fixture_serves_until_its_test_ends(tmp_path: Path) -> None:
    (tmp_path / "test_fixture.py").write_text(FIXTURE)
    assert "3 passed" in run_pytest(tmp_path)
