"""How results are computed and shown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks import figures
from benchmarks.goals import Curve, Goal, Result, Row, duration, faster, size, slower
from benchmarks.laboratory import COLUMNS, Found, Laboratory, Median
from benchmarks.tables import curve_table, goal_table, print_results, row_table


def test_median_is_shown_with_the_middle_half_of_its_repetitions() -> None:
    median = Median([5e-6, 1e-6, 2e-6, 3e-6, 100e-6])
    assert (median, median.low, median.high) == (3e-6, 2e-6, 5e-6)
    assert duration(median) == "3 µs (2–5)"


@pytest.mark.parametrize("values", [[2.0], [2.0, 2.0]])
def test_median_without_spread_is_shown_alone(values: list[float]) -> None:
    assert duration(Median(values)) == "2 s"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (duration(1.5), "1.5 s"),
        (duration(0.0125), "12.5 ms"),
        (duration(0.0005), "500 µs"),
        (size(512), "0.5 KiB"),
        (size(3 * 1024 * 1024), "3 MiB"),
    ],
)
def test_units(text: str, expected: str) -> None:
    assert text == expected


@pytest.mark.parametrize(
    ("goal", "value", "text", "verdict"),
    [
        (slower("a", 1.0, 4.0, "bare", at_most=0.25), 0.25, "≤ 0.25 x", "reached"),
        (slower("a", 1.1, 4.0, "bare", at_most=0.25), 0.275, "≤ 0.25 x", "missed"),
        (faster("a", 2.0, 6.0, at_least=3), 3.0, "≥ 3 x", "reached"),
        (faster("a", 2.0, 5.0, at_least=3), 2.5, "≥ 3 x", "missed"),
        (slower("a", 2.0, 1.0, "bare"), 2.0, "none", "for comparison"),
    ],
)
def test_goal_compares_a_ratio(goal: Goal, value: float, text: str, verdict: str) -> None:
    assert (goal.value, goal.text, goal.verdict) == (value, text, verdict)


def curve(**lines: dict[int, float]) -> Curve:
    found = Curve("Time for each", "items", "µs")
    for line, costs in lines.items():
        for number, cost in costs.items():
            found.add(line.replace("_", " "), number, cost)
    return found


def test_line_with_one_number_has_no_goal() -> None:
    assert not list(curve(this_client={1: 9.0}).goals())


@pytest.mark.parametrize(
    ("costs", "value", "reached"),
    [
        ({1: 9.0, 10: 4.0, 100: 5.0}, 1.25, True),
        ({1: 1.0, 10: 4.0, 100: 5.1}, 1.275, False),
        ({10: 0.0, 100: 0.0}, 1.0, True),
        ({10: 0.0, 100: 1.0}, float("inf"), False),
    ],
)
def test_line_of_this_client_is_flat_between_its_last_two_numbers(
    costs: dict[int, float], value: float, reached: bool
) -> None:
    (goal,) = curve(this_client=costs, published_client={1: 1.0, 10: 9.0}).goals()
    assert (goal.figure, goal.value, goal.reached) == ("time for each", value, reached)


def test_curve_may_grow_if_that_is_not_its_goal() -> None:
    assert not list(
        Curve("a", "b", "µs", is_flat=False, costs={"this client": {1: 1, 2: 9}}).goals()
    )


def test_curve_table_says_what_was_not_measured() -> None:
    found = curve(this_client={1: 1.23456, 10: 1234.5}, published_client={1: 20.0})
    assert list(curve_table(found)) == [
        "| µs, by items | 1 | 10 |",
        "|---|---|---|",
        "| this client | 1.23 | 1,234 |",
        "| published client | 20 | not measured |",
    ]


def test_row_table_has_a_cell_for_each_column() -> None:
    costs = {"this client": Median([1e-6]), "bare aiohttp": Median([2e-6, 4e-6])}
    head, _, line = row_table([Row("a call", costs)])
    assert head == f"| | {' | '.join(COLUMNS)} |"
    assert line == "| a call | 1 µs | not measured | not measured | 3 µs (2.5–3.5) | not measured |"


def test_goal_table_marks_what_is_missed() -> None:
    *_, reached, missed = goal_table(
        [slower("a", 1.0, 2.0, "bare", at_most=1), faster("b", 1.0, 2.0, at_least=3)]
    )
    assert reached == "| a | 1 s | 2 s bare | 0.5 x | ≤ 1 x | reached |"
    assert missed == "| b | 1 s | 2 s published | 2 x | ≥ 3 x | **missed** |"


def test_goals_of_a_curve_are_results_too(capsys: pytest.CaptureFixture[str]) -> None:
    flat = curve(this_client={1: 1.0, 10: 2.0})
    found = print_results([flat])
    assert found == [flat, *flat.goals()]
    assert capsys.readouterr().out.startswith("missed               2 x   goal ≤ 1.25 x")


# ------------------------------------------------------------------- the figures

GOALS = {
    "a live event over aiohttp": ["≤ 0.45 x", "≥ 3 x"],
    "a live event": ["≤ 0.55 x"],
    "an event in a burst over aiohttp": ["≤ 0.55 x", "≥ 4.5 x"],
    "a call, 300 at once": ["≤ 2 x"],
    "a call, 300 at once, over aiohttp": ["≤ 1.5 x", "≤ 0.25 x"],
    "a call, 1,000 at once": ["≤ 2 x"],
    "a call, 1,000 at once, over aiohttp": ["≤ 1.5 x"],
    "`from llama_agents.client import WorkflowClient`": ["≤ 0.55 x"],
}
COSTS = {"client": 4e-6, "aiohttp": 2e-6, "bare_httpx": 8e-6, "bare_aiohttp": 1e-6, "sync": 3e-6}


class AnyCost(dict[str, list[float]]):
    """The results of any script."""

    def __missing__(self, name: str) -> list[float]:
        return [COSTS.get(name, 1e-6)]


class Scripted(Laboratory):
    """Measures nothing: each way to send a request costs the same in every figure."""

    def measure(self, script: str, **options: object) -> Found:
        environments = options.get("environments", ("ours", "published"))
        assert isinstance(environments, tuple)
        return Found({environment: AnyCost() for environment in environments})


def results(quick: bool) -> Iterator[Result]:
    lab = Scripted({}, "", "", quick)
    for figure in figures.ALL:
        for result in figure(lab):
            yield result
            if isinstance(result, Curve):
                yield from result.goals()


def test_each_ratio_has_its_goal() -> None:
    found: dict[str, list[str]] = {}
    for result in results(quick=False):
        if isinstance(result, Goal) and result.figure in GOALS:
            found.setdefault(result.figure, []).append(result.text)
    assert found == GOALS


def test_ratio_compares_the_columns_that_it_names() -> None:
    values = {
        (goal.figure, goal.text): goal.value
        for goal in results(quick=True)
        if isinstance(goal, Goal)
    }
    assert values["a live event over aiohttp", "≤ 0.45 x"] == 0.25
    assert values["a live event over aiohttp", "≥ 3 x"] == 2
    assert values["a live event", "≤ 0.55 x"] == 0.5
    assert values["a call, 300 at once, over aiohttp", "≤ 0.25 x"] == 0.25
    assert values["a call, 300 at once", "≤ 2 x"] == 1


def test_table_compares_all_columns_where_the_published_client_is_not_too_slow() -> None:
    rows = {row.figure: [*row.costs] for row in results(quick=False) if isinstance(row, Row)}
    everywhere = [*COLUMNS]
    assert rows.pop("call, 300 at once") == rows.pop("call, 1,000 at once") == everywhere[:-1]
    assert len(rows) == 4
    assert all(columns == everywhere for columns in rows.values())
