"""Processor time and memory of ``examples/async_service.py`` as it relays live streams.

Many browsers each follow a live stream through the service; this process only counts their bytes.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import attrs

from .meter import Meter
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


async def follow(service: Service, stream: str, seen: Callable[[int], None]) -> None:
    """Read a relayed stream to its end, as a browser does."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(b"GET /runs/%s/events HTTP/1.1\r\nHost: relay\r\n\r\n" % stream.encode())
    await reader.readuntil(b"\r\n\r\n")
    while data := await reader.read(65536):
        # Each line of an event ends with a LF alone, those of HTTP chunks do not.
        seen(data.count(b"\n") - data.count(b"\r\n"))
        if data.endswith(b"0\r\n\r\n"):
            break
    writer.close()


async def measured(service: Service, url: str, *sizes: int) -> tuple[float, float]:
    """Return seconds per event and bytes per stream."""
    await follow(service, "blocks-1", lambda lines: None)  # what is done only once
    before, streams = service.resident(), sizes[0]
    meter, taken = Meter(service.processor_seconds, *sizes), 0

    def seen(lines: int) -> None:
        nonlocal taken
        meter.seen(lines)
        if meter.is_over and not taken:
            taken = service.resident() - before

    with meter.conducting(url):
        await asyncio.gather(*(follow(service, meter.name, seen) for _ in range(streams)))
    return meter.seconds(), taken / streams


options = arguments(__doc__, streams=1000, events=10, rate=2)
sizes = (options.streams, options.events, options.rate)
found: dict[str, list[float]] = {}
for transport in ("httpx", "aiohttp"):
    with service(options.replay, transport) as started:
        seconds, taken = asyncio.run(measured(started, options.replay, *sizes))
    found[f"{transport}_seconds"], found[f"{transport}_bytes"] = [seconds], [taken]
report(**found)
