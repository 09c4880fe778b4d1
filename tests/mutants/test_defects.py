"""The patches fit: planting them takes a session of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from .defects import DEFECTS, Defect

PACKAGE = Path(__file__).parents[2] / "src/llama_agents/client"


@pytest.mark.parametrize("defect", [pytest.param(defect, id=defect.breaks) for defect in DEFECTS])
def test_what_a_defect_patches_stands_there_once(defect: Defect) -> None:
    text = (PACKAGE / defect.file).read_text(encoding="utf-8")
    assert text.count(defect.old) == 1
    assert defect.new != defect.old
