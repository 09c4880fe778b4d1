"""Type checkers accept the programs of every recipe."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from .pages import PAGES, write_programs

# Functions of distributed that have no annotations may be called. LangChain's tracing is left out:
# it takes longer than all the rest of LangChain.
SETTINGS: Final = """
[mypy]
strict = true
untyped_calls_exclude = distributed

[mypy-langsmith.*]
follow_imports = skip
"""


@pytest.fixture(scope="module")
def mypy(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The type checker, which keeps what it knows of the packages that several pages use."""
    folder = tmp_path_factory.mktemp("mypy")
    settings = folder / "mypy.ini"
    settings.write_text(SETTINGS, encoding="utf-8")
    options = [f"--config-file={settings}", f"--cache-dir={folder / 'cache'}"]
    return [sys.executable, "-m", "mypy", *options]


@pytest.mark.parametrize(
    "page", sorted(page.stem for page in PAGES.glob("*.md") if page.stem != "index")
)
def test_programs_are_typed(page: str, mypy: list[str], tmp_path: Path) -> None:
    write_programs(page, tmp_path)
    done = subprocess.run([*mypy, "."], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
