"""The handle on one run, on the real server."""

from __future__ import annotations

import json

import pytest
from llama_agents.client import (
    CheckpointError,
    EventValidationError,
    NotFoundError,
    WaitTimeoutError,
    WorkflowClient,
    WorkflowFailedError,
)
from workflows.events import StartEvent, StopEvent

from ..support.workflows import OutEvent, ResponseEvent

pytestmark = pytest.mark.anyio

COUNT = {"n": 5, "pause": 0.02}


class Other(StopEvent):
    """What no workflow here ends with."""

    output: str


async def test_run_is_followed_and_its_result_typed(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("human", StartEvent())
        async for event in run.events():
            if event.type == "RequestEvent":
                assert await run.status() == "running"
                assert (await run.send(ResponseEvent(response="Ada"))).status == "sent"
        result = await run.result(OutEvent)
        assert type(result) is OutEvent
        assert result.output == "Hello, Ada"
        assert await run.result(StopEvent) is not None
        assert (await run.result())["output"] == "Hello, Ada"
        assert await run.status() == "completed"
        again = client.run(run.handler_id)
        assert await again.result(OutEvent) == result


async def test_result_of_another_class_is_an_error(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("typed", {"name": "Ada"})
        with pytest.raises(EventValidationError, match="OutEvent, not Other"):
            await run.result(Other)
        with pytest.raises(TypeError, match="StopEvent"):
            await run.result(StartEvent)  # type: ignore[type-var]


async def test_result_waits_no_longer_than_its_bound(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("human")
        with pytest.raises(WaitTimeoutError):
            await run.result(timeout=0.1)
        await run.cancel()
        with pytest.raises(WorkflowFailedError, match="cancelled"):
            await run.result()
        await run.cancel(purge=True)
        with pytest.raises(NotFoundError):
            await run.status()


async def test_result_of_a_failed_run_is_an_error(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("fail")
        with pytest.raises(WorkflowFailedError) as caught:
            await run.result(OutEvent)
    assert caught.value.handler.error == "boom " * 100
    assert run.handler_id in str(caught.value)


async def test_checkpoint_goes_on_after_the_last_event(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("count", COUNT)
        seen = []
        async for event in run.events():
            seen.append(event.value["n"])
            if len(seen) == 2:
                break
        kept = json.loads(json.dumps(await run.checkpoint()))
    async with WorkflowClient(base_url=server_url) as client:
        resumed = await client.resume(kept)
        seen += [event.value.get("n") async for event in resumed.events()]
        assert seen == [0, 1, 2, 3, 4, None]
        end = await resumed.checkpoint()
        assert end["sequence"] > kept["sequence"]
        assert [event async for event in (await client.resume(end)).events()] == []


async def test_streams_of_one_handle_go_on_after_each_other(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = client.run((await client.start("count", COUNT)).handler_id)
        seen = []
        async for event in run.events():
            seen.append(event.type)
            break
        seen += [event.type async for event in run.events()]
        assert seen == ["Tick"] * 5 + ["StopEvent"]
        assert len([event async for event in run.events(after_sequence=-1)]) == 6


async def test_checkpoint_of_a_handler_used_again_is_refused(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("greet")
        await run.result()
        kept = await client.run(run.handler_id).checkpoint()
        assert kept["sequence"] == -1
        await (await client.start("greet", handler_id=run.handler_id)).result()
        with pytest.raises(CheckpointError, match="another run"):
            await client.resume(kept)


async def test_checkpoint_without_a_position_is_refused(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("human")
        run.events(after_sequence="now")
        with pytest.raises(CheckpointError, match="no position"):
            await run.checkpoint()
        await run.cancel(purge=True)


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {"handler_id": "h", "run_id": None, "sequence": 1},
        {"handler_id": "h", "run_id": "r", "sequence": "now"},
        {"handler_id": "h", "run_id": "r", "sequence": -2},
        {"handler_id": "h", "run_id": "r", "sequence": True},
        {"handler_id": "", "run_id": "r", "sequence": 1},
        "h",
    ],
)
async def test_what_is_no_checkpoint_is_refused_before_anything_is_sent(kept: object) -> None:
    async with WorkflowClient(base_url="http://127.0.0.1:9") as client:
        with pytest.raises(CheckpointError, match="not a checkpoint"):
            await client.resume(kept)  # type: ignore[arg-type]
