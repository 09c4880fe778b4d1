"""The rules that every machine shares: statuses, failures, back-off, budgets."""

from __future__ import annotations

import functools
import logging
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from itertools import pairwise
from typing import Final, NoReturn

import attrs
import httpx

from .._headers import problem_of
from ..errors import (
    Cursor,
    InvalidResponseError,
    ServerError,
    StatusError,
    WorkflowClientError,
    safe_request,
)
from .actions import TimeSource
from .logs import log_failure

INITIAL_RETRY_DELAY: Final = 1.0  # s, before the second retry; the first retry is immediate
MAX_RETRY_DELAY: Final = 30.0  # s; the delay doubles with each failure up to this
MAX_RETRY_AFTER: Final = 300.0  # s; a server that asks for more counts as unavailable
JITTER: Final = 0.25  # share of a delay, up or down, so that many clients do not return as one

CALL_RETRIES: Final = 2  # of a plain call, or of a start as long as no response is lost
LOST_START_RETRIES: Final = 5  # in total, once a response to a start is lost
POLL_RETRIES: Final = 6  # in a row, of a wait's polls

DEFAULT_MAX_SIZE: Final = 64 * 1024 * 1024  # bytes, of one event and of one response body

RETRYABLE_STATUSES: Final = frozenset({429, 502, 503, 504})
"""HTTP statuses that ask the client to retry later."""

TRANSPORT_ERRORS: Final = (httpx.TransportError, httpx.DecodingError)
"""Failures in which a request or its response is lost; each machine decides what follows."""

_STALE_ERRORS: Final = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)

_CALLER_ERRORS: Final = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)


def is_retryable(error: BaseException) -> bool:
    """Return whether an error response asks the client to retry later."""
    return isinstance(error, StatusError) and error.status_code in RETRYABLE_STATUSES


def may_have_arrived(status_code: int) -> bool:
    """Return whether the server may have acted on a request despite this error status.

    A proxy may send it after forwarding the request: 408 and 429 as well as any 5xx but 500, which
    is the server's own.
    """
    return status_code in (408, 429) or status_code > 500


def is_caller_error(cause: BaseException | None) -> bool:
    """Return whether a failure is the caller's mistake, which retrying cannot fix."""
    return isinstance(cause, _CALLER_ERRORS)


def is_stale_connection(cause: Exception) -> bool:
    """Return whether a request met the end of a connection that was kept from an earlier one."""
    if not isinstance(cause, _STALE_ERRORS):
        return False
    with suppress(RuntimeError):  # it has no request
        # Recorded by `_transport`, where that is known.
        return cause.request.extensions.get("connection_opened") is False
    return False


def closes_connection_silently(response: httpx.Response) -> bool:
    """Return whether the server closes the connection after this response without saying so.

    llama-agents-server 0.8.0 does so after an exception that no route handles: a 500 that carries
    no handler. The next request on that connection would fail.
    """
    # Only the start of the body: a run's own output may contain the word.
    return response.status_code == 500 and b'"detail"' in response.content[:20]


def raise_final(cause: Exception, handler_id: str | None = None) -> NoReturn:
    """Raise the exception that a machine ends with, with a note naming the run."""
    shown: Exception = cause
    origin = cause.__cause__
    if isinstance(cause, httpx.LocalProtocolError):
        # h11 quotes the header that cannot be sent, and that may be a token.
        shown = httpx.LocalProtocolError(f"the request cannot be sent: {_header_problem(cause)}")
        origin = None
    if isinstance(cause, httpx.RequestError) and isinstance(shown, httpx.RequestError):
        with suppress(RuntimeError):  # it has no request
            shown.request = safe_request(cause.request)  # pickle would write its headers
    if handler_id is not None and not isinstance(shown, WorkflowClientError):
        note = f"handler {handler_id!r}"
        if note not in getattr(shown, "__notes__", ()):
            shown.add_note(note)
    raise shown from origin


def _header_problem(cause: httpx.RequestError) -> str:
    with suppress(RuntimeError):  # it has no request
        if problem := problem_of(cause.request.headers.raw):
            return problem
    return "is there a line break, or a character that is not ASCII, in a header?"


def is_header_error(error: UnicodeEncodeError) -> bool:
    """Return whether httpx failed to encode a header; the error quotes it.

    An error of the caller's own code, such as an ``auth``, was raised elsewhere.
    """
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    module = "" if traceback is None else traceback.tb_frame.f_globals.get("__name__", "")
    return str(module).partition(".")[0] in ("httpx", "httpx2")


def redirect_to_get(response: httpx.Response) -> httpx.Response | None:
    """Return the redirect, if one was followed, that turned a POST into a GET.

    The response to that GET is not about what was sent, and may be an endless event stream.
    """
    for redirect, following in pairwise([*response.history, response]):
        if redirect.request.method != following.request.method:
            return redirect
    return None


def backoff(failures: int, random: Callable[[], float]) -> float:
    """Return the delay before the next attempt, in seconds.

    Args:
        failures: How many attempts in a row have failed; the first retry is immediate.
        random: Returns numbers in [0, 1).
    """
    if failures <= 1:
        return 0.0
    delay = INITIAL_RETRY_DELAY * 2.0 ** min(failures - 2, 10)
    return min(delay * (1 - JITTER + 2 * JITTER * random()), MAX_RETRY_DELAY)


def retry_after(headers: Mapping[str, str], now: float) -> float:
    """Return the seconds that ``Retry-After`` asks for (RFC 9110, 10.2.3), 0 without one."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    date = parse_http_date(value)
    return 0.0 if date is None else max(0.0, date - now)


def parse_http_date(value: str) -> float | None:
    """Return an HTTP date (RFC 9110, 5.6.7) in seconds since the epoch, or None if invalid."""
    try:
        date = parsedate_to_datetime(value)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


@attrs.frozen
class SizeLimits:
    """How much a client stores of what it receives, in bytes after decompression.

    Attributes:
        event: The limit of one event of a stream; None for no limit.
        response: The limit of the body of any other response; None for no limit.

    Raises:
        ValueError: A limit is not a positive integer.
    """

    event: int | None = DEFAULT_MAX_SIZE
    response: int | None = DEFAULT_MAX_SIZE

    def __attrs_post_init__(self) -> None:
        for name, limit in ("max_event_size", self.event), ("max_response_size", self.response):
            is_integer = isinstance(limit, int) and not isinstance(limit, bool)
            if limit is not None and not (is_integer and limit > 0):
                raise ValueError(
                    f"{name} must be a positive number of bytes, or None, not {limit!r}"
                )


class RetryBudget:
    """How many attempts in a row may fail, the delays between them, and the time for them all.

    Args:
        limit: The number of failures in a row that are retried.
        time: The source of time and randomness.
        logger: Gets a record of each failure.
        subject: What fails, for these records.
        handler_id: ID of the run that it is about, or None.
        patience: Seconds from the first failure in a row until no attempt may begin any more. With
            it, responses that cannot be read are failures to be retried, too.

    Attributes:
        limit: The number of failures in a row that are retried.
        failures: The number of failures in a row so far.
        deadline: When no attempt may begin any more, on the monotonic clock.
    """

    def __init__(
        self,
        limit: int,
        time: TimeSource,
        *,
        logger: logging.Logger,
        subject: str,
        handler_id: str | None,
        patience: float = math.inf,
    ) -> None:
        self.limit = limit
        self.failures = 0
        self.deadline = math.inf
        self._patience = patience
        self._time = time
        self._log = functools.partial(log_failure, logger, subject, handler_id=handler_id)

    def record_failure(
        self, cause: Exception | None, last_sequence: Cursor | None = None
    ) -> float | None:
        """Count and log a failure.

        Args:
            cause: Why the attempt failed; None if the connection was closed. The ``Retry-After``
                of an error response is a lower limit of the delay.
            last_sequence: Position of the stream, for the log.

        Returns:
            The delay before the next attempt in seconds, or None when no attempt is left.
        """
        self.failures += 1
        if self.failures == 1:
            self.restart_patience()
        requested = 0.0
        if isinstance(cause, StatusError):
            requested = retry_after(cause.response.headers, self._time.wall_clock())
        delay: float | None = None
        if self.failures <= self.limit and requested <= MAX_RETRY_AFTER:
            delay = max(backoff(self.failures, self._time.random), requested)
            if delay >= self.remaining():
                delay = None
        self._log(cause, attempt=self.failures, delay=delay, last_sequence=last_sequence)
        return delay

    def limit_time(self, seconds: float) -> None:
        """Set the deadline, unless it is set already, or follows from the patience."""
        if self.deadline == self._patience == math.inf:
            self.deadline = self._time.clock() + seconds

    def remaining(self) -> float:
        """Return the seconds until the deadline."""
        return self.deadline - self._time.clock()

    def restart_patience(self) -> None:
        """Start the time again: until this failure the server was there."""
        if self._patience < math.inf:
            self.deadline = self._time.clock() + self._patience

    def retries(self, error: Exception) -> bool:
        """Return whether a response that cannot be read is a failure to be retried."""
        is_unreadable = isinstance(error, ServerError) or type(error) is InvalidResponseError
        is_proxys = isinstance(error, StatusError) and may_have_arrived(error.status_code)
        return (is_unreadable or is_proxys) and self._patience < math.inf

    def reset(self) -> None:
        """Start the count again, after progress."""
        self.failures = 0
        if self._patience < math.inf:
            self.deadline = math.inf
