# Generated from tests/_async/test_tracing.py by `python -m generator`: do not edit.
"""The spans of calls, runs and streams, as an exporter gets them."""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from llama_agents.client import NotFoundError, SyncWorkflowClient, WorkflowFailedError
from opentelemetry import trace
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from ..support.scripted import Turn, frame, response, scripted, stream

NAMES = b'{"workflows": []}'
SECRET = "s3cret"


class Spans:
    """A provider of tracers whose spans are kept."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def all(self) -> list[ReadableSpan]:
        return [*self.exporter.get_finished_spans()]

    def names(self) -> list[str]:
        return [span.name for span in self.all()]

    def one(self, name: str) -> ReadableSpan:
        (span,) = (span for span in self.all() if span.name == name)
        return span


@pytest.fixture
def spans() -> Iterator[Spans]:
    spans = Spans()
    yield spans
    spans.provider.shutdown()


def parent_of(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return span.context.span_id


def sent_by(request: str) -> int:
    """The ID of the span that a request was sent by."""
    (line,) = (line for line in request.split("\r\n") if line.startswith("traceparent: "))
    return int(line.split("-")[2], 16)


def test_call_has_one_span_for_all_its_requests(spans: Spans) -> None:
    turns = [
        Turn(response("503 Service Unavailable", b"{}", Retry_After="0")),
        Turn(then="reset"),
        Turn(response("200 OK", NAMES)),
    ]
    with scripted(turns) as script:
        with SyncWorkflowClient(
            base_url=f"{script.url}?key={SECRET}", tracer_provider=spans.provider
        ) as client:
            client.list_workflows()
    (span,) = spans.all()
    url = httpx.URL(script.url)
    assert (span.name, span.kind) == ("GET /workflows", SpanKind.CLIENT)
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "url.template": "/workflows",
        "http.response.status_code": 200,
        "http.request.resend_count": 2,
        "server.address": url.host,
        "server.port": url.port,
    }
    assert span.status.status_code is StatusCode.UNSET
    assert [sent_by(request) for request in script.requests] == [id_of(span)] * 3


def test_error_is_named_and_not_quoted(spans: Spans) -> None:
    body = json.dumps({"detail": SECRET}).encode()
    with scripted(
        [Turn(response("404 Not Found", body, Content_Type="application/json"))]
    ) as script:
        with SyncWorkflowClient(base_url=script.url, tracer_provider=spans.provider) as client:
            with pytest.raises(NotFoundError):
                client.get_workflow_schema(SECRET)
    unreachable = SyncWorkflowClient(base_url=script.url, tracer_provider=spans.provider)
    with pytest.raises(httpx.ConnectError):
        unreachable.send_event("h1", {"type": SECRET, "value": {"text": SECRET}})
    unreachable.close()
    refused, lost = spans.all()
    assert refused.attributes is not None
    assert lost.attributes is not None
    assert (refused.attributes["error.type"], lost.attributes["error.type"]) == (
        "404",
        "ConnectError",
    )
    assert "http.response.status_code" not in lost.attributes
    for span in refused, lost:
        assert span.status.status_code is StatusCode.ERROR
        assert SECRET not in span.to_json()


def test_run_has_a_span_around_everything_that_is_sent_for_it(
    server_url: str, spans: Spans
) -> None:
    with SyncWorkflowClient(base_url=server_url, tracer_provider=spans.provider) as client:
        handler = client.run_workflow("greet", start_event={"name": SECRET})
    run = spans.one("invoke_workflow greet")
    start = spans.one("POST /workflows/{name}/run")
    assert (run.kind, parent_of(run)) == (SpanKind.INTERNAL, None)
    assert dict(run.attributes or {}) == {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.agent.name": "greet",
        "llamaindex.handler_id": handler.handler_id,
        "llamaindex.run_id": handler.run_id,
    }
    assert parent_of(start) == id_of(run)
    assert all(SECRET not in span.to_json() for span in spans.all())
    assert all(handler.handler_id not in name for name in spans.names())


def test_run_that_is_waited_for_is_named_once_it_is_known(server_url: str, spans: Spans) -> None:
    with SyncWorkflowClient(base_url=server_url, tracer_provider=spans.provider) as client:
        run = client.start("greet", {"name": "Ada"})
        run.result()
        client.wait_for_handler(run.handler_id)
        with pytest.raises(NotFoundError):
            client.wait_for_handler("unknown")
    spans.one("POST /workflows/{name}/run-nowait")
    waits = [span for span in spans.all() if span.name.startswith("invoke_workflow")]
    names = [span.name for span in waits]
    assert names == ["invoke_workflow greet", "invoke_workflow greet", "invoke_workflow"]
    assert waits[0].attributes is not None
    assert waits[0].attributes == waits[1].attributes
    assert waits[2].status.status_code is StatusCode.ERROR
    polls = [span for span in spans.all() if span.name == "GET /handlers/{handler_id}"]
    assert {parent_of(poll) for poll in polls} == {id_of(wait) for wait in waits}


def test_failed_run_is_an_error_of_its_span(server_url: str, spans: Spans) -> None:
    with SyncWorkflowClient(base_url=server_url, tracer_provider=spans.provider) as client:
        with pytest.raises(WorkflowFailedError) as caught:
            client.run_workflow("fail")
    span = spans.one("invoke_workflow fail")
    assert span.attributes is not None
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "WorkflowFailedError"
    assert span.attributes["llamaindex.run_id"] == caught.value.handler.run_id


def test_stream_has_a_span_until_its_end_and_reconnects_are_events_of_it(
    spans: Spans,
) -> None:
    turns = [
        Turn(stream(frame(0), frame(1), end=b"")),
        Turn(response("503 Service Unavailable", b"{}", Retry_After="0")),
        Turn(stream(frame(2, "StopEvent"))),
    ]
    tracer = spans.provider.get_tracer("test")
    with scripted(turns) as script:
        with SyncWorkflowClient(base_url=script.url, tracer_provider=spans.provider) as client:
            with tracer.start_as_current_span("job") as job:
                events = client.get_workflow_events("h1")
                for _ in events:
                    assert trace.get_current_span() is job
                    assert "stream_events" not in spans.names()
    span = spans.one("stream_events")
    assert span.kind is SpanKind.CLIENT
    assert parent_of(span) == job.get_span_context().span_id
    assert dict(span.attributes or {}) == {
        "llamaindex.handler_id": "h1",
        "http.request.method": "GET",
        "url.template": "/events/{handler_id}",
        "http.response.status_code": 200,
        "http.request.resend_count": 2,
        "server.address": "127.0.0.1",
        "server.port": httpx.URL(script.url).port,
        "llamaindex.stream.events": 3,
        "llamaindex.stream.reconnects": 2,
    }
    reconnects = [(event.name, dict(event.attributes or {})) for event in span.events]
    assert reconnects == [
        ("reconnect", {"error.type": "RemoteProtocolError"}),
        ("reconnect", {"error.type": "503"}),
    ]
    assert [sent_by(request) for request in script.requests] == [id_of(span)] * 3


@pytest.mark.parametrize("how", ["break", "close", "drop", "error"])
def test_stream_that_is_left_early_ends_its_span(how: str, spans: Spans) -> None:
    frames = [frame(0), b"data: nothing\n\n"] if how == "error" else [frame(0)]
    with scripted([Turn(stream(*frames, end=b""), then="hold")]) as script:
        with SyncWorkflowClient(base_url=script.url, tracer_provider=spans.provider) as client:
            events = client.get_workflow_events("h1")
            try:
                for _ in events:
                    if how == "break":
                        break
                    if how == "close":
                        events.close()
                    if how == "drop":
                        raise LookupError
            except Exception:
                pass
            if how == "drop":
                del events
            while not spans.all():  # an event loop closes what is dropped a moment later
                time.sleep(0.005)
    span = spans.one("stream_events")
    assert span.attributes is not None
    assert span.attributes["llamaindex.stream.events"] == 1
    is_error = span.status.status_code is StatusCode.ERROR
    assert (is_error, span.attributes.get("error.type")) == (
        (True, "InvalidResponseError") if how == "error" else (False, None)
    )


def test_stream_that_is_never_connected_has_no_span(spans: Spans) -> None:
    with SyncWorkflowClient(
        base_url="http://127.0.0.1:1", tracer_provider=spans.provider
    ) as client:
        client.get_workflow_events("h1")
    assert spans.names() == []


def test_interaction_is_one_run_with_its_stream_and_answers(server_url: str, spans: Spans) -> None:
    def answer(request: dict[str, Any]) -> dict[str, Any]:
        return {"type": "ResponseEvent", "value": {"response": SECRET}}

    with SyncWorkflowClient(base_url=server_url, tracer_provider=spans.provider) as client:
        run = client.start("human")
        run.interact({"InputRequiredEvent": answer})
    invoked = spans.one("invoke_workflow human")
    for name in "stream_events human", "POST /events/{handler_id}":
        assert parent_of(spans.one(name)) == id_of(invoked)
    assert all(SECRET not in span.to_json() for span in spans.all())


def test_each_item_of_a_batch_is_a_run_within_what_was_current(
    server_url: str, spans: Spans
) -> None:
    tracer = spans.provider.get_tracer("test")
    with SyncWorkflowClient(base_url=server_url, tracer_provider=spans.provider) as client:
        with tracer.start_as_current_span("job") as job:
            starts = [{"name": "Ada"}, {"name": "Bob"}, {"name": "Cy"}]
            with client.map_workflow("greet", starts, limit=2) as results:
                ids = [result.handler_id for result in results]
    runs = [span for span in spans.all() if span.name == "invoke_workflow greet"]
    assert {parent_of(run) for run in runs} == {job.get_span_context().span_id}
    assert {(run.attributes or {})["llamaindex.handler_id"] for run in runs} == {*ids}


def test_instrumented_httpx_adds_its_spans_below(server_url: str, spans: Spans) -> None:
    instrumentor = HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=spans.provider)
    try:
        with SyncWorkflowClient(base_url=server_url, tracer_provider=spans.provider) as client:
            run = client.start("greet", {"name": "Ada"})
            for _ in run.events():
                pass
    finally:
        instrumentor.uninstrument()
    start = spans.one("POST /workflows/{name}/run-nowait")
    events = spans.one("stream_events greet")
    below = {parent_of(span) for span in spans.all() if span.name in ("POST", "GET")}
    assert {id_of(start), id_of(events)} <= below


def test_views_and_copies_are_traced(
    server_url: str, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SyncWorkflowClient(base_url=server_url, tracer_provider=spans.provider) as client:
        client.with_options(timeout=20, headers={"traceparent": "mine"}).list_workflows()
        assert spans.names() == ["GET /workflows"]
        monkeypatch.setattr(trace, "get_tracer_provider", lambda: spans.provider)
        with pickle.loads(pickle.dumps(client)) as copied:
            copied.list_workflows()
        assert spans.names() == ["GET /workflows"] * 2


def test_unusable_provider_is_rejected() -> None:
    with pytest.raises(TypeError, match="TracerProvider"):
        SyncWorkflowClient(base_url="http://127.0.0.1:1", tracer_provider="yes")  # type: ignore[arg-type]
