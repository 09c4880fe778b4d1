"""A proxy in front of a server that loses what it is told to lose."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Literal

import attrs
import httpx

Fate = Literal["pass", "lose", "cut", "refuse"]
"""What becomes of a connection.

``pass``: all is passed on. ``lose``: the answer is lost when it comes. ``cut``: it is cut as soon
as the request has been passed on. ``refuse``: it is closed before anything is passed on.
"""


@attrs.define
class Lossy:
    """A running proxy.

    Attributes:
        url: Where it listens.
        connections: How many were made to it.
    """

    url: str
    connections: int = 0


@contextmanager
def lossy(upstream: str, fates: Sequence[Fate]) -> Iterator[Lossy]:
    """Run a proxy: each connection meets the next fate, and those after the last one pass."""
    target = httpx.URL(upstream)
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = Lossy(f"http://127.0.0.1:{listener.getsockname()[1]}")
    open_sockets: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def pump(source: socket.socket, sink: socket.socket | None) -> None:
        """Pass bytes on until the end, and then the end; with no sink, end at the first bytes."""
        with suppress(OSError):
            while data := source.recv(65536):
                if sink is None:
                    break
                sink.sendall(data)
        if sink is not None:
            with suppress(OSError):
                sink.shutdown(socket.SHUT_WR)

    def serve(client: socket.socket, fate: Fate) -> None:
        with client, suppress(OSError):
            if fate == "refuse":
                return
            with socket.create_connection((target.host, target.port or 80)) as server:
                open_sockets.extend((client, server))
                if fate == "pass":
                    up = threading.Thread(target=pump, args=(client, server))
                    up.start()
                    pump(server, client)
                    with suppress(OSError):
                        client.shutdown(socket.SHUT_RDWR)
                    up.join()
                    return
                server.sendall(_whole_request(client))
                if fate == "lose":
                    pump(server, None)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            number = proxy.connections
            proxy.connections += 1
            fate: Fate = fates[number] if number < len(fates) else "pass"
            thread = threading.Thread(target=serve, args=(client, fate))
            threads.append(thread)
            thread.start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield proxy
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
        for connection in open_sockets:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


def _whole_request(client: socket.socket) -> bytes:
    """Read one request with its body; each request of the client has a content length or none."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += client.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    while len(body) < length:
        body += client.recv(65536)
    return head + b"\r\n\r\n" + body
