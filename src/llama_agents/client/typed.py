"""Event classes made at run time of the server's JSON schemas.

A library that does it was looked for. json-schema-to-pydantic 0.5 knows neither enumerations, typed
dicts, tuples nor durations, makes a nested model anew for each event, and writes null for what the
server was to fill in; datamodel-code-generator executes the source that it has made of the answer.
Nothing of an answer is executed here.
"""

from __future__ import annotations

import datetime
import enum
import functools
import operator
import uuid
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import (
    Annotated,
    Any,
    Final,
    ForwardRef,
    Literal,
    SupportsIndex,
    TypeVar,
    cast,
    overload,
)

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    create_model,
    model_serializer,
)

from . import _schemas, _shapes
from ._lazy_types import Event, WorkflowGraph
from ._schemas import Declared, SchemaError
from ._shapes import Described, EventShape
from .errors import EventValidationError
from .protocol.serializable_events import EventEnvelope

__all__ = ["EventTypes", "SparseModel"]

T = TypeVar("T")

_PLAIN: Final[Mapping[str, Any]] = {
    **{"string": str, "boolean": bool, "null": type(None)},
    **{"integer": int, "number": float},
}
_OF_FORMAT: Final[Mapping[str, Any]] = {
    "date-time": datetime.datetime,
    "date": datetime.date,
    "time": datetime.time,
    "duration": datetime.timedelta,
    "uuid": uuid.UUID,
    "binary": bytes,
}
_CONSTRAINTS: Final = {
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_length",
    "maxItems": "max_length",
    "pattern": "pattern",
}


class SparseModel(BaseModel):
    """Base of classes that are written as the server's schema has them.

    A field that is None by default is left out while it is None: where the schema has no default,
    only the server knows it. Fields go by their aliases.
    """

    model_config = ConfigDict(populate_by_name=True)

    @model_serializer(mode="wrap")
    def custom_model_dump(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write the model; named as the serializer of events, which it goes before."""
        write = getattr(super(), "custom_model_dump", None)
        written: dict[str, Any] = handler(self) if write is None else write(handler)
        for name, field in type(self).model_fields.items():
            if name in written:
                value = written.pop(name)
                if value is not None or field.is_required() or field.default is not None:
                    written[field.alias or name] = value
        return written


class _Open(SparseModel):
    model_config = ConfigDict(extra="allow")


class _Closed(SparseModel):
    model_config = ConfigDict(extra="forbid")


_BASES: Final[Mapping[bool | None, type[SparseModel]]] = {
    None: SparseModel,
    True: _Open,
    False: _Closed,
}


class EventTypes(Sequence["type[Event]"]):
    """The events of a workflow as classes, in the server's order.

    It is a registry for ``load_event``, and gives each class by its name as well.

    Example:
        Load the events of a run:

            types = await client.get_event_types("index")
            async for envelope in client.get_workflow_events(handler_id):
                event = envelope.load_event(types)
                if isinstance(event, types["DocumentIndexed"]):
                    print(event.number)

    Attributes:
        described: What the server says of them, as data.

    Raises:
        SchemaError: It makes no classes.
    """

    def __init__(self, described: Described) -> None:
        self.described = described
        self._by_name = _build(described)

    @overload
    def __getitem__(self, index: str | SupportsIndex) -> type[Event]: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[type[Event], ...]: ...

    def __getitem__(
        self, index: str | SupportsIndex | slice
    ) -> type[Event] | tuple[type[Event], ...]:
        if not isinstance(index, str):
            return tuple(self._by_name.values())[index]
        if index not in self._by_name:
            raise KeyError(f"no event {index!r}: there are {', '.join(self._by_name)}")
        return self._by_name[index]

    def __len__(self) -> int:
        return len(self._by_name)

    def __contains__(self, value: object) -> bool:
        return value in ([*self._by_name] if isinstance(value, str) else [*self])

    def __repr__(self) -> str:
        return f"EventTypes({', '.join(self._by_name)})"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the events."""
        return self.described.names


def declared_in(graph: WorkflowGraph, listed: Sequence[Declared]) -> list[Declared]:
    """Read the events of a workflow's graph, and those that are only listed.

    Args:
        graph: The graph, which knows the names of the classes and what they derive from.
        listed: All events by their schemas, also those that stand in no signature of a step.

    Raises:
        SchemaError: A node of the graph describes no event.
    """
    from workflows.representation import WorkflowEventNode

    by_title = {event.name: event.schema for event in listed}
    declared = []
    for node in graph.nodes:
        if isinstance(node, WorkflowEventNode):
            name = node.event_type
            schema = node.event_schema or by_title.get(name, {"title": name})
            ancestors = tuple(other for other in node.event_types if other != name)
            declared.append(Declared(name, ancestors, schema))
        elif node.node_type == "event":
            raise SchemaError(f"{node.id}: it is described as no event is")
    known = [event.schema for event in declared]
    return [*declared, *(event for event in listed if event.schema not in known)]


def event_types(declared: Iterable[Declared]) -> EventTypes:
    """Make the classes of a workflow's events.

    Raises:
        SchemaError: A schema describes no event.
    """
    return EventTypes(_describe(declared))


def check_start(
    schema: Mapping[str, Any], forms: Sequence[Mapping[str, Any]], workflow_name: str
) -> None:
    """Check a start event, in the ways in which it would be sent, as the server will do.

    An envelope that names another class than the schema's is left to the server: it alone knows
    which classes it takes for the workflow's own.

    Args:
        schema: The schema of the workflow's start event.
        forms: The ways to write the event, as they would be tried.
        workflow_name: The workflow, to be named in the error.

    Raises:
        EventValidationError: None of them fits.
        SchemaError: The schema describes no event.
    """
    (declared,) = _schemas.declared_events([schema])
    name = declared.name if _schemas.is_class_name(declared.name) else "Start"
    described = _describe([Declared(name, ("StartEvent",), schema)])
    event_class = _build(described, exact=True)[name]
    problem: EventValidationError | None = None
    for form in forms:
        if "value" in form and form.get("type") != name:
            continue
        try:
            EventEnvelope.parse(dict(form), {name: event_class}, event_class)
        except EventValidationError as error:
            problem = problem or error
        else:
            return
    if problem is not None:
        raise EventValidationError(
            f"start event of workflow {workflow_name!r} is no {name}: {_reason(problem)}"
        ) from problem


def _reason(problem: EventValidationError) -> str:
    cause = problem.__cause__
    if not isinstance(cause, ValidationError):
        return str(problem)
    errors = cause.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(
        f"{'.'.join(map(str, error['loc'])) or 'the event'}: {error['msg']}" for error in errors
    )


# ---------------------------------------------------------------------------- classes


def _describe(declared: Iterable[Declared]) -> Described:
    from .protocol.event_classes import FRAMEWORK, superclass_names

    return _shapes.describe(
        declared,
        {name: superclass_names(cls) or () for name, cls in FRAMEWORK.items()},
        lambda name: frozenset(FRAMEWORK[name].model_fields) if name in FRAMEWORK else frozenset(),
    )


def _build(described: Described, *, exact: bool = False) -> dict[str, type[Event]]:
    """Make all classes.

    Args:
        described: Which.
        exact: Whether a field that may be left out must then be, and not be None.
    """
    from workflows import events

    from .protocol.event_classes import FRAMEWORK

    builder = _Builder(described, exact)
    known: dict[str, type[Event]] = {**FRAMEWORK, _shapes.EVENT: events.Event}
    with warnings.catch_warnings():
        # A field that is named as a method of every event: the server was warned of it.
        warnings.filterwarnings("ignore", "Field name", UserWarning)
        for shape in described.events:
            known[shape.name] = builder.event(shape, [known[base] for base in shape.bases])
        builder.complete([known[shape.name] for shape in described.events])
    return {name: known[name] for name in described.names}


class _Builder:
    """Makes classes of schemas; one that is not made yet goes by its name until `complete`."""

    def __init__(self, described: Described, exact: bool) -> None:
        self._exact = exact
        self._classes: dict[str, type] = {}
        for name, schema in described.models.items():
            if _schemas.is_enum(schema):
                self._classes[name] = _enumeration(name, schema)
        for name, schema in described.models.items():
            if name not in self._classes:
                self._classes[name] = self._nested(schema)

    def complete(self, events: Sequence[type[BaseModel]]) -> None:
        """Put the classes in the place of their names."""
        self._classes |= {event.__name__: event for event in events}
        for cls in self._classes.values():
            if issubclass(cls, BaseModel):
                rebuild = functools.partial(cls.model_rebuild, _types_namespace=self._classes)
                _or_schema_error(cls.__name__, rebuild)

    def event(self, shape: EventShape, bases: Sequence[type[Event]]) -> type[Event]:
        """Make a class of events."""
        fields = {name: self._field(name, shape.schema) for name in shape.own}
        sparse = any(_schemas.is_left_to_server(name, shape.schema) for name in fields)
        if sparse and not any(issubclass(base, SparseModel) for base in bases):
            bases = [cast("type[Event]", SparseModel), *bases]
        made = self._class(shape.schema, bases, fields)
        return cast("type[Event]", made)

    def _nested(self, schema: Mapping[str, Any]) -> type[BaseModel]:
        fields: dict[str, Any] = {}
        for name, field_name in _schemas.field_names(schema["properties"]).items():
            alias = None if field_name == name else name
            fields[field_name] = self._field(name, schema, alias)
        return self._class(schema, [_BASES[schema.get("additionalProperties")]], fields)

    def _class(
        self, schema: Mapping[str, Any], bases: Sequence[type[BaseModel]], fields: dict[str, Any]
    ) -> type[BaseModel]:
        name = schema["title"]
        make: Callable[..., type[BaseModel]] = functools.partial(
            create_model,
            name,
            __base__=tuple(bases),
            __module__=__name__,
            __doc__=schema.get("description"),
        )
        return _or_schema_error(name, lambda: make(**fields))

    def _field(
        self, name: str, schema: Mapping[str, Any], alias: str | None = None
    ) -> tuple[Any, Any]:
        field = schema["properties"][name]
        kind = self._type(field)
        options: dict[str, Any] = {"alias": alias, "description": field.get("description")}
        if "default" in field:
            return kind, Field(field["default"], validate_default=True, **options)
        if name in schema["required"]:
            return kind, Field(**options)
        return (kind if self._exact else kind | None), Field(None, **options)

    def _type(self, schema: Mapping[str, Any]) -> Any:
        match schema:
            case {"$ref": ref}:
                name = _schemas.class_of(ref)
                return self._classes.get(name) or ForwardRef(name)
            case {"anyOf": kinds}:
                return functools.reduce(operator.or_, map(self._type, kinds))
            case {"enum": values}:
                return Literal[tuple(values)]
            case {"format": name}:
                return _OF_FORMAT[name]
            case {"prefixItems": parts}:
                return tuple[tuple(self._type(part) for part in parts)]  # type: ignore[misc]
            case {"type": "array"}:
                container: Any = set if schema.get("uniqueItems") else list
                return _constrained(container[self._type(schema["items"])], schema)
            case {"type": "object"}:
                values = schema.get("additionalProperties")
                return dict[str, self._type(values) if values else Any]  # type: ignore[misc]
            case {"type": name}:
                return _constrained(_PLAIN[name], schema)
        return Any


def _constrained(kind: Any, schema: Mapping[str, Any]) -> Any:
    bounds = {_CONSTRAINTS[key]: value for key, value in schema.items() if key in _CONSTRAINTS}
    return Annotated[kind, Field(**bounds)] if bounds else kind


def _enumeration(name: str, schema: Mapping[str, Any]) -> type[enum.Enum]:
    members = [*zip(schema["members"], schema["enum"], strict=True)]
    bases = {"string": enum.StrEnum, "integer": enum.IntEnum}
    base: Any = bases.get(_schemas.enum_type(schema) or "", enum.Enum)
    made = cast("type[enum.Enum]", base(name, members, module=__name__))
    made.__doc__ = schema.get("description")
    return made


def _or_schema_error(name: str, make: Callable[[], T]) -> T:
    try:
        return make()
    except Exception as error:  # pydantic raises of every kind; the schema is the cause
        raise SchemaError(f"{name}: no class can be made of it ({error})") from error
