"""Programs in a pseudo-terminal, as a person uses them."""

from __future__ import annotations

import codecs
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

TIMEOUT: Final = 120.0  # s, for one text to appear

POLL: Final = 0.05  # s, until it is seen that the program has ended

# The first terminal that a new session opens becomes its controlling terminal, so that Ctrl-C
# reaches the program as a signal. (No code of Python's may run in the child of a process that has
# threads.)
ATTACH: Final = 'exec "$@" <"$0" >"$0" 2>&1'


class Terminal:
    """A program in a terminal, which shows both its outputs.

    Attributes:
        shown: What has been shown so far, with escape codes and with the input's echo.
        process: The program.
    """

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.shown = ""
        self.process = process
        self._descriptor = descriptor
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def wait_for(self, text: str) -> None:
        """Wait until a text is shown, after those waited for before."""
        ends_at = time.monotonic() + TIMEOUT
        begin = getattr(self, "_seen", 0)
        while text not in self.shown[begin:]:
            if not self._read(ends_at):
                raise AssertionError(f"{text!r} is not shown: {self.shown!r}")
        self._seen = self.shown.index(text, begin) + len(text)

    def type(self, text: str) -> None:
        """Type a text, which should end with a newline; ``\\x04`` is Ctrl-D, ``\\x03`` Ctrl-C."""
        os.write(self._descriptor, text.encode())

    def wait(self) -> int:
        """Wait until the program ends; return its exit status."""
        ends_at = time.monotonic() + TIMEOUT
        while self._read(ends_at):
            ...
        return self.process.wait(TIMEOUT)

    def look(self) -> str:
        """Read what is there by now; return what has been shown so far."""
        while self._is_readable(0):
            self._receive()
        return self.shown

    @property
    def text(self) -> str:
        """What has been shown, without escape codes."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.shown).replace("\r", "")

    def _read(self, ends_at: float) -> bool:
        """Read more; return whether the program may show more."""
        while True:
            has_ended = self.process.poll() is not None  # before: it may show something until then
            if self._is_readable(0 if has_ended else POLL):
                self._receive()
                return True
            if has_ended:
                return False
            if time.monotonic() > ends_at:
                raise AssertionError(f"nothing more is shown within {TIMEOUT} s: {self.shown!r}")

    def _is_readable(self, within: float) -> bool:
        return bool(select.select([self._descriptor], [], [], within)[0])

    def _receive(self) -> None:
        self.shown += self._decoder.decode(os.read(self._descriptor, 65536))


@contextmanager
def terminal(
    command: Sequence[str], environment: Mapping[str, str], *, rows: int = 0, columns: int = 0
) -> Iterator[Terminal]:
    """Run a program in a terminal of its own; kill it at the end.

    Args:
        command: The program, with its arguments.
        environment: Its environment.
        rows: The size of the terminal; 0 if it does not know.
        columns: As well.
    """
    import pty  # none of these is on Windows
    import termios

    ours, its = pty.openpty()
    try:
        termios.tcsetwinsize(its, (rows, columns))
        with subprocess.Popen(
            ["sh", "-c", ATTACH, os.ttyname(its), *command],
            env=dict(environment),
            start_new_session=True,
        ) as process:
            try:
                yield Terminal(process, ours)
            finally:
                process.send_signal(signal.SIGKILL)
    finally:
        os.close(its)
        os.close(ours)
