"""The comparison with a released server: its environment, and what may go wrong there."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from generator import server
from generator.__main__ import ROOT, main

RUN: Final = subprocess.run
UV_ERROR: Final = """\
error: No solution found when resolving dependencies
  cause: Because there is no version of llama-agents-server==9.9, this cannot be satisfied.
"""
PIP_ERROR: Final = """\
WARNING: Location is ignored
ERROR: Could not find a version that satisfies the requirement (from versions: 0.7.1, 0.8.0)
ERROR: No matching distribution found for llama-agents-server==9.9
"""
TRACEBACK: Final = """\
Traceback (most recent call last):
  File "server.py", line 1, in <module>
ImportError: cannot import name 'WorkflowServer'

"""


class Environment:
    """Stands in for the environment: nothing is installed, and the installed server described.

    Attributes:
        commands: Every command that was run, as one line.
        folder: The environment's folder, once it has been created.
        failing: Text of the command that fails.
        error: What the failing command prints.
    """

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.folder = Path()
        self.failing: str | None = None
        self.error = ""

    def run(self, command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        line = " ".join(command)
        self.commands.append(line)
        if "venv" in command:
            self.folder = Path(command[-1])
            self.folder.mkdir()
        if self.failing is not None and self.failing in line:
            return subprocess.CompletedProcess(command, 1, "", self.error)
        if server.__file__ in command:
            python, isolated, *script = command
            assert Path(python).is_relative_to(self.folder)
            assert isolated == "-I"
            return RUN([sys.executable, *script], **options)
        return subprocess.CompletedProcess(command, 0, "", "")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Environment:
    environment = Environment()
    monkeypatch.setattr(subprocess, "run", environment.run)
    return environment


@pytest.mark.parametrize(
    ("uv", "install"),
    [("/usr/bin/uv", "/usr/bin/uv pip install "), (None, "-I -m pip install ")],
)
def test_compares_with_a_version_in_an_environment_of_its_own(
    environment: Environment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    uv: str | None,
    install: str,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: uv)
    assert main(["drift", "--server", "0.7.1"], ROOT) == 0
    versions, summary = capsys.readouterr().out.splitlines()
    assert versions.startswith("llama-agents-server 0.")
    assert summary.endswith(" differences, 0 unexplained.")
    own = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert install in environment.commands[1]
    assert environment.commands[1].endswith(
        f" llama-agents-server==0.7.1 llama-agents-client!={own} pyyaml"
    )
    assert environment.folder.name
    assert not environment.folder.exists()


@pytest.mark.parametrize(
    ("failing", "error", "reason"),
    [
        (" install ", UV_ERROR, "Because there is no version of llama-agents-server==9.9, this"),
        (" install ", PIP_ERROR, "No matching distribution found for llama-agents-server==9.9"),
        (" venv ", "cannot create it\n", "cannot create it"),
        (server.__file__, TRACEBACK, "ImportError: cannot import name 'WorkflowServer'"),
        (server.__file__, "", "exit status 1"),
    ],
)
def test_bad_version_is_one_line_and_leaves_nothing(
    environment: Environment,
    capsys: pytest.CaptureFixture[str],
    failing: str,
    error: str,
    reason: str,
) -> None:
    environment.failing, environment.error = failing, error
    assert main(["drift", "--server", "9.9"], ROOT) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith(f"llama-agents-server 9.9: {reason}")
    assert errors.count("\n") == 1
    assert environment.folder.name
    assert not environment.folder.exists()


def test_only_drift_takes_a_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["sync", "--server", "0.7.1"], ROOT)
    assert "--server is an option of drift" in capsys.readouterr().err
