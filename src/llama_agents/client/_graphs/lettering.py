"""How wide text is in a picture, and where a name can be broken."""

from __future__ import annotations

import re
from typing import Final

from .._text import ELLIPSIS, character_columns, columns, cut

LONGEST_NAME: Final = 300  # characters; of anything longer, pictures have only the start
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
        else {0: 0.0, 1: 0.95, 2: 1.1}[character_columns(character)]
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
            head = cut(found[-1], limit + 1)[:-1]
            found[-1:] = [head, found[-1][len(head) :]]
    kept = [line.strip() for line in found[:lines]]
    if len(found) > lines:
        # Names that start alike often differ in their end.
        head = cut(kept[-1] + " " * limit, limit - _TAIL).removesuffix(ELLIPSIS)
        kept[-1] = head.rstrip() + ELLIPSIS + text[-_TAIL:].lstrip()
    return tuple(kept)
