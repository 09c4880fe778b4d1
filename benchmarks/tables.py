"""The results as text: lines while measuring, and tables for the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from .goals import Curve, Goal, Result, Row, duration
from .laboratory import COLUMNS

NOT_MEASURED: Final = "not measured"


def print_results(results: Iterable[Result]) -> list[Result]:
    """Print each result as soon as it is measured, and return them all."""
    found: list[Result] = []
    for result in results:
        new: list[Result] = [result, *result.goals()] if isinstance(result, Curve) else [result]
        for one in new:
            _print(one)
        found += new
    return found


def _print(result: Result) -> None:
    if isinstance(result, Row):
        costs = ", ".join(f"{column} {duration(cost)}" for column, cost in result.costs.items())
        print(f"{result.figure}: {costs}", flush=True)
    elif isinstance(result, Goal):
        print(
            f"{result.verdict:<14} {result.value:7.3g} {result.unit:<3} goal {result.text:<9}  "
            f"{result.figure}: {result.ours}; {result.other}",
            flush=True,
        )


def row_table(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of the table that compares the ways to send requests."""
    yield f"| | {' | '.join(COLUMNS)} |"
    yield "|---|" + "---|" * len(COLUMNS)
    for row in rows:
        cells = (
            duration(row.costs[name]) if name in row.costs else NOT_MEASURED for name in COLUMNS
        )
        yield f"| {row.figure} | {' | '.join(cells)} |"


def goal_table(goals: Sequence[Goal]) -> Iterator[str]:
    """Yield the lines of the table of goals."""
    yield "| figure | this client | compared with | measured | goal | result |"
    yield "|---|---|---|---|---|---|"
    for goal in goals:
        yield (
            f"| {goal.figure} | {goal.ours} | {goal.other} | {goal.value:.3g} {goal.unit} "
            f"| {goal.text} | {goal.verdict if goal.reached else '**missed**'} |"
        )


def curve_table(curve: Curve) -> Iterator[str]:
    """Yield the lines of the table of a curve's numbers."""
    heads = [f"{number:,}" for number in curve.numbers]
    yield f"| {curve.measure}, by {curve.unit} | {' | '.join(heads)} |"
    yield "|---|" + "---|" * len(heads)
    for line, costs in curve.costs.items():
        cells = [_cell(costs.get(number)) for number in curve.numbers]
        yield f"| {line} | {' | '.join(cells)} |"


def _cell(cost: float | None) -> str:
    if cost is None:
        return NOT_MEASURED
    return f"{cost:,.0f}" if cost >= 1000 else f"{cost:.3g}"
