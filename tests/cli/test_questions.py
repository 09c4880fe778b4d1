"""What a person is asked, and what becomes of the text that is typed."""

from __future__ import annotations

import datetime
import io
from typing import Any

import pytest
from llama_agents.client.cli import output
from llama_agents.client.cli.questions import Questions
from llama_agents.client.protocol import EventEnvelopeWithMetadata, WorkflowGraphResponse
from pydantic import Field
from workflows import Workflow, step
from workflows.events import HumanResponseEvent, InputRequiredEvent, StartEvent, StopEvent
from workflows.representation import get_workflow_representation


class Ask(InputRequiredEvent):
    prompt: str


class Form(HumanResponseEvent):
    age: int = Field(ge=0, le=150)
    born: datetime.date
    note: str | None = None


class Refusal(HumanResponseEvent):
    reason: str


class Asking(Workflow):
    @step
    async def ask(self, ev: StartEvent) -> Ask:
        return Ask(prompt="Who?")

    @step
    async def take(self, ev: Form) -> StopEvent:
        return StopEvent()


class Choosing(Asking):
    @step
    async def refuse(self, ev: Refusal) -> StopEvent:
        return StopEvent()


class Silent(Workflow):
    @step
    async def end(self, ev: StartEvent) -> StopEvent:
        return StopEvent()


def asked(
    monkeypatch: pytest.MonkeyPatch, workflow: type[Workflow], typed: str
) -> tuple[dict[str, Any] | None, str]:
    """Return the answer to a request, and what was shown."""
    err = io.StringIO()
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    graph = WorkflowGraphResponse(graph=get_workflow_representation(workflow))
    out = output.Output("text", io.StringIO(), err)
    questions = Questions(out, lambda: graph, "program send ID")
    envelope = EventEnvelopeWithMetadata(
        value={"prompt": "Who?"}, type="Ask", types=["InputRequiredEvent"]
    )
    return questions(envelope), err.getvalue()


def test_each_field_is_checked_as_it_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = "old\n200\n30\nyesterday\n2000-01-02\n\n"
    answer, shown = asked(monkeypatch, Asking, typed)
    assert answer == {"type": "Form", "value": {"age": 30, "born": "2000-01-02"}}
    assert shown.startswith("Ask: Who?\nage (integer): age must be an integer, not 'old'\n")
    assert "age: Input should be less than or equal to 150\nage (integer): born (date): " in shown
    assert shown.count("born (date): ") == 2
    assert shown.endswith("note (string | null) [null]: ")


def test_class_of_the_answer_is_chosen_by_number_or_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for choice in ("x\n0\n3\n2\n", "Refusal\n"):
        answer, shown = asked(monkeypatch, Choosing, f"{choice}no\n")
        assert answer == {"type": "Refusal", "value": {"reason": "no"}}
        assert "  1. Form\n  2. Refusal\nanswer with 1 to 2: " in shown


@pytest.mark.parametrize("typed", ["", "30\n", "30\n2000-01-02\n"])
def test_end_of_input_is_no_answer(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    answer, _ = asked(monkeypatch, Asking, typed)
    assert answer is None


def test_request_whose_answer_is_unknown_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    answer, shown = asked(monkeypatch, Silent, "text\n")
    assert answer is None
    assert "names no answer to Ask; if you know its class: program send ID TYPE FIELD" in shown
