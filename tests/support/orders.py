"""A workflow whose events have fields of every kind."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID, uuid4

from llama_agents.server import WorkflowServer
from pydantic import BaseModel, ConfigDict, Field
from workflows import Context, Workflow, step
from workflows.events import Event, HumanResponseEvent, InputRequiredEvent, StartEvent, StopEvent

T = TypeVar("T")


class Color(Enum):
    """A color."""

    RED = "red"
    DARK_BLUE = "dark blue"


class Size(IntEnum):
    """A size."""

    SMALL = 1
    LARGE = 2


class Address(BaseModel):
    """A postal address."""

    street: str
    number: int | None = None


class Part(BaseModel):
    """A part, which consists of parts."""

    name: str
    parts: list[Part] = []


class Card(BaseModel):
    """Payment by card."""

    kind: Literal["card"] = "card"
    digits: str = Field(min_length=4, pattern=r"^\d+$")


class Cash(BaseModel):
    """Payment in cash."""

    kind: Literal["cash"] = "cash"


class Box(BaseModel, Generic[T]):
    """A container of one value."""

    content: T


class Strict(BaseModel):
    """Forbids other fields; its aliases are not valid Python names."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, serialize_by_alias=True)

    kind_of: str = Field(alias="kind-of")
    from_: str = Field(default="here", alias="from")


class OrderStart(StartEvent):
    """What is ordered, "by" whom \\ and how."""

    customer: str = Field(min_length=1, description='Who "orders" \\ it.')
    address: Address
    color: Color = Color.RED
    size: Size = Size.SMALL
    amount: int = Field(default=1, ge=1, le=100)
    price: Decimal = Decimal("9.50")
    discount: Decimal | None = None
    wanted: date | None = None
    at: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    within: timedelta = timedelta(hours=1)
    not_before: time | None = None
    reference: UUID = Field(default_factory=uuid4)
    tags: list[str] = Field(default_factory=list)
    labels: set[str] = set()
    prices: dict[str, float] = {}
    others: dict[str, Address] = {}
    pair: tuple[int, str] = (1, "one")
    payment: Annotated[Card | Cash, Field(discriminator="kind")] = Cash()
    part: Part | None = None
    note: int | str | None = None
    mode: Literal["fast", "slow", 3] = "fast"
    anything: Any = None
    boxed: Box[int] | None = None
    strict: Strict | None = None
    raw: bytes = b""
    model_name: str = "m"


class Progress(Event):
    """Progress of the order."""

    done: int
    total: int = 10


class PartDone(Progress):
    """A part is done."""

    part: Part
    kind: str = "part"


class PaidPart(PartDone):
    """A part is paid."""

    kind: Literal["paid"] = "paid"  # type: ignore[assignment]
    address: Address


class Approval(InputRequiredEvent):
    """Asks for approval."""

    prompt: str
    address: Address
    colors: list[Color] = list(Color)


class Decision(HumanResponseEvent):
    """The answer to an approval."""

    approved: bool
    color: Color
    address: Address | None = None
    comment: str = Field(default_factory=str)


class Extra(Event):
    """In no step's signature."""

    progress: Progress
    history: list[Progress] = []


class OrderDone(StopEvent):
    """The outcome."""

    approved: bool
    order: dict[str, Any]
    color: Color


class Order(Workflow):
    """Asks for approval of an order."""

    @step
    async def begin(self, ev: OrderStart, ctx: Context) -> Progress | PartDone | PaidPart:
        await ctx.store.set("order", ev.model_dump(mode="json"))
        part = ev.part or Part(name="only", parts=[Part(name="inner")])
        paid = PaidPart(done=3, part=part, address=ev.address)
        for event in (Progress(done=1), PartDone(done=2, part=part), paid):
            ctx.write_event_to_stream(event)
        ctx.write_event_to_stream(Extra(progress=Progress(done=4), history=[Progress(done=5)]))
        return paid

    @step
    async def ask(self, ev: Progress | PartDone | PaidPart) -> Approval:
        address = Address(street="Somewhere", number=7)
        return Approval(prompt=f"{ev.done} of {ev.total}?", address=address)

    @step
    async def end(self, ev: Decision, ctx: Context) -> OrderDone:
        order = await ctx.store.get("order")
        return OrderDone(approved=ev.approved, order=order, color=ev.color)


def order_server(**options: Any) -> WorkflowServer:
    """Build a server with the order workflow."""
    server = WorkflowServer(**options)
    server.add_workflow("order", Order(timeout=60), additional_events=[Extra])
    return server
