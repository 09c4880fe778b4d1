"""The programs of the recipe that a module tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from .pages import write_programs


@pytest.fixture
def programs(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with the programs of the page that the module is named after."""
    page = request.module.__name__.rpartition(".test_")[2]
    write_programs(page.replace("_", "-"), tmp_path)
    return tmp_path
