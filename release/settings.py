"""What the repository says about releases: the table `tool.release`, and what builds them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).parents[1]
REQUIREMENTS: Final = ROOT / "release" / "requirements.txt"

_table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["release"]
ALLOWED_LICENSES: Final[dict[str, str]] = _table["allowed-licenses"]
LICENSES: Final[dict[str, str]] = _table["licenses"]


def build_requirements() -> dict[str, tuple[Requirement, list[str]]]:
    """Return what a release is built with, and the SHA-256 of each archive of it."""
    found: dict[str, tuple[Requirement, list[str]]] = {}
    text = REQUIREMENTS.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        requirement, *hashes = re.split(r"\s--hash=sha256:", line)
        parsed = Requirement(requirement)
        found[canonicalize_name(parsed.name)] = parsed, [value.strip() for value in hashes]
    return found
