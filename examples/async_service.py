"""A web service that relays the events of a workflow run to the browser.

    python examples/server.py                            # in one terminal
    python examples/async_service.py [http://HOST:PORT]  # in another; then open http://127.0.0.1:8000

Needs ``starlette`` and ``uvicorn``; with ``--transport aiohttp``, which takes less time for each
event, also ``aiohttp``. Both connections recover from a failure: the client reconnects
to the workflow server, and the browser to this service. Each relayed event carries its sequence
number as ``id``, which the browser sends back as ``Last-Event-ID`` when it reconnects.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, TypedDict

import uvicorn
from llama_agents.client import StatusError, StreamDisconnectedError, WorkflowClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from sample_workflows import IndexStart

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Live run</title>
<style>
  body { font: 1rem/1.5 system-ui, sans-serif; max-width: 32rem; margin: 3rem auto; }
  progress { width: 100%; height: 1.5rem; }
</style>
<h1>Live run</h1>
<p><button id="start">Index 20 documents</button></p>
<progress id="bar" value="0" max="1"></progress>
<p id="status">Not started.</p>
<script>
  const [start, bar, status] = ["start", "bar", "status"].map(id => document.getElementById(id));
  start.onclick = async () => {
    start.disabled = true;
    const response = await fetch("/runs", {method: "POST"});
    if (!response.ok) {
      status.textContent = await response.text();
      start.disabled = false;
      return;
    }
    const {handler_id} = await response.json();
    const events = new EventSource(`/runs/${handler_id}/events`);
    events.onmessage = message => {
      const {type, value} = JSON.parse(message.data);
      if (type === "DocumentIndexed") {
        [bar.value, bar.max] = [value.number, value.total];
        status.textContent = `${value.number} of ${value.total} (sequence ${message.lastEventId})`;
      } else {
        status.textContent = `${type}: ${JSON.stringify(value)}`;
      }
    };
    events.onerror = () => { status.textContent += " - connection lost, reconnecting"; };
    // Without close(), the browser would keep reconnecting.
    events.addEventListener("end", () => { events.close(); start.disabled = false; });
  };
  if (location.hash === "#start") start.click();
</script>
"""


class State(TypedDict):
    """Objects that live as long as the service."""

    client: WorkflowClient


async def show_page(request: Request) -> Response:
    """Serve the page."""
    return HTMLResponse(PAGE)


async def start_run(request: Request[State]) -> Response:
    """Start a run and return its ID."""
    start = IndexStart(documents=20, seconds_each=0.15)
    handler = await request.state["client"].run_workflow_nowait("index", start_event=start)
    return JSONResponse({"handler_id": handler.handler_id}, status_code=201)


async def relay_events(request: Request[State]) -> Response:
    """Relay the events of a run, starting after the last one that this browser received."""
    client = request.state["client"]
    handler_id = request.path_params["handler_id"]
    last_event_id = request.headers.get("last-event-id", "")
    after = int(last_event_id) if last_event_id.isdecimal() else -1
    await client.get_handler(handler_id)  # 404 for an unknown run, before the stream starts

    async def frames() -> AsyncIterator[str]:
        # Cancelled when the browser disconnects; `async with` then closes the stream.
        try:
            async with client.get_workflow_events(handler_id, after_sequence=after) as stream:
                async for event in stream:
                    yield f"id: {stream.last_sequence}\ndata: {event.model_dump_json()}\n\n"
        except StreamDisconnectedError:
            return  # without "end", the browser reconnects with the last id it received
        yield "event: end\ndata: the run has ended\n\n"

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(frames(), media_type="text/event-stream", headers=headers)


async def relay_error(request: Request, error: Exception) -> Response:
    """Respond with the status of the workflow server: a 404 stays a 404."""
    assert isinstance(error, StatusError)
    return JSONResponse({"detail": error.detail}, status_code=error.status_code)


def create_app(workflow_server: str, transport: Literal["httpx", "aiohttp"] = "httpx") -> Starlette:
    """Create the service. All requests share one client."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[State]:
        async with WorkflowClient(base_url=workflow_server, transport=transport) as client:
            yield {"client": client}

    return Starlette(
        routes=[
            Route("/", show_page),
            Route("/runs", start_run, methods=["POST"]),
            Route("/runs/{handler_id}/events", relay_events),
        ],
        exception_handlers={StatusError: relay_error},
        lifespan=lifespan,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Relay the events of workflow runs to browsers.")
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8080")
    parser.add_argument("--port", type=int, default=8000, help="default: 8000; 0 picks a free port")
    parser.add_argument("--transport", choices=["httpx", "aiohttp"], default="httpx")
    arguments = parser.parse_args()
    uvicorn.run(
        create_app(arguments.url, arguments.transport),
        host="127.0.0.1",
        port=arguments.port,
        timeout_graceful_shutdown=2,  # s; Ctrl-C does not wait for open event streams
    )
