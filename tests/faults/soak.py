"""A soak test: 50 streams and a mix of calls for minutes, with random faults on every request.

    python -m tests.faults.soak --seconds 600 --seed 7 --transport aiohttp

runs the real server in a process, a proxy that injects random faults, and both clients: the async
client with 40 streams, the sync client with 10 in threads. Each stream belongs to a new run and is
read to its end (some are left or cancelled, then resumed), and compared with what the server has
stored. The exit status is 1 if a guarantee was broken.

Guarantees hold as long as no more requests fail in a row than the client's budgets allow, so the
faults are limited accordingly (`random_faults`): a stream meets at most 2 failures without an event
in between (of 3), a start at most 2 with at most one failed poll after each (of 5), any other read
one (of 2). A POST that is not retried meets at most one, and must then raise its error. The seed
fixes the faults and what each worker does; their interleaving is up to the scheduler.

Runs are counted in the server's store: every start carries its own number, and the store keeps the
start event of every run, even of purged ones.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import shutil
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import mean
from typing import Final

import attrs
import httpx
import pytest

from examples.chaos_proxy import Chaos, chaos

from ..support.any_client import VARIANTS, AnyClient
from ..support.transports import TRANSPORTS, use_transport
from .measure import open_sockets, resident_memory
from .random_faults import VARIANT_HEADER, RandomFaults
from .server_process import server_process
from .soak_work import Tally, Truth, Worker

WORKERS: Final = {"async": {"stream": 40, "call": 4}, "sync": {"stream": 10, "call": 2}}
# Short, so that silence costs little; long enough for a server on two busy cores.
TIMEOUTS: Final = httpx.Timeout(connect=8.0, read=8.0, write=8.0, pool=None)

TASK_TIMEOUT: Final = 90.0  # s; the slowest task takes about 40 s
RAMP_UP: Final = 5.0  # s, until all workers have started
SAMPLES: Final = 80  # of the memory
MAX_GROWTH: Final = 0.05, 5.0  # of the memory: a share plus MB
CLEANUP_TIMEOUT: Final = 2.0  # s
KEEPALIVE: Final = 4.5  # s; the client keeps idle connections for 4 s
DISK_SPACE: Final = 2 * 2**30  # bytes; ten minutes take about 300 MB
MAX_BROKEN: Final = 20  # guarantees, after which a soak ends


@attrs.define
class Soak:
    """One soak.

    Attributes:
        transport: What clients send requests through.
        memory: The size of this process in MB, by the share of the time that had passed.
        left: What was left at the end.
        longest_lag: The longest delay of the event loop in seconds.
    """

    seed: int
    seconds: float
    transport: str
    proxy: Chaos
    faults: RandomFaults
    truth: Truth
    tally: Tally
    memory: dict[float, float] = attrs.field(factory=dict)
    left: dict[str, int] = attrs.field(factory=dict)
    longest_lag: float = 0.0

    async def run(self) -> None:
        """Let all workers run until the time is up, then check what is left behind."""
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: self.tally.report(f"event loop: {context}")
        )
        sockets, tasks = open_sockets(), asyncio.all_tasks()
        clients = [
            AnyClient.create(
                variant,
                threads=sum(WORKERS[variant].values()),
                base_url=self.proxy.url,
                timeout=TIMEOUTS,
                headers={VARIANT_HEADER: variant},
            )
            for variant in VARIANTS
        ]
        watches = [asyncio.create_task(self._sample()), asyncio.create_task(self._measure_lag())]
        workers = [
            asyncio.create_task(self._repeat(client, alone, task, number))
            for client, alone in ((client, asyncio.Lock()) for client in clients)
            for task, count in WORKERS[client.variant].items()
            for number in range(count)
        ]
        _, hanging = await asyncio.wait(workers, timeout=self.seconds + TASK_TIMEOUT + 10)
        for worker in hanging:
            self.tally.report(f"a worker hangs: {worker}")
        for task in [*hanging, *watches]:
            task.cancel()
        await asyncio.gather(*hanging, *watches, return_exceptions=True)
        del workers, watches
        await self._check_leftovers(clients, sockets, tasks)

    async def _repeat(self, client: AnyClient, alone: asyncio.Lock, task: str, number: int) -> None:
        chance = random.Random(f"{self.seed} {client.variant} {task} {number}")
        worker = Worker(client, chance, self.tally, self.truth, self.faults, alone)
        end = time.monotonic() + self.seconds
        await asyncio.sleep(chance.uniform(0, RAMP_UP))
        while time.monotonic() < end and len(self.tally.broken) < MAX_BROKEN:
            try:
                async with asyncio.timeout(TASK_TIMEOUT):
                    await worker.work(task)
            except Exception as error:
                self.tally.report(f"{worker.describe()}: {type(error).__name__}: {error}")
                await asyncio.sleep(0.5)

    async def _sample(self) -> None:
        started = time.monotonic()
        while True:
            await asyncio.sleep(self.seconds / SAMPLES)
            self.proxy.requests.clear()
            gc.collect()
            self.memory[(time.monotonic() - started) / self.seconds] = resident_memory()

    async def _measure_lag(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.02)
            self.longest_lag = max(self.longest_lag, time.monotonic() - before - 0.02)

    async def _check_leftovers(
        self, clients: list[AnyClient], sockets: int, tasks: set[asyncio.Task[None]]
    ) -> None:
        self.faults.finished = True
        await self._check_none("tasks", lambda: len(asyncio.all_tasks() - tasks))
        # Idle connections expire, until each client has just one.
        await asyncio.sleep(KEEPALIVE)
        for client in clients:
            await client.call("list_workflows")
        await self.truth.http.aclose()
        # Both ends of a connection to the proxy are in this process.
        kept = len(clients)
        await self._check_none("connections", lambda: max(0, self.proxy.open - kept))
        await self._check_none("sockets", lambda: max(0, open_sockets() - sockets - 2 * kept))
        for client in clients:
            await client.aclose()
        await self._check_none("sockets of closed clients", lambda: open_sockets() - sockets)
        await self._check_none("tasks of closed clients", lambda: len(asyncio.all_tasks() - tasks))
        for client in clients:
            if client.threads is not None:
                client.threads.shutdown(wait=not self.tally.broken)

    async def _check_none(self, what: str, count: Callable[[], int]) -> None:
        deadline = time.monotonic() + CLEANUP_TIMEOUT
        while (left := count()) and time.monotonic() < deadline:
            gc.collect()
            await asyncio.sleep(0.05)
        self.left[what] = left
        if left:
            self.tally.report(f"{left} {what} left after {CLEANUP_TIMEOUT:g} s")

    def conclude(self) -> None:
        """Check what can be checked only at the end."""
        self.tally.check_starts(self.truth.starts())
        posts = self.tally.counts["posts"]
        if self.faults.posts != posts:
            self.tally.report(f"{posts} POSTs were called, {self.faults.posts} were sent")
        early, late = self._quarter(0.25), self._quarter(0.75)
        share, megabytes = MAX_GROWTH
        if late > early * (1 + share) + megabytes:
            self.tally.report(f"memory has grown from {early:.1f} MB to {late:.1f} MB")

    def _quarter(self, start: float) -> float:
        sizes = [size for share, size in self.memory.items() if start <= share < start + 0.25]
        return mean(sizes) if sizes else 0.0

    def report(self) -> str:
        """Return what happened."""
        tally, faults = self.tally, self.faults
        lines = [
            f"soak         {self.seconds:g} s, --seed {self.seed} --transport {self.transport}",
            "streams      {streams} ({ended early} left or cancelled, then resumed)",
            "events       {expected} expected, {delivered} delivered, {lost} lost, "
            "{duplicated} duplicated",
            f"runs         {{starts}} started, {len(tally.uncertain)} of them cancelled",
            f"calls        {_list(tally.calls)}",
            f"errors       {_list(tally.errors) or 'none'} (of POSTs that met a fault)",
            f"requests     {_list(faults.requests)}",
            f"faults       {faults.counts.total()}: {_list(faults.counts)}",
            f"left         {', '.join(f'{count} {what}' for what, count in self.left.items())}",
            f"memory       {self._quarter(0.25):.1f} MB in the second quarter, "
            f"{self._quarter(0.75):.1f} MB in the last",
            f"event loop   longest lag {self.longest_lag * 1000:.0f} ms",
        ]
        text = "\n".join(lines).format_map(tally.counts)
        if tally.broken:
            text += f"\n\nBROKEN ({len(tally.broken)}):" + "".join(f"\n- {b}" for b in tally.broken)
        return text


def _list(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))


@contextmanager
def reporting(tally: Tally) -> Iterator[None]:
    """Report as broken what is raised where nobody can catch it."""
    before = sys.unraisablehook, threading.excepthook
    sys.unraisablehook = lambda args: tally.report(
        f"unraisable: {args.exc_value!r} {args.object!r}"
    )
    threading.excepthook = lambda args: tally.report(f"thread: {args.exc_value!r}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ResourceWarning)
            yield
    finally:
        sys.unraisablehook, threading.excepthook = before


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--transport", choices=TRANSPORTS, default="httpx")
    options = parser.parse_args()
    seconds, seed, transport = options.seconds, options.seed, options.transport
    print(f"soak of {seconds:g} s, --seed {seed} --transport {transport}", flush=True)
    tally, faults = Tally(), RandomFaults(seed)
    # Each event is a commit of the store: keep it in memory where there is space.
    memory = Path("/dev/shm")
    parent = memory if memory.is_dir() and shutil.disk_usage(memory).free > DISK_SPACE else None
    threads = threading.active_count()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=parent)))
        # The server writes a traceback after each 204.
        log = stack.enter_context((folder / "server.log").open("wb"))
        server = stack.enter_context(server_process(folder, log=log))
        stack.enter_context(reporting(tally))
        proxy = stack.enter_context(chaos(server.url, faults))
        use_transport(transport, stack.enter_context(pytest.MonkeyPatch.context()))
        soak = Soak(seed, seconds, transport, proxy, faults, Truth(server), tally)
        asyncio.run(soak.run())
        soak.conclude()
    hanging = threading.active_count() > threads
    if hanging:
        tally.report(f"threads left: {threading.enumerate()}")
    print(soak.report(), flush=True)
    if hanging:
        os._exit(1)  # a hanging thread would keep the interpreter alive
    return 1 if tally.broken else 0


if __name__ == "__main__":
    sys.exit(main())
