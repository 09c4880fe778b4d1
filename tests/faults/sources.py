"""What serves a scenario's stream: a real server behind a proxy, a script, or a dead end."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import attrs

from examples.chaos_proxy import Fault, chaos, in_turn

from ..support.any_client import describe
from ..support.scripted import Turn, scripted
from ..support.tls import certificates
from .server_process import ServerProcess

HANDLER_ID = "h1"


@attrs.frozen
class Source:
    """A stream to read.

    Attributes:
        url: The base URL for the client.
        handler_id: ID of the run.
        requests: Returns the heads of the stream requests received so far.
        expected: Returns the events to be delivered, as `describe` writes them; called at the end.
    """

    url: str
    handler_id: str = HANDLER_ID
    requests: Callable[[], Sequence[str]] = list
    expected: Callable[[], Sequence[str]] = list


SourceFactory = Callable[[ServerProcess], AbstractContextManager[Source]]


def proxied(*faults: Fault, **start_event: Any) -> SourceFactory:
    """A run of the workflow "count" behind the proxy; its events are those in the store."""

    @contextmanager
    def source(server: ServerProcess) -> Iterator[Source]:
        handler_id = server.start_run("count", **{"n": 6, "pause": 0.01, **start_event})
        with chaos(server.url, in_turn(stream=faults)) as proxy:
            yield Source(
                proxy.url,
                handler_id,
                lambda: [r.raw.decode() for r in proxy.requests if r.kind == "stream"],
                lambda: server.stored_events(handler_id),
            )

    return source


def script(
    *turns: Turn | bytes,
    expect: Sequence[tuple[object, Mapping[str, Any]]] = (),
    tls: ssl.SSLContext | None = None,
) -> SourceFactory:
    """A script; expected events are pairs of sequence number and value."""

    @contextmanager
    def source(_: ServerProcess) -> Iterator[Source]:
        with scripted(
            [Turn(turn) if isinstance(turn, bytes) else turn for turn in turns], tls
        ) as server:
            yield Source(
                server.url,
                requests=lambda: server.requests,
                expected=lambda: [describe(sequence, value) for sequence, value in expect],
            )

    return source


def encrypted(
    *turns: Turn, expect: Sequence[tuple[object, Mapping[str, Any]]] = ()
) -> SourceFactory:
    """A script over TLS."""

    @contextmanager
    def source(server: ServerProcess) -> Iterator[Source]:
        certs = certificates()
        with certs.trusted(), script(*turns, expect=expect, tls=certs.server)(server) as inner:
            yield inner

    return source


def refusing(_: ServerProcess) -> AbstractContextManager[Source]:
    """A port on which nothing listens."""
    return _dead_end(listens=False)


def black_hole(_: ServerProcess) -> AbstractContextManager[Source]:
    """A port that does not reply to a SYN, because the backlog of its listener is full."""
    return _dead_end(listens=True)


@contextmanager
def _dead_end(*, listens: bool) -> Iterator[Source]:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        if listens:
            listener.listen(0)
        for _ in range(3):
            queued = stack.enter_context(socket.socket())
            queued.setblocking(False)
            queued.connect_ex(listener.getsockname())
        yield Source(f"http://127.0.0.1:{listener.getsockname()[1]}")
