"""Mermaid, SVG and the table: what they say, and that names cannot change what they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from xml.etree import ElementTree

import pytest
from llama_agents.client._graphs.colors import COLORS, INK, PAPER
from llama_agents.client._graphs.lettering import LONGEST_NAME, wrap
from llama_agents.client._text import columns, plain
from llama_agents.client.protocol import EventEnvelopeWithMetadata, WorkflowGraphResponse

from .drawn import FLOWS, as_served, made_up

NASTY: Final = [
    '"]',
    "end",
    "<script>alert(1)</script>",
    "&lt;#35;",
    "]]>",
    "**a**`b`",
    "style a:#b;c",
    "%%{init: {}}%%",
    "--> x\n    n0 --> n1",
    "1. x",
    "\u202egnp.exe",
    "\x00\x1b[31m\uffff",
    "確認する",
    "x" * 100_000,
]
NODE: Final = re.compile(r'n(\d+)(\(\[|\(\(|\(|\[)"([^"\[\]<>|]*(?:<br/>[^"\[\]<>|]*)*)"([\])]+)')
ARROW: Final = re.compile(r'n(\d+) (-->|==>|-\.->)(?:\|"((?:[^"\[\]<>|]|<br/>)+)"\|)? n(\d+)')
OTHER: Final = re.compile(
    r"flowchart TD|accTitle: [^\n]+|accDescr: [^\n]+|linkStyle [\d,]+ stroke-width:[\d.]+px"
    r"|classDef \w+ [\w:#,. -]+|class n\d+(,n\d+)* \w+"
)


def parse(source: str) -> tuple[list[str], list[tuple[str, str, str]]]:
    """Return the labels of nodes, and the arrows, of Mermaid as we write it; reject the rest."""
    labels, arrows = [], []
    for line in source.splitlines():
        if match := NODE.fullmatch(line.strip()):
            assert int(match[1]) == len(labels)
            assert match[4] == match[2].translate(str.maketrans("([", ")]"))[::-1]
            labels.append(decode(match[3]))
        elif match := ARROW.fullmatch(line.strip()):
            ends = (labels[int(match[1])], labels[int(match[4])])
            arrows.append((ends[0], decode(match[3] or ""), ends[1]))
        else:
            assert OTHER.fullmatch(line.strip()), line
    return labels, arrows


def decode(label: str) -> str:
    text = label.replace("<br/>", "\n")
    return re.sub(r"#(\d+);", lambda match: chr(int(match[1])), text)


def graph(name: str) -> WorkflowGraphResponse:
    return WorkflowGraphResponse(graph=as_served(FLOWS[name]))


def nasty(names: Iterable[str] = NASTY) -> WorkflowGraphResponse:
    """Return a graph whose steps and events have these names."""
    events = [(name, [number], [number + 1], "Event") for number, name in enumerate(names)]
    response = made_up([("Go", [], [0], "StartEvent"), *events])
    for node in response.graph.nodes:
        if node.id.startswith("step ") and node.id != "step 0":
            node.label = NASTY[int(node.id.removeprefix("step ")) - 1]
    response.graph.name = NASTY[0] + NASTY[2]
    return response


def test_mermaid_has_steps_as_nodes_and_events_as_labels() -> None:
    assert parse(graph("branches").to_mermaid()) == (
        ["start", "parse", "classify", "accept", "reject", "stop"],
        [
            ("start", "StartEvent", "parse"),
            ("parse", "Parsed", "classify"),
            ("classify", "Checked\nEnriched", "accept"),
            ("classify", "Rejected", "reject"),
            ("accept", "StopEvent", "stop"),
            ("reject", "StopEvent", "stop"),
        ],
    )


def test_events_are_nodes_with_their_fields_if_asked_for() -> None:
    labels, arrows = parse(graph("fan-out").to_mermaid(events=True))
    assert "Squared\nnumber: integer\nsquare: integer" in labels
    assert "Numbers\nnumbers: array of integer" in labels
    assert ("start", "", "Numbers\nnumbers: array of integer") in arrows
    assert ("StopEvent", "", "stop") in arrows


@pytest.mark.parametrize("events", [False, True])
def test_requests_and_answers_are_a_dashed_loop(events: bool) -> None:
    source = graph("interview").to_mermaid(events=events)
    assert source.count("-.->") == (3 if not events else 2)
    assert parse(source)[0].count("person") == 1
    assert graph("interview").to_svg(events=events).count('stroke-dasharray="6 4"') == source.count(
        "-.->"
    )


@pytest.mark.parametrize("events", [False, True])
def test_names_do_not_change_the_mermaid_source(events: bool) -> None:
    labels, _ = parse(nasty().to_mermaid(events=events))
    assert {plain(name, LONGEST_NAME) for name in NASTY} <= set(labels)


@pytest.mark.parametrize("name", FLOWS)
def test_mermaid_is_well_formed(name: str) -> None:
    for events in (False, True):
        assert parse(graph(name).to_mermaid(events=events))


@pytest.mark.parametrize("events", [False, True])
def test_names_do_not_change_the_svg_document(events: bool) -> None:
    root = ElementTree.fromstring(nasty().to_svg(events=events))
    tags = {element.tag.partition("}")[2] for element in root.iter()}
    assert tags == {"svg", "title", "desc", "rect", "g", "text", "path", "polygon"}
    names = {name for element in root.iter() for name in element.attrib}
    assert not {name for name in names if name.startswith("on") or name in ("id", "href", "style")}
    assert root.attrib["role"] == "img"
    titles = {element.text for element in root.iter() if element.tag.endswith("title")}
    assert plain(NASTY[-1], LONGEST_NAME) in titles
    assert plain(NASTY[0] + NASTY[2], LONGEST_NAME) == root.attrib["aria-label"]


def test_output_is_bounded_for_long_names() -> None:
    assert len(nasty().to_svg()) < 100_000
    assert len(nasty().to_mermaid()) < 30_000
    assert max(map(columns, nasty().to_text().splitlines())) < 200


def test_graph_that_is_too_large_is_rejected_and_shown_as_text() -> None:
    chain = made_up([(f"E{number}", [number], [number + 1], "Event") for number in range(5000)])
    for draw in (chain.to_svg, chain.to_mermaid):
        with pytest.raises(ValueError, match="at least 501 arrows"):
            draw()
    assert list(chain._repr_mimebundle_()) == ["text/plain"]
    crossing = made_up([("E", range(2000), range(2000, 4000), "Event")])
    with pytest.raises(ValueError, match=r"4,000,000 arrows|arrows"):
        crossing.to_svg()
    long = [(f"A{number}", [number], [number + 1], "Event") for number in range(239)]
    turns = [(f"B{number}", [number], [239 - number], "Event") for number in range(239)]
    with pytest.raises(ValueError, match="too many layers"):
        made_up(long + turns).to_svg()


def test_graph_of_a_hostile_server_is_drawn_as_far_as_it_makes_sense() -> None:
    nodes = [{"id": id_, "label": id_, "node_type": "step"} for id_ in ("a", "a", "b", "c")]
    nodes.append({"id": "tool", "label": "tool", "node_type": "agent"})
    nodes.append({"id": "e", "label": "E", "node_type": "event"})
    ends = ["a b", "b c", "c a", "c c", "a nowhere", "nowhere b", "a e", "e e", "e tool", "a tool"]
    edges = [dict(zip(("source", "target"), each.split(), strict=True)) for each in ends]
    response = WorkflowGraphResponse.model_validate(
        {"graph": {"name": "", "nodes": nodes, "edges": edges}}
    )
    labels, arrows = parse(response.to_mermaid())
    assert labels == ["a", "b", "tool", "c"]
    assert [arrow for arrow in arrows if arrow[1]] == [("a", "E", "tool")]
    assert len(arrows) == 5
    assert response.to_svg()


def test_step_of_the_framework_is_left_out() -> None:
    nodes = [{"id": id_, "label": id_, "node_type": "step"} for id_ in ("_done", "a")]
    nodes.append({"id": "StopEvent", "label": "StopEvent", "node_type": "event"})
    edges = [{"source": "a", "target": "StopEvent"}, {"source": "StopEvent", "target": "_done"}]
    response = WorkflowGraphResponse.model_validate(
        {"graph": {"name": "", "nodes": nodes, "edges": edges}}
    )
    assert parse(response.to_mermaid()) == (["a", "stop"], [("a", "StopEvent", "stop")])


def test_answer_to_a_request_that_is_only_streamed_comes_from_a_person() -> None:
    answer = made_up([("Answer", [], [0], "HumanResponseEvent")])
    assert ("person", "Answer", "step_0") in parse(answer.to_mermaid())[1]
    request = made_up([("Ask", [0], [], "InputRequiredEvent")])
    assert ("step_0", "Ask", "person") in parse(request.to_mermaid())[1]


def test_empty_graph_is_drawn() -> None:
    empty = made_up([])
    assert parse(empty.to_mermaid()) == ([], [])
    assert ElementTree.fromstring(empty.to_svg()).attrib["width"] == "32"
    assert empty.to_text().splitlines()[0] == "step  takes  gives"


def test_notebooks_are_offered_all_forms() -> None:
    response = graph("loop")
    assert response._repr_mimebundle_(include=None, exclude=None) == {
        "image/svg+xml": response.to_svg(),
        "text/vnd.mermaid": response.to_mermaid(),
        "text/plain": response.to_text(),
    }


def test_table_has_the_start_first_and_one_event_a_line() -> None:
    assert graph("branches").to_text().splitlines() == [
        "step      takes               gives",
        "────────  ──────────────────  ────────────────",
        "parse     StartEvent (start)  Parsed",
        "classify  Parsed              Checked",
        "                              Enriched",
        "                              Rejected",
        "accept    Checked             StopEvent (stop)",
        "          Enriched",
        "reject    Rejected            StopEvent (stop)",
    ]


def test_table_is_aligned_for_wide_characters_and_escapes_control_characters() -> None:
    lines = graph("names").to_text().splitlines()
    (line,) = (line for line in lines if line.startswith("確認する"))
    assert columns(line[: line.index("StopEvent")]) == lines[0].index("gives")
    assert all(
        character.isprintable() for line in nasty().to_text().splitlines() for character in line
    )


def test_same_graph_is_drawn_the_same() -> None:
    response = graph("agent")
    response.graph.edges.reverse()
    assert response.to_svg() == graph("agent").to_svg()


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_contrasts_with_its_background() -> None:
    pairs = [(color.text, color.fill) for color in COLORS.values()] + [(INK, PAPER)]
    for text, background in pairs:
        low, high = sorted((luminance(text), luminance(background)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (text, background)


def test_what_a_run_did_is_written_as_well_as_colored() -> None:
    changes = [
        {"name": "split", "step_state": "running", "worker_id": "0", "input_event_name": "Numbers"}
    ]
    run = [EventEnvelopeWithMetadata(type="StepStateChanged", value=change) for change in changes]
    labels, _ = parse(graph("fan-out").to_mermaid(run=run))
    assert labels == ["start", "split\nrunning", "square\nnot reached", "add\nnot reached", "stop"]
    assert "class n1 running" in graph("fan-out").to_mermaid(run=run)
    svg = graph("fan-out").to_svg(run=iter(run))
    assert ">running</text>" in svg
    assert "Run status running." in svg


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("short", ("short",)),
        ("two_words_here", ("two_words_", "here")),
        ("CamelCaseName", ("CamelCase", "Name")),
        ("abcdefghijklmnopqrst", ("abcdefghij", "klmnopqrst")),
        ("one_two_three_four_five_six", ("one_two_", "t…five_six")),
        ("確認する質問", ("確認する質", "問")),
    ],
)
def test_names_are_wrapped_between_words(name: str, lines: tuple[str, ...]) -> None:
    assert wrap(name, 10, 2) == lines


def test_name_that_is_cut_keeps_its_end() -> None:
    name = "ThatSomebodyGeneratedFromTheirDomainModelAutomaticallyOne"
    assert wrap(name, 26, 2) == ("ThatSomebodyGeneratedFrom", "TheirDomainModel…callyOne")


def test_fields_are_shown_with_their_types() -> None:
    response = made_up([("E", [0], [1], "Event")])
    properties = {
        "a": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "b": {"$ref": "#/$defs/Item"},
        "c": {"type": "array", "items": {"$ref": "#/$defs/Item"}},
        "d": {"enum": ["x", 1]},
        "e": {"type": ["string"]},
        "f": "no schema",
        **{f"g{number}": {"type": "array"} for number in range(10)},
    }
    (node,) = (node for node in response.graph.nodes if node.node_type == "event")
    node.event_schema = {"properties": properties}  # type: ignore[union-attr]
    assert parse(response.to_mermaid(events=True))[0][-1].split("\n") == [
        "E",
        "a: string | null",
        "b: Item",
        "c: array of Item",
        "d: x | 1",
        "e",
        "f",
        *(f"g{number}: array" for number in range(5)),
        "5 more",
    ]
    node.event_schema = {"properties": []}  # type: ignore[union-attr]
    assert parse(response.to_mermaid(events=True))[0][-1] == "E"


def test_arrow_has_a_few_labels_at_most() -> None:
    response = made_up([(f"E{number}", [0], [1], "Event") for number in range(20)])
    ((_, label, _),) = parse(response.to_mermaid())[1]
    assert label.split("\n")[-2:] == ["E14", "13 more"]
