"""Types that annotations name without importing them."""

from __future__ import annotations

import typing

import pytest
from llama_agents.client import _lazy_types
from llama_agents.client.protocol.serializable_events import EventEnvelopeWithMetadata
from workflows.context.serializers import JsonSerializer
from workflows.events import Event


@pytest.mark.parametrize("name", _lazy_types.__all__)
def test_lazy_type_resolves_to_the_class_of_its_name(name: str) -> None:
    function = lambda value: value  # noqa: E731
    function.__annotations__ = {"value": getattr(_lazy_types, name)}
    assert typing.get_type_hints(function)["value"].__name__ == name


def test_type_hints_resolve_inside_unions_and_generics() -> None:
    hints = typing.get_type_hints(EventEnvelopeWithMetadata.load_event)
    assert hints["return"] is Event
    assert hints["serializer"] == JsonSerializer | None
    assert typing.get_args(hints["registry"]) == (type[Event],)
