"""The fault scenarios of streams, each run with both client variants."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final, Literal

import attrs
import httpx
from llama_agents.client import (
    InvalidResponseError,
    MissedEventsWarning,
    NotFoundError,
    ResponseTooLargeError,
    ServerError,
    StatusError,
    StreamDisconnectedError,
    StreamNotFoundError,
    StreamTimeoutError,
    UnsupportedServerError,
)

from examples.chaos_proxy import Fault

from ..support.any_client import Variant
from ..support.scripted import END, HEAD, Turn, chunk, frame, response, stream
from .measure import Cost
from .sources import Source, SourceFactory, black_hole, encrypted, proxied, refusing, script

TIME_LIMIT: Final = 60.0  # s, that no scenario reaches on a loaded machine


@attrs.frozen
class Stream:
    """A stream, the fault that it meets, and the required outcome.

    Attributes:
        name: The fault, in the user's words.
        source: What serves the stream.
        raises: The error that ends the stream.
        detail: A part of that error's message.
        cause: The class of that error's cause.
        connections: How many times the client requests the stream; None if that varies.
        at_least: The minimum duration in seconds, where a rule says so.
        at_most: The maximum duration in seconds.
        megabytes: The maximum growth of the process.
        warns: The warning that is issued.
        client: Settings of the client.
        options: Arguments of the stream.
        every_request: A part of each request for the stream, in lower case.
        last_request: A part of the last one.
        pauses: How many times the consumer pauses for 0.2 s.
        leave: How the consumer leaves the stream after its first event.
        when_asyncio: What differs over the async client's own connections, which asyncio decrypts.
    """

    name: str
    source: SourceFactory
    raises: type[Exception] | None = None
    detail: str = ""
    cause: type[Exception] | None = None
    connections: int | None = 1
    at_least: float = 0.0
    at_most: float = TIME_LIMIT
    megabytes: float | None = None
    warns: type[Warning] | None = None
    client: Mapping[str, Any] = attrs.field(factory=dict)
    options: Mapping[str, Any] = attrs.field(factory=dict)
    every_request: str = ""
    last_request: str = ""
    pauses: int = 0
    leave: Literal["break", "close", "error", "never"] | None = None
    when_asyncio: Mapping[str, Any] = attrs.field(factory=dict)

    def of(self, variant: Variant, transport: str) -> Stream:
        """Return the scenario as it is with a client variant over a transport."""
        is_asyncio = variant == "async" and transport != "httpx2"
        return attrs.evolve(self, **self.when_asyncio) if is_asyncio else self

    def check(
        self,
        source: Source,
        expected: Sequence[str],
        delivered: Sequence[str],
        error: Exception | None,
        cost: Cost,
    ) -> None:
        """Fail unless every guarantee holds."""
        assert delivered == expected, "lost, duplicated or out of order"
        assert isinstance(error, self.raises or type(None)), repr(error)
        assert self.detail in str(error)
        if self.cause is not None:
            assert error is not None
            assert isinstance(error.__cause__, self.cause), repr(error.__cause__)
        if delivered and isinstance(error, StreamDisconnectedError | InvalidResponseError):
            assert delivered[-1].startswith(f"{error.last_sequence} ")
        requests = source.requests()
        if self.connections is not None:
            assert len(requests) == self.connections
        assert all(self.every_request in request.lower() for request in requests)
        assert self.last_request in "".join(requests[-1:])
        assert self.at_least <= cost.seconds < self.at_most
        if self.megabytes is not None:
            assert cost.megabytes < self.megabytes


def ticks(*numbers: int) -> list[tuple[object, dict[str, Any]]]:
    """Return the expected events for `tick` of each number."""
    return [(n, {"n": n}) for n in numbers]


def tick(n: int, **fields: object) -> bytes:
    """Return an event with a number, which is also its sequence number."""
    return frame(n, n=n, **fields)


DONE: Final = frame(99, "StopEvent")
STOP: Final = (99, {})
SHORT_IDLE: Final = {"timeout": httpx.Timeout(10, read=0.3)}
# Without reconnects, the heads of responses must arrive within it on a loaded machine, too.
QUIET_IDLE: Final = {"timeout": httpx.Timeout(10, read=2.0)}
NO_RECONNECTS: Final = {"max_reconnect_attempts": 0}
ONE_RECONNECT: Final = {"max_reconnect_attempts": 1}

# ------------------------------------------------------------------- reading

SEPARATORS: Final = "a\u2028b\u2029c\u0085d\x1ce\r\nf\U0001f600"
NON_ASCII: Final = "\u00e4\U0001f600"

# Forms of one event that the WHATWG specification allows.
VALUE: Final = json.dumps({"n": 1})
DATA_FIRST: Final = f'data: {{"value": {VALUE}, "type": "T"}}\nid: 1\n\n'.encode()
NON_ASCII_FIRST: Final = DATA_FIRST.replace(b"1}", f'1, "text": "{NON_ASCII}"}}'.encode())
MANY_LINES: Final = f': hi\nx: y\nid:2\ndata:{{"type": "T",\ndata: "value": {VALUE}}}\n\n'.encode()
NO_EVENTS: Final = b"data\n\ndata:\n\n: heartbeat\n\nevent: x\n\nid: 3\n\n"
MIXED_LINE_ENDS: Final = (
    b"\xef\xbb\xbf" + NON_ASCII_FIRST.replace(b"\n", b"\r\n") + tick(2).replace(b"\n", b"\r") + DONE
)
UTF_8: Final = stream(frame(1, text="ae"), DONE).replace(b"ae", NON_ASCII[0].encode())
MISLABELLED: Final = UTF_8.replace(b"event-stream\r", b"event-stream; charset=latin-1\r")


def in_bytes(data: bytes) -> bytes:
    """Return a stream in chunks of one byte."""
    return HEAD + b"".join(chunk(bytes([byte])) for byte in data) + END


def gzipped(*parts: bytes) -> bytes:
    """Return a compressed stream, flushed after each part, whose body does not end."""
    packer = zlib.compressobj(wbits=31)
    packed = (packer.compress(part) + packer.flush(zlib.Z_SYNC_FLUSH) for part in parts)
    head = HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    return head + b"".join(map(chunk, packed))


def long_stream(count: int, size: int) -> SourceFactory:
    """Events with a text of that size, generated as they are sent."""
    text = "x" * size

    def chunks() -> Iterator[bytes]:
        yield HEAD
        for first in range(1, count, 1000):
            numbers = range(first, min(first + 1000, count))
            yield chunk(b"".join(tick(n, text=text) for n in numbers))
        yield chunk(frame(count, "StopEvent"))

    expected = [*((n, {"n": n, "text": text}) for n in range(1, count)), (count, {})]
    return script(Turn(chunks, then="hold"), expect=expected)


def comment(megabytes: int) -> SourceFactory:
    """A comment of that size between two events, generated as it is sent."""

    def chunks() -> Iterator[bytes]:
        yield HEAD + chunk(tick(1) + b":")
        for _ in range(megabytes):
            yield chunk(b"x" * 1_000_000)
        yield chunk(b"\n" + DONE)

    return script(Turn(chunks, then="hold"), expect=[*ticks(1), STOP])


PAGE: Final = response("200 OK", b"<html>log in</html>", Content_Type="text/html")

READING: Final = (
    Stream("U+2028, U+0085 and 0x1C in the text of an event", proxied(text=SEPARATORS)),
    Stream("one byte at a time", proxied(Fault(trickle=0.0), text=SEPARATORS)),
    Stream(
        "CR, LF and CRLF, characters split across reads, a BOM",
        script(
            in_bytes(MIXED_LINE_ENDS), expect=[(1, {"n": 1, "text": NON_ASCII}), *ticks(2), STOP]
        ),
    ),
    Stream(
        "a charset other than UTF-8 in Content-Type",
        script(MISLABELLED, expect=[(1, {"text": NON_ASCII[0]}), STOP]),
    ),
    Stream(
        "data before id, several data lines, comments, empty data",
        script(
            stream(DATA_FIRST, MANY_LINES, NO_EVENTS),
            stream(DONE),
            expect=[(1, {"n": 1}), (2, {"n": 1}), STOP],
        ),
        connections=2,
    ),
    Stream(
        "last event truncated before its blank line",
        script(stream(tick(1), tick(2)[:-1]), stream(tick(2), DONE), expect=[*ticks(1, 2), STOP]),
        connections=2,
    ),
    Stream(
        "malformed id 1_000",
        script(stream(b"id: 1_000\n" + frame(None, n=1)), expect=[(-1, {"n": 1})]),
        raises=UnsupportedServerError,
        detail="without a sequence number",
    ),
    Stream(
        "retry: 700 before a drop",
        script(stream(b"retry: 700\n\n", tick(1)), stream(DONE), expect=[*ticks(1), STOP]),
        connections=2,
        at_least=0.7,
    ),
    Stream(
        "a login page instead of the stream",
        script(PAGE),
        raises=InvalidResponseError,
        detail="text/html",
    ),
    Stream(
        "a login page on reconnect",
        script(stream(tick(1)), PAGE, expect=ticks(1)),
        connections=2,
        raises=InvalidResponseError,
        detail="text/html",
    ),
    Stream(
        "malformed event",
        script(stream(tick(1) + b"id: 2\ndata: {}\n\n"), expect=ticks(1)),
        raises=InvalidResponseError,
    ),
    Stream(
        "gzip, flushed after each event",
        script(gzipped(tick(1), tick(2), DONE), expect=[*ticks(1, 2), STOP]),
    ),
    # At its peak the process holds the frame, its text and its value, and the server's own copy.
    Stream("one event of 20 MB", long_stream(2, 20_000_000), megabytes=300),
    Stream(
        "an event larger than max_event_size",
        script(stream(tick(1), b"id: 2\ndata: ", b"x" * 30_000_000), expect=ticks(1)),
        raises=ResponseTooLargeError,
        detail="larger than 1000000 bytes",
        client={"max_event_size": 1_000_000},
        megabytes=60,  # of which the script has half
    ),
    Stream(
        "a comment of 100 MB",
        comment(100),
        megabytes=20,
    ),
    Stream("100,000 small events", long_stream(100_000, 0)),
    Stream(
        "200,000 events of 1 KB and a slow consumer",
        long_stream(200_000, 1000),
        pauses=5,
        megabytes=64,
    ),
)

# ------------------------------------------------------------------- the end

DISCONNECTS: Final[Mapping[str, SourceFactory]] = {
    "clean end of body after 2 of 6 events": proxied(Fault(events=2, end="clean")),
    "clean end of body in the middle of an event": proxied(Fault(events=2, tail=30, end="clean")),
    # Without pauses the others are there by now: a client that asks for new ones has lost them.
    "FIN after 2 of 6 events": proxied(Fault(events=2, end="fin"), pause=0),
    "FIN in the middle of an event": proxied(Fault(events=2, tail=30, end="fin")),
    "reset before the first event": proxied(Fault(events=0)),
    "reset after 2 of 6 events": proxied(Fault(events=2)),
    "reset in the middle of an event": proxied(Fault(events=2, tail=30)),
}
ENDING: Final = (
    *(Stream(name, source, connections=2) for name, source in DISCONNECTS.items()),
    Stream(
        "connection left open after the terminal event",
        script(Turn(stream(tick(1), DONE, end=b""), then="hold"), expect=[*ticks(1), STOP]),
        at_most=20,
    ),
    Stream(
        "204 on reconnect",
        script(stream(tick(1)), b"HTTP/1.1 204 No Content\r\n\r\n", expect=ticks(1)),
        connections=2,
    ),
)

# ------------------------------------------------------------------- resuming


def unavailable(status: str, **headers: str) -> Fault:
    """The proxy responds that it cannot reach the server."""
    return Fault(instead=response(status, b'{"detail": "away"}', **headers))


def retry_after_date(status: str) -> Fault:
    """As `unavailable`, with Retry-After as a date 2 s ahead; dates have whole seconds."""

    def with_date() -> bytes:
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
        return response(status, Retry_After=date)

    return Fault(instead=with_date)


FINAL_STATUSES: Final[Mapping[str, type[Exception]]] = {
    "400 Bad Request": StatusError,
    "401 Unauthorized": StatusError,
    "403 Forbidden": StatusError,
    "404 Not Found": StreamNotFoundError,
    "422 Unprocessable Content": StatusError,
    "500 Internal Server Error": ServerError,
}

RESUMING: Final = (
    Stream(
        "events repeated after a resume",
        proxied(Fault(events=4), Fault(rewind=3, events=1), Fault(rewind=9)),
        connections=3,
    ),
    Stream(
        "the same sequence number twice on one connection",
        script(stream(tick(1), tick(1), DONE), expect=[*ticks(1, 1), STOP]),
    ),
    Stream(
        "disconnect after an event without a sequence number",
        script(stream(frame(None, n=1)), expect=[(-1, {"n": 1})]),
        raises=UnsupportedServerError,
        detail="position in the stream is unknown",
    ),
    Stream(
        "every connection accepted and dropped",
        script(b""),
        raises=StreamDisconnectedError,
        cause=httpx.TransportError,
        connections=4,
        at_least=2.0,
    ),
    Stream(
        "every connection dropped after a heartbeat",
        script(stream(b": heartbeat\n\n")),
        raises=StreamDisconnectedError,
        connections=4,
    ),
    Stream(
        "connection refused",
        refusing,
        raises=StreamDisconnectedError,
        cause=httpx.ConnectError,
        connections=0,
    ),
    Stream(
        "a TLS record that cannot be decrypted",
        encrypted(
            Turn(stream(tick(1), end=b""), then="garble"),
            Turn(stream(tick(1), DONE)),
            expect=[*ticks(1), STOP],
        ),
        connections=2,
        last_request="after_sequence=1",
        when_asyncio={"last_request": "after_sequence=-1"},  # asyncio has lost the event
    ),
    Stream(
        "70 disconnects in a run of 500 events",
        proxied(*[Fault(events=7)] * 70, n=500, pause=0),
        connections=71,
        at_most=120,
    ),
    Stream(
        "server unreachable for 1.5 s", proxied(Fault(events=2, down=1.5), pause=0.1), connections=2
    ),
    Stream("429 once", proxied(unavailable("429 Too Many Requests")), connections=2),
    Stream(
        "502, 503, 504",
        proxied(
            unavailable("502 Bad Gateway"),
            unavailable("503 Service Unavailable"),
            unavailable("504 Gateway Timeout"),
        ),
        connections=4,
    ),
    Stream(
        "503 every time",
        script(response("503 Service Unavailable", b'{"detail": "away"}')),
        raises=StreamDisconnectedError,
        detail="away",
        cause=ServerError,
        connections=4,
    ),
    Stream(
        "503 with Retry-After: 1",
        proxied(unavailable("503 Service Unavailable", Retry_After="1")),
        connections=2,
        at_least=1.0,
    ),
    Stream(
        "503 with Retry-After as a date 1 to 2 s ahead",
        proxied(retry_after_date("503 Service Unavailable")),
        connections=2,
        at_least=0.9,
    ),
    *(
        Stream(
            status,
            script(response(status, b'{"detail": "the reason"}')),
            raises=error,
            detail="the reason",
            at_most=20,
        )
        for status, error in FINAL_STATUSES.items()
    ),
    Stream(
        "404 on reconnect",
        script(stream(tick(1)), response("404 Not Found"), expect=ticks(1)),
        raises=NotFoundError,
        connections=2,
    ),
    Stream(
        "two disconnects, Authorization header on the client",
        proxied(Fault(events=1), Fault(events=1)),
        connections=3,
        client={"headers": {"Authorization": "Bearer t"}},
        every_request="authorization: bearer t",
    ),
    Stream(
        "disconnect before the first event of a stream from 'now'",
        script(stream(b": heartbeat\n\n"), stream(DONE), expect=[STOP]),
        connections=2,
        options={"after_sequence": "now"},
        warns=MissedEventsWarning,
        every_request="after_sequence=now",
    ),
)

# ------------------------------------------------------------------- silence

QUIET: Final[Mapping[str, tuple[SourceFactory, int]]] = {
    "silence in the middle of a run": (proxied(*[Fault(events=2, end="stall")] * 2), 3),
    "silence in the middle of an event": (proxied(Fault(events=2, tail=20, end="stall")), 2),
    "a quiet run without heartbeats": (
        script(*[Turn(HEAD, then="hold")] * 5, stream(DONE), expect=[STOP]),
        6,
    ),
}
SILENCE: Final = (
    *(
        Stream(name, source, connections=count, client=QUIET_IDLE, options=NO_RECONNECTS)
        for name, (source, count) in QUIET.items()
    ),
    Stream(
        "no response",
        script(Turn(then="hold")),
        raises=StreamTimeoutError,
        cause=httpx.ReadTimeout,
        connections=2,
        client=SHORT_IDLE,
        options=ONE_RECONNECT,
        at_least=0.6,
        at_most=20,
    ),
    Stream(
        "no reply to SYN",
        black_hole,
        raises=StreamTimeoutError,
        cause=httpx.ConnectTimeout,
        connections=0,
        client={"timeout": httpx.Timeout(10, connect=0.3)},
        options=ONE_RECONNECT,
        at_least=0.6,
        at_most=20,
    ),
)

# ------------------------------------------------------------------- ending early

LIVE: Final = script(Turn(stream(tick(1), end=b""), then="hold"), expect=ticks(1))

ENDING_EARLY: Final = (
    Stream("break", LIVE, leave="break"),
    Stream("closed inside the loop", LIVE, leave="close"),
    Stream("exception inside the loop", LIVE, raises=ZeroDivisionError, leave="error"),
    Stream("created and never iterated", script(stream(DONE)), leave="never", connections=0),
)

TABLES: Final[Mapping[str, Sequence[Stream]]] = {
    "Reading": READING,
    "End of stream": ENDING,
    "Resuming": RESUMING,
    "Silence": SILENCE,
    "Ending early": ENDING_EARLY,
}
