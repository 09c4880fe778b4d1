# Generated from tests/_async/test_old_servers.py by `python -m generator`: do not edit.
"""A client of a server before 0.2.0, which names the runs itself."""

from __future__ import annotations

import json
from typing import Any

import attrs
import httpx
import pytest
from llama_agents.client import SyncWorkflowClient, UnsupportedServerError
from workflows.events import HumanResponseEvent


@attrs.define
class OldServer:
    """A server that rejects IDs that it does not know, in text.

    Attributes:
        lost: The start whose response is lost, counted from 1.
        status: The status of runs; failed ones have failed at once.
        has_runs: Whether it has an endpoint for a run.
        starts: The bodies of the starts that it has accepted.
        sent: The body of the last event sent to a run.
    """

    lost: int = 0
    status: str = "completed"
    has_runs: bool = True
    starts: list[dict[str, Any]] = attrs.field(factory=list)
    sent: dict[str, Any] = attrs.field(factory=dict)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Respond."""
        _, kind, name, *rest = request.url.path.split("/")
        known = name in self.names()
        if kind == "events" and known:
            self.sent = json.loads(request.content)
            return httpx.Response(200, json={"status": "sent"})
        if kind == "handlers" and known and rest == ["cancel"]:
            return httpx.Response(200, json={"status": "cancelled"})
        if kind == "handlers" and not self.has_runs:
            return httpx.Response(404, text="Not Found")
        if kind == "handlers" and known:
            return self.run(name, self.status)
        if kind == "workflows" and "handler_id" not in (body := json.loads(request.content)):
            self.starts.append(body)
            if len(self.starts) == self.lost:
                raise httpx.ReadError("reset")
            return self.run(self.names()[-1], "failed" if self.status == "failed" else "running")
        return httpx.Response(404, text="Handler not found")

    def names(self) -> list[str]:
        """Return the IDs that the server has chosen."""
        return [f"theirs-{number + 1}" for number in range(len(self.starts))]

    def run(self, name: str, status: str) -> httpx.Response:
        """Return the response with a run."""
        result = {"type": "StopEvent", "value": {"name": name}} if status == "completed" else None
        run = {
            "handler_id": name,
            "workflow_name": "w",
            "status": status,
            "started_at": "2026-01-01T00:00:00Z",
            "result": result,
        }
        return httpx.Response(500 if status == "failed" else 200, json=run)

    def client(self) -> SyncWorkflowClient:
        """Return a client of the server."""
        transport = httpx.MockTransport(self)
        inner = httpx.Client(transport=transport, base_url="http://test")
        return SyncWorkflowClient(httpx_client=inner)


def test_run_is_waited_for_under_the_server_s_id() -> None:
    server = OldServer()
    handler = server.client().run_workflow("w", None, {"a": 1})
    assert (handler.handler_id, handler.status) == ("theirs-1", "completed")
    assert server.starts == [{"start_event": {"a": 1}}]


def test_events_are_sent_in_both_forms() -> None:
    server = OldServer()
    run = server.client().start("w")
    assert run.handler_id == "theirs-1"
    run.send(HumanResponseEvent(response="yes"))  # type: ignore[call-arg]
    event = server.sent["event"]
    assert event["value"] == event["data"] == {"_data": {"response": "yes"}}


def test_cancelled_run_that_goes_on_is_an_error() -> None:
    client = OldServer(status="running").client()
    run = client.start("w")
    for cancel in (run.cancel, lambda: client.cancel_handler(run.handler_id)):
        with pytest.raises(UnsupportedServerError, match="still running"):
            cancel()
    assert (run.cancel(purge=True)).status == "cancelled"
    for server in (OldServer(status="cancelled"), OldServer(has_runs=False)):
        ended = server.client().start("w")
        assert (ended.cancel()).status == "cancelled"


def test_runs_of_a_batch_get_the_server_s_ids() -> None:
    results = [one for one in OldServer().client().map_workflow("w", [{}, {}], limit=1)]
    assert [one.handler and one.handler.handler_id for one in results] == ["theirs-1", "theirs-2"]


def test_failed_run_of_a_batch_has_the_server_s_id() -> None:
    (one,) = [one for one in OldServer(status="failed").client().map_workflow("w", [{}])]
    assert one.handler_id == "theirs-1"


def test_lost_start_of_a_batch_concerns_one_item() -> None:
    server = OldServer(lost=2)
    batch = server.client().map_workflow("w", [{}, {}, {}], limit=1)
    errors = [type(one.error) for one in batch]
    assert errors == [type(None), UnsupportedServerError, type(None)]
    assert len(server.starts) == 3


def test_batch_with_keys_ends_before_anything_is_started() -> None:
    server = OldServer()
    with pytest.raises(UnsupportedServerError, match="chooses the IDs"):
        for _ in server.client().map_workflow("w", [{}, {}], key=lambda _: "key"):
            pytest.fail("a result")
    assert server.starts == []
