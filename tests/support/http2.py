"""A server that keeps an event stream open for each request on an HTTP/2 connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import attrs
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import PingReceived, RequestReceived, StreamReset

from .scripted import frame


@attrs.define
class Http2Server:
    """A running server; the client must use HTTP/2 without being asked to (``http1=False``).

    Attributes:
        url: The base URL of the server.
        connections: The number of connections so far.
        open: The IDs of the open streams, in the order of their requests.
        reset: The IDs of the streams that the client has reset.
        ignored_pings: The number of pings still to be left unanswered.
    """

    url: str
    connections: int = 0
    open: list[int] = attrs.field(factory=list)
    reset: list[int] = attrs.field(factory=list)
    ignored_pings: int = 0
    _socket: socket.socket | None = None
    _state: H2Connection | None = None
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    def send(self, stream: int, data: bytes) -> None:
        """Send data on a stream."""
        assert self._state is not None
        assert self._socket is not None
        with self._lock:
            self._state.send_data(stream, data)
            self._socket.sendall(self._state.data_to_send())

    def send_comments(self) -> None:
        """Send a comment on each open stream."""
        for stream in [*self.open]:
            self.send(stream, b": comment\n\n")

    def serve(self, connection: socket.socket) -> None:
        """Open a stream with one event for each request."""
        self.connections += 1
        self._socket = connection
        state = self._state = H2Connection(H2Configuration(client_side=False))
        state.initiate_connection()
        with connection, suppress(OSError):
            connection.sendall(state.data_to_send())
            while data := connection.recv(65536):
                with self._lock:
                    for event in state.receive_data(data):
                        match event:
                            case RequestReceived(stream_id=int(stream)):
                                head = [(":status", "200"), ("content-type", "text/event-stream")]
                                state.send_headers(stream, head)
                                state.send_data(stream, frame(1))
                                self.open.append(stream)
                            case StreamReset(stream_id=int(stream)):
                                self.open.remove(stream)
                                self.reset.append(stream)
                            case PingReceived() if self.ignored_pings:
                                self.ignored_pings -= 1
                                state.clear_outbound_data_buffer()
                    connection.sendall(state.data_to_send())

    def shut_down(self) -> None:
        """Close the connection."""
        with suppress(OSError):
            if self._socket is not None:
                self._socket.shutdown(socket.SHUT_RDWR)


@contextmanager
def http2_server() -> Iterator[Http2Server]:
    """Serve HTTP/2 on one connection at a time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Http2Server(f"http://127.0.0.1:{listener.getsockname()[1]}")

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    server.serve(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield server
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            server.shut_down()
            thread.join()
