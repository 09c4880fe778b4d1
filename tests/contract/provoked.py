"""One real answer of the server for every operation and status that can be provoked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import httpx
from llama_agents.client.testing import serve
from llama_agents.server import SqliteWorkflowStore, WorkflowServer
from workflows import Workflow
from workflows.plugins.basic import BasicRuntime

from ..support.server import wait_until
from ..support.workflows import Greet, sample_workflows


@attrs.frozen
class Servers:
    """The servers that the answers come from.

    Attributes:
        sample: One with the sample workflows.
        changed: One whose store holds a result of a workflow that has changed since.
        asleep: One whose runtime is not launched.
        unwritable: One with a result that cannot be written as UTF-8.
    """

    sample: httpx.Client
    changed: httpx.Client
    asleep: httpx.Client
    unwritable: httpx.Client


class AsleepRuntime(BasicRuntime):
    """A runtime that is not launched yet."""

    @property
    def is_launched(self) -> bool:
        return False


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """Run them."""
    store = str(folder / "store.db")
    with serve(sample_workflows(), workflow_store=SqliteWorkflowStore(store)) as url:
        httpx.post(f"{url}/workflows/typed/run", json={"handler_id": "old"}).raise_for_status()
    changed = WorkflowServer(workflow_store=SqliteWorkflowStore(store))
    changed.add_workflow("typed", Greet())
    asleep = WorkflowServer(runtime=AsleepRuntime())
    with (
        client_of(sample_workflows()) as sample,
        client_of(changed) as changed_client,
        client_of(asleep) as asleep_client,
        client_of(sample_workflows()) as unwritable,
    ):
        for workflow, handler_id in (("greet", "done"), ("fail", "failed"), ("greet", "purged")):
            sample.post(f"/workflows/{workflow}/run", json={"handler_id": handler_id})
        sample.post("/workflows/human/run-nowait", json={"handler_id": "open"})
        changed_client.post("/workflows/typed/run", json={"handler_id": "fresh"})
        unwritable.post("/workflows/echo/run-nowait", content=b'{"start_event": {"x": "\\ud800"}}')
        wait_until(lambda: unwritable.get("/handlers").status_code == 500)
        yield Servers(sample, changed_client, asleep_client, unwritable)


@contextmanager
def client_of(served: Mapping[str, Workflow] | WorkflowServer) -> Iterator[httpx.Client]:
    """Serve, and give an HTTP client."""
    # The server writes a body after a 204, and closes connections after some errors without
    # saying so: a connection that is kept would fail the next request.
    headers = {"Connection": "close"}
    with serve(served) as url, httpx.Client(base_url=url, headers=headers) as client:
        yield client


Provoke = Callable[[Servers], httpx.Response]


def get(path: str, **params: Any) -> Provoke:
    """GET on the sample server."""
    return lambda servers: servers.sample.get(path, params=params)


def post(path: str, body: Any = None, **params: Any) -> Provoke:
    """POST on the sample server."""
    return lambda servers: servers.sample.post(path, json=body, params=params)


def cancelled(servers: Servers) -> httpx.Response:
    """Cancel a run that goes on."""
    started = servers.sample.post("/workflows/human/run-nowait", json={}).json()
    return servers.sample.post(f"/handlers/{started['handler_id']}/cancel")


def answered(servers: Servers) -> httpx.Response:
    """Send an event that a run waits for."""
    started = servers.sample.post("/workflows/human/run-nowait", json={}).json()
    path = f"/handlers/{started['handler_id']}"
    wait_until(lambda: servers.sample.get(path).status_code == 202)
    event = {"type": "ResponseEvent", "value": {"response": "Ada"}}
    return servers.sample.post(f"/events/{started['handler_id']}", json={"event": event})


ANSWER: Final = {"event": {"type": "ResponseEvent", "value": {"response": "Ada"}}}

PROVOKED: Final[Mapping[tuple[str, int], list[Provoke]]] = {
    ("get_health", 200): [get("/health")],
    ("get_health", 503): [lambda servers: servers.asleep.get("/health")],
    ("list_workflows", 200): [get("/workflows")],
    ("get_workflow_schema", 200): [get("/workflows/typed/schema")],
    ("get_workflow_schema", 404): [get("/workflows/none/schema")],
    ("get_workflow_schema", 500): [get("/workflows/opaque/schema")],
    ("get_workflow_events_schema", 200): [get("/workflows/human/events")],
    ("get_workflow_events_schema", 404): [get("/workflows/none/events")],
    ("get_workflow_events_schema", 500): [get("/workflows/opaque/events")],
    ("get_workflow_representation", 200): [
        get("/workflows/human/representation"),
        get("/workflows/typed/representation"),
    ],
    ("get_workflow_representation", 404): [get("/workflows/none/representation")],
    ("get_workflow_representation", 500): [get("/workflows/opaque/representation")],
    ("run_workflow", 200): [
        post("/workflows/greet/run", {}),
        post("/workflows/typed/run", {"start_event": {"name": "Ada"}, "context": {}}),
        post("/workflows/typed/run", {"start_event": json.dumps({"name": "Ada"})}),
        post("/workflows/greet/run", {"kwargs": {"name": "Ada"}}),
    ],
    ("run_workflow", 400): [
        post("/workflows/greet/run", []),
        post("/workflows/greet/run", {"start_event": {"value": 1}}),
        post("/workflows/greet/run", {"context": {"state": {}}}),
        lambda servers: servers.sample.post("/workflows/greet/run"),
    ],
    ("run_workflow", 404): [post("/workflows/none/run", {})],
    ("run_workflow", 409): [post("/workflows/human/run", {"handler_id": "open"})],
    ("run_workflow", 500): [
        post("/workflows/fail/run", {}),
        post("/workflows/greet/run", {"handler_id": 5}),
    ],
    ("run_workflow_nowait", 200): [post("/workflows/greet/run-nowait", {})],
    ("run_workflow_nowait", 400): [post("/workflows/greet/run-nowait", [])],
    ("run_workflow_nowait", 404): [post("/workflows/none/run-nowait", {})],
    ("run_workflow_nowait", 409): [post("/workflows/human/run-nowait", {"handler_id": "open"})],
    ("run_workflow_nowait", 500): [post("/workflows/greet/run-nowait", {"handler_id": 5})],
    ("stream_events", 200): [
        get("/events/done", after_sequence="-1", include_internal="true"),
        get("/events/failed", after_sequence="-1", include_qualified_name="false"),
    ],
    ("stream_events", 204): [get("/events/done", after_sequence="now")],
    ("stream_events", 400): [get("/events/done", after_sequence="x")],
    ("stream_events", 404): [get("/events/none")],
    ("stream_events", 422): [lambda servers: servers.changed.get("/events/old")],
    ("stream_events", 500): [
        lambda servers: servers.changed.get("/events/fresh", params={"after_sequence": "9" * 30})
    ],
    ("send_event", 200): [answered],
    ("send_event", 400): [
        post("/events/open", {}),
        post("/events/open", {"event": {"type": "No"}}),
    ],
    ("send_event", 404): [post("/events/none", ANSWER)],
    ("send_event", 409): [post("/events/done", ANSWER)],
    ("send_event", 500): [
        post("/events/open", {**ANSWER, "step": "none"}),
        post("/events/open", []),
    ],
    ("list_handlers", 200): [
        get("/handlers"),
        get("/handlers", status=["failed", "completed"], workflow_name="fail"),
        lambda servers: servers.changed.get("/handlers"),
    ],
    ("list_handlers", 500): [lambda servers: servers.unwritable.get("/handlers")],
    ("get_handler", 200): [get("/handlers/done")],
    ("get_handler", 202): [get("/handlers/open")],
    ("get_handler", 404): [get("/handlers/none")],
    ("get_handler", 422): [lambda servers: servers.changed.get("/handlers/old")],
    ("get_handler", 500): [get("/handlers/failed")],
    ("cancel_handler", 200): [cancelled, post("/handlers/purged/cancel", purge="true")],
    ("cancel_handler", 404): [post("/handlers/none/cancel"), post("/handlers/done/cancel")],
    ("get_result", 200): [get("/results/done")],
    ("get_result", 202): [get("/results/open")],
    ("get_result", 404): [get("/results/none")],
    ("get_result", 422): [lambda servers: servers.changed.get("/results/old")],
    ("get_result", 500): [get("/results/failed")],
}
