"""A zoo of start events: forms of fields that servers really have, and what is sent for them."""

# ruff: noqa: E501, RUF012
# No `from __future__ import annotations`: classes are defined inside of functions, too.
import dataclasses
import datetime
import decimal
import enum
import ipaddress
import pathlib
import uuid
import warnings
from collections.abc import Callable
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypeVar

import attrs
from pydantic import (
    AliasChoices,
    AliasPath,
    AnyUrl,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Json,
    RootModel,
    StringConstraints,
    Tag,
    computed_field,
    create_model,
    field_serializer,
    field_validator,
)
from pydantic.alias_generators import to_camel, to_pascal
from typing_extensions import TypedDict
from workflows import Workflow, step
from workflows.events import Event, StartEvent, StopEvent

T = TypeVar("T")


@attrs.frozen
class Exhibit:
    """A start event, and what is sent as one.

    Attributes:
        event: The class.
        accepted: What all accept: the server, validation and classes.
        rejected: What all reject, as the schema says why.
        hidden: What only the server rejects, for a reason that no schema tells.
        beyond: What only classes reject: the server and validation accept more than the schema.
        lenient: What only classes accept: text that is not an address, any value for JSON text, and
            a member of a union without the tag that the server needs.
    """

    event: type[StartEvent]
    accepted: tuple[dict[str, Any], ...]
    rejected: tuple[dict[str, Any], ...] = ()
    hidden: tuple[dict[str, Any], ...] = ()
    beyond: tuple[dict[str, Any], ...] = ()
    lenient: tuple[dict[str, Any], ...] = ()

    @property
    def is_one_way(self) -> bool:
        """Whether the server itself cannot read what it writes."""
        return self.event.__name__ in ("JsonText", "DeepAlias")


ZOO: dict[str, Exhibit] = {}


def exhibit(
    accepted: list[dict[str, Any]],
    rejected: list[dict[str, Any]] | None = None,
    hidden: list[dict[str, Any]] | None = None,
    beyond: list[dict[str, Any]] | None = None,
    lenient: list[dict[str, Any]] | None = None,
) -> Callable[[type[StartEvent]], type[StartEvent]]:
    """Add a class to the zoo."""

    def add(event: type[StartEvent]) -> type[StartEvent]:
        assert event.__name__ not in ZOO
        sent = (tuple(fields or ()) for fields in (accepted, rejected, hidden, beyond, lenient))
        ZOO[event.__name__] = Exhibit(event, *sent)
        return event

    return add


def made(
    accepted: list[dict[str, Any]], rejected: list[dict[str, Any]], name: str, /, **fields: Any
) -> None:
    """Add a class whose fields have names or types that a class statement cannot have here."""
    create: Callable[..., type[StartEvent]] = create_model
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of fields that are named as methods
        exhibit(accepted, rejected)(create(name, __base__=StartEvent, **fields))


def echo_workflow(event: type[StartEvent]) -> Workflow:
    """Return a workflow whose result is its start event, as the server writes it."""

    async def echo(self: Workflow, ev: StartEvent) -> StopEvent:
        return StopEvent(result=ev.model_dump(mode="json"))

    echo.__annotations__ = {"ev": event, "return": StopEvent}
    echo.__qualname__ = "Echo.echo"  # a step is a method
    return type("Echo", (Workflow,), {"echo": step(echo)})()  # type: ignore[no-any-return]


# ---------------------------------------------------------------------------- scalars

made(
    [{"a": 1}, {"a": "3"}, {"a": 3.0}, {"a": True}],
    [{}, {"a": "x"}, {"a": None}],
    "An",
    a=(int, ...),
)
made([{"a": 1.5}, {"a": 2}, {"a": "1e3"}], [{"a": "x"}], "Float", a=(float, ...))
made([{"a": True}, {"a": "yes"}, {"a": 0}], [{"a": 7}, {"a": "maybe"}], "Bool", a=(bool, ...))
made([{"a": ""}, {"a": "\u2028ä"}], [{"a": 5}, {"a": None}], "Text", a=(str, ...))
made([{"a": "abc"}], [{"a": 5}], "Bytes", a=(bytes, ...))
made([{"a": None}, {"a": [1, {"b": None}]}, {"a": "x"}], [{}], "Anything", a=(Any, ...))
made([{}, {"a": None}], [{"a": 0}], "Nothing", a=(None, None))
made(
    [{"a": "2026-01-02"}, {"a": "2026-01-02T00:00:00"}],
    [{"a": "x"}],
    "Date",
    a=(datetime.date, ...),
)
made([{"a": "2026-01-02T03:04:05Z"}, {"a": 5}], [{"a": "x"}], "Moment", a=(datetime.datetime, ...))
made([{"a": "12:00"}], [{"a": "25:00"}], "Time", a=(datetime.time, ...))
made(
    [{"a": "PT1H"}, {"a": 5}, {"a": "01:00:00"}], [{"a": "x"}], "Span", a=(datetime.timedelta, ...)
)
made([{"a": str(uuid.UUID(int=1))}], [{"a": "x"}], "Uuid", a=(uuid.UUID, ...))
made([{"a": "/tmp/x"}], [{"a": 5}], "Path", a=(pathlib.Path, ...))
made([{}, {"a": None}], [{"a": "x"}], "OptionalInt", a=(int | None, None))
made([{"a": 1}, {"a": "x"}, {"a": None}], [{"a": []}], "Union", a=(int | str | None, ...))
made([{"a": "x"}, {"a": 3}], [{"a": "y"}, {"a": 4}], "Choice", a=(Literal["x", 3], ...))


@exhibit([{"a": "9.50"}, {"a": 9}, {"a": 1.5}], [{"a": []}], hidden=[{"a": "x"}])
class Money(StartEvent):
    a: decimal.Decimal


@exhibit([{"a": 9}, {"a": 1.5}, {"a": "2.50"}], [{"a": 0}, {"a": 1.25}, {"a": 10.5}])
class LimitedMoney(StartEvent):
    a: decimal.Decimal = Field(ge=1, le=10, multiple_of=decimal.Decimal("0.5"))


@exhibit([{"a": "https://example.org/"}], [{"a": 5}], lenient=[{"a": "no address"}])
class Address(StartEvent):
    a: AnyUrl


@exhibit(
    [{"a": "127.0.0.1"}], [{"a": []}], beyond=[{"a": 2130706433}], lenient=[{"a": "no address"}]
)
class Ip(StartEvent):
    a: ipaddress.IPv4Address


@exhibit([{"a": 2}, {"a": "4"}], [{"a": 0}, {"a": 3}, {"a": 12}])
class Limited(StartEvent):
    a: int = Field(ge=1, le=10, multiple_of=2)


@exhibit(
    [{"a": 0.5, "b": [1]}], [{"a": 1.0, "b": [1]}, {"a": 0.5, "b": []}, {"a": 0.5, "b": [1, 2, 3]}]
)
class LimitedMore(StartEvent):
    a: float = Field(gt=0, lt=1)
    b: list[int] = Field(min_length=1, max_length=2)


@exhibit([{"a": "ab"}], [{"a": "a"}, {"a": "abcd"}, {"a": "AB"}])
class Pattern(StartEvent):
    a: str = Field(min_length=2, max_length=3, pattern="^[a-z]+$")


@exhibit([{"a": "abc"}], [{"a": "abcd"}, {"a": "   "}], beyond=[{"a": "  abc  "}])
class Stripped(StartEvent):
    a: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=3, pattern="^[a-z]+$"),
    ]


@exhibit([{"a": '{"b": [1]}'}], lenient=[{"a": "{"}, {"a": 5}])
class JsonText(StartEvent):
    a: Json[Any]


@exhibit([{"a": "x"}], hidden=[{"a": "y"}])
class Validated(StartEvent):
    a: str

    @field_validator("a")
    @classmethod
    def _is_x(cls, value: str) -> str:
        assert value == "x"
        return value


@exhibit([{"a": 5}, {"a": "7"}], [{"a": "x"}])
class Serialized(StartEvent):
    a: int

    @field_serializer("a")
    def _text(self, value: int) -> str:
        return str(value)


# ---------------------------------------------------------------------------- enumerations


class Color(enum.Enum):
    RED = "red"
    DARK_BLUE = "dark blue"


class Level(enum.IntEnum):
    LOW = 3
    HIGH = 5


class Mode(enum.IntFlag):
    A = 1
    B = 2
    C = 4


class Access(enum.IntFlag):
    NONE = 0
    READ = 1
    WRITE = 2
    BOTH = 3
    EXECUTE = 8


class Few(enum.IntFlag):
    NONE = 0
    A = 1
    B = 2


class Priority(enum.IntEnum):
    LOW = 1
    MEDIUM = 2
    HIGH = 3


class Strict(enum.Flag):
    A = 1
    B = 2


class Ratio(enum.Enum):
    HALF = 0.5
    WHOLE = 1.0


class Gain(float, enum.Enum):
    HALF = 0.5
    LESS = -1.5


class Mixed(enum.Enum):
    A = "a"
    ONE = 1
    NONE = None


made([{"a": "red"}, {"a": "dark blue"}], [{"a": "green"}, {"a": None}], "Enum", a=(Color, ...))
made([{}, {"a": None}, {"a": "red"}], [{"a": "green"}], "OptionalEnum", a=(Color | None, None))
made([{"a": 3}, {"a": "5"}], [{"a": 4}], "IntEnum", a=(Level, ...))
made([{}, {"a": 3}, {"a": 0}, {"a": 7}], [{"a": "x"}], "Flags", a=(Mode, Mode.A | Mode.C))
made([{"a": 0}, {"a": 3}, {"a": 9}, {"a": 11}], [{"a": "x"}], "NamedFlags", a=(Access, ...))
made([{"a": 0}, {"a": 3}], [{"a": "x"}], "FewFlags", a=(Few, ...))
made([{"a": 3}, {"a": 0}], [{"a": "x"}], "StrictFlags", a=(Strict, ...))
made([{"a": 1}, {"a": 3}], [{"a": "x"}], "Priorities", a=(Priority, ...))
made([{"a": 0.5}, {"a": 1.0}, {"a": 1}], [{"a": 0.7}, {"a": "x"}], "FloatEnum", a=(Ratio, ...))
made([{}, {"a": "0.5"}, {"a": -1.5}], [{"a": 0.7}, {"a": "x"}], "Floats", a=(Gain, Gain.LESS))
made([{"a": {"0.5": 1}}], [{"a": {"0.7": 1}}], "FloatKeys", a=(dict[Gain, int], ...))
made([{"a": "a"}, {"a": 1}, {"a": None}], [{"a": "b"}], "MixedEnum", a=(Mixed, ...))
made(
    [{"a": {"red": 1}}],
    [{"a": {"red": "x"}}, {"a": {"green": 1}}],
    "EnumKeys",
    a=(dict[Color, int], ...),
)


# ---------------------------------------------------------------------------- containers


class Point(BaseModel, frozen=True):
    x: int
    y: int = 0


class Pair(NamedTuple):
    x: int
    y: str = "y"


class Pairs(NamedTuple):
    first: Pair = Pair(0)
    second: Pair = Pair(0)


made([{"a": [1, "2"]}, {"a": []}], [{"a": ["x"]}, {"a": 5}], "List", a=(list[int], ...))
made([{"a": [1, 1, 2]}], [{"a": ["x"]}], "Set", a=(set[int], ...))
made([{"a": ["red"]}], [{"a": ["green"]}], "FrozenSet", a=(frozenset[Color], ...))
made(
    [{"a": [{"x": 1}, {"x": 1, "y": 0}, {"x": 2}]}],
    [{"a": [{}]}],
    "SetOfModels",
    a=(set[Point], ...),
)
made(
    [{"a": [{"x": 1}, {"x": 1}]}],
    [],
    "BoundedSet",
    a=(Annotated[set[Point], Field(max_length=1)], ...),
)
made([{"a": [[1, "a"], [1, "a"]]}], [{"a": [[1]]}], "SetOfTuples", a=(set[tuple[int, str]], ...))
made([{"a": [[1, 2], []]}], [{"a": [["x"]]}], "SetOfManyTuples", a=(set[tuple[int, ...]], ...))
made([{"a": [[1], [2]]}], [{"a": [["x"]]}], "SetOfSets", a=(set[frozenset[int]], ...))
made([{"a": [1, 2.5]}], [{"a": 5}], "BareSet", a=(set, ...))
made([{"a": [1, "x"]}], [{"a": [1]}, {"a": [1, "x", 2]}], "Tuple", a=(tuple[int, str], ...))
made([{"a": [[{"x": 1}, "n"]]}], [{"a": [[{}, "n"]]}], "Tuples", a=(list[tuple[Point, str]], ...))
made([{"a": []}], [{"a": [1]}], "EmptyTuple", a=(tuple[()], ...))


@exhibit(
    [{"a": [1]}, {"a": [1, "z"]}, {"a": {"x": 1}}],
    [{"a": []}, {"a": ["x"]}, {"a": [1, 5]}, {"a": [1, "z", 2]}],
    hidden=[{"a": {"y": "z"}}],
)
class NamedTuples(StartEvent):
    a: Pair


made(
    [{"a": []}, {"a": [[1]]}, {"a": [[1], [2, "z"]]}],
    [{"a": [["x"]]}, {"a": [[1], [2], [3]]}],
    "NestedTuples",
    a=(Pairs, ...),
)
made([{"a": {"1": 2}}], [{"a": {"1": "x"}}], "Dict", a=(dict[str, int], ...))


@exhibit([{"a": {"1": "x"}}], [{"a": {"1": 5}}], hidden=[{"a": {"b": "x"}}])
class IntKeys(StartEvent):
    a: dict[int, str]


made(
    [{"a": {"ab": 1}}],
    [{"a": {"ab": "x"}}, {"a": {"b": 1}}],
    "PatternKeys",
    a=(dict[Annotated[str, Field(pattern="^a")], int], ...),
)
made([{"a": {"xab": 1}}, {"a": {"ab": None}}], [{"a": {"b": 1}}, {"a": {"a": 1}}], "LimitedPatternKeys",
     a=(dict[Annotated[str, Field(pattern="a", min_length=2)], Any], ...))  # fmt: skip
made(
    [{"a": {"ab": 1}}, {}],
    [{"a": {"a": 1}}],
    "LimitedKeys",
    a=(dict[Annotated[str, Field(min_length=2)], int], {"xy": 1}),
)
made([{"a": {"b": 1}}], [{"a": {"d": 1}}], "LiteralKeys", a=(dict[Literal["b", "c"], int], ...))
made(
    [{"a": {"3": 1}}, {}],
    [{"a": {"4": 1}}, {"a": {"x": 1}}],
    "IntEnumKeys",
    a=(dict[Level, int], {Level.LOW: 1}),
)


@exhibit([{"a": {"4": 1}}], [{"a": {"4": "x"}}], hidden=[{"a": {"3": 1}}, {"a": {"x": 1}}])
class FlagKeys(StartEvent):
    a: dict[Mode, int]


made([{"a": {"2026-01-02": 1}}], [{"a": {"x": 1}}], "DateKeys", a=(dict[datetime.date, int], ...))
made(
    [{"a": {str(uuid.UUID(int=1)): [1]}}],
    [{"a": {"x": [1]}}],
    "UuidKeys",
    a=(dict[uuid.UUID, list[int]], ...),
)


@exhibit([{"a": {"ab": 1}}], [{"a": {"b": 1}}], beyond=[{"a": {" ab ": 1}}])
class StrippedKeys(StartEvent):
    a: dict[Annotated[str, StringConstraints(strip_whitespace=True, pattern="^ab$")], int]


@exhibit([{"a": {"https://example.org/": 1}}], lenient=[{"a": {"no address": 1}}])
class AddressKeys(StartEvent):
    a: dict[AnyUrl, int]


made(
    [{"a": {"b": 1}}],
    [{"a": {}}],
    "FullDict",
    a=(Annotated[dict[str, int], Field(min_length=1)], ...),
)
made([{"a": {"b": {"x": 1}}}], [{"a": {"b": {}}}], "Models", a=(dict[str, Point], ...))


# ---------------------------------------------------------------------------- defaults and None


@exhibit([{}, {"name": "x"}], [{"name": None}])
class NoneForText(StartEvent):
    name: str = None  # type: ignore[assignment]


@exhibit([{}, {"a": 5, "b": "xx"}], [{"a": 0}, {"b": "x"}, {"c": "y"}])
class InvalidDefaults(StartEvent):
    a: int = Field(default=0, ge=1)
    b: str = Field(default="", min_length=2)
    c: int = "text"  # type: ignore[assignment]
    d: Color = "green"  # type: ignore[assignment]


@exhibit([{}, {"a": None}, {"a": [1]}], [{"a": 5}])
class Factory(StartEvent):
    """None means nothing; without it, the list is that of the factory."""

    a: list[int] | None = Field(default_factory=lambda: [1, 2])
    at: datetime.datetime | None = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@exhibit([{}, {"a": {"b": None}}, {"a": {}}, {"a": {"b": "x"}}])
class NestedFactory(StartEvent):
    a: create_model("WithFactory", b=(str | None, Field(default_factory=lambda: "made"))) | None = (
        None  # type: ignore[valid-type]
    )


# ---------------------------------------------------------------------------- names


class Document(BaseModel, alias_generator=to_camel, populate_by_name=True):
    page_count: int = 0


class Page(Document):
    file_path: str
    parts: list[Document] = []


class OnlyAlias(BaseModel, alias_generator=to_pascal):
    page_count: int = 3
    file_path: str = "?"


class Renamed(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    query: str = Field(default="", alias="q")
    kind_of: int = Field(default=0, alias="kind-of")
    from_: str = Field(default="", alias="from")
    hidden: int = Field(default=0, alias="_hidden")
    dumped: int = Field(default=0, alias="model_dump")
    limit: int = Field(default=0, alias="n")


@exhibit(
    [{"page": {"filePath": "/a", "pageCount": 2}}, {"page": {"file_path": "/a"}},
     {"page": {"file_path": "/a", "parts": [{"pageCount": 1}, {"page_count": 2}]}}],
    [{"page": {}}, {"page": {"filePath": "/a", "pageCount": "x"}}, {"page": {"file_path": 5}}],
)  # fmt: skip
class CamelNested(StartEvent):
    page: Page


@exhibit([{"page": {"PageCount": 2}}, {"page": {}}, {"pages": [[{"FilePath": "x"}]]}])
class PascalNested(StartEvent):
    page: OnlyAlias = OnlyAlias()
    pages: list[tuple[OnlyAlias]] = []


@exhibit(
    [{"renamed": {"q": "a", "kind-of": 1, "from": "b", "_hidden": 2, "model_dump": 3, "n": 4}},
     {"renamed": {"query": "a", "kind_of": 1, "from_": "b", "hidden": 2, "dumped": 3, "limit": 4}}],
    [{"renamed": {"n": "x"}}],
)  # fmt: skip
class RenamedNested(StartEvent):
    renamed: Renamed


@exhibit([{"a": {"userId": 1}}], [{"a": {}}], beyond=[{"a": {"uid": 1}}])
class Choices(StartEvent):
    a: create_model("Chosen", user=(int, Field(validation_alias=AliasChoices("userId", "uid"))))  # type: ignore[valid-type]


@exhibit([{"a": {"deep": {"er": 1}}}, {"a": {}}])
class DeepAlias(StartEvent):
    a: create_model("Deep", user=(int, Field(5, validation_alias=AliasPath("deep", "er"))))  # type: ignore[valid-type]


@exhibit([{"user_id": 7, "mode": 3}, {"user_id": 7, "some_files": {"x": 1}}], [{}], [{"userId": 7}])
class Aliased(StartEvent):
    model_config = ConfigDict(populate_by_name=True)

    user_id: int = Field(alias="userId")
    mode: Mode = Mode.A
    some_files: dict[str, int] = Field(default={}, alias="someFiles")


@exhibit([{}, {"class_": 1, "kind_of": 2, "c": 3}])
class OddAliases(StartEvent):
    model_config = ConfigDict(populate_by_name=True)

    class_: int = Field(default=0, alias="class")
    kind_of: int = Field(default=0, alias="kind-of")
    c: int = Field(default=0, alias="_c")


@exhibit([], [{}], beyond=[{"query": "x"}], hidden=[{"q": "x"}])
class ShortAlias(StartEvent):
    model_config = ConfigDict(populate_by_name=True)

    query: str = Field(alias="q")


@exhibit([{"userId": 7}, {"userId": 7, "pageCount": 3}], [{"userId": "x"}, {}], [{"user_id": 7}])
class CamelNames(StartEvent):
    """Written in camel case in Python, too."""

    userId: int
    pageCount: int = 5


made([{"Address": {"city": "Rome"}}, {}], [{"Address": {"city": 5}}], "NamedAsItsClass",
     Address=(create_model("Address", city=(str, "")) | None, None))  # fmt: skip
made([{"person": {"Point": {"x": 1}, "Color": "red"}}, {"person": {}}], [{"person": {"Color": "x"}}],
     "NestedNamedAsItsClass",
     person=(create_model("Person", Point=(Point | None, None), Color=(Color | None, None)), ...))  # fmt: skip
made([{"cell": {"int": 4, "str": "x", "list": [1], "Any": 5}}], [{"cell": {"int": "x"}}], "TypeNames",
     cell=(create_model("Cell", int=(int | None, None), str=(str, ""), list=(list[int], []), Any=(Any, 0)), ...))  # fmt: skip
made([{"dict": {"a": 1}, "list": ["x"], "more": [1], "Field": 2}], [{"list": [1], "Field": 1}], "EventTypeNames",
     dict=(dict[str, Any], {}), list=(list[str], ...), more=(list[int], []), Field=(int, Field(ge=1)))  # fmt: skip
made([{"match": 1, "type_": 2, "case": 3, "print": 4}], [{"match": "x"}], "SoftKeywords",
     match=(int, ...), type_=(int, 0), case=(int, 0), print=(int, 0))  # fmt: skip
made([{"items": 1, "keys": "k", "copy": True, "json": "j", "get": 2}], [{"items": "x"}], "MethodNames",
     items=(int, ...), keys=(str, ""), copy=(bool, False), json=(str, ""), get=(int, 0))  # fmt: skip
made([{"named_as_it_is__": "x", "EVENTS": 1, "Event": 2, "StartEvent": 3}], [{"EVENTS": "x"}], "ReservedNames",
     named_as_it_is__=(str, ""), EVENTS=(int, 0), Event=(int, 0), StartEvent=(int, 0))  # fmt: skip
made([{"ä": 1, "名": "x"}], [{"ä": "x"}], "Unicode", **{"ä": (int, ...), "名": (str, "")})


# ---------------------------------------------------------------------------- models


class Node(BaseModel):
    name: str
    children: list["Node"] = []


class Box(BaseModel, Generic[T]):
    content: T


class Open(BaseModel, extra="allow"):
    x: int = 0


class TypedOpen(BaseModel, extra="allow"):
    __pydantic_extra__: dict[str, int]

    x: int = 0


class Closed(BaseModel, extra="forbid", populate_by_name=True):
    x: int = 0
    kind_of: str = Field(default="", alias="kind-of")


class Card(BaseModel):
    kind: Literal["card"] = "card"
    digits: str


class Cash(BaseModel):
    kind: Literal["cash"] = "cash"


class Area(BaseModel):
    x: int
    y: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def size(self) -> int:
        return self.x * self.y


class ClosedArea(Area, extra="forbid"):
    pass


class Typed(TypedDict):
    x: int
    y: NotRequired[str]


@dataclasses.dataclass
class Data:
    x: int
    y: str = "y"


class Note(Event):
    text: str = ""


class Doubled(Event):
    n: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def double(self) -> int:
        return 2 * self.n


class Inner(StopEvent):
    x: int = 0


def kind_of(value: Any) -> str:
    return "point" if isinstance(value, Point) or "x" in value else "box"


made([{"a": {"x": 1}}, {"a": {"x": 1, "more": 2}}], [{"a": {}}, {"a": 5}], "Model", a=(Point, ...))
made(
    [{"a": {"name": "a", "children": [{"name": "b"}]}}],
    [{"a": {"name": "a", "children": [{}]}}],
    "Recursive",
    a=(Node, ...),
)
made(
    [{"a": {"content": 1}, "b": {"content": {"x": 1}}}],
    [{"a": {"content": "x"}}],
    "Generics",
    a=(Box[int], ...),
    b=(Box[Point] | None, None),
)
made([{"a": {"x": 1, "more": [2]}}], [{"a": {"x": "x"}}], "OpenModel", a=(Open, ...))
made([{"a": {"x": 1, "more": 2}}], [{"a": {"x": "x"}}], "TypedOpenModel", a=(TypedOpen, ...))
made(
    [{"a": {"x": 1, "kind-of": "y"}}, {"a": {"kind_of": "y"}}],
    [{"a": {"x": 1, "kind-of": "y", "more": 2}}],
    "ClosedModel",
    a=(Closed, ...),
)


@exhibit(
    [{"a": {"kind": "cash"}}, {"a": {"kind": "card", "digits": "1"}}],
    [{"a": {"kind": "cheque"}}, {"a": {"kind": "card"}}],
    lenient=[{"a": {"digits": "1"}}, {"a": {}}],
)
class Tagged(StartEvent):
    a: Annotated[Card | Cash, Field(discriminator="kind")]


@exhibit([{}, {"a": None}, {"a": {"kind": "cash"}}], [{"a": 5}], lenient=[{"a": {}}])
class OptionalTagged(StartEvent):
    a: Annotated[Card | Cash, Field(discriminator="kind")] | None = None


made([{"a": {"x": 1}}, {"a": {"content": 1}}], [{"a": 5}], "TaggedByFunction",
     a=(Annotated[Annotated[Point, Tag("point")] | Annotated[Box[int], Tag("box")], Discriminator(kind_of)], ...))  # fmt: skip
made(
    [{"a": {"x": 2, "y": 3}, "b": {"x": 1, "y": 1}}],
    [{"a": {}}],
    "Computed",
    a=(Area, ...),
    b=(ClosedArea | None, None),
)
made(
    [{"a": {"x": 1}}, {"a": {"x": 1, "y": "z"}}],
    [{"a": {}}, {"a": {"x": 1, "y": 5}}],
    "TypedDicts",
    a=(Typed, ...),
)
made([{"a": {"x": 1}}], [{"a": {}}], "Dataclass", a=(Data, ...))
made([{"a": [1]}], [{"a": ["x"]}], "Root", a=(RootModel[list[int]], ...))
made([{"a": {"_data": {"text": "hello"}}}, {"a": {}}], [{"a": 5}], "NestedEvent", a=(Event, ...))
made(
    [{"a": {"text": "x", "_data": {"more": [1]}}}, {"a": {}}],
    [{"a": {"text": 5}}],
    "NestedOwnEvent",
    a=(Note, ...),
)
made(
    [{"a": [{"x": 1, "result": {"b": 2}}]}],
    [{"a": [{"x": "x"}]}],
    "NestedStops",
    a=(list[Inner], ...),
)
made([{"a": {"n": 2}}], [{"a": {}}], "NestedComputed", a=(Doubled, ...))


@exhibit([{"n": 2}, {"n": 2, "double": 4}], [{}])
class ComputedEvent(StartEvent):
    n: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def double(self) -> int:
        return 2 * self.n


@exhibit([{}, {"anything": 1, "more": {"x": 2}}, {"_data": {"x": 1}}])
class Dynamic(StartEvent):
    """Has dynamic fields only."""


@exhibit([{"known": 1, "more": 2}, {"known": 1, "_data": {"x": {"y": None}}}], [{"known": "x"}])
class Partly(StartEvent):
    known: int


class Ancestor(StartEvent):
    a: int
    kind: str = "ancestor"


@exhibit(
    [{"a": 1, "b": "x"}, {"a": 1, "b": "x", "kind": "child"}], [{"a": 1, "b": "x", "kind": "other"}]
)
class Derived(Ancestor):
    kind: Literal["child"] = "child"  # type: ignore[assignment]
    b: str


@exhibit([{"a": 1, "b": [{"c": 1}]}], [{"b": []}])
class Local(StartEvent):
    class Nested(BaseModel):
        c: int

    a: int
    b: list[Nested] = []


class Left(BaseModel):
    x: int = 0
    w: int = 0


made([{"a": {"x": 1, "w": 2}}, {"a": {"x": 1, "y": 2}}, {"a": {"x": 1}}], [{"a": 1}, {"a": {"x": "a"}}],
     "Siblings", a=(Left | create_model("Third", x=(int, 0), y=(int, 0)) | None, None))  # fmt: skip
made([{"a": [{"x": 1, "v": 2}, {"w": 2}]}, {"b": {"k": {"x": 1, "v": 2}}}], [{"a": [1]}, {"b": {"k": [1]}}],
     "SiblingsInside", a=(list[Left | create_model("Fourth", x=(int, 0), v=(int, 0))], []),
     b=(dict[str, Left | create_model("Fifth", x=(int, 0), v=(int, 0))], {}))  # fmt: skip
