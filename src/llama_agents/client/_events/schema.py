"""JSON schemas of events, normalized.

A server may send any JSON schema. `NormalizedSchema` reduces one to the keywords that the client
understands, resolves its references within the schema itself, and names nested models and
enumerations as Python allows, so that both consumers, `builder` (classes at run time) and `codegen`
(source), can rely on a small, regular vocabulary. A type that is valid but not understood becomes
the empty schema, which accepts everything; an invalid schema raises `SchemaError`. Sans-I/O.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from .default_costs import leave_costly_defaults
from .limits import (
    CLASS_COST,
    MAX_BITS,
    MAX_DEPTH,
    MAX_MODELS,
    MAX_TUPLE_LENGTHS,
    MAX_UNION,
    SchemaBudget,
)
from .limits import SchemaError as SchemaError
from .names import class_name, is_class_name, member_names
from .normalized import REF, is_enum, is_flag, ref_name

FORMATS: Final = frozenset({"date-time", "date", "time", "duration", "uuid", "binary"})
# Only checked before a start: in classes, their values are text.
CHECKED_FORMATS: Final = frozenset(
    "ipv4 ipv4interface ipv4network ipv6 ipv6interface ipv6network "  # noqa: SIM905
    "ipvanyaddress ipvanyinterface ipvanynetwork uri".split()
)

_SCALARS: Final = (str, bool, int, type(None))  # the values a Literal can hold
_CONSTRAINTS_OF_TYPE: Final[Mapping[str, tuple[str, ...]]] = {
    "string": ("minLength", "maxLength"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    "array": ("minItems", "maxItems"),
    "object": ("minProperties", "maxProperties"),
    "boolean": (),
    "null": (),
}
_HASHABLE: Final = frozenset({"string", "integer", "number", "boolean", "null"})
_ROOT: Final = ""  # the key of a root schema; a definition with an empty name is never an event's


@attrs.frozen
class EventDeclaration:
    """An event as the server declares it.

    Attributes:
        name: The class name, which is the ``type`` of the event's envelopes.
        ancestors: The names of its superclasses, nearest first, without ``Event``.
        schema: Its JSON schema.
    """

    name: str
    ancestors: tuple[str, ...]
    schema: Mapping[str, Any]


def declared_events(listed: Iterable[Mapping[str, Any]]) -> list[EventDeclaration]:
    """Read event schemas that come without class names; each schema's title is its class name.

    One without a title gets a name that no class can have.

    Raises:
        SchemaError: No schema has a title.
    """
    titles = [(_title(schema), schema) for schema in listed]
    if titles and all(title is None for title, _ in titles):
        raise SchemaError("an event schema has no title")
    return [
        EventDeclaration(f"event {number} without a title" if title is None else title, (), schema)
        for number, (title, schema) in enumerate(titles, 1)
    ]


def start_declaration(schema: Mapping[str, Any]) -> EventDeclaration:
    """Read the schema of a workflow's start event.

    Raises:
        SchemaError: It has no title.
    """
    (declaration,) = declared_events([schema])
    name = declaration.name if is_class_name(declaration.name) else "Start"
    return EventDeclaration(name, ("StartEvent",), schema)


def declared_fields(schema: Mapping[str, Any]) -> tuple[str, frozenset[str]]:
    """Return the class name of an event schema that comes without one, and its field names.

    Raises:
        SchemaError: The schema is invalid or has no title.
    """
    (declaration,) = declared_events([schema])
    normalized = NormalizedSchema(declaration, SchemaBudget())
    return declaration.name, frozenset(normalized.models[normalized.key]["properties"])


def _title(schema: Mapping[str, Any]) -> str | None:
    ref = schema.get("$ref")
    definitions = schema.get("$defs")
    if isinstance(ref, str) and isinstance(definitions, dict):
        schema = definitions.get(ref_name(ref), schema)
    title = schema.get("title") if isinstance(schema, dict) else None
    return title if isinstance(title, str) else None


class NormalizedSchema:
    """The schemas of one event and of its nested models, normalized.

    Attributes:
        declaration: The event.
        key: The key of the event's own schema in ``models``.
        models: The normalized schemas of objects and enumerations, by the names that the references
            in them use.

    Raises:
        SchemaError: The schema is invalid, or too large.
    """

    def __init__(self, declaration: EventDeclaration, budget: SchemaBudget) -> None:
        self.declaration = declaration
        self._budget = budget
        root = declaration.schema
        definitions = root.get("$defs", {})
        if not isinstance(definitions, dict):
            raise SchemaError(f"{declaration.name}: $defs is not an object")
        self._definitions: dict[str, Any] = {**definitions, _ROOT: root}
        ref = root.get("$ref")
        self.key = ref_name(ref) if isinstance(ref, str) and ref_name(ref) in definitions else _ROOT
        self.models: dict[str, dict[str, Any]] = {}
        self._depth = 0
        self._model = self.key  # whose properties are being normalized
        self._types: dict[str, int] = {}  # their number in each model
        self._refs: dict[str, list[str]] = {}
        try:
            budget.spend(len(declaration.ancestors))
            self._normalize_model(self.key)
            budget.spend_copies(self._types, self._refs)
            leave_costly_defaults(self.models, budget)
        except SchemaError as error:
            raise SchemaError(f"{declaration.name}: {error}") from error
        if is_enum(self.models[self.key]):
            raise SchemaError(f"{declaration.name}: an event cannot be an enumeration")

    def _normalize_model(self, key: str) -> None:
        if key in self.models:
            return
        if len(self.models) > MAX_MODELS:
            raise SchemaError(f"the schema has more than {MAX_MODELS} models and enumerations")
        self._budget.spend(CLASS_COST)
        self._types[key], self._refs[key] = 0, []
        schema = self._definitions[key]
        if not isinstance(schema, dict):
            raise SchemaError(f"{key!r} is not a schema")
        model: dict[str, Any] = {
            "title": class_name(schema.get("title"), key or self.declaration.name)
        }
        self.models[key] = model  # before its properties: they may refer to it
        description = schema.get("description")
        if isinstance(description, str):
            self._budget.spend_text(description)
            model["description"] = description
        if _is_enum(schema):
            values = self._distinct(schema.get("enum", [schema.get("const")]))
            model |= {"enum": values, "members": member_names(values)}
            return
        properties, required = schema.get("properties", {}), schema.get("required", [])
        label = key or "the schema"
        if not isinstance(properties, dict) or schema.get("type", "object") != "object":
            raise SchemaError(f"{label} is not an object with properties")
        if not isinstance(required, list) or not all(isinstance(field, str) for field in required):
            raise SchemaError(f"'required' of {label} is not a list of field names")
        model["type"] = "object"
        outer, self._model = self._model, key
        model["properties"] = {
            name: self._normalize_property(name, field) for name, field in properties.items()
        }
        self._model = outer
        required_names = {*required}
        model["required"] = [name for name in properties if name in required_names]
        others = schema.get("additionalProperties")
        if isinstance(others, (bool, dict)):  # allowed, of a type that the server alone checks
            model["additionalProperties"] = others is not False

    def _normalize_property(self, name: str, schema: Any) -> dict[str, Any]:
        try:
            normalized = self._normalize_type(schema, ())
        except SchemaError as error:
            raise SchemaError(f"{name}: {error}") from error
        self._budget.spend_text(name)
        if isinstance(schema, dict):
            if "default" in schema:
                self._budget.spend_default(schema["default"])
                if _is_finite(schema["default"]):
                    normalized = {**normalized, "default": schema["default"]}
            self._budget.spend_text(schema.get("description"))
            if isinstance(schema.get("description"), str):
                normalized = {**normalized, "description": schema["description"]}
        return normalized

    def _normalize_type(self, schema: Any, path: tuple[str, ...]) -> dict[str, Any]:
        """Normalize a type; ``path`` has the references that lead to it, to stop at a cycle."""
        self._budget.spend()
        self._types[self._model] += 1
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise SchemaError(f"the schema has types nested more than {MAX_DEPTH} deep")
        normalized = self._normalize_keywords(schema, path)
        self._depth -= 1
        return normalized

    def _normalize_keywords(self, schema: Any, path: tuple[str, ...]) -> dict[str, Any]:
        if isinstance(schema, bool):
            return {}
        if not isinstance(schema, dict):
            raise SchemaError(f"{schema!r} is not a schema")
        if "$ref" in schema:
            return self._resolve(schema["$ref"], path)
        for combinator in ("anyOf", "oneOf", "allOf"):
            if combinator in schema:
                combined = self._normalize_combination(combinator, schema[combinator], path)
                return _tagged(combined, schema.get("discriminator"))
        if "const" in schema or "enum" in schema:
            values = schema["enum"] if "enum" in schema else [schema["const"]]
            return {"enum": self._distinct(values)} if _are_scalars(values, *_SCALARS) else {}
        match schema.get("type"):
            case None:
                return {}
            case list(names):
                return self._normalize_union([{**schema, "type": name} for name in names], path)
            case str(name) if name in _CONSTRAINTS_OF_TYPE:
                return self._normalize_named_type(name, schema, path)
            case other:
                raise SchemaError(f"{other!r} is not a JSON schema type")

    def _resolve(self, ref: Any, path: tuple[str, ...]) -> dict[str, Any]:
        key = ref_name(ref).replace("~1", "/").replace("~0", "~") if isinstance(ref, str) else ""
        if not (isinstance(ref, str) and ref.startswith(REF) and key in self._definitions):
            raise SchemaError(f"reference {ref!r} does not resolve within the schema")
        target = self._definitions[key]
        if isinstance(target, dict) and (_is_enum(target) or "properties" in target):
            self._normalize_model(key)
            self._refs[self._model].append(key)
            return {"$ref": REF + key}
        if key in path:
            return {}  # a recursive type without a class of its own cannot be written down
        if isinstance(target, dict) and "prefixItems" in target:
            # A named tuple: the server takes an object for it, too.
            return self._normalize_union([target, {"type": "object"}], (*path, key))
        return self._normalize_type(target, (*path, key))

    def _normalize_combination(
        self, combinator: str, schemas: Any, path: tuple[str, ...]
    ) -> dict[str, Any]:
        if not isinstance(schemas, list) or not schemas:
            raise SchemaError(f"{combinator} is not a list of schemas")
        if combinator == "allOf":
            return self._normalize_type(schemas[0], path) if len(schemas) == 1 else {}
        return self._normalize_union(schemas, path)

    def _normalize_union(self, schemas: Sequence[Any], path: tuple[str, ...]) -> dict[str, Any]:
        members: list[dict[str, Any]] = []
        for schema in schemas:
            normalized = self._normalize_type(schema, path)
            nested = normalized["anyOf"] if normalized.keys() == {"anyOf"} else [normalized]
            members += [member for member in nested if member not in members]
            if len(members) > MAX_UNION:
                raise SchemaError(f"a union has more than {MAX_UNION} members")
        if {} in members or {"x-format": "json"} in members or not members:
            return {}
        members = _with_integers(members)
        return members[0] if len(members) == 1 else {"anyOf": members}

    def _normalize_named_type(
        self, name: str, schema: Mapping[str, Any], path: tuple[str, ...]
    ) -> dict[str, Any]:
        normalized: dict[str, Any] = {"type": name}
        for constraint in _CONSTRAINTS_OF_TYPE[name]:
            limit = schema.get(constraint)
            if _is_limit(constraint, limit):
                normalized[constraint] = limit
        if name == "string":
            return self._normalize_string(normalized, schema)
        if name == "array":
            return self._normalize_array(normalized, schema, path)
        if name == "object":
            return self._normalize_dict(normalized, schema, path)
        return normalized

    def _normalize_dict(
        self, normalized: dict[str, Any], schema: Mapping[str, Any], path: tuple[str, ...]
    ) -> dict[str, Any]:
        values, keys = schema.get("additionalProperties"), schema.get("propertyNames")
        patterns = schema.get("patternProperties")
        if isinstance(patterns, dict) and len(patterns) == 1:
            ((pattern, values),) = patterns.items()
            if not {"additionalProperties", "properties"} & schema.keys():
                # The pattern of all keys, as pydantic writes it.
                keys = {**(keys if isinstance(keys, dict) else {}), "pattern": pattern}
        if isinstance(values, dict):
            normalized["additionalProperties"] = self._normalize_type(values, path)
        if isinstance(keys, dict):
            normalized["propertyNames"] = self._normalize_keys(keys, path)
        return normalized

    def _normalize_keys(self, schema: Mapping[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
        """Normalize the type of an object's keys; {} if they may be written as any text."""
        keys = self._normalize_type({"type": "string", **schema}, path)
        match keys:
            case {"$ref": ref} if is_enum(model := self.models[ref_name(ref)]):
                # Flags may be combined, which neither side reads in a key.
                return {} if is_flag(model) else keys
            case {"type": "string"} | {"enum": _} if "$ref" not in schema:
                return keys
        return {}  # that of a root model, for example, is written as root=1

    def _normalize_array(
        self, normalized: dict[str, Any], schema: Mapping[str, Any], path: tuple[str, ...]
    ) -> dict[str, Any]:
        prefix = schema.get("prefixItems")
        if isinstance(prefix, list):
            return self._normalize_tuple(normalized, schema, path)
        normalized["items"] = self._normalize_type(schema.get("items", True), path)
        if schema.get("uniqueItems") is True:
            if self._is_hashable(normalized["items"]):
                normalized["uniqueItems"] = True
            else:
                normalized.pop("maxItems", None)  # which the server compares without duplicates
        return normalized

    def _normalize_tuple(
        self, normalized: dict[str, Any], schema: Mapping[str, Any], path: tuple[str, ...]
    ) -> dict[str, Any]:
        prefix, least = schema["prefixItems"], schema.get("minItems", 0)
        is_length = type(least) is int and least >= 0
        lengths = range(least, len(prefix) + 1) if is_length else range(0)
        if schema.get("maxItems") != len(prefix) or not 0 < len(lengths) <= MAX_TUPLE_LENGTHS:
            return {**normalized, "items": {}}
        if len(lengths) == 1:
            items = [self._normalize_type(item, path) for item in prefix]
            return {**normalized, "prefixItems": items}
        # The last items of a named tuple may have defaults.
        tuples = [
            {**schema, "prefixItems": prefix[:n], "minItems": n, "maxItems": n} for n in lengths
        ]
        return self._normalize_union(tuples, path)

    def _is_hashable(self, schema: Mapping[str, Any]) -> bool:
        """Return whether the values of a type are hashable in Python; those of models are not."""
        match schema:
            case {"$ref": ref}:
                return is_enum(self.models[ref_name(ref)])
            case {"anyOf": members} | {"prefixItems": members}:
                return all(map(self._is_hashable, members))
        return "enum" in schema or schema.get("type") in _HASHABLE

    def _normalize_string(
        self, normalized: dict[str, Any], schema: Mapping[str, Any]
    ) -> dict[str, Any]:
        if schema.get("format") in FORMATS:
            return {"type": "string", "format": schema["format"]}
        if schema.get("contentMediaType") == "application/json":
            # Text for the server, which writes the value itself.
            return {"x-format": "json"} if "contentSchema" in schema else {}
        if schema.get("format") in CHECKED_FORMATS and (
            schema["format"] != "uri" or schema.get("minLength") == 1  # as pydantic writes it
        ):
            normalized["x-format"] = schema["format"]
        pattern = schema.get("pattern")
        if isinstance(pattern, str) and self._budget.admits_pattern(pattern):
            normalized["pattern"] = pattern
        return normalized

    def _distinct(self, values: list[Any]) -> list[Any]:
        """Remove duplicates; 1 and true are two values."""
        self._budget.spend_values(values)
        return [*{(type(value), value): value for value in values}.values()]


def _with_integers(members: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Let a number or text be an integer: it may be a ``Decimal``, which 9.0 writes otherwise."""
    types = [member.get("type") for member in members]
    if "number" not in types or {"type": "string"} not in members or "integer" in types:
        return members
    at = types.index("number")
    return [*members[:at], _of_integers(members[at]), *members[at:]]


def _of_integers(number: Mapping[str, Any]) -> dict[str, Any]:
    """Return the type of those numbers that are integers; its limits must be integers, too."""
    rounded = {
        "minimum": math.ceil,
        "maximum": math.floor,
        "exclusiveMinimum": math.floor,
        "exclusiveMaximum": math.ceil,
    }
    limits = {key: rounded[key](limit) for key, limit in number.items() if key in rounded}
    factor = number.get("multipleOf")
    if factor is not None and factor == int(factor):
        limits["multipleOf"] = int(factor)
    return {"type": "integer", **limits}


def _tagged(union: dict[str, Any], discriminator: Any) -> dict[str, Any]:
    """Note which field tells the members of a union apart, if they are models."""
    refs = [member.get("$ref") for member in union.get("anyOf", ())]
    tag = discriminator.get("propertyName") if isinstance(discriminator, dict) else None
    if not isinstance(tag, str) or not refs or None in refs:
        return union
    return {**union, "x-tag": tag}


def _is_finite(value: Any) -> bool:
    """Return whether JSON can represent a value; only then can source."""
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def _is_limit(constraint: str, limit: Any) -> bool:
    if isinstance(limit, bool) or not isinstance(limit, (int, float)):
        return False
    if not _is_finite(limit) or (isinstance(limit, int) and limit.bit_length() > MAX_BITS):
        return False
    return constraint != "multipleOf" or limit > 0


def _is_enum(schema: Mapping[str, Any]) -> bool:
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    return "properties" not in schema and _are_scalars(values, *_SCALARS, float)


def _are_scalars(values: Any, *types: type) -> bool:
    return (
        isinstance(values, list)
        and bool(values)
        and all(type(value) in types and _is_finite(value) for value in values)
    )
