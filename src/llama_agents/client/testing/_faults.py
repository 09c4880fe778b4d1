"""The faults that a replay can inject."""

from __future__ import annotations

from typing import Any, Final

import attrs

ERROR_STATUSES: Final = range(400, 600)


def _integer_from(minimum: int) -> Any:
    def validate(fault: object, attribute: attrs.Attribute[int], value: object) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise ValueError(
                f"{attribute.name} must be an integer of at least {minimum}, not {value!r}"
            )

    return validate


def _positive_number(fault: object, attribute: attrs.Attribute[float], value: object) -> None:
    # Not `value <= 0`, which NaN would pass.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise ValueError(f"{attribute.name} must be a number greater than 0, not {value!r}")


def _error_status(fault: object, attribute: attrs.Attribute[int], value: object) -> None:
    if value not in ERROR_STATUSES:
        raise ValueError(f"{attribute.name} must be from 400 to 599, not {value!r}")


@attrs.frozen
class Drop:
    """Reset the connection of the stream.

    As with any TCP reset, data that the client has not read yet may be lost.

    Attributes:
        after: Number of events before the reset, counted across all connections from the first
            event of the run (internal events only if requested). 0 resets before that event.
        times: Number of consecutive connections to reset at this point. A client that makes no
            progress in between needs that many retries. Defaults to 1.

    Raises:
        ValueError: ``after`` is not an integer of at least 0, or ``times`` not one of at least 1.
    """

    after: int = attrs.field(validator=_integer_from(0))
    times: int = attrs.field(default=1, validator=_integer_from(1), kw_only=True)


@attrs.frozen
class Stall:
    """Send nothing for a while, not even a heartbeat; then continue the stream.

    Attributes:
        after: Number of events before the stall, counted across all connections from the first
            event of the run (internal events only if requested).
        seconds: Duration in seconds. ``float("inf")`` lasts until the client disconnects.

    Raises:
        ValueError: ``after`` is not an integer of at least 0, or ``seconds`` is not positive.
    """

    after: int = attrs.field(validator=_integer_from(0))
    seconds: float = attrs.field(validator=_positive_number)


@attrs.frozen
class Unavailable:
    """Respond to the next requests for the stream with an error status.

    Attributes:
        status: HTTP status code, from 400 to 599. Defaults to 503.
        times: Number of requests that get this response. Defaults to 1.
        retry_after: Value of the ``Retry-After`` header, in whole seconds. Defaults to None, which
            sends no such header.

    Raises:
        ValueError: A value is out of its range.
    """

    status: int = attrs.field(default=503, validator=_error_status)
    times: int = attrs.field(default=1, validator=_integer_from(1), kw_only=True)
    retry_after: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(_integer_from(0)), kw_only=True
    )


Fault = Drop | Stall | Unavailable
"""Any fault that `replay` can inject."""
