"""Event classes built at run time from the server's JSON schemas.

Nothing that the server sends is executed: classes are made with `pydantic.create_model` and `enum`.
No library does this well enough: json-schema-to-pydantic 0.5 lacks enumerations, typed dicts,
tuples and durations, builds a nested model anew for each event, and sends null for defaults that
only the server knows.
"""

from __future__ import annotations

import contextlib
import datetime
import enum
import functools
import itertools
import logging
import operator
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import (
    Annotated,
    Any,
    Final,
    ForwardRef,
    Literal,
    SupportsIndex,
    cast,
    overload,
)

from pydantic import BaseModel, Field, ValidationError, WrapValidator, create_model

from .._lazy_types import Event, WorkflowGraph
from ..errors import EventValidationError
from ..protocol.serializable_events import EventEnvelope, is_envelope
from .checked import checked_type, skip_unknown, tagged
from .class_plan import EVENT, EventCatalog, EventPlan, plan_classes
from .models import ClosedModel, NestedModel, OpenModel, SparseModel, invalid_defaults
from .names import field_names
from .normalized import enum_type, is_enum, is_flag, may_be_flag, ref_name
from .schema import EventDeclaration, SchemaError, start_declaration

logger: Final = logging.getLogger("llama_agents.client.types")
logger.addHandler(logging.NullHandler())  # silent until a program configures logging

MAX_ATTEMPTS: Final = 3  # after which an event is omitted with its superclass
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
    "minProperties": "min_length",
    "maxProperties": "max_length",
    "pattern": "pattern",
}


# By the schema's additionalProperties.
_NESTED_BASES: Final[Mapping[bool | None, type[NestedModel]]] = {
    None: NestedModel,
    True: OpenModel,
    False: ClosedModel,
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

    def __init__(self, catalog: EventCatalog, classes: Mapping[str, type[Event]]) -> None:
        self._catalog = catalog
        self._by_name = classes

    @overload
    def __getitem__(self, index: str | SupportsIndex) -> type[Event]: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[type[Event], ...]: ...

    def __getitem__(
        self, index: str | SupportsIndex | slice
    ) -> type[Event] | tuple[type[Event], ...]:
        if not isinstance(index, str):
            return tuple(self._by_name.values())[index]
        if index in self.omitted:
            raise KeyError(f"no class for the event {index!r}: {self.omitted[index]}")
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

    @property
    def omitted(self) -> Mapping[str, str]:
        """The names of the events for which no class can be built, each with the reason."""
        return self._catalog.omitted


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

    An event for which no class can be built is omitted.

    Raises:
        SchemaError: There are events, but none for which a class can be built.
    """
    declared = [*declarations]
    omitted: dict[str, str] = {}
    for attempt in itertools.count(1):
        catalog = _plan(declared, omitted)
        omitted = {**catalog.omitted}
        if omitted and not catalog.names:
            raise SchemaError("; ".join(omitted.values()))
        try:
            types = EventTypes(*_build(catalog))
        except UnbuildableError as error:
            # The others are planned anew: without these, they have other superclasses. That may
            # fail in turn, and each attempt costs as much as the first.
            failed = error.reasons | (error.derived if attempt > MAX_ATTEMPTS else {})
            omitted |= catalog.events_with(failed)
        else:
            for name in omitted:
                logger.warning("no class for the event %r: see EventTypes.omitted", name)
            return types
    raise AssertionError


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
    check = EventCheck(start_declaration(schema))
    try:
        check.check(encodings)
    except EventValidationError as error:
        raise EventValidationError(
            f"start event of workflow {workflow_name!r} is not a valid {check.name}: {error}"
        ) from error.__cause__


class EventCheck:
    """Validates events of one class before they are sent, as the server will.

    Args:
        declaration: The class, as the server declares it.

    Attributes:
        name: The name of the class.

    Raises:
        SchemaError: Its schema is invalid.
    """

    def __init__(self, declaration: EventDeclaration) -> None:
        self.name = declaration.name
        catalog = _plan([declaration], {})
        if self.name in catalog.omitted:
            raise SchemaError(catalog.omitted[self.name])
        self._class = _build(catalog, check=True)[1][self.name]

    def check(self, encodings: Sequence[Mapping[str, Any]]) -> None:
        """Validate an event.

        Args:
            encodings: The ways to encode it, in the order in which they would be sent; one that is
                valid is enough. An envelope of another class is not checked.

        Raises:
            EventValidationError: No encoding is valid; it has the reason of the first.
        """
        first_error: EventValidationError | None = None
        for encoding in encodings:
            if is_envelope(encoding) and encoding.get("type") != self.name:
                continue
            try:
                EventEnvelope.parse(dict(encoding), {self.name: self._class}, self._class)
            except EventValidationError as error:
                first_error = first_error or error
            else:
                return
        if first_error is not None:
            raise EventValidationError(_reason(first_error)) from first_error


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


def _plan(declarations: Iterable[EventDeclaration], omitted: Mapping[str, str]) -> EventCatalog:
    from ..protocol.event_classes import FRAMEWORK, superclass_names

    return plan_classes(
        declarations,
        {name: superclass_names(cls) or () for name, cls in FRAMEWORK.items()},
        lambda name: frozenset(FRAMEWORK[name].model_fields) if name in FRAMEWORK else frozenset(),
        omitted,
    )


def _build(
    catalog: EventCatalog, *, check: bool = False
) -> tuple[EventCatalog, dict[str, type[Event]]]:
    """Build all classes of a catalog.

    Args:
        catalog: The events.
        check: Whether the classes only check what is about to be sent.

    Returns:
        The catalog, in which the defaults that are not values of their types are marked, and the
        classes of its events by name.
    """
    classes = _build_classes(catalog, check)
    invalid: dict[str, frozenset[str]] = {}
    failures: dict[str, str] = {}
    for name, cls in classes.items():
        if issubclass(cls, SparseModel | NestedModel):
            with _noting(name, failures):
                invalid[name] = invalid_defaults(cls)
    if failures:
        raise UnbuildableError(failures, {})
    if any(invalid.values()):
        catalog = catalog.with_invalid_defaults(invalid)
        classes = _build_classes(catalog, check)
    return catalog, {name: cast("type[Event]", classes[name]) for name in catalog.names}


def _build_classes(catalog: EventCatalog, check: bool) -> dict[str, type]:
    from workflows import events

    from ..protocol.event_classes import FRAMEWORK

    classes: dict[str, type[Event]] = {**FRAMEWORK, EVENT: events.Event}
    with warnings.catch_warnings():
        # A field that shadows a method of a model: the server's own class does too.
        warnings.filterwarnings("ignore", "Field ", UserWarning)
        builder = _ClassBuilder(catalog, check)
        derived: dict[str, str] = {}
        for plan in catalog.events:
            missing = [base for base in plan.bases if base not in classes]
            if missing:
                derived[plan.name] = f"{plan.name}: derives from {missing[0]}, which has no class"
                continue
            with builder.attempt(plan.name):
                classes[plan.name] = builder.event(plan, [classes[base] for base in plan.bases])
        own = [classes[plan.name] for plan in catalog.events if plan.name in classes]
        built = {} if builder.failures else builder.complete(own)
    if builder.failures:
        raise UnbuildableError(builder.failures, derived)
    return {**classes, **built}


class UnbuildableError(SchemaError):
    """Some classes cannot be built.

    Attributes:
        reasons: The reason of each of them, by its name.
        derived: The same of the events that derive from these, which were not tried.
    """

    def __init__(self, reasons: Mapping[str, str], derived: Mapping[str, str]) -> None:
        super().__init__("; ".join(reasons.values()))
        self.reasons = {**reasons}
        self.derived = {**derived}


class _ClassBuilder:
    """Builds classes; one that is not built yet is referred to by name until `complete`.

    Attributes:
        failures: The classes that cannot be built, each with the reason.
    """

    def __init__(self, catalog: EventCatalog, check: bool) -> None:
        self.failures: dict[str, str] = {}
        self._check = check
        self._models = catalog.models
        self._classes: dict[str, type] = {}
        for name, model in catalog.models.items():
            if is_enum(model):
                with self.attempt(name):
                    self._classes[name] = _build_enum(name, model)
        for name, model in catalog.models.items():
            if not is_enum(model):
                with self.attempt(name):
                    self._classes[name] = self._nested(model)

    def attempt(self, class_name: str) -> AbstractContextManager[None]:
        """Note that a class cannot be built."""
        return _noting(class_name, self.failures)

    def complete(self, events: Sequence[type[BaseModel]]) -> dict[str, type]:
        """Resolve the names of classes in annotations; return all classes that were built."""
        self._classes |= {event.__name__: event for event in events}
        namespace = {_forward_name(name): cls for name, cls in self._classes.items()}
        for name, cls in self._classes.items():
            if issubclass(cls, BaseModel):
                with self.attempt(name):
                    cls.model_rebuild(_types_namespace=namespace)
        return self._classes

    def event(self, plan: EventPlan, bases: Sequence[type[Event]]) -> type[Event]:
        """Build an event class."""
        if plan.own_fields and not any(issubclass(base, SparseModel) for base in bases):
            bases = [cast("type[Event]", SparseModel), *bases]
        return cast("type[Event]", self._class(plan.schema, bases, plan.own_fields))

    def _nested(self, model: Mapping[str, Any]) -> type[BaseModel]:
        bases = [_NESTED_BASES[model.get("additionalProperties")]]
        return self._class(model, bases, model["properties"])

    def _class(
        self, model: Mapping[str, Any], bases: Sequence[type], properties: Iterable[str]
    ) -> type[BaseModel]:
        create: Callable[..., type[BaseModel]] = create_model
        names = field_names(model["properties"])
        built = create(
            model["title"],
            __base__=tuple(bases),
            __module__=MODULE,
            __doc__=model.get("description"),
            **{names[key]: self._field(key, model, names[key]) for key in properties},
        )
        built._is_lenient = self._check  # type: ignore[attr-defined]
        return built

    def _field(self, key: str, model: Mapping[str, Any], name: str) -> tuple[Any, Any]:
        field = model["properties"][key]
        annotation: Any = self._type(field)
        if self._check:
            annotation = Annotated[annotation, WrapValidator(skip_unknown)]
        alias = None if key == name else key
        options: dict[str, Any] = {"alias": alias, "description": field.get("description")}
        if "default" in field:
            is_valid = "x-invalid-default" not in field
            return annotation, Field(field["default"], validate_default=is_valid, **options)
        if key in model["required"]:
            return annotation, Field(**options)
        return (annotation if self._check else annotation | None), Field(None, **options)

    def _type(self, schema: Mapping[str, Any]) -> Any:
        annotation = self._built_type(schema)
        if not self._check:
            return annotation
        if "x-tag" in schema:
            models = [self._models.get(ref_name(one["$ref"]), {}) for one in schema["anyOf"]]
            known = frozenset(name for model in models for name in model.get("properties", ()))
            return tagged(annotation, schema["x-tag"], known)
        if "$ref" in schema:
            model = self._models.get(ref_name(schema["$ref"]), {})
            return annotation | int if is_enum(model) and may_be_flag(model) else annotation
        return checked_type(schema, annotation)

    def _built_type(self, schema: Mapping[str, Any]) -> Any:
        match schema:
            case {"$ref": ref}:
                name = ref_name(ref)
                return self._classes.get(name) or ForwardRef(_forward_name(name))
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
                keys, values = schema.get("propertyNames"), schema.get("additionalProperties")
                of_keys = self._type(keys) if keys else str
                of_values = self._type(values) if values else Any
                return _constrained(dict[of_keys, of_values], schema)  # type: ignore[valid-type]
            case {"type": name}:
                return _constrained(_PLAIN_TYPES[name], schema)
        return Any


@contextlib.contextmanager
def _noting(class_name: str, failures: dict[str, str]) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # pydantic raises errors of many classes; the schema is at fault
        reason = f"{class_name}: no class can be built from its schema ({error})"
        failures[class_name] = reason


def _forward_name(name: str) -> str:
    """Return a name for a class in annotations which no field can have, and so hide it."""
    return f"_class_{name}"


def _constrained(annotation: Any, schema: Mapping[str, Any]) -> Any:
    options = {_FIELD_OPTIONS[key]: value for key, value in schema.items() if key in _FIELD_OPTIONS}
    return Annotated[annotation, Field(**options)] if options else annotation


def _build_enum(name: str, model: Mapping[str, Any]) -> type[enum.Enum]:
    members = [*zip(model["members"], model["enum"], strict=True)]
    bases = {"string": enum.StrEnum, "integer": enum.IntFlag if is_flag(model) else enum.IntEnum}
    values = enum_type(model)
    base: Any = bases.get(values or "", enum.Enum)
    mixin = float if values == "number" else None
    built = cast("type[enum.Enum]", base(name, members, module=MODULE, type=mixin))
    built.__doc__ = model.get("description")
    return built
