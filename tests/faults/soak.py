"""A soak: 50 streams and a mix of calls for minutes, while random faults meet every request.

    python -m tests.faults.soak --seconds 600 --seed 7

runs the real server as a process, a proxy that follows a plan of random faults, and both clients:
the asynchronous one with 40 streams, the synchronous one with 10 in threads. Each stream is of a
new run, is read to its end (some are left or cancelled in between, and resumed), and is compared
with what the server has stored. The exit status is 1 if a promise was broken.

What is promised holds as long as no more requests fail in a row than a client bears, so the plan
is bound to that (`random_faults`): for a stream at most 2 failures without an event in between (of
3 that are borne), for a start at most 2, with at most one failed look after each (of 5), for any
other read one (of 2). A POST that is not sent again meets one, and then its error is what has to
come. The seed fixes the plan and what each worker does; how they meet is the scheduler's.

The number of runs is counted in the server's store: every start carries a number of its own, and
the store keeps the start event of every run it ever began, also of those that were purged.
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
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import mean
from typing import Final

import attrs
import httpx
from llama_agents.client import SyncWorkflowClient, WorkflowClient

from ..support.chaos import Chaos, chaos
from .measure import sockets
from .random_faults import FACE_HEADER, RandomFaults
from .server_process import ServerProcess, server_process
from .soak_truth import Tally, Truth
from .soak_work import Face, Work

STREAMS: Final = {"async": 40, "sync": 10}
CALLERS: Final = {"async": 4, "sync": 2}
# Short, so that silence costs little; long enough for a server on two busy cores.
LIMITS: Final = httpx.Timeout(connect=8.0, read=8.0, write=8.0, pool=None)

LONGEST: Final = 90.0  # s, for one piece of work; the slowest takes about 40 s
STARTING: Final = 5.0  # s, until all are at work
SAMPLES: Final = 80  # of the memory
GROWTH: Final = (0.05, 5.0)  # of the memory: a share, and MB besides
LEFT: Final = 2.0  # s, until nothing is left
KEPT: Final = 4.5  # s; idle connections are kept for 4 s
ROOM: Final = 2 * 2**30  # bytes; ten minutes take about 300 MB
ENOUGH: Final = 20  # broken promises: the others will not tell more


@attrs.define
class Memory:
    """The size of this process in MB, in the second and in the last quarter of a soak."""

    early: list[float] = attrs.field(factory=list)
    late: list[float] = attrs.field(factory=list)

    def note(self, share: float) -> None:
        """Measure, when this share of the time is over."""
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        if 0.25 <= share < 0.5:
            self.early.append(pages * os.sysconf("SC_PAGESIZE") / 2**20)
        elif 0.75 <= share < 1:
            self.late.append(pages * os.sysconf("SC_PAGESIZE") / 2**20)

    def quarters(self) -> tuple[float, float]:
        """The mean of each quarter; zeros if there was not enough time."""
        if not (self.early and self.late):
            return 0.0, 0.0
        return mean(self.early), mean(self.late)


@attrs.define
class Soak:
    """What one soak runs on."""

    seed: int
    seconds: float
    server: ServerProcess
    proxy: Chaos
    faults: RandomFaults
    truth: Truth
    tally: Tally
    memory: Memory = attrs.field(factory=Memory)
    longest_lag: float = 0.0

    async def run(self) -> None:
        """Let everything work until the time is over, and see what is left."""
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: self.tally.break_(f"event loop: {context}")
        )
        sockets_before, tasks_before = sockets(), asyncio.all_tasks()
        faces = [self._face("async"), self._face("sync")]
        watch = [asyncio.create_task(self._sample()), asyncio.create_task(self._meter())]
        workers = [
            asyncio.create_task(
                self._worker(face, work, number), name=f"{face.name} {work} {number}"
            )
            for face in faces
            for work, count in (("stream", STREAMS), ("call", CALLERS))
            for number in range(count[face.name])
        ]
        _, hanging = await asyncio.wait(workers, timeout=self.seconds + LONGEST + 10)
        for worker in hanging:
            self.tally.break_(f"{worker.get_name()}: hangs")
        for task in [*hanging, *watch]:
            task.cancel()
        await asyncio.gather(*hanging, *watch, return_exceptions=True)
        del workers, watch
        await self._check_left(faces, sockets_before, tasks_before)

    def _face(self, name: str) -> Face:
        options = {"base_url": self.proxy.url, "timeout": LIMITS, "headers": {FACE_HEADER: name}}
        if name == "async":
            return Face(name, WorkflowClient(**options), None)
        threads = ThreadPoolExecutor(STREAMS[name] + CALLERS[name], "soak")
        return Face(name, SyncWorkflowClient(**options), threads)

    async def _worker(self, face: Face, work: str, number: int) -> None:
        chance = random.Random(f"{self.seed} {face.name} {work} {number}")
        doing = Work(face, chance, self.tally, self.truth, self.faults)
        until = time.monotonic() + self.seconds
        await asyncio.sleep(chance.uniform(0, STARTING))
        while time.monotonic() < until and len(self.tally.broken) < ENOUGH:
            doing.begin()
            try:
                async with asyncio.timeout(LONGEST):
                    await (doing.stream() if work == "stream" else doing.call())
            except Exception as error:
                what = f"{type(error).__name__}: {error}"
                self.tally.break_(f"{face.name} {doing.at()}: {what}")
                await asyncio.sleep(0.5)

    async def _sample(self) -> None:
        started = time.monotonic()
        while True:
            await asyncio.sleep(self.seconds / SAMPLES)
            self.proxy.requests.clear()
            self.memory.note((time.monotonic() - started) / self.seconds)

    async def _meter(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.02)
            self.longest_lag = max(self.longest_lag, time.monotonic() - before - 0.02)

    async def _check_left(
        self, faces: list[Face], sockets_before: int, tasks_before: set[asyncio.Task[None]]
    ) -> None:
        self.faults.over = True
        await self._none_left("tasks", lambda: len(asyncio.all_tasks() - tasks_before))
        # Let the connections that are kept for reuse expire, until each client has just one.
        await asyncio.sleep(KEPT)
        for face in faces:
            await face.call("list_workflows")
        # Both ends of a connection through the proxy are in this process.
        self.truth.close()
        await self._none_left("connections", lambda: max(0, self.proxy.open - len(faces)))
        await self._none_left(
            "sockets", lambda: max(0, sockets() - sockets_before - 2 * len(faces))
        )
        await faces[0].call("aclose")
        await faces[1].call("close")
        await self._none_left("sockets of closed clients", lambda: sockets() - sockets_before)
        await self._none_left(
            "tasks of closed clients", lambda: len(asyncio.all_tasks() - tasks_before)
        )
        for face in faces:
            if face.threads is not None:
                face.threads.shutdown(wait=not self.tally.broken)

    async def _none_left(self, what: str, count: Callable[[], int]) -> None:
        until = time.monotonic() + LEFT
        while (left := count()) and time.monotonic() < until:
            gc.collect()
            await asyncio.sleep(0.05)
        self.tally.left[what] = left
        if left:
            self.tally.break_(f"{left} {what} left after {LEFT:g} s")

    def conclude(self) -> None:
        """Check what can only be told at the end."""
        self.tally.check_starts(self.truth.starts())
        if self.faults.posts != self.tally.posts:
            self.tally.break_(f"{self.tally.posts} POSTs were made, {self.faults.posts} sent")
        early, late = self.memory.quarters()
        share, besides = GROWTH
        if late > early * (1 + share) + besides:
            self.tally.break_(f"memory has grown from {early:.1f} MB to {late:.1f} MB")

    def report(self) -> str:
        """Say what happened."""
        tally, faults = self.tally, self.faults
        early, late = self.memory.quarters()
        lines = [
            f"soak         {self.seconds:g} s, --seed {self.seed}",
            f"streams      {tally.streams} ({tally.left_early} left or cancelled, then resumed)",
            f"events       {tally.expected} expected, {tally.delivered} delivered, "
            f"{tally.lost} lost, {tally.twice} twice",
            f"runs         {tally.starts} started, {len(tally.uncertain)} of them cancelled",
            f"calls        {_list(tally.calls)}",
            f"errors       {_list(tally.errors) or 'none'} (of POSTs that met a fault)",
            f"connections  {_list(faults.requests)}",
            f"faults       {faults.met.total()}: {_list(faults.met)}",
            f"left         {', '.join(f'{count} {what}' for what, count in tally.left.items())}",
            f"memory       {early:.1f} MB in the second quarter, {late:.1f} MB in the last",
            f"event loop   longest lag {self.longest_lag * 1000:.0f} ms",
        ]
        if tally.broken:
            lines += ["", f"BROKEN ({len(tally.broken)}):", *(f"- {what}" for what in tally.broken)]
        return "\n".join(lines)


def _list(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))


@contextmanager
def quiet(log: Path) -> Iterator[None]:
    """Let a process that is started here write to a file: the server fails after each 204."""
    kept = os.dup(2)
    try:
        with log.open("wb") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextmanager
def told(tally: Tally) -> Iterator[None]:
    """Take what is raised where nobody can catch it for a broken promise."""
    before = sys.unraisablehook, threading.excepthook
    sys.unraisablehook = lambda args: tally.break_(
        f"unraisable: {args.exc_value!r} {args.object!r}"
    )
    threading.excepthook = lambda args: tally.break_(f"thread: {args.exc_value!r}")
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
    options = parser.parse_args()
    print(f"soak of {options.seconds:g} s, --seed {options.seed}", flush=True)
    tally, faults = Tally(), RandomFaults(options.seed)
    # Each event is a commit of the store: in memory, where there is room for that.
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() and shutil.disk_usage(memory).free > ROOM else None
    threads = threading.active_count()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=place))
        with quiet(Path(folder) / "server.log"):
            server = stack.enter_context(server_process(Path(folder)))
        stack.enter_context(told(tally))
        proxy = stack.enter_context(chaos(server.url, faults))
        truth = Truth(server)
        soak = Soak(options.seed, options.seconds, server, proxy, faults, truth, tally)
        asyncio.run(soak.run())
        soak.conclude()
    if threading.active_count() > threads:
        tally.break_(f"threads left: {threading.enumerate()}")
    print(soak.report(), flush=True)
    if threading.active_count() > threads:
        os._exit(1)  # a thread that hangs would not let the interpreter end
    return 1 if tally.broken else 0


if __name__ == "__main__":
    sys.exit(main())
