"""A table of the steps of a workflow, for terminals."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Final

from .._text import aligned, columns, cut, plain
from .flow import Flow, FlowEvent, Role
from .lettering import LONGEST_NAME

_WIDEST: Final = 60  # columns of a cell
_HEAD: Final = ("step", "takes", "gives")
_ROLE_MARKS: Final = {Role.START: " (start)", Role.STOP: " (stop)"}


def write_table(flow: Flow) -> str:
    """Return a table of what each step takes and gives, the first step first."""
    takes: list[list[str]] = [[] for _ in flow.boxes]
    gives: list[list[str]] = [[] for _ in flow.boxes]
    for event in flow.events:
        for target in event.targets:
            takes[target].append(_cell(event) or f"from {_name(flow, event.sources[0])}")
        for source in event.sources:
            gives[source].append(_cell(event) or f"to {_name(flow, event.targets[0])}")
    names = [_name(flow, number) for number in range(len(flow.boxes))]
    rows: list[tuple[str, str, str]] = [_HEAD]
    for name, taken, given in zip(names, takes, gives, strict=True):
        rows += zip_longest([name], taken, given, fillvalue="")
    return "\n".join(aligned([_HEAD, _rule(rows), *rows[1:]])) + "\n"


def _name(flow: Flow, number: int) -> str:
    box = flow.boxes[number]
    return "(person)" if box.is_person else _cut(box.name)


def _cell(event: FlowEvent) -> str:
    return _cut(event.name) + _ROLE_MARKS.get(event.role, "") if event.name else ""


def _cut(name: str) -> str:
    return cut(plain(name, LONGEST_NAME), _WIDEST)


def _rule(rows: Sequence[tuple[str, str, str]]) -> tuple[str, ...]:
    """Return the line under the head."""
    return tuple("─" * max(map(columns, column)) for column in zip(*rows, strict=True))
