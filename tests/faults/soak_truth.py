"""What a soak counts, and what it is held against: the server's own store."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import zip_longest
from typing import Any, Final

import attrs
import httpx

from .server_process import ServerProcess, events_in

THREADS: Final = 4  # that ask for the truth


class Broken(Exception):
    """A promise that was not kept."""


@attrs.define
class Tally:
    """Counts; nothing in it grows with the time, but for what is broken and what is uncertain.

    Attributes:
        uncertain: The numbers of the starts that were cancelled: they may have arrived.
    """

    streams: int = 0
    left_early: int = 0
    expected: int = 0
    delivered: int = 0
    lost: int = 0
    twice: int = 0
    starts: int = 0
    posts: int = 0
    calls: Counter[str] = attrs.field(factory=Counter)
    errors: Counter[str] = attrs.field(factory=Counter)
    left: dict[str, int] = attrs.field(factory=dict)
    uncertain: set[int] = attrs.field(factory=set)
    broken: list[str] = attrs.field(factory=list)

    def break_(self, what: str) -> None:
        """Take down a broken promise."""
        self.broken.append(what[:1500])

    def compare(self, expected: Sequence[str], delivered: Sequence[str]) -> None:
        """Hold what was delivered against what the server has.

        Raises:
            Broken: They are not the same, event by event.
        """
        self.streams += 1
        self.expected += len(expected)
        self.delivered += len(delivered)
        if expected == delivered:
            return
        lost, twice = Counter(expected) - Counter(delivered), Counter(delivered) - Counter(expected)
        self.lost += lost.total()
        self.twice += twice.total()
        pairs = enumerate(zip_longest(expected, delivered))
        where = next((at, *pair) for at, pair in pairs if pair[0] != pair[1])
        raise Broken(
            f"{len(expected)} events expected, {len(delivered)} delivered, "
            f"{lost.total()} lost, {twice.total()} twice; first difference (place, expected, "
            f"delivered): {where}"
        )

    def check_starts(self, runs: Counter[int]) -> None:
        """Hold the starts that were called against the runs that the server has begun."""
        for number in range(self.starts):
            count = runs.pop(number, 0)
            if count > 1 or (count == 0 and number not in self.uncertain):
                self.break_(f"start {number} has begun {count} runs")
        if runs:
            self.break_(f"runs of nobody: {runs}")


class Truth:
    """What the server says and stores, read without the client and without the proxy."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._client = httpx.Client(base_url=server.url, timeout=60)
        self._threads = ThreadPoolExecutor(THREADS, "truth")

    async def events(self, run: str) -> list[str]:
        """The events of a run that has ended; as `ServerProcess.stored`, over kept connections."""
        return await self._in_a_thread(self._events, run)

    async def purge(self, run: str) -> None:
        """End a run and remove it."""
        path = f"/handlers/{run}/cancel"
        await self._in_a_thread(partial(self._client.post, params={"purge": "true"}), path)

    def starts(self) -> Counter[int]:
        """How many runs were ever begun, by the number that the start event carries."""
        rows = self._select(
            "SELECT run_id, tick_data FROM ticks "
            "WHERE tick_data LIKE '%StartEvent%' AND tick_data LIKE '%add_event%'"
        )
        begun = {
            (run, int(number[1]))
            for run, tick in rows
            if (number := re.search(r'"call\\*": (\d+)', tick))
        }
        return Counter(number for _, number in begun)

    def state(self, run: str) -> str:
        """How far a run has come."""
        rows = self._select(
            "SELECT status, max(sequence), max(timestamp), datetime() FROM handlers "
            "JOIN events USING (run_id) WHERE handler_id = ?",
            run,
        )
        status, sequence, when, now = rows[0]
        return f"{status}, last event {sequence} at {when}, now {now}"

    def _select(self, query: str, *values: str) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self._server.store}?mode=ro", uri=True)) as store:
            return store.execute(query, values).fetchall()

    def close(self) -> None:
        """Free the connections and threads; `starts` still works."""
        self._client.close()
        self._threads.shutdown()

    def _events(self, run: str) -> list[str]:
        return events_in(self._client.get(f"/events/{run}", params={"after_sequence": -1}))

    async def _in_a_thread(self, function: Any, *args: object) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)
