"""The spans are those that the page of tracing lists."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from llama_agents.client import (
    InvalidResponseError,
    NotFoundError,
    SyncWorkflowClient,
    WorkflowFailedError,
)
from llama_agents.client._tracing import names
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ..support.scripted import Turn, frame, response, scripted, stream

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "guides" / "tracing.md").read_text(encoding="utf-8")


def rows(header: str) -> list[list[str]]:
    """The cells of a table of the page."""
    table = PAGE.split(header)[1].lstrip().split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.split("\n")[2:]]


def code(cell: str) -> list[str]:
    return re.findall("`(.*?)`", cell)


@pytest.fixture
def provider() -> Iterator[TracerProvider]:
    provider = TracerProvider()
    yield provider
    provider.shutdown()


def test_spans_have_the_kinds_and_attributes_of_the_table(
    url: str, provider: TracerProvider
) -> None:
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with SyncWorkflowClient(base_url=url, tracer_provider=provider) as client:
        client.run_workflow("index", start_event={"documents": 1})
        with pytest.raises(WorkflowFailedError):
            client.run_workflow("index", start_event={"documents": 0})
        run = client.start("index", {"documents": 1})
        list(run.events())
        run.result()
        for call in client.is_healthy, client.list_workflows, client.get_handlers:
            call()
        with pytest.raises(NotFoundError):
            client.get_handler("unknown")
    again = Turn(response("503 Service Unavailable", Retry_After="0"))
    names_of = Turn(response("200 OK", b'{"workflows": []}'))
    broken = Turn(stream(frame(0), b"data: nothing\n\n"))
    with (
        scripted([again, names_of, again, broken]) as script,
        SyncWorkflowClient(base_url=script.url, tracer_provider=provider) as client,
    ):
        client.list_workflows()
        with pytest.raises(InvalidResponseError):
            list(client.get_run("h1").events())
    seen: dict[tuple[str, str], set[str]] = defaultdict(set)
    for span in exporter.get_finished_spans():
        kind = span.kind.name.lower()
        what = span.name.split()[0]
        known = {
            names.INVOKE_WORKFLOW: "invoke_workflow NAME",
            names.STREAM_EVENTS: "stream_events NAME",
        }
        seen[known.get(what, "METHOD TEMPLATE"), kind] |= {*(span.attributes or {})}
    documented = {
        (code(span)[0], kind): {*code(attributes)}
        for span, kind, _, attributes in rows("## Spans\n")
    }
    assert seen == documented


def test_attributes_of_the_table_are_those_of_the_code() -> None:
    assert {name for cell, _ in rows("`interrupted`.\n") for name in code(cell)} == {
        value
        for name, value in vars(names).items()
        if isinstance(value, str) and "." in value and name.isupper()
    }


def test_operations_are_those_of_the_api() -> None:
    document: dict[str, Any] = yaml.safe_load((ROOT / "openapi.yaml").read_text(encoding="utf-8"))
    api = {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
        if method in ("get", "post")
    }
    ours = {*names.OPERATIONS.values()}
    assert ours - api == {("GET", "/")}  # the page of the debugger
    assert api - ours == {("GET", "/results/{handler_id}")}  # deprecated, and never asked for
