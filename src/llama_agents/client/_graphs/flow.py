"""What is drawn of a workflow's graph: boxes, and events that lead from boxes to boxes."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

if TYPE_CHECKING:
    from workflows.representation import WorkflowGraph

PERSON: Final = "person"
_RESOURCES: Final = frozenset({"resource", "resource_config"})
_FRAMEWORK_STEP: Final = "_done"  # takes the stop event, in older versions of the framework


class Role(enum.Enum):
    """What an event does in a run."""

    START = "start"
    STOP = "stop"
    REQUEST = "request"
    ANSWER = "answer"
    OTHER = "other"


@attrs.frozen
class Box:
    """A step, or whoever answers the requests of a run.

    Attributes:
        name: Its name.
        is_person: Whether it stands for whoever answers.
        description: The docstring of a step.
    """

    name: str
    is_person: bool = False
    description: str = ""


@attrs.frozen
class FlowEvent:
    """A class of events; or, without a name, something that leads from a box to another.

    Attributes:
        name: The name of the class.
        role: What the event does in a run.
        sources: The boxes that produce it, by number.
        targets: The boxes that take it, by number.
        schema: The JSON schema of the class.
    """

    name: str
    role: Role
    sources: tuple[int, ...]
    targets: tuple[int, ...]
    schema: Mapping[str, Any] = {}


@attrs.frozen
class Flow:
    """A workflow, as it is drawn.

    Attributes:
        name: The name of its class.
        boxes: What runs first comes first.
        events: In the order in which the boxes take and produce them.
    """

    name: str
    boxes: Sequence[Box]
    events: Sequence[FlowEvent]


def read_flow(graph: WorkflowGraph) -> Flow:
    """Read a graph; edges from or to a node that is not there are left out, as are resources."""
    reader = _Reader(graph)
    reader.leave_out_framework_step()
    reader.connect_person()
    return reader.flow()


class _Reader:
    """The nodes of a graph by their IDs, and the edges by what they connect."""

    def __init__(self, graph: WorkflowGraph) -> None:
        self._name = graph.name
        self._nodes: dict[str, Any] = {}
        for node in graph.nodes:
            self._nodes.setdefault(node.id, node)
        self._boxes: dict[str, Box] = {}
        # For each event, its producers and takers; and what leads from a box to a box without one.
        self._sources: dict[str, dict[str, None]] = {}
        self._targets: dict[str, dict[str, None]] = {}
        self._direct: dict[tuple[str, str, str], None] = {}
        for id_, node in self._nodes.items():
            if node.node_type == "event":
                self._sources[id_], self._targets[id_] = {}, {}
            elif node.node_type not in _RESOURCES:
                self._boxes[id_] = _box(node)
        for edge in graph.edges:
            self._add(edge.source, edge.target, edge.label or "")

    def _add(self, source: str, target: str, label: str) -> None:
        if source in self._boxes and target in self._boxes:
            self._direct[source, target, label] = None
        elif source in self._boxes and target in self._sources:
            self._sources[target][source] = None
        elif source in self._targets and target in self._boxes:
            self._targets[source][target] = None

    def leave_out_framework_step(self) -> None:
        """Leave out the step that takes the stop event, which is no workflow's own."""
        taken = [id_ for id_, takers in self._targets.items() if _FRAMEWORK_STEP in takers]
        if taken and all(_role(self._nodes[id_]) is Role.STOP for id_ in taken):
            del self._boxes[_FRAMEWORK_STEP]

    def connect_person(self) -> None:
        """Lead requests that nobody takes to a person, and answers that nobody produces from there.

        A request that is only written to the stream is not in the graph, and then neither is a node
        for whoever answers.
        """
        person = next((id_ for id_, box in self._boxes.items() if box.is_person), "\0person")
        for id_ in self._sources:
            role = _role(self._nodes[id_])
            if role is Role.REQUEST and not self._targets[id_]:
                self._targets[id_][person] = None
            elif role is Role.ANSWER and not self._sources[id_]:
                self._sources[id_][person] = None
            else:
                continue
            self._boxes.setdefault(person, Box(PERSON, is_person=True))

    def flow(self) -> Flow:
        """Return what was read, in the order in which a run gets to it."""
        order = self._order()
        numbers = {id_: number for number, id_ in enumerate(order)}
        events = [
            FlowEvent(
                name=_name(self._nodes[id_]),
                role=_role(self._nodes[id_]),
                sources=_numbers(numbers, self._sources[id_]),
                targets=_numbers(numbers, self._targets[id_]),
                schema=getattr(self._nodes[id_], "event_schema", None) or {},
            )
            for id_ in self._sources
        ]
        events += [
            FlowEvent(label, Role.OTHER, (numbers[source],), (numbers[target],))
            for source, target, label in self._direct
            if source in numbers and target in numbers
        ]
        boxes = [self._boxes[id_] for id_ in order]
        return Flow(self._name, boxes, sorted(events, key=_position))

    def _order(self) -> list[str]:
        """Return the boxes in the order in which a run gets to them."""
        produced: dict[str, list[str]] = {}
        following: dict[str, list[str]] = {}
        for event, producers in self._sources.items():
            for box in producers:
                produced.setdefault(box, []).append(event)
        for source, target, _ in self._direct:
            following.setdefault(source, []).append(target)
        starts = [id_ for id_ in self._sources if _role(self._nodes[id_]) is Role.START]
        order: dict[str, None] = {}
        spread: set[str] = set()
        waiting = deque(box for event in starts for box in self._targets[event])
        others = iter(self._boxes)
        while len(order) < len(self._boxes):
            box = waiting.popleft() if waiting else next(others)
            if box in order or box not in self._boxes:
                continue
            order[box] = None
            waiting.extend(following.get(box, ()))
            for event in produced.get(box, ()):
                if event not in spread:
                    spread.add(event)
                    waiting.extend(self._targets[event])
        return list(order)


def _box(node: Any) -> Box:
    if node.node_type == "external":
        return Box(PERSON, is_person=True)
    return Box(node.label or node.id, description=getattr(node, "description", None) or "")


def _name(node: Any) -> str:
    name: str = getattr(node, "event_type", None) or node.label or node.id
    return name


def _role(node: Any) -> Role:
    if node.node_type != "event":
        return Role.OTHER
    names = {_name(node), *(getattr(node, "event_types", None) or ())}
    for name, role in _ROLES.items():
        if name in names:
            return role
    return Role.OTHER


_ROLES: Final = {
    "StartEvent": Role.START,
    "StopEvent": Role.STOP,
    "InputRequiredEvent": Role.REQUEST,
    "HumanResponseEvent": Role.ANSWER,
}


def _numbers(numbers: Mapping[str, int], ids: Iterable[str]) -> tuple[int, ...]:
    return tuple(sorted(numbers[id_] for id_ in ids if id_ in numbers))


def _position(event: FlowEvent) -> tuple[bool, tuple[int, ...], tuple[int, ...], str]:
    return event.role is not Role.START, event.sources, event.targets, event.name
