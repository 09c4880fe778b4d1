"""Parts of Markdown pages."""

from __future__ import annotations

from collections.abc import Sequence


def cell(text: str) -> str:
    """Return text as the content of a table's cell."""
    return " ".join(text.split()).replace("|", "\\|")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table, with an empty line after it; the cells are Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
