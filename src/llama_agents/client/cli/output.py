"""What a command prints: results to stdout, notes to stderr, both safe for a terminal.

A server's text has escapes for what a terminal would act upon; see `_text`.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Sequence
from typing import Any, Final, TextIO

import attrs

from .._text import columns, is_shown, plain

MAX_LINE: Final = 500  # characters of one event in text

_STYLES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
STATUS_STYLES: Final = {
    "completed": "green",
    "failed": "red",
    "cancelled": "yellow",
    "running": "cyan",
}


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
        self.line(json_text(document))

    def document(self, document: Any) -> None:
        """Print a result as JSON, on one line in the format jsonl."""
        self.line(json_text(document, indent=2 if self.format == "json" else None))

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

    def error(self, text: str) -> None:
        """Print why a command failed."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        self.note(f"{self.style('error:', 'red', is_note=True)} {text}")

    def style(self, text: str, style: str, *, is_note: bool = False) -> str:
        """Return a text as it is shown in a terminal that can."""
        if not has_color(self.stderr if is_note else self.stdout):
            return text
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"

    def status(self, status: str, width: int = 0, *, is_note: bool = False) -> str:
        """Return a status in its color."""
        text = f"{one_line(status, 40):{width}}"
        return self.style(text, STATUS_STYLES.get(status, "bold"), is_note=is_note)

    def table(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
        """Return a table whose columns are as wide as they need to be."""
        widths = [max(map(columns, column)) for column in zip(head, *rows, strict=True)]
        lines = []
        for row in (head, *rows):
            pairs = zip(row, widths, strict=True)
            cells = (cell + " " * (width - columns(cell)) for cell, width in pairs)
            lines.append("  ".join(cells).rstrip())
        return lines


def has_color(stream: TextIO) -> bool:
    """Return whether a stream is a terminal that shows colors, and the user wants them."""
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return wanted and stream.isatty()
