"""The result of a run: a dict of the stop event's fields that is also the event's envelope.

llama-agents-client 0.4.1 returned results as `EventEnvelopeWithMetadata`, and its documentation
reads them with ``OutEvent.model_validate(handler.result)``, which needs a dict. `ResultEnvelope` is
both, so code written for either keeps working. No class can derive from a pydantic model and from
``dict`` (their instance layouts conflict), so it derives from ``dict``, holds the envelope and
delegates to it. Comments on the methods that imitate a model say why each is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

from .serializable_events import EnvelopeHolder, EventEnvelopeWithMetadata

__all__ = ["ResultEnvelope"]

if TYPE_CHECKING:
    # What callers may rely on, stated in types: the attributes of the envelope and those of a dict.
    # Only a type checker accepts the two bases together.
    class ResultEnvelope(  # type: ignore[misc]  # the bases disagree on __iter__ and copy
        EventEnvelopeWithMetadata,
        dict[str, Any],  # pyright: ignore[reportIncompatibleMethodOverride, reportIncompatibleVariableOverride, reportGeneralTypeIssues]
    ):
        """The result of a run: a dict of the stop event's fields that is also its envelope."""

        envelope: EventEnvelopeWithMetadata
else:

    class ResultEnvelope(EnvelopeHolder, dict):
        """The result of a run: a dict of the stop event's fields that is also its envelope.

        ``OutEvent.model_validate(handler.result)`` reads the fields; ``.type``, ``.types``,
        ``.qualified_name``, ``.value``, ``.load_event()`` and the methods of a pydantic model are
        those of the envelope.

        Attributes:
            envelope: The envelope alone.
        """

        # isinstance(result, EventEnvelopeWithMetadata) must hold, as it did for a plain envelope.
        # isinstance consults an instance's __class__ besides its type, which stays ResultEnvelope;
        # pydantic's metaclass, however, first rejects whatever lacks __pydantic_decorators__.
        __class__ = property(lambda self: EventEnvelopeWithMetadata)
        __pydantic_decorators__ = EventEnvelopeWithMetadata.__pydantic_decorators__

        def __init__(self, envelope: EventEnvelopeWithMetadata) -> None:
            super().__init__(envelope.value)
            self.envelope = envelope

        def __getattr__(self, name: str) -> Any:
            # Protocols such as copy and pickle look up dunder names: they must not find those of
            # the envelope and copy it alone. "envelope" is missing only before __init__ has run,
            # where delegating would recurse without end.
            if name.startswith("__") or name == "envelope":
                raise AttributeError(name)
            return getattr(self.envelope, name)

        def __bool__(self) -> bool:
            # An empty dict is false, but a result without fields is still a result: callers write
            # ``if handler.result:``, and a model is always true.
            return True

        def __eq__(self, other: object) -> bool:
            if isinstance(other, EventEnvelopeWithMetadata):
                return self.envelope == other  # whose own __eq__ takes a holder for its envelope
            return super().__eq__(other)

        def __ne__(self, other: object) -> bool:
            return not self == other  # dict has its own, which would compare the fields alone

        __hash__ = None  # unhashable, as dict is

        def __reduce__(self) -> tuple[Any, ...]:
            # pickle compares the class it is to save with __class__ and fails on the fake one.
            return type(self), (self.envelope,)

        def __repr__(self) -> str:
            return repr(self.envelope)

        def __str__(self) -> str:
            return str(self.envelope)

        def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
            # A result is an event; a notebook would show its fields alone.
            return self.envelope._repr_mimebundle_()

        @classmethod
        def __get_pydantic_core_schema__(
            cls, source: Any, handler: GetCoreSchemaHandler
        ) -> core_schema.CoreSchema:
            # A field of this class validates and serializes like the envelope, which is what the
            # wire has, and only then becomes a ResultEnvelope.
            envelope_schema = handler(EventEnvelopeWithMetadata)
            return core_schema.no_info_after_validator_function(cls, envelope_schema)
