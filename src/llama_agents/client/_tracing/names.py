"""The names in spans, in one place.

Those of HTTP are OpenTelemetry's semantic conventions for HTTP client spans (1.45). Those of runs
are its conventions for generative AI (0.1.0, in development), in which a workflow is an agent, and
the IDs are named as in the spans of workflow servers (``llama_index_instrumentation`` tags).
"""

from __future__ import annotations

from typing import Final

# ---------------------------------------------------------------------------- spans

INVOKE_WORKFLOW: Final = "invoke_workflow"
STREAM_EVENTS: Final = "stream_events"

# ---------------------------------------------------------------------------- attributes

URL_TEMPLATE: Final = "url.template"
REQUEST_METHOD: Final = "http.request.method"
STATUS_CODE: Final = "http.response.status_code"
RESEND_COUNT: Final = "http.request.resend_count"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
ERROR_TYPE: Final = "error.type"

OPERATION_NAME: Final = "gen_ai.operation.name"
AGENT_NAME: Final = "gen_ai.agent.name"
HANDLER_ID: Final = "llamaindex.handler_id"
RUN_ID: Final = "llamaindex.run_id"

EVENT_COUNT: Final = "llamaindex.stream.events"
RECONNECT_COUNT: Final = "llamaindex.stream.reconnects"

# ---------------------------------------------------------------------------- span events

RECONNECT: Final = "reconnect"

# ---------------------------------------------------------------------------- operations

OPERATIONS: Final = {
    "get_health": ("GET", "/health"),
    "list_workflows": ("GET", "/workflows"),
    "get_workflow_schema": ("GET", "/workflows/{name}/schema"),
    "get_workflow_events_schema": ("GET", "/workflows/{name}/events"),
    "get_workflow_graph": ("GET", "/workflows/{name}/representation"),
    "run_workflow": ("POST", "/workflows/{name}/run"),
    "run_workflow_nowait": ("POST", "/workflows/{name}/run-nowait"),
    "stream_events": ("GET", "/events/{handler_id}"),
    "send_event": ("POST", "/events/{handler_id}"),
    "get_handlers": ("GET", "/handlers"),
    "get_handler": ("GET", "/handlers/{handler_id}"),
    "identify": ("GET", "/handlers/{handler_id}"),
    "get_debugger_page": ("GET", "/"),
    "cancel_handler": ("POST", "/handlers/{handler_id}/cancel"),
}
"""The method and the path of each operation, as in ``openapi.yaml``."""
