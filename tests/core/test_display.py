"""What notebooks show: text that is inert, bounded and complete, whatever a server sends."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any, Final

import pytest
from llama_agents.client import EventEnvelopeWithMetadata, SyncWorkflowClient, WorkflowClient
from llama_agents.client._display.html import MAX_PLAIN, MAX_ROWS
from llama_agents.client._text import (
    columns,
    cut,
    duration,
    fields_text,
    plain,
    value_text,
)
from llama_agents.client.protocol import HandlerData, HandlersListResponse, ResultEnvelope

STARTED: Final = "2026-11-28T02:21:58.596970+00:00"
HOSTILE: Final = "</table><script>alert(1)</script>\"'&\x1b[2J\n\u202e\ud800"
SHOWN: Final = "</table><script>alert(1)</script>\"'&\\x1b[2J\\n\\u202e\\ud800"
MEGABYTE: Final = "x" * 2**20


class Page(HTMLParser):
    """Reads HTML as a browser does, and fails on what has no place in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.text = ""
        self._open: list[str] = []
        text.encode()  # fails on a lone surrogate
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {"div", "span", "strong", "code", "table", "thead", "tbody", "tr", "th", "td"}
        assert tag in known
        assert {name for name, _ in attrs} <= {"style"}
        for _, value in attrs:
            assert not re.search(r"url|color:|[<&]", value or "")
        self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if {"td", "th"} & {*self._open}:
            self.rows[-1][-1] += data


def page_of(value: Any) -> Page:
    bundle = value._repr_mimebundle_()
    assert bundle.keys() == {"text/html", "text/plain"}
    assert bundle["text/plain"] == repr(value)
    return Page(bundle["text/html"])


def run_of(**fields: Any) -> HandlerData:
    known = {"handler_id": "h1", "workflow_name": "index", "status": "running"}
    return HandlerData.model_validate({**known, "started_at": STARTED, **fields})


def event_of(**value: Any) -> EventEnvelopeWithMetadata:
    return EventEnvelopeWithMetadata(type="Tick", value=value)


def test_list_of_runs_is_a_table() -> None:
    done = {"type": "IndexDone", "value": {"indexed": 3}, "types": ["StopEvent"]}
    runs = [
        run_of(),
        run_of(handler_id="h2", status="completed", result=done, completed_at=STARTED),
        run_of(handler_id="h3", status="failed", error="boom", completed_at="no time"),
        run_of(handler_id="h4", status="paused", started_at="2026-11-28T02:21:58"),
    ]
    when = "2026-11-28 02:21:58 UTC"
    assert page_of(HandlersListResponse(handlers=runs)).rows == [
        ["handler ID", "workflow", "status", "started", "took", "result or error"],
        ["h1", "index", "● running", when, "", ""],
        ["h2", "index", "✓ completed", when, "0.00 s", "IndexDone indexed=3"],
        ["h3", "index", "✗ failed", when, "", "boom"],
        ["h4", "index", "○ paused", "2026-11-28 02:21:58 ", "", ""],
    ]
    assert page_of(HandlersListResponse(handlers=[])).text == "no runs"


def test_run_is_shown_with_its_error_or_result() -> None:
    failed = page_of(run_of(status="failed", error="boom", completed_at=STARTED))
    assert ["error", "boom"] in failed.rows
    assert ["took", "0.00 s"] in failed.rows
    done = {"type": "IndexDone", "value": {"indexed": 3}}
    completed = page_of(run_of(status="completed", result=done))
    assert ["status", "✓ completed"] in completed.rows
    assert ["indexed", "3"] in completed.rows
    assert "cannot read the result" in page_of(run_of(result_unreadable=True)).text


def test_event_and_result_are_shown_with_class_and_fields() -> None:
    value = {"n": 1, "text": "two", "list": [3, None, {"deep": True}], "_data": {"extra": 4.5}}
    event = EventEnvelopeWithMetadata(type="Out", types=["StopEvent"], value=value)
    for shown in (event, ResultEnvelope(event)):
        page = page_of(shown)
        assert page.text.startswith("Out · StopEvent")
        assert page.rows == [
            ["n", "1"],
            ["text", "two"],
            ["list", '[3, null, {"deep": true}]'],
            ["extra", "4.5"],
        ]
    assert page_of(event_of()).text == "Tick · no fields"


def test_hostile_text_is_shown_as_text() -> None:
    event = EventEnvelopeWithMetadata(type=HOSTILE, types=[HOSTILE], value={HOSTILE: HOSTILE})
    assert page_of(event).rows == [[SHOWN, SHOWN]]
    run = run_of(handler_id=HOSTILE, workflow_name=HOSTILE, status=HOSTILE, started_at=HOSTILE)
    for page in (page_of(run), page_of(HandlersListResponse(handlers=[run]))):
        assert page.text.count(SHOWN) == 4
    failed = run_of(error=HOSTILE, result={"type": HOSTILE, "value": {"a": [HOSTILE]}})
    assert SHOWN in page_of(failed).text


def test_what_is_shown_is_bounded() -> None:
    runs = HandlersListResponse(
        handlers=[run_of(error=MEGABYTE), *[run_of(error="x" * 999)] * 9999]
    )
    event = event_of(text=MEGABYTE, many=[*range(10**5)], **{MEGABYTE: {MEGABYTE: 1}})
    many = event_of(**{f"field{number}": number for number in range(1000)})
    for shown in (runs, event, many, run_of(error=MEGABYTE, result=event.model_dump())):
        bundle = shown._repr_mimebundle_()
        assert len(bundle["text/html"]) < 100_000
        assert len(bundle["text/plain"]) < MAX_PLAIN + 100
    assert "and 9,950 more runs" in Page(runs._repr_mimebundle_()["text/html"]).text
    page = Page(many._repr_mimebundle_()["text/html"])
    assert len(page.rows) == MAX_ROWS
    assert page.text.endswith("and 950 more fields")


@pytest.mark.parametrize("client_class", [WorkflowClient, SyncWorkflowClient])
def test_handle_is_shown_without_a_request(client_class: Any) -> None:
    run = client_class(base_url="http://127.0.0.1:9").get_run(HOSTILE)
    assert page_of(run).text == f"run · {SHOWN} · ○ unknown · as last known"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\r\nlines", "two\\r\\nlines"),
        ("a\u3000b\xa0c", "a\u3000b\xa0c"),
        ("é 漢 👍", "é 漢 👍"),
        ("\x9b31m\u2028\u200f", "\\x9b31m\\u2028\\u200f"),
        ("12345678901", "123456789…"),
    ],
)
def test_text_is_on_one_line_and_printable(text: str, shown: str) -> None:
    assert plain(text, 30 if len(text) < 11 else 10) == shown


def test_values_are_json_but_for_text() -> None:
    assert value_text("text", 9) == "text"
    assert value_text({"a": [True, None]}, 99) == json.dumps({"a": [True, None]})
    assert fields_text({"a": "x y", "b": 1, "_data": {"c": None}}, 99) == 'a="x y" b=1 c=null'
    assert fields_text({"a": 1, "_data": 2}, 99) == "a=1 _data=2"
    failure = {"exception_type": "builtins.ValueError", "exception_message": "no 'x'"}
    assert fields_text({"exception": failure}, 99) == """exception=ValueError("no 'x'")"""
    assert fields_text({"a": {**failure, "b": 1}}, 99).startswith('a={"exception_type"')
    assert fields_text({str(number): 0 for number in range(99)}, 9) == "0=0 1=0 …"
    circle: list[Any] = []
    circle.append(circle)
    assert value_text(circle, 99).endswith("…")


def test_lines_are_cut_at_the_columns_of_a_terminal() -> None:
    assert [columns(text) for text in ("ab", "漢字", "e\u0301")] == [2, 4, 1]
    assert [cut("漢字漢字", columns) for columns in (8, 7, 4, 1, 0)] == [
        "漢字漢字",
        "漢字漢…",
        "漢…",
        "…",
        "",
    ]


def test_durations_have_two_units() -> None:
    assert [*map(duration, (0.9, 75, 3600 * 30 + 60))] == ["0 s", "1 min 15 s", "30 h 01 min"]
