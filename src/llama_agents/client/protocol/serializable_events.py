"""Event envelopes: how an event travels, and how it becomes a typed event again.

The server writes `EventEnvelopeWithMetadata` and reads `EventEnvelope`; it runs on this module.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import importlib.util
import json
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any, Final

import attrs
from pydantic import BaseModel, GetCoreSchemaHandler, model_validator
from pydantic_core import core_schema
from workflows import events as framework
from workflows.context.serializers import JsonSerializer
from workflows.events import (
    Event,
    HumanResponseEvent,
    InputRequiredEvent,
    StartEvent,
    StopEvent,
)

from ..errors import EventValidationError

__all__ = [
    "FRAMEWORK_EVENT_TYPES",
    "EventEnvelope",
    "EventEnvelopeWithMetadata",
    "EventValidationError",
    "ResultEnvelope",
]

FRAMEWORK_EVENT_TYPES: Final = (StartEvent, StopEvent, InputRequiredEvent, HumanResponseEvent)

_FRAMEWORK: Final[Mapping[str, type[Event]]] = {
    name: cls
    for name, cls in vars(framework).items()
    if isinstance(cls, type) and issubclass(cls, Event) and cls.__module__ == framework.__name__
}


def _unwrap(value: Any) -> Any:
    return value.envelope if type(value) is ResultEnvelope else value


class EventEnvelopeWithMetadata(BaseModel):
    """An event as the server writes it: its fields and what class they belong to.

    Attributes:
        value: The event's fields in JSON form; dynamic fields stand under ``_data``, a plain stop
            event's result under ``result``.
        qualified_name: Module and class name, or None when the server was asked to leave it out.
        type: The class name.
        types: The names of the superclasses that are events, nearest first, or None.
    """

    value: dict[str, Any]
    qualified_name: str | None = None
    type: str
    types: list[str] | None = None

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        schema = handler(source)
        return core_schema.json_or_python_schema(
            json_schema=schema,
            python_schema=core_schema.no_info_before_validator_function(_unwrap, schema),
        )

    def __eq__(self, other: object) -> bool:
        return super().__eq__(_unwrap(other))

    @property
    def is_terminal(self) -> bool:
        """Whether this is a run's last event: a stop event, by its type or its superclasses."""
        return self.type == "StopEvent" or "StopEvent" in (self.types or ())

    @classmethod
    def from_event(
        cls, event: Event, include_qualified_name: bool = True
    ) -> EventEnvelopeWithMetadata:
        """Wrap an event.

        Args:
            event: The event.
            include_qualified_name: Whether to name the module of its class too.
        """
        event_class = builtins.type(event)
        return cls(
            value=event.model_dump(mode="json"),
            qualified_name=_qualified_names(event_class)[0] if include_qualified_name else None,
            type=event_class.__name__,
            types=_superclass_names(event_class),
        )

    def load_event(
        self,
        registry: Iterable[builtins.type[Event]] = (),
        serializer: JsonSerializer | None = None,
        *,
        allow_import: bool = True,
    ) -> Event:
        """Turn the envelope back into its typed event.

        The class is looked for in the registry by its qualified name, then by its class name; among
        the framework's own events; and, where no registry is given, in the module of the qualified
        name. The standard library is never imported, and names inside the event (the type of an
        exception, a nested event) never import anything.

        Args:
            registry: Event classes to choose from. With a registry nothing else is loaded (but the
                framework's events), and nothing is imported.
            serializer: Resolves qualified and nested names in place of the rules above.
            allow_import: Whether a module that is not loaded yet may be imported to find the class.
                Defaults to True; set it to False for envelopes of a server you do not trust.

        Returns:
            The event, an instance of its own class.

        Raises:
            EventValidationError: The class is not found, is ambiguous or is no event, or the fields
                do not fit it.
        """
        try:
            if serializer is not None:
                return self._load_with(serializer, registry)
            classes = _registered(tuple(registry))
            event_class = classes.find(self) or _find_framework_event(self)
            if event_class is None and not classes.by_qualified_name:
                event_class = _find_by_name(self.qualified_name, allow_import)
            if event_class is None:
                raise EventValidationError(
                    f"Event {self.qualified_name or self.type!r} is none of those allowed here: "
                    f"{classes.names or 'no registry was given, and it has no qualified name'}"
                )
            return _validate(event_class, self.value, classes.decoder)
        except EventValidationError:
            raise
        except (Exception, SystemExit) as error:  # an imported module or a model may do anything
            raise EventValidationError(
                f"Event {self.qualified_name or self.type!r} cannot be loaded: {error}"
            ) from error

    def _load_with(
        self, serializer: JsonSerializer, registry: Iterable[builtins.type[Event]]
    ) -> Event:
        return EventEnvelope.parse(
            {"value": self.value, "type": self.type, "qualified_name": self.qualified_name},
            registry={cls.__name__: cls for cls in registry},
            serializer=serializer,
        )


class ResultEnvelope(dict[str, Any]):
    """The result of a run: the stop event's fields as a dict, and at the same time its envelope.

    ``OutEvent.model_validate(handler.result)`` reads the fields; ``.type``, ``.types``,
    ``.qualified_name``, ``.value``, ``.load_event()`` and the methods of a pydantic model are those
    of the envelope. It is always true, as a model is, also for a stop event without fields.

    Attributes:
        envelope: The envelope alone.
    """

    # isinstance(result, EventEnvelopeWithMetadata) holds, as it always did. Pydantic supports no
    # registered subclasses: it asks for this attribute first, then Python for __class__.
    __pydantic_decorators__ = EventEnvelopeWithMetadata.__pydantic_decorators__
    __class__ = property(lambda self: EventEnvelopeWithMetadata)  # pyright: ignore[reportIncompatibleMethodOverride]

    def __init__(self, envelope: EventEnvelopeWithMetadata) -> None:
        super().__init__(envelope.value)
        self.envelope = envelope

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "envelope":
            raise AttributeError(name)
        return getattr(self.envelope, name)

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        if isinstance(other, EventEnvelopeWithMetadata):
            return self.envelope == other
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # as dict

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.envelope,)

    def __repr__(self) -> str:
        return repr(self.envelope)

    def __str__(self) -> str:
        return str(self.envelope)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        envelope = handler(EventEnvelopeWithMetadata)
        return core_schema.no_info_after_validator_function(
            cls,
            envelope,
            serialization=core_schema.plain_serializer_function_ser_schema(
                _unwrap, return_schema=envelope
            ),
        )


class EventEnvelope(BaseModel):
    """An event as clients write it; the server knows the classes of its workflows.

    Attributes:
        value: The event's fields in JSON form. The key ``data`` of older clients is read too.
        type: The class name, as declared by the workflow.
        qualified_name: Module and class name, from older clients.
    """

    value: Any | None
    type: str | None = None
    qualified_name: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _accept_older_forms(cls, data: Any) -> Any:
        data = _from_json_text(data)
        if isinstance(data, dict) and "value" not in data and "data" in data:
            return {**data, "value": data["data"]}
        return data

    @classmethod
    def from_event(cls, event: Event) -> EventEnvelope:
        """Wrap an event to be sent."""
        return cls(value=event.model_dump(mode="json"), type=builtins.type(event).__name__)

    @classmethod
    def parse(
        cls,
        client_data: dict[str, Any] | str,
        registry: dict[str, builtins.type[Event]] | None = None,
        explicit_event: builtins.type[Event] | None = None,
        serializer: JsonSerializer | None = None,
    ) -> Event:
        """Turn what a client sent into an event; this is how the server reads.

        Without a serializer only the classes of the registry (and the framework's) are resolved,
        and nothing is imported.

        Args:
            client_data: An envelope, or with ``explicit_event`` an object of bare fields; as a dict
                or as JSON text.
            registry: The classes that may be sent, by class name.
            explicit_event: The class that bare fields belong to.
            serializer: Resolves qualified and nested names.

        Raises:
            EventValidationError: The data is no event of the registry.
        """
        known = dict(registry or {})
        data = _from_json_text(client_data)
        if not isinstance(data, dict):
            raise EventValidationError("An event must be a JSON object, or JSON text of one")
        if explicit_event is not None and _is_bare(data):
            known.setdefault(explicit_event.__name__, explicit_event)
            data = {"type": explicit_event.__name__, "value": data}
        try:
            decoder = serializer or _registered(tuple(known.values())).decoder
            envelope = cls.model_validate(data)
            event_class = _declared_class(envelope, known, decoder)
            return _validate(event_class, envelope.value, decoder)
        except EventValidationError:
            raise
        except Exception as error:
            raise EventValidationError(f"Failed to deserialize event: {error}") from error


def _from_json_text(data: Any) -> Any:
    if not isinstance(data, str):
        return data
    try:
        return json.loads(data)
    except ValueError:
        return data


def _is_bare(data: dict[str, Any]) -> bool:
    """Whether an object is bare fields, and no envelope."""
    return "value" not in data and not ("type" in data and "qualified_name" in data)


def _declared_class(
    envelope: EventEnvelope, known: Mapping[str, type[Event]], decoder: JsonSerializer
) -> type[Event]:
    if envelope.type and envelope.type in known:
        return known[envelope.type]
    if envelope.qualified_name:
        try:
            event_class = decoder.resolve_class(envelope.qualified_name)
        except ValueError as error:
            raise _undeclared(envelope.qualified_name) from error
        if not issubclass(event_class, Event):
            raise EventValidationError(f"{envelope.qualified_name} is not an Event subclass")
        if known and event_class not in known.values():
            raise _undeclared(envelope.qualified_name)
        return event_class
    if not envelope.type:
        raise EventValidationError("Invalid event: it must name its type or its qualified_name")
    expected = f"Expected one of {', '.join(known)}" if known else "No event types are registered"
    raise EventValidationError(f"Invalid event type: {envelope.type}. {expected}.")


def _undeclared(qualified_name: str) -> EventValidationError:
    return EventValidationError(
        f"Event type {qualified_name} is not declared by this workflow: "
        "name it in add_workflow(..., additional_events=[...])."
    )


def _validate(event_class: type[Event], value: Any, decoder: JsonSerializer) -> Event:
    context: AbstractContextManager[None] = decoder.validation_context()
    with context:
        return event_class.model_validate(value)


def _superclass_names(event_class: type[Event]) -> list[str] | None:
    ancestors = event_class.mro()[1:]
    below_event = ancestors[: ancestors.index(Event)] if Event in ancestors else []
    return [cls.__name__ for cls in below_event if issubclass(cls, Event)] or None


def _qualified_names(cls: type) -> tuple[str, str]:
    """The two ways in which a class is written: the server uses the first."""
    return f"{cls.__module__}.{cls.__name__}", f"{cls.__module__}.{cls.__qualname__}"


@attrs.frozen
class _Registered:
    """The classes of a registry, by name, and the decoder for names inside their events."""

    by_qualified_name: Mapping[str, type[Event]]
    by_name: Mapping[str, tuple[type[Event], ...]]
    decoder: JsonSerializer

    @property
    def names(self) -> str:
        return ", ".join(self.by_name)

    def find(self, envelope: EventEnvelopeWithMetadata) -> type[Event] | None:
        event_class = self.by_qualified_name.get(envelope.qualified_name or "")
        if event_class is not None:
            return event_class
        candidates = self.by_name.get(envelope.type, ())
        if len(candidates) > 1:
            raise EventValidationError(
                f"Event type {envelope.type!r} is ambiguous: the registry has "
                f"{' and '.join(_qualified_names(cls)[1] for cls in candidates)}, "
                f"and the envelope names {envelope.qualified_name or 'no module'}"
            )
        return candidates[0] if candidates else None


@functools.lru_cache(maxsize=128)
def _registered(registry: tuple[type[Event], ...]) -> _Registered:
    by_name: dict[str, tuple[type[Event], ...]] = {}
    for cls in dict.fromkeys(registry):
        if not (isinstance(cls, type) and issubclass(cls, Event)):
            raise EventValidationError(f"The registry holds {cls!r}, which is no Event class")
        by_name[cls.__name__] = (*by_name.get(cls.__name__, ()), cls)
    return _Registered(
        by_qualified_name={name: cls for cls in registry for name in _qualified_names(cls)},
        by_name=by_name,
        decoder=JsonSerializer(allowed_types=registry) if registry else _LoadedClasses(),
    )


class _LoadedClasses(JsonSerializer):
    """Resolves names inside an event among what is loaded already; imports nothing."""

    def __init__(self) -> None:
        super().__init__(allowed_types=())

    def resolve_class(self, qualified_name: str) -> type[Any]:
        try:
            return super().resolve_class(qualified_name)
        except ValueError:
            module_name, _, name = qualified_name.rpartition(".")
            cls = getattr(sys.modules.get(module_name), name, None)
            if isinstance(cls, type) and issubclass(cls, (Event, Exception)):
                return cls
            raise


def _find_framework_event(envelope: EventEnvelopeWithMetadata) -> type[Event] | None:
    name = envelope.qualified_name
    if name is None or name == f"{framework.__name__}.{envelope.type}":
        return _FRAMEWORK.get(envelope.type)
    return None


def _find_by_name(qualified_name: str | None, allow_import: bool) -> type[Event] | None:
    if qualified_name is None:
        return None
    module_name, _, name = qualified_name.rpartition(".")
    module = sys.modules.get(module_name)
    if module is None:
        if not allow_import:
            raise EventValidationError(
                f"Event {qualified_name!r} is in a module that is not loaded, and importing is off"
            )
        module = _import(module_name)
    event_class = getattr(module, name, None)
    if event_class is None:
        event_class = _only(_subclasses_named(module_name, name))
    if not (isinstance(event_class, type) and issubclass(event_class, Event)):
        raise EventValidationError(f"{qualified_name!r} is not an Event class")
    return event_class


def _import(module_name: str) -> ModuleType:
    if not all(part.isidentifier() for part in module_name.split(".")):
        raise EventValidationError(f"{module_name!r} is not the name of a module")
    top_level = module_name.partition(".")[0]
    if _is_standard_library(top_level):
        raise EventValidationError(f"{module_name!r} is in the standard library: not imported")
    return importlib.import_module(module_name)


def _is_standard_library(top_level: str) -> bool:
    if top_level in sys.stdlib_module_names:
        return True
    # Not all that ships with Python is in that list: CPython's own test package, frozen samples.
    spec = importlib.util.find_spec(top_level)
    origin = spec.origin if spec is not None else None
    if origin in ("frozen", "built-in"):
        return True
    paths = sysconfig.get_paths()
    installed = (paths["purelib"], paths["platlib"])
    return (
        origin is not None
        and origin.startswith((paths["stdlib"], paths["platstdlib"]))
        and not origin.startswith(installed)
    )


def _subclasses_named(module_name: str, name: str) -> Iterator[type[Event]]:
    """Event classes that are no attribute of their module: made in a function or a class."""
    pending: list[type[Event]] = [Event]
    seen: set[type[Event]] = set()
    while pending:
        cls = pending.pop()
        if cls in seen:
            continue
        seen.add(cls)
        pending += cls.__subclasses__()
        if cls.__name__ == name and cls.__module__ == module_name:
            yield cls


def _only(classes: Iterator[type[Event]]) -> type[Event] | None:
    found = list(classes)
    return found[0] if len(found) == 1 else None
