"""The names that the reference links to exist, in the versions that are installed."""

from __future__ import annotations

import builtins
import inspect
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest

LINKS: Final = Path(__file__).parents[2] / "docs" / "links.toml"
NAMES: Final = [
    (kind, name)
    for project in tomllib.loads(LINKS.read_text(encoding="utf-8")).values()
    for kinds in project["pages"].values()
    for kind, names in kinds.items()
    for name in names
]


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_name_exists(kind: str, name: str) -> None:
    module, _, attribute = name.rpartition(".")
    source: Any = import_module(module) if module else builtins
    value = None if name == "None" else getattr(source, attribute)
    is_exception = inspect.isclass(value) and issubclass(value, BaseException)
    assert is_exception is (kind == "exception")
