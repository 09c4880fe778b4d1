"""The fields of an event: how its schema describes them, and values read from text."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from .._events.builder import EventCheck
from .._events.limits import SchemaBudget
from .._events.normalized import ref_name
from .._events.schema import EventDeclaration, NormalizedSchema, SchemaError, declared_events
from .._text import json_text, one_line, plain

_PHRASES: Final = {
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
}
_BOOLEANS: Final = {"true": True, "yes": True, "false": False, "no": False}


class FieldError(ValueError):
    """A field that cannot be read, or that the event does not have."""


@attrs.frozen
class Field:
    """One field of an event.

    Attributes:
        name: Its name.
        schema: Its normalized schema.
        is_required: Whether the event is invalid without it.
    """

    name: str
    schema: Mapping[str, Any]
    is_required: bool


class EventFields:
    """The fields that an event class declares.

    Args:
        schema: The JSON schema of the event.

    Attributes:
        name: The name of the class.
        fields: Its fields, by name; empty if the schema cannot be read.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.name = ""
        self.fields: dict[str, Field] = {}
        self._models: Mapping[str, Any] = {}
        try:
            (declaration,) = declared_events([schema])
            normalized = NormalizedSchema(declaration, SchemaBudget())
        except (SchemaError, RecursionError):
            return  # the server checks what is sent
        model = normalized.models[normalized.key]
        self.name = declaration.name
        self._models = normalized.models
        self.fields = {
            name: Field(name, field, name in model["required"])
            for name, field in model["properties"].items()
        }

    def read(self, assignments: Iterable[str]) -> dict[str, Any]:
        """Return the values of ``FIELD=VALUE`` and ``FIELD:=JSON``.

        Raises:
            FieldError: A value is not of the field's type, or the event has no such field.
        """
        values: dict[str, Any] = {}
        for assignment in assignments:
            name, sign, text = assignment.partition("=")
            is_json = name.endswith(":")
            name = name.removesuffix(":")
            if not (sign and name):
                raise FieldError(f"expected FIELD=VALUE or FIELD:=JSON, not {assignment!r}")
            if name in values:
                raise FieldError(f"{name} is given twice")
            values[name] = _json(name, text) if is_json else self.value(name, text)
        return values

    def undeclared(self, value: Mapping[str, Any]) -> list[str]:
        """Return the names in a value that the event does not declare, if it declares any."""
        return [name for name in value if name not in self.fields] if self.fields else []

    def value(self, name: str, text: str) -> Any:
        """Return the value of a field, read as its type.

        Raises:
            FieldError: It is not of the field's type, or the event has no such field.
        """
        if name in self.fields:
            return self._value(name, self.fields[name].schema, text)
        if not self.fields:
            return text  # a class that declares none takes any
        near = difflib.get_close_matches(name, self.fields, 1)
        hint = f"; did you mean {near[0]}?" if near else f"; it has {', '.join(self.fields)}"
        raise FieldError(f"{self.name} has no field {name!r}{hint}")

    def _value(self, name: str, schema: Mapping[str, Any], text: str) -> Any:
        for each in schema.get("anyOf", [schema]):
            for choice in self._choices(each) or ():
                if text in (choice, json_text(choice)):
                    return choice
        types = self._types(schema)
        if "string" in types or not types:
            return text
        if "boolean" in types and text.lower() in _BOOLEANS:
            return _BOOLEANS[text.lower()]
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
        if _type_of(value) in types or (_type_of(value) == "integer" and "number" in types):
            return value
        raise FieldError(f"{name} must be {self._expected(schema, types)}, not {text!r}")

    def _expected(self, schema: Mapping[str, Any], types: set[str]) -> str:
        """Return a type as it is asked for."""
        text = self.type_text(schema)
        if text in _PHRASES:
            return _PHRASES[text]
        return f"JSON: {text}" if types & {"array", "object"} else text

    def type_text(self, schema: Mapping[str, Any]) -> str:
        """Return a type as text, such as ``integer`` or ``"fast" | "slow"``."""
        choices = self._choices(schema)
        if choices is not None:
            return plain(" | ".join(map(json_text, choices)), 100)
        match schema:
            case {"anyOf": members}:
                return plain(" | ".join(self.type_text(member) for member in members), 100)
            case {"format": name}:
                return str(name)
            case {"type": "array", "items": items} if items:
                return f"list of {self.type_text(items)}"
            case {"type": name}:
                return str(name)
            case {"$ref": ref}:
                return f"object ({one_line(ref_name(ref), 60)})"
            case {"prefixItems": _}:
                return "array"
        return "any"

    def describe(self) -> list[str]:
        """Return each field with its type, and its default or that it is required."""
        lines = []
        for field in self.fields.values():
            line = f"{one_line(field.name, 60)}: {self.type_text(field.schema)}"
            if "default" in field.schema:
                line += f" = {plain(json_text(field.schema['default']), 60)}"
            elif field.is_required:
                line += " (required)"
            lines.append(line)
        return lines

    def _choices(self, schema: Mapping[str, Any]) -> Sequence[Any] | None:
        if "$ref" in schema:
            schema = self._models.get(ref_name(schema["$ref"]), {})
        return schema.get("enum")

    def _types(self, schema: Mapping[str, Any]) -> set[str]:
        """Return the JSON types of a schema; none if it allows any."""
        choices = self._choices(schema)
        if choices is not None:
            return {_type_of(choice) for choice in choices} - {"string"} or {"one of these"}
        match schema:
            case {"anyOf": members}:
                found = [self._types(member) for member in members]
                return set().union(*found) if all(found) else set()
            case {"format": _}:
                return {"string"}
            case {"prefixItems": _}:
                return {"array"}
            case {"$ref": _}:
                return {"object"}
            case {"type": name}:
                return {name}
        return set()


class EventChecks:
    """Validates events of one class before they are sent, as far as its schema can be read.

    Args:
        declaration: Returns the class, as the server declares it.
    """

    def __init__(self, declaration: Callable[[], EventDeclaration]) -> None:
        try:
            self._check: EventCheck | None = EventCheck(declaration())
        except (SchemaError, RecursionError):
            self._check = None  # the server checks them

    def check(self, value: Mapping[str, Any]) -> None:
        """Validate the fields of an event.

        Raises:
            EventValidationError: They do not match the schema.
        """
        if self._check is not None:
            self._check.check([{"type": self._check.name, "value": dict(value)}])


def _json(name: str, text: str) -> Any:
    """Return a value that can be sent."""
    try:
        value = json.loads(text, parse_constant=_reject)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise FieldError(f"{name} is not JSON: {error}") from error
    return value


def _reject(constant: str) -> Any:
    raise ValueError(f"it has no {constant}")


def read_object(text: str, source: str) -> dict[str, Any]:
    """Return a JSON object.

    Args:
        text: Its text.
        source: Where it is from, for the error.

    Raises:
        FieldError: It is not an object.
    """
    value = _json(source, text)
    if not isinstance(value, dict):
        raise FieldError(f"{source} is not a JSON object")
    return value


def _type_of(value: Any) -> str:
    names = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array"}
    return names.get(type(value), "null" if value is None else "object")
