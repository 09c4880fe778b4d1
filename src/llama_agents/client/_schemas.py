"""The events of a workflow as the server's JSON schemas tell them, in one form.

What classes there are, what they derive from, and which nested models they share is decided here,
once for the classes that are built at run time (`typed`) and for the source that is generated
(`codegen`). Both get plain data: of a schema only what is known here is kept, references lead only
to the schema itself, and names are Python's. Pure.
"""

from __future__ import annotations

import graphlib
import json
import keyword
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import attrs
from pydantic_core import SchemaValidator, core_schema

EVENT: Final = "Event"
OPEN: Final[Mapping[str, Any]] = {}  # the schema of everything

FORMATS: Final = frozenset({"date-time", "date", "time", "duration", "uuid", "binary"})
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
# Names that the source of the classes uses itself: no nested model is called so.
RESERVED: Final = frozenset(
    "Annotated Any BaseModel ConfigDict EVENTS Enum Field IntEnum Literal Mapping RootModel "
    "SparseModel StrEnum UUID bool bytes date datetime dict float int list object set str time "
    "timedelta tuple type AwareDatetime NaiveDatetime".split()
)
_REF: Final = "#/$defs/"


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


@attrs.frozen
class EventShape:
    """A class of events that is to be made.

    Attributes:
        name: Its name.
        bases: Its superclasses: classes of the framework, or events of the same workflow.
        schema: Its JSON schema in the form of this module, all of its fields included.
        inherited: The fields that a superclass has in the same way.
        overridden: The fields that a superclass has in another way.
    """

    name: str
    bases: tuple[str, ...]
    schema: Mapping[str, Any]
    inherited: frozenset[str] = frozenset()
    overridden: frozenset[str] = frozenset()

    @property
    def own(self) -> dict[str, Any]:
        """The fields that are not inherited."""
        properties = self.schema["properties"]
        return {name: field for name, field in properties.items() if name not in self.inherited}


@attrs.frozen
class Described:
    """All events of a workflow.

    Attributes:
        names: The names of the events, those of the framework included, in the server's order.
        events: The classes that are to be made, each after what it derives from.
        models: The schemas of nested models and enumerations, by class name.
    """

    names: tuple[str, ...]
    events: tuple[EventShape, ...]
    models: Mapping[str, Mapping[str, Any]]


def is_enum(schema: Mapping[str, Any]) -> bool:
    """Whether the schema of a nested class is an enumeration's."""
    return "enum" in schema


def is_left_to_server(name: str, schema: Mapping[str, Any]) -> bool:
    """Whether a field may be left out, and only the server knows what it then is."""
    return name not in schema["required"] and "default" not in schema["properties"][name]


def is_class_name(name: str) -> bool:
    """Whether a class can be called so."""
    return name.isidentifier() and not keyword.iskeyword(name)


def is_field_name(name: str) -> bool:
    """Whether a field of a class can be called so."""
    return is_class_name(name) and not name.startswith("_")


def python_name(name: str) -> str:
    """Return a name for a field, made of one that cannot be used."""
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
        _Forms(event)
    return declared


def _title(schema: Mapping[str, Any]) -> str:
    key = schema.get("$ref")
    definition = schema.get("$defs", {}).get(class_of(key), {}) if isinstance(key, str) else schema
    title = definition.get("title") if isinstance(definition, dict) else None
    if not isinstance(title, str):
        raise SchemaError("an event has no title")
    return title


def with_additional(declared: Sequence[Declared], listed: Sequence[Declared]) -> list[Declared]:
    """Add events that are listed, but stand in no signature of the workflow's steps.

    Raises:
        SchemaError: Two different events have one name.
    """
    known = [event.schema for event in declared]
    return [*declared, *(event for event in listed if event.schema not in known)]


Fields = Callable[[str], frozenset[str]]


def describe(
    declared: Iterable[Declared], framework: Mapping[str, Sequence[str]], fields: Fields
) -> Described:
    """Say which classes the events of a workflow are.

    Args:
        declared: The events.
        framework: The framework's own classes, each with the names of its superclasses.
        fields: The names of the fields that a class of the framework has.

    Raises:
        SchemaError: A schema describes no event, or two events have one name.
    """
    by_name: dict[str, Declared] = {}
    for event in declared:
        if not is_class_name(event.name):
            raise SchemaError(f"{event.name!r} is not the name of a class")
        if event.name in by_name and event.name not in framework:
            raise SchemaError(f"two events are called {event.name}")
        by_name[event.name] = event
    own = {name: event for name, event in by_name.items() if name not in framework}
    superclasses = {**framework, **{name: event.ancestors for name, event in own.items()}}
    bases = {name: _bases(event.ancestors, superclasses) for name, event in own.items()}
    schemas, models = _share([_Forms(event) for event in own.values()], {*framework, EVENT})
    shapes: dict[str, EventShape] = {}
    for name in _in_order(bases):
        if name in own:
            shapes[name] = _shape(name, bases[name], schemas[name], shapes, fields)
    return Described(tuple(by_name), tuple(shapes.values()), models)


def _bases(ancestors: Sequence[str], superclasses: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The nearest ancestors that are known; what one of them derives from comes with it."""
    known = [name for name in ancestors if name in superclasses]
    implied = {name for other in known for name in superclasses[other]}
    return tuple(name for name in known if name not in implied) or (EVENT,)


def _in_order(bases: Mapping[str, Sequence[str]]) -> list[str]:
    try:
        return [*graphlib.TopologicalSorter(bases).static_order()]
    except graphlib.CycleError as error:
        raise SchemaError(f"these events derive from each other: {error.args[1]}") from error


def _shape(
    name: str,
    bases: tuple[str, ...],
    schema: Mapping[str, Any],
    shapes: Mapping[str, EventShape],
    fields: Fields,
) -> EventShape:
    inherited: set[str] = set()
    overridden: set[str] = set()
    for base in bases:
        if base not in shapes:
            inherited |= fields(base) & schema["properties"].keys()
            continue
        for field in schema["properties"].keys() & shapes[base].schema["properties"].keys():
            same = _field(field, schema) == _field(field, shapes[base].schema)
            (inherited if same else overridden).add(field)
    return EventShape(name, bases, schema, frozenset(inherited - overridden), frozenset(overridden))


def _field(name: str, schema: Mapping[str, Any]) -> tuple[Any, bool]:
    return schema["properties"][name], name in schema["required"]


# ---------------------------------------------------------------------------- one schema


class _Forms:
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
        self._definitions: dict[str, Any] = definitions
        self.key = class_of(root["$ref"]) if isinstance(root.get("$ref"), str) else event.name
        if self.key not in definitions or "$ref" not in root:
            self._definitions = {**definitions, self.key: root}
        self.models: dict[str, dict[str, Any]] = {}
        try:
            self._read_model(self.key)
        except SchemaError as error:
            raise SchemaError(f"{event.name}: {error}") from error
        except RecursionError as error:
            raise SchemaError(f"{event.name}: its schema is nested too deeply") from error
        if is_enum(self.models[self.key]):
            raise SchemaError(f"{event.name}: its schema is an enumeration")

    def _read_model(self, key: str) -> None:
        if key in self.models:
            return
        schema = self._definitions[key]
        if not isinstance(schema, dict):
            raise SchemaError(f"{key!r} is no schema")
        made: dict[str, Any] = {"title": _class_name(schema.get("title"), key)}
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
            raise SchemaError(f"{key!r} is no object with properties")
        if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
            raise SchemaError(f"the required fields of {key!r} are no list of names")
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
            if isinstance(limit, (int, float)) and not isinstance(limit, bool):
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
    return python_name(key)


def _member_names(values: Iterable[Any]) -> list[str]:
    names: list[str] = []
    for value in values:
        name = re.sub(r"\W", "_", str(value), flags=re.ASCII).strip("_").upper()
        name = name if name and not name[0].isdigit() else f"VALUE_{name}".rstrip("_")
        names.append(unused(name, names))
    return names


def unused(name: str, used: Iterable[str]) -> str:
    taken = {*used}
    number = 1
    unused = name
    while unused in taken:
        number += 1
        unused = f"{name}{number}" if not name[-1].isdigit() else f"{name}_{number}"
    return unused


# ---------------------------------------------------------------------------- all of them


def _share(
    events: Sequence[_Forms], taken: Iterable[str]
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Give every class one name: what is the same in two events is one class.

    Returns:
        The schemas of the events, and those of the nested classes, by class name.
    """
    names = {_print(forms, forms.key): forms.event.name for forms in events}
    used = {*taken, *RESERVED, *(forms.event.name for forms in events)}
    renamed: list[dict[str, str]] = []
    for forms in events:
        local: dict[str, str] = {forms.key: forms.event.name}
        for key, schema in forms.models.items():
            if key == forms.key:
                continue
            known = names.get(_print(forms, key))
            if known is None:
                known = names[_print(forms, key)] = unused(schema["title"], used)
                used.add(known)
            local[key] = known
        renamed.append(local)
    shapes: dict[str, dict[str, Any]] = {}
    models: dict[str, dict[str, Any]] = {}
    for forms, local in zip(events, renamed, strict=True):
        for key, name in local.items():
            schema = {**_with_names(forms.models[key], local.__getitem__), "title": name}
            (shapes if key == forms.key else models).setdefault(name, schema)
    return shapes, {name: schema for name, schema in models.items() if name not in shapes}


def _print(forms: _Forms, key: str) -> str:
    """All that makes a class, what it refers to included; equal for equal classes."""
    keys = [key]
    parts = []
    for at in keys:  # it grows

        def number(other: str) -> str:
            if other not in keys:
                keys.append(other)
            return str(keys.index(other))

        parts.append(_with_names(forms.models[at], number))
    return json.dumps(parts)


def _with_names(schema: Mapping[str, Any], name: Callable[[str], str]) -> dict[str, Any]:
    """The schema with each of its references renamed."""
    made = dict(schema)
    if "$ref" in made:
        made["$ref"] = _REF + name(class_of(made["$ref"]))
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), dict):
            made[key] = _with_names(made[key], name)
    for key in ("anyOf", "prefixItems"):
        if key in made:
            made[key] = [_with_names(one, name) for one in made[key]]
    if "properties" in made:
        made["properties"] = {
            field: _with_names(one, name) for field, one in made["properties"].items()
        }
    return made
