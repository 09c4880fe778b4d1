"""Every fault of a plain call that is tried, described once for both faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import attrs
import httpx
from llama_agents.client import (
    InvalidResponseError,
    NotFoundError,
    ServerError,
    WaitTimeoutError,
    WorkflowFailedError,
)

from ..support.chaos import WELL, Fault, Kind, Request
from ..support.scripted import answer
from .measure import Cost
from .scenarios import LATER, in_two_seconds, unavailable

Method = Literal["run", "run failing", "start", "list", "health", "send", "wait"]


@attrs.frozen
class Call:
    """A call, what befalls its requests, and what is to come of it.

    Attributes:
        name: The fault, as a user would call it.
        method: What is called.
        faults: What becomes of its requests, by their kind.
        result: What comes of it.
        raises: The error that it ends with instead.
        names_run: Whether that error names the run.
        times: How often it is called, one after the other, on one client.
        requests: How many are sent; None where that depends on how long the run takes.
        runs: How many runs the server starts.
        at_least: Seconds that it takes, by the rules, at least.
        at_most: Seconds that it must not take.
        client: Settings of the client.
        bound: The `timeout` of a wait.
    """

    name: str
    method: Method
    faults: Mapping[Kind, Sequence[Fault]]
    result: str | None = None
    raises: type[Exception] | None = None
    names_run: bool = False
    times: int = 1
    requests: int | None = None
    runs: int = 0
    at_least: float = 0.0
    at_most: float = LATER
    client: Mapping[str, Any] = attrs.field(factory=dict)
    bound: float | None = None

    def hold(
        self,
        result: str | None,
        error: Exception | None,
        cost: Cost,
        requests: Sequence[Request],
        runs: int,
    ) -> None:
        """Fail when the call was not as promised."""
        assert isinstance(error, self.raises or type(None)), repr(error)
        if self.raises is None:
            assert result == self.result
        assert runs == self.runs, "runs that the server has started"
        if self.requests is not None:
            assert len(requests) == self.requests
        if self.names_run:
            runs_named = [request.handler_id for request in requests]
            assert any(name and name in str(error) for name in runs_named), str(error)
        assert self.at_least <= cost.seconds < self.at_most


BEFORE: Final = Fault(lose="before")
AFTER: Final = Fault(lose="after")
STALL: Final = Fault(stall=True)
UNAVAILABLE: Final = unavailable("503 Service Unavailable")
BROKEN: Final = Fault(
    instead=answer("200 OK", b'{"status": "sent', Content_Type="application/json")
)
SHORT_SILENCE: Final = {"timeout": httpx.Timeout(10, read=0.5)}
PATIENT: Final = 1.0  # s, beyond a bound, on a loaded machine; the promise is 0.5 s

CALLS: Final = (
    # reading calls
    Call("GET: the connection is lost", "list", {"other": [BEFORE]}, "workflows", requests=2),
    Call("GET: two answers are lost", "list", {"other": [AFTER, AFTER]}, "workflows", requests=3),
    Call(
        "GET: lost for ever",
        "list",
        {"other": [BEFORE] * 9},
        raises=httpx.TransportError,
        requests=3,
    ),
    Call(
        "GET: a kept connection has gone stale",
        "list",
        {"other": [WELL, BEFORE]},
        "workflows",
        times=2,
        requests=3,
    ),
    Call(
        "GET: 429, 502",
        "list",
        {"other": [unavailable("429 Too Many Requests"), unavailable("502 Bad Gateway")]},
        "workflows",
        requests=3,
        at_least=0.7,
    ),
    Call(
        "GET: 503 with Retry-After: 1",
        "list",
        {"other": [unavailable("503 Service Unavailable", Retry_After="1")]},
        "workflows",
        requests=2,
        at_least=1.0,
    ),
    Call(
        "GET: 504 with Retry-After as a date 1 to 2 s away",
        "list",
        {
            "other": [
                Fault(instead=lambda: answer("504 Gateway Timeout", Retry_After=in_two_seconds()))
            ]
        },
        "workflows",
        requests=2,
        at_least=0.9,
    ),
    Call(
        "GET: 503 for ever",
        "list",
        {"other": [UNAVAILABLE] * 9},
        raises=ServerError,
        requests=3,
    ),
    Call("GET: half an answer", "list", {"other": [BROKEN]}, raises=InvalidResponseError),
    Call("is_healthy: 503", "health", {"other": [UNAVAILABLE]}, raises=ServerError, requests=1),
    Call(
        "is_healthy: the answer is lost",
        "health",
        {"other": [AFTER]},
        raises=httpx.TransportError,
        requests=1,
    ),
    # POSTs
    Call(
        "send_event: the answer is lost",
        "send",
        {"other": [AFTER]},
        raises=httpx.TransportError,
        requests=1,
    ),
    Call("send_event: 503", "send", {"other": [UNAVAILABLE]}, raises=ServerError, requests=1),
    # the safe start
    Call("start: lost on its way", "start", {"start": [BEFORE]}, "running", requests=3, runs=1),
    Call("start: the answer is lost", "start", {"start": [AFTER]}, "running", requests=2, runs=1),
    Call(
        "start: the answer is lost, and looks fail",
        "start",
        {"start": [AFTER], "look": [BEFORE, UNAVAILABLE]},
        "running",
        requests=4,
        runs=1,
    ),
    Call(
        "start: lost three times over",
        "start",
        {"start": [BEFORE, BEFORE, AFTER]},
        "running",
        requests=6,
        runs=1,
    ),
    Call(
        "start: 502 of a proxy",
        "start",
        {"start": [unavailable("502 Bad Gateway")]},
        "running",
        requests=3,
        runs=1,
    ),
    Call(
        "start: the server has gone",
        "start",
        {"start": [BEFORE], "look": [BEFORE] * 9},
        raises=httpx.TransportError,
        names_run=True,
    ),
    # runs
    Call(
        "run_workflow: the answer is lost",
        "run",
        {"start": [AFTER]},
        "completed",
        requests=2,
        runs=1,
    ),
    Call(
        "run_workflow: no byte within the idle limit",
        "run",
        {"start": [STALL]},
        "completed",
        runs=1,
        client=SHORT_SILENCE,
    ),
    Call(
        "run_workflow: 504 of a proxy, then everything else once",
        "run",
        {"start": [unavailable("504 Gateway Timeout")], "look": [AFTER], "stream": [BEFORE]},
        "completed",
        runs=1,
    ),
    Call(
        "run_workflow of a run that fails: the answer is lost",
        "run failing",
        {"start": [AFTER]},
        raises=WorkflowFailedError,
        requests=2,
        runs=1,
    ),
    # waiting
    Call(
        "wait_for_handler: one look lost, one 503, the stream cut twice",
        "wait",
        {"look": [AFTER, UNAVAILABLE], "stream": [Fault(events=0), Fault(events=0, end="polite")]},
        "completed",
    ),
    Call(
        "wait_for_handler(timeout=0.6): no answer, ever",
        "wait",
        {"look": [STALL] * 99},
        raises=WaitTimeoutError,
        bound=0.6,
        at_least=0.6,
        at_most=0.6 + 0.5 + PATIENT,
    ),
    Call(
        "wait_for_handler(timeout=0.6): an answer that comes byte by byte",
        "wait",
        {"look": [Fault(trickle=0.1)] * 99},
        raises=WaitTimeoutError,
        bound=0.6,
        at_least=0.6,
        at_most=0.6 + 0.5 + PATIENT,
    ),
    Call(
        "wait_for_handler(timeout=0.6): a stream that says nothing",
        "wait",
        {"stream": [Fault(events=0, end="stall")] * 99},
        raises=WaitTimeoutError,
        bound=0.6,
        at_least=0.6,
        at_most=0.6 + 0.5 + PATIENT,
    ),
    Call(
        "wait_for_handler of a run that is gone",
        "wait",
        {"look": [Fault(instead=answer("404 Not Found", b'{"detail": "Handler not found"}'))]},
        raises=NotFoundError,
        names_run=True,
        requests=1,
    ),
)
