"""What a scenario cost and what came of it, and the page that tells users."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final, Literal

import attrs

FACES: Final = ("async", "sync")
PLAIN_CALLS: Final = "Plain calls"
TABLES: Final = ("Reading", "When is it over?", "Resuming", "Silence", "Ending early", PLAIN_CALLS)
PACKAGES: Final = ("llama-agents-client", "llama-agents-server", "httpx", "pydantic")
CLEAR_PEAK: Final = "5"  # to clear_refs, see proc(5): VmHWM starts again

Face = Literal["async", "sync"]

INTRODUCTION: Final = """\
# Faults, promised and measured

Nothing lost, nothing twice, nothing silent, nothing forever: what the client does when the network
or the server fails. Each row is a scenario of `tests/faults`, run with both clients over real
sockets: against a real server behind a proxy that does the damage, or against a server that follows
a script byte for byte where the fault has to be exact. A row that is not as promised is a failed
test. `python -m nox -s faults` measures again and writes this page.

*Events* is what there was to deliver (until the error, where the stream ends with one),
*connections* how often the stream was asked for, *seconds* its whole time. *Memory* is how much the
test's process grew at its peak, in MB: the client, and what serves the fault. Two figures in one
cell are those of the asynchronous and of the synchronous client.
"""


@attrs.frozen
class Delivery:
    """What a stream gave, held against what it should have given.

    Attributes:
        expected: How many events there were to deliver; with an error, until then.
        delivered: How many were.
        lost: How many of them were not.
        duplicated: How many came more often than they should have.
        connections: How many times the stream was asked for.
        end: How the iteration ended: "end", or the name of the error.
    """

    expected: int
    delivered: int
    lost: int
    duplicated: int
    connections: int
    end: str

    @classmethod
    def of(
        cls,
        expected: Sequence[str],
        delivered: Sequence[str],
        connections: int,
        error: Exception | None,
    ) -> Delivery:
        """Compare what was expected with what came."""
        return cls(
            len(expected),
            len(delivered),
            sum((Counter(expected) - Counter(delivered)).values()),
            sum((Counter(delivered) - Counter(expected)).values()),
            connections,
            "end" if error is None else type(error).__name__,
        )


@attrs.frozen
class Calls:
    """What a plain call came to.

    Attributes:
        requests: How many were sent.
        runs: How many runs the server has started.
        end: What came of it, or the name of the error.
    """

    requests: int
    runs: int
    end: str


@attrs.define
class Cost:
    """Filled at the end of `costing`.

    Attributes:
        seconds: How long it took.
        megabytes: How much the process grew at its peak.
    """

    seconds: float = 0.0
    megabytes: float = 0.0


@contextmanager
def costing() -> Iterator[Cost]:
    """Measure what the block costs."""
    cost = Cost()
    Path("/proc/self/clear_refs").write_text(CLEAR_PEAK)
    before = _status("VmRSS")
    started = time.monotonic()
    yield cost
    cost.seconds = time.monotonic() - started
    cost.megabytes = max(0.0, _status("VmHWM") - before)


def _status(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(field)


def sockets() -> int:
    """How many sockets this process holds."""
    links = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            links.append(os.readlink(link))
        except FileNotFoundError:
            continue  # the listing's own
    return sum(link.startswith("socket:") for link in links)


@attrs.frozen
class Row:
    """One scenario with one face."""

    result: Delivery | Calls
    cost: Cost


@attrs.define
class Ledger:
    """What was measured: by table, by scenario, by face."""

    tables: dict[str, dict[str, dict[Face, Row]]] = attrs.field(factory=dict)

    def note(self, table: str, name: str, face: Face, row: Row) -> None:
        """Take down a row; a scenario keeps its place however often it is run."""
        self.tables.setdefault(table, {}).setdefault(name, {})[face] = row

    def page(self) -> str:
        """Write the page.

        Raises:
            AssertionError: A scenario was not run with both faces.
        """
        versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
        lines = [
            INTRODUCTION,
            f"Measured on {datetime.now(UTC):%Y-%m-%d} with Python {platform.python_version()} on "
            f"{sys.platform} ({os.cpu_count()} cores), {versions}.",
        ]
        assert set(self.tables) == set(TABLES), f"only {list(self.tables)} were run"
        for table in TABLES:
            scenarios = self.tables[table]
            columns = (
                "fault|events|delivered|lost|twice|connections|seconds|memory|ends with"
                if table != PLAIN_CALLS
                else "fault|requests|runs started|seconds|ends with"
            )
            lines += ["", f"## {table}", "", f"| {columns.replace('|', ' | ')} |"]
            lines.append("|---" + "|--:" * (columns.count("|") - 1) + "|---|")
            for name, faces in scenarios.items():
                assert set(faces) == set(FACES), f"{name} was run with {list(faces)} only"
                lines.append(_line(name, [faces[face] for face in FACES]))
        return "\n".join(lines) + "\n"


def _line(name: str, rows: Sequence[Row]) -> str:
    cells = [name]
    for field in attrs.fields(type(rows[0].result)):
        if field.name != "end":
            cells.append(_both(f"{getattr(row.result, field.name):,}" for row in rows))
    cells.append(_both(f"{row.cost.seconds:.1f}" for row in rows))
    if isinstance(rows[0].result, Delivery):
        cells.append(_both(f"{row.cost.megabytes:.0f}" for row in rows))
    cells.append(_both(row.result.end for row in rows))
    return f"| {' | '.join(cells)} |"


def _both(values: Iterator[str]) -> str:
    return " / ".join(dict.fromkeys(values))
