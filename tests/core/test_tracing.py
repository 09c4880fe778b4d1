"""What tracing imports, and when."""

from __future__ import annotations

import subprocess
import sys

import httpx
import pytest
from llama_agents.client import SyncWorkflowClient, WorkflowClient
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

PROGRAM = """
import sys
import httpx
from llama_agents.client import SyncWorkflowClient

transport = httpx.MockTransport(lambda request: httpx.Response(200, json={"workflows": []}))
with httpx.Client(transport=transport, base_url="http://test") as inner:
    SyncWorkflowClient(httpx_client=inner).list_workflows()
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""


def test_nothing_is_imported_without_a_provider() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_missing_package_is_an_error_of_the_constructor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "llama_agents.client._tracing.spans", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ImportError, match=r"llama-agents-client\[otel\]"):
        WorkflowClient(base_url="http://test", tracer_provider=TracerProvider())


def test_stream_belongs_to_where_it_was_requested() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    transport = httpx.MockTransport(lambda request: httpx.Response(204))
    with httpx.Client(transport=transport, base_url="http://test") as inner:
        client = SyncWorkflowClient(httpx_client=inner, tracer_provider=provider)
        with provider.get_tracer("test").start_as_current_span("job") as job:
            events = client.get_workflow_events("h1", after_sequence=3)
        list(events)
    (span,) = (span for span in exporter.get_finished_spans() if span.name == "stream_events")
    assert span.parent is not None
    assert span.parent.span_id == job.get_span_context().span_id
    provider.shutdown()


HINTS = """
import sys
from typing import get_type_hints
from llama_agents.client import WorkflowClient

sys.modules["opentelemetry"] = None
print(get_type_hints(WorkflowClient.__init__)["tracer_provider"])
"""


def test_signature_resolves_without_the_package() -> None:
    done = subprocess.run([sys.executable, "-c", HINTS], capture_output=True, text=True, check=True)
    assert done.stdout == "typing.Optional[typing.Any]\n"
