"""Generate `src/llama_agents/client/bindings` from `openapi.yaml`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import Final

from . import tree

CONTRACT: Final = "openapi.yaml"
CONFIGURATION: Final = "generator/config.yaml"
OUTPUT: Final = "src/llama_agents/client/bindings"
PINNED: Final = ("openapi-python-client", "ruff")
"""Packages whose version determines the generated text."""


class GenerationError(Exception):
    """The bindings could not be generated."""


def generate(root: Path) -> dict[Path, dict[PurePosixPath, str]]:
    """Generate the bindings in a temporary folder and return their text.

    Args:
        root: Root of the project, with the contract, the configuration and the pinned versions.

    Returns:
        The output folder and the text of each of its files.

    Raises:
        GenerationError: If the installed versions are not the pinned ones, or if the generator
            failed or could not express the whole contract.
    """
    check_versions(pins((root / "pyproject.toml").read_text(encoding="utf-8")))
    with tempfile.TemporaryDirectory() as temporary:
        fresh = Path(temporary, "bindings")
        _run_generator(root, fresh)
        return {root / OUTPUT: tree.read(fresh)}


def pins(pyproject: str) -> dict[str, str]:
    """Read the pinned versions from the text of a pyproject.toml, group ``generate``.

    Raises:
        GenerationError: If a package of `PINNED` is not pinned exactly.
    """
    group = tomllib.loads(pyproject)["dependency-groups"]["generate"]
    exact = dict(entry.split("==") for entry in group if isinstance(entry, str) and "==" in entry)
    if missing := [name for name in PINNED if name not in exact]:
        raise GenerationError(
            "pin with '==' in the dependency group 'generate' of pyproject.toml: "
            + ", ".join(missing)
        )
    return {name: exact[name] for name in PINNED}


def check_versions(pinned: dict[str, str]) -> None:
    """Check that the pinned versions are installed.

    Raises:
        GenerationError: If a package is missing or installed in another version.
    """
    for name, required in pinned.items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            installed = "none"
        if installed != required:
            raise GenerationError(
                f"requires {name} {required}, installed: {installed}. Other versions generate "
                "different code; install the dependency group 'generate'."
            )


def _run_generator(root: Path, output: Path) -> None:
    scripts = sysconfig.get_path("scripts")
    if shutil.which("ruff", path=scripts) is None:
        raise GenerationError(f"ruff is not installed in {scripts}")
    # The post hooks run `ruff` from the PATH: the pinned one must come first.
    search_path = os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)])
    command = [sys.executable, "-m", "openapi_python_client", "generate"]
    command += ["--path", str(root / CONTRACT), "--config", str(root / CONFIGURATION)]
    command += ["--output-path", str(output), "--meta", "none", "--fail-on-warning"]
    run = subprocess.run(
        command,
        env={**os.environ, "PATH": search_path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        raise GenerationError(f"openapi-python-client failed:\n{run.stdout.strip()}")
