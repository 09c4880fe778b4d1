"""Whatever comes over the wire, in whatever order: the promises hold, and errors have a type."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from llama_agents.client import (
    StreamDisconnectedError,
    SyncWorkflowClient,
    WorkflowClientError,
)
from llama_agents.client._resume import Done, ReadOn, StreamMachine
from llama_agents.client._retry import LONGEST_OBEYED, Again, Sources

from ..support.scripted import frame

STREAM_HEAD = {"content-type": "text/event-stream"}
REQUEST = httpx.Request("GET", "http://host/events/h1")
LAST = 12


class StreamIsExact(RuleBasedStateMachine):
    """A server with a fixed run, over connections that may break anywhere.

    The server honours the cursor, but may send events again that lie below it, in pieces of any
    size, with heartbeats between them.
    """

    @initialize(budget=st.integers(0, 3))
    def begin(self, budget: int) -> None:
        self.delivered: list[int] = []
        self.failures = 0
        self.budget = budget
        self.over = False
        self.pending: bytes | None = None  # what the open connection will still send
        self.machine = StreamMachine(
            "h1",
            after_sequence=-1,
            include_internal=False,
            max_reconnect_attempts=budget,
            sources=Sources(lambda: 0.0, lambda: 0.0, lambda: 0.5),
        )

    def follow(self, take: Any) -> None:
        """Take a step; hold the budget against what came of it."""
        self.failures += 1
        try:
            step = take()
        except StreamDisconnectedError as error:
            assert self.failures > self.budget
            assert error.last_sequence == (self.delivered[-1] if self.delivered else -1)
            self.over = True
        else:
            assert self.failures <= self.budget
            assert isinstance(step, Again)
            assert 0 <= step.after <= LONGEST_OBEYED
        self.pending = None

    @precondition(lambda self: not self.over and self.pending is None)
    @rule(overlap=st.integers(0, 4), noise=st.sampled_from([b"", b": hi\n\n", b"\r\n\r\n"]))
    def connect(self, overlap: int, noise: bytes) -> None:
        after = (self.machine.request().params or {})["after_sequence"]
        assert after == (self.delivered[-1] if self.delivered else -1)
        assert self.machine.opened(httpx.Response(200, headers=STREAM_HEAD, request=REQUEST)) == (
            ReadOn()
        )
        first = max(0, after + 1 - overlap)
        frames = [noise + frame(n, n=n) for n in range(first, LAST)]
        self.pending = b"".join([*frames, noise, frame(LAST, "StopEvent", n=LAST)])

    @precondition(lambda self: not self.over and self.pending is None)
    @rule(status=st.sampled_from([429, 502, 503, 504]))
    def connect_to_an_unavailable_server(self, status: int) -> None:
        self.machine.request()
        answer = httpx.Response(status, request=REQUEST)
        self.follow(lambda: self.machine.opened(answer))

    @precondition(lambda self: not self.over and self.pending is None)
    @rule()
    def connect_in_vain(self) -> None:
        self.machine.request()
        self.follow(lambda: self.machine.closed(httpx.ConnectError("refused")))

    @precondition(lambda self: not self.over and self.pending)
    @rule(size=st.integers(1, 400))
    def receive(self, size: int) -> None:
        assert self.pending is not None
        piece, self.pending = self.pending[:size], self.pending[size:]
        for event in self.machine.receive(piece):
            self.delivered.append(event.value["n"])
            self.failures = 0
            assert self.machine.cursor == self.delivered[-1]
        assert self.delivered == [*range(len(self.delivered))], "lost, twice, or out of order"
        assert self.machine.finished is (len(self.delivered) == LAST + 1)

    @precondition(lambda self: not self.over and self.pending is not None)
    @rule(cause=st.sampled_from([None, httpx.ReadError("reset"), httpx.DecodingError("torn")]))
    def lose_the_connection(self, cause: Exception | None) -> None:
        if self.machine.finished:
            assert self.machine.closed(cause) == Done()
            self.over = True
        else:
            self.follow(lambda: self.machine.closed(cause))

    @rule()
    def do_nothing(self) -> None:
        """Always possible: also when the stream is over."""

    @precondition(lambda self: not self.over and self.pending is not None)
    @rule()
    def fall_silent(self) -> None:
        if not self.machine.finished:
            assert self.machine.closed(httpx.ReadTimeout("quiet")) == Again(0.0)
            self.pending = None


TestStreamIsExact = StreamIsExact.TestCase
TestStreamIsExact.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


# ------------------------------------------------------------------- hostile answers

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
FIELDS = [
    *("handlers", "workflows", "status", "result", "start", "stop", "events", "graph", "nodes"),
    *("edges", "handler_id", "value", "type", "workflow_name", "started_at", "detail"),
]
objects = st.dictionaries(st.sampled_from(FIELDS), json_values)
hostile_bodies = st.one_of(
    st.binary(max_size=40),
    json_values.map(lambda value: json.dumps(value).encode(errors="replace")),
    objects.map(lambda value: json.dumps(value).encode()),
    objects.map(lambda value: json.dumps(value).encode()[:-3]),
    st.sampled_from([b"[" * 10**5, b'{"a":' * 10**5, b'{"status": ' + b"9" * 5000 + b"}"]),
    st.sampled_from([b'{"workflows": ["\\ud800"]}', b"\xef\xbb\xbf{}", b"NaN", b'{"status": NaN}']),
)
content_types = st.sampled_from(
    ["application/json", "text/html; charset=hex", "text/event-stream", "x", ""]
)
statuses = st.sampled_from([200, 201, 202, 204, 206, 302, 400, 404, 409, 418, 422, 500, 501, 599])

CALLS: dict[str, tuple[Any, ...]] = {
    "is_healthy": (),
    "list_workflows": (),
    "get_workflow_schema": ("w",),
    "get_workflow_events_schema": ("w",),
    "get_workflow_graph": ("w",),
    "run_workflow_nowait": ("w",),
    "send_event": ("h", {"type": "T", "value": {}}),
    "get_handlers": (),
    "get_handler": ("h",),
    "cancel_handler": ("h",),
}


@pytest.mark.parametrize("method", CALLS)
@settings(max_examples=60, deadline=None)
@given(body=hostile_bodies, status=statuses, content_type=content_types)
def test_hostile_answer_gives_a_result_or_a_typed_error_with_its_response(
    method: str, body: bytes, status: int, content_type: str
) -> None:
    transport = httpx.MockTransport(
        lambda _: httpx.Response(status, content=body, headers={"content-type": content_type})
    )
    with httpx.Client(transport=transport, base_url="http://test") as inner:
        client = SyncWorkflowClient(httpx_client=inner)
        try:
            getattr(client, method)(*CALLS[method])
        except WorkflowClientError as error:
            assert error.response.status_code == status  # type: ignore[attr-defined]
            assert str(error)
        else:
            assert status < 300 or (status == 500 and method == "get_handler")


@settings(max_examples=200, deadline=None)
@given(body=hostile_bodies, status=statuses, content_type=content_types)
def test_hostile_stream_ends_or_gives_a_typed_error(
    body: bytes, status: int, content_type: str
) -> None:
    transport = httpx.MockTransport(
        lambda _: httpx.Response(
            status, content=b"data: " + body + b"\n\n", headers={"content-type": content_type}
        )
    )
    with httpx.Client(transport=transport, base_url="http://test") as inner:
        stream = SyncWorkflowClient(httpx_client=inner).get_workflow_events(
            "h", max_reconnect_attempts=0
        )
        try:
            list(stream)
        except WorkflowClientError as error:
            assert str(error)
