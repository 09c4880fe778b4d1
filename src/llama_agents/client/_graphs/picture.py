"""A picture of a workflow: nodes and arrows between them, before anything is placed."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from .._text import plain
from .flow import Box, Flow, FlowEvent, Role
from .lettering import LONGEST_NAME
from .progress import UNTOUCHED, Progress, StepProgress

# Nobody reads a larger picture, and Mermaid draws no more arrows than these.
MAX_NODES: Final = 500
MAX_ARROWS: Final = 500
MAX_LABELS: Final = 8  # lines at one arrow
MAX_FIELDS: Final = 12  # lines in an event


class Kind(enum.Enum):
    """What a node stands for."""

    START = "start"
    STOP = "stop"
    STEP = "step"
    EVENT = "event"
    PERSON = "person"
    LOOSE = "loose"  # the other end of an event that no step takes, or that none produces


@attrs.frozen
class Node:
    """A node.

    Attributes:
        kind: What it stands for.
        name: What is written in it.
        lines: The fields of an event.
        description: More about it.
        progress: What a step did in a run.
    """

    kind: Kind
    name: str
    lines: tuple[str, ...] = ()
    description: str = ""
    progress: StepProgress = UNTOUCHED


@attrs.frozen
class Arrow:
    """An arrow from a node to a node, both by number.

    Attributes:
        source: Where it starts.
        target: Where it ends.
        labels: The events that take this way.
        is_dashed: Whether it leads to or from a person.
        is_taken: Whether an event is known to have taken it.
    """

    source: int
    target: int
    labels: tuple[str, ...]
    is_dashed: bool
    is_taken: bool


@attrs.frozen
class Picture:
    """Nodes and arrows; the start comes first.

    Attributes:
        name: The name of the workflow.
        description: What it shows.
        nodes: The nodes.
        arrows: The arrows.
    """

    name: str
    description: str
    nodes: Sequence[Node]
    arrows: Sequence[Arrow]


def draw(flow: Flow, *, events: bool = False, progress: Progress | None = None) -> Picture:
    """Make a picture of a workflow.

    Args:
        flow: The workflow.
        events: Whether each event is a node of its own.
        progress: What a run did.

    Raises:
        ValueError: There is more to draw than anybody can read.
    """
    sketch = _Sketch(flow, progress)
    for event in flow.events:
        if events and event.name:
            sketch.add_event_node(event)
        else:
            sketch.add_event(event)
    return sketch.picture()


class _Sketch:
    """Nodes and arrows, as they are added."""

    def __init__(self, flow: Flow, progress: Progress | None) -> None:
        self._flow = flow
        self._progress = progress
        self._taken: dict[str, set[tuple[int | None, int | None]]] = {}
        for source, name, target in progress.taken if progress is not None else ():
            self._taken.setdefault(name, set()).add((source, target))
        self._nodes = [self._box_node(number, box) for number, box in enumerate(flow.boxes)]
        self._ends: dict[Kind, int] = {}
        self._arrows: dict[tuple[int, int], dict[str, bool]] = {}

    def _box_node(self, number: int, box: Box) -> Node:
        return Node(
            kind=Kind.PERSON if box.is_person else Kind.STEP,
            name=plain(box.name, LONGEST_NAME),
            description=plain(" ".join(box.description[:1000].split()), LONGEST_NAME),
            progress=self._progress.boxes[number] if self._progress is not None else UNTOUCHED,
        )

    def add_event(self, event: FlowEvent) -> None:
        """Add an event as the label of arrows."""
        sources: list[int | None] = [*event.sources]
        targets: list[int | None] = [*event.targets]
        if event.role is Role.START or not sources:
            sources.append(None)
        if event.role is Role.STOP or not targets:
            targets.append(None)
        if len(sources) * len(targets) > MAX_ARROWS:
            raise _too_large(len(sources) * len(targets), MAX_ARROWS, "arrows")
        begin = self._end(Kind.START if event.role is Role.START else None, sources)
        end = self._end(Kind.STOP if event.role is Role.STOP else None, targets)
        ways = self._taken.get(event.name, ())
        for source in sources:
            for target in targets:
                self._connect(
                    begin if source is None else source,
                    end if target is None else target,
                    plain(event.name, LONGEST_NAME),
                    (source, target) in ways,
                )

    def add_event_node(self, event: FlowEvent) -> None:
        """Add an event as a node of its own."""
        node = self._add(
            Node(Kind.EVENT, plain(event.name, LONGEST_NAME), tuple(_fields(event.schema)))
        )
        ways = self._taken.get(event.name, ())
        gave = {source for source, _ in ways}
        got = {target for _, target in ways}
        if event.role is Role.START:
            self._connect(self._end(Kind.START, [None]), node, "", bool(ways))
        for source in event.sources:
            self._connect(source, node, "", source in gave)
        for target in event.targets:
            self._connect(node, target, "", target in got)
        if event.role is Role.STOP:
            self._connect(node, self._end(Kind.STOP, [None]), "", bool(ways))

    def _end(self, kind: Kind | None, ends: Sequence[int | None]) -> int:
        """Return the node for an end that is not a box: the start, the stop, or a loose end."""
        if None not in ends:
            return -1
        if kind is None:
            return self._add(Node(Kind.LOOSE, ""))
        if kind not in self._ends:
            self._ends[kind] = self._add(Node(kind, kind.value))
        return self._ends[kind]

    def _add(self, node: Node) -> int:
        self._nodes.append(node)
        return len(self._nodes) - 1

    def _connect(self, source: int, target: int, label: str, is_taken: bool) -> None:
        labels = self._arrows.setdefault((source, target), {})
        labels[label] = labels.get(label, False) or is_taken
        if len(self._arrows) > MAX_ARROWS:
            raise _too_large(len(self._arrows), MAX_ARROWS, "arrows")

    def picture(self) -> Picture:
        """Return what was added; the start is the first node, and the stop the last."""
        if len(self._nodes) > MAX_NODES:
            raise _too_large(len(self._nodes), MAX_NODES, "nodes")
        order = sorted(range(len(self._nodes)), key=lambda number: self._place(number))
        place = {number: position for position, number in enumerate(order)}
        arrows = [
            Arrow(
                source=place[source],
                target=place[target],
                labels=_labels(labels),
                is_dashed=Kind.PERSON in (self._nodes[source].kind, self._nodes[target].kind),
                is_taken=any(labels.values()),
            )
            for (source, target), labels in self._arrows.items()
        ]
        outcome = f" Run status {self._progress.outcome}." if self._progress is not None else ""
        steps = sum(node.kind is Kind.STEP for node in self._nodes)
        return Picture(
            name=plain(self._flow.name, LONGEST_NAME),
            description=f"A workflow with {steps} step{'' if steps == 1 else 's'}.{outcome}",
            nodes=[self._nodes[number] for number in order],
            arrows=sorted(arrows, key=lambda arrow: (arrow.source, arrow.target)),
        )

    def _place(self, number: int) -> int:
        return {Kind.START: 0, Kind.STOP: 2}.get(self._nodes[number].kind, 1)


def _too_large(number: int, limit: int, things: str) -> ValueError:
    return ValueError(
        f"The graph has at least {number:,} {things}, and a picture at most {limit:,}; "
        "to_text() lists the steps"
    )


def _labels(labels: Mapping[str, bool]) -> tuple[str, ...]:
    names = sorted(label for label in labels if label.strip())
    if len(names) > MAX_LABELS:
        names[MAX_LABELS - 1 :] = [f"{len(names) - MAX_LABELS + 1} more"]
    return tuple(names)


def _fields(schema: Mapping[str, Any]) -> Iterator[str]:
    """Return a line for each field in a JSON schema."""
    fields = schema.get("properties")
    if not isinstance(fields, dict):
        return
    for number, (name, field) in enumerate(fields.items()):
        if number == MAX_FIELDS - 1 and len(fields) > MAX_FIELDS:
            yield f"{len(fields) - number} more"
            return
        type_ = plain(_type(field), 60)
        yield f"{plain(str(name), 60)}: {type_}" if type_ else plain(str(name), 60)


def _type(field: object, depth: int = 3) -> str:
    """Return the type that a JSON schema describes, in a few words."""
    if not isinstance(field, dict) or not depth:
        return ""
    if isinstance(ref := field.get("$ref"), str):
        return ref.rpartition("/")[2]
    for key in ("anyOf", "oneOf", "allOf"):
        if isinstance(members := field.get(key), list):
            names = dict.fromkeys(_type(member, depth - 1) for member in members[:10])
            return " | ".join(name for name in names if name)
    if isinstance(values := field.get("enum"), list):
        return " | ".join(str(value)[:60] for value in values[:10])
    name = field.get("type")
    if name == "array":
        return f"array of {items}" if (items := _type(field.get("items"), depth - 1)) else "array"
    return name[:60] if isinstance(name, str) else ""
