"""Plots of the curves."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator

from .figures import OVER_AIOHTTP
from .goals import Curve

# A palette that is safe for color-blind readers (Okabe and Ito).
COLORS: Final = {
    "this client": "#0072B2",
    "this client, sync": "#56B4E9",
    OVER_AIOHTTP: "#009E73",
    "published client": "#D55E00",
    "bare httpx": "#555555",
    "bare aiohttp": "#AAAAAA",
    "without garbage collection": "#555555",
}


def plot(curve: Curve, file: Path) -> None:
    """Write a plot."""
    matplotlib.rcParams["svg.hashsalt"] = file.name  # for reproducible files
    figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
    for line, costs in curve.costs.items():
        axes.plot([*costs], [*costs.values()], marker="o", color=COLORS[line], label=line)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(curve.numbers, [f"{number:,}" for number in curve.numbers])
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.minorticks_off()
    axes.set_xlabel(curve.unit)
    axes.set_ylabel(curve.measure)
    axes.set_title(curve.title, loc="left")
    axes.grid(True, color="#dddddd")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylim(bottom=min(min(costs.values()) for costs in curve.costs.values()) / 2)
    figure.legend(frameon=False, loc="outside right upper")
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)
