"""Event envelopes: how an event travels, and how it becomes a typed event again.

The server writes `EventEnvelopeWithMetadata` and reads `EventEnvelope`; it runs on this module.
The framework, which is slow to import, is imported when the first event is made or loaded.
"""

from __future__ import annotations

import builtins
import functools
import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, GetCoreSchemaHandler, model_validator
from pydantic_core import core_schema

from .._lazy_types import Event, JsonSerializer
from ..errors import EventValidationError

if TYPE_CHECKING:
    from .event_classes import FRAMEWORK_EVENT_TYPES

__all__ = [
    "FRAMEWORK_EVENT_TYPES",
    "EventEnvelope",
    "EventEnvelopeWithMetadata",
    "EventValidationError",
    "ResultEnvelope",
]


if not TYPE_CHECKING:  # it would hide misspelled names from a type checker

    def __getattr__(name: str) -> Any:
        if name == "FRAMEWORK_EVENT_TYPES":
            from .event_classes import FRAMEWORK_EVENT_TYPES

            return FRAMEWORK_EVENT_TYPES
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@functools.cache
def _loader() -> Callable[..., Event]:
    from .event_classes import load

    return load


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
            serialization=core_schema.wrap_serializer_function_ser_schema(
                lambda value, write: write(_unwrap(value)), schema=schema
            ),
        )

    def __eq__(self, other: object) -> bool:
        return super().__eq__(_unwrap(other))

    @property
    def is_terminal(self) -> bool:
        """Whether this is a run's last event: a stop event, by its type or its superclasses."""
        types = self.types
        return self.type == "StopEvent" or (types is not None and "StopEvent" in types)

    @classmethod
    def from_event(
        cls, event: Event, include_qualified_name: bool = True
    ) -> EventEnvelopeWithMetadata:
        """Wrap an event.

        Args:
            event: The event.
            include_qualified_name: Whether to name the module of its class too.
        """
        from .event_classes import qualified_names, superclass_names

        event_class = builtins.type(event)
        return cls(
            value=event.model_dump(mode="json"),
            qualified_name=qualified_names(event_class)[0] if include_qualified_name else None,
            type=event_class.__name__,
            types=superclass_names(event_class),
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
            load = _loader()
            return load(self.type, self.qualified_name, self.value, tuple(registry), allow_import)
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
        return core_schema.no_info_after_validator_function(cls, handler(EventEnvelopeWithMetadata))


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
        from .event_classes import declared_class, strict_decoder, validate

        known = dict(registry or {})
        data = _from_json_text(client_data)
        if not isinstance(data, dict):
            raise EventValidationError("An event must be a JSON object, or JSON text of one")
        if explicit_event is not None and _is_bare(data):
            known.setdefault(explicit_event.__name__, explicit_event)
            data = {"type": explicit_event.__name__, "value": data}
        try:
            decoder = serializer or strict_decoder(tuple(known.values()))
            envelope = cls.model_validate(data)
            event_class = declared_class(envelope.type, envelope.qualified_name, known, decoder)
            return validate(event_class, envelope.value, decoder)
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
