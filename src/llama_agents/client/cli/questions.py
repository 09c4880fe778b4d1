"""Questions of a run, asked at the terminal."""

from __future__ import annotations

import select
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from .._core.answer_classes import PLAIN_FIELD, AnswerClasses, read_answer_classes
from .._events.schema import EventDeclaration
from .._text import ELLIPSIS, fields, json_text, one_line, plain, printable
from ..errors import EventValidationError, StatusError
from ..protocol import EventEnvelopeWithMetadata
from ..protocol.graph import WorkflowGraphResponse
from .fields import EventChecks, EventFields, FieldError
from .output import Output

MAX_SHOWN: Final = 5000  # characters of one field of a request
MAX_SHOWN_FIELDS: Final = 100


class QuestionTimeoutError(Exception):
    """A person has not answered in time."""


def can_ask(output: Output) -> bool:
    """Return whether a person is at the terminal."""
    return sys.stdin is not None and sys.stdin.isatty() and output.stderr.isatty()


class Questions:
    """Asks a person for the answer to each request of a run.

    Args:
        output: Where the questions are printed.
        load_graph: Returns the graph of the workflow, which says which class answers.
        send_command: The beginning of the command that sends any event.
        timeout: How long to wait for answers, in seconds from now; None for no limit.

    Attributes:
        is_asking: Whether a question is open, also when it was interrupted.
    """

    def __init__(
        self,
        output: Output,
        load_graph: Callable[[], WorkflowGraphResponse],
        send_command: str,
        timeout: float | None = None,
    ) -> None:
        self._output = output
        self._load_graph = load_graph
        self._send_command = send_command
        self.is_asking = False
        self._ends_at = None if timeout is None else time.monotonic() + timeout
        self._known: AnswerClasses | None = None
        self._schemas: Mapping[str, Mapping[str, Any]] = {}

    def __call__(self, request: EventEnvelopeWithMetadata) -> dict[str, Any] | None:
        """Return the answer to a request; None if there is none."""
        self.is_asking = True
        self._show(request)
        answer = None
        try:
            name = self._answer_class([request.type, *(request.types or ())])
            if name is not None:
                answer = self._ask_until_valid(name)
        except EOFError:
            self._output.note("")
        self.is_asking = False
        return answer

    def _show(self, request: EventEnvelopeWithMetadata) -> None:
        output = self._output
        name = output.style(one_line(request.type, 80), "bold", is_note=True)
        texts = dict(fields(request.value))
        if len(texts) == 1 and isinstance(text := next(iter(texts.values())), str):
            output.note(f"{name}: {_shown(text)}")
            return
        output.note(name)
        for key, value in islice(texts.items(), MAX_SHOWN_FIELDS):
            output.note(f"  {one_line(key, 80)}: {_shown(value)}")

    def _answer_class(self, names: Sequence[str]) -> str | None:
        if self._known is None:
            try:
                graph = self._load_graph().graph
            except StatusError as error:  # a server cannot draw every workflow
                self._output.warning(f"no graph, which would say how to answer: {_reason(error)}")
                return None
            self._known = read_answer_classes(graph)
            self._schemas = {
                getattr(node, "event_type", ""): schema
                for node in graph.nodes
                if (schema := getattr(node, "event_schema", None))
            }
        choices = self._known.that_fit(names)
        if not choices:
            self._output.note(
                f"the graph of the workflow names no answer to {one_line(names[0], 60)}; "
                f"if you know its class: {self._send_command} TYPE FIELD=VALUE"
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
        checks = EventChecks(lambda: EventDeclaration(name, (), schema))
        while True:
            value = self._ask(fields, schema)
            try:
                checks.check(value)
            except EventValidationError as error:
                self._output.note(one_line(str(error)))
            else:
                return {"type": name, "value": value}

    def _ask(self, fields: EventFields, schema: Mapping[str, Any]) -> dict[str, Any]:
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
                    read = {field.name: fields.value(field.name, text)}
                    alone = _only(schema, field.name)
                    EventChecks(lambda: EventDeclaration("Field", (), alone)).check(read)  # noqa: B023  # called at once
                    value |= read
                except (FieldError, EventValidationError) as error:
                    self._output.note(one_line(str(error)))
                else:
                    break
        return value

    def _read(self, prompt: str) -> str:
        """Return a line that a person types; the prompt goes to stderr, stdout is for results."""
        while True:
            print(prompt, end="", file=self._output.stderr, flush=True)
            self._await_line()
            try:
                line = sys.stdin.readline()
                line.encode()  # what cannot be decoded may be surrogates
            except UnicodeError:
                prompt = f"that is not {sys.stdin.encoding}; again: "
                continue
            if not line:
                raise EOFError
            return line.rstrip("\n")

    def _await_line(self) -> None:
        if self._ends_at is None or sys.platform == "win32":  # which cannot wait for a line
            return
        left = max(self._ends_at - time.monotonic(), 0.0)
        if not select.select([sys.stdin], [], [], left)[0]:
            raise QuestionTimeoutError


def _only(schema: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the schema of an event that has only one of the fields."""
    return {
        **schema,
        "title": "Field",
        "required": [],
        "properties": {name: schema["properties"][name]},
    }


def _shown(value: Any) -> str:
    if isinstance(value, str):
        cut = ELLIPSIS if len(value) > MAX_SHOWN else ""
        return printable(value[:MAX_SHOWN], keep="\n") + cut
    return plain(json_text(value), MAX_SHOWN)


def _reason(error: StatusError) -> str:
    return one_line(error.detail or str(error))
