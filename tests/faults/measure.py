"""What a scenario costs and how it ends, and the page of documentation that is written from it."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import attrs

from ..support.any_client import Variant

COLUMNS: Final = ("async", "sync", "aiohttp")
PLAIN_CALLS: Final = "Plain calls"
TABLES: Final = ("Reading", "End of stream", "Resuming", "Silence", "Ending early", PLAIN_CALLS)
PACKAGES: Final = ("llama-agents-client", "llama-agents-server", "httpx", "aiohttp", "pydantic")
RESET_PEAK: Final = "5"  # written to clear_refs, resets VmHWM: proc(5)

INTRODUCTION: Final = """\
# Faults: what is guaranteed, and what was measured

When the network or the server fails, no event is lost or delivered twice, no run is started twice,
no failure goes unreported, and no call hangs. Each row below is a scenario of `tests/faults`, run
with the async client, the sync client, and the async client over aiohttp, through real sockets:
against a real server behind a proxy that injects the fault or, where the fault has to be exact,
against a server that sends scripted bytes.
If a guarantee does not hold, the scenario's test fails. `python -m nox -s faults` measures again
and rewrites this page.

- *Events*: how many events the stream has to deliver, up to the error if it ends with one.
- *Connections*: how many times the client requested the stream.
- *Seconds*: the duration of the whole scenario.
- *Memory (MB)*: the peak growth of the test process, which runs the client and the fault injection.
- *Outcome*: the error that ended the stream (`end`: none), or what the call returned or raised.

Where they differ, a cell has three figures: of the async client, the sync client, and the async
client over aiohttp. One guarantee is kept in two ways: of events that arrive together with a TLS
record that cannot be decrypted, asyncio passes none on, and the async client's stream requests them
again.
"""

Row = Mapping[str, int | str]
"""The cells of one scenario with one client, by column."""


@attrs.define
class Cost:
    """What a block of code cost; filled at its end.

    Attributes:
        seconds: Its duration.
        megabytes: The growth of the process at its peak.
    """

    seconds: float = 0.0
    megabytes: float = 0.0


@contextmanager
def measuring() -> Iterator[Cost]:
    """Measure what the block costs."""
    cost = Cost()
    Path("/proc/self/clear_refs").write_text(RESET_PEAK)
    before = resident_memory()
    started = time.monotonic()
    yield cost
    cost.seconds = time.monotonic() - started
    cost.megabytes = max(0.0, resident_memory("VmHWM") - before)


def resident_memory(field: str = "VmRSS") -> float:
    """Return the memory of this process in MB: the current, or with ``VmHWM`` its peak."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0]) / 1024


def open_sockets() -> int:
    """Return how many sockets this process has open."""
    count = 0
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the descriptor of the listing itself
            count += os.readlink(link).startswith("socket:")
    return count


def missing(expected: Iterable[object], found: Iterable[object]) -> int:
    """Return how many of the expected items are not among those found."""
    return (Counter(expected) - Counter(found)).total()


def stream_row(
    expected: Sequence[str],
    delivered: Sequence[str],
    connections: int,
    error: Exception | None,
    cost: Cost,
) -> Row:
    """Return the row of a stream."""
    return {
        "events": len(expected),
        "delivered": len(delivered),
        "lost": missing(expected, delivered),
        "duplicated": missing(delivered, expected),
        "connections": connections,
        "seconds": f"{cost.seconds:.1f}",
        "memory (MB)": f"{cost.megabytes:.0f}",
        "outcome": "end" if error is None else type(error).__name__,
    }


def call_row(requests: int, runs: int, outcome: str, cost: Cost) -> Row:
    """Return the row of a plain call."""
    seconds = f"{cost.seconds:.1f}"
    return {"requests": requests, "runs started": runs, "seconds": seconds, "outcome": outcome}


@attrs.define
class Ledger:
    """The rows measured in this session, by table, scenario and client.

    Attributes:
        transport: What the async client sends requests through in the running test.
    """

    tables: dict[str, dict[str, dict[str, Row]]] = attrs.field(factory=dict)
    transport: str = "httpx"

    def record(self, table: str, scenario: str, variant: Variant, row: Row) -> None:
        """Record a row; a scenario keeps its place when it is run again."""
        client = variant if self.transport == "httpx" else self.transport
        self.tables.setdefault(table, {}).setdefault(scenario, {})[client] = row

    def page(self) -> str:
        """Return the page.

        Raises:
            AssertionError: A table, or a scenario with one of the clients, is missing.
        """
        versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
        lines = [
            INTRODUCTION,
            f"Measured on {datetime.now(UTC):%Y-%m-%d} with Python {platform.python_version()} on "
            f"{sys.platform} ({os.cpu_count()} cores), {versions}.",
        ]
        assert set(self.tables) == set(TABLES), f"only {list(self.tables)} were run"
        for table in TABLES:
            lines += ["", f"## {table}", ""]
            for index, (scenario, rows) in enumerate(self.tables[table].items()):
                assert set(rows) == set(COLUMNS), f"{scenario} was run with {list(rows)} only"
                found = [rows[client] for client in COLUMNS]
                if index == 0:
                    lines.append(f"| fault | {' | '.join(found[0])} |")
                    lines.append("|---" + "|--:" * (len(found[0]) - 1) + "|---|")
                cells = [_cell(row[column] for row in found) for column in found[0]]
                lines.append(f"| {scenario} | {' | '.join(cells)} |")
        return "\n".join(lines) + "\n"


def _cell(values: Iterable[int | str]) -> str:
    texts = [f"{value:,}" if isinstance(value, int) else value for value in values]
    return texts[0] if len(set(texts)) == 1 else " / ".join(texts)
