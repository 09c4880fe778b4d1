"""Benchmark this client against the published one and write the results to a page.

Run by ``nox -s bench``, which creates an environment for each client.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import goals, growth
from .laboratory import Laboratory
from .page import print_goals, write_page
from .script import ROOT, running


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("quick", nargs="?", choices=["quick"], help="small sizes; write nothing")
    parser.add_argument("--published", required=True, help="Python that has the published client")
    parser.add_argument("--write", type=Path, default=ROOT / "docs", help="the folder for the page")
    options = parser.parse_args()
    interpreters = {"ours": sys.executable, "published": options.published}
    with running("replay") as replay, running("server") as server:
        lab = Laboratory(interpreters, replay, server, quick=options.quick is not None)  # type: ignore[arg-type]
        found = []
        for figure in goals.ALL:
            found += print_goals(figure(lab))
        curves = growth.all_curves(lab)
        found += print_goals(growth.goals(curves))
    if not lab.quick:
        write_page(options.write, lab, found, curves)
    verdicts = [goal.verdict for goal in found]
    reached = verdicts.count("reached")
    print(f"{reached} of {reached + verdicts.count('missed')} goals reached.")


if __name__ == "__main__":
    main()
