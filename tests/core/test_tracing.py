"""What tracing imports, and when."""

from __future__ import annotations

import subprocess
import sys

import pytest
from llama_agents.client import WorkflowClient
from opentelemetry.sdk.trace import TracerProvider

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
