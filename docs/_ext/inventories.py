"""Inventories of other projects' documentation, from links.toml: the build needs no network.

``links.toml`` has the address of each documentation, and for each of its pages the names that are
described there. A name's anchor is the name itself, unless its page says otherwise with ``#``.
"""

from __future__ import annotations

import tomllib
import zlib
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

HEADER = b"""\
# Sphinx inventory version 2
# Project: %s
# Version:
# The remainder of this file is compressed using zlib.
"""


def write_inventories(links: Path, folder: Path) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Write an ``objects.inv`` for each project.

    Args:
        links: The file with the names.
        folder: Where to write the inventories.

    Returns:
        The value of ``intersphinx_mapping``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    mapping: dict[str, tuple[str, tuple[str, ...]]] = {}
    for project, entry in tomllib.loads(links.read_text(encoding="utf-8")).items():
        file = folder / f"{project}.inv"
        text = "".join(
            f"{name} py:{kind} 1 {address(page, name)} -\n"
            for page, kinds in entry["pages"].items()
            for kind, names in kinds.items()
            for name in names
        )
        file.write_bytes(HEADER % project.encode() + zlib.compress(text.encode()))
        mapping[project] = (entry["url"], (str(file),))
    return mapping


def address(page: str, name: str) -> str:
    """Return the address of a name on a page; a page with an anchor is the address."""
    return page if "#" in page else f"{page}#{name}"


def _configure(app: Sphinx, config: Config) -> None:
    mapping = write_inventories(Path(app.confdir) / "links.toml", Path(app.doctreedir) / "links")
    config.intersphinx_mapping = mapping


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension; its handler runs before intersphinx reads the mapping."""
    app.connect("config-inited", _configure, priority=100)
    return {"parallel_read_safe": True}
