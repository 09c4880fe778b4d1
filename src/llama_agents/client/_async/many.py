"""The asynchronous face of many runs: starts, looks, results."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import httpx

from .. import _operations
from .._map import Crowd, Item, MapResult, is_about_item
from .._retry import DROPS, NEVER_SENT, RETRYABLE
from .._start import new_handler_id
from .._tasks import acall, aeach, ahold_off, asleep
from ..errors import NotFoundError, StatusError, WorkflowClientError, WorkflowFailedError
from ..protocol import HandlerData

if TYPE_CHECKING:
    from .client import WorkflowClient

END: Final[Any] = object()
CANCELLING: Final = 10.0  # s, at most, for cancelling what was started
UNTIL_KNOWN: Final = (0.05, 0.25, 1.0)  # s, for a start that was cut off to arrive


class ManyRuns:
    """The runs of one workflow that ``WorkflowClient.map_workflow`` makes."""

    def __init__(
        self,
        client: WorkflowClient,
        workflow_name: str,
        source: AsyncIterator[Any],
        crowd: Crowd,
        *,
        awaits_input: bool,
        key: Callable[[Any], str] | None,
        rerun: frozenset[str],
        on_progress: Callable[[Any], Any] | None,
    ) -> None:
        self._client = client
        self._workflow_name = workflow_name
        self._source = source
        self._awaits_input = awaits_input
        self._crowd = crowd
        self._key = key
        self._rerun = rerun
        self._on_progress = on_progress
        self._has_more = True
        self._held: Item | None = None  # until another of the same name has been started
        self._reported = crowd.progress()
        self._is_refused = False  # what concerns all items
        self._is_down = False

    async def results(self) -> AsyncGenerator[MapResult, None]:
        """Give the results; cancel what goes on when that is broken off."""
        crowd, has_looked = self._crowd, False
        try:
            while True:
                if (result := crowd.next_result()) is not None:
                    yield result
                elif self._has_more and crowd.has_room and (has_looked or crowd.pause() > 0):
                    has_looked = False
                    await self._begin_more()
                elif crowd.running:
                    has_looked = True
                    await self._look()
                else:
                    assert not crowd.starting
                    return
        finally:
            await ahold_off(self._cancel, CANCELLING)

    async def _begin_more(self) -> None:
        """Begin items of the input, as there is room."""
        if self._awaits_input:
            # Not in a group of tasks: cancel scopes that the input holds open would outlive it.
            if (item := await self._take()) is not None:
                await self._begin(item)
        else:
            await aeach(self._begin, self._take)
        await self._report()

    async def _take(self) -> Item | None:
        """Take the next item of the input, if there is room for it."""
        await self._report()
        item, self._held = self._held, None
        if item is None:
            if not self._crowd.has_room or self._crowd.has_result:
                return None
            start_event = await anext(self._source, END)
            if start_event is END:
                self._has_more = False
                return None
            handler_id = new_handler_id() if self._key is None else self._key(start_event)
            item = Item(self._crowd.next_index(), start_event, handler_id)
        if any(item.handler_id == other.handler_id for other in self._crowd.starting.values()):
            self._held = item
            return None
        self._crowd.starts(item)
        return item

    async def _begin(self, item: Item) -> None:
        """Begin an item; one that cannot be begun has an error for its result."""
        try:
            await self._begin_patiently(item)
        except Exception as error:
            if not is_about_item(error, starting=True):
                self._is_refused = (
                    isinstance(error, StatusError) and error.status_code not in RETRYABLE
                )
                raise
            self._end(item, error)

    async def _begin_patiently(self, item: Item) -> None:
        """Begin an item, with the patience of a wait: the server may be down for a while."""
        patience = self._client._end_of(item.handler_id)
        look = self._key is not None
        while True:
            try:
                return await self._begin_now(item, look=look)
            except DROPS as error:
                await asleep(patience.look_failed(error))
            except StatusError as error:
                if error.status_code not in RETRYABLE:
                    raise
                await asleep(patience.unavailable(error.response))
            look = True  # it may have been started

    async def _begin_now(self, item: Item, *, look: bool) -> None:
        known = await self._known(item.handler_id) if look else None
        handler = known.handler if isinstance(known, WorkflowFailedError) else known
        if handler is None or self._is_replaced(item, handler):
            item.replaced = None if handler is None else handler.run_id
            item.is_own = True
            known = await self._client._start_run(
                self._workflow_name, item.handler_id, item.start_event, is_new_id=handler is None
            )
        if isinstance(known, WorkflowFailedError):
            raise known
        assert known is not None
        if known.status == "completed":
            self._end(item, known)
        else:  # a look will tell, also why it failed
            item.wait = self._client._end_of(item.handler_id)
            self._crowd.began(item)

    def _is_replaced(self, item: Item, handler: HandlerData) -> bool:
        """Whether a run is to be run again: not the one that has taken its place by now."""
        is_old = not item.is_own or handler.run_id == item.replaced
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
        """Look at the runs that go on, when it is time."""
        await asleep(self._crowd.pause())
        self._is_down = False
        await aeach(self._look_at, partial(next, iter(self._crowd.due()), None))
        await self._report()

    async def _look_at(self, item: Item) -> None:
        if self._is_down:  # what is true of one is true of all
            return
        assert item.wait is not None
        try:
            response = await self._client._request(item.wait.look, item.wait)
        except DROPS as error:
            self._is_down = True
            self._crowd.rests(item.wait.look_failed(error))
            return
        try:
            outcome = item.wait.looked(response)
        except WorkflowClientError as error:
            if not is_about_item(error, starting=False):
                raise
            self._end(item, error)
        else:
            if isinstance(outcome, HandlerData):
                self._end(item, outcome)
            else:
                self._crowd.goes_on(item)
                self._crowd.rests(outcome)

    def _end(self, item: Item, outcome: HandlerData | Exception) -> None:
        handler, error = None, None
        if isinstance(outcome, HandlerData):
            handler = outcome
        else:
            error = outcome
            handler = getattr(error, "handler", None)
        self._crowd.ended(MapResult(item.index, item.start_event, item.handler_id, handler, error))

    async def _report(self) -> None:
        if self._on_progress is None:
            return
        progress = self._crowd.progress()
        if progress != self._reported:
            self._reported = progress
            await acall(self._on_progress, progress)

    async def _cancel(self) -> None:
        """Cancel what was started here and goes on."""
        crowd = self._crowd
        runs = [*crowd.starting.values(), *crowd.running.values()]
        self._is_down = False
        with suppress(RuntimeError):  # the client has been closed before
            await aeach(self._cancel_run, partial(next, iter(runs), None))

    async def _cancel_run(self, item: Item) -> None:
        may_arrive = item.index in self._crowd.starting and not self._is_refused
        pauses = iter(UNTIL_KNOWN)
        while item.is_own and not self._is_down:
            try:
                await self._client.cancel_handler(item.handler_id)
                return
            except StatusError as error:
                is_early = may_arrive and isinstance(error, NotFoundError)
                pause = next(pauses, None)
                if pause is None or not (is_early or error.status_code in RETRYABLE):
                    return
                await asleep(pause)
            except (httpx.TimeoutException, *NEVER_SENT):
                self._is_down = True
            except (WorkflowClientError, *DROPS):
                return
