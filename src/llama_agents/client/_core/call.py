"""A plain call: one operation, sent again as long as that is safe.

Theory of operation
===================

::

    request ──► response or failure ──► Retry(delay) ──► request
                                    └─► Finished, or raises

The only state is the retry budget. Guarantees:

- A GET is retried after any transport error and any retryable status, unless its operation opts
  out (`Operation.retryable`).
- A POST is retried only after a failure that proves that it was not sent.
- A caller's mistake is never retried.
"""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar

import httpx

from ..errors import status_error
from .actions import Finished, Retry, TimeSource
from .endpoints import Operation
from .logs import CALLS
from .policy import (
    CALL_RETRIES,
    RETRYABLE_STATUSES,
    RetryBudget,
    is_caller_error,
    raise_final,
)

T = TypeVar("T")


class Exchange(Protocol[T]):
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


class RequestLimits(Protocol):
    """A machine that says how long its next request may take."""

    def request_timeout(self, client: httpx.Timeout) -> httpx.Timeout:
        """Return the limits of the next request, given those of the httpx client."""
        ...


class Call(Generic[T]):
    """The machine of a plain call."""

    def __init__(self, operation: Operation[T], time: TimeSource) -> None:
        self._operation = operation
        self._budget = RetryBudget(
            CALL_RETRIES,
            time,
            logger=CALLS,
            subject=operation.name,
            handler_id=operation.handler_id,
        )

    def request(self) -> Operation[T]:
        """Return the operation to send next."""
        return self._operation

    def receive(self, response: httpx.Response) -> Retry | Finished[T]:
        """Handle a response whose body has been read.

        Raises:
            WorkflowClientError: It is an error, or not the API's.
        """
        if self._may_retry() and response.status_code in RETRYABLE_STATUSES:
            delay = self._budget.record_failure(status_error(response))
            if delay is not None:
                return Retry(delay)
        return Finished(self._operation.parse(response))

    def failed(self, cause: Exception, *, not_sent: bool = False) -> Retry:
        """Handle one of `TRANSPORT_ERRORS`; raise it if the operation must not be sent again."""
        if self._may_retry(not_sent=not_sent) and not is_caller_error(cause):
            delay = self._budget.record_failure(cause)
            if delay is not None:
                return Retry(delay)
        raise_final(cause, self._operation.handler_id)

    def _may_retry(self, *, not_sent: bool = False) -> bool:
        return self._operation.retryable and (self._operation.is_safe or not_sent)
