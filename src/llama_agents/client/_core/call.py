"""A plain call: one operation, sent again as long as that is safe.

Theory of operation
===================

::

    request ──► response or failure ──► Retry(delay) ──► request
                                    └─► Finished, or raises

The only state is the retry budget. Guarantees:

- A GET is retried after any transport error and any retryable status. A health check is about this
  very moment: it is retried once, when it met the end of a connection that was kept too long.
- A POST is retried only after a failure that proves that it was not sent.
- A caller's mistake is never retried.
- Attempts and the delays between them end within the total of the operation's limits.
"""

from __future__ import annotations

import math
from typing import Any, Generic, Protocol, TypeVar

import httpx

from ..errors import WorkflowClientError, status_error
from .actions import Finished, Retry, TimeSource
from .endpoints import Operation
from .limits import Limiting, Limits
from .logs import CALLS
from .policy import (
    CALL_RETRIES,
    RETRYABLE_STATUSES,
    RetryBudget,
    is_caller_error,
    is_stale_connection,
    raise_final,
)

T = TypeVar("T")


class Exchange(Limiting, Protocol[T]):
    """A machine that sends requests one after the other until it has a result."""

    def request(self) -> Operation[Any]:
        """Return the operation to send next."""
        ...

    def receive(self, response: httpx.Response) -> Retry | Finished[T]:
        """Handle a response whose body has been read; raise if the exchange ends with an error."""
        ...

    def failed(self, cause: Exception, *, not_sent: bool = False) -> Retry:
        """Handle one of `TRANSPORT_ERRORS`; raise if the exchange ends with it.

        Args:
            cause: The failure.
            not_sent: Whether it proves that the server has not seen the request.
        """
        ...


class Call(Generic[T]):
    """The machine of a plain call.

    Args:
        operation: What to send.
        time: The source of time and randomness.
        within: Seconds for all attempts, if that is less than the operation's own limit.
        budget: The retry budget, if it is not that of a single call.
    """

    def __init__(
        self,
        operation: Operation[T],
        time: TimeSource,
        within: float | None = None,
        budget: RetryBudget | None = None,
    ) -> None:
        self._operation = operation
        self._within = math.inf if within is None else within
        self._is_health_check = operation.kind == "health check"
        self._budget = budget or RetryBudget(
            1 if self._is_health_check else CALL_RETRIES,
            time,
            logger=CALLS,
            subject=operation.name,
            handler_id=operation.handler_id,
        )

    def request(self) -> Operation[T]:
        """Return the operation to send next."""
        return self._operation

    def limits(self, operation: Limits) -> Limits:
        """Return the limits of the next request: the operation's, within the total."""
        self._budget.limit_time(min(operation.total, self._within))
        return operation.within(self._budget.remaining())

    def receive(self, response: httpx.Response) -> Retry | Finished[T]:
        """Handle a response whose body has been read.

        Raises:
            WorkflowClientError: It is an error, or not the API's.
        """
        is_retried = self._operation.is_safe and not self._is_health_check
        if is_retried and response.status_code in RETRYABLE_STATUSES:
            delay = self._budget.record_failure(status_error(response))
            if delay is not None:
                return Retry(delay)
        try:
            return Finished(self._operation.parse(response))
        except WorkflowClientError as error:
            if not (is_retried and self._budget.retries(error)):
                raise
            return self.failed(error)

    def failed(self, cause: Exception, *, not_sent: bool = False) -> Retry:
        """Handle one of `TRANSPORT_ERRORS`; raise it if the operation must not be sent again."""
        if self._may_retry(cause, not_sent=not_sent) and not is_caller_error(cause):
            delay = self._budget.record_failure(cause)
            if delay is not None:
                return Retry(delay)
        raise_final(cause, self._operation.handler_id)

    def _may_retry(self, cause: Exception, *, not_sent: bool) -> bool:
        if self._is_health_check:
            return is_stale_connection(cause)
        return self._operation.is_safe or not_sent
