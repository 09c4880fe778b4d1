"""Tables for notebooks: HTML without scripts, remote assets or colours of its own."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from .._text import plain

MAX_ROWS: Final = 50
MAX_CELL: Final = 300  # characters
MAX_NAME: Final = 80  # characters of a name
MAX_PLAIN: Final = 20_000  # characters of a repr

_CELL: Final = (
    "text-align: left; vertical-align: top; padding: 0.2em 0.8em 0.2em 0;"
    " border-bottom: 1px solid rgba(128, 128, 128, 0.35); white-space: normal;"
)
_SHORT: Final = f"{_CELL} max-width: 24em; overflow-wrap: break-word;"
_LONG: Final = f"{_CELL} min-width: 12em; max-width: 40em; overflow-wrap: anywhere;"
_TABLE: Final = "border-collapse: collapse; margin: 0.3em 0;"
_FAINT: Final = "opacity: 0.75;"


@attrs.frozen
class Html:
    """Text that is HTML already."""

    text: str


def escaped(text: str | Html, limit: int = MAX_CELL) -> str:
    """Return text as HTML."""
    if isinstance(text, Html):
        return text.text
    return html.escape(plain(text, limit))


def strong(text: str) -> Html:
    """Return text that stands out."""
    return Html(f"<strong>{escaped(text)}</strong>")


def faint(text: str) -> Html:
    """Return text that matters less."""
    return Html(f'<span style="{_FAINT}">{escaped(text)}</span>')


def unbroken(text: str) -> Html:
    """Return short text that is not to be wrapped."""
    return Html(f'<span style="white-space: nowrap;">{escaped(text, MAX_NAME)}</span>')


def code(text: str) -> Html:
    """Return a name or an ID."""
    return Html(f"<code>{escaped(text)}</code>")


def line(*parts: str | Html) -> Html:
    """Return a line of parts with dots between them."""
    return Html(f"<div>{' · '.join(map(escaped, parts))}</div>")


def stacked(*blocks: Html) -> Html:
    """Return one block above the other."""
    return Html(f"<div>{''.join(block.text for block in blocks)}</div>")


def table(
    rows: Iterable[Sequence[str | Html]],
    head: Sequence[str] = (),
    *,
    total: int | None = None,
    what: str = "",
) -> Html:
    """Return a table.

    Args:
        rows: The cells of each row; the first `MAX_ROWS` are shown.
        head: The names of the columns; without them, the first cell of a row is its name.
        total: How many rows there are.
        what: What a row is, in the plural, to say how many more there are.
    """
    body = ""
    if head:
        names = "".join(f'<th style="{_CELL}">{escaped(name)}</th>' for name in head)
        body += f"<thead><tr>{names}</tr></thead>"
    body += "<tbody>"
    shown = 0
    for shown, row in enumerate(rows, 1):
        if shown > MAX_ROWS:
            shown -= 1
            break
        first, *others, last = row
        tag = "td" if head else "th"
        cells = f'<{tag} style="{_SHORT}">{escaped(first)}</{tag}>'
        cells += "".join(f'<td style="{_SHORT}">{escaped(each)}</td>' for each in others)
        cells += f'<td style="{_LONG}">{escaped(last)}</td>'
        body += f"<tr>{cells}</tr>"
    more = (total or shown) - shown
    note = f'<div style="{_FAINT}">and {more:,} more {escaped(what)}</div>' if more else ""
    return Html(f'<table style="{_TABLE}">{body}</tbody></table>{note}')


def bundle(shown: Html, value: object) -> dict[str, str]:
    """Return what ``_repr_mimebundle_`` returns for a value: its HTML, and its repr."""
    text = repr(value)
    if len(text) > MAX_PLAIN:
        text = f"{text[:MAX_PLAIN]}… ({len(text):,} characters)"
    return {"text/html": shown.text, "text/plain": text}
