"""The handle on a run, on the real server."""

from __future__ import annotations

import copy
import json
import pickle

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

from ..support.workflows import OutEvent, RequestEvent, ResponseEvent

pytestmark = pytest.mark.anyio

COUNT = {"n": 5, "pause": 0.02}


class Other(StopEvent):
    """A stop event of no workflow here."""

    output: str


async def test_run_streams_events_and_returns_typed_result(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("human", StartEvent())
        async for event in run.events():
            if event.type == "RequestEvent":
                assert await run.status() == "running"
                assert (await run.send(ResponseEvent(response="Ada"))).status == "sent"
        result = await run.result(OutEvent)
        assert type(result) is OutEvent
        assert result.output == "Hello, Ada"
        assert type(await run.result(StopEvent)) is StopEvent
        assert (await run.result())["output"] == "Hello, Ada"
        assert await run.status() == "completed"
        assert await client.get_run(run.handler_id).result(result_type=OutEvent) == result


async def test_result_raises_for_wrong_class(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("typed", {"name": "Ada"})
        with pytest.raises(EventValidationError, match="completed with OutEvent, not Other"):
            await run.result(Other)
        with pytest.raises(TypeError, match="StopEvent"):
            await run.result(StartEvent)  # type: ignore[type-var]


async def test_result_raises_at_timeout_and_for_cancelled_run(server_url: str) -> None:
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


async def test_result_raises_for_failed_run(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("fail")
        with pytest.raises(WorkflowFailedError) as caught:
            await run.result(OutEvent)
    assert caught.value.handler.error == "boom " * 100
    assert run.handler_id in str(caught.value)


async def test_resumed_run_continues_after_last_event(server_url: str) -> None:
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


async def test_events_continue_where_previous_stream_stopped(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = client.get_run((await client.start("count", COUNT)).handler_id)
        seen = []
        async for event in run.events():
            seen.append(event.type)
            break
        seen += [event.type async for event in run.events()]
        assert seen == ["Tick"] * 5 + ["StopEvent"]
        assert len([event async for event in run.events(after_sequence=-1)]) == 6


async def test_resume_rejects_checkpoint_of_earlier_run(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("greet")
        await run.result()
        kept = await client.get_run(run.handler_id).checkpoint()
        assert kept["sequence"] == -1
        await (await client.start("greet", handler_id=run.handler_id)).result()
        with pytest.raises(CheckpointError, match="no longer matches its run"):
            await client.resume(kept)


async def test_checkpoint_raises_without_position(server_url: str) -> None:
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
async def test_resume_rejects_invalid_checkpoint_before_sending(kept: object) -> None:
    async with WorkflowClient(base_url="http://127.0.0.1:9") as client:
        with pytest.raises(CheckpointError, match="not a checkpoint"):
            await client.resume(kept)  # type: ignore[arg-type]


async def test_handle_shows_the_status_as_last_known(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("human", StartEvent())
        name = type(run).__name__
        known = client.get_run(run.handler_id)
        assert repr(run) == f"{name}({run.handler_id!r}, status='running')"
        assert repr(known) == f"{name}({run.handler_id!r})"
        assert await known.status() == "running"
        assert repr(known) == repr(run)
        async for event in run.events():
            assert ("completed" if event.is_terminal else "running") in repr(run)
            if event.type == "RequestEvent":
                await run.send(ResponseEvent(response="Ada"))
        assert repr(run) == f"{name}({run.handler_id!r}, status='completed')"
        assert "human" in run._repr_mimebundle_()["text/html"]
        for copied in (copy.deepcopy(run), pickle.loads(pickle.dumps(run))):
            assert repr(copied) == repr(run)
        assert "completed" in repr(await client.resume(await run.checkpoint()))
        run.events()
        assert "completed" in repr(run)
        assert "running" in repr(known)
        await known.result()
        assert "completed" in repr(known)


async def test_handle_knows_how_a_run_has_failed(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        failing = await client.start("fail")
        streamed = client.get_run(failing.handler_id)
        async for _ in streamed.events():
            pass
        with pytest.raises(WorkflowFailedError):
            await failing.result()
        assert "failed" in repr(failing)
        assert "failed" in repr(streamed)
        run = await client.start("human")
        await run.cancel()
        assert "cancelled" in repr(run)
        await run.cancel(purge=True)
        assert "deleted" in repr(run)


async def test_handle_knows_the_status_after_interacting(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("human")
        answer = ResponseEvent(response="Ada")
        await client.get_run(run.handler_id).interact({RequestEvent: lambda _: answer})
        assert "running" in repr(run)
        await run.interact({RequestEvent: lambda _: answer})
        assert "completed" in repr(run)
