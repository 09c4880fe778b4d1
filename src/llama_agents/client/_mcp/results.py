"""Results of runs as MCP carries them: JSON that every peer can read, of bounded size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import attrs

from .._text import fields, json_text, printable

MAX_RESULT: Final = 1_000_000  # characters; hosts show a model far less
MAX_DEPTH: Final = 100  # of nested values; the encoder of the protocol has a limit, too


class ResultError(ValueError):
    """A result that cannot be handed to a peer."""


@attrs.frozen
class Content:
    """A result, twice.

    Attributes:
        structured: The fields.
        text: The same as JSON, in which every character that is not shown is an escape.
    """

    structured: dict[str, Any]
    text: str


def read_result(value: Mapping[str, Any]) -> Content:
    """Return the fields of a stop event.

    Raises:
        ResultError: They are too large, or nested too deep.
    """
    structured = {_plain_text(name): _plain(each, 0) for name, each in fields(value)}
    text = json_text(structured)
    if len(text) > MAX_RESULT:
        raise ResultError(f"the result has {len(text)} characters, more than {MAX_RESULT}")
    return Content(structured, text)


def _plain(value: Any, depth: int) -> Any:
    """Return a value without what JSON or UTF-8 does not have."""
    if depth > MAX_DEPTH:
        raise ResultError(f"the result is nested more than {MAX_DEPTH} deep")
    match value:
        case str():
            return _plain_text(value)
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {_plain_text(str(k)): _plain(each, depth + 1) for k, each in value.items()}
        case list() | tuple():
            return [_plain(each, depth + 1) for each in value]
    return value


def _plain_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # lone surrogates
        return printable(text, keep="\n\r\t")
    return text
