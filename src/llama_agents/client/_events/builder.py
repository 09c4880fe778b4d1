"""Event classes built at run time from the server's JSON schemas.

Nothing that the server sends is executed: classes are made with `pydantic.create_model` and `enum`.
No library does this well enough: json-schema-to-pydantic 0.5 lacks enumerations, typed dicts,
tuples and durations, builds a nested model anew for each event, and sends null for defaults that
only the server knows; datamodel-code-generator would execute source generated from a response.
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

from .._lazy_types import Event, WorkflowGraph
from ..errors import EventValidationError
from ..protocol.serializable_events import EventEnvelope, is_envelope
from .class_plan import EVENT, EventCatalog, EventPlan, plan_classes
from .schema import (
    EventDeclaration,
    SchemaError,
    declared_events,
    enum_type,
    field_names,
    is_class_name,
    is_enum,
    is_server_default,
    ref_name,
)

T = TypeVar("T")

MODULE: Final = "llama_agents.client.typed"  # where built classes say they are from
_PLAIN_TYPES: Final[Mapping[str, Any]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": float,
    "null": type(None),
}
_FORMAT_TYPES: Final[Mapping[str, Any]] = {
    "date-time": datetime.datetime,
    "date": datetime.date,
    "time": datetime.time,
    "duration": datetime.timedelta,
    "uuid": uuid.UUID,
    "binary": bytes,
}
_FIELD_OPTIONS: Final = {
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
    """Base of classes that leave unset defaults to the server.

    A field whose default is None is omitted while it is None: the schema has no default for it, so
    only the server knows the value. Fields are written under their aliases.
    """

    model_config = ConfigDict(populate_by_name=True)

    @model_serializer(mode="wrap")
    def custom_model_dump(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Serialize the model.

        The name is that of the framework's own event serializer, so that this one overrides it; an
        event's dynamic fields are then written by calling it.
        """
        inherited = getattr(super(), "custom_model_dump", None)
        fields: dict[str, Any] = handler(self) if inherited is None else inherited(handler)
        for name, field in type(self).model_fields.items():
            if name in fields:
                value = fields.pop(name)
                if value is not None or field.is_required() or field.default is not None:
                    fields[field.alias or name] = value
        return fields


class _OpenModel(SparseModel):
    model_config = ConfigDict(extra="allow")


class _ClosedModel(SparseModel):
    model_config = ConfigDict(extra="forbid")


# By the schema's additionalProperties.
_NESTED_BASES: Final[Mapping[bool | None, type[SparseModel]]] = {
    None: SparseModel,
    True: _OpenModel,
    False: _ClosedModel,
}


class EventTypes(Sequence["type[Event]"]):
    """The event classes of a workflow, in the server's order.

    Pass it to ``load_event`` as the registry, or look a class up by its name: ``types["Name"]``
    raises KeyError for an unknown one.

    Example:
        Load the events of a run:

            types = await client.get_event_types("index")
            async for envelope in client.get_workflow_events(handler_id):
                event = envelope.load_event(types)
                if isinstance(event, types["DocumentIndexed"]):
                    print(event.number)
    """

    def __init__(self, catalog: EventCatalog) -> None:
        self._catalog = catalog
        self._by_name = _build_classes(catalog)

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
            raise KeyError(f"no event {index!r}; the workflow has {', '.join(self._by_name)}")
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
        return self._catalog.names


def catalog_of(types: EventTypes) -> EventCatalog:
    """Return the catalog that the classes were built from."""
    return types._catalog


def declared_in(graph: WorkflowGraph, listed: Sequence[EventDeclaration]) -> list[EventDeclaration]:
    """Read the events of a workflow's graph, and those that are only listed.

    Args:
        graph: The graph, which has the class names and the superclasses.
        listed: All events by their schemas, also those that are in no step's signature.

    Raises:
        SchemaError: An event node of the graph is malformed.
    """
    from workflows.representation import WorkflowEventNode

    by_title = {event.name: event.schema for event in listed}
    declarations = []
    for node in graph.nodes:
        if isinstance(node, WorkflowEventNode):
            name = node.event_type
            schema = node.event_schema or by_title.get(name, {"title": name})
            ancestors = tuple(other for other in node.event_types if other != name)
            declarations.append(EventDeclaration(name, ancestors, schema))
        elif node.node_type == "event":
            raise SchemaError(f"{node.id}: malformed event node")
    known = [event.schema for event in declarations]
    return [*declarations, *(event for event in listed if event.schema not in known)]


def event_types(declarations: Iterable[EventDeclaration]) -> EventTypes:
    """Build the classes of a workflow's events.

    Raises:
        SchemaError: A schema is invalid, or the declarations contradict each other.
    """
    return EventTypes(_plan(declarations))


def check_start(
    schema: Mapping[str, Any], encodings: Sequence[Mapping[str, Any]], workflow_name: str
) -> None:
    """Validate a start event against the workflow's schema, as the server will.

    The event is valid if one of its encodings is. An envelope of a class other than the schema's is
    not checked: only the server knows which classes it accepts as the workflow's own.

    Args:
        schema: The schema of the workflow's start event.
        encodings: The ways to encode the event, in the order in which they would be sent.
        workflow_name: The workflow, for the error message.

    Raises:
        EventValidationError: No encoding is valid; it has the reason of the first.
        SchemaError: The schema is invalid.
    """
    (declaration,) = declared_events([schema])
    name = declaration.name if is_class_name(declaration.name) else "Start"
    catalog = _plan([EventDeclaration(name, ("StartEvent",), schema)])
    event_class = _build_classes(catalog, exact=True)[name]
    first_error: EventValidationError | None = None
    for encoding in encodings:
        if is_envelope(encoding) and encoding.get("type") != name:
            continue
        try:
            EventEnvelope.parse(dict(encoding), {name: event_class}, event_class)
        except EventValidationError as error:
            first_error = first_error or error
        else:
            return
    if first_error is not None:
        raise EventValidationError(
            f"start event of workflow {workflow_name!r} is not a valid {name}: "
            f"{_reason(first_error)}"
        ) from first_error


def _reason(error: EventValidationError) -> str:
    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return str(error)
    problems = cause.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'the event'}: {problem['msg']}"
        for problem in problems
    )


# ---------------------------------------------------------------------------- classes


def _plan(declarations: Iterable[EventDeclaration]) -> EventCatalog:
    from ..protocol.event_classes import FRAMEWORK, superclass_names

    return plan_classes(
        declarations,
        {name: superclass_names(cls) or () for name, cls in FRAMEWORK.items()},
        lambda name: frozenset(FRAMEWORK[name].model_fields) if name in FRAMEWORK else frozenset(),
    )


def _build_classes(catalog: EventCatalog, *, exact: bool = False) -> dict[str, type[Event]]:
    """Build all classes of a catalog.

    Args:
        catalog: The events.
        exact: Whether None is rejected for an optional field that the schema does not let be null.
    """
    from workflows import events

    from ..protocol.event_classes import FRAMEWORK

    builder = _ClassBuilder(catalog, exact)
    classes: dict[str, type[Event]] = {**FRAMEWORK, EVENT: events.Event}
    with warnings.catch_warnings():
        # A field that shadows a method of Event: the server's own class does too.
        warnings.filterwarnings("ignore", "Field ", UserWarning)
        for plan in catalog.events:
            classes[plan.name] = builder.event(plan, [classes[base] for base in plan.bases])
        builder.complete([classes[plan.name] for plan in catalog.events])
    return {name: classes[name] for name in catalog.names}


class _ClassBuilder:
    """Builds classes; one that is not built yet is referred to by name until `complete`."""

    def __init__(self, catalog: EventCatalog, exact: bool) -> None:
        self._exact = exact
        self._classes: dict[str, type] = {}
        for name, model in catalog.models.items():
            if is_enum(model):
                self._classes[name] = _build_enum(name, model)
        for name, model in catalog.models.items():
            if name not in self._classes:
                self._classes[name] = self._nested(model)

    def complete(self, events: Sequence[type[BaseModel]]) -> None:
        """Resolve the names of classes in annotations."""
        self._classes |= {event.__name__: event for event in events}
        for cls in self._classes.values():
            if issubclass(cls, BaseModel):
                rebuild = functools.partial(cls.model_rebuild, _types_namespace=self._classes)
                _wrap_errors(cls.__name__, rebuild)

    def event(self, plan: EventPlan, bases: Sequence[type[Event]]) -> type[Event]:
        """Build an event class."""
        fields = {name: self._field(name, plan.schema) for name in plan.own_fields}
        sparse = any(is_server_default(name, plan.schema) for name in fields)
        if sparse and not any(issubclass(base, SparseModel) for base in bases):
            bases = [cast("type[Event]", SparseModel), *bases]
        return cast("type[Event]", self._class(plan.schema, bases, fields))

    def _nested(self, model: Mapping[str, Any]) -> type[BaseModel]:
        fields: dict[str, Any] = {}
        for name, field_name in field_names(model["properties"]).items():
            alias = None if field_name == name else name
            fields[field_name] = self._field(name, model, alias)
        return self._class(model, [_NESTED_BASES[model.get("additionalProperties")]], fields)

    def _class(
        self, model: Mapping[str, Any], bases: Sequence[type[BaseModel]], fields: dict[str, Any]
    ) -> type[BaseModel]:
        name = model["title"]
        create: Callable[..., type[BaseModel]] = functools.partial(
            create_model,
            name,
            __base__=tuple(bases),
            __module__=MODULE,
            __doc__=model.get("description"),
        )
        return _wrap_errors(name, lambda: create(**fields))

    def _field(
        self, name: str, model: Mapping[str, Any], alias: str | None = None
    ) -> tuple[Any, Any]:
        field = model["properties"][name]
        annotation = self._type(field)
        options: dict[str, Any] = {"alias": alias, "description": field.get("description")}
        if "default" in field:
            return annotation, Field(field["default"], validate_default=True, **options)
        if name in model["required"]:
            return annotation, Field(**options)
        return (annotation if self._exact else annotation | None), Field(None, **options)

    def _type(self, schema: Mapping[str, Any]) -> Any:
        match schema:
            case {"$ref": ref}:
                name = ref_name(ref)
                return self._classes.get(name) or ForwardRef(name)
            case {"anyOf": members}:
                return functools.reduce(operator.or_, map(self._type, members))
            case {"enum": values}:
                return Literal[tuple(values)]
            case {"format": name}:
                return _FORMAT_TYPES[name]
            case {"prefixItems": items}:
                return tuple[tuple(self._type(item) for item in items)]  # type: ignore[misc]
            case {"type": "array"}:
                container: Any = set if schema.get("uniqueItems") else list
                return _constrained(container[self._type(schema["items"])], schema)
            case {"type": "object"}:
                values = schema.get("additionalProperties")
                return dict[str, self._type(values) if values else Any]  # type: ignore[misc]
            case {"type": name}:
                return _constrained(_PLAIN_TYPES[name], schema)
        return Any


def _constrained(annotation: Any, schema: Mapping[str, Any]) -> Any:
    options = {_FIELD_OPTIONS[key]: value for key, value in schema.items() if key in _FIELD_OPTIONS}
    return Annotated[annotation, Field(**options)] if options else annotation


def _build_enum(name: str, model: Mapping[str, Any]) -> type[enum.Enum]:
    members = [*zip(model["members"], model["enum"], strict=True)]
    bases = {"string": enum.StrEnum, "integer": enum.IntEnum}
    base: Any = bases.get(enum_type(model) or "", enum.Enum)
    built = cast("type[enum.Enum]", base(name, members, module=MODULE))
    built.__doc__ = model.get("description")
    return built


def _wrap_errors(name: str, build: Callable[[], T]) -> T:
    try:
        return build()
    except Exception as error:  # pydantic raises errors of many classes; the schema is the cause
        raise SchemaError(f"{name}: no class can be built from its schema ({error})") from error
