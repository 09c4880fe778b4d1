"""Generate the bindings: `openapi.yaml` to `src/llama_agents/client/bindings`."""

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
"""The packages whose version decides about the generated text."""


class GenerationError(Exception):
    """The bindings cannot be generated; the message says why."""


def generate(root: Path) -> dict[Path, dict[PurePosixPath, str]]:
    """Generate the bindings in a folder of its own and return their text; nothing is replaced.

    Args:
        root: The project's root, with the contract, the configuration and the pinned versions.

    Returns:
        The output folder, with the text of each of its files.

    Raises:
        GenerationError: The installed versions are not the pinned ones, or the generator failed or
            could not express all of the contract.
    """
    check_versions(pins((root / "pyproject.toml").read_text(encoding="utf-8")))
    with tempfile.TemporaryDirectory() as temporary:
        fresh = Path(temporary, "bindings")
        _run_generator(root, fresh)
        return {root / OUTPUT: tree.read(fresh)}


def pins(pyproject: str) -> dict[str, str]:
    """Read the exact versions of the group ``generate`` from the text of a pyproject.toml.

    Raises:
        GenerationError: One of the packages that decide about the text is not pinned exactly.
    """
    group = tomllib.loads(pyproject)["dependency-groups"]["generate"]
    exact = dict(entry.split("==") for entry in group if isinstance(entry, str) and "==" in entry)
    if missing := [name for name in PINNED if name not in exact]:
        raise GenerationError(f"not pinned in the dependency group 'generate': {missing}")
    return {name: exact[name] for name in PINNED}


def check_versions(pinned: dict[str, str]) -> None:
    """Refuse to go on with other versions than the pinned ones.

    Raises:
        GenerationError: A package is not installed in its pinned version.
    """
    for name, wanted in pinned.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "none"
        if found != wanted:
            raise GenerationError(
                f"{name} {wanted} is needed and {found} is installed: other versions write other "
                "text. Install the dependency group 'generate'."
            )


def _run_generator(root: Path, output: Path) -> None:
    scripts = sysconfig.get_path("scripts")
    if shutil.which("ruff", path=scripts) is None:
        raise GenerationError(f"there is no ruff in {scripts}, beside this Python")
    # The post hooks call ruff by its name: the pinned one has to be found before any other.
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
