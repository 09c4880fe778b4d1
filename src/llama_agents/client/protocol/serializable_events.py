"""Event envelopes: how an event is sent, and how it becomes a typed event again.

The server, which runs on this module, writes `EventEnvelopeWithMetadata` and reads `EventEnvelope`.
The framework is slow to import, so it is imported only when an event is wrapped or loaded.
"""

from __future__ import annotations

import builtins
import functools
import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, GetCoreSchemaHandler, model_validator
from pydantic_core import core_schema

from .._lazy_types import Event, JsonSerializer
from ..errors import EventValidationError

if TYPE_CHECKING:
    from .event_classes import FRAMEWORK_EVENT_TYPES
    from .result_envelope import ResultEnvelope

__all__ = [
    "FRAMEWORK_EVENT_TYPES",
    "EventEnvelope",
    "EventEnvelopeWithMetadata",
    "EventValidationError",
    "ResultEnvelope",
]


if not TYPE_CHECKING:  # a module __getattr__ would hide misspelled names from a type checker

    def __getattr__(name: str) -> Any:
        if name == "FRAMEWORK_EVENT_TYPES":
            from .event_classes import FRAMEWORK_EVENT_TYPES

            return FRAMEWORK_EVENT_TYPES
        if name == "ResultEnvelope":
            from .result_envelope import ResultEnvelope

            return ResultEnvelope
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@functools.cache
def _loader() -> Callable[..., Event]:
    from .event_classes import load

    return load


def is_envelope(data: Mapping[str, Any]) -> bool:
    """Return whether an object is an envelope rather than an event's bare fields.

    The server decides so, and the client must decide alike: a bare event with a field named
    ``value`` would be misread.
    """
    return "value" in data or ("type" in data and "qualified_name" in data)


class EnvelopeHolder:
    """Base of a class whose instances stand for an envelope wherever one is accepted.

    Attributes:
        envelope: The envelope.
    """

    envelope: EventEnvelopeWithMetadata


def _unwrap(value: Any) -> Any:
    return value.envelope if isinstance(value, EnvelopeHolder) else value


class EventEnvelopeWithMetadata(BaseModel):
    """An event as the server writes it: its fields and the names of its class.

    Attributes:
        value: The event's fields as JSON values; dynamic fields are under ``_data``, the result of
            a plain stop event is under ``result``.
        qualified_name: Module and class name, or None when the server was asked to omit it.
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
        # A ResultEnvelope in a field of this class is validated and serialized as its envelope:
        # pydantic would otherwise reject it as not an instance, or write it as a dict.
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

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from .._display.bundles import event_bundle

        return event_bundle(self)

    @property
    def is_terminal(self) -> bool:
        """Whether it is a run's terminal event, a stop event by its type or a superclass."""
        types = self.types
        return self.type == "StopEvent" or (types is not None and "StopEvent" in types)

    @property
    def is_internal(self) -> bool:
        """Whether it is the framework's own, which is streamed only when asked for."""
        return "InternalDispatchEvent" in (self.type, *(self.types or ()))

    @classmethod
    def from_event(
        cls, event: Event, include_qualified_name: bool = True
    ) -> EventEnvelopeWithMetadata:
        """Wrap an event.

        Args:
            event: The event.
            include_qualified_name: Whether to include the module and name of its class.

        Returns:
            The envelope.
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

        The class is looked up in the registry by its qualified name, then by its class name; among
        the framework's events; and, without a registry, in the module of the qualified name. The
        standard library is never imported, and names inside the event (the type of an exception, a
        nested event) never cause an import.

        Args:
            registry: An allow-list of event classes. With one, only its classes and the framework's
                events are loaded, and nothing is imported.
            serializer: Resolves qualified and nested names instead of the rules above.
            allow_import: Whether a module that is not loaded yet may be imported to find the class.
                Defaults to True; use False for envelopes from a server that you do not trust.

        Returns:
            The event, an instance of its own class.

        Raises:
            EventValidationError: The class is not found, is ambiguous or is not an event, or the
                fields do not fit it.
        """
        try:
            if serializer is not None:
                return self._load_with(serializer, registry)
            load = _loader()
            return load(self.type, self.qualified_name, self.value, tuple(registry), allow_import)
        except EventValidationError:
            raise
        except (Exception, SystemExit) as error:  # imported modules and models may raise anything
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


class EventEnvelope(BaseModel):
    """An event as clients write it; the server knows the classes of its workflows.

    Attributes:
        value: The event's fields as JSON values. Older clients use the key ``data``.
        type: The class name, as declared by the workflow.
        qualified_name: Module and class name; only older clients send it.
    """

    value: Any | None
    type: str | None = None
    qualified_name: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _accept_legacy_data(cls, data: Any) -> Any:
        data = _from_json_text(data)
        if isinstance(data, dict) and "value" not in data and "data" in data:
            return {**data, "value": data["data"]}
        return data

    @classmethod
    def from_event(cls, event: Event) -> EventEnvelope:
        """Return the envelope in which an event is sent."""
        return cls(value=event.model_dump(mode="json"), type=builtins.type(event).__name__)

    @classmethod
    def parse(
        cls,
        client_data: dict[str, Any] | str,
        registry: dict[str, builtins.type[Event]] | None = None,
        explicit_event: builtins.type[Event] | None = None,
        serializer: JsonSerializer | None = None,
    ) -> Event:
        """Turn what a client sent into an event; the server reads events with this method.

        Without a serializer only classes of the registry and the framework are resolved, and
        nothing is imported.

        Args:
            client_data: An envelope or, with ``explicit_event``, bare fields; as a dict or as JSON
                text.
            registry: The classes that may be sent, by class name.
            explicit_event: The class of bare fields.
            serializer: Resolves qualified and nested names.

        Returns:
            The event, an instance of its class.

        Raises:
            EventValidationError: The data is not an event of a class that may be sent.
        """
        from .event_classes import declared_class, strict_decoder, validate

        allowed = dict(registry or {})
        data = _from_json_text(client_data)
        if not isinstance(data, dict):
            raise EventValidationError("An event must be a JSON object, or JSON text of one")
        if explicit_event is not None and not is_envelope(data):
            allowed.setdefault(explicit_event.__name__, explicit_event)
            data = {"type": explicit_event.__name__, "value": data}
        try:
            decoder = serializer or strict_decoder(tuple(allowed.values()))
            envelope = cls.model_validate(data)
            event_class = declared_class(envelope.type, envelope.qualified_name, allowed, decoder)
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
