"""What a server sends, as text that a person reads: on one line, bounded, and inert.

Control characters move the cursor of a terminal, changes of direction reorder what is around them,
and lone surrogates cannot be written at all. They are shown as escapes.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

ELLIPSIS: Final = "…"
_JOINERS: Final = "\u200c\u200d"  # of scripts and emoji; invisible, and harmless

_JSON: Final = json.JSONEncoder(ensure_ascii=False, default=repr)


def printable(text: str, keep: str = "") -> str:
    """Return a text with escapes for what is not shown, such as control characters.

    Args:
        text: The text.
        keep: Characters to keep.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else _escape(c) for c in text)


def plain(text: str, limit: int) -> str:
    """Return a text as `printable` text of at most so many characters; an ellipsis ends a cut."""
    shown = printable(text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + ELLIPSIS


def value_text(value: Any, limit: int) -> str:
    """Return a value as `plain` text: a string as it is, anything else as JSON."""
    return plain(value if isinstance(value, str) else _json(value, limit), limit)


def fields(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Return the fields of an event, those without a declaration after the others."""
    dynamic = value.get("_data")
    for name, each in value.items():
        if each is not dynamic or name != "_data":
            yield name, each
    if isinstance(dynamic, Mapping):
        yield from dynamic.items()
    elif dynamic is not None:
        yield "_data", dynamic


def fields_text(value: Mapping[str, Any], limit: int) -> str:
    """Return the fields of an event as `plain` text: ``number=4 title="About"``."""
    text = ""
    for name, each in fields(value):
        text += f"{' ' if text else ''}{plain(str(name), limit)}={_field_text(each, limit)}"
        if len(text) > limit:
            break
    return plain(text, limit)


def _field_text(value: Any, limit: int) -> str:
    match value:
        case {"exception_type": str(name), "exception_message": str(message), **others}:
            if not others:  # as the framework writes an exception
                return f"{name.rpartition('.')[2]}({_json(message, limit)})"
    return _json(value, limit)


def columns(text: str) -> int:
    """Return the number of columns that `plain` text takes in a terminal."""
    return len(text) if text.isascii() else sum(map(character_columns, text))


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table whose columns are as wide as they need to be."""
    widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        pairs = zip(row, widths, strict=True)
        cells = (cell + " " * (width - columns(cell)) for cell, width in pairs)
        lines.append("  ".join(cells).rstrip())
    return lines


def cut(text: str, limit: int) -> str:
    """Return as much of `plain` text as so many columns of a terminal hold."""
    if columns(text) <= limit:
        return text
    left, shown = limit - 1, 0
    for shown, character in enumerate(text):  # noqa: B007
        left -= character_columns(character)
        if left < 0:
            break
    return text[:shown] + ELLIPSIS if limit > 0 else ""


def duration(seconds: float) -> str:
    """Return a duration with the two units that matter."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def time_of(text: str | None) -> datetime | None:
    """Return a time as the server writes it; None if there is none, or it is not one."""
    try:
        return datetime.fromisoformat(text or "")
    except ValueError:
        return None


def elapsed(begin: str | None, end: str | None) -> str:
    """Return the time between two of the server; nothing where that is not known."""
    first, last = time_of(begin), time_of(end)
    try:
        seconds = -1.0 if first is None or last is None else (last - first).total_seconds()
    except TypeError:  # one has an offset, the other has none
        return ""
    if seconds < 0:
        return ""
    return f"{seconds:.2f} s" if seconds < 10 else duration(seconds)


def _json(value: Any, limit: int) -> str:
    """Return a value as JSON, of which no more is written than is shown."""
    text = ""
    try:
        for part in _JSON.iterencode(value):
            text += part[: limit + 1]
            if len(text) > limit:
                break
    except (RecursionError, TypeError, ValueError):  # no JSON value, or nested without end
        text += ELLIPSIS
    return text


def is_shown(character: str) -> bool:
    """Return whether a character is shown, if only as space, and changes nothing around it."""
    is_plain = character.isprintable() or character in _JOINERS
    return is_plain or unicodedata.category(character) == "Zs"


def _escape(character: str) -> str:
    return character if is_shown(character) else character.encode("unicode_escape").decode()


def character_columns(character: str) -> int:
    """Return the number of columns that a character takes in a terminal."""
    if unicodedata.east_asian_width(character) in "WF":
        return 2
    return 0 if unicodedata.category(character) in ("Mn", "Me", "Cf") else 1
