"""A stream over connections that end anyhow: nothing lost, twice, silent, or for ever."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from email.utils import formatdate
from itertools import accumulate
from typing import Any, Literal

import attrs
import httpx
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from llama_agents.client import (
    InvalidResponseError,
    MissedEventsWarning,
    StatusError,
    StreamDisconnectedError,
)
from llama_agents.client._resume import Done, ReadOn, StreamMachine
from llama_agents.client._retry import DROPS, Again, Sources

from ..support.scripted import frame

REQUEST = httpx.Request("GET", "http://host/events/h1")
LONGEST_OBEYED = 300.0
EPOCH = 1_700_000_000.0


def concrete(cls: type[Exception]) -> Iterator[type[Exception]]:
    """The kinds of a failure that are raised."""
    below = [kind for kind in cls.__subclasses__() if kind.__module__ in ("httpx", "builtins")]
    if not below:
        yield cls
    for kind in below:
        yield from concrete(kind)


MISTAKES = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)
FAILURES = [kind for drop in DROPS for kind in concrete(drop) if kind not in MISTAKES]
IN_A_BODY = [httpx.ReadError, httpx.RemoteProtocolError, httpx.DecodingError, ConnectionResetError]


def test_every_kind_of_failure_is_tried() -> None:
    assert {httpx.ConnectTimeout, httpx.ReadTimeout, httpx.WriteError, *IN_A_BODY} < {*FAILURES}


NO_EVENTS = [b": hi\n\n", b"\n\n", b"event: x\n\n", b"data\n\n", b"id: x\n\n", b"id: \xc2\xb2\n\n"]


sizes = st.sampled_from([0, 10**6]) | st.integers(0, 500)  # of what arrives

# The steps from number to number, and whether an event has none.
runs = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from([False, False, False, False, True])),
    min_size=1,
    max_size=10,
)


@attrs.frozen
class Written:
    """What the server wrote, and where in the body of its connection it is complete."""

    complete_at: int
    event: int | None = None
    echo: bool = False
    sequence: int | None = None
    retry: int | None = None
    broken: bool = False


class StreamIsExact(RuleBasedStateMachine):
    """A server that writes down a run of some events, and one reader of it.

    The server honours the cursor, but may send again what lies before it. It writes into its open
    connection what the reader gets in pieces of any size, and what is on its way is lost when the
    connection ends. Its events have growing sequence numbers with gaps; some have none.
    """

    @initialize(
        run=runs,
        after=st.one_of(st.just(-1), st.just("now"), st.integers(0, 12)),
        budget=st.sampled_from([3, 5, 1, 0]),
    )
    def begin(self, run: list[tuple[int, bool]], after: int | Literal["now"], budget: int) -> None:
        self.numbers = [number - 1 for number in accumulate(step for step, _ in run)]
        self.last = len(run) - 1
        self.unnumbered = {event for event in range(self.last) if run[event][1]}
        if after != "now":
            after = min(after, self.numbers[-1])  # at most all of the run was seen before
        self.produced = 0  # how many events the run has had
        self.budget = budget
        self.chance = 0.5
        self.now = 1000.0
        # What must have come of it.
        self.cursor = after
        self.next: int | None = None if after == "now" else self.first_after(after)
        self.position_is_known = True
        self.missed = False  # a warning said that events may be missing here
        self.failures = 0
        self.least_pause = 0.0
        self.finished = False
        self.over = False
        # The open connection, and the requests since the last progress.
        self.connected = False
        self.body = b""
        self.received = 0
        self.written: list[Written] = []
        self.requests = 0
        self.floor = -1
        self.machine = StreamMachine(
            "h1",
            after_sequence=after,
            include_internal=False,
            max_reconnect_attempts=budget,
            sources=Sources(lambda: self.now, lambda: EPOCH + self.now, lambda: self.chance),
        )

    def first_after(self, sequence: int) -> int:
        """Where the server begins: after the last event that is not beyond the cursor."""
        known = [
            event
            for event, number in enumerate(self.numbers)
            if number <= sequence and event not in self.unnumbered
        ]
        return known[-1] + 1 if known else 0

    # --------------------------------------------------------------- what is always so

    @invariant()
    def it_is_finished_exactly_after_the_terminal_event_or_204(self) -> None:
        assert self.machine.finished is self.finished

    @invariant()
    def cursor_is_that_of_the_last_event(self) -> None:
        assert self.machine.cursor == self.cursor

    @invariant()
    def requests_without_progress_are_bounded(self) -> None:
        assert self.requests <= 1 + self.budget

    # --------------------------------------------------------------- what the client does

    def ask(self) -> int | Literal["now"]:
        """Have the next request made; return where it wants to go on."""
        params = self.machine.request().params
        assert params is not None
        assert params["after_sequence"] == self.cursor
        self.requests += 1
        return self.cursor

    def fail(self, act: Callable[[], Any], least: float = 0.0, *, expected: bool = True) -> None:
        """Take a failure; hold its budget and its pause against the rules."""
        self.failures += 1
        exhausted = self.failures > self.budget or least > LONGEST_OBEYED
        try:
            step = act()
        except StreamDisconnectedError as error:
            assert exhausted or not self.position_is_known
            assert error.last_sequence == self.cursor
            self.over = True
            return
        assert not exhausted
        assert self.position_is_known, "resumed in silence after an event without a number"
        assert isinstance(step, Again)
        pause = 2.0 ** (self.failures - 2) if self.failures > 1 else 0.0
        least = max(least, self.least_pause)
        assert max(pause * 0.75, least) <= step.after <= max(min(pause * 1.25, 30.0), least)
        assert step.after <= LONGEST_OBEYED

    def end(self, act: Callable[[], Any]) -> None:
        """Have an open connection end; at "now" with nothing to resume from, that is told."""
        untold = self.cursor == "now" and not self.finished
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            act()
        told = [warning.category for warning in caught]
        assert set(told) <= {MissedEventsWarning}
        if self.over:
            return
        assert len(told) == untold
        self.missed = self.missed or untold
        self.connected = False

    # --------------------------------------------------------------- time

    @rule(
        seconds=st.floats(0, 400),
        chance=st.floats(0, 1, exclude_max=True),
        events=st.integers(0, 4),
    )
    def time_passes(self, seconds: float, chance: float, events: int) -> None:
        """The run goes on meanwhile, whoever listens."""
        self.now += seconds
        self.chance = chance
        self.produced = min(self.produced + events, self.last + 1)

    # --------------------------------------------------------------- heads

    idle = precondition(lambda self: not self.over and not self.connected)
    busy = precondition(lambda self: not self.over and self.connected)

    @idle
    @rule(
        overlap=st.integers(0, 4),
        bom=st.sampled_from([b"", b"\xef\xbb\xbf", b"\r\n\r\n"]),
        events=st.integers(0, 4),
        size=sizes,
    )
    def connect(self, overlap: int, bom: bytes, events: int, size: int) -> None:
        after = self.ask()
        head = {"content-type": "Text/Event-Stream; charset=utf-16"}
        answer = httpx.Response(200, headers=head, request=REQUEST)
        assert self.machine.evidence(answer) is None
        assert self.machine.opened(answer) == ReadOn()
        self.connected = True
        self.body, self.received, self.written = bom, 0, []
        self.repeatable: list[int] = []  # what was written into this connection
        if after == "now":
            assert self.next is None or self.missed, "a gap that nobody was told of"
            self.next, self.missed, self.floor = self.produced, False, -1
            self.sent = self.produced
        else:
            assert self.first_after(after) == self.next, "lost, or to be had twice"
            # What is sent again has a number: else it could not be told from a new event.
            nameless = [event for event in self.unnumbered if event < self.next]
            self.sent = max(0, self.next - overlap, *(event + 1 for event in nameless))
            self.floor = after
            self.produced = max(self.produced, self.next)
        self.write_events(events, b"\n")
        self.bytes_arrive(size)

    @idle
    @rule(
        status=st.sampled_from([429, 502, 503, 504]),
        seconds=st.one_of(st.none(), st.integers(0, 400)),
        as_date=st.booleans(),
    )
    def server_is_unavailable(self, status: int, seconds: int | None, as_date: bool) -> None:
        self.ask()
        headers, least = {}, 0.0
        if seconds is not None:
            moment = int(EPOCH + self.now) + seconds
            headers = {"retry-after": formatdate(moment, usegmt=True) if as_date else str(seconds)}
            least = max(0.0, moment - (EPOCH + self.now)) if as_date else float(seconds)
        answer = httpx.Response(status, headers=headers, request=REQUEST)
        assert self.machine.evidence(answer) is not None
        self.fail(lambda: self.machine.opened(answer), least)

    @idle
    @rule(kind=st.sampled_from(FAILURES))
    def request_fails(self, kind: type[Exception]) -> None:
        """Also a read timeout: before the headers it is a failure."""
        self.ask()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self.fail(lambda: self.machine.closed(kind("x")))

    @idle
    @rule(
        status=st.sampled_from([200, 204, 302, 400, 401, 403, 404, 409, 422, 500, 501, *MISTAKES]),
        content_type=st.sampled_from(["text/html", "application/json", ""]),
    )
    def stream_ends_at_the_head(self, status: int | type[Exception], content_type: str) -> None:
        """Nothing is left, or it refuses, or a page comes, or the request cannot be sent."""
        self.ask()
        if not isinstance(status, int):
            with pytest.raises(status):
                self.machine.closed(status("x"))
            self.over = True
            return
        head = {"content-type": content_type}
        answer = httpx.Response(status, headers=head, request=REQUEST)
        self.over = True
        if status == 204:
            assert self.machine.opened(answer) == Done()
            self.finished = True
            return
        kind = InvalidResponseError if status == 200 else StatusError
        with pytest.raises(kind) as caught:
            self.machine.opened(answer)
        assert caught.value.response is answer
        assert getattr(caught.value, "last_sequence", self.cursor) == self.cursor

    # --------------------------------------------------------------- bodies

    def write(self, text: bytes, newline: bytes = b"\n", **meaning: Any) -> None:
        self.body += text.replace(b"\n", newline)
        # The CR of a CRLF ends the line.
        complete_at = len(self.body) - (newline == b"\r\n")
        self.written.append(Written(complete_at, **meaning))

    newlines = st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"])

    @busy
    @rule(events=st.integers(1, 4), newline=newlines, size=sizes)
    def server_writes(self, events: int, newline: bytes, size: int) -> None:
        self.write_events(events, newline)
        self.bytes_arrive(size)

    def write_events(self, events: int, newline: bytes) -> None:
        for event in range(self.sent, min(self.sent + events, self.last + 1)):
            self.write_event(event, newline)
            self.sent = event + 1
            if event == self.last and self.numbers[event] >= self.floor:
                self.write(frame(999, n=999), event=999, sequence=999)  # nobody is to see it
        self.produced = max(self.produced, self.sent)

    @busy
    @rule(back=st.integers(0, 3), newline=newlines, size=sizes)
    def server_repeats_itself(self, back: int, newline: bytes, size: int) -> None:
        """What it has sent over this connection: that is no accident, and is passed on."""
        if self.repeatable:
            self.write_event(self.repeatable[-1 - back % len(self.repeatable)], newline, echo=True)
        self.bytes_arrive(size)

    def write_event(self, event: int, newline: bytes, *, echo: bool = False) -> None:
        number = None if event in self.unnumbered else self.numbers[event]
        text = frame(number, "StopEvent" if event == self.last else "Tick", n=event, text="\u2028")
        self.write(text, newline, event=event, sequence=number, echo=echo)
        if number is not None and not echo and event != self.last:
            self.repeatable.append(event)

    @busy
    @rule(text=st.sampled_from(NO_EVENTS), newline=newlines)
    def server_writes_what_is_no_event(self, text: bytes, newline: bytes) -> None:
        self.write(text, newline)

    @busy
    @rule(newline=newlines, size=sizes)
    def server_writes_an_id_alone(self, newline: bytes, size: int) -> None:
        """That of an internal event, which is not sent itself."""
        if 0 < self.sent <= self.last and self.sent - 1 not in self.unnumbered:
            number = self.numbers[self.sent] - 1
            if number > self.numbers[self.sent - 1]:
                self.write(b"id: %d\n\n" % number, newline, sequence=number)
        self.bytes_arrive(size)

    @busy
    @rule(milliseconds=st.sampled_from([0, 1, 2500, 10**6, 10**15]), size=sizes)
    def server_asks_for_pauses(self, milliseconds: int, size: int) -> None:
        self.write(b"retry: %d\n\n" % milliseconds, retry=milliseconds)
        self.bytes_arrive(size)

    @busy
    @rule(
        data=st.sampled_from([b"{", b"[]", b"{}", b"[" * 9999, b"\xff", b'{"value":1,"type":""}'])
    )
    def server_writes_nonsense(self, data: bytes) -> None:
        self.write(b"data: " + data + b"\n\n", broken=True)

    @busy
    @rule(size=sizes)
    def bytes_arrive(self, size: int) -> None:
        if self.finished:
            return  # a face reads no further
        piece = self.body[self.received : self.received + size]
        self.received += len(piece)
        events = self.machine.receive(piece)
        while self.written and self.written[0].complete_at <= self.received and not self.finished:
            written = self.written.pop(0)
            if written.broken:
                with pytest.raises(InvalidResponseError) as caught:
                    next(events)
                assert caught.value.last_sequence == self.cursor
                assert caught.value.response.status_code == 200
                self.over = True
                return
            if written.event is not None and (
                written.sequence is None or written.sequence > self.floor
            ):
                self.take(next(events).value["n"], written)
            elif written.event == self.last and written.sequence == self.cursor:
                self.finished = True  # the run was followed to its end before
            elif written.sequence is not None and written.event is None:
                self.move(written.sequence)
            if written.retry is not None:
                self.least_pause = min(written.retry / 1000, LONGEST_OBEYED)
        assert next(events, None) is None, "delivered what was not due"

    def take(self, delivered: int, written: Written) -> None:
        assert delivered == written.event
        assert self.next is not None
        if not written.echo or delivered == self.next:
            assert delivered == self.next, "lost, twice, or out of order"
            self.next += 1
        before = self.cursor
        self.move(written.sequence)
        if written.sequence is None or self.cursor != before:
            # A number repeated after an event without one tells nothing of that event.
            self.position_is_known = written.sequence is not None
        self.requests = self.failures = 0
        self.finished = delivered == self.last
        assert self.machine.cursor == self.cursor

    def move(self, sequence: int | None) -> None:
        if sequence is not None and (self.cursor == "now" or sequence > self.cursor):
            self.cursor = sequence

    # --------------------------------------------------------------- ends

    @busy
    @rule(kind=st.one_of(st.none(), st.sampled_from(IN_A_BODY)), size=sizes)
    def connection_ends(self, kind: type[Exception] | None, size: int) -> None:
        """Politely, as a proxy ends an idle stream, or not."""
        self.bytes_arrive(size)
        if self.over:
            return
        cause = None if kind is None else kind("x")
        if self.finished:
            assert self.machine.closed(cause) == Done()
            self.over = True
        else:
            self.end(lambda: self.fail(lambda: self.machine.closed(cause)))

    @busy
    @rule()
    def connection_falls_silent(self) -> None:
        """A quiet run: it costs no attempt, so its request does not count."""
        if self.finished:
            assert self.machine.closed(httpx.ReadTimeout("x")) == Done()
            self.over = True
        else:
            self.end(self.wait_in_silence)

    def wait_in_silence(self) -> None:
        try:
            step = self.machine.closed(httpx.ReadTimeout("x"))
        except StreamDisconnectedError:
            assert not self.position_is_known
            self.over = True
        else:
            assert self.position_is_known
            assert step == Again(self.least_pause)
            self.requests = max(0, self.requests - 1)

    # --------------------------------------------------------------- once more

    @precondition(lambda self: self.over)
    @rule(
        run=runs,
        after=st.one_of(st.just(-1), st.just("now"), st.integers(0, 12)),
        budget=st.sampled_from([3, 5, 1, 0]),
    )
    def begin_another(self, **start: Any) -> None:
        self.begin(**start)


TestStreamIsExact = StreamIsExact.TestCase
TestStreamIsExact.settings = settings(
    max_examples=300, stateful_step_count=40, deadline=None, report_multiple_bugs=False
)
