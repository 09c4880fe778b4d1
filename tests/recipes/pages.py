"""The programs of the recipes, as their pages show them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

PAGES: Final = Path(__file__).parents[2] / "docs" / "recipes"
_BLOCK: Final = re.compile(
    r"^```(?:python|html)\n((?:# |<!-- )(\S+)(?: -->)?\n.*?)^```$", re.M | re.S
)


def write_programs(page: str, folder: Path) -> list[Path]:
    """Write the programs of a page into a folder; the first line of each names its file.

    Args:
        page: Name of the page, such as "dask".
        folder: Where to write them.

    Returns:
        The files.
    """
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    programs = _BLOCK.findall(text)
    assert len(programs) == len(re.findall("^```(?:python|html)$", text, re.M)), (
        "a block without a name"
    )
    files = []
    for program, name in programs:
        file = folder / name
        file.write_text(program, encoding="utf-8")
        files.append(file)
    return files
