"""Ports for servers that are stopped and restarted at the same address."""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from typing import Final

# Below the ephemeral range: an outgoing connection must not take the port of a stopped server.
PORTS: Final = range(20000, 32000)


def listener() -> socket.socket:
    """Return a socket that listens on a free loopback port."""
    for port in random.sample(PORTS, k=100):
        with suppress(OSError):
            return socket.create_server(("127.0.0.1", port), backlog=1024)
    raise RuntimeError("no free port found")


def free_port() -> int:
    """Return a free loopback port."""
    with listener() as found:
        port: int = found.getsockname()[1]
    return port
