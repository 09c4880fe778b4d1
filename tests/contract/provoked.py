"""Requests that provoke every operation and status of the contract on a real server."""

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
    """Clients of the servers that produce the responses.

    Attributes:
        sample: Serves the sample workflows.
        changed: Its store has a result of a workflow that has since changed.
        asleep: Its runtime has not been launched.
        unwritable: It has a result that cannot be encoded as UTF-8.
    """

    sample: httpx.Client
    changed: httpx.Client
    asleep: httpx.Client
    unwritable: httpx.Client


class AsleepRuntime(BasicRuntime):
    """A runtime that has not been launched."""

    @property
    def is_launched(self) -> bool:
        return False


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """Run the servers, with runs in the states that the requests need."""
    store = str(folder / "store.db")
    with serve(sample_workflows(), workflow_store=SqliteWorkflowStore(store)) as url:
        httpx.post(f"{url}/workflows/typed/run", json={"handler_id": "old"}).raise_for_status()
    server_of_changed = WorkflowServer(workflow_store=SqliteWorkflowStore(store))
    server_of_changed.add_workflow("typed", Greet())
    with (
        client_of(sample_workflows()) as sample,
        client_of(server_of_changed) as changed,
        client_of(WorkflowServer(runtime=AsleepRuntime())) as asleep,
        client_of(sample_workflows()) as unwritable,
    ):
        for workflow, handler_id in (("greet", "done"), ("fail", "failed"), ("greet", "purged")):
            sample.post(f"/workflows/{workflow}/run", json={"handler_id": handler_id})
        sample.post("/workflows/human/run-nowait", json={"handler_id": "open"})
        changed.post("/workflows/typed/run", json={"handler_id": "fresh"})
        unwritable.post("/workflows/echo/run-nowait", content=b'{"start_event": {"x": "\\ud800"}}')
        wait_until(lambda: unwritable.get("/handlers").status_code == 500)
        yield Servers(sample, changed, asleep, unwritable)


@contextmanager
def client_of(served: Mapping[str, Workflow] | WorkflowServer) -> Iterator[httpx.Client]:
    """Serve workflows and yield an HTTP client for them."""
    # The server writes a body after a 204 and closes connections after some errors without
    # announcing it, so a request on a kept-alive connection could fail.
    headers = {"Connection": "close"}
    with serve(served) as url, httpx.Client(base_url=url, headers=headers) as client:
        yield client


Provoke = Callable[[Servers], httpx.Response]


def get(path: str, server: str = "sample", **params: Any) -> Provoke:
    return lambda servers: getattr(servers, server).get(path, params=params)


def post(path: str, body: Any = None, **params: Any) -> Provoke:
    return lambda servers: servers.sample.post(path, json=body, params=params)


ANSWER: Final = {"event": {"type": "ResponseEvent", "value": {"response": "Ada"}}}


def start_and_post(path: str, body: Any = None) -> Provoke:
    """POST about a new run that is waiting for an answer."""

    def provoke(servers: Servers) -> httpx.Response:
        started = servers.sample.post("/workflows/human/run-nowait", json={}).json()
        handler_id = started["handler_id"]
        wait_until(lambda: servers.sample.get(f"/handlers/{handler_id}").status_code == 202)
        return servers.sample.post(path.format(handler_id), json=body)

    return provoke


PROVOKED: Final[Mapping[tuple[str, int], list[Provoke]]] = {
    ("get_health", 200): [get("/health")],
    ("get_health", 503): [get("/health", server="asleep")],
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
        post("/workflows/greet/run"),
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
    ("stream_events", 422): [get("/events/old", server="changed")],
    ("stream_events", 500): [get("/events/fresh", server="changed", after_sequence="9" * 30)],
    ("send_event", 200): [start_and_post("/events/{}", ANSWER)],
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
        get("/handlers", server="changed"),
    ],
    ("list_handlers", 500): [get("/handlers", server="unwritable")],
    ("get_handler", 200): [get("/handlers/done")],
    ("get_handler", 202): [get("/handlers/open")],
    ("get_handler", 404): [get("/handlers/none")],
    ("get_handler", 422): [get("/handlers/old", server="changed")],
    ("get_handler", 500): [get("/handlers/failed")],
    ("cancel_handler", 200): [
        start_and_post("/handlers/{}/cancel"),
        post("/handlers/purged/cancel", purge="true"),
    ],
    ("cancel_handler", 404): [post("/handlers/none/cancel"), post("/handlers/done/cancel")],
    ("get_result", 200): [get("/results/done")],
    ("get_result", 202): [get("/results/open")],
    ("get_result", 404): [get("/results/none")],
    ("get_result", 422): [get("/results/old", server="changed")],
    ("get_result", 500): [get("/results/failed")],
}
