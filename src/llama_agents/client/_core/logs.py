"""The log records of the client.

Each area (calls, starts, waits, ...) has its own child of the logger ``llama_agents.client``.
Fields to filter by are attributes of the record: ``handler_id``, ``attempt``, ``delay``,
``status_code`` and ``last_sequence``. Records never contain headers, payloads or queries.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from ..errors import Cursor, StatusError

# A library is silent until its program configures logging; warnings would go to stderr otherwise.
logging.getLogger("llama_agents.client").addHandler(logging.NullHandler())

REQUESTS: Final = logging.getLogger("llama_agents.client.requests")
CALLS: Final = logging.getLogger("llama_agents.client.calls")
STARTS: Final = logging.getLogger("llama_agents.client.starts")
WAITS: Final = logging.getLogger("llama_agents.client.waits")
STREAMS: Final = logging.getLogger("llama_agents.client.streams")
RUNS: Final = logging.getLogger("llama_agents.client.runs")
BATCHES: Final = logging.getLogger("llama_agents.client.batches")


def log_response(operation: str, handler_id: str | None, status_code: int) -> None:
    """Log the response to a request."""
    if REQUESTS.isEnabledFor(logging.DEBUG):
        extra = {"handler_id": handler_id, "status_code": status_code}
        REQUESTS.debug("%s%s: %d", operation, _of(handler_id), status_code, extra=extra)


def log_failure(
    logger: logging.Logger,
    subject: str,
    cause: Exception | None,
    *,
    attempt: int,
    delay: float | None,
    handler_id: str | None,
    last_sequence: Cursor | None = None,
) -> None:
    """Log a failed attempt: at INFO if it will be retried, at WARNING if not.

    Args:
        logger: The logger of the job.
        subject: What failed.
        cause: Why; None if the connection was closed.
        attempt: The number of failures in a row, this one included.
        delay: Seconds until the next attempt, or None if there is none.
        handler_id: ID of the run.
        last_sequence: Position of the stream.
    """
    extra: dict[str, Any] = {"handler_id": handler_id, "attempt": attempt}
    # Not the text of the exception, which may quote what was sent.
    reason = "connection closed" if cause is None else type(cause).__name__
    if isinstance(cause, StatusError):
        reason = str(cause.status_code)
        extra["status_code"] = cause.status_code
    if last_sequence is not None:
        extra["last_sequence"] = last_sequence
    if delay is None:
        logger.warning("%s%s failed (%s), giving up", subject, _of(handler_id), reason, extra=extra)
    else:
        extra["delay"] = delay
        logger.info(
            "%s%s failed (%s), retrying in %.1f s",
            subject,
            _of(handler_id),
            reason,
            delay,
            extra=extra,
        )


def _of(handler_id: str | None) -> str:
    return "" if handler_id is None else f" of handler {handler_id!r}"
