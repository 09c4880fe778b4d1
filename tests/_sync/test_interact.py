# Generated from tests/_async/test_interact.py by `python -m generator`: do not edit.
"""Answers to what a run asks, on the real server."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from llama_agents.client import (
    EventEnvelopeWithMetadata,
    NotFoundError,
    SyncWorkflowClient,
    UnansweredRequestError,
    WorkflowFailedError,
)
from workflows.events import Event, InputRequiredEvent

from ..support.chaos import Fault, chaos
from ..support.workflows import OutEvent, RequestEvent, ResponseEvent


class Person:
    """Who answers: notes what was asked, and what is not to be asked any more."""

    def __init__(self, *, over: str = "") -> None:
        self.asked: list[str] = []
        self.over = over

    def __call__(self, event: RequestEvent) -> ResponseEvent:
        assert type(event) is RequestEvent
        assert event.prompt != self.over
        self.asked.append(event.prompt)
        return ResponseEvent(response=f"to {event.prompt}")


class LeavesAt(Person):
    """A person whose process ends while it is asked, or right after the answer was sent."""

    def __init__(self, prompt: str) -> None:
        super().__init__()
        self.prompt = prompt

    def __call__(self, event: RequestEvent) -> ResponseEvent:
        answer = super().__call__(event)
        if event.prompt == self.prompt:
            raise KeyboardInterrupt
        return answer


@pytest.mark.parametrize("workflow", ["interview", "dialog", "survey"])
def test_every_request_is_answered_once(server_url: str, workflow: str) -> None:
    person = Person()
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start(workflow)
        result = run.interact({RequestEvent: person}, OutEvent)
        assert type(result) is OutEvent
        assert result.output == ",".join(f"to {prompt}" for prompt in person.asked)
        assert person.asked == [str(n) for n in range(len(person.asked))]
        assert (client.resume(run.checkpoint())).handler_id == run.handler_id
        # And what is over asks nothing.
        assert client.run(run.handler_id).interact({RequestEvent: person}, OutEvent) == result
        assert len(person.asked) == len(result.output.split(","))


def test_answer_may_be_made_at_once_and_be_an_envelope(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("human")
        answer = {"type": "ResponseEvent", "value": {"response": "Ada"}}
        result = run.interact({InputRequiredEvent: lambda event: answer})
        assert result["output"] == "Hello, Ada"


def test_handle_that_stands_at_now_answers_what_is_open(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("human")
        run.events(after_sequence="now")
        assert (run.interact({RequestEvent: Person()}, OutEvent)).output.startswith("Hello")


def test_nearest_class_answers(server_url: str) -> None:
    def far(event: Event) -> None:
        raise AssertionError(event)

    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("human")
        person = Person()
        run.interact({Event: far, InputRequiredEvent: far, RequestEvent: person})
    assert person.asked == ["What is your name?"]


@pytest.mark.parametrize("workflow", ["interview", "dialog"])
@pytest.mark.parametrize("early", [False, True])
def test_resumed_run_asks_only_what_is_open(server_url: str, workflow: str, early: bool) -> None:
    first = LeavesAt("1")
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start(workflow)
        begin = run.checkpoint()
        with pytest.raises(KeyboardInterrupt):
            run.interact({RequestEvent: first})
        kept = json.loads(json.dumps(begin if early else run.checkpoint()))
    with SyncWorkflowClient(base_url=server_url) as client:
        second = Person(over="0")
        result = (client.resume(kept)).interact({RequestEvent: second}, OutEvent)
    assert first.asked == ["0", "1"]
    assert second.asked[0] == "1"  # it was asked, and not answered
    assert result.output == ",".join(["to 0", *[f"to {prompt}" for prompt in second.asked]])


def test_same_handle_goes_on_after_an_error(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("interview")
        with pytest.raises(KeyboardInterrupt):
            run.interact({RequestEvent: LeavesAt("1")})
        person = Person()
        result = run.interact({RequestEvent: person}, OutEvent)
    assert person.asked == ["1", "2"]
    assert result.output == "to 0,to 1,to 2"


def test_answer_whose_confirmation_is_lost_is_not_given_again(server_url: str) -> None:
    lost = [Fault(lose="after")]

    def plan(request: Any) -> Fault:
        is_answer = request.line.startswith("POST /events/")
        return lost.pop() if is_answer and lost else Fault()

    with chaos(server_url, plan) as proxy:
        with SyncWorkflowClient(base_url=proxy.url) as client:
            run = client.start("interview")
            person = Person()
            with pytest.raises(httpx.RemoteProtocolError):
                run.interact({RequestEvent: person})
            result = run.interact({RequestEvent: person}, OutEvent)
    assert person.asked == ["0", "1", "2"]
    assert result.output == "to 0,to 1,to 2"


def test_open_requests_of_which_one_was_answered_are_not_guessed(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("survey")
        with pytest.raises(KeyboardInterrupt):
            run.interact({RequestEvent: LeavesAt("1")})
        with pytest.raises(UnansweredRequestError, match="RequestEvent, RequestEvent") as caught:
            run.interact({RequestEvent: Person()})
        assert [request.value["prompt"] for request in caught.value.requests] == ["0", "1"]
        run.send(ResponseEvent(response="by hand"))
        assert (run.result(OutEvent)).output == "to 0,by hand"


@pytest.mark.parametrize("answers", [{}, {RequestEvent: lambda event: None}])
def test_request_without_an_answer_is_an_error_that_names_it(
    server_url: str, answers: dict[Any, Any]
) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("human")
        with pytest.raises(UnansweredRequestError, match="RequestEvent") as caught:
            run.interact(answers)
        assert caught.value.handler_id == run.handler_id
        assert isinstance(caught.value.requests[0], EventEnvelopeWithMetadata)
        # It is still open.
        assert (run.interact({RequestEvent: Person()}))["output"].startswith("Hello")


def test_request_may_be_left_to_somebody_else(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("interview", {"n": 2})
        other = client.run(run.handler_id)

        def leave(event: RequestEvent) -> None:
            other.send(ResponseEvent(response="from elsewhere"))

        result = run.interact({RequestEvent: leave}, OutEvent, unanswered="leave")
    assert result.output == "from elsewhere,from elsewhere"


def test_failed_run_is_an_error_also_when_it_asks(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        run = client.start("human")

        def cancels(event: RequestEvent) -> ResponseEvent:
            client.cancel_handler(run.handler_id)
            return ResponseEvent(response="too late")

        with pytest.raises(WorkflowFailedError, match="cancelled"):
            run.interact({RequestEvent: cancels})


def test_run_that_is_not_there_is_not_found(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        with pytest.raises(NotFoundError):
            client.run("nobody").interact({})


@pytest.mark.parametrize(
    ("answers", "options", "error"),
    [
        ({str: print}, {}, TypeError),
        ({RequestEvent: "Ada"}, {}, TypeError),
        ({RequestEvent: print, type("RequestEvent", (Event,), {}): print}, {}, ValueError),
        ({}, {"unanswered": "ignore"}, ValueError),
    ],
)
def test_bad_answers_are_refused_before_anything_is_sent(
    answers: Any, options: Any, error: type[Exception]
) -> None:
    with SyncWorkflowClient(base_url="http://127.0.0.1:9") as client:
        with pytest.raises(error):
            client.run("h").interact(answers, **options)
