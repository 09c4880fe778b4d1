"""The file format of recordings."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from llama_agents.client import EventEnvelopeWithMetadata, SyncWorkflowClient
from llama_agents.client.testing import record, replay
from llama_agents.client.testing._recording import Writer, load
from workflows.events import StopEvent

from ..support.workflows import Tick

HEADER: Final = '{"recording": 1, "handler_id": "h1"}'
TICK: Final = '{"sequence": 2, "event": {"type": "Tick", "value": {"n": 1}}}'
STOP: Final = '{"sequence": 5, "event": {"type": "StopEvent", "value": {}}}'
ENVELOPE: Final = EventEnvelopeWithMetadata(value={"text": "\u2028\x85\n é"}, type="Tick")


def test_hand_written_recording_needs_required_fields_only(tmp_path: Path) -> None:
    file = tmp_path / "by_hand.jsonl"
    file.write_text("\n".join([HEADER, TICK, STOP]))
    recording = load(file)
    assert recording.handler_id == "h1"
    assert [event.sequence for event in recording.events] == [2, 5]
    assert recording.events[0].event.value == {"n": 1}
    assert recording.terminal_event == EventEnvelopeWithMetadata(value={}, type="StopEvent")
    assert load(str(file)) == recording == load(io.StringIO(file.read_text()))


def test_written_events_are_loaded_unchanged(tmp_path: Path) -> None:
    path, file = tmp_path / "run.jsonl", io.StringIO()
    for target in (path, file):
        writer = Writer(target)
        writer.begin("h1")
        writer.write(2, ENVELOPE)
        writer.write(2, ENVELOPE)  # a store may repeat a number
    assert file.getvalue() == path.read_text()  # and the open file is still open
    recording = load(path)
    assert [(event.sequence, event.event) for event in recording.events] == [(2, ENVELOPE)] * 2
    assert recording.terminal_event is None


def test_recording_is_built_from_events() -> None:
    recording = load([Tick(n=1), ENVELOPE, StopEvent(result="ok")])
    assert [event.sequence for event in recording.events] == [1, 2, 3]
    assert recording.events[0].event.load_event([Tick]) == Tick(n=1)
    assert recording.terminal_event is not None
    assert recording.terminal_event.value == {"result": "ok"}


BROKEN: Final = [
    ([], "line 1: Invalid JSON: EOF"),
    (["events"], "line 1: Invalid JSON"),
    ([TICK], "line 1: recording: Field required"),
    (['{"recording": 2, "handler_id": "h1"}'], "line 1: recording: Input should be 1"),
    (['{"recording": 1, "handler_id": ""}'], "line 1: handler_id: String should have at least"),
    ([HEADER, "", TICK], "line 2: Invalid JSON"),
    ([HEADER, TICK, TICK[:-9]], "line 3: Invalid JSON"),
    ([HEADER, TICK.replace("2", '"2"')], "line 2: sequence: Input should be a valid integer"),
    ([HEADER, TICK.replace("2", "-1")], "line 2: sequence: Input should be greater"),
    ([HEADER, TICK.replace('"type"', '"typ"')], "line 2: event.type: Field required"),
    ([HEADER, TICK.replace('{"seq', '{"id": 1, "seq')], "line 2: id: Extra inputs"),
    ([HEADER, STOP.replace("StopEvent", "Tick"), TICK], "line 3: sequence 2 after sequence 5"),
    ([HEADER, STOP, STOP], "line 3: event after the terminal event StopEvent"),
]


@pytest.mark.parametrize(("lines", "problem"), BROKEN, ids=[problem for _, problem in BROKEN])
def test_load_names_the_broken_line(lines: Sequence[str], problem: str, tmp_path: Path) -> None:
    file = tmp_path / "broken.jsonl"
    file.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=r"^\S+broken\.jsonl, " + problem), replay(file):
        pass
    with file.open() as opened, pytest.raises(ValueError, match=r"broken\.jsonl, line"):
        load(opened)


def test_load_names_the_file_that_is_not_utf8(tmp_path: Path) -> None:
    file = tmp_path / "latin.jsonl"
    file.write_bytes(f"{HEADER}\n{TICK}\n".encode().replace(b"Tick", b"\xe9"))
    with pytest.raises(ValueError, match=r"latin\.jsonl, line 1 or later: not UTF-8: .*0xe9"):
        load(file)


def test_load_names_the_event_after_the_terminal_event() -> None:
    with pytest.raises(ValueError, match="event 2: event after the terminal event StopEvent"):
        load([StopEvent(), Tick(n=1)])


@pytest.mark.parametrize("source", [7, None, [7], ["run.jsonl"], {"type": "Tick"}], ids=str)
def test_load_rejects_invalid_source(source: object) -> None:
    with pytest.raises(TypeError, match=r"^expected .*, not "):
        load(source)  # type: ignore[arg-type]


def test_record_rejects_other_iterables() -> None:
    with pytest.raises(TypeError, match="not an event stream"):
        record([ENVELOPE], "run.jsonl")  # type: ignore[call-overload]


@pytest.mark.parametrize("file", [None, 7, b"run.jsonl"])
def test_record_rejects_what_is_no_file(file: object) -> None:
    stream = SyncWorkflowClient(base_url="http://server").get_workflow_events("h1")
    with pytest.raises(TypeError, match="expected a path or a text file, not "):
        record(stream, file)  # type: ignore[call-overload]
