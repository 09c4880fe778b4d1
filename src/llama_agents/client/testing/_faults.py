"""What is to go wrong while a recording is played."""

from __future__ import annotations

from typing import Any, Final

import attrs

NO_SUCCESS: Final = range(400, 600)  # statuses that refuse


def _whole(least: int) -> Any:
    def check(fault: object, attribute: attrs.Attribute[int], value: object) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(
                f"{attribute.name} must be a whole number of at least {least}, not {value!r}"
            )

    return check


def _positive(fault: object, attribute: attrs.Attribute[float], value: object) -> None:
    # Not `value <= 0`, which NaN passes.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise ValueError(f"{attribute.name} must be a number above 0, not {value!r}")


def _refusal(fault: object, attribute: attrs.Attribute[int], value: object) -> None:
    if value not in NO_SUCCESS:
        raise ValueError(f"{attribute.name} must be from 400 to 599, not {value!r}")


@attrs.frozen
class Drop:
    """The connection is reset.

    As with any reset, what a client that reads slowly has not received yet is lost with it.

    Attributes:
        after: When: so many events of the stream stand before it, counted from the first, whatever
            connection they came over. 0 is before the first.
        times: On how many connections in a row. A client that gets no further between them needs as
            many attempts.
    """

    after: int = attrs.field(validator=_whole(0))
    times: int = attrs.field(default=1, validator=_whole(1), kw_only=True)


@attrs.frozen
class Stall:
    """Nothing comes for a while, no heartbeat either; then the stream goes on.

    Attributes:
        after: When: so many events of the stream stand before it, counted from the first.
        seconds: For how long. ``float("inf")``: until the client leaves.
    """

    after: int = attrs.field(validator=_whole(0))
    seconds: float = attrs.field(validator=_positive)


@attrs.frozen
class Unavailable:
    """The next requests for the stream are refused.

    Attributes:
        status: The status of the answers. Defaults to 503.
        times: How many requests are refused.
        retry_after: What the answers ask to wait, in seconds. Defaults to nothing.
    """

    status: int = attrs.field(default=503, validator=_refusal)
    times: int = attrs.field(default=1, validator=_whole(1), kw_only=True)
    retry_after: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(_whole(0)), kw_only=True
    )


Fault = Drop | Stall | Unavailable
"""What `replay` takes as a fault."""
