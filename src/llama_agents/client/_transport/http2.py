"""Cancelling one of the streams that share an HTTP/2 connection.

httpcore (1.0.9) has no way to do so: a task or thread that waits for a stream goes on waiting when
its response is closed. So the stream is reset at both ends. The reader finds that out as soon as
anything arrives, such as the answer to a ping.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import httpx

PING_PAUSES: Final = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64)  # s, after each ping
PATIENCE: Final = 0.002  # s, long enough for a waiting thread to wake


def is_shared(response: httpx.Response) -> bool:
    """Return whether the connection of a response serves others at the same time."""
    return response.http_version == "HTTP/2"


async def acancel_stream(response: httpx.Response) -> None:
    """Reset the stream of a response, whose reader then fails and closes it."""
    body = _reset(response)
    if body is not None:
        with suppress(Exception):  # a broken connection, which the reader notices as well
            await body._connection._write_outgoing_data(body._request)


def cancel_stream(response: httpx.Response) -> None:
    """Reset the stream of a response, whose reader then fails and closes it."""
    body = _reset(response)
    if body is not None:
        # It may fail on a broken connection, which the reader notices as well.
        with suppress(Exception), _patience(body._connection):
            for pause in PING_PAUSES:
                body._connection._write_outgoing_data(body._request)
                time.sleep(pause)
                if body._closed:
                    break
                body._connection._h2_state.ping(bytes(8))


class _PatientLock:
    # Locks of threads are not fair: who reads for all others takes httpcore's read lock again
    # before the others have woken, and then holds it until more arrives.
    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __enter__(self) -> None:
        time.sleep(PATIENCE)
        self.inner.__enter__()

    def __exit__(self, *exc_info: object) -> None:
        self.inner.__exit__(*exc_info)


@contextmanager
def _patience(connection: Any) -> Iterator[None]:
    """Let those who already wait to read from a connection go first."""
    lock = connection._read_lock
    inner = lock.inner if isinstance(lock, _PatientLock) else lock  # two streams are cancelled
    connection._read_lock = _PatientLock(inner)
    try:
        yield
    finally:
        connection._read_lock = inner


def _reset(response: httpx.Response) -> Any:
    """Prepare both ends; return httpcore's stream of the body, or None if it is another's."""
    from h2.errors import ErrorCodes
    from h2.events import StreamReset

    body: Any = response.stream
    with suppress(Exception):
        while not hasattr(body, "_stream_id"):
            body = body._httpcore_stream if hasattr(body, "_httpcore_stream") else body._stream
        connection, stream_id = body._connection, body._stream_id
        event: Any = object.__new__(StreamReset)  # the signature depends on the version of h2
        event.stream_id, event.error_code, event.remote_reset = stream_id, ErrorCodes.CANCEL, False
        connection._events[stream_id].append(event)
        connection._h2_state.reset_stream(stream_id, ErrorCodes.CANCEL)
        connection._h2_state.ping(bytes(8))
        return body
    return None
