"""The colors of nodes; each comes with a text or a line of its own, and reads at 4.5:1 or more."""

from __future__ import annotations

from typing import Final

import attrs

from .picture import Kind, Node
from .progress import StepState

PAPER: Final = "#ffffff"  # pictures have a background of their own, for dark pages
INK: Final = "#1f2937"


@attrs.frozen
class Color:
    """How a node is drawn.

    Attributes:
        fill: Its background.
        stroke: Its outline.
        text: What is written in it.
        width: The width of the outline.
        dashes: The dashes of the outline; empty for a solid one.
    """

    fill: str
    stroke: str
    text: str
    width: float = 1.5
    dashes: str = ""


COLORS: Final = {
    "terminal": Color("#1f2937", "#1f2937", "#ffffff"),
    "step": Color("#eef2ff", "#4338ca", "#1e1b4b"),
    "event": Color("#f8fafc", "#64748b", "#0f172a"),
    "person": Color("#faf5ff", "#7e22ce", "#581c87", dashes="5 3"),
    "loose": Color("#ffffff", "#4b5563", "#1f2937"),
    "not_reached": Color("#ffffff", "#6b7280", "#4b5563", dashes="2 3"),
    "running": Color("#dbeafe", "#1d4ed8", "#1e3a8a", 3),
    "done": Color("#dcfce7", "#15803d", "#14532d"),
    "ended": Color("#f1f5f9", "#475569", "#1e293b"),
    "waiting": Color("#f3e8ff", "#7e22ce", "#581c87", 3, dashes="5 3"),
    "stopped": Color("#ffedd5", "#c2410c", "#7c2d12", 3, dashes="7 3"),
    "failed": Color("#fee2e2", "#b91c1c", "#7f1d1d", 3),
}
_KINDS: Final = {Kind.START: "terminal", Kind.STOP: "terminal"}


def color_of(node: Node) -> str:
    """Return the name of a node's color."""
    if node.progress.state is not StepState.UNKNOWN:
        return node.progress.state.name.lower()
    return _KINDS.get(node.kind, node.kind.value)
