"""The asynchronous face of many runs: starts, looks, results."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from .. import _operations
from .._map import Crowd, MapResult, Running, is_about_item
from .._retry import DROPS, RETRYABLE
from .._start import new_handler_id
from .._tasks import acall, ahold_off, asleep
from ..errors import NotFoundError, StatusError, WorkflowClientError, WorkflowFailedError
from ..protocol import HandlerData

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
        self._replaced: str | None = None  # the id of the run that it takes the place of

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
            await ahold_off(self._cancel, CANCELLING)

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
            self._starting = None
            self._end(index, item, handler_id, error)
        await self._report()
        return True

    async def _begin(self, index: int, item: Any, handler_id: str) -> None:
        """Begin an item, with the patience of a wait: the server may be down for a while."""
        patience = self._client._end_of(handler_id)
        look = self._key is not None
        while True:
            try:
                return await self._begin_now(index, item, handler_id, look=look)
            except DROPS as error:
                await asleep(patience.look_failed(error))
            except StatusError as error:
                if error.status_code not in RETRYABLE:
                    raise
                await asleep(patience.unavailable(error.response))
            look = True  # it may have been started

    async def _begin_now(self, index: int, item: Any, handler_id: str, *, look: bool) -> None:
        known = await self._known(handler_id) if look else None
        handler = known.handler if isinstance(known, WorkflowFailedError) else known
        if handler is None or self._is_replaced(handler):
            self._replaced = None if handler is None else handler.run_id
            self._starting = handler_id
            known = await self._client._start_run(
                self._workflow_name, handler_id, item, is_new_id=handler is None
            )
        if isinstance(known, WorkflowFailedError):
            raise known
        assert known is not None
        if known.status == "completed":
            self._end(index, item, handler_id, known)
        else:  # a look will tell, also why it failed
            wait = self._client._end_of(handler_id)
            is_own = self._starting is not None
            self._crowd.began(Running(index, item, handler_id, wait, is_own))
        self._starting = None

    def _is_replaced(self, handler: HandlerData) -> bool:
        """Whether a run is to be run again: not the one that has taken its place by now."""
        is_old = self._starting is None or handler.run_id == self._replaced
        return is_old and handler.status in self._rerun

    async def _known(self, handler_id: str) -> HandlerData | WorkflowFailedError | None:
        """Return the run that an item has already, or how it failed.

        Raises:
            ValueError: It is one of another workflow.
        """
        known: HandlerData | WorkflowFailedError
        try:
            known = handler = await self._client._send(_operations.get_run(handler_id))
        except NotFoundError:
            return None
        except WorkflowFailedError as error:
            known, handler = error, error.handler
        if handler.workflow_name != self._workflow_name:
            raise ValueError(
                f"the key {handler_id!r} names a run of {handler.workflow_name!r}, "
                f"not of {self._workflow_name!r}"
            )
        return known

    async def _look(self) -> None:
        """Look at each run that goes on; pause if none has ended."""
        pause = self._crowd.pause()
        for run in tuple(self._crowd.running.values()):
            try:
                response = await self._client._request(run.wait.look, run.wait)
            except DROPS as error:
                # What is true of one is true of all: no need to try them, too.
                await asleep(max(pause, run.wait.look_failed(error)))
                return
            try:
                outcome = run.wait.looked(response)
            except WorkflowClientError as error:
                if not is_about_item(error, starting=False):
                    raise
                self._end(run.index, run.start_event, run.handler_id, error)
            else:
                if isinstance(outcome, HandlerData):
                    self._end(run.index, run.start_event, run.handler_id, outcome)
                else:
                    pause = max(pause, outcome)
                    continue
            pause = 0.0
            await self._report()
        await asleep(pause)

    def _end(
        self, index: int, item: Any, handler_id: str, outcome: HandlerData | Exception
    ) -> None:
        handler, error = None, None
        if isinstance(outcome, HandlerData):
            handler = outcome
        else:
            error = outcome
            handler = getattr(error, "handler", None)
        self._crowd.ended(MapResult(index, item, handler_id, handler, error))

    async def _report(self) -> None:
        if self._on_progress is not None:
            await acall(self._on_progress, self._crowd.progress())

    async def _cancel(self) -> None:
        """Cancel what was started here and goes on."""
        ids = [run.handler_id for run in self._crowd.running.values() if run.is_own]
        if self._starting is not None:
            ids.append(self._starting)
        # RuntimeError: the client has been closed before.
        with suppress(RuntimeError, *DROPS):
            for handler_id in ids:
                with suppress(WorkflowClientError):
                    await self._client.cancel_handler(handler_id)
