"""The fault scenarios of plain calls, each run with both client variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import attrs
import httpx
from llama_agents.client import (
    InvalidResponseError,
    NotFoundError,
    ResponseTooLargeError,
    ServerError,
    StatusError,
    WaitTimeoutError,
    WorkflowFailedError,
)

from examples.chaos_proxy import NO_FAULT, Fault, Kind, Request

from ..support.scripted import response
from .measure import Cost
from .scenarios import TIME_LIMIT, retry_after_date, unavailable

Method = Literal[
    "run", "run failing", "start", "start value", "list", "health", "send", "wait", "map"
]


@attrs.frozen
class Call:
    """A call, the faults that its requests meet, and the required outcome.

    Attributes:
        name: The fault, in the user's words.
        method: What is called.
        faults: The faults of its requests in order, by kind of request.
        outcome: What it returns, or the class of the error that it raises.
        requests: How many requests it sends; None if that varies with the duration of the run.
        runs: How many runs the server starts.
        names_run: Whether the error names the run.
        repeat: How many times it is called in a row with one client.
        at_least: The minimum duration in seconds, where a rule says so.
        at_most: The maximum duration in seconds.
        client: Settings of the client.
        timeout: The timeout of a wait.
        limits: Constants of `_core.limits` to change: a test cannot take as long as they are.
    """

    name: str
    method: Method
    faults: Mapping[Kind, Sequence[Fault]]
    outcome: str | type[Exception]
    requests: int | None = None
    runs: int = 0
    names_run: bool = False
    repeat: int = 1
    at_least: float = 0.0
    at_most: float = TIME_LIMIT
    client: Mapping[str, Any] = attrs.field(factory=dict)
    timeout: float | None = None
    limits: Mapping[str, float] = attrs.field(factory=dict)

    def check(
        self, outcome: str | Exception | None, cost: Cost, requests: Sequence[Request], runs: int
    ) -> None:
        """Fail unless every guarantee holds."""
        if isinstance(self.outcome, str):
            assert outcome == self.outcome
        else:
            assert isinstance(outcome, self.outcome), repr(outcome)
        assert runs == self.runs, "runs started by the server"
        if self.requests is not None:
            assert len(requests) == self.requests
        if self.names_run:
            names = [request.handler_id for request in requests]
            text = "\n".join([str(outcome), *getattr(outcome, "__notes__", ())])
            assert any(name and name in text for name in names), text
        assert self.at_least <= cost.seconds < self.at_most


REQUEST_LOST: Final = Fault(lose="before")
RESPONSE_LOST: Final = Fault(lose="after")
STALLED: Final = Fault(stall=True)
SLOW_HEAD: Final = Fault(instead=b"HTTP/1.1 200 OK\r\nX: " + b"x" * 900, trickle=0.01)
UNAVAILABLE: Final = unavailable("503 Service Unavailable")
BAD_GATEWAY: Final = unavailable("502 Bad Gateway")
GATEWAY_TIMEOUT: Final = unavailable("504 Gateway Timeout")
RETRY_AFTER_1: Final = unavailable("503 Service Unavailable", Retry_After="1")
TRUNCATED_JSON: Final = Fault(
    instead=response("200 OK", b'{"status": "sent', Content_Type="application/json")
)
CRASH: Final = response("500 Internal Server Error", b"Internal Server Error")
CRASHED: Final = Fault(instead=CRASH)
CRASHED_AFTER_START: Final = Fault(instead=CRASH, lose="forwarded")
NOT_STARTED: Final = Fault(
    instead=response("500 Internal Server Error", b'{"detail": "Error running workflow: no store"}')
)
ENGINE_DIED: Final = Fault(
    instead=response(
        "500 Internal Server Error",
        b'{"handler_id": "x", "workflow_name": "count", "status": "running", "started_at": "now"}',
    )
)
PAGE: Final = response("200 OK", b"<html>One moment</html>", Content_Type="text/html")
TOO_LARGE: Final = Fault(instead=response("200 OK", b"[" * 200_000))
REDIRECT: Final = Fault(instead=response("307 Temporary Redirect", Location="/login"))
NOT_FOUND: Final = Fault(instead=response("404 Not Found", b'{"detail": "Handler not found"}'))


def reading(
    fault: str, faults: Sequence[Fault], outcome: str | type[Exception], **options: Any
) -> Call:
    """A read-only call."""
    return Call(f"GET: {fault}", "list", {"other": faults}, outcome, **options)


def starting(fault: str, starts: Sequence[Fault], polls: Sequence[Fault], requests: int) -> Call:
    """A start that ends with one run."""
    faults: Mapping[Kind, Sequence[Fault]] = {"start": starts, "poll": polls}
    return Call(f"start: {fault}", "start", faults, "running", requests, runs=1)


def limited(
    name: str, method: Method, fault: Fault, requests: int, *, attempt: float, total: float
) -> Call:
    """A call that must end at its limits, which are made short."""
    return Call(
        name,
        method,
        {"other": [fault] * 9},
        httpx.ReadTimeout,
        requests,
        at_least=requests * attempt,
        at_most=total + 1.5,
        limits={"HEALTH_LIMIT": attempt, "ATTEMPT_LIMIT": attempt, "CALL_LIMIT": total},
    )


def timed_wait(fault: str, faults: Mapping[Kind, Sequence[Fault]]) -> Call:
    """A wait that must end within 0.5 s of its timeout; 1 s of slack is for a loaded machine."""
    name = f"wait_for_handler(timeout=0.6): {fault}"
    limits = {"timeout": 0.6, "at_least": 0.6, "at_most": 0.6 + 0.5 + 1.0}
    return Call(name, "wait", faults, WaitTimeoutError, **limits)


CALLS: Final = (
    # read-only calls
    reading("connection lost", [REQUEST_LOST], "workflows", requests=2),
    reading("two responses lost", [RESPONSE_LOST] * 2, "workflows", requests=3),
    reading("connection lost every time", [REQUEST_LOST] * 9, httpx.TransportError, requests=3),
    reading(
        "stale keep-alive connection", [NO_FAULT, REQUEST_LOST], "workflows", repeat=2, requests=3
    ),
    reading(
        "429, 502",
        [unavailable("429 Too Many Requests"), BAD_GATEWAY],
        "workflows",
        requests=3,
        at_least=0.7,
    ),
    reading("503 with Retry-After: 1", [RETRY_AFTER_1], "workflows", requests=2, at_least=1.0),
    reading(
        "504 with Retry-After as a date 1 to 2 s ahead",
        [retry_after_date("504 Gateway Timeout")],
        "workflows",
        requests=2,
        at_least=0.9,
    ),
    reading("503 every time", [UNAVAILABLE] * 9, ServerError, requests=3),
    limited(
        "GET: no response (limits 0.4 s and 1 s, not 15 s and 45 s)",
        "list",
        STALLED,
        requests=2,
        attempt=0.4,
        total=1.0,
    ),
    reading("truncated JSON", [TRUNCATED_JSON], InvalidResponseError),
    Call(
        "is_healthy: stale keep-alive connection",
        "health",
        {"other": [NO_FAULT, REQUEST_LOST]},
        "healthy",
        repeat=2,
        requests=3,
    ),
    reading(
        "response larger than max_response_size",
        [TOO_LARGE],
        ResponseTooLargeError,
        requests=1,
        client={"max_response_size": 100_000},
    ),
    reading("a redirect", [REDIRECT], StatusError, requests=1),
    Call("is_healthy: 503", "health", {"other": [UNAVAILABLE]}, ServerError, 1),
    Call(
        "is_healthy: response lost", "health", {"other": [RESPONSE_LOST]}, httpx.TransportError, 1
    ),
    limited(
        "is_healthy: no response (limit 0.4 s, not 5 s)",
        "health",
        STALLED,
        requests=1,
        attempt=0.4,
        total=0.4,
    ),
    # POST requests
    limited(
        "send_event: head of the response trickling in (limit 0.4 s, not 15 s)",
        "send",
        SLOW_HEAD,
        requests=1,
        attempt=0.4,
        total=0.4,
    ),
    Call("send_event: response lost", "send", {"other": [RESPONSE_LOST]}, httpx.TransportError, 1),
    Call("send_event: 503", "send", {"other": [UNAVAILABLE]}, ServerError, 1),
    # the safe start
    starting("request lost", [REQUEST_LOST], [], 4),
    starting("response lost", [RESPONSE_LOST], [], 2),
    starting("response lost, then polls fail", [RESPONSE_LOST], [REQUEST_LOST, UNAVAILABLE], 4),
    starting("lost three times", [REQUEST_LOST, REQUEST_LOST, RESPONSE_LOST], [], 7),
    starting("502 from a proxy", [BAD_GATEWAY], [], 4),
    starting("plain 500 although the run has started", [CRASHED_AFTER_START], [], 2),
    Call("start: plain 500", "start", {"start": [CRASHED]}, ServerError, 2, names_run=True),
    Call("start: 500 with a detail", "start", {"start": [NOT_STARTED]}, ServerError, 2),
    Call(
        "start with a field named value: schema lost, then a 503",
        "start value",
        {"other": [RESPONSE_LOST, UNAVAILABLE]},
        "running",
        requests=4,
        runs=1,
    ),
    Call(
        "start: server gone",
        "start",
        {"start": [REQUEST_LOST], "poll": [REQUEST_LOST] * 9},
        httpx.TransportError,
        names_run=True,
    ),
    # blocking runs
    Call("run_workflow: response lost", "run", {"start": [RESPONSE_LOST]}, "completed", 2, runs=1),
    Call(
        "run_workflow: no bytes within the idle timeout",
        "run",
        {"start": [STALLED]},
        "completed",
        runs=1,
        client={"timeout": httpx.Timeout(10, read=0.5)},
    ),
    Call(
        "run_workflow: 504 from a proxy, then a poll and a stream lost",
        "run",
        {"start": [GATEWAY_TIMEOUT], "poll": [RESPONSE_LOST], "stream": [REQUEST_LOST]},
        "completed",
        runs=1,
    ),
    Call(
        "run_workflow: plain 500 although the run continues",
        "run",
        {"start": [CRASHED_AFTER_START]},
        "completed",
        runs=1,
    ),
    Call(
        "run_workflow: 500 with a run that is running, its engine has died",
        "run",
        {"start": [ENGINE_DIED]},
        WorkflowFailedError,
        requests=1,
    ),
    Call(
        "run_workflow of a failing run: response lost",
        "run failing",
        {"start": [RESPONSE_LOST]},
        WorkflowFailedError,
        requests=2,
        runs=1,
    ),
    # batches
    Call(
        "map_workflow: response to a start lost, then a web page and a 500 in place of polls",
        "map",
        {"start": [RESPONSE_LOST], "poll": [Fault(instead=PAGE), CRASHED]},
        "completed",
        requests=4,
        runs=1,
    ),
    Call(
        "map_workflow: a web page in place of the response to a start",
        "map",
        {"start": [Fault(instead=PAGE, lose="forwarded")]},
        "completed",
        runs=1,
    ),
    # waits
    Call(
        "wait_for_handler: a poll lost, a 503, two stream disconnects",
        "wait",
        {
            "poll": [RESPONSE_LOST, UNAVAILABLE],
            "stream": [Fault(events=0), Fault(events=0, end="clean")],
        },
        "completed",
    ),
    Call(
        "wait_for_handler: 500 with a run that is running, its engine has died",
        "wait",
        {"poll": [ENGINE_DIED]},
        WorkflowFailedError,
        requests=1,
    ),
    timed_wait("no response", {"poll": [STALLED] * 99}),
    timed_wait("response trickling in", {"poll": [Fault(trickle=0.1)] * 99}),
    timed_wait("head of the response trickling in", {"poll": [SLOW_HEAD] * 99}),
    timed_wait("silent stream", {"stream": [Fault(events=0, end="stall")] * 99}),
    Call(
        "wait_for_handler: unknown run",
        "wait",
        {"poll": [NOT_FOUND]},
        NotFoundError,
        names_run=True,
        requests=1,
    ),
)
