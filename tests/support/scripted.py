"""A server that follows a script: the exact bytes to send on each connection."""

from __future__ import annotations

import json
import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

import attrs

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def frame(sequence: int | None, type_: str = "Tick", **value: object) -> bytes:
    """Return one event in the wire format of the server."""
    data = json.dumps({"value": value, "type": type_, "types": None, "qualified_name": None})
    head = "" if sequence is None else f"id: {sequence}\n"
    return f"{head}data: {data}\n\n".encode()


def chunk(data: bytes) -> bytes:
    """Return one chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


END = b"0\r\n\r\n"


def stream(*frames: bytes, end: bytes = END) -> bytes:
    """Return a response with an event stream; an empty ``end`` leaves its body open."""
    return HEAD + b"".join(map(chunk, frames)) + end


def response(status: str, body: bytes = b"", **headers: str) -> bytes:
    """Return a response with a Content-Length; by default it closes the connection."""
    headers = {"Connection": "close", **headers}
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


GARBLED_RECORD: Final = b"\x17\x03\x03\x00\x20" + b"x" * 32
MAX_CONNECTIONS: Final = 500  # a client that opens more is in an endless loop


@attrs.frozen
class Turn:
    """What happens on one connection once its request has been read.

    Attributes:
        data: The bytes to send; a function yields them chunk by chunk.
        then: ``close``, ``reset``, or ``hold``: keep it open until the client closes it;
            ``unread``: keep it open, and read no more; or ``garble``: send a TLS record that cannot
            be decrypted.
    """

    data: bytes | Callable[[], Iterable[bytes]] = b""
    then: str = "close"


@attrs.define
class Script:
    """A running script.

    Attributes:
        url: The base URL of the server.
        requests: The heads of the requests received so far.
        closed: The number of held connections that the client has closed.
    """

    url: str
    requests: list[str] = attrs.field(factory=list)
    closed: int = 0


# What the client asks for to identify the server, and what all servers since 0.2 respond.
IDENTIFYING: Final = "GET /handlers/no-such-run-"
UNKNOWN_RUN: Final = response(
    "404 Not Found", b'{"detail":"Handler not found"}', Content_Type="application/json"
)


@contextmanager
def scripted(turns: Sequence[Turn], tls: ssl.SSLContext | None = None) -> Iterator[Script]:
    """Serve one turn per connection; the last turn serves all further connections.

    The request that identifies the server is not part of the script.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    scheme = "http" if tls is None else "https"
    script = Script(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}")
    stopped = threading.Event()
    lock = threading.Lock()
    held: list[socket.socket] = []

    def wrapped(connection: socket.socket) -> socket.socket:
        return connection if tls is None else tls.wrap_socket(connection, server_side=True)

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), wrapped(connection) as connection:
            request = _read_request(connection)
            if request.startswith(IDENTIFYING):
                connection.sendall(UNKNOWN_RUN)
                return
            with lock:
                turn = turns[min(len(script.requests), len(turns) - 1)]
                script.requests.append(request)
            if turn.then == "garble" and hasattr(socket, "TCP_CORK"):  # it all arrives at once
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            for part in turn.data() if callable(turn.data) else [turn.data]:
                connection.sendall(part)
            if turn.then == "reset":
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            elif turn.then == "garble":
                with socket.socket(fileno=os.dup(connection.fileno())) as raw:
                    raw.sendall(GARBLED_RECORD)
            elif turn.then == "unread":
                stopped.wait()
            elif turn.then == "hold":
                held.append(connection)
                with suppress(ConnectionResetError):  # if something had not been read
                    while connection.recv(4096):
                        pass
                script.closed += 1

    def accept() -> None:
        count = 0
        while not stopped.is_set() and count < MAX_CONNECTIONS:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            count += 1
            worker = threading.Thread(target=serve, args=(connection,))
            workers.append(worker)
            worker.start()
        listener.close()  # further connections are refused

    workers: list[threading.Thread] = []
    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield script
    finally:
        stopped.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        for connection in held:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        acceptor.join()
        listener.close()
        for worker in workers:
            worker.join()


def _read_request(connection: socket.socket) -> str:
    data = b""
    while b"\r\n\r\n" not in data:
        received = connection.recv(65536)
        if not received:
            break
        data += received
    return data.decode("latin-1")
