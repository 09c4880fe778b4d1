"""Random faults from a seed, never more in a row than the client guarantees to survive."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Final

import attrs

from examples.chaos_proxy import NO_FAULT, End, Fault, Request

from ..support.scripted import response

VARIANT_HEADER: Final = "x-variant"  # tells the clients apart where nothing else does

# In a row, and their share: the budgets of the client are 3, 5 and 2.
STREAM_FAULTS: Final = 2, 0.5  # without an event in between; one failure is left for load
START_FAULTS: Final = 2, 0.3  # with a lost poll after each; one failure is left for load
POLL_FAULTS: Final = 1, 0.25
POST_SHARE: Final = 0.2
STALL_SHARE: Final = 0.05  # of the faults of a start

STREAM_WEIGHTS: Final = {"cut": 60, "rewound": 12, "slow": 2, "unanswered": 25, "stalled": 2}
ENDS: Final[Mapping[End, int]] = {"reset": 6, "fin": 6, "clean": 6, "stall": 1}
MAX_EVENTS: Final = 12
MAX_REWIND: Final = 5
TAILS: Final = (0, 0, 3, 7, 12, 60)  # bytes of a truncated event: inside its id, after it, in data
STATUSES: Final = ("429 Too Many Requests", "502 Bad Gateway", "503 Service Unavailable")


class RandomFaults:
    """Plans the fault of each request; the same seed and requests yield the same faults.

    Failures in a row are counted for each run's streams and starts, and for each target of other
    reads. After the maximum, the next request succeeds or, if it is a stream, fails only after a
    new event. A POST that the client must not retry meets at most one fault.

    Attributes:
        counts: How many faults of each kind were injected.
        requests: How many requests of each kind were seen.
        posts: How many POSTs that must not be retried were seen.
        finished: Set at the end: no further faults.
    """

    def __init__(self, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.posts = 0
        self.finished = False
        self._random = random.Random(seed)
        self._in_a_row: Counter[str] = Counter()
        self._hit: set[str] = set()
        self._history: dict[str, list[str]] = {}
        self._started = time.monotonic()
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Fault:
        """Plan a fault; called in the proxy's thread."""
        with self._lock:
            self.requests[request.kind] += 1
            run = _run(request)
            fault = NO_FAULT if self.finished else self._fault(request, run)
            if run:
                note = f"{time.monotonic() - self._started:.1f} s {request.kind}: {_label(fault)}"
                self._history.setdefault(run, []).append(note)
            if fault != NO_FAULT:
                self.counts[_label(fault)] += 1
            return fault

    def take_hit(self, run: str) -> bool:
        """Return whether a POST about a run has met a fault since the last time."""
        with self._lock:
            hit = run in self._hit
            self._hit.discard(run)
            return hit

    def history(self, run: str) -> str:
        """Return what happened to the requests about a run, and when."""
        with self._lock:
            return "; ".join(self._history.get(run, ()))

    def forget(self, run: str) -> None:
        """Forget a run that is no longer used."""
        with self._lock:
            self._history.pop(run, None)
            for kind in ("stream", "start", "poll"):
                self._in_a_row.pop(f"{kind} {run}", None)
            self._hit.discard(run)

    def _fault(self, request: Request, run: str) -> Fault:
        method, target, _ = request.line.split(" ", 2)
        match request.kind:
            case "stream":
                return self._stream_fault(f"stream {run}")
            case "start":
                fault = self._call_fault(f"start {run}", *START_FAULTS)
                stalls = fault != NO_FAULT and self._random.random() < STALL_SHARE
                return Fault(stall=True) if stalls else fault
            case "poll":
                return self._call_fault(f"poll {run}", *POLL_FAULTS)
        if method == "POST":
            self.posts += 1
            if self._random.random() >= POST_SHARE:
                return NO_FAULT
            self._hit.add(run)
            return self._unanswered()
        if target == "/":
            # The page of the debugger: it counts against the budget of a start, and does not say
            # which. In a row for one start may be any number, with those of others in between.
            return NO_FAULT
        key = f"{request.headers.get(VARIANT_HEADER)} {target}"
        fault = self._call_fault(key, *POLL_FAULTS)
        if fault == NO_FAULT:
            self._in_a_row.pop(key, None)  # keys are used once and would pile up
        return fault

    def _call_fault(self, key: str, maximum: int, share: float) -> Fault:
        if self._in_a_row[key] >= maximum or self._random.random() >= share:
            self._in_a_row[key] = 0
            return NO_FAULT
        self._in_a_row[key] += 1
        return self._unanswered()

    def _stream_fault(self, key: str) -> Fault:
        maximum, share = STREAM_FAULTS
        if self._random.random() >= share:
            # It may deliver no event, so the failures before it still count.
            return NO_FAULT
        if self._in_a_row[key] >= maximum:
            # No reset: it may overtake the events that were sent before it.
            self._in_a_row[key] = 1
            return self._cut(self._random.randint(1, MAX_EVENTS), "fin", "clean", "stall")
        fault = self._any_stream_fault()
        # After the last event of a run, a rewound server has nothing new to send.
        delivers = fault.events and fault.end != "reset" and not fault.rewind
        self._in_a_row[key] = 1 if delivers else self._in_a_row[key] + 1
        return fault

    def _any_stream_fault(self) -> Fault:
        chance = self._random
        rewind = chance.randint(1, MAX_REWIND)
        match chance.choices([*STREAM_WEIGHTS], [*STREAM_WEIGHTS.values()])[0]:
            case "cut":
                fault = self._cut(chance.randint(0, MAX_EVENTS), *ENDS)
                return attrs.evolve(fault, rewind=rewind if chance.random() < 0.3 else 0)
            case "slow":
                return attrs.evolve(self._cut(1, *ENDS), trickle=0.0)
            case "rewound":
                return Fault(rewind=rewind)
            case "stalled":
                return Fault(stall=True)
        return self._unanswered()

    def _cut(self, events: int, *ends: End) -> Fault:
        (end,) = self._random.choices(ends, [ENDS[end] for end in ends])
        return Fault(events=events, tail=self._random.choice(TAILS), end=end)

    def _unanswered(self) -> Fault:
        choose = self._random.choice
        faults = [Fault(lose="before"), Fault(lose="after")]
        if fault := choose([*faults, None]):
            return fault
        headers = choose([{}, {"Retry_After": "0"}, {"Retry_After": "1"}])
        headers["Connection"] = choose(["keep-alive", "close"])
        return Fault(instead=response(choose(STATUSES), b'{"detail":"not now"}', **headers))


def _run(request: Request) -> str:
    """Return the run that a request is about, or an empty string."""
    if request.kind == "start":
        run: str = json.loads(request.raw.partition(b"\r\n\r\n")[2])["handler_id"]
        return run
    return request.handler_id


def _label(fault: Fault) -> str:
    if isinstance(fault.instead, bytes):
        return fault.instead[9:12].decode()
    if fault.lose is not None:
        return "request lost" if fault.lose == "before" else "response lost"
    if fault.stall:
        return "no response"
    if fault.events is None:
        return "rewound" if fault.rewind else "none"
    if fault.trickle is not None:
        return "byte by byte"
    return fault.end + (" in an event" if fault.tail else "") + " rewound" * bool(fault.rewind)
