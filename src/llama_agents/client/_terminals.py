"""What a stream can show, and what the user wants it to."""

from __future__ import annotations

import os
from typing import TextIO


def can_redraw(stream: TextIO) -> bool:
    """Return whether a stream is a terminal that obeys escape codes."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def has_colors(stream: TextIO) -> bool:
    """Return whether a stream is such a terminal, and the user wants colors."""
    return can_redraw(stream) and not os.environ.get("NO_COLOR")
