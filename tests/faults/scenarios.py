"""Every fault of a stream that is tried, described once for both faces."""

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
    ServerError,
    StatusError,
    StreamDisconnectedError,
    StreamNotFoundError,
    StreamTimeoutError,
)

from ..support.chaos import Fault
from ..support.scripted import END, HEAD, Turn, answer, chunk, frame, stream
from .measure import Cost
from .places import Place, PlaceMaker, black_hole, proxied, refusing, script

LATER: Final = 60.0  # s: a limit that a test on a loaded machine does not meet


@attrs.frozen
class Stream:
    """A stream, what befalls it, and what is to come of it.

    Attributes:
        name: The fault, as a user would call it.
        place: Where the stream comes from.
        raises: The error that ends it.
        detail: What stands in that error's text.
        cause: What that error comes from.
        connections: How often the stream is asked for; None where that is up to chance.
        at_least: Seconds that it takes, by the rules, at least.
        at_most: Seconds that it must not take.
        megabytes: How much the process may grow.
        warns: A warning that is given.
        client: Settings of the client.
        options: Arguments of the stream.
        every_request: What stands in each request for the stream.
        pauses: A consumer that stops for 0.2 s, so many times.
        leave: How the stream is left after its first event.
    """

    name: str
    place: PlaceMaker
    raises: type[Exception] | None = None
    detail: str = ""
    cause: type[Exception] | None = None
    connections: int | None = 1
    at_least: float = 0.0
    at_most: float = LATER
    megabytes: float | None = None
    warns: type[Warning] | None = None
    client: Mapping[str, Any] = attrs.field(factory=dict)
    options: Mapping[str, Any] = attrs.field(factory=dict)
    every_request: str = ""
    pauses: int = 0
    leave: Literal["break", "close", "error", "never"] | None = None

    def hold(
        self,
        place: Place,
        expected: Sequence[str],
        delivered: Sequence[str],
        error: Exception | None,
        cost: Cost,
    ) -> None:
        """Fail when the stream was not as promised."""
        assert delivered == expected, "lost, twice, or out of order"
        assert isinstance(error, self.raises or type(None)), repr(error)
        assert self.detail in str(error)
        if self.cause is not None:
            assert error is not None
            assert isinstance(error.__cause__, self.cause), repr(error.__cause__)
        if delivered and isinstance(error, StreamDisconnectedError | InvalidResponseError):
            assert delivered[-1].startswith(f"{error.last_sequence} ")
        if self.connections is not None:
            assert len(place.requests()) == self.connections
        assert all(self.every_request in request.lower() for request in place.requests())
        assert self.at_least <= cost.seconds < self.at_most
        if self.megabytes is not None:
            assert cost.megabytes < self.megabytes


def ticks(*numbers: int) -> list[tuple[object, dict[str, Any]]]:
    """Events of a script, by their sequence number, which is their `n` as well."""
    return [(n, {"n": n}) for n in numbers]


def tick(n: int, **more: object) -> bytes:
    """Write an event of a script."""
    return frame(n, n=n, **more)


DONE: Final = frame(99, "StopEvent")
STOP: Final = (99, {})
SHORT_SILENCE: Final = {"timeout": httpx.Timeout(10, read=0.3)}

# ------------------------------------------------------------------- reading

SEPARATORS: Final = "a\u2028b\u2029c\u0085d\x1ce\r\nf\U0001f600"
TORN: Final = stream(tick(1), tick(2)[:-1])

# The data of one event as the WHATWG text allows it.
VALUE: Final = json.dumps({"n": 1})
DATA_FIRST: Final = f'data: {{"value": {VALUE}, "type": "T"}}\nid: 1\n\n'.encode()
UMLAUT_FIRST: Final = (
    'data: {"value": {"n": 1, "text": "\u00e4\U0001f600"}, "type": "T"}\nid: 1\n\n'.encode()
)
MANY_LINES: Final = f': hi\nx: y\nid:2\ndata:{{"type": "T",\ndata: "value": {VALUE}}}\n\n'.encode()
NO_EVENTS: Final = b"data\n\ndata:\n\n: heartbeat\n\nevent: x\n\nid: 3\n\n"


def in_bytes(data: bytes) -> bytes:
    """A stream in chunks of one byte."""
    return HEAD + b"".join(chunk(bytes([byte])) for byte in data) + END


def gzipped(*pieces: bytes) -> bytes:
    """A compressed stream that is flushed after each piece, and does not end."""
    packer = zlib.compressobj(wbits=31)
    head = HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    return head + b"".join(
        chunk(packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH)) for piece in pieces
    )


def many(count: int, size: int) -> Turn:
    """A long stream, written as it is sent."""

    def pieces() -> Iterator[bytes]:
        yield HEAD
        text = "x" * size
        for first in range(1, count, 1000):
            last = min(first + 1000, count)
            yield chunk(b"".join(frame(n, n=n, text=text) for n in range(first, last)))
        yield chunk(frame(count, "StopEvent"))

    return Turn(pieces, then="hold")


def long_run(count: int, size: int) -> list[tuple[object, dict[str, Any]]]:
    """What `many` sends."""
    text = "x" * size
    return [*((n, {"n": n, "text": text}) for n in range(1, count)), (count, {})]


PAGE: Final = answer("200 OK", b"<html>log in</html>", Content_Type="text/html")

READING: Final = (
    Stream(
        "U+2028, U+0085 and 0x1C in the text of an event",
        proxied(text=SEPARATORS),
    ),
    Stream("one byte at a time", proxied(Fault(trickle=0.0), text=SEPARATORS)),
    Stream(
        "CR, LF and CRLF, characters split over reads, a BOM",
        script(
            Turn(
                in_bytes(
                    b"\xef\xbb\xbf"
                    + UMLAUT_FIRST.replace(b"\n", b"\r\n")
                    + tick(2).replace(b"\n", b"\r")
                    + DONE
                )
            ),
            expect=[(1, {"n": 1, "text": "\u00e4\U0001f600"}), (2, {"n": 2}), STOP],
        ),
    ),
    Stream(
        "a charset that is not UTF-8 in the head",
        script(
            Turn(
                stream(b'id: 1\ndata: {"value": {"t": "\xc3\xa4"}, "type": "T"}\n\n', DONE).replace(
                    b"event-stream\r", b"event-stream; charset=latin-1\r"
                )
            ),
            expect=[(1, {"t": "\u00e4"}), STOP],
        ),
    ),
    Stream(
        "data before id, several data lines, comments, empty data",
        script(
            Turn(stream(DATA_FIRST, MANY_LINES, NO_EVENTS)),
            Turn(stream(DONE)),
            expect=[(1, {"n": 1}), (2, {"n": 1}), STOP],
        ),
        connections=2,
    ),
    Stream(
        "an event without its blank line at the end of the body",
        script(Turn(TORN), Turn(stream(tick(2), DONE)), expect=[*ticks(1, 2), STOP]),
        connections=2,
    ),
    Stream(
        "the id 1_000",
        script(
            Turn(stream(b"id: 1_000\n" + frame(None, n=1))),
            expect=[(-1, {"n": 1})],
        ),
        raises=StreamDisconnectedError,
        detail="no sequence number",
    ),
    Stream(
        "retry: 700 before a drop",
        script(
            Turn(stream(b"retry: 700\n\n", tick(1))),
            Turn(stream(DONE)),
            expect=[*ticks(1), STOP],
        ),
        connections=2,
        at_least=0.7,
    ),
    Stream(
        "a login page instead of the stream",
        script(Turn(PAGE), expect=[]),
        raises=InvalidResponseError,
        detail="text/html",
    ),
    Stream(
        "a login page at a reconnect",
        script(Turn(stream(tick(1))), Turn(PAGE), expect=ticks(1)),
        connections=2,
        raises=InvalidResponseError,
        detail="text/html",
    ),
    Stream(
        "a frame that is no event",
        script(Turn(stream(tick(1) + b"id: 2\ndata: {}\n\n")), expect=ticks(1)),
        raises=InvalidResponseError,
    ),
    Stream(
        "gzip, flushed after each event",
        script(
            Turn(gzipped(tick(1), tick(2), DONE)),
            expect=[*ticks(1, 2), STOP],
        ),
    ),
    Stream(
        "one event of 20 MB",
        script(many(2, 20_000_000), expect=long_run(2, 20_000_000)),
        # The frame, its text and its value, and the server's own.
        megabytes=300,
    ),
    Stream("100,000 small events", script(many(100_000, 0), expect=long_run(100_000, 0))),
    Stream(
        "200,000 events of 1 KB, and a consumer that pauses",
        script(many(200_000, 1000), expect=long_run(200_000, 1000)),
        pauses=5,
        megabytes=64,
    ),
)

# ------------------------------------------------------------------- the end

CUTS: Final = (
    Stream("clean end of the body after 2 of 6 events", proxied(Fault(events=2, end="polite"))),
    Stream("clean end inside an event", proxied(Fault(events=2, tail=30, end="polite"))),
    # Without pauses the others are there by now: whoever asks for new ones has lost them.
    Stream("FIN after 2 of 6 events", proxied(Fault(events=2, end="fin"), pause=0)),
    Stream("FIN inside an event", proxied(Fault(events=2, tail=30, end="fin"))),
    Stream("reset before the first event", proxied(Fault(events=0))),
    Stream("reset after 2 of 6 events", proxied(Fault(events=2))),
    Stream("reset inside an event", proxied(Fault(events=2, tail=30))),
)
ENDING: Final = (
    *(attrs.evolve(scenario, connections=2) for scenario in CUTS),
    Stream(
        "silence after the terminal event",
        script(Turn(stream(tick(1), DONE, end=b""), then="hold"), expect=[*ticks(1), STOP]),
        at_most=20,
    ),
    Stream(
        "204 at a reconnect",
        script(Turn(stream(tick(1))), Turn(b"HTTP/1.1 204 No Content\r\n\r\n"), expect=[*ticks(1)]),
        connections=2,
    ),
)

# ------------------------------------------------------------------- resuming


def unavailable(status: str, **headers: str) -> Fault:
    """An answer of the proxy that it cannot reach the server."""
    return Fault(instead=answer(status, b'{"detail": "away"}', **headers))


def in_two_seconds() -> str:
    """A date for Retry-After; it has whole seconds."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)


REFUSALS: Final[Sequence[tuple[str, type[Exception]]]] = (
    ("400 Bad Request", StatusError),
    ("401 Unauthorized", StatusError),
    ("403 Forbidden", StatusError),
    ("404 Not Found", StreamNotFoundError),
    ("422 Unprocessable Content", StatusError),
    ("500 Internal Server Error", ServerError),
)

RESUMING: Final = (
    Stream(
        "events sent again after a resume",
        proxied(Fault(events=4), Fault(rewind=3, events=1), Fault(rewind=9)),
        connections=3,
    ),
    Stream(
        "one sequence number twice in a connection",
        script(Turn(stream(tick(1), tick(1), DONE)), expect=[*ticks(1, 1), STOP]),
    ),
    Stream(
        "a cut after an event without a sequence number",
        script(Turn(stream(frame(None, n=1))), expect=[(-1, {"n": 1})]),
        raises=StreamDisconnectedError,
        detail="position is not known",
    ),
    Stream(
        "a server that accepts and drops, for ever",
        script(Turn(), expect=[]),
        raises=StreamDisconnectedError,
        cause=httpx.TransportError,
        connections=4,
        at_least=2.0,
    ),
    Stream(
        "a server that sends a heartbeat and drops, for ever",
        script(Turn(stream(b": heartbeat\n\n")), expect=[]),
        raises=StreamDisconnectedError,
        connections=4,
    ),
    Stream(
        "a port that refuses",
        refusing,
        raises=StreamDisconnectedError,
        cause=httpx.ConnectError,
        connections=0,
    ),
    Stream(
        "70 cuts in a run of 500 events",
        proxied(*[Fault(events=7)] * 70, n=500, pause=0),
        connections=71,
        at_most=30,
    ),
    Stream(
        "a pod that is away for 1.5 s",
        proxied(Fault(events=2, down=1.5), pause=0.1),
        connections=2,
    ),
    Stream("429 once", proxied(unavailable("429 Too Many Requests")), connections=2),
    Stream(
        "502, 503, 504",
        proxied(*map(unavailable, ("502 Bad Gateway", "503 No", "504 Gateway Timeout"))),
        connections=4,
    ),
    Stream(
        "503 for ever",
        script(Turn(answer("503 Service Unavailable", b'{"detail": "away"}')), expect=[]),
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
        "503 with Retry-After as a date 1 to 2 s away",
        proxied(
            Fault(
                instead=lambda: answer("503 Service Unavailable", Retry_After=in_two_seconds()),
            )
        ),
        connections=2,
        at_least=0.9,
    ),
    *(
        Stream(
            status,
            script(Turn(answer(status, b'{"detail": "so it is"}')), expect=[]),
            raises=cls,
            detail="so it is",
            at_most=20,
        )
        for status, cls in REFUSALS
    ),
    Stream(
        "the run is gone at a reconnect",
        script(Turn(stream(tick(1))), Turn(answer("404 Not Found")), expect=ticks(1)),
        raises=NotFoundError,
        connections=2,
    ),
    Stream(
        "two cuts, and a token in the headers of the client",
        proxied(Fault(events=1), Fault(events=1)),
        connections=3,
        client={"headers": {"Authorization": "Bearer t"}},
        every_request="authorization: bearer t",
    ),
    Stream(
        "a cut before the first event of a stream that began at 'now'",
        script(Turn(stream(b": heartbeat\n\n")), Turn(stream(DONE)), expect=[STOP]),
        connections=2,
        options={"after_sequence": "now"},
        warns=MissedEventsWarning,
        every_request="after_sequence=now",
    ),
)

# ------------------------------------------------------------------- silence

QUIET: Final = Turn(HEAD, then="hold")

SILENCE: Final = (
    Stream(
        "silence in the middle of a run",
        proxied(*[Fault(events=2, end="stall")] * 2),
        connections=3,
        client=SHORT_SILENCE,
        options={"max_reconnect_attempts": 0},
    ),
    Stream(
        "silence inside an event",
        proxied(Fault(events=2, tail=20, end="stall")),
        connections=2,
        client=SHORT_SILENCE,
        options={"max_reconnect_attempts": 0},
    ),
    Stream(
        "a quiet run without heartbeats",
        script(*[QUIET] * 5, Turn(stream(DONE)), expect=[STOP]),
        connections=6,
        client=SHORT_SILENCE,
        options={"max_reconnect_attempts": 0},
    ),
    Stream(
        "a server that does not answer",
        script(Turn(then="hold"), expect=[]),
        raises=StreamTimeoutError,
        cause=httpx.ReadTimeout,
        connections=2,
        client=SHORT_SILENCE,
        options={"max_reconnect_attempts": 1},
        at_least=0.6,
        at_most=20,
    ),
    Stream(
        "an address that does not answer",
        black_hole,
        raises=StreamTimeoutError,
        cause=httpx.ConnectTimeout,
        connections=0,
        client={"timeout": httpx.Timeout(10, connect=0.3)},
        options={"max_reconnect_attempts": 1},
        at_least=0.6,
        at_most=20,
    ),
)

# ------------------------------------------------------------------- ending early

LIVE: Final = script(Turn(stream(tick(1), end=b""), then="hold"), expect=ticks(1))

LEAVING: Final = (
    Stream("break", LIVE, leave="break"),
    Stream("closed in the loop", LIVE, leave="close"),
    Stream("an exception in the loop", LIVE, raises=ZeroDivisionError, leave="error"),
    Stream(
        "made and never iterated",
        script(Turn(stream(DONE)), expect=[]),
        leave="never",
        connections=0,
    ),
)

TABLES: Final[Mapping[str, Sequence[Stream]]] = {
    "Reading": READING,
    "When is it over?": ENDING,
    "Resuming": RESUMING,
    "Silence": SILENCE,
    "Ending early": LEAVING,
}
