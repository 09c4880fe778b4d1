"""Watching a run: its events are read beside the screen, on which the time goes on."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final, TextIO

from .._core.limits import Deadline
from .._core.policy import TRANSPORT_ERRORS
from .._display.screen import choose_screen
from .._display.view import RunView
from .._display.watcher import Watcher
from .._transport.read_ahead import aread_ahead
from ..errors import Cursor, WorkflowClientError
from .stream import EventStream

if TYPE_CHECKING:
    from .run import WorkflowRun

DETAILS_LIMIT: Final = 2.0  # s, for what is good to know of the workflow, but not needed


async def watch(run: WorkflowRun, after_sequence: Cursor | None, file: TextIO | None) -> None:
    """Show a run until its stream ends; see ``WorkflowRun.watch``."""
    begin = run._position if after_sequence is None else after_sequence
    machine = run._machine(begin, True)
    run._status = run._last_status
    run._reading, run._sequence, run._is_new = None, begin, False
    stream = EventStream(run._driver, machine, run._workflow_name)
    clock = run._driver.time.clock
    view = RunView(run.handler_id, run._workflow_name, run._status, begin=clock())
    watcher = Watcher(view, choose_screen(file), clock)
    try:
        async with aread_ahead(stream, lambda event: (machine.cursor, event)) as new:
            await _learn(run, view)
            while (events := await new.get(watcher.patience())) is not None:
                for position, event in events:
                    watcher.receive(event)
                    run._sequence = position  # not the stream's, which has read more
                watcher.refresh()
        if not view.has_ended:  # its end was before the position
            with suppress(WorkflowClientError, *TRANSPORT_ERRORS):
                view.status = await run.status()
    finally:
        if view.has_ended:
            run._status = view.status
        if not machine.position_is_known:
            run._reading = machine
        watcher.finish()


async def _learn(run: WorkflowRun, view: RunView) -> None:
    """Find out what the events do not say: the workflow, and which events are answers."""
    limit = Deadline(run.handler_id, DETAILS_LIMIT, run._driver.time.clock)
    classes = await run._answer_classes(limit)
    view.workflow_name, view.status = run._workflow_name, run._last_status
    view.answer_classes = classes.external or ()
