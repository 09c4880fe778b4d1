"""The asynchronous face of many runs: starts, looks, results."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio

from .. import _operations
from .._connection import ashield
from .._interact import acall
from .._map import Crowd, MapResult, Running, is_about_item
from .._retry import DROPS
from .._start import new_handler_id
from ..errors import NotFoundError, WorkflowClientError, WorkflowFailedError
from ..protocol import HandlerData, is_status_completed

if TYPE_CHECKING:
    from .client import WorkflowClient

END: Final = object()
CANCELLING: Final = 10.0  # s, at most, for cancelling what was started


class ManyRuns:
    """The runs of one workflow that ``WorkflowClient.map_workflow`` makes."""

    def __init__(
        self,
        client: WorkflowClient,
        workflow_name: str,
        source: AsyncIterator[Any],
        crowd: Crowd,
        *,
        key: Callable[[Any], str] | None,
        rerun: frozenset[str],
        on_progress: Callable[[Any], Any] | None,
    ) -> None:
        self._client = client
        self._workflow_name = workflow_name
        self._source = source
        self._crowd = crowd
        self._key = key
        self._rerun = rerun
        self._on_progress = on_progress
        self._starting: str | None = None  # the run whose start is under way

    async def results(self) -> AsyncGenerator[MapResult, None]:
        """Give the results; cancel what goes on when that is broken off."""
        crowd, more = self._crowd, True
        try:
            while True:
                if (result := crowd.next_result()) is not None:
                    yield result
                elif more and crowd.has_room:
                    more = await self._begin_next()
                elif crowd.running:
                    await self._look()
                else:
                    return
        finally:
            await ashield(self._cancel, CANCELLING)

    async def _begin_next(self) -> bool:
        """Begin the next item; return whether there was one."""
        item = await anext(self._source, END)
        if item is END:
            return False
        index = self._crowd.next_index()
        handler_id = new_handler_id() if self._key is None else self._key(item)
        try:
            await self._begin(index, item, handler_id)
        except Exception as error:
            if not is_about_item(error, starting=True):
                raise
            self._end(Running(index, item, handler_id, None, False), error)
        await self._report()
        return True

    async def _begin(self, index: int, item: Any, handler_id: str) -> None:
        wait = self._client._new_wait(handler_id)
        known = None if self._key is None else await self._known(handler_id)
        if known is not None:
            run = Running(index, item, handler_id, wait, is_own=False)
            handler = known
        else:
            run = Running(index, item, handler_id, wait, is_own=True)
            self._starting = handler_id
            handler = await self._client._start_run(self._workflow_name, handler_id, item)
        if is_status_completed(handler.status):
            self._end(run, handler)
        else:
            self._crowd.began(run)
        self._starting = None

    async def _known(self, handler_id: str) -> HandlerData | None:
        """Return the run of an item if there is one that counts.

        Raises:
            WorkflowFailedError: It failed, and is not to be run again.
            ValueError: It is one of another workflow.
        """
        try:
            handler = await self._client._send(_operations.get_run(handler_id))
        except NotFoundError:
            return None
        except WorkflowFailedError as error:
            self._refuse_another_workflow(error.handler)
            if error.handler.status in self._rerun:
                return None
            raise
        self._refuse_another_workflow(handler)
        return None if handler.status in self._rerun else handler

    def _refuse_another_workflow(self, handler: HandlerData) -> None:
        if handler.workflow_name != self._workflow_name:
            raise ValueError(
                f"the key {handler.handler_id!r} names a run of {handler.workflow_name!r}, "
                f"not of {self._workflow_name!r}"
            )

    async def _look(self) -> None:
        """Look at each run that goes on; pause if none has ended."""
        pause = self._crowd.pause()
        for run in tuple(self._crowd.running.values()):
            try:
                response = await self._client._request(run.wait.look, run.wait)
            except DROPS as error:
                # What is true of one is true of all: no need to try them, too.
                await anyio.sleep(max(pause, run.wait.look_failed(error)))
                return
            try:
                outcome = run.wait.looked(response)
            except WorkflowClientError as error:
                if not is_about_item(error, starting=False):
                    raise
                self._end(run, error)
            else:
                if isinstance(outcome, HandlerData):
                    self._end(run, outcome)
                else:
                    pause = max(pause, outcome)
                    continue
            pause = 0.0
            await self._report()
        await anyio.sleep(pause)

    def _end(self, run: Running, outcome: HandlerData | Exception) -> None:
        handler, error = None, None
        if isinstance(outcome, HandlerData):
            handler = outcome
        else:
            error = outcome
            handler = getattr(error, "handler", None)
        self._crowd.ended(MapResult(run.index, run.start_event, run.handler_id, handler, error))

    async def _report(self) -> None:
        if self._on_progress is not None:
            await acall(partial(self._on_progress, self._crowd.progress()))

    async def _cancel(self) -> None:
        """Cancel what was started here and goes on."""
        ids = [run.handler_id for run in self._crowd.running.values() if run.is_own]
        if self._starting is not None:
            ids.append(self._starting)
        with suppress(*DROPS):
            for handler_id in ids:
                with suppress(WorkflowClientError):
                    await self._client.cancel_handler(handler_id)
