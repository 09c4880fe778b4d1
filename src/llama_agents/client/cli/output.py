"""What a command prints: results to stdout, notes to stderr, both safe for a terminal.

A server's text has escapes for what a terminal would act upon; see `_text`.
"""

from __future__ import annotations

import io
import json
import math
import os
import sys
from collections.abc import Sequence
from typing import Any, Final, TextIO

import attrs

from .._terminals import has_colors
from .._text import is_shown, plain

MAX_LINE: Final = 500  # characters of one event in text

_STYLES: Final = {"bold": "1", "dim": "2", "red": "31", "yellow": "33"}


def json_text(document: Any, indent: int | None = None) -> str:
    """Return a document as JSON, in which every character that is not shown is an escape."""
    text = json.dumps(document, ensure_ascii=False, indent=indent, default=str)
    if text.isprintable():
        return text
    return "".join(c if is_shown(c) or c == "\n" else json.dumps(c)[1:-1] for c in text)


def one_line(text: str, limit: int = MAX_LINE) -> str:
    """Return the words of a text on one line."""
    # Not all of it: an error of a server may have megabytes.
    return plain(" ".join(text[: 4 * limit].split()), limit)


@attrs.frozen
class Output:
    """Prints results in one of three formats, and notes.

    Attributes:
        format: ``text``, ``json`` or ``jsonl``.
        stdout: For results.
        stderr: For notes.
        secrets: Texts that no error may quote.
    """

    format: str
    stdout: TextIO
    stderr: TextIO
    secrets: Sequence[str] = ()

    @classmethod
    def of_process(cls, format_: str, secrets: Sequence[str] = ()) -> Output:
        """Return the output to the standard streams, which may have been closed."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        stdout, stderr = (
            # Open until the process ends.
            stream or open(os.devnull, "w")  # noqa: SIM115
            for stream in (sys.stdout, sys.stderr)
        )
        return cls(format_, stdout, stderr, secrets)

    @property
    def is_text(self) -> bool:
        """Whether results are printed for people."""
        return self.format == "text"

    def line(self, text: str = "") -> None:
        """Print a line of a result."""
        print(text, file=self.stdout, flush=True)

    def record(self, document: Any) -> None:
        """Print one of several results as a line of JSON."""
        self.line(self.json(document, indent=None))

    def document(self, document: Any) -> None:
        """Print a result as JSON, on one line in the format jsonl."""
        self.line(self.json(document))

    def json(self, document: Any, *, indent: int | None = 2) -> str:
        """Return a document as JSON that is valid in the encoding of the output, too."""
        indent = indent if self.format == "json" else None
        text = json_text(_with_finite_numbers(document), indent)
        try:
            text.encode(self.stdout.encoding or "ascii")
        except UnicodeEncodeError:
            return "".join(c if c.isascii() else json.dumps(c)[1:-1] for c in text)
        return text

    def documents(self, documents: Sequence[Any]) -> None:
        """Print a list as JSON, or each of its items as a line."""
        if self.format == "json":
            self.document(documents)
        else:
            for each in documents:
                self.record(each)

    def note(self, text: str) -> None:
        """Print a line that is not a result."""
        print(text, file=self.stderr, flush=True)

    def warning(self, text: str) -> None:
        """Print what is wrong, but stops no command."""
        self.note(f"{self.style('warning:', 'yellow', is_note=True)} {self.redacted(text)}")

    def error(self, text: str) -> None:
        """Print why a command failed."""
        self.note(f"{self.style('error:', 'red', is_note=True)} {self.redacted(text)}")

    def redacted(self, text: str) -> str:
        """Return a text without what must not be shown."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text

    def style(self, text: str, style: str, *, is_note: bool = False) -> str:
        """Return a text as it is shown in a terminal that can."""
        if not has_colors(self.stderr if is_note else self.stdout):
            return text
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"


def _with_finite_numbers(document: Any) -> Any:
    """Return a document in which each NaN and infinity, which JSON does not have, is null."""
    if isinstance(document, float):
        return document if math.isfinite(document) else None
    if isinstance(document, dict):
        return {name: _with_finite_numbers(value) for name, value in document.items()}
    if isinstance(document, list | tuple):
        return [_with_finite_numbers(value) for value in document]
    return document
