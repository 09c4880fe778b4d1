"""The workflow of an example in a docstring."""

from __future__ import annotations

from workflows import Workflow, step
from workflows.events import StartEvent, StopEvent


class SummaryStart(StartEvent):
    path: str


class Summary(StopEvent):
    text: str


class Summarize(Workflow):
    @step
    async def summarize(self, ev: SummaryStart) -> Summary:
        return Summary(text=f"{ev.path} in short")
