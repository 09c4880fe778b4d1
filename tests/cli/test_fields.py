"""Values read from text by the schema of their field."""

from __future__ import annotations

import datetime
import enum
import uuid
from typing import Any, Literal

import pytest
from llama_agents.client.cli.fields import EventFields, FieldError
from pydantic import BaseModel, Field, Json
from workflows.events import StartEvent


class Speed(enum.Enum):
    FAST = "fast"
    SLOW = "slow"


class Point(BaseModel):
    x: int


class Start(StartEvent):
    text: str
    maybe: str | None = None
    whole: int = 1
    number: float = 0.5
    yes: bool = False
    maybe_whole: int | None = None
    either: int | str = 0
    flag_or_number: bool | int = 0
    speed: Speed = Speed.FAST
    level: Literal["low", "high", 3] | None = None
    tags: list[str] = Field(default_factory=list)
    point: Point = Point(x=0)
    points: dict[str, Point] = Field(default_factory=dict)
    pair: tuple[int, str] = (0, "")
    when: datetime.datetime | None = None
    key: uuid.UUID | None = None
    anything: Any = None
    packed: Json[int] = 0


FIELDS = EventFields(Start.model_json_schema())


@pytest.mark.parametrize(
    ("assignment", "value"),
    [
        ("text=5", "5"),
        ("text=", ""),
        ("text=a=b", "a=b"),
        ("maybe=null", "null"),
        ("whole=5", 5),
        ("whole=-5", -5),
        ("number=5", 5),
        ("number=1e3", 1000.0),
        ("yes=true", True),
        ("yes=No", False),
        ("maybe_whole=null", None),
        ("maybe_whole=3", 3),
        ("either=3", "3"),
        ("flag_or_number=true", True),
        ("flag_or_number=2", 2),
        ("speed=slow", "slow"),
        ("level=high", "high"),
        ("level=3", 3),
        ("level=null", None),
        ('tags=["a"]', ["a"]),
        ('point={"x": 1}', {"x": 1}),
        ('points={"a": {"x": 1}}', {"a": {"x": 1}}),
        ('pair=[1, "a"]', [1, "a"]),
        ("when=2026-01-01T00:00:00", "2026-01-01T00:00:00"),
        ("key=x", "x"),
        ("anything=5", "5"),
        ("packed=5", "5"),
        ("text:=5", 5),
        ("unknown:=[1]", [1]),
    ],
)
def test_value_is_read_as_the_type_of_its_field(assignment: str, value: Any) -> None:
    (read,) = FIELDS.read([assignment]).values()
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("whole=1.5", "whole must be an integer, not '1.5'"),
        ("whole=true", "whole must be an integer"),
        ("number=x", "number must be a number"),
        ("yes=1", "yes must be true or false"),
        ("speed=fsat", 'speed must be "fast" | "slow"'),
        ("level=middle", 'level must be "low" | "high" | 3 | null'),
        ("tags=a", "tags must be JSON: list of string"),
        ("point=1", r"point must be JSON: object (Point)"),
        ("txt=1", "Start has no field 'txt'; did you mean text?"),
        ("text:=nan?", "text is not JSON"),
        ("=5", "expected FIELD=VALUE"),
    ],
)
def test_value_that_is_not_of_the_type_is_an_error(assignment: str, message: str) -> None:
    with pytest.raises(FieldError) as raised:
        FIELDS.read([assignment])
    assert message in str(raised.value)


def test_fields_are_described_with_types_and_defaults() -> None:
    described = FIELDS.describe()
    assert "text: string (required)" in described
    assert "whole: integer = 1" in described
    assert 'level: "low" | "high" | 3 | null = null' in described
    assert "tags: list of string" in described


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"title": "A", "properties": 5},
        {"title": "A", "properties": {"a": {"$ref": "#/nowhere"}}},
        {"title": "A", "$defs": []},
    ],
    ids=str,
)
def test_schema_that_cannot_be_read_takes_text_for_the_server_to_check(schema: Any) -> None:
    assert EventFields(schema).read(["a=5", "b:=5"]) == {"a": "5", "b": 5}
