"""How names are shown: on one line, bounded, and without characters that change other text."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

LONGEST_NAME: Final = 300  # characters; of anything longer, pictures have only the start
ELLIPSIS: Final = "…"
_TAIL: Final = 8  # characters of the end of a name that is cut in the middle

# Where an identifier can be broken: after an underscore or a dot, before a capital, at spaces.
_PIECE: Final = re.compile(r"[^_.\s]+?(?:(?<=[a-z0-9])(?=[A-Z])|[_.]+|\s+|$)|[_.\s]+|.")
# Widths in ems; generous, because every viewer has its own sans-serif font.
_WIDTHS: Final = {
    **dict.fromkeys("il'|.,:;!jI ", 0.42),
    **dict.fromkeys('frt()[]{}/\\-"', 0.52),
    **dict.fromkeys("mwMW@%…—", 1.06),
    **dict.fromkeys("ABCDEFGHJKLNOPQRSTUVXYZ&<>=+#~", 0.85),
}
_AVERAGE: Final = 0.68


def visible(text: str, longest: int = LONGEST_NAME) -> str:
    """Return text with its control, bidirectional and other invisible characters escaped.

    Args:
        text: Any text, lone surrogates included.
        longest: Number of characters to keep; an ellipsis stands for the others.
    """
    kept = text[:longest]
    shown = kept if kept.isprintable() else "".join(map(_escaped, kept))
    return shown if len(text) <= longest else shown + ELLIPSIS


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def columns(text: str) -> int:
    """Return the number of columns that text takes in a terminal."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def fit(text: str, limit: int) -> str:
    """Return text cut to a number of columns, with an ellipsis if something is missing."""
    if columns(text) <= limit:
        return text
    kept, taken = "", 0
    for character in text:
        taken += _columns(character)
        if taken > limit - 1:
            break
        kept += character
    return kept + ELLIPSIS


def width(text: str, size: float, *, is_bold: bool = False) -> float:
    """Estimate the width of text in a generic sans-serif font, rather too wide than too narrow.

    Args:
        text: One line.
        size: The size of the font.
        is_bold: Whether it is bold.
    """
    ems = sum(
        _WIDTHS.get(character, _AVERAGE)
        if character.isascii()
        else {0: 0.0, 1: 0.95, 2: 1.1}[_columns(character)]
        for character in text
    )
    return ems * size * (1.14 if is_bold else 1)


def wrap(text: str, limit: int, lines: int) -> tuple[str, ...]:
    """Break a name into lines, at underscores and between words if possible.

    Args:
        text: The name.
        limit: Columns of a line.
        lines: How many lines to keep; in the last one, an ellipsis stands for what is missing.
    """
    found = [""]
    for piece in _PIECE.findall(text):
        if found[-1] and columns(found[-1] + piece.rstrip()) > limit:
            found.append("")
        found[-1] += piece
        while columns(found[-1].rstrip()) > limit:
            head = fit(found[-1], limit + 1)[:-1]
            found[-1:] = [head, found[-1][len(head) :]]
    kept = [line.strip() for line in found[:lines]]
    if len(found) > lines:
        # Names that start alike often differ in their end.
        head = fit(kept[-1] + " " * limit, limit - _TAIL).removesuffix(ELLIPSIS)
        kept[-1] = head.rstrip() + ELLIPSIS + text[-_TAIL:].lstrip()
    return tuple(kept)
