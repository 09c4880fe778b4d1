"""Values that a server sends, as text: bounded, on one line, and inert."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, Final

ELLIPSIS: Final = "…"

_JSON: Final = json.JSONEncoder(ensure_ascii=False, default=repr)


def plain(text: str, limit: int) -> str:
    """Return a text on one line.

    Args:
        text: The text; what cannot be printed, such as a control character, a change of direction
            or a lone surrogate, is written as an escape sequence.
        limit: How many characters to return; one that is cut ends with an ellipsis.
    """
    shown = "".join(c if c.isprintable() else _escape(c) for c in text[: limit + 1])
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
        text += f"{' ' if text else ''}{plain(str(name), limit)}={_json(each, limit)}"
        if len(text) > limit:
            break
    return plain(text, limit)


def width(text: str) -> int:
    """Return the number of columns that `plain` text takes in a terminal."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def cut(text: str, columns: int) -> str:
    """Return as much of `plain` text as a line of a terminal holds."""
    if width(text) <= columns:
        return text
    left, shown = columns - 1, 0
    for shown, character in enumerate(text):  # noqa: B007
        left -= _columns(character)
        if left < 0:
            break
    return text[:shown] + ELLIPSIS if columns > 0 else ""


def duration(seconds: float) -> str:
    """Return a duration with the two units that matter."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


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


def _escape(character: str) -> str:
    if unicodedata.category(character) == "Zs":
        return " "
    return character.encode("unicode_escape").decode()


def _columns(character: str) -> int:
    if unicodedata.east_asian_width(character) in "WF":
        return 2
    return 0 if unicodedata.category(character) in ("Mn", "Me") else 1
