"""A client without a server: a function returns the responses.

They are completed to what a server would say: a start names the run as it was asked to, a 404 of a
run says so, and the request that identifies the server is not passed on.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
from llama_agents.client import WorkflowClient


def replies(handler: Any) -> WorkflowClient:
    """Return a client whose responses come from a function."""
    transport = httpx.MockTransport(completed(handler))
    return WorkflowClient(
        httpx_client=httpx.AsyncClient(transport=transport, base_url="http://test")
    )


def reported(run_id: str, status: str) -> dict[str, Any]:
    """Return a run as the server reports it."""
    return {
        "handler_id": "h1",
        "workflow_name": "w",
        "run_id": run_id,
        "status": status,
        "started_at": "2026-01-01T00:00:00+00:00",
    }


def completed(handler: Any) -> Callable[[httpx.Request], Any]:
    """Return the function with its responses completed."""

    def complete(request: httpx.Request, response: httpx.Response) -> httpx.Response:
        path, is_run = request.url.path, request.url.path.startswith("/handlers/")
        if response.status_code == 404 and is_run and request.method == "GET":
            return unknown_run()
        if request.method == "POST" and path.startswith("/workflows/"):
            with suppress(ValueError, TypeError):
                body = {**json.loads(response.content)}
                name = json.loads(request.content)["handler_id"]
                if "handler_id" in body:
                    return httpx.Response(response.status_code, json={**body, "handler_id": name})
        return response

    async def complete_later(request: httpx.Request, response: Any) -> httpx.Response:
        return complete(request, await response)

    def reply(request: httpx.Request) -> Any:
        if request.url.path.startswith("/handlers/no-such-run"):
            return unknown_run()
        response = handler(request)
        later = not isinstance(response, httpx.Response)
        return (complete_later if later else complete)(request, response)

    return reply


def unknown_run() -> httpx.Response:
    """Return the response to a poll of a run that the server does not know."""
    return httpx.Response(404, json={"detail": "Handler not found"})
