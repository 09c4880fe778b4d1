"""Where a live view is shown: a notebook, a terminal, or lines of a file."""

from __future__ import annotations

import io
import os
import sys
import uuid
from typing import Any, Final, Protocol, TextIO

from .._terminals import can_redraw, has_colors
from .._text import columns
from .html import MAX_PLAIN
from .view import Emphasis, Line, RunView

_STYLES: Final[dict[Emphasis, str]] = {
    "none": "",
    "strong": "\x1b[1m",
    "faint": "\x1b[2m",
    "good": "\x1b[1;32m",
    "bad": "\x1b[1;31m",
}
_PLAIN_LINE: Final = 500  # columns


class Screen(Protocol):
    """Shows a view.

    Attributes:
        is_live: Whether the view is redrawn in place; otherwise it gets a line for each event.
    """

    is_live: bool

    def draw(self, view: RunView, now: float) -> None:
        """Show the view as it is now."""
        ...

    def add(self, text: str) -> None:
        """Write a line below what was written before."""
        ...

    def finish(self, view: RunView, now: float) -> None:
        """Show the view for the last time."""
        ...


def choose_screen(file: TextIO | None) -> Screen:
    """Return where to show a view.

    Args:
        file: Where to write; None for the notebook of a running kernel, or else stdout.
    """
    shell = _kernel_shell() if file is None else None
    if shell is not None:
        return Notebook(shell.display_pub)
    stdout: TextIO | None = sys.stdout
    to = file or stdout or io.StringIO()  # a program without a console has no stdout
    return Terminal(to, has_colors=has_colors(to)) if can_redraw(to) else Lines(to)


def _kernel_shell() -> Any:
    """Return the shell of IPython, if this process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell if getattr(shell, "kernel", None) is not None else None


class Notebook:
    """One display of a notebook, which is updated.

    Args:
        publisher: Sends displays to the notebook.
    """

    is_live = True

    def __init__(self, publisher: Any) -> None:
        self._publisher = publisher
        self._id = uuid.uuid4().hex
        self._is_shown = False

    def draw(self, view: RunView, now: float) -> None:
        """Show the view as it is now."""
        lines = view.lines(MAX_PLAIN, MAX_PLAIN, now)
        data = {
            "text/html": view.html(now).text,
            "text/plain": "\n".join(line.text for line in lines),
        }
        self._publisher.publish(
            data=data, metadata={}, transient={"display_id": self._id}, update=self._is_shown
        )
        self._is_shown = True

    finish = draw

    def add(self, text: str) -> None:
        """Do nothing: the view has the last events."""


class Terminal:
    """The last lines of a terminal, which are redrawn.

    Args:
        file: The terminal.
        has_colors: Whether to write colours.
    """

    is_live = True

    def __init__(self, file: TextIO, *, has_colors: bool) -> None:
        self._file = file
        self._has_colors = has_colors
        self._shown: list[int] = []  # the widths of the lines that are shown

    def draw(self, view: RunView, now: float) -> None:
        """Show the view as it is now."""
        width, rows = self._size()
        # A terminal that has become narrower has wrapped the lines.
        up = sum(max(1, -(-shown // width)) for shown in self._shown)
        up = min(up, rows - 1)
        # The last column would wrap, and the last row is for the cursor.
        lines = view.lines(width - 1, rows - 1, now)
        back = f"\x1b[{up}A" if up else ""
        _write(self._file, f"\r{back}\x1b[J" + "".join(f"{self._styled(line)}\n" for line in lines))
        self._shown = [columns(line.text) for line in lines]

    finish = draw

    def add(self, text: str) -> None:
        """Do nothing: the view has the last events."""

    def _styled(self, line: Line) -> str:
        style = _STYLES[line.emphasis] if self._has_colors else ""
        return f"{style}{line.text}\x1b[0m" if style else line.text

    def _size(self) -> tuple[int, int]:
        try:
            columns, rows = os.get_terminal_size(self._file.fileno())
        except (OSError, ValueError):
            columns, rows = 0, 0
        return columns or 80, rows or 24  # as where nobody has said how large it is


class Lines:
    """A file, or a terminal that can redraw nothing: a line for each event.

    Args:
        file: The file.
    """

    is_live = False

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def draw(self, view: RunView, now: float) -> None:
        """Do nothing: each event has its line."""

    def add(self, text: str) -> None:
        """Write a line below what was written before."""
        _write(self._file, f"{text[:_PLAIN_LINE]}\n")

    def finish(self, view: RunView, now: float) -> None:
        """Write how the run is."""
        self.add(view.heading(now))


def _write(file: TextIO, text: str) -> None:
    """Write at once, with question marks for what the file cannot encode."""
    encoding = getattr(file, "encoding", None) or "utf-8"
    file.write(text.encode(encoding, "replace").decode(encoding))
    file.flush()
