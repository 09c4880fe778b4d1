"""The outcomes of a batch as rows of a data frame."""

from __future__ import annotations

from typing import Any

import pytest
from llama_agents.client import MapResult
from llama_agents.client.protocol import HandlerData
from workflows.events import StartEvent


def handler(status: str = "completed", value: dict[str, Any] | None = None) -> HandlerData:
    result = None if value is None else {"type": "Done", "value": value, "types": ["StopEvent"]}
    return HandlerData.model_validate(
        {
            "handler_id": "h1",
            "workflow_name": "w",
            "status": status,
            "started_at": "2026-11-28",
            "result": result,
        }
    )


def test_row_has_the_fields_of_start_and_result_as_they_are() -> None:
    with pytest.warns(UserWarning, match="shadows an attribute"):

        class Start(StartEvent):
            items: list[int]  # a method of other events
            index: int = 3

    found = handler(value={"index": 4, "nested": {"a": [1]}, "_data": {"extra": None}})
    start = Start(items=[1, 2], more="text")
    assert MapResult(7, start, "h1", found).as_dict() == {
        "index": 7,
        "handler_id": "h1",
        "status": "completed",
        "error": None,
        "start.items": [1, 2],
        "start.index": 3,
        "start.more": "text",
        "result.index": 4,
        "result.nested": {"a": [1]},
        "result.extra": None,
    }


@pytest.mark.parametrize("found", [None, handler("failed"), handler(value={"x": 1})])
def test_row_of_an_error_has_its_text_and_no_result(found: HandlerData | None) -> None:
    row = MapResult(0, {"a": 1}, "h1", found, ValueError("boom")).as_dict()
    assert row == {
        "index": 0,
        "handler_id": "h1",
        "status": None if found is None else found.status,
        "error": "boom",
        "start.a": 1,
    }
