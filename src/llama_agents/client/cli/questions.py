"""Questions of a run, asked at the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .._core.answer_classes import AnswerClasses, read_answer_classes
from .._events.builder import EventCheck
from .._events.schema import EventDeclaration, SchemaError
from .._text import printable
from ..errors import EventValidationError
from ..protocol import EventEnvelopeWithMetadata
from ..protocol.graph import WorkflowGraphResponse
from .fields import EventFields, FieldError
from .output import Output, json_text, one_line

PLAIN_FIELD = "response"  # of a HumanResponseEvent without declared fields, by convention


def can_ask(output: Output) -> bool:
    """Return whether a person is at the terminal."""
    return sys.stdin is not None and sys.stdin.isatty() and output.stderr.isatty()


class Questions:
    """Asks a person for the answer to each request of a run.

    Args:
        output: Where the questions are printed.
        load_graph: Returns the graph of the workflow, which says which class answers.
    """

    def __init__(self, output: Output, load_graph: Callable[[], WorkflowGraphResponse]) -> None:
        self._output = output
        self._load_graph = load_graph
        self._known: AnswerClasses | None = None
        self._schemas: Mapping[str, Mapping[str, Any]] = {}

    def __call__(self, request: EventEnvelopeWithMetadata) -> dict[str, Any] | None:
        """Return the answer to a request; None if there is none."""
        self._show(request)
        try:
            name = self._answer_class([request.type, *(request.types or ())])
            return None if name is None else self._ask_until_valid(name)
        except EOFError:
            self._output.note("")
            return None

    def _show(self, request: EventEnvelopeWithMetadata) -> None:
        output = self._output
        name = output.style(one_line(request.type, 80), "bold", is_note=True)
        texts = {**request.value, **(request.value.get("_data") or {})}
        texts.pop("_data", None)
        if len(texts) == 1 and isinstance(text := next(iter(texts.values())), str):
            output.note(f"{name}: {printable(text, keep=chr(10))}")
            return
        output.note(name)
        for key, value in texts.items():
            text = printable(value, keep="\n") if isinstance(value, str) else json_text(value)
            output.note(f"  {one_line(key, 80)}: {text}")

    def _answer_class(self, names: Sequence[str]) -> str | None:
        if self._known is None:
            graph = self._load_graph().graph
            self._known = read_answer_classes(graph)
            self._schemas = {
                getattr(node, "event_type", ""): schema
                for node in graph.nodes
                if (schema := getattr(node, "event_schema", None))
            }
        choices = self._known.that_fit(names)
        if not choices:
            self._output.note(
                f"the graph of the workflow names no answer to {one_line(names[0], 60)}"
            )
            return None
        if len(choices) == 1:
            return choices[0]
        for number, choice in enumerate(choices, 1):
            self._output.note(f"  {number}. {one_line(choice, 80)}")
        while True:
            text = self._read(f"answer with 1 to {len(choices)}: ").strip()
            if text in choices:
                return text
            if text.isascii() and text.isdigit() and 1 <= int(text) <= len(choices):
                return choices[int(text) - 1]

    def _ask_until_valid(self, name: str) -> dict[str, Any]:
        schema = self._schemas.get(name, {"title": name})
        fields = EventFields(schema)
        while True:
            value = self._ask(fields)
            try:
                check = EventCheck(EventDeclaration(name, (), schema))
                check.check([{"type": name, "value": value}])
            except (SchemaError, RecursionError):
                pass  # the server checks it
            except EventValidationError as error:
                self._output.note(one_line(str(error)))
                continue
            return {"type": name, "value": value}

    def _ask(self, fields: EventFields) -> dict[str, Any]:
        if not fields.fields:
            return {PLAIN_FIELD: self._read(f"{PLAIN_FIELD}: ")}
        value: dict[str, Any] = {}
        for field in fields.fields.values():
            kind = fields.type_text(field.schema)
            default = field.schema.get("default")
            prompt = one_line(field.name, 80)
            prompt += f" ({kind})" * (kind != "string")
            prompt += f" [{one_line(json_text(default), 60)}]" * ("default" in field.schema)
            while True:
                text = self._read(f"{prompt}: ")
                if not text and not field.is_required:
                    break
                try:
                    value[field.name] = fields.value(field.name, text)
                except FieldError as error:
                    self._output.note(one_line(str(error)))
                else:
                    break
        return value

    def _read(self, prompt: str) -> str:
        """Return a line that a person types; the prompt goes to stderr, stdout is for results."""
        print(prompt, end="", file=self._output.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.rstrip("\n")
