"""Where a scenario's stream comes from: a real server behind the proxy, a script, a dead end."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import attrs
import httpx

from ..support.chaos import Fault, chaos, in_turn
from ..support.scripted import Turn, scripted
from .server_process import ServerProcess, seen

HANDLER = "h1"


@attrs.frozen
class Place:
    """A stream to read.

    Attributes:
        url: Where the server seems to be.
        handler_id: The run.
        requests: The heads of the requests for the stream so far.
        expected: The events that are to be delivered, as `seen` writes them; asked for at the end.
    """

    url: str
    handler_id: str
    requests: Callable[[], Sequence[str]]
    expected: Callable[[], Sequence[str]]


PlaceMaker = Callable[[ServerProcess], AbstractContextManager[Place]]


def proxied(*faults: Fault, **start_event: Any) -> PlaceMaker:
    """A run of the workflow "count", through the proxy; the store knows what is to come."""

    @contextmanager
    def place(server: ServerProcess) -> Iterator[Place]:
        server.ensure()
        run = {"start_event": {"n": 6, "pause": 0.01, **start_event}}
        answer = httpx.post(f"{server.url}/workflows/count/run-nowait", json=run)
        handler_id = answer.json()["handler_id"]
        with chaos(server.url, in_turn(stream=faults)) as proxy:
            yield Place(
                proxy.url,
                handler_id,
                lambda: [
                    request.raw.decode() for request in proxy.requests if request.kind == "stream"
                ],
                lambda: server.stored(handler_id),
            )

    return place


def script(*turns: Turn, expect: Sequence[tuple[object, Mapping[str, Any]]]) -> PlaceMaker:
    """A script; the events to come are given as sequence number and value."""

    @contextmanager
    def place(_: ServerProcess) -> Iterator[Place]:
        with scripted(turns) as server:
            yield Place(
                server.url,
                HANDLER,
                lambda: server.requests,
                lambda: [seen(sequence, dict(value)) for sequence, value in expect],
            )

    return place


def refusing(_: ServerProcess) -> AbstractContextManager[Place]:
    """A port on which nobody listens."""
    return _dead_end(lambda listener: None)


def black_hole(_: ServerProcess) -> AbstractContextManager[Place]:
    """A port that answers no SYN: the queue of its listener is full."""
    return _dead_end(lambda listener: listener.listen(0))


@contextmanager
def _dead_end(prepare: Callable[[socket.socket], None]) -> Iterator[Place]:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        prepare(listener)
        for _ in range(3):
            queued = stack.enter_context(socket.socket())
            queued.setblocking(False)
            queued.connect_ex(listener.getsockname())
        yield Place(
            f"http://127.0.0.1:{listener.getsockname()[1]}", HANDLER, lambda: [], lambda: []
        )
