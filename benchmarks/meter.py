"""Measures live streams of the replaying server from before their first event to their last one."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

from .replay import EVENT_LINES, READY

INTERVAL: Final = 0.2  # s
IDLE: Final = 0.02  # s of an interval


def wait_until_idle(
    clock: Callable[[], float], sleep: Callable[[float], None] = time.sleep
) -> float:
    """Wait until a process hardly takes any processor time, and return what it has taken."""
    before = clock()
    while True:
        sleep(INTERVAL)
        after = clock()
        if after - before <= IDLE:
            return after
        before = after


class Meter:
    """Measures the processor time of events. Opening and closing streams does not count.

    Args:
        clock: Returns the processor time of the process that reads the streams.
        streams: How many streams there are.
        events: How many events each one has, without the terminal one.
        rate: How many events a second each one has; 0 for as many as possible.

    Attributes:
        name: What the streams are called in their path.
    """

    def __init__(self, clock: Callable[[], float], streams: int, events: int, rate: int) -> None:
        self.name = f"live-{streams}-{events}-{rate}"
        self._clock = clock
        self._events = streams * events
        self._lines = self._events * EVENT_LINES
        self._begin: float | None = None
        self._end: float | None = None

    @contextmanager
    def conducting(self, url: str) -> Iterator[None]:
        """Let the streams begin when all are open and what that takes is done."""
        address = urlsplit(url)

        def conduct() -> None:
            with socket.create_connection((address.hostname, address.port)) as connection:
                connection.sendall(b"GET /conduct/%s HTTP/1.1\r\n\r\n" % self.name.encode())
                if connection.recv(len(READY)):
                    self._begin = wait_until_idle(self._clock)
                    connection.sendall(b"\n")

        thread = threading.Thread(target=conduct, daemon=True)  # without streams, it never ends
        thread.start()
        yield
        thread.join()

    def seen(self, lines: int) -> None:
        """Count lines: a read may end within an event."""
        self._lines -= lines
        if self._lines <= 0 and self._end is None:
            self._end = self._clock()

    @property
    def is_over(self) -> bool:
        """Whether the last event has come."""
        return self._end is not None

    def seconds(self) -> float:
        """Return seconds per event."""
        assert self._begin is not None
        assert self._end is not None, "events are missing"
        return (self._end - self._begin) / self._events
