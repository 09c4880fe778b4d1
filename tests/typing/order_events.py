# The events of a workflow, generated: do not edit.
#
#     python -m llama_agents.client.codegen http://127.0.0.1:8080 order

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from enum import IntEnum, StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from llama_agents.client.typed import SparseModel
from pydantic import BaseModel, ConfigDict, Field
from workflows.events import Event, HumanResponseEvent, InputRequiredEvent, StartEvent, StopEvent


class Part(BaseModel):
    """
    A part, of parts.
    """

    name: str
    parts: Annotated[list[Part], Field(validate_default=True)] = []


class Address(BaseModel):
    """
    Where somebody lives.
    """

    street: str
    number: int | None = None


class Color(StrEnum):
    """
    A colour.
    """

    RED = "red"
    DARK_BLUE = "dark blue"


class Size(IntEnum):
    """
    A size.
    """

    VALUE_1 = 1
    VALUE_2 = 2


class Card(BaseModel):
    """
    Pays by card.
    """

    kind: Literal["card"] = "card"
    digits: Annotated[str, Field(min_length=4, pattern="^\\d+$")]


class Cash(BaseModel):
    """
    Pays in cash.
    """

    kind: Literal["cash"] = "cash"


class Box_int(BaseModel):
    content: int


class Strict(SparseModel):
    """
    Takes nothing else, and has names that Python has not.
    """

    model_config = ConfigDict(
        extra="forbid",
    )
    kind_of: Annotated[str, Field(alias="kind-of")]
    from_: Annotated[str, Field(alias="from")] = "here"


class Progress(Event):
    """
    How far it is.
    """

    done: int
    total: int = 10


class Extra(Event):
    """
    Is in no signature.
    """

    progress: Progress
    history: Annotated[list[Progress], Field(validate_default=True)] = []


class Approval(InputRequiredEvent):
    """
    Asks whether to go on.
    """

    prompt: str
    address: Address
    colors: list[Color] = [Color.RED, Color.DARK_BLUE]


class OrderStart(SparseModel, StartEvent):
    """
    What is ordered, "by" whom \\ and how.
    """

    customer: Annotated[str, Field(description='Who "orders" \\ it.', min_length=1)]
    address: Address
    color: Color = Color.RED
    size: Size = Size.VALUE_1
    amount: Annotated[int, Field(ge=1, le=100)] = 1
    price: float | str = "9.50"
    discount: float | str | None = None
    wanted: date | None = None
    at: datetime | None = None
    within: timedelta | None = None
    not_before: time | None = None
    reference: UUID | None = None
    tags: list[str] | None = None
    labels: set[str] = set()
    prices: dict[str, float] = {}
    others: Annotated[dict[str, Address], Field(validate_default=True)] = {}
    pair: tuple[int, str] | None = None
    payment: Card | Cash | None = None
    part: Part | None = None
    note: int | str | None = None
    mode: Literal["fast", "slow", 3] = "fast"
    anything: Any = None
    boxed: Box_int | None = None
    strict: Strict | None = None
    raw: bytes | None = None
    model_name: str = "m"


class Decision(SparseModel, HumanResponseEvent):
    """
    The answer.
    """

    approved: bool
    color: Color
    address: Address | None = None
    comment: str | None = None


class OrderDone(StopEvent):
    """
    What came of it.
    """

    approved: bool
    order: dict[str, Any]
    color: Color


class PartDone(Progress):
    """
    A part is done.
    """

    part: Part
    kind: str = "part"


class PaidPart(PartDone):
    """
    A part is paid.
    """

    kind: Literal["paid"] = "paid"  # type: ignore[assignment, unused-ignore]
    address: Address


Part.model_rebuild()


EVENTS: tuple[type[Event], ...] = (
    Progress,
    Extra,
    Approval,
    OrderStart,
    Decision,
    OrderDone,
    PartDone,
    PaidPart,
)
