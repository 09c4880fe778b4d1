"""The figures as a table, on the screen and as a page with plots."""

from __future__ import annotations

import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

from .goals import Goal
from .growth import Curve
from .laboratory import Laboratory

LIBRARIES: Final = ("httpx", "httpcore", "pydantic", "llama-index-workflows", "anyio")

# Colours that are told apart by people who see no red or no green (Okabe and Ito).
COLOURS: Final = {
    "this client": "#0072B2",
    "this client, async": "#0072B2",
    "this client, sync": "#56B4E9",
    "published client": "#D55E00",
    "pooled httpx, async": "#555555",
    "without garbage collection": "#555555",
}


LIMITS: Final = (
    "## What sets the limits",
    "",
    '- **Importing**: httpx and pydantic with one model are most of it; the row "its libraries '
    'alone" is what is left without this client.',
    "- **A stream**: reading and parsing is native code, and the rules of server-sent events are "
    'Python. Cutting the bytes into lines and fields, with nothing done to them, is the row "its '
    'bytes cut into fields, too".',
    "- **`load_event`**: `model_validate` of the event's class is most of it.",
    "- **A long list**: Python's garbage collector looks at all handlers again and again while "
    'they are made. The line "without garbage collection" is flat. A library does not switch it '
    "off for the program that it is in.",
    "- **Where a figure is close to its goal**, the machine decides: other runs have it on the "
    "other side.",
)


def print_goals(found: Iterable[Goal]) -> list[Goal]:
    """Print each goal when it has been measured."""
    goals = []
    for goal in found:
        goals.append(goal)
        print(
            f"{goal.verdict:<10} {goal.value:7.3g} {goal.unit:<3} goal {goal.text:<9}  "
            f"{goal.figure}: "
            f"{goal.ours}; {goal.other}",
            flush=True,
        )
    return goals


def write_page(
    folder: Path, lab: Laboratory, goals: Sequence[Goal], curves: Sequence[Curve]
) -> None:
    """Write benchmarks.md and its plots."""
    plots = folder / "benchmarks"
    plots.mkdir(parents=True, exist_ok=True)
    lines = [
        "# Benchmarks",
        "",
        "Written by `nox -s bench`, which measures this client and llama-agents-client "
        f"{_published(lab, 'llama-agents-client')} from PyPI in turns, each in a virtual "
        "environment of its own, on one machine over loopback. Medians. Seconds depend on the "
        "machine, ratios hardly.",
        "",
        f"Measured on {time.strftime('%Y-%m-%d')}: {_machine()}; "
        f"{platform.python_implementation()} {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
        + f"; the real server is llama-agents-server {version('llama-agents-server')}.",
        "",
        "| figure | this client | compared with | measured | goal | |",
        "|---|---|---|---|---|---|",
    ]
    for goal in goals:
        lines.append(
            f"| {goal.figure} | {goal.ours} | {goal.other} | {goal.value:.3g} {goal.unit} "
            f"| {goal.text} | {goal.verdict if goal.reached else '**missed**'} |"
        )
    lines += ["", *LIMITS]
    lines += ["", "## Growth", ""]
    for curve in curves:
        name = curve.title.lower().replace(" ", "-")
        _plot(curve, plots / f"{name}.svg")
        lines += [f"![{curve.title}](benchmarks/{name}.svg)", "", *_numbers(curve), ""]
    (folder / "benchmarks.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def _numbers(curve: Curve) -> list[str]:
    heads = [f"{number:,}" for number in curve.numbers]
    rows = [f"| {curve.measure}, by {curve.unit} | {' | '.join(heads)} |"]
    rows.append("|---|" + "---|" * len(heads))
    for line, costs in curve.costs.items():
        cells = [f"{cost:,.0f}" if cost >= 1000 else f"{cost:.3g}" for cost in costs]
        cells += ["not measured"] * (len(heads) - len(cells))
        rows.append(f"| {line} | {' | '.join(cells)} |")
    return rows


def _plot(curve: Curve, file: Path) -> None:
    matplotlib.rcParams["svg.hashsalt"] = file.name  # the same figures give the same file
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    for line, costs in curve.costs.items():
        numbers = curve.numbers[: len(costs)]
        axes.plot(numbers, costs, marker="o", color=COLOURS[line], label=line)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(curve.unit)
    axes.set_ylabel(curve.measure)
    axes.set_title(curve.title, loc="left")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(True, which="major", color="#dddddd")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylim(bottom=min(map(min, curve.costs.values())) / 2)
    axes.legend(frameon=False)
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)


def _published(lab: Laboratory, distribution: str) -> str:
    program = f"from importlib.metadata import version; print(version({distribution!r}))"
    command = [lab.interpreters["published"], "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _machine() -> str:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    cores = 0
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        model, cores = (names or [model])[0], len(names)
    return f"{model}, {cores or '?'} processors, {sys.platform}"
