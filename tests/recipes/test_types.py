"""Type checkers accept the programs of every recipe."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .pages import PAGES, write_programs

PARTLY_TYPED = ["distributed"]  # their functions without annotations may be called


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What mypy knows of the packages that several pages use."""
    return tmp_path_factory.mktemp("mypy")


@pytest.mark.parametrize(
    "page", sorted(page.stem for page in PAGES.glob("*.md") if page.stem != "index")
)
def test_programs_are_typed(page: str, tmp_path: Path, cache: Path) -> None:
    write_programs(page, tmp_path)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(cache)]
    command += [f"--untyped-calls-exclude={package}" for package in PARTLY_TYPED]
    done = subprocess.run([*command, "."], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
