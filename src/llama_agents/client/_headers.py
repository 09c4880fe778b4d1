"""Which headers can be sent; the reasons name a header, and never show its content."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

import httpx

_NAME: Final = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+")  # RFC 9110, 5.6.2
_VALUE: Final = re.compile(  # RFC 9110, 5.5
    rb"(?:[\x21-\x7e\x80-\xff]+(?:[ \t]+[\x21-\x7e\x80-\xff]+)*)?"
)


def checked_headers(headers: object) -> httpx.Headers:
    """Return headers that a caller passed.

    Raises:
        TypeError: They are not pairs of strings.
        ValueError: One of them cannot be sent.
    """
    pairs = headers.items() if isinstance(headers, Mapping | httpx.Headers) else headers
    if not isinstance(pairs, Iterable) or isinstance(pairs, str | bytes):
        raise TypeError(f"headers must be a mapping of strings, not {type(headers).__name__}")
    checked = [(_encoded(name, name), _encoded(name, value)) for name, value in pairs]
    if problem := problem_of(checked):
        raise ValueError(problem)
    return httpx.Headers(checked)


def combined(
    headers: Mapping[str, str] | None, others: Mapping[str, str] | None
) -> httpx.Headers | None:
    """Return headers, and others that replace those of the same name."""
    if not headers or not others:
        return httpx.Headers(headers or others) if headers or others else None
    together = httpx.Headers(headers)
    together.update(others)
    return together


def problem_of(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return why one of the headers cannot be sent, or None if all can."""
    for name, value in headers:
        if not _NAME.fullmatch(name):
            return f"{_named(name)} has an invalid name"
        if not _VALUE.fullmatch(value):
            spaced = _VALUE.fullmatch(value.strip(b" \t"))
            what = "a space at its beginning or end" if spaced else "a control character in it"
            return f"{_named(name)} has {what}"
    return None


def _encoded(name: object, text: object) -> bytes:
    if isinstance(text, bytes):
        return text
    if not isinstance(text, str):
        raise TypeError(f"{_named(name)} must be a string, not {type(text).__name__}")
    if not text.isascii():
        raise ValueError(f"{_named(name)} has a character in it that is not ASCII")
    return text.encode()


def _named(name: object) -> str:
    # What stands after an invalid character may be the content: "Authorization: Bearer ...".
    text = name.encode("ascii", "replace") if isinstance(name, str) else name
    match = _NAME.match(text) if isinstance(text, bytes) else None
    return "a header" if match is None else f"header {match[0].decode()!r}"
