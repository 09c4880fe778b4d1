"""The pages of the documentation, and the blocks of code on them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import attrs

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
PAGES: Final = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])

_FENCED: Final = re.compile(
    r"^(?P<indent> *)```(?P<language>\S*)[^\n]*\n(?P<text>.*?)^(?P=indent)```$", re.M | re.S
)


@attrs.frozen
class Block:
    """A fenced block of a page."""

    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that a program says it is, in a comment on its first line."""
        match = re.match(r"(?:# |<!-- )([\w.-]+\.\w+)(?: -->)?\n", self.text)
        return None if match is None else match[1]


def blocks(page: Path, *languages: str) -> list[Block]:
    """Return the blocks of a page in some languages, or all of them."""
    found = [
        Block(match["language"], match["text"])
        for match in _FENCED.finditer(page.read_text(encoding="utf-8"))
    ]
    return [block for block in found if not languages or block.language in languages]


def name(page: Path) -> str:
    """Return the path of a page within the repository."""
    return page.relative_to(ROOT).as_posix()
