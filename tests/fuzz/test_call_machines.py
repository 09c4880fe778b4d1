"""A start is made once, and a wait keeps its bound, whatever becomes of requests and answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any

import attrs
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from llama_agents.client import (
    WaitTimeoutError,
    WorkflowClientError,
    WorkflowFailedError,
)
from llama_agents.client import _operations as operations
from llama_agents.client._retry import Again, Returned, Sources
from llama_agents.client._start import Start
from llama_agents.client._wait import Wait
from llama_agents.client.protocol import HandlerData

from ..support.scripted import frame

REQUEST = httpx.Request("GET", "http://host/x")
EPOCH = 1_700_000_000.0
HANDLER_ID = "the-run"
HTTP_STATUS = {"running": 202, "completed": 200, "failed": 500, "cancelled": 500}
ENDED = st.sampled_from(["completed", "failed", "cancelled"])
NOT_SENT = [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout]
LOST = [httpx.ReadError, httpx.ReadTimeout, httpx.WriteError, httpx.RemoteProtocolError]
PROXY = [408, 429, 501, 502, 503, 504, 520, 599]


@attrs.define
class Run:
    """A run as the server has it, by the server's clock."""

    run_id: str
    started: float
    status: str = "running"
    ended: float | None = None

    def body(self) -> dict[str, Any]:
        return {
            "handler_id": HANDLER_ID,
            "workflow_name": "w",
            "run_id": self.run_id,
            "status": self.status,
            "started_at": iso(self.started),
            "completed_at": None if self.ended is None else iso(self.ended),
        }


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def reply(status: int, body: object = None, **headers: str) -> httpx.Response:
    content = b"" if body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, content=content, headers=named, request=REQUEST)


# ------------------------------------------------------------------- the safe start


class StartIsMadeOnce(RuleBasedStateMachine):
    """A server that keeps its runs, behind a network that loses requests and answers.

    A start that seems lost may still arrive, as long as it comes before the next one.
    """

    @initialize(
        made_here=st.booleans(),
        waits=st.booleans(),
        earlier=st.sampled_from([None, "running", "completed", "failed"]),
        skew=st.floats(-(10**6), 10**6),
        age=st.floats(10, 10**5),
    )
    def begin(
        self, made_here: bool, waits: bool, earlier: str | None, skew: float, age: float
    ) -> None:
        self.now = 1000.0
        self.skew = skew  # of the server's clock
        self.chance = 0.5
        self.made_here = made_here
        self.waits = waits
        self.run: Run | None = None
        if earlier is not None and not made_here:
            self.run = Run("earlier", self.time() - age)
            if earlier != "running":
                self.end_run(earlier)
        self.starts = 0
        self.requests = 0
        self.late = False  # a start is on its way that the client takes for lost
        self.over = False
        build = operations.run_workflow if waits else operations.run_workflow_nowait
        look = operations.get_run if waits else operations.get_handler
        self.machine = Start(
            build("w", HANDLER_ID, {"x": 1}, None),
            look(HANDLER_ID),
            HANDLER_ID,
            made_here=made_here,
            sources=Sources(lambda: self.now, lambda: EPOCH + self.now, lambda: self.chance),
        )

    # --------------------------------------------------------------- the server

    def time(self) -> float:
        return EPOCH + self.now + self.skew

    def end_run(self, status: str) -> None:
        assert self.run is not None
        self.run.status = status
        self.run.ended = self.time()

    def start_arrives(self) -> httpx.Response:
        if self.run is not None and self.run.status == "running":
            return reply(409, {"detail": "it goes on"})
        self.starts += 1
        self.run = Run(f"run {self.starts}", self.time())
        return self.told()

    def look_arrives(self) -> httpx.Response:
        return reply(404, {"detail": "no"}) if self.run is None else self.told()

    def told(self) -> httpx.Response:
        assert self.run is not None
        date = formatdate(int(self.time()), usegmt=True)
        return reply(HTTP_STATUS[self.run.status], self.run.body(), date=date)

    # --------------------------------------------------------------- what is always so

    @invariant()
    def run_is_started_at_most_once(self) -> None:
        assert self.starts <= 1

    @invariant()
    def requests_are_bounded(self) -> None:
        assert self.requests <= 20

    # --------------------------------------------------------------- what happens

    calling = precondition(lambda self: not self.over)

    @calling
    @rule(seconds=st.floats(0, 100), chance=st.floats(0, 1, exclude_max=True))
    def time_passes(self, seconds: float, chance: float) -> None:
        self.now += seconds
        self.chance = chance

    @calling
    @rule(status=ENDED)
    def run_ends(self, status: str) -> None:
        if self.run is not None and self.run.status == "running" and not self.late:
            self.end_run(status)

    @calling
    @rule(kind=st.sampled_from(NOT_SENT))
    def request_is_not_sent(self, kind: type[Exception]) -> None:
        self.machine.request()
        self.fail(kind)

    @calling
    @rule(kind=st.sampled_from(LOST), seconds=st.floats(0, 60), arrives_late=st.booleans())
    def request_is_lost(self, kind: type[Exception], seconds: float, arrives_late: bool) -> None:
        operation = self.machine.request()
        self.deliver_late_start(operation)
        # A second start of a name may only come late while the first run goes on.
        if operation.method == "POST" and arrives_late and self.starts == 0 and self.made_here:
            self.late = True
        self.now += seconds
        self.fail(kind)

    @calling
    @rule(kind=st.sampled_from(LOST), seconds=st.floats(0, 60), ends=st.none() | ENDED)
    def answer_is_lost(self, kind: type[Exception], seconds: float, ends: str | None) -> None:
        self.arrive(seconds, ends)
        self.fail(kind)

    @calling
    @rule(
        status=st.sampled_from(PROXY),
        seconds=st.floats(0, 60),
        ends=st.none() | ENDED,
        arrives=st.booleans(),
        retry_after=st.sampled_from(["", "1", "30", "9999"]),
    )
    def proxy_answers(
        self, status: int, seconds: float, ends: str | None, arrives: bool, retry_after: str
    ) -> None:
        if arrives:
            self.arrive(seconds, ends)
        else:
            self.machine.request()
        self.take(lambda: self.machine.answered(reply(status, retry_after=retry_after)))

    @calling
    @rule(status=st.sampled_from([400, 401, 404, 422, 500]))
    def server_refuses_the_start(self, status: int) -> None:
        """Without having started it."""
        if self.machine.request().method == "POST":
            self.take(lambda: self.machine.answered(reply(status, {"detail": "no"})))

    @calling
    @rule(seconds=st.floats(0, 60), ends=st.none() | ENDED)
    def server_answers(self, seconds: float, ends: str | None) -> None:
        answer = self.arrive(seconds, ends)
        self.take(lambda: self.machine.answered(answer))

    def arrive(self, seconds: float, ends: str | None) -> httpx.Response:
        """Have the next request arrive; a start that is waited for is answered at the end."""
        operation = self.machine.request()
        self.deliver_late_start(operation)
        if operation.method == "GET":
            self.now += seconds
            return self.look_arrives()
        answer = self.start_arrives()
        self.now += seconds
        if answer.status_code != 409 and (self.waits or ends is not None):
            self.end_run(ends or "completed")
        return answer if answer.status_code == 409 else self.told()

    def deliver_late_start(self, operation: Any) -> None:
        """Have the start arrive that seemed lost: with the next look, or before the next start."""
        if self.late and (operation.method == "POST" or self.requests % 2):
            self.late = False
            self.start_arrives()

    def fail(self, kind: type[Exception]) -> None:
        self.take(lambda: self.machine.failed(kind("x")))

    def take(self, act: Callable[[], Any]) -> None:
        self.requests += 1
        try:
            step = act()
        except (WorkflowClientError, *NOT_SENT, *LOST) as error:
            assert error.handler_id == HANDLER_ID  # type: ignore[union-attr]
            assert HANDLER_ID in str(error)
            if isinstance(error, WorkflowFailedError):
                assert self.is_this_run(error.handler)
            self.over = True
            return
        if isinstance(step, Again):
            assert 0 <= step.after <= 300
            self.now += step.after
            return
        assert isinstance(step, Returned)
        assert self.is_this_run(step.value)
        self.over = True

    def is_this_run(self, handler: HandlerData) -> bool:
        return self.starts == 1 and handler.run_id == "run 1"

    @precondition(lambda self: self.over)
    @rule(
        made_here=st.booleans(),
        waits=st.booleans(),
        earlier=st.sampled_from([None, "running", "completed", "failed"]),
        skew=st.floats(-(10**6), 10**6),
        age=st.floats(10, 10**5),
    )
    def begin_another(self, **options: Any) -> None:
        self.begin(**options)


TestStartIsMadeOnce = StartIsMadeOnce.TestCase
TestStartIsMadeOnce.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, report_multiple_bugs=False
)


# ------------------------------------------------------------------- the wait

SLACK = 0.5  # s, beyond the bound
LOOKS_IN_A_ROW = 6  # that may fail
STREAM = reply(200, content_type="text/event-stream")
# Parts of the longest time that a phase of a request may take.
parts = st.sampled_from([0.0, 0.5, 0.99]) | st.floats(0, 1, exclude_max=True)


bounds = st.sampled_from([None, 0, 0.01, 1, 20, 90]) | st.floats(0, 100)


class WaitKeepsItsBound(RuleBasedStateMachine):
    """A server that answers, stalls or breaks at each step, while each request keeps its limits.

    A request may take almost its limit to connect, and again until the head of the answer comes;
    the same holds for the time between any two pieces of a stream.
    """

    @initialize(
        timeout=bounds,
        own=st.sampled_from([httpx.Timeout(45, connect=10), httpx.Timeout(None), httpx.Timeout(3)]),
        poll_interval=st.sampled_from([0, 0.5, 3]),
        backoff=st.sampled_from(["constant", "linear", "exponential"]),
    )
    def begin(
        self, timeout: float | None, own: httpx.Timeout, poll_interval: float, backoff: Any
    ) -> None:
        self.now = 1000.0
        self.timeout = timeout
        self.own = own
        self.stage = "look"  # or "listen", "read", "over"
        self.failed_looks = 0
        self.wait = Wait(
            operations.get_handler(HANDLER_ID),
            HANDLER_ID,
            timeout=timeout,
            poll_interval=poll_interval,
            backoff=backoff,
            sources=Sources(lambda: self.now, lambda: EPOCH + self.now, lambda: 0.5),
        )

    def at(*stages: str) -> Any:  # type: ignore[misc]
        return precondition(lambda self: self.stage in stages)

    @invariant()
    def time_is_within_the_bound(self) -> None:
        if self.timeout is not None:
            assert self.now <= 1000.0 + self.timeout + SLACK

    def begin_request(self) -> None:
        limits = self.wait.timeout(self.own)
        assert limits.read is None or limits.read > 0
        self.connect_limit, self.read_limit = limits.connect or 100.0, limits.read or 100.0

    def sleep(self, pause: float) -> None:
        assert 0 <= pause <= 300
        self.now += pause

    # --------------------------------------------------------------- a look

    def take_look(
        self, act: Callable[[], HandlerData | float], *, failing: bool, final: bool = False
    ) -> None:
        self.failed_looks = self.failed_looks + 1 if failing else 0
        try:
            step = act()
        except WaitTimeoutError as error:
            assert self.timeout is not None
            assert self.now >= 1000.0 + self.timeout - 1e-6, "too early"
            assert error.handler_id == HANDLER_ID
            self.stage = "over"
            return
        except (WorkflowClientError, *NOT_SENT, *LOST) as error:
            assert final or self.failed_looks > LOOKS_IN_A_ROW, "given up too early"
            assert HANDLER_ID in str(error)
            self.stage = "over"
            return
        assert self.failed_looks <= LOOKS_IN_A_ROW
        if isinstance(step, HandlerData):
            self.stage = "over"
        elif failing or step:
            self.sleep(step)
        else:
            self.stage = "listen"

    @at("look")
    @rule(connecting=parts, reading=parts, status=st.sampled_from([*HTTP_STATUS]))
    def look_is_answered(self, connecting: float, reading: float, status: str) -> None:
        self.begin_request()
        self.now += connecting * self.connect_limit + reading * self.read_limit
        body = Run("run 1", EPOCH, status).body()
        self.take_look(lambda: self.wait.looked(reply(HTTP_STATUS[status], body)), failing=False)
        assert (self.stage == "over") >= (status != "running")

    @at("look")
    @rule(connecting=parts, reading=parts)
    def look_finds_the_run_going_on(self, connecting: float, reading: float) -> None:
        self.look_is_answered(connecting, reading, "running")

    @at("look")
    @rule(
        connecting=parts,
        reading=parts,
        status=st.sampled_from([429, 502, 503, 504, 503, 503, 404, 500]),
        retry_after=st.sampled_from(["", "", "1", "200", "9999"]),
    )
    def look_is_refused(
        self, connecting: float, reading: float, status: int, retry_after: str
    ) -> None:
        self.begin_request()
        self.now += connecting * self.connect_limit + reading * self.read_limit
        answer = reply(status, {"detail": "no"}, retry_after=retry_after)
        final = status not in (429, 502, 503, 504) or retry_after == "9999"
        self.take_look(lambda: self.wait.looked(answer), failing=True, final=final)
        assert self.stage == "over" or not final

    @at("look")
    @rule(connecting=parts, reading=parts, kind=st.sampled_from([*NOT_SENT, *LOST]))
    def look_fails(self, connecting: float, reading: float, kind: type[Exception]) -> None:
        self.begin_request()
        self.lose_time(connecting, reading, kind)
        self.take_look(lambda: self.wait.look_failed(kind("x")), failing=True)

    @at("look")
    @rule(times=st.integers(2, LOOKS_IN_A_ROW))
    def looks_fail_in_a_row(self, times: int) -> None:
        for _ in range(times):
            if self.stage == "look":
                self.look_fails(0.0, 0.0, httpx.ReadError)

    def lose_time(self, connecting: float, reading: float, kind: type[Exception]) -> None:
        if kind in NOT_SENT:
            self.now += self.connect_limit if "Timeout" in kind.__name__ else 0.0
        else:
            reading = 1.0 if kind is httpx.ReadTimeout else reading
            self.now += connecting * self.connect_limit + reading * self.read_limit

    # --------------------------------------------------------------- the stream

    def leave_stream(self, kind: type[Exception] | None) -> None:
        self.stage = "look"
        self.sleep(self.wait.fell_silent(None if kind is None else kind("x")))

    @at("listen")
    @rule(connecting=parts, reading=parts)
    def stream_opens(self, connecting: float, reading: float) -> None:
        self.wait.listen()
        self.begin_request()
        self.now += connecting * self.connect_limit + reading * self.read_limit
        if self.wait.opened(STREAM):
            self.stage = "read"
        else:
            self.leave_stream(None)

    @at("listen")
    @rule(connecting=parts, reading=parts, status=st.sampled_from([204, 200, 404, 500, 503]))
    def stream_is_refused(self, connecting: float, reading: float, status: int) -> None:
        self.wait.listen()
        self.begin_request()
        self.now += connecting * self.connect_limit + reading * self.read_limit
        assert not self.wait.opened(reply(status, content_type="text/html"))
        self.leave_stream(None)

    @at("listen")
    @rule(connecting=parts, reading=parts, kind=st.sampled_from([*NOT_SENT, *LOST]))
    def stream_fails(self, connecting: float, reading: float, kind: type[Exception]) -> None:
        self.wait.listen()
        self.begin_request()
        self.lose_time(connecting, reading, kind)
        self.leave_stream(kind)

    @at("read")
    @rule(
        waiting=parts,
        piece=st.sampled_from(
            [b": heartbeat\n\n", b"id", frame(1), frame(2, "StopEvent"), b"\xff"]
        ),
    )
    def stream_goes_on(self, waiting: float, piece: bytes) -> None:
        self.now += waiting * self.read_limit
        if self.wait.heard(piece):
            self.stage = "look"

    @at("read")
    @rule(
        waiting=parts,
        kind=st.sampled_from([None, httpx.ReadTimeout, httpx.ReadTimeout, httpx.ReadError]),
    )
    def stream_ends(self, waiting: float, kind: type[Exception] | None) -> None:
        self.now += self.read_limit * (1.0 if kind is httpx.ReadTimeout else waiting)
        self.leave_stream(kind)

    @at("over")
    @rule(
        timeout=bounds,
        own=st.sampled_from([httpx.Timeout(45, connect=10), httpx.Timeout(None), httpx.Timeout(3)]),
        poll_interval=st.sampled_from([0, 0.5, 3]),
        backoff=st.sampled_from(["constant", "linear", "exponential"]),
    )
    def begin_another(self, **options: Any) -> None:
        self.begin(**options)


TestWaitKeepsItsBound = WaitKeepsItsBound.TestCase
TestWaitKeepsItsBound.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, report_multiple_bugs=False
)


@settings(max_examples=200, deadline=None)
@given(
    timeout=st.none() | st.floats(0, 400),
    ends_at=st.floats(0, 300),
    lag=st.floats(0, 1),
    latency=st.floats(0.001, 0.05),
    heartbeat=st.sampled_from([None, 5.0, 25.0]),
    deaf=st.booleans(),
)
def test_wait_without_faults_finds_the_end_in_time(
    timeout: float | None,
    ends_at: float,
    lag: float,
    latency: float,
    heartbeat: float | None,
    deaf: bool,
) -> None:
    """The status may lag behind the stream; a deaf stream lives, and never tells of the end."""
    now = 0.0
    sources = Sources(lambda: now, lambda: EPOCH + now, lambda: 0.5)
    look = operations.get_handler(HANDLER_ID)
    wait = Wait(look, HANDLER_ID, timeout=timeout, sources=sources)
    own = httpx.Timeout(45, connect=10)
    end_shows = ends_at + lag
    for _ in range(1000):
        wait.timeout(own)
        now += latency
        status = "completed" if now >= end_shows else "running"
        try:
            step = wait.looked(reply(HTTP_STATUS[status], Run("run 1", EPOCH, status).body()))
        except WaitTimeoutError:
            assert timeout is not None
            assert timeout <= now <= timeout + SLACK
            assert now < end_shows
            return
        if isinstance(step, HandlerData):
            break
        if not step:
            limit = wait.timeout(own).read or 0.0
            wait.listen()
            now += latency
            if now >= ends_at and not deaf:
                assert not wait.opened(reply(204))
                step = wait.fell_silent(None)
            elif wait.opened(STREAM):
                heard = heard_of_it = False
                while not heard:
                    told = float("inf") if deaf or heard_of_it else ends_at - now
                    beat = heartbeat or float("inf")
                    passed = min(told, beat, limit)
                    now += passed
                    if passed == limit:
                        step = wait.fell_silent(httpx.ReadTimeout("x"))
                        break
                    text = frame(1, "StopEvent") if passed == told else b": heartbeat\n\n"
                    heard_of_it = heard_of_it or passed == told
                    heard = wait.heard(text)
                    assert now <= ends_at + 1000, "it listens for ever"
            else:
                step = wait.fell_silent(None)
        now += step
    else:
        pytest.fail("it goes on for ever")
    assert step.status == "completed"
    assert now <= end_shows + lag + 0.1 + 10 * latency + (50 if deaf else 0)
