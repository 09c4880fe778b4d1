"""Benchmark this client against the published one and write the results to a page.

Run by ``nox -s bench``, which creates an environment for each client.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from . import figures
from .goals import Goal, Result
from .laboratory import Environment, Laboratory
from .page import write_page
from .script import ROOT, running
from .tables import print_results

WORDS: Final = (
    "quick: small sizes; any other: only the figures whose name contains it; writes nothing"
)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help=WORDS)
    parser.add_argument("--published", required=True, help="Python that has the published client")
    parser.add_argument("--others", required=True, help="Python that has the other decoders")
    parser.add_argument(
        "--write", type=Path, default=ROOT / "docs" / "evidence", help="the folder for the page"
    )
    options = parser.parse_args()
    quick = "quick" in options.words
    words = [word for word in options.words if word != "quick"]
    chosen = [figure for figure in figures.ALL if is_chosen(figure.__name__, words)]
    if not chosen:
        parser.error("no such figure: choose from " + ", ".join(f.__name__ for f in figures.ALL))
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two for each relayed stream
    begin = time.monotonic()
    found: list[Result] = []
    with running("replay") as replay, running("server") as server:
        interpreters: dict[Environment, str] = {
            "ours": sys.executable,
            "published": options.published,
            "others": options.others,
        }
        lab = Laboratory(interpreters, replay, server, quick=quick)
        for figure in chosen:
            found += print_results(figure(lab))
    if not options.words:
        write_page(options.write, lab, found)
    verdicts = [result.verdict for result in found if isinstance(result, Goal)]
    reached = verdicts.count("reached")
    print(
        f"{reached} of {reached + verdicts.count('missed')} goals reached, "
        f"in {(time.monotonic() - begin) / 60:.0f} minutes."
    )


def is_chosen(name: str, words: Sequence[str]) -> bool:
    """Return whether to measure a figure: without words, all."""
    return not words or any(word in name for word in words)


if __name__ == "__main__":
    main()
