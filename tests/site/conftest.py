"""The site that `nox -s docs` has built."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

SITE: Final = Path(__file__).parents[2] / "build" / "docs"


@pytest.fixture(scope="session")
def site() -> Path:
    assert (SITE / "index.html").exists(), "nox -s docs builds the site"
    return SITE
