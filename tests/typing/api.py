"""The public API as a type checker sees it: checked by mypy and pyright, never run."""

from __future__ import annotations

import sys
from typing import Any, Literal, assert_type

import httpx
from llama_agents.client import (
    Batch,
    Checkpoint,
    Cursor,
    EventEnvelopeWithMetadata,
    EventStream,
    EventTypes,
    HandlerData,
    SyncBatch,
    SyncEventStream,
    SyncWorkflowClient,
    SyncWorkflowRun,
    WorkflowClient,
    WorkflowFailedError,
    WorkflowRun,
)
from llama_agents.client.protocol import ResultEnvelope, Status, is_status_completed
from workflows.events import (
    Event,
    HumanResponseEvent,
    InputRequiredEvent,
    StartEvent,
    StopEvent,
)


class OutEvent(StopEvent):
    output: str


def takes_an_envelope(envelope: EventEnvelopeWithMetadata) -> None: ...


class Request(InputRequiredEvent):
    prompt: str


def answer(event: Request) -> HumanResponseEvent:
    return HumanResponseEvent.model_validate({"response": event.prompt})


async def answer_later(event: Event) -> dict[str, Any] | None:
    return {"type": "ResponseEvent", "value": {}}


def print_it(event: Event) -> str:
    return str(event)


async def asynchronous() -> None:
    client = WorkflowClient(base_url="http://h", headers={"a": "b"}, timeout=5.0)
    WorkflowClient(httpx_client=httpx.AsyncClient())
    WorkflowClient()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    WorkflowClient(httpx_client=httpx.Client())  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    assert_type(client.with_options(timeout=5, max_event_size=None), WorkflowClient)
    client.with_options(on_response=lambda operation, response: print(operation, response.headers))
    client.with_options(httpx_client=None)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    assert_type((await client.list_workflows()).workflows, list[str])
    handler = await client.run_workflow("greet", None, StartEvent())
    assert_type(handler, HandlerData)
    assert_type(handler.status, Status)
    assert_type(is_status_completed(handler.status), bool)
    assert_type(handler.result, ResultEnvelope | None)
    if handler.result is not None:
        takes_an_envelope(handler.result)
        assert_type(handler.result["output"], Any)
        assert_type(handler.result.type, str)
        assert_type(handler.result.load_event(), Event)
        assert_type(OutEvent.model_validate(handler.result), OutEvent)
    graph = await client.get_workflow_graph("greet")
    run_so_far = [event async for event in client.get_workflow_events("h")]
    assert_type(graph.to_mermaid(), str)
    assert_type(graph.to_svg(events=True, run=run_so_far), str)
    assert_type(graph.to_text(), str)
    graph.to_svg(True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    graph.to_svg(run=client.get_workflow_events("h"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    stream = client.get_workflow_events("h", after_sequence="now")
    assert_type(stream, EventStream)
    assert_type(stream.last_sequence, int | Literal["now"])
    position: Cursor = stream.last_sequence
    client.get_workflow_events("h", after_sequence=position)
    async for event in stream:
        assert_type(event, EventEnvelopeWithMetadata)
        assert_type(event.load_event([OutEvent]), Event)
    async with client as entered, entered.get_workflow_events("h") as events:
        assert_type(entered, WorkflowClient)
        assert_type(events, EventStream)
    await client.get_handlers(["running"], ["greet"])
    await client.get_handlers(["done"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    await client.wait_for_handler("h", timeout=1, backoff="exponential")
    await client.wait_for_handler("h", backoff="cubic")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.get_workflow_events("h", after_sequence="later")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    run = await client.start("human", StartEvent())
    assert_type(run, WorkflowRun)
    assert_type(await run.result(OutEvent), OutEvent)
    assert_type(await run.result(result_type=OutEvent), OutEvent)
    assert_type(await run.result(), ResultEnvelope)
    assert_type(run.events(), EventStream)
    assert_type(await run.status(), Status)
    assert_type(await run.checkpoint(), Checkpoint)
    await run.watch(position, file=sys.stderr)
    await run.watch(file="out.txt")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(await client.resume({"handler_id": "h", "run_id": "r", "sequence": 1}), WorkflowRun)
    types = await client.get_event_types("human")
    assert_type(types, EventTypes)
    assert_type(types["OutEvent"], type[Event])
    assert_type(types[0], type[Event])
    assert_type(types[1:], tuple[type[Event], ...])
    for cls in types:
        assert_type(cls, type[Event])
    if handler.result is not None:
        assert_type(handler.result.load_event(types), Event)
    await client.start("human", {}, validate=True)
    await client.run_workflow("human", validate="yes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.run_workflow_nowait("human", None, None, None, True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await run.result(Event)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType, reportCallIssue]
    assert_type(await run.interact({Event: answer_later}, OutEvent), OutEvent)
    assert_type(await run.interact({Request: answer}, unanswered="ignore"), ResultEnvelope)
    await run.interact(
        {"InputRequiredEvent": lambda envelope: {"type": envelope.type, "value": {}}}
    )
    seen: dict[int, EventEnvelopeWithMetadata] = {}
    await run.interact({Request: answer}, on_event=seen.__setitem__)
    await run.interact({Request: answer}, on_event=print_it)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await run.interact({Request: answer}, unanswered="leave")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await run.interact({Request: print_it})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType, reportCallIssue]
    runs = client.map_workflow("greet", [StartEvent()], limit=2, key=str, on_progress=print)
    assert_type(runs, Batch)
    async for done in runs:
        assert_type(done.result(OutEvent), OutEvent)
        assert_type(done.result(), ResultEnvelope)
        assert_type(done.error, Exception | None)
        assert_type(done.as_dict(), dict[str, Any])
    client.map_workflow("greet", [], rerun=["done"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


def synchronous() -> None:
    client = SyncWorkflowClient(base_url="http://h", auth=("u", "p"))
    SyncWorkflowClient(httpx_client=httpx.Client())
    SyncWorkflowClient(httpx_client=httpx.AsyncClient())  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    try:
        assert_type(client.run_workflow("greet", start_event={"name": "Ada"}), HandlerData)
    except WorkflowFailedError as error:
        assert_type(error.handler, HandlerData)
        assert_type(error.response, httpx.Response)
        assert_type(error.detail, str | None)
    assert_type(client.get_event_types("human"), EventTypes)
    assert_type(client.run_workflow("greet", start_event={}, validate=True), HandlerData)
    run = client.get_run("h")
    assert_type(run, SyncWorkflowRun)
    assert_type(run.result(OutEvent, timeout=5), OutEvent)
    assert_type(run.events(), SyncEventStream)
    run.watch("now")
    assert_type(run.interact({Request: answer}, result_type=OutEvent), OutEvent)
    run.interact({Request: answer_later})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType, reportCallIssue]
    assert_type(client.map_workflow("greet", [{}]), SyncBatch)
    with client.get_workflow_events("h") as stream:
        assert_type(stream, SyncEventStream)
        for event in stream:
            assert_type(event, EventEnvelopeWithMetadata)
