"""Processor time and memory of ``examples/async_service.py`` as it relays live streams.

Many browsers each follow a live stream through the service; this process only counts their bytes.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs

from .replay import EVENT_LINES, conducted
from .script import ROOT, arguments, report, resident

TICKS: Final = os.sysconf("SC_CLK_TCK")  # a second


@attrs.frozen
class Service:
    """The running service."""

    port: int
    pid: int

    def processor_seconds(self) -> float:
        """Return the processor time that it has taken."""
        fields = (
            Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        )
        return (int(fields[11]) + int(fields[12])) / TICKS  # user and system time

    def resident(self) -> int:
        """Return its memory in bytes."""
        return resident(self.pid)


@contextmanager
def service(url: str, transport: str) -> Iterator[Service]:
    """Run the service in front of a workflow server."""
    command = [sys.executable, "examples/async_service.py", url, "--port", "0"]
    with subprocess.Popen(
        [*command, "--transport", transport],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,  # one line for each request
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        started = next(line for line in process.stderr if "running on" in line)
        address = next(word for word in started.split() if word.startswith("http://"))
        try:
            yield Service(urlsplit(address).port or 80, process.pid)
        finally:
            process.kill()


class Browsers:
    """Counts what browsers receive, and measures the service meanwhile.

    Args:
        service: The service.
        events: How many events there are in all streams, without the terminal ones.
    """

    def __init__(self, service: Service, events: int) -> None:
        self._service = service
        self._lines = events * EVENT_LINES
        self._memory = service.resident()
        self._begin: float | None = None
        self._end: float | None = None
        self.taken = 0.0

    def begin(self) -> None:
        """Begin before the first event."""
        self._begin = self._service.processor_seconds()

    async def follow(self, path: str) -> None:
        """Read a stream to its end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._service.port)
        writer.write(b"GET %s HTTP/1.1\r\nHost: relay\r\n\r\n" % path.encode())
        await reader.readuntil(b"\r\n\r\n")
        while data := await reader.read(65536):
            # Each line of an event ends with a LF alone, those of HTTP chunks do not.
            self._seen(data.count(b"\n") - data.count(b"\r\n"))
            if data.endswith(b"0\r\n\r\n"):
                break
        writer.close()

    def _seen(self, lines: int) -> None:
        self._lines -= lines
        if self._lines <= 0 and self._end is None:
            self._end = self._service.processor_seconds()
            self.taken = float(self._service.resident() - self._memory)

    @property
    def processor_seconds(self) -> float:
        """The processor time of the service."""
        assert self._begin is not None
        assert self._end is not None, "events are missing"
        return self._end - self._begin


async def measured(service: Service, url: str, *sizes: int) -> tuple[float, float]:
    """Return seconds per event and bytes per stream."""
    streams, events, _ = sizes
    await Browsers(service, 1).follow("/runs/blocks-1/events")  # what is done only once
    browsers = Browsers(service, streams * events)
    name = "live-" + "-".join(map(str, sizes))
    with conducted(url, name, browsers.begin):
        await asyncio.gather(*(browsers.follow(f"/runs/{name}/events") for _ in range(streams)))
    return browsers.processor_seconds / (streams * events), browsers.taken / streams


options = arguments(__doc__, streams=1000, events=10, rate=2)
sizes = (options.streams, options.events, options.rate)
found: dict[str, list[float]] = {}
for transport in ("httpx", "aiohttp"):
    with service(options.replay, transport) as started:
        seconds, taken = asyncio.run(measured(started, options.replay, *sizes))
    found[f"{transport}_seconds"], found[f"{transport}_bytes"] = [seconds], [taken]
report(**found)
