"""What cannot be written as JSON without a loss is rejected, and named without its content."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Annotated, Any

import attrs
import pytest
from llama_agents.client._core.payloads import (
    context_payload,
    encode,
    event_payload,
    start_encoding,
)
from llama_agents.client.protocol.serializable_events import EventEnvelope
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    Secret,
    SecretBytes,
    SecretStr,
    model_serializer,
)
from workflows import Context
from workflows.context.serializers import JsonSerializer
from workflows.events import Event, HumanResponseEvent, StartEvent

from ..support.versions import needs_new_contexts
from ..support.workflows import Greet

HIDDEN = "hunter2"


class Login(BaseModel):
    """A model with a secret."""

    password: SecretStr = SecretStr(HIDDEN)


class Displayed(Secret[str]):
    """A secret with a mask of its own."""

    def _display(self) -> str:
        return "****/**"


class Numbered(BaseModel):
    """A model with a number."""

    n: float


class Anything(StartEvent):
    """A start event whose fields may be anything."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    a: Any = None


class Revealing(HumanResponseEvent):
    """An event that writes its secret."""

    token: Annotated[SecretStr, PlainSerializer(lambda secret: secret.get_secret_value())]
    later: Annotated[
        SecretStr,
        PlainSerializer(lambda secret: secret.get_secret_value(), when_used="json"),
    ] = SecretStr("y")
    empty: SecretStr = SecretStr("")
    mask: SecretStr = SecretStr("**********")


class Options(BaseModel):
    """A model that is written by the name of its field, and read by an alias only."""

    dry_run: bool = Field(False, alias="dryRun")


class Either(BaseModel):
    """A model that is read by both."""

    model_config = ConfigDict(populate_by_name=True)

    dry_run: bool = Field(False, alias="dryRun")


class Other(BaseModel):
    """A model whose alias is not read."""

    n: int = Field(0, serialization_alias="N")


class Cleanup(StartEvent):
    """A start event with models."""

    model_config = ConfigDict(populate_by_name=True)

    all_of: list[Options] = Field([], alias="allOf")
    either: Either = Either()


class Changing(Cleanup):
    """An event that is another one each time it is read."""

    n: Annotated[int, AfterValidator(lambda n: n + 1)] = 0


class Written(Event):
    """An event with a model whose alias is not read."""

    under: Other


class Sparse(Event):
    """An event that does not write fields without a value."""

    a: str = "a"
    n: float | None = None
    z: str = "z"

    @model_serializer(mode="wrap")
    def custom_model_dump(self, handler: Any) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}


LOST = [
    (SecretStr(HIDDEN), "a is a SecretStr"),
    (SecretBytes(HIDDEN.encode()), "a is a SecretBytes"),
    (Secret[int](0), "a is a Secret, "),
    (Displayed(HIDDEN), "a is a Displayed"),
    (Login(), r"a\.password is a SecretStr"),
    ([{"x": (1, Login())}], r"a\.0\.x\.1\.password is a SecretStr"),
    ({SecretStr(HIDDEN)}, r"a\.\* is a SecretStr"),
    ({SecretStr(HIDDEN): 1}, "a has a key that is a SecretStr"),
    ({5: SecretStr(HIDDEN)}, r"a\.5 is a SecretStr"),
    # Before 2.14, pydantic itself does not write a deque.
    (
        deque([SecretStr(HIDDEN)]),
        r"(a\.0 is a SecretStr|unknown type: .*deque)",
    ),
]


def ways_to_send(value: Any) -> list[Callable[[], Any]]:
    """Return what writes a value, for each place that it may be in."""
    return [
        lambda: start_encoding(Anything(a=value)).given,
        lambda: start_encoding(StartEvent(a=value)).given,  # type: ignore[call-arg]
        lambda: start_encoding({"a": value}).given,
        lambda: event_payload("event", Anything(a=value)),
        lambda: event_payload("event", {"type": "Anything", "value": {"a": value}}),
        lambda: context_payload({"a": value}),
    ]


@pytest.mark.parametrize(("value", "words"), LOST)
def test_lost_value_is_named_wherever_it_is_sent(value: Any, words: str) -> None:
    for write in ways_to_send(value):
        with pytest.raises(ValueError, match=f"cannot be written as JSON: .*{words}") as caught:
            write()
        assert HIDDEN not in str(caught.value)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_number_that_json_lacks_is_not_sent(number: float) -> None:
    for value in (number, Numbered(n=number), [{"x": (number,)}], {number}, deque([number])):
        for write in ways_to_send(value):
            with pytest.raises(ValueError, match="JSON"):
                encode(write())


def test_number_in_a_set_or_in_a_field_that_is_left_out_is_lost() -> None:
    for event in (Anything(a={1.0, math.nan, 2.0}), Sparse(n=math.nan)):
        with pytest.raises(ValueError, match="NaN"):
            event_payload("event", event)
    assert event_payload("event", Sparse())["value"] == {"a": "a", "z": "z"}
    assert event_payload("event", Anything(a={1.0}))["value"] == {"a": [1.0]}


def test_fields_of_nested_models_are_sent_under_the_names_by_which_they_are_read() -> None:
    event = Cleanup(all_of=[Options(dryRun=True)], either=Either(dry_run=True), more="x")  # type: ignore[call-arg]
    written = event_payload("event", event)["value"]
    assert written["all_of"] == [{"dryRun": True}]
    assert EventEnvelope.parse(written, explicit_event=Cleanup) == event
    assert event_payload("event", Written(under=Other(n=5)))["value"] == {"under": {"n": 5}}
    changing = Changing()
    assert event_payload("event", changing)["value"] == changing.model_dump()


def test_secret_that_a_serializer_writes_is_sent() -> None:
    written = event_payload("event", Revealing(token=SecretStr(HIDDEN), response="r"))  # type: ignore[call-arg]
    assert written["value"] == {
        "token": HIDDEN,
        "later": "y",
        "empty": "",
        "mask": "**********",
        "_data": {"response": "r"},
    }


@needs_new_contexts
@pytest.mark.parametrize("state", [Login(), {"x": [Login()]}])
def test_lost_value_in_the_state_of_a_context_is_named(state: Any) -> None:
    context: Any = Context(Greet())
    asyncio.run(context.store.set("kept", "text"))
    assert context_payload(context) == context.to_dict()
    asyncio.run(context.store.set("state", state))
    with pytest.raises(ValueError, match=r"context cannot.*password is a SecretStr"):
        context_payload(context)


def test_what_the_framework_writes_for_an_event_is_an_envelope() -> None:
    written = JsonSerializer().serialize_value(HumanResponseEvent(response="r"))  # type: ignore[call-arg]
    assert event_payload("event", written) == written
    assert start_encoding(written).given == written


@attrs.frozen
class Case:
    """A dict that is sent as an event, and what the server would ignore of it."""

    event: dict[str, Any]
    ignored: str | None


@pytest.mark.parametrize(
    "case",
    [
        Case({"type": "A", "value": {}, "comment": "x"}, "'comment'"),
        Case({"type": "A", "value": {}, "data": {}}, "'data'"),
        Case({"type": "A", "data": {}, "b": 1, "a": 2}, "'a', 'b'"),
        Case({"type": "A", "value": {"x": 1}, "types": None, "qualified_name": "m.A"}, None),
        Case({"qualified_name": "m.A", "type": "A", "data": {}}, None),
        Case({"__is_pydantic": True, "value": {}, "qualified_name": "m.A"}, None),
        Case({"response": "no class: the server says so"}, None),
    ],
)
def test_dict_whose_fields_the_server_would_ignore_is_not_sent(case: Case) -> None:
    if case.ignored is None:
        assert event_payload("event", case.event) == case.event
    else:
        with pytest.raises(ValueError, match=f"event has {case.ignored} beside its value"):
            event_payload("event", case.event)
