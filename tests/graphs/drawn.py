"""Workflows of many shapes, whose graphs the tests draw, and a few whose runs they color."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable
from typing import Annotated, Any, Final

from llama_agents.client.protocol import WorkflowGraphResponse
from pydantic import Field
from workflows import Context, Workflow, catch_error, step
from workflows.events import (
    Event,
    HumanResponseEvent,
    InputRequiredEvent,
    StartEvent,
    StepFailedEvent,
    StopEvent,
)
from workflows.representation import WorkflowGraph, get_workflow_representation
from workflows.resource import Resource
from workflows.retry_policy import retry_policy, stop_after_attempt, wait_fixed


def event(name: str, base: type[Event] = Event) -> type[Event]:
    """Return a new class of events."""
    return type(name, (base,), {"__module__": __name__})


def flow(name: str, steps: dict[str, tuple[Any, Any]]) -> type[Workflow]:
    """Return a workflow class with a step for each name: what it takes, and what it gives."""

    def body(step_name: str, takes: Any, gives: Any) -> Any:
        async def run(self: Any, ev: Any) -> Any: ...

        run.__name__, run.__qualname__ = step_name, f"{name}.{step_name}"
        run.__annotations__ = {"ev": takes, "return": gives}
        return step(skip_graph_checks=["reachability"])(run)

    members = {key: body(key, *value) for key, value in steps.items()}
    return type(name, (Workflow,), {"__module__": __name__, **members})


def any_of(*classes: type[Event]) -> Any:
    return functools.reduce(operator.or_, classes)


A, B, C, D = (event(name) for name in ("Parsed", "Checked", "Enriched", "Rejected"))
Ask = event("ApprovalRequest", InputRequiredEvent)
Answer = event("Approval", HumanResponseEvent)


class Numbers(StartEvent):
    """Start of `FanOut`: the numbers to square."""

    numbers: list[int] = Field([1, 2, 3])


class Square(Event):
    """One number to square."""

    number: int


class Squared(Event):
    """The square of one number."""

    number: int
    square: int


class FanOut(Workflow):
    """Squares numbers side by side, and adds them up."""

    @step
    async def split(self, ev: Numbers) -> list[Square]:
        return [Square(number=number) for number in ev.numbers]

    @step(num_workers=3)
    async def square(self, ev: Square) -> Squared:
        if ev.number < 0:
            raise ValueError(f"{ev.number} is negative")
        return Squared(number=ev.number, square=ev.number**2)

    @step
    async def add(self, ev: list[Squared]) -> StopEvent:
        return StopEvent(result=sum(each.square for each in ev))


class Draft(Event):
    """A draft to review."""

    text: str


class Remarks(Event):
    """What to change in a draft."""

    remarks: list[str] = Field([])


class Writing(Workflow):
    """Writes a text, and rewrites it until the review passes."""

    @step
    async def write(self, ev: StartEvent) -> Draft:
        return Draft(text="")

    @step
    async def rewrite(self, ev: Remarks) -> Draft:
        return Draft(text="x")

    @step
    async def review(self, ev: Draft, ctx: Context) -> Remarks | StopEvent:
        rounds = await ctx.store.get("rounds", 0) + 1
        await ctx.store.set("rounds", rounds)
        return StopEvent(result=ev.text) if rounds > 2 else Remarks()


class Flaky(Workflow):
    """Tries a step twice, and recovers from its failure by another."""

    @step(retry_policy=retry_policy(wait=wait_fixed(0), stop=stop_after_attempt(2)))
    async def fetch(self, ev: StartEvent) -> Draft:
        raise ValueError("no network")

    @catch_error
    async def recover(self, ev: StepFailedEvent) -> Draft:
        return Draft(text="from the cache")

    @step
    async def show(self, ev: Draft) -> StopEvent:
        return StopEvent(result=ev.text)


class Rounds(Workflow):
    """Repeats a step by an event to itself, and waits for a person in the end."""

    @step
    async def turn(self, ev: StartEvent | Draft) -> Draft | Ask:  # type: ignore[valid-type]
        return Ask() if isinstance(ev, Draft) and len(ev.text) > 2 else Draft(text="x" * 3)

    @step
    async def finish(self, ev: Answer) -> StopEvent:  # type: ignore[valid-type]
        return StopEvent()


class Database:
    """A resource."""


def get_database() -> Database:
    return Database()


class WithResources(Workflow):
    """Has a resource, and events that nobody takes or produces."""

    @step
    async def load(
        self, ev: StartEvent, database: Annotated[Database, Resource(get_database)]
    ) -> Draft:
        return Draft(text="")

    @step(skip_graph_checks=["reachability"])
    async def nudge(self, ev: Remarks) -> Remarks | None:
        return None

    @step
    async def store(
        self, ev: Draft, database: Annotated[Database, Resource(get_database)]
    ) -> StopEvent:
        return StopEvent()


EVENTS: Final = [event(f"Step{number}Done") for number in range(20)]
LONG: Final = [
    event("TheVeryLongNameOfAnEventThatSomebodyGeneratedFromTheirDomainModelAutomatically" + end)
    for end in ("One", "Two", "Three")
]
GRÖSSE, 質問, END = event("Größe"), event("確認済みの質問"), event("end")
QUESTIONS: Final = [event(f"Question{number}", InputRequiredEvent) for number in range(2)]
ANSWERS: Final = [event(f"Answer{number}", HumanResponseEvent) for number in range(2)]
TOOLS: Final = [
    event(name)
    for name in ("AgentInput", "AgentSetup", "AgentOutput", "ToolCall", "ToolCallResult")
]
KINDS: Final = [event(f"Kind{number}") for number in range(8)]

FLOWS: Final = {
    "tangle": flow(
        "Tangle",
        {
            f"step_{number}": (
                EVENTS[number - 1] if number else StartEvent,
                StopEvent if number == 11 else any_of(EVENTS[number], *EVENTS[: number // 3 * 2]),
            )
            for number in range(12)
        },
    ),
    "one step": flow("OneStep", {"only": (StartEvent, StopEvent)}),
    "fan-out": FanOut,
    "loop": Writing,
    "recovery": Flaky,
    "self-loop": Rounds,
    "resources": WithResources,
    "branches": flow(
        "Branches",
        {
            "accept": (any_of(B, C), StopEvent),
            "classify": (A, any_of(B, C, D)),
            "parse": (StartEvent, A),
            "reject": (D, StopEvent),
        },
    ),
    "join": flow(
        "Join",
        {
            "begin": (StartEvent, any_of(A, B)),
            "left": (A, C),
            "right": (B, D),
            "together": (any_of(C, D), StopEvent),
        },
    ),
    "20 steps": flow(
        "Twenty",
        {
            f"step_{number}": (
                EVENTS[number - 1] if number else StartEvent,
                StopEvent
                if number == 19
                else any_of(EVENTS[number], *EVENTS[number // 2 : number // 2 + (number % 6 == 5)]),
            )
            for number in range(20)
        },
    ),
    "wide": flow(
        "Wide",
        {
            "route": (StartEvent, any_of(*KINDS)),
            **{
                f"handle_{number}": (kind, any_of(StopEvent, A))
                for number, kind in enumerate(KINDS)
            },
            "archive": (A, StopEvent),
        },
    ),
    "long names": flow(
        "LongNames",
        {
            "a_step_with_a_name_so_long_that_no_box_in_any_picture_would_want_to_hold_it": (
                StartEvent,
                any_of(*LONG),
            ),
            "another_step_that_has_a_long_name_and_takes_two_of_the_three_events": (
                any_of(*LONG[:2]),
                StopEvent,
            ),
            "short": (LONG[2], StopEvent),
        },
    ),
    "starts and stops": flow(
        "StartsAndStops",
        {
            "audit": (StartEvent, event("Audited", StopEvent)),
            "first": (StartEvent, A),
            "second": (any_of(StartEvent, A), any_of(A, B)),
            "third": (B, event("Audited", StopEvent)),
        },
    ),
    "person": flow("Person", {"ask": (StartEvent, Ask), "greet": (Answer, StopEvent)}),
    "interview": flow(
        "Interview", {"begin": (StartEvent, Ask), "record": (Answer, any_of(Ask, StopEvent))}
    ),
    "questions": flow(
        "Questions",
        {
            "ask": (StartEvent, any_of(*QUESTIONS)),
            "note": (ANSWERS[0], A),
            "judge": (any_of(ANSWERS[1], A), any_of(QUESTIONS[0], StopEvent)),
        },
    ),
    "names": flow(
        "Namen",
        {
            "end": (StartEvent, any_of(GRÖSSE, END)),
            "subgraph": (GRÖSSE, 質問),
            "確認する": (any_of(質問, END), StopEvent),
        },
    ),
    "agent": flow(
        "Agent",
        {
            "aggregate_tool_results": (TOOLS[4], any_of(TOOLS[0], StopEvent)),
            "call_tool": (TOOLS[3], TOOLS[4]),
            "init_run": (StartEvent, TOOLS[0]),
            "parse_agent_output": (TOOLS[2], any_of(StopEvent, TOOLS[0], TOOLS[3])),
            "run_agent_step": (TOOLS[1], TOOLS[2]),
            "setup_agent": (TOOLS[0], TOOLS[1]),
        },
    ),
}


def as_served(workflow: type[Workflow]) -> WorkflowGraph:
    """Return the graph of a workflow as a server sends it: with steps sorted by name."""
    return get_workflow_representation(workflow)


def made_up(
    events: Iterable[tuple[str, Iterable[int], Iterable[int], str]],
) -> WorkflowGraphResponse:
    """Return a graph of events, each with a name, its producers, its takers and its base."""
    nodes: dict[str, dict[str, Any]] = {}
    edges = []
    for number, (name, producers, takers, base) in enumerate(events):
        types = [name, base]
        node = {"node_type": "event", "event_type": name, "event_types": types, "label": name}
        nodes[f"event {number}"] = node
        for step_number in sorted({*producers, *takers}):
            nodes[f"step {step_number}"] = {"node_type": "step", "label": f"step_{step_number}"}
        edges += [(f"step {each}", f"event {number}") for each in sorted(producers)]
        edges += [(f"event {number}", f"step {each}") for each in sorted(takers)]
    return WorkflowGraphResponse.model_validate(
        {
            "graph": {
                "name": "MadeUp",
                "nodes": [{"id": id_, **node} for id_, node in nodes.items()],
                "edges": [{"source": source, "target": target} for source, target in edges],
            }
        }
    )
