"""A stream over connections that end in any way: nothing lost, repeated, silent, or endless."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from email.utils import formatdate
from itertools import accumulate
from typing import Any

import attrs
import httpx
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from llama_agents.client import (
    Cursor,
    InvalidResponseError,
    MissedEventsWarning,
    StatusError,
    StreamDisconnectedError,
    UnsupportedServerError,
)
from llama_agents.client._core.actions import Finished, Read, Retry
from llama_agents.client._core.server import ServerTraits
from llama_agents.client._core.stream import StreamMachine

from ..support.scripted import frame
from .model import (
    CALLER_ERRORS,
    EPOCH,
    FAILURES,
    HANDLER_ID,
    MAX_RETRY_AFTER,
    NOT_SENT,
    RETRYABLE,
    Clock,
    assert_delay,
    response,
)

IN_A_BODY = [httpx.ReadError, httpx.RemoteProtocolError, httpx.DecodingError]
NO_EVENTS = [b": hi\n\n", b"\n\n", b"event: x\n\n", b"data\n\n", b"id: x\n\n", b"id: \xc2\xb2\n\n"]
NONSENSE = [b"{", b"[]", b"{}", b"[" * 9999, b"\xff", b'{"value":1,"type":""}']
# What is not an event, and what it means.
blocks: st.SearchStrategy[tuple[bytes, dict[str, Any]]] = st.one_of(
    st.sampled_from([(text, {}) for text in NO_EVENTS]),
    st.sampled_from([(b"retry: %d\n\n" % ms, {"retry": ms}) for ms in (0, 1, 2500, 10**6, 10**15)]),
    st.sampled_from([(b"data: %b\n\n" % data, {"is_broken": True}) for data in NONSENSE]),
)
sizes = st.sampled_from([0, 10**6]) | st.integers(0, 500)  # of the next chunk
newlines = st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"])
# The steps from number to number, and whether an event has none.
runs = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from([False, False, False, False, True])),
    min_size=1,
    max_size=10,
)


def test_every_kind_of_failure_is_tried() -> None:
    assert {httpx.ConnectTimeout, httpx.ReadTimeout, httpx.WriteError, *IN_A_BODY} < {*FAILURES}


@attrs.frozen
class Written:
    """What the server wrote, and where in the body of its connection it is complete."""

    complete_at: int
    event: int | None = None
    is_repeated: bool = False
    sequence: int | None = None
    retry: int | None = None
    is_broken: bool = False


class StreamIsExact(RuleBasedStateMachine):
    """A server that stores the events of a run, and one reader of it, of a stream or a replay.

    The server honours the cursor, but may send again what lies before it. It writes into its open
    connection, from which the reader gets chunks of any size; what has not been read is lost when
    the connection ends. Sequence numbers grow, with gaps; some events have none.
    """

    over = True

    @precondition(lambda self: self.over)
    @rule(
        run=runs,
        after=st.just(-1) | st.just("now") | st.integers(0, 12),
        budget=st.sampled_from([3, 5, 1, 0]),
    )
    def begin(self, run: list[tuple[int, bool]], after: Cursor, budget: int) -> None:
        self.clock = Clock()
        self.numbers = [number - 1 for number in accumulate(step for step, _ in run)]
        self.last = len(run) - 1
        self.unnumbered = {event for event in range(self.last) if run[event][1]}
        self.produced = 0  # how many events the run has had
        self.budget = budget
        # What the machine must have made of it.
        if after != "now":
            after = min(after, self.numbers[-1])  # at most the whole run was seen before
        self.cursor: Cursor = after
        self.next = None if after == "now" else self.first_after(after)
        self.position_is_known = True
        self.takes_unnumbered = after == -1  # until a request may have arrived and ended
        self.missed = False  # a warning said that events may be missing here
        self.failures = 0
        self.min_delay = 0.0
        self.finished = False
        self.over = False
        # The open connection, and the requests since the last progress.
        self.connected = False
        self.body = b""
        self.received = 0
        self.written: list[Written] = []
        self.repeatable: list[int] = []  # what was written into this connection
        self.requests = 0
        self.replayed_through = -1
        self.machine = StreamMachine(
            HANDLER_ID,
            after_sequence=after,
            include_internal=False,
            max_reconnect_attempts=budget,
            server=ServerTraits(),
            time=self.clock.time,
        )

    def first_after(self, sequence: int) -> int:
        """Return where the server begins: after the last event that is not beyond the cursor."""
        known = [
            event
            for event, number in enumerate(self.numbers)
            if number <= sequence and event not in self.unnumbered
        ]
        return known[-1] + 1 if known else 0

    # --------------------------------------------------------------- what always holds

    @invariant()
    def action_cursor_and_attempts_are_right(self) -> None:
        """It finishes at the terminal event and at 204."""
        if not self.over:
            expected = Finished if self.finished else Read if self.connected else Retry
            assert isinstance(self.machine.action, expected)
            assert self.machine.cursor == self.cursor
            assert self.requests <= 1 + self.budget

    # --------------------------------------------------------------- what the client does

    def send(self) -> Cursor:
        """Have the next request sent; return the cursor that it asks for."""
        assert (self.machine.request().params or {})["after_sequence"] == self.cursor
        self.requests += 1
        return self.cursor

    def fail(self, report: Callable[[], None], at_least: float = 0.0) -> None:
        """Report a failure; check the machine's budget and its delay."""
        self.failures += 1
        exhausted = self.failures > self.budget or at_least > MAX_RETRY_AFTER
        try:
            report()
        except UnsupportedServerError:
            assert not self.position_is_known
            self.over = True
            return
        except StreamDisconnectedError as error:
            assert exhausted
            assert error.last_sequence == self.cursor
            self.over = True
            return
        assert not exhausted
        assert self.position_is_known, "resumed in silence after an event without a number"
        assert isinstance(self.machine.action, Retry)
        at_least = max(at_least, self.min_delay)
        assert_delay(self.machine.action.delay, self.failures, at_least=at_least)
        assert self.machine.action.delay <= MAX_RETRY_AFTER

    # --------------------------------------------------------------- time

    @precondition(lambda self: not self.over)
    @rule(
        seconds=st.sampled_from([0.4, 0.5, 30.0]) | st.floats(0, 400),
        chance=st.floats(0, 1, exclude_max=True),
        events=st.integers(0, 4),
    )
    def time_passes(self, seconds: float, chance: float, events: int) -> None:
        """Let the run produce events, whether somebody listens or not."""
        self.clock.now += seconds
        self.clock.chance = chance
        self.produced = min(self.produced + events, self.last + 1)

    # --------------------------------------------------------------- heads

    disconnected = precondition(lambda self: not self.over and not self.connected)
    reading = precondition(lambda self: not self.over and self.connected)

    @disconnected
    @rule(
        overlap=st.integers(0, 4),
        bom=st.sampled_from([b"", b"\xef\xbb\xbf", b"\r\n\r\n"]),
        events=st.integers(0, 4),
        size=sizes,
    )
    def connect(self, overlap: int, bom: bytes, events: int, size: int) -> None:
        after = self.send()
        head = response(200, content_type="Text/Event-Stream; charset=utf-16")
        assert self.machine.error_body_reader(head) is None
        self.machine.opened(head)
        self.connected = True
        self.body, self.received, self.written, self.repeatable = bom, 0, [], []
        if after == "now":
            assert self.next is None or self.missed, "a gap without a warning"
            self.next, self.missed, self.replayed_through = self.produced, False, -1
            self.sent = self.produced
        else:
            assert self.first_after(after) == self.next, "lost or repeated"
            # What is sent again has a number: else it could not be told from a new event.
            nameless = [event for event in self.unnumbered if event < self.next]
            self.sent = max(0, self.next - overlap, *(event + 1 for event in nameless))
            self.replayed_through = after
            self.produced = max(self.produced, self.next)
        self.server_writes(events, b"\n", size)

    @disconnected
    @rule(
        status=st.sampled_from(RETRYABLE),
        seconds=st.none() | st.integers(0, 400),
        is_date=st.booleans(),
    )
    def server_is_unavailable(self, status: int, seconds: int | None, is_date: bool) -> None:
        self.send()
        headers, at_least = {}, 0.0
        if seconds is not None:
            date = int(EPOCH + self.clock.now) + seconds
            headers = {"retry_after": formatdate(date, usegmt=True) if is_date else str(seconds)}
            at_least = max(0.0, date - (EPOCH + self.clock.now)) if is_date else float(seconds)
        head = response(status, **headers)
        assert self.machine.error_body_reader(head) is not None
        self.fail(lambda: self.machine.opened(head), at_least)
        self.takes_unnumbered = False

    @disconnected
    @rule(kind=st.sampled_from(FAILURES))
    def request_fails(self, kind: type[Exception]) -> None:
        """A read timeout, too, is a failure before the head."""
        self.send()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            not_sent = kind in NOT_SENT
            self.fail(lambda: self.machine.connection_ended(kind("x"), not_sent=not_sent))
        self.takes_unnumbered &= kind in NOT_SENT

    @disconnected
    @rule(
        outcome=st.sampled_from([200, 204, 302, 400, 401, 403, 404, 409, 422, 500, 501])
        | st.sampled_from(CALLER_ERRORS),
        content_type=st.sampled_from(["text/html", "application/json", ""]),
    )
    def stream_ends_at_the_head(self, outcome: int | type[Exception], content_type: str) -> None:
        """Have nothing left, an error, a page, or a request that cannot be sent."""
        self.send()
        self.over = True
        if not isinstance(outcome, int):
            with pytest.raises(outcome) as raised:
                self.machine.connection_ended(outcome("x"))
            assert any(HANDLER_ID in note for note in raised.value.__notes__)
            return
        head = response(outcome, content_type=content_type)
        if outcome == 204:
            self.machine.opened(head)
            assert self.machine.action == Finished(None)
            return
        if outcome == 409:
            with pytest.raises(UnsupportedServerError, match="another consumer"):
                self.machine.opened(head)
            return
        with pytest.raises((InvalidResponseError, StatusError)) as caught:
            self.machine.opened(head)
        error: Any = caught.value
        assert isinstance(error, InvalidResponseError) is (outcome == 200)
        assert error.response is head
        assert error.handler_id == HANDLER_ID
        assert getattr(error, "last_sequence", self.cursor) == self.cursor

    # --------------------------------------------------------------- bodies

    def write(self, text: bytes, newline: bytes = b"\n", **meaning: Any) -> None:
        self.body += text.replace(b"\n", newline)
        # The CR of a CRLF ends the line.
        complete_at = len(self.body) - (newline == b"\r\n")
        self.written.append(Written(complete_at, **meaning))

    def write_event(self, event: int, newline: bytes, *, is_repeated: bool = False) -> None:
        number = None if event in self.unnumbered else self.numbers[event]
        text = frame(number, "StopEvent" if event == self.last else "Tick", n=event, text="\u2028")
        self.write(text, newline, event=event, sequence=number, is_repeated=is_repeated)
        if number is not None and not is_repeated and event != self.last:
            self.repeatable.append(event)

    @reading
    @rule(events=st.integers(1, 4), newline=newlines, size=sizes)
    def server_writes(self, events: int, newline: bytes, size: int) -> None:
        for event in range(self.sent, min(self.sent + events, self.last + 1)):
            self.write_event(event, newline)
            self.sent = event + 1
            if event == self.last and self.numbers[event] >= self.replayed_through:
                self.write(frame(999, n=999), event=999, sequence=999)  # must never be seen
        self.produced = max(self.produced, self.sent)
        self.bytes_arrive(size)

    @reading
    @rule(back=st.integers(0, 3), newline=newlines, size=sizes)
    def server_repeats_an_event(self, back: int, newline: bytes, size: int) -> None:
        """Within one connection that is no accident, and is delivered."""
        if self.repeatable:
            event = self.repeatable[-1 - back % len(self.repeatable)]
            self.write_event(event, newline, is_repeated=True)
        self.bytes_arrive(size)

    @reading
    @rule(block=blocks, newline=newlines, size=sizes)
    def server_writes_no_event(
        self, block: tuple[bytes, dict[str, Any]], newline: bytes, size: int
    ) -> None:
        text, meaning = block
        self.write(text, newline, **meaning)
        self.bytes_arrive(size)

    @reading
    @rule(newline=newlines, size=sizes)
    def server_writes_an_id_alone(self, newline: bytes, size: int) -> None:
        """That of an internal event, which is not sent itself."""
        if 0 < self.sent <= self.last and self.sent - 1 not in self.unnumbered:
            number = self.numbers[self.sent] - 1
            if number > self.numbers[self.sent - 1]:
                self.write(b"id: %d\n\n" % number, newline, sequence=number)
        self.bytes_arrive(size)

    @reading
    @rule(size=sizes)
    def bytes_arrive(self, size: int) -> None:
        if self.finished:
            return  # the driver reads no further
        chunk = self.body[self.received : self.received + size]
        self.received += len(chunk)
        events = self.machine.receive(chunk)
        while self.written and self.written[0].complete_at <= self.received and not self.finished:
            written = self.written.pop(0)
            if written.is_broken:
                with pytest.raises(InvalidResponseError) as caught:
                    next(events)
                assert caught.value.last_sequence == self.cursor
                assert caught.value.response.status_code == 200
                self.over = True
                return
            is_new = written.sequence is None or written.sequence > self.replayed_through
            if written.event is None:
                self.move(written.sequence)
            elif written.sequence is None and not self.takes_unnumbered:
                with pytest.raises(UnsupportedServerError, match="no sequence number"):
                    next(events)
                self.over = True
                return
            elif is_new:
                self.deliver(next(events).value["n"], written)
            elif written.event == self.last and written.sequence == self.cursor:
                self.finished = True  # the run was followed to its end before
            if written.retry is not None:
                self.min_delay = min(written.retry / 1000, MAX_RETRY_AFTER)
        assert next(events, None) is None, "delivered an event that was not due"

    def deliver(self, delivered: int, written: Written) -> None:
        assert delivered == written.event
        assert self.next is not None
        if not written.is_repeated or delivered == self.next:
            assert delivered == self.next, "lost, repeated, or out of order"
            self.next += 1
        before = self.cursor
        self.move(written.sequence)
        if written.sequence is None or self.cursor != before:
            # A number repeated after an event without one says nothing about that event.
            self.position_is_known = written.sequence is not None
        self.requests = self.failures = 0
        self.finished = delivered == self.last
        assert self.machine.cursor == self.cursor

    def move(self, sequence: int | None) -> None:
        if sequence is not None and (self.cursor == "now" or sequence > self.cursor):
            self.cursor = sequence

    # --------------------------------------------------------------- ends

    @reading
    @rule(kind=st.none() | st.just(httpx.ReadTimeout) | st.sampled_from(IN_A_BODY), size=sizes)
    def connection_ends(self, kind: type[Exception] | None, size: int) -> None:
        """Have it end cleanly, as a proxy ends an idle stream, with an error, or in silence."""
        self.bytes_arrive(size)
        if self.over:
            return
        if self.finished:
            self.over = True
            self.machine.connection_ended(None if kind is None else kind("x"))
            assert self.machine.action == Finished(None)
            return
        cause = None if kind is None else kind("x")
        if self.machine._decoder.has_unended_event():
            assert self.written[0].sequence is None
            with pytest.raises(UnsupportedServerError, match="blank line"):
                self.machine.connection_ended(cause)
            self.over = True
            return
        self.takes_unnumbered = False
        is_quiet = kind is httpx.ReadTimeout and self.position_is_known
        is_gap = self.cursor == "now"
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if is_quiet:
                # A quiet run is not a failure: its request does not count.
                self.machine.connection_ended(cause)
                assert self.machine.action == Retry(self.min_delay)
                self.requests = max(0, self.requests - 1)
            else:
                self.fail(lambda: self.machine.connection_ended(cause))
        told = [warning.category for warning in caught]
        assert set(told) <= {MissedEventsWarning}
        assert self.over or len(told) == is_gap
        self.missed |= is_gap
        self.connected = False


TestStreamIsExact = StreamIsExact.TestCase
TestStreamIsExact.settings = settings(
    max_examples=300, stateful_step_count=40, deadline=None, report_multiple_bugs=False
)
