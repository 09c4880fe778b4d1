"""SECURITY.md: each claim names tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_tests_of_the_threat_model_exist() -> None:
    claims = re.split(r"^(?=- \*\*)", (ROOT / "SECURITY.md").read_text(), flags=re.MULTILINE)[1:]
    defined = {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    for claim in claims:
        named = re.findall(r"`(test_\w+)`", claim)
        assert named, claim
        assert defined.issuperset(named), set(named) - defined
    assert len(claims) == 11
