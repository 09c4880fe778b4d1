"""Nothing in a picture covers anything else; checked on what the SVG document draws."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_agents.client._graphs.flow import read_flow
from llama_agents.client._graphs.picture import draw
from llama_agents.client.protocol import WorkflowGraphResponse

from .drawn import FLOWS, as_served, made_up
from .parsed import Area, Drawing, read


@pytest.mark.parametrize("events", [False, True], ids=["steps", "events"])
@pytest.mark.parametrize("name", FLOWS)
def test_nothing_in_a_picture_covers_anything_else(name: str, events: bool) -> None:
    check(WorkflowGraphResponse(graph=as_served(FLOWS[name])), events)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text("ab_ Xé質", max_size=60),
            st.frozensets(st.integers(0, 9), max_size=3),
            st.frozensets(st.integers(0, 9), max_size=3),
            st.sampled_from(["Event", "StartEvent", "StopEvent", "InputRequiredEvent"]),
        ),
        max_size=12,
    ),
    st.booleans(),
)
def test_nothing_covers_anything_else_in_any_graph(events: list[Any], as_nodes: bool) -> None:
    check(made_up(events), as_nodes)


def check(response: WorkflowGraphResponse, events: bool) -> None:
    picture = draw(read_flow(response.graph), events=events)
    drawing = read(response.to_svg(events=events))
    arrows = [arrow for arrow in picture.arrows if arrow.source != arrow.target]
    loops = [arrow for arrow in picture.arrows if arrow.source == arrow.target]
    assert len(drawing.boxes) == len(picture.nodes)
    assert len(drawing.lines) == len(drawing.heads) == len(picture.arrows)
    assert len(drawing.labels) == sum(bool(arrow.labels) for arrow in picture.arrows)
    check_areas(drawing)
    check_lines(drawing, len(arrows))
    for arrow, line, head in zip(
        arrows, drawing.lines[: len(arrows)], drawing.heads[: len(arrows)], strict=True
    ):
        assert touches(drawing.boxes[arrow.source].area, line[0])
        assert touches(drawing.boxes[arrow.target].area, line[-1])
        assert head[0] == line[-1]
    for arrow, line in zip(loops, drawing.lines[len(arrows) :], strict=True):
        assert touches(drawing.boxes[arrow.source].area, line[0])


def check_areas(drawing: Drawing) -> None:
    areas = [each.area for each in drawing.boxes + drawing.labels]
    for one, other in combinations(areas, 2):
        assert not one.overlaps(other, apart=4), (one, other)
    for each in drawing.boxes + drawing.labels:
        assert drawing.whole.holds(each.area)
        for text in each.text_areas:
            assert each.area.holds(text), each.texts
        for one, other in combinations(each.text_areas, 2):
            assert not one.overlaps(other), each.texts


def check_lines(drawing: Drawing, straight: int) -> None:
    hidden = []
    for number, line in enumerate(drawing.lines):
        xs, ys = zip(*line, strict=True)
        around = Area(min(xs), min(ys), max(xs), max(ys))
        met = [
            each
            for each in drawing.boxes + drawing.labels
            if each.area.overlaps(around, 1) and any(each.area.contains(at, 0.2) for at in line)
        ]
        assert not [box.texts for box in drawing.boxes if box in met]
        crossed = [n for n, label in enumerate(drawing.labels) if label in met]
        assert len(crossed) <= (number < straight), [drawing.labels[n].texts for n in crossed]
        hidden += crossed
        assert all(drawing.whole.contains(point) for point in line + drawing.heads[number])
    assert len(hidden) == len(set(hidden)), "a label is at two arrows"


def touches(area: Area, point: tuple[float, float]) -> bool:
    return area.contains(point, by=-0.2) and not area.contains(point, by=0.2)
