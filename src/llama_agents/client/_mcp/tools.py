"""Workflows as MCP tools: names, descriptions and input schemas.

All of them come from the server and are read by a model, so they are bounded and printable. A
schema that a host might reject, or might follow elsewhere, is replaced by one that takes any
object; the server checks what is sent to it anyway.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

from .._text import is_shown, json_text, plain, printable

MAX_NAME: Final = 64  # characters; MCP allows 128 and dots, some models do not
MAX_DESCRIPTION: Final = 1000  # characters
MAX_SCHEMA: Final = 50_000  # characters
MAX_DEPTH: Final = 50  # of nested values in a schema
ANSWER: Final = "answer"  # the tool that answers questions, unless a workflow has that name

_INVALID: Final = re.compile(r"[^A-Za-z0-9_-]+")
_REF: Final = re.compile(r"#/\$defs/([^/%~]+)")
# They change what references mean, or ask a host to do more than to check arguments.
_KEYWORDS_NOT_TAKEN: Final = frozenset(
    {"$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$vocabulary"}
)

# What the framework says of its own start event.
_INHERITED: Final = "Implicit entry event"
_DATA: Final = frozenset({"const", "default", "enum", "examples", "required"})
_BY_NAME: Final = frozenset({"$defs", "dependentSchemas", "patternProperties", "properties"})


class InputSchemaError(ValueError):
    """A schema that a host might reject."""


@attrs.frozen
class Tool:
    """What a host is told of a workflow.

    Attributes:
        name: Its name as a tool.
        title: Its own name, as a person sees it.
        description: What it says of itself, if it does.
        input_schema: JSON schema of the arguments, an object.
    """

    name: str
    title: str
    description: str | None
    input_schema: Mapping[str, Any]


def tool_names(workflows: Iterable[str]) -> dict[str, str]:
    """Return the workflows by the names of their tools.

    A name that MCP does not allow is changed, and gets a few digits of a hash: it stays what it is,
    whatever other workflows there are.
    """
    distinct = sorted(set(workflows))
    names = {workflow: workflow for workflow in distinct if _is_valid(workflow)}
    for workflow in distinct:
        if workflow not in names:
            digest = hashlib.sha256(workflow.encode("utf-8", "surrogatepass")).hexdigest()
            begin = _INVALID.sub("_", workflow).strip("_")[: MAX_NAME - 33] or "workflow"
            changed = (f"{begin}_{digest[:length]}" for length in itertools.count(6))
            names[next(name for name in changed if name not in names)] = workflow
    return names


def _is_valid(name: str) -> bool:
    return 0 < len(name) <= MAX_NAME and not _INVALID.search(name)


def answer_name(names: Iterable[str]) -> str:
    """Return the name of the tool that answers questions, which no workflow has."""
    taken = set(names)
    if ANSWER not in taken:
        return ANSWER
    return next(n for n in (f"{ANSWER}_{i}" for i in itertools.count(2)) if n not in taken)


def describe(text: str | None) -> str | None:
    """Return the description of a workflow as a model may read it."""
    lines = (text or "").strip()[: 2 * MAX_DESCRIPTION].splitlines()
    shown = "\n".join(printable(line.strip()) for line in lines)
    return None if not shown else _cut(shown, MAX_DESCRIPTION)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


ANY_OBJECT: Final[Mapping[str, Any]] = {"type": "object", "additionalProperties": True}


def read_input_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of a start event as that of a tool's arguments.

    Raises:
        InputSchemaError: A host might reject it.
    """
    from jsonschema import Draft202012Validator, SchemaError

    definitions = schema.get("$defs", {})
    if not isinstance(definitions, dict):
        raise InputSchemaError("$defs of its schema is not an object")
    read: dict[str, Any] = _read(schema, frozenset(definitions), 0)
    if len(json_text(read)) > MAX_SCHEMA:
        raise InputSchemaError(f"its schema has more than {MAX_SCHEMA} characters")
    if str(read.get("description")).startswith(_INHERITED):
        del read["description"]
    if read.setdefault("type", "object") != "object":
        raise InputSchemaError("its schema is not that of an object")
    try:
        Draft202012Validator.check_schema(read, format_checker=Draft202012Validator.FORMAT_CHECKER)
    except (SchemaError, RecursionError) as error:
        raise InputSchemaError(f"its schema is not valid: {plain(str(error), 200)}") from error
    return read


def _read(schema: Any, definitions: frozenset[str], depth: int) -> Any:
    """Return a schema, or a list of them, with texts that a model may read."""
    _check_depth(depth)
    if isinstance(schema, list):
        return [_read(each, definitions, depth + 1) for each in schema]
    if not isinstance(schema, Mapping):
        return _data(schema, depth)
    read: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in _KEYWORDS_NOT_TAKEN:
            raise InputSchemaError(f"its schema uses {keyword}")
        if keyword == "$schema" or keyword.startswith("x-"):  # may be addressed to the host
            continue
        if keyword in ("title", "description") and isinstance(value, str):
            read[keyword] = describe(value) or ""
        elif keyword in _DATA:
            read[keyword] = _data(value, depth)
        elif keyword in _BY_NAME and isinstance(value, Mapping):
            read[keyword] = {
                _checked(name): _read(each, definitions, depth + 1) for name, each in value.items()
            }
        else:
            if keyword == "$ref":
                _ensure_local(value, definitions)
            read[_checked(keyword)] = _read(value, definitions, depth + 1)
    return read


def _data(value: Any, depth: int) -> Any:
    """Return a value that must stay as it is, if it can be shown."""
    _check_depth(depth)
    match value:
        case str():
            return _checked(value)
        case list():
            return [_data(each, depth + 1) for each in value]
        case dict():
            return {_checked(name): _data(each, depth + 1) for name, each in value.items()}
        case float() if not math.isfinite(value):
            raise InputSchemaError("its schema has a number that JSON does not have")
    return value


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InputSchemaError(f"its schema is nested more than {MAX_DEPTH} deep")


def _ensure_local(ref: Any, definitions: frozenset[str]) -> None:
    match = _REF.fullmatch(ref) if isinstance(ref, str) else None
    if match is None or match[1] not in definitions:
        raise InputSchemaError("its schema refers to something outside")


def _checked(text: str) -> str:
    if all(is_shown(each) or each in "\n\t" for each in text):
        return text
    raise InputSchemaError("its schema has text that cannot be shown")
