"""Back-off and Retry-After."""

from __future__ import annotations

import pytest
from llama_agents.client._core.policy import backoff, retry_after

from .machines import NOW


@pytest.mark.parametrize(
    ("failures", "lowest", "highest"),
    [(1, 0, 0), (2, 0.75, 1.25), (3, 1.5, 2.5), (4, 3, 5), (7, 24, 30), (2000, 30, 30)],
)
def test_delays_double_with_jitter_up_to_a_limit(
    failures: int, lowest: float, highest: float
) -> None:
    assert backoff(failures, lambda: 0.0) == lowest
    assert backoff(failures, lambda: 1.0) == highest


def test_default_budget_outlasts_a_restart_of_a_second_and_a_half() -> None:
    assert sum(backoff(failures, lambda: 0.0) for failures in (1, 2, 3)) > 1.5


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", 7.0),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0),
        ("Tue, 14 Nov 2023 22:13:30 -0000", 10.0),
        ("", 0.0),
        ("soon", 0.0),
        ("1 Jan 99999999999999999999 00:00 GMT", 0.0),
        ("-5", 0.0),
        ("1.5", 0.0),
        ("\u0661", 0.0),
        ("Tue, 14 Nov 2023 22:13:10 GMT", 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_from_now(value: str, expected: float) -> None:
    assert retry_after({"retry-after": value}, NOW) == expected
