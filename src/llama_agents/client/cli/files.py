"""Text that a command reads: a file, or standard input."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final, TextIO

from .fields import FieldError

ENCODING: Final = "utf-8-sig"  # JSON is UTF-8, wherever it comes from; some begin with a BOM


@contextmanager
def reading(file: str) -> Iterator[tuple[TextIO, str]]:
    """Open a file, or standard input for ``-``.

    Yields:
        The text, and its name for errors.

    Raises:
        FieldError: It is not UTF-8, or standard input is closed.
        OSError: It cannot be read.
    """
    name = "standard input" if file == "-" else file
    if file != "-":
        opened: AbstractContextManager[TextIO] = open(file, encoding=ENCODING)  # noqa: SIM115  # entered below
    elif sys.stdin is None:
        raise FieldError(f"{name} is closed")
    else:
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(encoding=ENCODING, errors="strict")
        opened = nullcontext(sys.stdin)
    try:
        with opened as text:
            yield text, name
    except UnicodeDecodeError as error:
        raise FieldError(f"{name} is not UTF-8: {error.reason}") from error
