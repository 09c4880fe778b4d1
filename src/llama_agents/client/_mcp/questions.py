"""Questions of a run: as a text, as a form, and as the answer that is read back.

A question is an ``InputRequiredEvent``. The graph of the workflow says which classes of events may
answer it, and their schemas. A form of MCP is flat, so an answer with other fields than text,
numbers, booleans and choices is asked for as JSON, in a single field.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import attrs

from .._core.answer_classes import PLAIN_FIELD, read_answer_classes
from .._events.builder import EventCheck
from .._events.limits import SchemaBudget
from .._events.normalized import ref_name
from .._events.schema import EventDeclaration, NormalizedSchema, SchemaError
from .._lazy_types import EventEnvelopeWithMetadata
from .._text import ELLIPSIS, fields, json_text, one_line, plain, printable
from ..errors import EventValidationError
from .tools import InputSchemaError, read_input_schema

if TYPE_CHECKING:
    from workflows.representation import WorkflowGraph

MAX_TEXT: Final = 4000  # characters of one field of a question
MAX_FIELDS: Final = 50
MAX_CHOICES: Final = 100
MAX_LABEL: Final = 200  # characters

# Fields of a form that are not those of an event.
TYPE: Final = "type"
JSON: Final = "json"

_FORMATS: Final = frozenset({"date", "date-time"})  # of those that a form knows
_FORM_LIMITS: Final[Mapping[str, tuple[str, ...]]] = {
    "string": ("minLength", "maxLength"),
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
    "boolean": (),
}


class AnswerError(ValueError):
    """An answer that does not fit its question; nothing was sent."""


class NoAnswerError(Exception):
    """A person has not answered; the text says how."""


@attrs.frozen
class Question:
    """An event that waits for an answer.

    Attributes:
        workflow: Name of the workflow that asks.
        sequence: Its sequence number.
        envelope: The event.
        answers: The schemas of the classes that may answer it, by name; empty if none is known.
    """

    workflow: str
    sequence: int
    envelope: EventEnvelopeWithMetadata
    answers: Mapping[str, Mapping[str, Any]]

    def message(self, problem: str = "") -> str:
        """Return the text above a form; who asks comes first, for who answers should know it.

        Args:
            problem: What is wrong with the answer before.
        """
        text = f"The workflow {one_line(self.workflow, 80)} asks:\n\n{self.text}"
        return f"{text}\n\n{problem}" if problem else text

    @property
    def text(self) -> str:
        """What it asks, as a person or a model reads it."""
        asked = dict(islice(fields(self.envelope.value), MAX_FIELDS))
        if len(asked) == 1 and isinstance(only := next(iter(asked.values())), str):
            return _shown(only)
        lines = [f"{one_line(name, 80)}: {_shown(value)}" for name, value in asked.items()]
        text = "\n".join([one_line(self.envelope.type, 80), *lines])
        return text if len(text) <= 2 * MAX_TEXT else text[: 2 * MAX_TEXT] + ELLIPSIS

    @cached_property
    def form(self) -> dict[str, Any]:
        """The schema of a form that asks for the answer."""
        if len(self.answers) == 1:
            ((name, schema),) = self.answers.items()
            flat = _flat_form(name, schema)
            if flat is not None:
                return flat
        described = json_text(self.schema) if self.answers else "the fields of the event"
        properties: dict[str, Any] = {}
        if len(self.answers) != 1:
            properties[TYPE] = {"type": "string", "title": "Class of the answer"}
            if self.answers:
                properties[TYPE]["enum"] = sorted(self.answers)
        properties[JSON] = {
            "type": "string",
            "title": "Answer as JSON",
            "description": plain(f"A JSON object: {described}", MAX_TEXT),
        }
        return {"type": "object", "properties": properties, "required": [*properties]}

    @property
    def schema(self) -> Mapping[str, Any]:
        """JSON schema of the fields of the answer; of all answers, by class, if there are more."""
        known = {name: _answer_schema(schema) for name, schema in self.answers.items()}
        return next(iter(known.values())) if len(known) == 1 else known

    def read_form(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer in a form that was filled in, as an envelope.

        Raises:
            AnswerError: It is not valid.
        """
        if JSON not in self.form["properties"]:
            given = {name: value for name, value in content.items() if value is not None}
            return self.read(None, given)
        try:
            value = json.loads(str(content.get(JSON)))
        except (ValueError, RecursionError) as error:
            raise AnswerError(f"that is not JSON: {one_line(str(error), MAX_LABEL)}") from error
        if not isinstance(value, dict):
            raise AnswerError("that is not a JSON object")
        return self.read(content.get(TYPE), value)

    def read(self, name: Any, value: Mapping[str, Any]) -> dict[str, Any]:
        """Return an answer as an envelope.

        Args:
            name: Its class; None for the only one that is known.
            value: Its fields.

        Raises:
            AnswerError: It is not valid.
        """
        names = ", ".join(sorted(self.answers))
        if name is None:
            if len(self.answers) != 1:
                raise AnswerError(
                    f"the class of the answer is missing: pass 'type', one of {one_line(names)}"
                    if names
                    else "the workflow does not say which class answers: pass its name as 'type'"
                )
            name = names
        if not isinstance(name, str) or (self.answers and name not in self.answers):
            raise AnswerError(f"{one_line(str(name), 80)!r} is no answer; use {one_line(names)}")
        if name in self.answers:
            try:
                check_fields(EventDeclaration(name, (), self.answers[name]), value)
            except EventValidationError as error:
                raise AnswerError(one_line(str(error))) from error
        return {"type": name, "value": dict(value)}


def read_answers(
    envelope: EventEnvelopeWithMetadata, graph: WorkflowGraph
) -> dict[str, Mapping[str, Any]]:
    """Return the schemas of the classes that answer a question, as far as the graph has them."""
    schemas = {
        getattr(node, "event_type", ""): getattr(node, "event_schema", None) for node in graph.nodes
    }
    names = read_answer_classes(graph).that_fit([envelope.type, *(envelope.types or ())])
    return _shortened({name: schemas.get(name) or {"title": name} for name in names})


def read_declared(
    envelope: EventEnvelopeWithMetadata,
    graph: WorkflowGraph,
    declared: Iterable[Mapping[str, Any]],
) -> dict[str, Mapping[str, Any]]:
    """Return the schemas of what may answer a question that no step produces or takes.

    A step that waits in its middle (``ctx.wait_for_event``) does so, and the graph has none of it.
    The server was told of the events.
    """
    drawn = {getattr(node, "event_type", None) for node in graph.nodes}
    titles = {str(schema.get("title")): schema for schema in declared}
    drawn |= {envelope.type, "None"}
    return _shortened({name: schema for name, schema in titles.items() if name not in drawn})


def _shortened(answers: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return as many of the classes as a person can choose from, with names that can be shown."""
    usable = {name: schema for name, schema in answers.items() if _is_label(name)}
    return dict(islice(usable.items(), MAX_CHOICES))


def _is_label(text: Any) -> bool:
    return isinstance(text, str) and text.isprintable() and len(text) <= MAX_LABEL


def check_fields(declaration: EventDeclaration, value: Mapping[str, Any]) -> None:
    """Validate the fields of an event before it is sent, as far as its schema can be read.

    Raises:
        EventValidationError: They do not match the schema.
    """
    try:
        check = EventCheck(declaration)
    except (SchemaError, RecursionError):
        return  # the server checks them
    check.check([{"type": check.name, "value": dict(value)}])


def _answer_schema(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if not schema.get("properties") and "$ref" not in schema:
        return _plain_form()
    try:
        return read_input_schema(schema)
    except InputSchemaError:
        return {"type": "object"}


def _plain_form() -> dict[str, Any]:
    properties = {PLAIN_FIELD: {"type": "string"}}
    return {"type": "object", "properties": properties, "required": [PLAIN_FIELD]}


def _flat_form(name: str, schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the schema of an event as that of a form; None if it has fields that no form has."""
    try:
        normalized = NormalizedSchema(EventDeclaration(name, (), schema), SchemaBudget())
    except (SchemaError, RecursionError):
        return None
    model = normalized.models[normalized.key]
    if not model["properties"]:
        return _plain_form()
    if len(model["properties"]) > MAX_FIELDS:
        return None
    form: dict[str, Any] = {"type": "object", "properties": {}, "required": []}
    for field, type_ in model["properties"].items():
        entry = _form_field(type_, normalized.models)
        if entry is None or not _is_label(field):
            return None
        form["properties"][field] = entry
        if field in model["required"] and not _is_optional(type_):
            form["required"].append(field)
    return form


def _is_optional(type_: Mapping[str, Any]) -> bool:
    return {"type": "null"} in type_.get("anyOf", ())


def _form_field(
    type_: Mapping[str, Any], models: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Return a type as a form has it, if it does."""
    of = type_
    if "anyOf" in of:  # a form leaves out what is null
        members = [member for member in of["anyOf"] if member != {"type": "null"}]
        if len(members) != 1:
            return None
        of = members[0]
    if "$ref" in of:
        of = models[ref_name(of["$ref"])]
    entry: dict[str, Any]
    if "enum" in of:
        choices = of["enum"]
        if len(choices) > MAX_CHOICES or not all(map(_is_label, choices)):
            return None
        entry = {"type": "string", "enum": choices}
    elif of.get("type") in _FORM_LIMITS:
        entry = {"type": of["type"]}
        entry |= {limit: of[limit] for limit in _FORM_LIMITS[of["type"]] if limit in of}
        if of.get("format") in _FORMATS:
            entry["format"] = of["format"]
    else:
        return None
    if "description" in type_:
        entry["description"] = plain(type_["description"], MAX_LABEL)
    default = type_.get("default")
    if isinstance(default, str | bool | int | float) and len(str(default)) <= MAX_LABEL:
        entry["default"] = default
    return entry


def _shown(value: Any) -> str:
    if isinstance(value, str):
        cut = ELLIPSIS if len(value) > MAX_TEXT else ""
        return printable(value[:MAX_TEXT], keep="\n") + cut
    return plain(json_text(value), MAX_TEXT)
