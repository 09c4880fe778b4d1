"""The page about testing, and the pytest plugin: what a user does, in a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from llama_agents.client.testing._recording import load

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
PROGRAMS: Final = re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE, re.DOTALL)


def run_pytest(folder: Path) -> str:
    """Run the tests of a folder, warnings as errors; return what pytest prints."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", "-ra"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_tests_of_the_page_pass(tmp_path: Path) -> None:
    for name, program in PROGRAMS:
        (tmp_path / name).write_text(program, encoding="utf-8")
    assert len(PROGRAMS) == PAGE.count("```python")
    assert "4 passed" in run_pytest(tmp_path)


def test_recording_of_the_page_is_one(tmp_path: Path) -> None:
    (lines,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "run.jsonl").write_text(lines, encoding="utf-8")
    assert len(load(tmp_path / "run.jsonl").events) == 2


CHEAP: Final = """
import sys

LOADED = {"httpx", "pydantic", "workflows", "llama_agents.client", "llama_agents.server", "uvicorn"}
LOADED &= set(sys.modules)

def test_pytest_has_loaded_nothing_of_the_client():
    assert LOADED == set()
"""


def test_plugin_costs_nothing_where_it_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "test_cheap.py").write_text(CHEAP)
    assert "llama-agents-client-" in run_pytest(tmp_path)  # pytest has found the plugin


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
def test_they_are_stopped(number):
    with pytest.raises(httpx.ConnectError):
        httpx.get(URLS[number])
"""


def test_fixture_serves_until_the_end_of_its_test(tmp_path: Path) -> None:
    (tmp_path / "test_fixture.py").write_text(FIXTURE)
    assert "3 passed" in run_pytest(tmp_path)
