"""Workflow objects and configured servers that are served again and again."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from llama_agents.client import SyncWorkflowClient
from llama_agents.client.testing import serve
from llama_agents.server import WorkflowServer
from starlette.middleware import Middleware
from workflows import Workflow, step
from workflows.events import StartEvent, StopEvent
from workflows.resource import Resource, ResourceManager

from ..support.workflows import Dialog, Greet, OutEvent, RequestEvent, ResponseEvent
from .test_serve import Broken


class OneAtATime(Workflow):
    """Sleeps, one run after another."""

    def __init__(self) -> None:
        super().__init__(num_concurrent_runs=1)

    @step
    async def sleep(self, ev: StartEvent) -> StopEvent:
        await asyncio.sleep(ev.get("seconds", 0))
        return StopEvent(result="slept")


class Loop:
    """A resource that belongs to an event loop, as an HTTP client does."""

    def __init__(self) -> None:
        self.of_resource = asyncio.get_running_loop()


def loop_resource() -> Loop:
    return Loop()


class UsesResource(Workflow):
    """Returns whether its resource belongs to the event loop that it runs in."""

    @step
    async def use(
        self, ev: StartEvent, loop: Annotated[Loop, Resource(loop_resource)]
    ) -> StopEvent:
        return StopEvent(result=loop.of_resource is asyncio.get_running_loop())


def result_of_run(url: str, workflow: str, **fields: Any) -> object:
    with SyncWorkflowClient(base_url=url) as client:
        result = client.start(workflow, fields).result()
        return result.value["result"]


def answer_dialog(client: SyncWorkflowClient) -> object:
    run = client.start("dialog")
    answers = {RequestEvent: lambda ask: ResponseEvent(response=f"to {ask.prompt}")}
    return run.interact(answers, OutEvent).output


def run_locally(workflow: Workflow) -> object:
    async def run() -> object:
        return await workflow.run(name="Ada")

    return asyncio.run(run())


@pytest.mark.parametrize("verbose", [False, True])
def test_workflow_object_is_served_again_and_run_in_between(verbose: bool) -> None:
    workflow = Greet(verbose=verbose)
    for name in ("one", "two", "two"):
        assert run_locally(workflow) == "Hello, Ada!"
        with serve({name: workflow}) as url:
            assert result_of_run(url, name, name="Ada") == "Hello, Ada!"
    assert workflow.workflow_name.endswith(".Greet")


def test_each_test_can_configure_a_server_for_the_same_workflow_object() -> None:
    workflow = Greet()
    for _ in range(2):
        server = WorkflowServer()
        server.add_workflow("greet", workflow)
        with serve(server) as url:
            assert result_of_run(url, "greet") == "Hello, World!"


def test_resource_of_an_earlier_server_is_not_used_again() -> None:
    manager = ResourceManager()
    asyncio.run(manager.set("of the caller", 1))
    workflow = UsesResource(resource_manager=manager)
    for _ in range(2):
        with serve({"uses": workflow}) as url:
            assert result_of_run(url, "uses") is True
    assert manager.get_all() == {"of the caller": 1}


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_garbage_collection")
def test_configured_server_is_served_again_with_its_runs_and_additional_events() -> None:
    server = WorkflowServer()
    server.add_workflow("sleep", OneAtATime())
    server.add_workflow("dialog", Dialog(), additional_events=[RequestEvent, ResponseEvent])
    for number in range(3):
        with serve(server) as url, SyncWorkflowClient(base_url=url) as client:
            assert client.list_workflows().workflows == ["sleep", "dialog"]
            assert len(client.get_handlers().handlers) == 7 * number
            assert answer_dialog(client) == "to 0,to 1"
            for sleeping in [client.start("sleep") for _ in range(3)]:
                assert sleeping.result(timeout=30).value == {"result": "slept"}
            # Two of these wait for the first one when the server stops.
            for _ in range(3):
                client.start("sleep", {"seconds": 60})


@pytest.mark.parametrize("name", ["dialog", "other"])
def test_configured_server_gets_a_workflow_back_that_was_served_elsewhere(name: str) -> None:
    workflow = Dialog()
    server = WorkflowServer()
    server.add_workflow("dialog", workflow, additional_events=[RequestEvent, ResponseEvent])
    for _ in range(2):
        with serve({name: workflow}) as url, SyncWorkflowClient(base_url=url) as client:
            assert client.list_workflows().workflows == [name]
        with serve(server) as url, SyncWorkflowClient(base_url=url) as client:
            assert answer_dialog(client) == "to 0,to 1"
            assert client.list_workflows().workflows == ["dialog"]


def test_workflow_object_belongs_to_one_server_at_a_time() -> None:
    workflow, server = Greet(), WorkflowServer()
    server.add_workflow("greet", workflow)
    with serve(server) as url:
        for served_twice in (server, {"again": workflow}):
            with pytest.raises(RuntimeError, match="already being served"), serve(served_twice):
                pass
        assert result_of_run(url, "greet") == "Hello, World!"
    with (
        pytest.raises(
            RuntimeError, match="'b' is already being served, perhaps under another name"
        ),
        serve({"a": workflow, "b": workflow}),
    ):
        pass
    with serve({"greet": workflow}) as url:
        assert result_of_run(url, "greet") == "Hello, World!"


def test_workflow_object_can_be_served_after_a_failed_start() -> None:
    workflow = Greet()
    with pytest.raises(OSError, match="no disk"):
        serve({"greet": workflow}, middleware=[Middleware(Broken)]).__enter__()
    with pytest.raises(TypeError, match="'greeting' must be a Workflow"):
        serve({"greet": workflow, "greeting": "Hello"}).__enter__()  # type: ignore[dict-item]
    with serve({"greet": workflow}) as url:
        assert result_of_run(url, "greet") == "Hello, World!"
    assert run_locally(workflow) == "Hello, Ada!"
