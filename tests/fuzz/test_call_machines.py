"""A start happens at most once, and a wait meets its deadline, whatever happens to requests."""

from __future__ import annotations

import math
from email.utils import formatdate
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from llama_agents.client import (
    EventValidationError,
    InvalidResponseError,
    StatusError,
    WaitTimeoutError,
    WorkflowClientError,
    WorkflowFailedError,
)
from llama_agents.client._core import endpoints
from llama_agents.client._core.actions import Finished, Listen, Poll, Read, Retry, Sleep
from llama_agents.client._core.limits import Kind, limits_of
from llama_agents.client._core.policy import TRANSPORT_ERRORS
from llama_agents.client._core.start import Phase as StartPhase
from llama_agents.client._core.start import Start
from llama_agents.client._core.wait import Phase as WaitPhase
from llama_agents.client._core.wait import Wait
from llama_agents.client.protocol import HandlerData
from workflows.events import StartEvent

from ..support.scripted import frame
from ..support.server import newest_server
from .model import (
    CALLER_ERRORS,
    FAILURES,
    HANDLER_ID,
    HTTP_STATUS,
    LOST,
    MAX_RETRY_AFTER,
    NOT_SENT,
    RETRYABLE,
    Clock,
    Run,
    assert_delay,
    assert_names_run,
    response,
)

# ------------------------------------------------------------------- the safe start

# A proxy responds so whether or not the request has reached the server.
PROXY_ERRORS = [408, 429, 501, 502, 503, 504, 520, 599]
REJECTIONS = [400, 401, 404, 422]  # of a start that the server has seen, and not begun
CRASHES: list[object] = [None, {}, "oops", {"detail": "it could not start"}]  # bodies of a 500
MAX_RETRIES = 2  # of a start that was never sent
MAX_LOST_RETRIES = 5  # of a start that may have arrived
ends = st.none() | st.sampled_from(["completed", "failed", "cancelled"])
seconds = st.floats(0, 60)


class Begin(StartEvent):
    """A start event that may also be sent as bare fields."""

    x: int = 1


START_EVENTS = [Begin(), {"value": 1}]  # the second one can only be written with the schema
SCHEMAS = [{"x": {}, "value": {}}, {"y": {}}]  # the fields of a class that reads them, or not


class StartHappensOnce(RuleBasedStateMachine):
    """A server that stores its runs, behind a network that loses requests and responses.

    A start that seems lost may still arrive, as long as it comes before the next one.
    """

    over = True

    @precondition(lambda self: self.over)
    @rule(
        id_is_generated=st.booleans(),
        blocks=st.booleans(),
        earlier=st.sampled_from([None, "running", "completed", "failed"]),
        skew=st.floats(-(10**6), 10**6),
        age=st.floats(10, 10**5),
        start_event=st.sampled_from(START_EVENTS),
        declared=st.sampled_from(SCHEMAS),
    )
    def begin(
        self,
        id_is_generated: bool,
        blocks: bool,
        earlier: str | None,
        skew: float,
        age: float,
        start_event: Any,
        declared: Any,
    ) -> None:
        self.clock = Clock()
        self.skew = skew  # of the server's clock
        self.id_is_generated = id_is_generated
        self.blocks = blocks  # a start returns at the end of the run
        self.run: Run | None = None
        if earlier is not None and not id_is_generated:
            self.run = Run("earlier", self.server_time() - age)
            if earlier != "running":
                self.end_run(earlier)
        self.starts = 0
        self.requests = 0
        self.failures = 0
        self.rejections: list[httpx.Response] = []
        self.crash: httpx.Response | None = None
        schema = {"title": "Start", "properties": declared}
        self.schema = response(200, {"start": schema, "stop": {}})
        self.reads_event = declared is SCHEMAS[0]
        self.may_rewrite = isinstance(start_event, Begin)
        self.returns_to = StartPhase.SENDING  # from REWRITING
        self.was_lost = False
        self.start_is_on_its_way = False  # while the client takes it for lost
        self.over = False
        self.machine = Start(
            endpoints.start_run(
                "w", HANDLER_ID, start_event, None, server=newest_server(), blocking=blocks
            ),
            endpoints.get_handler(HANDLER_ID, must_succeed=blocks),
            HANDLER_ID,
            server=newest_server(),
            id_is_generated=id_is_generated,
            id_is_needed=not id_is_generated,
            time=self.clock.time,
        )

    # --------------------------------------------------------------- the server

    def server_time(self) -> float:
        return self.clock.time.wall_clock() + self.skew

    def end_run(self, status: str) -> None:
        assert self.run is not None
        self.run.status = status
        self.run.ended = self.server_time()

    def start_arrives(self) -> httpx.Response | None:
        if self.run is not None and self.run.status == "running":
            return response(409, {"detail": "it is running"})
        self.starts += 1
        assert self.starts == 1, "started twice"
        self.run = Run("run 1", self.server_time())
        return None

    def handler(self) -> httpx.Response:
        if self.run is None:
            return response(404, {"detail": "Handler not found"})
        return self.run.response(date=formatdate(int(self.server_time()), usegmt=True))

    # --------------------------------------------------------------- the network

    calling = precondition(lambda self: not self.over)

    @calling
    @rule(seconds=st.floats(0, 100), chance=st.floats(0, 1, exclude_max=True), end=ends)
    def time_passes(self, seconds: float, chance: float, end: str | None) -> None:
        self.clock.now += seconds
        self.clock.chance = chance
        if end and self.run and self.run.status == "running" and not self.start_is_on_its_way:
            self.end_run(end)

    @calling
    @rule(
        outcome=st.sampled_from([*LOST, *PROXY_ERRORS])
        | st.sampled_from([*NOT_SENT, *CALLER_ERRORS])
        | st.sampled_from([400, 400, *REJECTIONS]),
        request=st.sampled_from(["arrives", "is lost", "arrives late"]),
        seconds=seconds,
        end=ends,
        retry_after=st.sampled_from(["", "1", "30", "9999"]),
    )
    def response_does_not_come(
        self, outcome: Any, request: str, seconds: float, end: str | None, retry_after: str
    ) -> None:
        if outcome in REJECTIONS and not self.is_sending():
            return
        if outcome == 400 and (self.starts or self.start_is_on_its_way):
            return  # an event that is rejected once is rejected always
        may_arrive = outcome in LOST or outcome in PROXY_ERRORS
        if may_arrive and request == "arrives":
            self.arrive(seconds, end)
        elif self.send() == "POST" and may_arrive and request == "arrives late":
            # A second start of a name may only come late while the first run is running.
            self.start_is_on_its_way = self.starts == 0 and self.id_is_generated
        if isinstance(outcome, int):
            outcome = response(outcome, {"detail": "no"}, retry_after=retry_after)
        self.report(outcome)

    @calling
    @rule(seconds=seconds, end=ends)
    def server_responds(self, seconds: float, end: str | None) -> None:
        self.report(self.arrive(seconds, end))

    @precondition(lambda self: not self.over and self.is_sending())
    @rule(body=st.sampled_from(CRASHES), arrives=st.booleans(), seconds=seconds, end=ends)
    def server_crashes(self, body: object, arrives: bool, seconds: float, end: str | None) -> None:
        self.send()
        rejected = self.start_arrives() if arrives else None
        self.clock.now += seconds
        if rejected is None and arrives and end:
            self.end_run(end)
        self.crash = None if rejected else response(500, body)
        self.report(rejected or self.crash)

    def is_sending(self) -> bool:
        return self.machine.phase not in (StartPhase.CHECKING, StartPhase.REWRITING)

    def send(self) -> str:
        """Send the next request; return its method."""
        method = self.machine.request().method
        assert (method == "POST") is self.is_sending()
        assert method == "GET" or self.crash is None, "repeated after a 500"
        # A late start arrives before the next start, or together with a poll.
        if self.start_is_on_its_way and (method == "POST" or self.requests % 2):
            self.start_is_on_its_way = False
            self.start_arrives()
        return method

    def arrive(self, seconds: float, end: str | None) -> httpx.Response:
        """Have the next request arrive; return its response."""
        if self.send() == "GET":
            self.clock.now += seconds
            rewriting = self.machine.phase is StartPhase.REWRITING
            return self.schema if rewriting else self.handler()
        rejected = self.start_arrives()
        self.clock.now += seconds
        if rejected is None and (self.blocks or end):
            self.end_run(end or "completed")
        return rejected or self.handler()

    # --------------------------------------------------------------- the machine

    def expected(self, outcome: type[Exception] | httpx.Response) -> tuple[StartPhase | None, int]:
        """Return the phase after an outcome, None for the end, and how many failures it is."""
        phase, checking = self.machine.phase, StartPhase.CHECKING
        if phase is StartPhase.REWRITING:
            if isinstance(outcome, type) or outcome.status_code in RETRYABLE:
                return phase, 1
            return (self.returns_to if outcome is self.schema and self.reads_event else None), 0
        if isinstance(outcome, type):
            return (phase if outcome in NOT_SENT else checking), 1
        status = outcome.status_code
        if phase is checking:
            if status in RETRYABLE:
                return checking, 1
            if self.crash is not None:
                return None, 0
            return (StartPhase.ID_TAKEN if status == 202 else StartPhase.RESENDING), 0
        if status == 400:
            return (StartPhase.REWRITING if self.may_rewrite else None), 0
        is_repeated = status == 409 and phase is StartPhase.RESENDING
        if status in PROXY_ERRORS or is_repeated or outcome is self.crash:
            return checking, 1
        return None, 0

    def report(self, outcome: type[Exception] | httpx.Response) -> None:
        """Tell the machine what became of its request; check what it does next."""
        before, (phase, failed) = self.machine.phase, self.expected(outcome)
        if phase is StartPhase.REWRITING and before is not phase:
            self.may_rewrite, self.returns_to = False, before
        self.was_lost |= phase is StartPhase.CHECKING
        limit = MAX_LOST_RETRIES if self.was_lost else MAX_RETRIES
        self.requests += 1
        self.failures += failed
        self.over = True
        retry_after = 0.0
        if isinstance(outcome, httpx.Response):
            if failed:
                retry_after = float(outcome.headers.get("retry-after") or 0)
            elif outcome.status_code == 400:
                self.rejections.append(outcome)
        try:
            if isinstance(outcome, type):
                action: Any = self.machine.failed(outcome("x"), not_sent=outcome in NOT_SENT)
            else:
                action = self.machine.receive(outcome)
        except EventValidationError:
            assert before is StartPhase.REWRITING
            assert not self.reads_event
            assert not self.rejections
            assert self.starts == 0
        except (WorkflowClientError, *TRANSPORT_ERRORS) as error:
            assert_names_run(error)
            may_retry = failed and self.failures <= limit and retry_after <= MAX_RETRY_AFTER
            assert not may_retry or outcome in CALLER_ERRORS, "gave up too early"
            is_response = isinstance(outcome, httpx.Response)
            if self.rejections and is_response and before is not StartPhase.CHECKING:
                assert before is not StartPhase.REWRITING or isinstance(error, StatusError)
                if before is StartPhase.REWRITING or outcome is self.rejections[-1]:
                    assert isinstance(error, StatusError)
                    assert error.response is self.rejections[0], "not the first rejection"
            if isinstance(error, WorkflowFailedError):
                assert self.is_this_run(error.handler)
            elif self.crash is not None and is_response and not failed:
                assert isinstance(error, (StatusError, InvalidResponseError))
                is_reported = b"detail" in self.crash.content
                poll_failed = error.response is outcome and not is_reported
                assert error.response is self.crash or poll_failed
                assert not poll_failed or outcome.status_code != 404, "the run is unknown"
        else:
            self.go_on(action, outcome, phase, failed, limit, retry_after)

    def go_on(
        self,
        action: Any,
        outcome: type[Exception] | httpx.Response,
        phase: StartPhase | None,
        failed: int,
        limit: int,
        retry_after: float,
    ) -> None:
        """Check the machine's next action."""
        if isinstance(action, Finished):
            assert self.is_this_run(action.value)
            reported = self.crash is not None and b"detail" in self.crash.content
            assert not reported or action.value.status != "running"
            return
        assert isinstance(action, Retry)
        assert outcome not in CALLER_ERRORS
        assert self.failures <= limit
        assert self.machine.phase is phase
        assert_delay(action.delay, self.failures if failed else 0, at_least=retry_after)
        self.clock.now += action.delay
        self.over = False

    def is_this_run(self, handler: HandlerData) -> bool:
        return self.starts == 1 and handler.run_id == "run 1"


# ------------------------------------------------------------------- the wait

LAST_POLL = 0.25  # s, that a poll may end after the deadline
SLACK = LAST_POLL + 1e-6
MAX_POLL_RETRIES = 6  # in a row
MAX_POLL_INTERVAL = 5.0
HEARTBEAT = b": heartbeat\n\n"
STREAM = response(200, content_type="text/event-stream")
CLIENT_LIMITS = [httpx.Timeout(45, connect=10), httpx.Timeout(None), httpx.Timeout(3)]
# Shares of the longest time that a phase of a request may take.
shares = st.sampled_from([0.0, 0.5, 1.0]) | st.floats(0, 1)
failures = st.sampled_from(FAILURES)


class WaitMeetsItsDeadline(RuleBasedStateMachine):
    """A server that responds, stalls or breaks at each step, while each request keeps its limits.

    A request may take its limit to connect, and again until the head of the response comes; the
    same holds for the time between any two chunks of a stream; all of it ends at the deadline.
    """

    action: Any = Finished(None)  # or Poll, Listen, and Read while the stream is open

    finished = precondition(lambda self: isinstance(self.action, Finished))
    polling = precondition(lambda self: isinstance(self.action, Poll))
    connecting = precondition(lambda self: isinstance(self.action, Listen))
    reading = precondition(lambda self: isinstance(self.action, Read))

    @finished
    @rule(
        timeout=st.sampled_from([None, 0, 0.01, 1, 20, 90]) | st.floats(0, 100),
        client=st.sampled_from(CLIENT_LIMITS),
        poll_interval=st.sampled_from([0, 0.5, 3]),
        backoff=st.sampled_from(["constant", "linear", "exponential"]),
    )
    def begin(
        self, timeout: float | None, client: httpx.Timeout, poll_interval: float, backoff: Any
    ) -> None:
        self.clock = Clock()
        self.deadline = math.inf if timeout is None else self.clock.now + timeout
        self.client = client
        self.failures = 0
        self.interval, self.backoff = float(poll_interval), backoff
        self.is_ending = False  # the stream has said that the run has ended
        self.lag = 0.005
        self.action = Poll()
        self.wait = Wait(
            endpoints.get_handler(HANDLER_ID),
            HANDLER_ID,
            server=newest_server(),
            timeout=timeout,
            poll_interval=poll_interval,
            backoff=backoff,
            time=self.clock.time,
        )

    @invariant()
    def deadline_is_met_and_phase_is_what_the_stream_has_said(self) -> None:
        if hasattr(self, "wait"):
            assert self.clock.now <= self.deadline + SLACK
            assert (self.wait.phase is WaitPhase.CONFIRMING) is self.is_ending

    def remaining(self) -> float:
        return max(0.0, self.deadline - self.clock.now)

    def send(self, connecting: float, reading: float) -> None:
        kind: Kind = "plain call" if isinstance(self.action, Poll) else "stream"
        limits = self.wait.limits(limits_of(kind, self.client))
        assert limits.head > 0
        self.read_limit = limits.timeout.read or 100.0
        self.ends_at = self.clock.now + limits.whole
        taken = connecting * (limits.timeout.connect or 100.0) + reading * self.read_limit
        self.clock.now += min(taken, limits.head)

    def follow(self, action: Any) -> None:
        self.action = action
        if isinstance(action, Sleep):
            assert 0 <= action.seconds <= min(self.remaining(), MAX_RETRY_AFTER)
            self.clock.now += action.seconds
            self.action = Poll()

    # --------------------------------------------------------------- polls

    @polling
    @rule(
        connecting=shares,
        reading=shares,
        outcome=failures
        | st.just("running")
        | st.sampled_from([*HTTP_STATUS, 429, 502, 503, 504, 404, 500, *CALLER_ERRORS]),
        retry_after=st.sampled_from(["", "", "1", "200", "9999"]),
    )
    def poll(self, connecting: float, reading: float, outcome: Any, retry_after: str = "") -> None:
        self.send(connecting, reading)
        may_retry = outcome in RETRYABLE or outcome in FAILURES
        at_least = float(retry_after or 0) if outcome in RETRYABLE else 0.0
        self.failures = self.failures + 1 if may_retry else 0
        may_retry &= self.failures <= MAX_POLL_RETRIES and at_least <= MAX_RETRY_AFTER
        try:
            if isinstance(outcome, type):
                action: Any = self.wait.poll_failed(outcome("x"))
            elif isinstance(outcome, str):
                action = self.wait.poll_response(Run(status=outcome).response())
            else:
                headers = {"retry_after": retry_after}
                action = self.wait.poll_response(response(outcome, {"detail": ""}, **headers))
        except (WorkflowClientError, *TRANSPORT_ERRORS) as error:
            assert_names_run(error)
            if isinstance(error, WaitTimeoutError):
                assert self.remaining() == 0, "too early"
            assert (may_retry or outcome == "running") is isinstance(error, WaitTimeoutError)
            assert outcome == "running" or not isinstance(outcome, str)
            self.action = Finished(None)
            return
        assert isinstance(action, Finished) or self.remaining() > 0, "continued after the deadline"
        if outcome == "running":
            expected: Any = Listen()
            if self.is_ending:
                expected = Sleep(min(self.lag, self.remaining()))
            elif self.remaining() <= LAST_POLL:
                expected = Sleep(self.remaining())
            assert action == expected
            if self.is_ending:
                self.lag = min(2 * self.lag, MAX_POLL_INTERVAL)
        elif isinstance(outcome, str):
            assert isinstance(action, Finished)
            assert action.value.status == outcome
        else:
            # One rule for a poll whose response was lost and one whose response asks for a retry.
            assert may_retry
            assert isinstance(action, Sleep)
            at_most = min(self.remaining(), MAX_RETRY_AFTER)
            assert_delay(action.seconds, self.failures, at_least=at_least, at_most=at_most)
        self.follow(action)

    @polling
    @rule(
        times=st.integers(2, MAX_POLL_RETRIES),
        outcome=st.sampled_from([503, httpx.ReadError, "running"]),
    )
    def polls_end_alike(self, times: int, outcome: Any) -> None:
        for _ in range(times):
            if isinstance(self.action, Poll):
                self.poll(0.0, 0.0, outcome)

    # --------------------------------------------------------------- the stream

    @connecting
    @rule(
        connecting=shares,
        reading=shares,
        outcome=st.just(STREAM) | failures | st.sampled_from([204, 200, 404, 500, 503]),
    )
    def listen(self, connecting: float, reading: float, outcome: Any) -> None:
        self.wait.listen()
        self.send(connecting, reading)
        if isinstance(outcome, type):
            self.leave(outcome)
            return
        if outcome is STREAM and self.wait.opened(STREAM):
            self.action = Read()
            return
        if outcome is not STREAM:
            assert not self.wait.opened(response(outcome, content_type="text/html"))
            self.is_ending = self.is_ending or outcome == 204
        self.leave(None)

    @reading
    @rule(
        waiting=shares,
        chunk=st.sampled_from([HEARTBEAT, b"id", frame(1), frame(2, "StopEvent"), b"\xff"]),
    )
    def stream_continues(self, waiting: float, chunk: bytes) -> None:
        self.clock.now = min(self.clock.now + waiting * self.read_limit, self.ends_at)
        self.is_ending = self.is_ending or b"StopEvent" in chunk
        if self.wait.receive(chunk):
            self.action = Poll()
        else:
            assert not self.is_ending, "keeps listening after the end"

    @reading
    @rule(waiting=shares, kind=st.sampled_from([None, httpx.ReadTimeout, httpx.ReadError]))
    def stream_ends(self, waiting: float, kind: type[Exception] | None) -> None:
        is_silent = kind is httpx.ReadTimeout
        taken = self.read_limit * (1.0 if is_silent else waiting)
        self.clock.now = min(self.clock.now + taken, self.ends_at)
        self.leave(kind, is_silent=is_silent)

    def leave(self, kind: type[Exception] | None, *, is_silent: bool = False) -> None:
        action = self.wait.stream_ended(None if kind is None else kind("x"))
        if is_silent or self.is_ending:
            assert action == Poll()
        else:
            assert action == Sleep(min(self.interval, self.remaining()))
            longer = {"linear": self.interval + 1, "exponential": self.interval * 2}
            self.interval = min(longer.get(self.backoff, self.interval), MAX_POLL_INTERVAL)
        self.follow(action)


SETTINGS = settings(
    max_examples=150, stateful_step_count=40, deadline=None, report_multiple_bugs=False
)
TestStartHappensOnce = StartHappensOnce.TestCase
TestStartHappensOnce.settings = SETTINGS
TestWaitMeetsItsDeadline = WaitMeetsItsDeadline.TestCase
TestWaitMeetsItsDeadline.settings = SETTINGS


@settings(max_examples=200, deadline=None)
@given(
    timeout=st.none() | st.floats(0, 400),
    ends_at=st.floats(0, 300),
    lag=st.floats(0, 1),
    latency=st.floats(0.001, 0.05),
    heartbeat=st.sampled_from([math.inf, 5.0, 25.0]),
    is_mute=st.booleans(),
)
def test_wait_without_faults_finishes_soon_after_the_run(
    timeout: float | None,
    ends_at: float,
    lag: float,
    latency: float,
    heartbeat: float,
    is_mute: bool,
) -> None:
    """The status may lag behind the stream, and a stream may be alive but never report the end."""
    clock = Clock()
    started_at = clock.now
    ends_at += started_at
    poll = endpoints.get_handler(HANDLER_ID)
    wait = Wait(poll, HANDLER_ID, server=newest_server(), timeout=timeout, time=clock.time)
    status_ends_at = ends_at + lag
    action: Any = Poll()
    for _ in range(1000):
        match action:
            case Finished():
                break
            case Sleep(seconds):
                clock.now += seconds
                action = Poll()
            case Listen():
                action = listen(wait, clock, latency, heartbeat, math.inf if is_mute else ends_at)
            case Poll():
                clock.now += latency
                status = "completed" if clock.now >= status_ends_at else "running"
                try:
                    action = wait.poll_response(Run(status=status).response())
                except WaitTimeoutError:
                    assert timeout is not None
                    assert started_at + timeout <= clock.now <= started_at + timeout + SLACK
                    assert clock.now < status_ends_at
                    return
    else:
        pytest.fail("it never finishes")
    assert action.value.status == "completed"
    # Near its deadline it polls only once more.
    last_poll = 0.0 if timeout is None else LAST_POLL
    at_most = lag + 0.1 + 10 * latency + last_poll + (50 if is_mute else 0)
    assert clock.now <= status_ends_at + at_most


def listen(wait: Wait, clock: Clock, latency: float, heartbeat: float, ends_at: float) -> Any:
    """Serve a stream that reports the end of its run at a given time; return what comes next."""
    limits = wait.limits(limits_of("stream", None))
    ends = clock.now + limits.whole
    wait.listen()
    clock.now += latency
    if not wait.opened(STREAM if clock.now < ends_at else response(204)):
        return wait.stream_ended(None)
    for _ in range(1000):
        until_end = ends_at - clock.now
        limit = min(limits.timeout.read or math.inf, ends - clock.now)
        passed = min(until_end, heartbeat, limit)
        clock.now += passed
        if passed == limit:
            return wait.stream_ended(httpx.ReadTimeout("x"))
        if wait.receive(frame(1, "StopEvent") if passed == until_end else HEARTBEAT):
            return Poll()
    pytest.fail("it listens forever")
