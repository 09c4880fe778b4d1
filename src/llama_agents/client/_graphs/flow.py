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
        description: The docstring of its class.
        boxes: What runs first comes first.
        events: In the order in which the boxes take and produce them.
    """

    name: str
    description: str
    boxes: Sequence[Box]
    events: Sequence[FlowEvent]


def read_flow(graph: WorkflowGraph) -> Flow:
    """Read a graph; edges from or to a node that is not there are left out, as are resources."""
    nodes: dict[str, Any] = {}
    for node in graph.nodes:
        nodes.setdefault(node.id, node)
    stops = {id_ for id_, node in nodes.items() if _role(node) is Role.STOP}
    boxes: dict[str, Box] = {}
    sources: dict[str, dict[str, None]] = {}
    targets: dict[str, dict[str, None]] = {}
    direct: dict[tuple[str, str, str], None] = {}
    for id_, node in nodes.items():
        if node.node_type == "event":
            sources[id_], targets[id_] = {}, {}
        elif node.node_type not in _RESOURCES:
            boxes[id_] = _box(node)
    for edge in graph.edges:
        if edge.source in boxes and edge.target in boxes:
            direct[edge.source, edge.target, edge.label or ""] = None
        elif edge.source in boxes and edge.target in sources:
            sources[edge.target][edge.source] = None
        elif edge.source in targets and edge.target in boxes:
            targets[edge.source][edge.target] = None
    if _FRAMEWORK_STEP in boxes and all(
        id_ in stops for id_, takers in targets.items() if _FRAMEWORK_STEP in takers
    ):
        del boxes[_FRAMEWORK_STEP]
    _connect_person(boxes, nodes, sources, targets)
    order = _order(boxes, nodes, sources, targets, direct)
    numbers = {id_: number for number, id_ in enumerate(order)}
    events = [
        FlowEvent(
            name=_name(nodes[id_]),
            role=_role(nodes[id_]),
            sources=_numbers(numbers, sources[id_]),
            targets=_numbers(numbers, targets[id_]),
            schema=getattr(nodes[id_], "event_schema", None) or {},
        )
        for id_ in sources
    ]
    events += [
        FlowEvent(label, Role.OTHER, (numbers[source],), (numbers[target],))
        for source, target, label in direct
        if source in numbers and target in numbers
    ]
    return Flow(
        name=graph.name,
        description=getattr(graph, "description", None) or "",
        boxes=[boxes[id_] for id_ in order],
        events=sorted(events, key=_position),
    )


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


def _connect_person(
    boxes: dict[str, Box],
    nodes: Mapping[str, Any],
    sources: Mapping[str, dict[str, None]],
    targets: Mapping[str, dict[str, None]],
) -> None:
    """Lead requests that nobody takes to a person, and answers that nobody produces from there.

    A request that is only written to the stream is not in the graph, and then neither is a node
    for whoever answers.
    """
    person = next((id_ for id_, box in boxes.items() if box.is_person), "\0person")
    for id_ in sources:
        role = _role(nodes[id_])
        if role is Role.REQUEST and not targets[id_]:
            targets[id_][person] = None
        elif role is Role.ANSWER and not sources[id_]:
            sources[id_][person] = None
        else:
            continue
        boxes.setdefault(person, Box(PERSON, is_person=True))


def _order(
    boxes: Mapping[str, Box],
    nodes: Mapping[str, Any],
    sources: Mapping[str, Mapping[str, None]],
    targets: Mapping[str, Mapping[str, None]],
    direct: Iterable[tuple[str, str, str]],
) -> list[str]:
    """Return the boxes in the order in which a run gets to them."""
    produced: dict[str, list[str]] = {}
    following: dict[str, list[str]] = {}
    for event, producers in sources.items():
        for box in producers:
            produced.setdefault(box, []).append(event)
    for source, target, _ in direct:
        following.setdefault(source, []).append(target)
    starts = [id_ for id_ in sources if _role(nodes[id_]) is Role.START]
    order: dict[str, None] = {}
    spread: set[str] = set()
    waiting = deque(box for event in starts for box in targets[event])
    others = iter(boxes)
    while len(order) < len(boxes):
        box = waiting.popleft() if waiting else next(others)
        if box in order or box not in boxes:
            continue
        order[box] = None
        waiting.extend(following.get(box, ()))
        for event in produced.get(box, ()):
            if event not in spread:
                spread.add(event)
                waiting.extend(targets[event])
    return list(order)


def _numbers(numbers: Mapping[str, int], ids: Iterable[str]) -> tuple[int, ...]:
    return tuple(sorted(numbers[id_] for id_ in ids if id_ in numbers))


def _position(event: FlowEvent) -> tuple[bool, tuple[int, ...], tuple[int, ...], str]:
    return event.role is not Role.START, event.sources, event.targets, event.name
