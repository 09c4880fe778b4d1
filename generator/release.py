"""Describe a released version of the server, installed into an environment of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from . import server

SERVER: Final = "llama-agents-server"


class ReleaseError(Exception):
    """A version of the server could not be installed or described."""


def describe(root: Path, version: str, names: Collection[str]) -> dict[str, Any]:
    """Describe a version of the server, as `server.describe` describes the installed one.

    The description also has the ``versions`` of the server and of what its models come from.

    It is installed with the newest releases of what it depends on, except this project's own
    version: that has the contract's models, and would hide how the server's differ.

    Args:
        root: Root of the project.
        version: Version of llama-agents-server on the package index.
        names: As for `server.describe`.

    Raises:
        ReleaseError: If that version does not exist, cannot be installed, or cannot be described.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = (
        f"{SERVER}=={version}",
        f"{project['name']}!={project['version']}",
        "pyyaml",  # starlette needs it for the server's document, without requiring it
    )
    with tempfile.TemporaryDirectory() as temporary:
        python = _install(Path(temporary, "environment"), requirements)
        # Isolated: a PYTHONPATH could put this checkout in the place of the published client.
        described = _run([python, "-I", server.__file__, *names])
    return dict(json.loads(described))


def _install(folder: Path, requirements: Collection[str]) -> str:
    """Create an environment with uv, or without it with venv and pip; return its interpreter."""
    python = str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")
    if uv := shutil.which("uv"):
        create = [uv, "venv", "--python", sys.executable, str(folder)]
        install = [uv, "pip", "install", "--python", python]
    else:
        create = [sys.executable, "-I", "-m", "venv", str(folder)]
        install = [python, "-I", "-m", "pip", "install"]
    _run(create)
    _run([*install, *requirements])
    return python


def _run(command: Collection[str]) -> str:
    """Run a command and return what it prints; if it fails, raise the line that says why."""
    run = subprocess.run(
        list(command), capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if run.returncode != 0:
        lines = [line.strip() for line in run.stderr.splitlines() if line.strip()]
        errors = re.findall(r"^\s*(?:ERROR|error|cause): (.+)", run.stderr, re.MULTILINE)
        raise ReleaseError((errors or lines or [f"exit status {run.returncode}"])[-1])
    return run.stdout
