"""Every defect applies; running the tests against them takes a session of its own."""

from __future__ import annotations

import pytest

from .__main__ import PACKAGE
from .defects import DEFECTS
from .patches import apply


@pytest.mark.parametrize("guarantee", DEFECTS)
def test_defect_applies_and_changes_the_source(guarantee: str) -> None:
    apply(DEFECTS[guarantee].patch, PACKAGE)
