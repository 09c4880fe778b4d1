"""Calls without MCP: which answers are sent, how often, and what becomes of the run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from llama_agents.client import StatusError, WorkflowClient
from llama_agents.client._mcp import call as module
from llama_agents.client._mcp.call import Call, CallError, Completed, Outcome, Waiting
from llama_agents.client._mcp.questions import NoAnswerError, Question
from llama_agents.client._mcp.tokens import Seal

from examples.chaos_proxy import NO_FAULT, Fault, Request, chaos

from ..support.scripted import response


async def unreported(number: int, text: str) -> None:
    pass


class Caller:
    """Makes the calls of one process."""

    def __init__(self, client: WorkflowClient) -> None:
        self.client = client
        self.answered: set[tuple[str, str, int]] = set()

    def call(self) -> Call:
        return Call(self.client, Seal(b"k" * 32, "test"), self.answered, unreported, None)

    async def ask(self, workflow: str, **arguments: Any) -> Waiting:
        outcome = await self.call().start(workflow, arguments, f"{workflow}-{id(self)}")
        assert isinstance(outcome, Waiting)
        return outcome

    async def answer(self, waiting: Waiting, text: str) -> Outcome:
        def read(question: Question) -> dict[str, Any]:
            return question.read("ResponseEvent", {"response": text})

        return await self.call().answer(waiting.token, read)


def run(url: str, test: Callable[[Caller], Awaitable[None]]) -> None:
    async def main() -> None:
        async with WorkflowClient(base_url=url) as client:
            await test(Caller(client))

    anyio.run(main)


def result_of(outcome: Outcome) -> Any:
    assert isinstance(outcome, Completed)
    return outcome.content.structured


def test_token_is_worth_one_answer_where_no_event_shows_that_it_was_given(server_url: str) -> None:
    async def test(caller: Caller) -> None:
        first = await caller.ask("dialog")
        second = await caller.answer(first, "to 0")
        assert isinstance(second, Waiting)
        with pytest.raises(CallError, match="it was answered before"):
            await caller.answer(first, "to 0")
        assert result_of(await caller.answer(second, "to 1")) == {"output": "to 0,to 1"}

    run(server_url, test)


def test_answer_that_was_not_accepted_may_be_given_again(server_url: str) -> None:
    rejections = iter([Fault(instead=response("400 Bad Request", b'{"detail": "no"}'))])

    def plan(request: Request) -> Fault:
        is_answer = request.line.startswith("POST /events/")
        return next(rejections, NO_FAULT) if is_answer else NO_FAULT

    async def test(caller: Caller) -> None:
        asked = await caller.ask("human")
        with pytest.raises(StatusError, match="400"):
            await caller.answer(asked, "Eve")
        assert caller.answered == set()
        assert result_of(await caller.answer(asked, "Ada")) == {"output": "Hello, Ada"}
        assert caller.answered != set()

    with chaos(server_url, plan) as proxy:
        run(proxy.url, test)


def test_refusal_to_answer_leaves_the_question_open(server_url: str) -> None:
    def refuse(question: Question) -> dict[str, Any]:
        raise NoAnswerError("not now")

    async def test(caller: Caller) -> None:
        asked = await caller.ask("human")
        refused = await caller.call().answer(asked.token, refuse)
        assert isinstance(refused, Waiting)
        assert (refused.is_refused, refused.problem) == (True, "not now")
        assert refused.question.text == "What is your name?"
        assert result_of(await caller.answer(refused, "Ada")) == {"output": "Hello, Ada"}

    run(server_url, test)


def test_question_that_is_not_repeated_ends_the_call_but_not_the_run(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENCE_LIMIT", 1.0)

    async def test(caller: Caller) -> None:
        asked = await caller.ask("silent")
        event = {"type": "OrderPlaced", "value": {"product": "tea", "count": 1}}
        await caller.client.send_event(asked.handler_id, event)
        with pytest.raises(CallError, match="does not wait for this answer any more"):
            await caller.call().answer(asked.token, lambda question: event)
        assert (await caller.client.get_handler(asked.handler_id)).status == "running"
        await caller.client.cancel_handler(asked.handler_id)

    run(url, test)


def test_token_of_a_run_that_is_gone_is_refused(server_url: str) -> None:
    async def test(caller: Caller) -> None:
        asked = await caller.ask("human")
        await caller.client.cancel_handler(asked.handler_id, purge=True)
        with pytest.raises(CallError, match="the server does not know the run"):
            await caller.answer(asked, "Ada")
        await caller.client.run_workflow("greet", handler_id=asked.handler_id)
        with pytest.raises(CallError, match="its ID is that of another run now"):
            await caller.answer(asked, "Ada")

    run(server_url, test)


def test_workflow_that_is_gone_is_an_error_that_says_so(server_url: str) -> None:
    async def test(caller: Caller) -> None:
        with pytest.raises(CallError, match="The server has no workflow 'gone' any more"):
            await caller.ask("gone")

    run(server_url, test)
