"""Mermaid source of a picture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .colors import COLORS, color_of
from .picture import Arrow, Kind, Node, Picture

# Any other punctuation is written as a character code: Mermaid reads some of it as syntax, some as
# Markdown, some as HTML, and some as what it writes itself for character codes.
_LITERAL: Final = frozenset(" _.,")
_SHAPES: Final = {
    Kind.START: ("([", "])"),
    Kind.STOP: ("([", "])"),
    Kind.STEP: ("[", "]"),
    Kind.EVENT: ("(", ")"),
    Kind.PERSON: ("([", "])"),
    Kind.LOOSE: ("((", "))"),
}


def write_mermaid(picture: Picture) -> str:
    """Return the source of a flowchart.

    Nodes are named by numbers, so that no name can clash with another one or with a keyword.
    """
    lines = ["flowchart TD", f"    accTitle: {_escape(picture.name) or 'Workflow'}"]
    lines.append(f"    accDescr: {_escape(picture.description)}")
    lines += [f"    {_node(number, node)}" for number, node in enumerate(picture.nodes)]
    lines += [f"    {_arrow(arrow)}" for arrow in picture.arrows]
    thick = [str(n) for n, arrow in enumerate(picture.arrows) if arrow.is_dashed and arrow.is_taken]
    if thick:
        lines.append(f"    linkStyle {','.join(thick)} stroke-width:3.5px")
    lines += [f"    {line}" for line in _classes(picture)]
    return "\n".join(lines) + "\n"


def _node(number: int, node: Node) -> str:
    before, after = _SHAPES[node.kind]
    lines = [node.name, *node.lines]
    if node.progress.text:
        lines.append(node.progress.text)
    return f'n{number}{before}"{_label(lines)}"{after}'


def _arrow(arrow: Arrow) -> str:
    link = "-.->" if arrow.is_dashed else "==>" if arrow.is_taken else "-->"
    label = f'|"{_label(arrow.labels)}"|' if arrow.labels else ""
    return f"n{arrow.source} {link}{label} n{arrow.target}"


def _label(lines: tuple[str, ...] | list[str]) -> str:
    return "<br/>".join(_escape(line) or "#8203;" for line in lines)


def _escape(text: str) -> str:
    return "".join(
        character if character.isalnum() or character in _LITERAL else f"#{ord(character)};"
        for character in text
    )


def _classes(picture: Picture) -> Iterator[str]:
    members: dict[str, list[str]] = {}
    for number, node in enumerate(picture.nodes):
        members.setdefault(color_of(node), []).append(f"n{number}")
    for name, numbers in members.items():
        color = COLORS[name]
        yield (
            f"classDef {name} fill:{color.fill},stroke:{color.stroke},color:{color.text}"
            f",stroke-width:{color.width}px"
            + (f",stroke-dasharray:{color.dashes}" if color.dashes else "")
        )
        yield f"class {','.join(numbers)} {name}"
