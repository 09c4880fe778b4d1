"""Write the results to a page with plots."""

from __future__ import annotations

import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Final

from .goals import Curve, Goal, Result, Row
from .laboratory import Environment, Laboratory
from .plots import plot
from .tables import curve_table, goal_table, row_table

TEMPLATE: Final = Path(__file__).with_name("page.md")
OTHERS: Final = ("openai", "langgraph-sdk")
PACKAGES: Final = (
    "httpx",
    "httpcore",
    "aiohttp",
    "anyio",
    "pydantic",
    "llama-index-workflows",
    "llama-agents-server",
)


def write_page(folder: Path, lab: Laboratory, results: Sequence[Result]) -> None:
    """Write benchmarks.md and its plots."""
    plots = folder / "benchmarks"
    plots.mkdir(parents=True, exist_ok=True)
    for old in plots.glob("*.svg"):
        old.unlink()
    curves = [result for result in results if isinstance(result, Curve)]
    page = Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        published=_version(lab, "published", "llama-agents-client"),
        measured=_circumstances(lab),
        table="\n".join(row_table([result for result in results if isinstance(result, Row)])),
        goals="\n".join(goal_table([result for result in results if isinstance(result, Goal)])),
        leading=_plots([curve for curve in curves if curve.leads], plots),
        growth=_plots([curve for curve in curves if not curve.leads], plots),
    )
    (folder / "benchmarks.md").write_text(page, encoding="utf-8")


def _circumstances(lab: Laboratory) -> str:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    packages = [f"{name} {version(name)}" for name in PACKAGES]
    packages += [f"{name} {_version(lab, 'others', name)}" for name in OTHERS]
    return f"{time.strftime('%Y-%m-%d')}: {_machine()}; {python}, {', '.join(packages)}"


def _plots(curves: Sequence[Curve], folder: Path) -> str:
    sections = []
    for curve in curves:
        name = curve.title.lower().replace(" ", "-")
        plot(curve, folder / f"{name}.svg")
        numbers = "\n".join(curve_table(curve))
        sections.append(f"![{curve.title}](benchmarks/{name}.svg)\n\n{numbers}")
    return "\n\n".join(sections)


def _version(lab: Laboratory, environment: Environment, distribution: str) -> str:
    program = f"from importlib.metadata import version; print(version({distribution!r}))"
    command = [lab.interpreters[environment], "-c", program]
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
