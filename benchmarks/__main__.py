"""Measure this client and the published one in turns, and write down what was found.

``nox -s bench`` makes both environments and calls this.
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
    """Measure everything."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("quick", nargs="?", choices=["quick"], help="small sizes; writes nothing")
    parser.add_argument("--published", required=True, help="a Python with the published client")
    parser.add_argument("--write", type=Path, default=ROOT / "docs", help="where the page goes")
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
    print(f"{reached} of {reached + verdicts.count('missed')} goals are reached.")


if __name__ == "__main__":
    main()
