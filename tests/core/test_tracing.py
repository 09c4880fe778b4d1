"""What tracing imports, and when."""

from __future__ import annotations

import contextvars
import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import anyio
import httpx
import pytest
from llama_agents.client import SyncWorkflowClient, WorkflowClient
from llama_agents.client._tracing import spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ..support.processes import needs_fork

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


def test_coroutine_that_is_dropped_in_another_context_ends_its_spans_in_silence(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def reply(request: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError("it is never sent a response")

    async def drop() -> None:
        inner = httpx.AsyncClient(transport=httpx.MockTransport(reply), base_url="http://test")
        client = WorkflowClient(httpx_client=inner, tracer_provider=provider)
        call = client.run_workflow("greet")
        contextvars.copy_context().run(call.send, None)
        call.close()

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    anyio.run(drop)
    names = [span.name for span in exporter.get_finished_spans()]
    assert names == ["POST /workflows/{name}/run", "invoke_workflow greet"]
    assert caplog.records == []
    provider.shutdown()


FORK = """
import os
import httpx
from llama_agents.client import SyncWorkflowClient
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

body = b'id: 0\\ndata: {"type": "Tick", "value": {}}\\n\\n'
reply = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=body)
provider = TracerProvider()
exporter = ConsoleSpanExporter(formatter=lambda span: f"{os.getpid()} {span.name}\\n")
provider.add_span_processor(SimpleSpanProcessor(exporter))
inner = httpx.Client(transport=httpx.MockTransport(lambda _: reply), base_url="http://test")
client = SyncWorkflowClient(httpx_client=inner, tracer_provider=provider)
events = client.get_workflow_events("h1")
steps = iter(events)
next(steps)
child = os.fork()
del steps, events
if child:
    os.waitpid(child, 0)
    print(os.getpid())
else:
    os._exit(0)
"""


@needs_fork
def test_span_of_a_stream_is_ended_by_the_process_that_began_it() -> None:
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=True)
    *spans, parent = done.stdout.splitlines()
    assert spans == [f"{parent} stream_events"]


def test_program_without_metadata_of_its_packages_is_traced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(spans, "version", missing)
    spans._version.cache_clear()
    WorkflowClient(base_url="http://test", tracer_provider=TracerProvider())
    spans._version.cache_clear()


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
