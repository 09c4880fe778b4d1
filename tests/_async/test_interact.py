"""Answers to the requests of a run, on the real server."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

import anyio
import httpx
import pytest
from llama_agents.client import (
    EventEnvelopeWithMetadata,
    NotFoundError,
    StreamDisconnectedError,
    UnansweredRequestError,
    WaitTimeoutError,
    WorkflowClient,
    WorkflowClientError,
    WorkflowFailedError,
    WorkflowRun,
)
from llama_agents.client._core import interaction
from llama_agents.client._core.interaction import RequestState
from workflows.events import Event, InputRequiredEvent

from examples.chaos_proxy import Fault, chaos, in_turn

from ..support.scripted import Turn, scripted
from ..support.workflows import OutEvent, RequestEvent, ResponseEvent, Tick

pytestmark = pytest.mark.anyio

run_module: Any = sys.modules[WorkflowRun.__module__]  # of either variant
interact_module: Any = sys.modules[WorkflowRun.__module__.replace(".run", ".interact")]


class Person:
    """Answers requests, and records their prompts.

    Attributes:
        asked: The prompts so far.
        resolved: A prompt that must not be asked again.
        interrupted_at: A prompt whose answer is never sent, because the process ends.
    """

    def __init__(self, *, resolved: str = "", interrupted_at: str = "") -> None:
        self.asked: list[str] = []
        self.resolved = resolved
        self.interrupted_at = interrupted_at

    async def __call__(self, event: RequestEvent) -> ResponseEvent:
        assert type(event) is RequestEvent
        assert event.prompt != self.resolved
        self.asked.append(event.prompt)
        if event.prompt == self.interrupted_at:
            raise KeyboardInterrupt
        return ResponseEvent(response=f"to {event.prompt}")


@pytest.mark.parametrize("workflow", ["interview", "dialog", "survey"])
async def test_interact_answers_each_request_once(server_url: str, workflow: str) -> None:
    person = Person()
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start(workflow)
        result = await run.interact({RequestEvent: person}, OutEvent)
        assert type(result) is OutEvent
        assert result.output == ",".join(f"to {prompt}" for prompt in person.asked)
        assert person.asked == [str(n) for n in range(len(person.asked))]
        assert (await client.resume(await run.checkpoint())).handler_id == run.handler_id
        # A run that has ended asks nothing.
        assert (
            await client.get_run(run.handler_id).interact({RequestEvent: person}, OutEvent)
            == result
        )
        assert len(person.asked) == len(result.output.split(","))


async def test_interact_reports_every_event_once_before_it_acts_on_it(server_url: str) -> None:
    seen: dict[int, EventEnvelopeWithMetadata] = {}
    person = Person()

    async def on_event(sequence: int, event: EventEnvelopeWithMetadata) -> None:
        assert sequence not in seen
        seen[sequence] = event
        if event.type == "RequestEvent":
            assert event.value["prompt"] not in person.asked

    with chaos(server_url, in_turn(stream=[Fault(events=2), Fault(events=1)])) as proxy:
        async with WorkflowClient(base_url=proxy.url) as client:
            run = await client.start("interview")
            await run.interact({RequestEvent: person}, on_event=on_event)
    async with WorkflowClient(base_url=server_url) as client:
        stream = client.get_workflow_events(run.handler_id, include_internal_events=True)
        assert [(stream.last_sequence, event) async for event in stream] == [*seen.items()]


async def test_interact_calls_function_of_nearest_class(server_url: str) -> None:
    def distant(event: Event) -> None:
        raise AssertionError(event)

    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("human")
        answer = {"type": "ResponseEvent", "value": {"response": "Ada"}}
        result = await run.interact({Event: distant, InputRequiredEvent: lambda event: answer})
        assert result["output"] == "Hello, Ada"


async def test_interact_passes_envelope_to_function_of_a_name(server_url: str) -> None:
    def answer(envelope: EventEnvelopeWithMetadata) -> dict[str, Any]:
        assert type(envelope) is EventEnvelopeWithMetadata
        prompts.append((envelope.type, envelope.value["prompt"]))
        return {"type": "ResponseEvent", "value": {"response": "by name"}}

    for name in ("RequestEvent", "InputRequiredEvent"):
        prompts: list[tuple[str, str]] = []
        async with WorkflowClient(base_url=server_url) as client:
            run = await client.start("interview", {"n": 1})
            result = await run.interact({"Event": print, name: answer})
        assert (prompts, result["output"]) == ([("RequestEvent", "0")], "by name")


async def test_interact_at_now_answers_open_request(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("human")
        run.events(after_sequence="now")
        assert (await run.interact({RequestEvent: Person()}, OutEvent)).output.startswith("Hello")


@pytest.mark.parametrize("workflow", ["interview", "dialog"])
async def test_interact_asks_only_open_requests_after_resume(
    server_url: str, workflow: str
) -> None:
    first = Person(interrupted_at="1")
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start(workflow)
        with pytest.raises(KeyboardInterrupt):
            await run.interact({RequestEvent: first})
        kept = json.loads(json.dumps(await run.checkpoint()))
    async with WorkflowClient(base_url=server_url) as client:
        second = Person(resolved="0")
        result = await (await client.resume(kept)).interact({RequestEvent: second}, OutEvent)
    assert first.asked == ["0", "1"]
    assert second.asked[0] == "1"  # it was asked, and not answered
    assert result.output == ",".join(["to 0", *[f"to {prompt}" for prompt in second.asked]])


async def test_interact_finds_exact_evidence_of_answers_after_the_checkpoint(
    server_url: str,
) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("interview")
        begin = await run.checkpoint()
        with pytest.raises(KeyboardInterrupt):
            await run.interact({RequestEvent: Person(interrupted_at="2")})
        person = Person(resolved="0")
        result = await (await client.resume(begin)).interact({RequestEvent: person}, OutEvent)
    assert person.asked == ["2"]
    assert result.output == "to 0,to 1,to 2"


async def test_answer_that_comes_twice_because_nothing_showed_the_first_does_no_harm(
    server_url: str,
) -> None:
    """A step that waits for an event in its middle does not show that it has taken one."""
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("dialog")
        begin = await run.checkpoint()
        with pytest.raises(KeyboardInterrupt):
            await run.interact({RequestEvent: Person(interrupted_at="1")})
        person = Person()
        result = await (await client.resume(begin)).interact({RequestEvent: person}, OutEvent)
    assert person.asked == ["0", "1"]
    assert result.output == "to 0,to 1"


async def test_interact_continues_on_same_handle_after_error(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("interview")
        with pytest.raises(KeyboardInterrupt):
            await run.interact({RequestEvent: Person(interrupted_at="1")})
        person = Person()
        result = await run.interact({RequestEvent: person}, OutEvent)
    assert person.asked == ["1", "2"]
    assert result.output == "to 0,to 1,to 2"


async def test_interact_sends_answer_once_if_its_response_is_lost(server_url: str) -> None:
    lost = [Fault(lose="after")]

    def plan(request: Any) -> Fault:
        is_answer = request.line.startswith("POST /events/")
        return lost.pop() if is_answer and lost else Fault()

    with chaos(server_url, plan) as proxy:
        async with WorkflowClient(base_url=proxy.url) as client:
            run = await client.start("interview")
            person = Person()
            result = await run.interact({RequestEvent: person}, OutEvent)
    assert not lost
    assert person.asked == ["0", "1", "2"]
    assert result.output == "to 0,to 1,to 2"


async def test_same_handle_knows_which_of_two_requests_it_answered(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("survey")
        with pytest.raises(KeyboardInterrupt):
            await run.interact({RequestEvent: Person(interrupted_at="1")})
        person = Person(resolved="0")
        assert (await run.interact({RequestEvent: person}, OutEvent)).output == "to 0,to 1"


async def test_request_that_may_be_answered_is_asked_or_an_error(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("survey")
        with pytest.raises(KeyboardInterrupt):
            await run.interact({RequestEvent: Person(interrupted_at="1")})
        other, person = client.get_run(run.handler_id), Person()
        for _ in range(2):
            with pytest.raises(UnansweredRequestError, match="RequestEvent, RequestEvent") as error:
                await other.interact({RequestEvent: person}, on_uncertain="error")
        assert [request.value["prompt"] for request in error.value.requests] == ["0", "1"]
        assert person.asked == []
        result = await other.interact({RequestEvent: person}, OutEvent)
    assert person.asked[0] == "0"
    assert result.output == "to 0,to 0"


@pytest.mark.parametrize("answers", [{}, {RequestEvent: lambda event: None}])
async def test_interact_raises_for_request_without_answer(
    server_url: str, answers: dict[Any, Any]
) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("human")
        with pytest.raises(UnansweredRequestError, match="RequestEvent") as caught:
            await run.interact(answers)
        assert caught.value.handler_id == run.handler_id
        assert isinstance(caught.value.requests[0], EventEnvelopeWithMetadata)
        # It is still open.
        assert (await run.interact({RequestEvent: Person()}))["output"].startswith("Hello")


async def test_answer_is_dropped_if_the_run_no_longer_needs_it(
    server_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("interview", {"n": 2})
        other = client.get_run(run.handler_id)

        async def is_slower(event: RequestEvent) -> ResponseEvent:
            if event.prompt == "0":
                await other.send(ResponseEvent(response="from elsewhere"))
                await next_question(other)
            return ResponseEvent(response=f"to {event.prompt}")

        with caplog.at_level(logging.INFO, "llama_agents.client.runs"):
            result = await run.interact({RequestEvent: is_slower}, OutEvent)
    assert result.output == "from elsewhere,to 1"
    assert "no longer waits for an answer to RequestEvent" in caplog.text


async def next_question(run: WorkflowRun) -> None:
    async for event in run.events(after_sequence=-1):
        if event.type == "RequestEvent" and event.value["prompt"] == "1":
            return


async def test_events_read_by_hand_leave_requests_open(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("human")
        async for event in run.events():
            if event.type == "RequestEvent":
                break
        kept = json.loads(json.dumps(await run.checkpoint()))
        for handle in (await client.resume(kept), run):
            with pytest.raises(KeyboardInterrupt):
                await handle.interact({RequestEvent: Person(interrupted_at="What is your name?")})
        assert (await run.interact({RequestEvent: Person()}))["output"].startswith("Hello")


async def test_request_is_asked_although_the_run_is_never_still(
    server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("restless")
        monkeypatch.setattr(interact_module, "HISTORY_GAP", 30.0)
        monkeypatch.setattr(interact_module, "HISTORY_LIMIT", 0.2)
        result = await client.get_run(run.handler_id).interact({RequestEvent: Person()}, OutEvent)
    assert result.output == "to busy"


async def test_answer_that_no_step_takes_is_an_error(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("human")
        with pytest.raises(
            UnansweredRequestError, match="a Tick; the workflow takes ResponseEvent"
        ):
            await run.interact({RequestEvent: lambda event: Tick(n=1)})
        assert (await run.interact({RequestEvent: Person()}))["output"].startswith("Hello")


async def test_error_names_the_request_whose_answer_no_step_takes(server_url: str) -> None:
    person = Person()

    async def is_wrong_once(event: RequestEvent) -> ResponseEvent:
        answer = await person(event)
        return ResponseEvent(response="wrong") if person.asked == ["0", "1"] else answer

    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("dialog")
        with pytest.raises(UnansweredRequestError) as error:
            await run.interact({RequestEvent: is_wrong_once})
        assert [request.value["prompt"] for request in error.value.requests] == ["1"]
        result = await run.interact({RequestEvent: is_wrong_once}, OutEvent)
    assert result.output == "to 0,to 1"


@pytest.mark.parametrize("seconds", [0.0, 0.3])
async def test_interact_ends_at_its_timeout(server_url: str, seconds: float) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("count", {"n": 1000, "pause": 0.01})
        with pytest.raises(WaitTimeoutError) as error:
            await run.interact({}, timeout=seconds)
        assert (error.value.handler_id, error.value.timeout) == (run.handler_id, seconds)
        assert await run.status() == "running"
        await run.cancel()


async def test_interact_ends_at_its_timeout_although_the_server_is_silent() -> None:
    with scripted([Turn(b"", then="hold")]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            with pytest.raises(WaitTimeoutError):
                await client.get_run("h1").interact({}, timeout=0.3)


@pytest.mark.parametrize("poll", [None, b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"])
async def test_answer_without_a_reaction_is_logged_and_the_run_polled(
    server_url: str,
    poll: bytes | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(interaction, "_PATIENCE", {RequestState.SENT: 0.2})
    accepted = b'HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{"status":"sent"}'

    def plan(request: Any) -> Fault:
        is_answer = request.line.startswith("POST /events/")
        return Fault(instead=accepted if is_answer else poll if request.kind == "poll" else None)

    with chaos(server_url, plan) as proxy:
        async with WorkflowClient(base_url=proxy.url) as client:
            run = await client.start("human")
            with pytest.raises(WaitTimeoutError):
                await run.interact({RequestEvent: Person()}, timeout=1.0)
        assert proxy.requests[-1].line.startswith(f"GET /handlers/{run.handler_id} ")
    assert caplog.text.count("has accepted ResponseEvent as an answer") == 1


async def test_lost_answer_that_the_run_does_not_take_is_raised(
    server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interaction, "_PATIENCE", {RequestState.SENT: 30.0, RequestState.LOST: 0.2})

    def plan(request: Any) -> Fault:
        return Fault(lose="before" if request.line.startswith("POST /events/") else None)

    with chaos(server_url, plan) as proxy:
        async with WorkflowClient(base_url=proxy.url) as client:
            run = await client.start("human")
            with pytest.raises(httpx.RemoteProtocolError):
                await run.interact({RequestEvent: Person()})
    async with WorkflowClient(base_url=server_url) as client:
        resumed = await client.resume(await run.checkpoint())
        assert (await resumed.interact({RequestEvent: Person()}))["output"].startswith("Hello")


async def test_interact_ignores_unanswered_request_if_told_so(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("interview", {"n": 2})
        other = client.get_run(run.handler_id)

        async def decline(event: RequestEvent) -> None:
            await other.send(ResponseEvent(response="from elsewhere"))

        result = await run.interact({RequestEvent: decline}, OutEvent, unanswered="ignore")
    assert result.output == "from elsewhere,from elsewhere"


async def test_request_that_was_ignored_is_still_open(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("human")
        for answers in ({}, {RequestEvent: lambda event: None}):
            with pytest.raises(WaitTimeoutError):
                await run.interact(answers, unanswered="ignore", timeout=0.5)
        resumed = await client.resume(await run.checkpoint())
        assert (await resumed.interact({RequestEvent: Person()}))["output"].startswith("Hello")


async def test_answer_to_an_ignored_request_settles_no_other(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("survey")
        other = client.get_run(run.handler_id)

        async def second_only(event: RequestEvent) -> ResponseEvent | None:
            if event.prompt == "0":
                return None
            await other.send(ResponseEvent(response="from elsewhere"))
            async for change in other.events(include_internal_events=True, after_sequence=-1):
                if change.value.get("input_event_name") == "ResponseEvent":
                    break
            return ResponseEvent(response="to 1")

        result = await run.interact(
            {RequestEvent: second_only}, OutEvent, unanswered="ignore", timeout=10.0
        )
    assert result.output == "from elsewhere,to 1"


async def test_request_is_open_if_its_answer_was_interrupted(server_url: str) -> None:
    first = WorkflowClient(base_url=server_url)
    run = await first.start("human")

    async def closes(event: RequestEvent) -> ResponseEvent:
        await first.aclose()
        return ResponseEvent(response="not sent")

    with pytest.raises(RuntimeError, match="closed"):
        await run.interact({RequestEvent: closes})
    kept = await run.checkpoint()
    async with WorkflowClient(base_url=server_url) as client:
        resumed, person = await client.resume(kept), Person()
        with pytest.raises(UnansweredRequestError):
            await resumed.interact({RequestEvent: person}, on_uncertain="error")
        result = await resumed.interact({RequestEvent: person}, OutEvent)
    assert result.output == "Hello, to What is your name?"


@pytest.mark.parametrize("response", ["504 Gateway Timeout", "200 OK", "400 Bad Request"])
async def test_request_is_uncertain_if_a_gateway_responds_to_its_answer(
    server_url: str, response: str
) -> None:
    page = f"HTTP/1.1 {response}\r\ncontent-length: 6\r\n\r\n<html>".encode()

    def plan(request: Any) -> Fault:
        return Fault(instead=page if request.line.startswith("POST /events/") else None)

    with chaos(server_url, plan) as proxy:
        async with WorkflowClient(base_url=proxy.url) as client:
            run = await client.start("human")
            with pytest.raises(WorkflowClientError):
                await run.interact({RequestEvent: Person()})
            books = (await run.checkpoint())["requests"]
    assert books["open"]
    assert books["uncertain"] == ([] if response.startswith("400") else books["open"])


async def test_stream_that_is_still_connecting_is_not_still(
    server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = interact_module.Driver.open

    async def connect_slowly(driver: Any, operation: Any, machine: Any) -> Any:
        if operation.kind == "stream":
            await anyio.sleep(2 * interact_module.HISTORY_GAP)
        return await connect(driver, operation, machine)

    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("interview")
        with pytest.raises(KeyboardInterrupt):
            await run.interact({RequestEvent: Person(interrupted_at="2")})
    monkeypatch.setattr(interact_module.Driver, "open", connect_slowly)
    person = Person(resolved="0")
    is_cut = Fault(events=3)  # right after the first request, which was answered
    with chaos(server_url, in_turn(stream=[is_cut])) as proxy:
        async with WorkflowClient(base_url=proxy.url) as client:
            other = client.get_run(run.handler_id)
            result = await other.interact({RequestEvent: person}, OutEvent)
    assert person.asked == ["2"]
    assert result.output == "to 0,to 1,to 2"


async def test_interact_raises_its_streams_error_with_its_cause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run_module, "POLL_RETRIES", 0)
    with scripted([Turn(b"", then="reset")]) as script:
        async with WorkflowClient(base_url=script.url) as client:
            with pytest.raises(StreamDisconnectedError) as error:
                await client.get_run("h1").interact({})
    assert isinstance(error.value.__cause__, httpx.TransportError)


@pytest.mark.parametrize("knows", [True, False])
async def test_interact_raises_for_run_cancelled_before_its_answer(
    server_url: str, knows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not knows:
        monkeypatch.setattr(interaction.Interaction, "is_open", lambda self, request: True)
    async with WorkflowClient(base_url=server_url) as client:
        run = await client.start("human")

        async def cancels(event: RequestEvent) -> ResponseEvent:
            await client.cancel_handler(run.handler_id)
            return ResponseEvent(response="too late")

        with pytest.raises(WorkflowFailedError, match="cancelled"):
            await run.interact({RequestEvent: cancels})


async def test_interact_raises_not_found_for_unknown_run(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        with pytest.raises(NotFoundError):
            await client.get_run("nobody").interact({})


@pytest.mark.parametrize(
    ("answers", "options", "error"),
    [
        ({str: print}, {}, TypeError),
        ({RequestEvent: "Ada"}, {}, TypeError),
        ({"RequestEvent": "Ada"}, {}, TypeError),
        ({RequestEvent: print, type("RequestEvent", (Event,), {}): print}, {}, ValueError),
        ({RequestEvent: print, "RequestEvent": print}, {}, ValueError),
        ({}, {"unanswered": "leave"}, ValueError),
        ({}, {"on_uncertain": "guess"}, ValueError),
        ({}, {"on_event": "print"}, TypeError),
    ],
)
async def test_interact_rejects_bad_arguments_before_sending(
    answers: Any, options: Any, error: type[Exception]
) -> None:
    async with WorkflowClient(base_url="http://127.0.0.1:9") as client:
        with pytest.raises(error):
            await client.get_run("h").interact(answers, **options)
