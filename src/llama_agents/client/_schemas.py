"""One JSON schema of an event, in one form.

Of a schema only what is known here is kept, references lead only to the schema itself, and nested
models and enumerations have names that Python takes: so the two that make classes of it, `typed` at
run time and `codegen` as source, need not look further. What cannot be understood takes everything;
what is broken is a `SchemaError`. Pure.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import attrs
from pydantic_core import SchemaValidator, core_schema

FORMATS: Final = frozenset({"date-time", "date", "time", "duration", "uuid", "binary"})
MOST_TYPES: Final = 20_000  # in one event; types that are made of each other can be without end
SCALARS: Final = (str, bool, int, type(None))  # what a Literal or an Enum is made of

_CONSTRAINTS: Final[Mapping[str, tuple[str, ...]]] = {
    "string": ("minLength", "maxLength"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "array": ("minItems", "maxItems"),
    "object": (),
    "boolean": (),
    "null": (),
}
BOUNDS: Final = frozenset({"pattern", *(bound for of in _CONSTRAINTS.values() for bound in of)})
_REF: Final = "#/$defs/"
_ROOT: Final = ""  # the key of a schema that has none; a definition of that name is no event's


class SchemaError(ValueError):
    """A schema that describes no event."""


@attrs.frozen
class Declared:
    """An event as the server declares it.

    Attributes:
        name: The class name that travels with it.
        ancestors: The names of the classes it derives from, nearest first, without ``Event``.
        schema: Its JSON schema.
    """

    name: str
    ancestors: tuple[str, ...]
    schema: Mapping[str, Any]


def is_enum(schema: Mapping[str, Any]) -> bool:
    """Whether the schema of a nested class is an enumeration's."""
    return "enum" in schema


def enum_type(schema: Mapping[str, Any]) -> str | None:
    """Return the type of all values of an enumeration, ``string`` or ``integer``, if one has it."""
    kinds = {type(value) for value in schema["enum"]}
    if kinds == {str}:
        return "string"
    return "integer" if kinds == {int} else None


def is_left_to_server(name: str, schema: Mapping[str, Any]) -> bool:
    """Whether a field may be left out, and only the server knows what it then is."""
    return name not in schema["required"] and "default" not in schema["properties"][name]


def is_class_name(name: str) -> bool:
    """Whether a class can be called so."""
    return name.isidentifier() and not keyword.iskeyword(name)


def is_field_name(name: str) -> bool:
    """Whether a field of a class can be called so."""
    return is_class_name(name) and not name.startswith("_")


def field_names(names: Iterable[str]) -> dict[str, str]:
    """Return the names of fields in Python, by the names that they have in a schema."""
    made = {name: name for name in names if is_field_name(name)}
    return {
        name: made.get(name) or made.setdefault(name, unused(_python_name(name), made.values()))
        for name in names
    }


def _python_name(name: str) -> str:
    """A name that can be used, made of one that cannot."""
    if keyword.iskeyword(name):
        return f"{name}_"
    made = re.sub(r"\W", "_", name).strip("_") or "field"
    return made if is_field_name(made) else f"field_{made}"


def class_of(ref: str) -> str:
    """Return the class name that a reference leads to."""
    return ref.removeprefix(_REF)


def declared_events(listed: Iterable[Mapping[str, Any]]) -> list[Declared]:
    """Read schemas that come without class names: a schema's title is taken for one.

    Raises:
        SchemaError: One of them describes no event.
    """
    declared = [Declared(_title(schema), (), schema) for schema in listed]
    for event in declared:
        Forms(event)
    return declared


def _title(schema: Mapping[str, Any]) -> str:
    key = schema.get("$ref")
    definitions = schema.get("$defs")
    if isinstance(key, str) and isinstance(definitions, dict):
        schema = definitions.get(class_of(key), schema)
    title = schema.get("title") if isinstance(schema, dict) else None
    if not isinstance(title, str):
        raise SchemaError("an event has no title")
    return title


class Forms:
    """The schemas of one event and of its nested models, in the form of this module.

    Attributes:
        event: The event.
        models: The schemas by the keys that the references in them name; the event's own too.
    """

    def __init__(self, event: Declared) -> None:
        self.event = event
        root = event.schema
        definitions = root.get("$defs", {})
        if not isinstance(definitions, dict):
            raise SchemaError(f"{event.name}: its $defs are no object")
        self._definitions: dict[str, Any] = {**definitions, _ROOT: root}
        refers = isinstance(root.get("$ref"), str) and class_of(root["$ref"]) in definitions
        self.key = class_of(root["$ref"]) if refers else _ROOT
        self.models: dict[str, dict[str, Any]] = {}
        self._types = 0
        try:
            self._read_model(self.key)
        except SchemaError as error:
            raise SchemaError(f"{event.name}: {error}") from error
        if is_enum(self.models[self.key]):
            raise SchemaError(f"{event.name}: its schema is an enumeration")

    def _read_model(self, key: str) -> None:
        if key in self.models:
            return
        schema = self._definitions[key]
        if not isinstance(schema, dict):
            raise SchemaError(f"{key!r} is no schema")
        title = _class_name(schema.get("title"), key or self.event.name)
        made: dict[str, Any] = {"title": title}
        self.models[key] = made
        description = schema.get("description")
        if isinstance(description, str):
            made["description"] = description
        if _is_enum(schema):
            values = _scalars(schema.get("enum", [schema.get("const")]))
            made |= {"enum": values, "members": _member_names(values)}
            return
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(properties, dict) or schema.get("type", "object") != "object":
            raise SchemaError(f"{key or 'it'} is no object with properties")
        if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
            raise SchemaError(f"the required fields of {key or 'it'} are no list of names")
        made["type"] = "object"
        made["properties"] = {name: self._property(name, of) for name, of in properties.items()}
        made["required"] = [name for name in properties if name in required]
        if isinstance(schema.get("additionalProperties"), bool):
            made["additionalProperties"] = schema["additionalProperties"]

    def _property(self, name: str, schema: Any) -> dict[str, Any]:
        try:
            made = self._type(schema, ())
        except SchemaError as error:
            raise SchemaError(f"{name}: {error}") from error
        if isinstance(schema, dict):
            if "default" in schema:
                made = {**made, "default": schema["default"]}
            if isinstance(schema.get("description"), str):
                made = {**made, "description": schema["description"]}
        return made

    def _type(self, schema: Any, inside: tuple[str, ...]) -> dict[str, Any]:
        """The form of a type. What is not known here is open: it takes everything."""
        self._types += 1
        if self._types > MOST_TYPES:
            raise SchemaError(f"its schema has more than {MOST_TYPES} types")
        if isinstance(schema, bool):
            return {}
        if not isinstance(schema, dict):
            raise SchemaError(f"{schema!r} is no schema")
        if "$ref" in schema:
            return self._reference(schema["$ref"], inside)
        for combined in ("anyOf", "oneOf", "allOf"):
            if combined in schema:
                return self._combined(combined, schema[combined], inside)
        if "const" in schema or "enum" in schema:
            values = schema["enum"] if "enum" in schema else [schema["const"]]
            return {"enum": _scalars(values)} if _are_scalars(values) else {}
        match schema.get("type"):
            case None:
                return {}
            case list(names):
                return self._union([{**schema, "type": name} for name in names], inside)
            case str(name) if name in _CONSTRAINTS:
                return self._plain(name, schema, inside)
            case other:
                raise SchemaError(f"{other!r} is no type")

    def _reference(self, ref: Any, inside: tuple[str, ...]) -> dict[str, Any]:
        key = class_of(ref).replace("~1", "/").replace("~0", "~") if isinstance(ref, str) else ""
        if not (isinstance(ref, str) and ref.startswith(_REF) and key in self._definitions):
            raise SchemaError(f"its reference {ref!r} leads nowhere")
        target = self._definitions[key]
        if isinstance(target, dict) and (_is_enum(target) or "properties" in target):
            self._read_model(key)
            return {"$ref": _REF + key}
        if key in inside:
            return {}  # a type that is made of itself, and no class
        return self._type(target, (*inside, key))

    def _combined(self, how: str, schemas: Any, inside: tuple[str, ...]) -> dict[str, Any]:
        if not isinstance(schemas, list) or not schemas:
            raise SchemaError(f"its {how} is no list of schemas")
        if how == "allOf":
            return self._type(schemas[0], inside) if len(schemas) == 1 else {}
        return self._union(schemas, inside)

    def _union(self, schemas: Sequence[Any], inside: tuple[str, ...]) -> dict[str, Any]:
        kinds: list[dict[str, Any]] = []
        for schema in schemas:
            kind = self._type(schema, inside)
            for one in kind["anyOf"] if kind.keys() == {"anyOf"} else [kind]:
                if one not in kinds:
                    kinds.append(one)
        if {} in kinds or not kinds:
            return {}
        return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}

    def _plain(
        self, name: str, schema: Mapping[str, Any], inside: tuple[str, ...]
    ) -> dict[str, Any]:
        made: dict[str, Any] = {"type": name}
        for bound in _CONSTRAINTS[name]:
            limit = schema.get(bound)
            if _is_bound(bound, limit):
                made[bound] = limit
        if name == "string":
            return _string(made, schema)
        if name == "array":
            return self._array(made, schema, inside)
        if name == "object" and isinstance(schema.get("additionalProperties"), dict):
            made["additionalProperties"] = self._type(schema["additionalProperties"], inside)
        return made

    def _array(
        self, made: dict[str, Any], schema: Mapping[str, Any], inside: tuple[str, ...]
    ) -> dict[str, Any]:
        parts = schema.get("prefixItems")
        if isinstance(parts, list):
            size = len(parts)
            if {schema.get("minItems"), schema.get("maxItems")} != {size}:
                return {**made, "items": {}}
            return {**made, "prefixItems": [self._type(part, inside) for part in parts]}
        made["items"] = self._type(schema.get("items", True), inside)
        if schema.get("uniqueItems") is True:
            made["uniqueItems"] = True
        return made


def _is_bound(bound: str, limit: Any) -> bool:
    if isinstance(limit, bool) or not isinstance(limit, (int, float)):
        return False
    return bound != "multipleOf" or limit > 0


def _string(made: dict[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    if schema.get("format") in FORMATS:
        return {"type": "string", "format": schema["format"]}
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and _is_pattern(pattern):
        made["pattern"] = pattern
    return made


def _is_pattern(pattern: str) -> bool:
    """Whether pydantic can match it: the server may have matched it with Python's engine."""
    try:
        SchemaValidator(core_schema.str_schema(pattern=pattern))
    except Exception:
        return False
    return True


def _is_enum(schema: Mapping[str, Any]) -> bool:
    return "properties" not in schema and _are_scalars(
        schema.get("enum", [schema["const"]] if "const" in schema else None)
    )


def _are_scalars(values: Any) -> bool:
    return isinstance(values, list) and bool(values) and all(type(v) in SCALARS for v in values)


def _scalars(values: list[Any]) -> list[Any]:
    """Each value once; 1 and true are two."""
    return [*{(type(value), value): value for value in values}.values()]


def _class_name(title: Any, key: str) -> str:
    if isinstance(title, str) and is_field_name(title):
        return title
    return _python_name(key)


def _member_names(values: Iterable[Any]) -> list[str]:
    names: list[str] = []
    for value in values:
        name = re.sub(r"\W", "_", str(value), flags=re.ASCII).strip("_").upper()
        name = name if name and not name[0].isdigit() else f"VALUE_{name}".rstrip("_")
        names.append(unused(name, names))
    return names


def unused(name: str, used: Iterable[str]) -> str:
    """Return the name, with a number at its end if it is used."""
    taken = {*used}
    number = 1
    unused = name
    while unused in taken:
        number += 1
        unused = f"{name}{number}" if not name[-1].isdigit() else f"{name}_{number}"
    return unused


def with_names(schema: Mapping[str, Any], name: Callable[[str], str]) -> dict[str, Any]:
    """The schema with each of its references renamed."""
    made = dict(schema)
    if "$ref" in made:
        made["$ref"] = _REF + name(class_of(made["$ref"]))
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), dict):
            made[key] = with_names(made[key], name)
    for key in ("anyOf", "prefixItems"):
        if key in made:
            made[key] = [with_names(one, name) for one in made[key]]
    if "properties" in made:
        made["properties"] = {
            field: with_names(one, name) for field, one in made["properties"].items()
        }
    return made
