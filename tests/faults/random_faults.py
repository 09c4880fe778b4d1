"""A plan of random faults from a seed, never more in a row than the client promises to bear."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Final

import attrs

from ..support.chaos import WELL, End, Fault, Request

FACE_HEADER: Final = "x-face"  # names the client, where nothing else tells two calls apart

STREAM_FAULTS_IN_A_ROW: Final = 2  # without an event; the default budget is 3, one is left for load
START_FAULTS_IN_A_ROW: Final = 2  # with a lost look after each, 4 of a budget of 5
LOOK_FAULTS_IN_A_ROW: Final = 1  # of a budget of 2

STREAM_CHANCE: Final = 0.5
START_CHANCE: Final = 0.3
LOOK_CHANCE: Final = 0.25
POST_CHANCE: Final = 0.2

ENDS: Final[Mapping[End, int]] = {"reset": 6, "fin": 6, "polite": 6, "stall": 1}
STREAM_WEIGHTS: Final = (60, 12, 2, 25, 2)
MOST_EVENTS: Final = 12
MOST_REWOUND: Final = 5
TAILS: Final = (0, 0, 3, 7, 12, 60)  # bytes of a torn frame: within its id, after it, in its data

REASONS: Final = {429: "Too Many Requests", 502: "Bad Gateway", 503: "Service Unavailable"}


class RandomFaults:
    """Says what becomes of each request. The same seed and the same requests: the same faults.

    Streams and starts are counted by their run, other reads by what they ask for: after as many
    failures in a row as the constants above say, the next request goes well, or, if it is a stream,
    breaks only after an event that the client has not seen. A request that is not sent again after
    a failure meets one at most.

    Attributes:
        met: How many faults of each sort were dealt.
        requests: How many requests of each kind were seen.
        posts: How many POSTs that are not to be sent again were seen.
        over: Set at the end: from then on, all is well.
    """

    def __init__(self, seed: int) -> None:
        self.met: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.posts = 0
        self.over = False
        self._random = random.Random(seed)
        self._in_a_row: Counter[str] = Counter()
        self._hit: set[str] = set()
        self._dealt: dict[str, list[str]] = {}
        self._begun = time.monotonic()
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Fault:
        """Plan; called in the proxy's thread."""
        with self._lock:
            self.requests[request.kind] += 1
            run = _run(request)
            fault = WELL if self.over else self._fault(request, run)
            if run:
                when = time.monotonic() - self._begun
                note = f"{when:.1f} s {request.kind}: {_sort(fault)}"
                self._dealt.setdefault(run, []).append(note)
            if fault != WELL:
                self.met[_sort(fault)] += 1
            return fault

    def take_hit(self, handler_id: str) -> bool:
        """Whether a POST about a run has met a fault since this was last asked."""
        with self._lock:
            hit = handler_id in self._hit
            self._hit.discard(handler_id)
            return hit

    def story(self, handler_id: str) -> str:
        """What became of the requests about a run, and when."""
        with self._lock:
            return "; ".join(self._dealt.get(handler_id, ()))

    def forget(self, handler_id: str) -> None:
        """Keep nothing about a run that is done with."""
        with self._lock:
            self._dealt.pop(handler_id, None)
            for kind in ("stream", "start", "look"):
                self._in_a_row.pop(f"{kind} {handler_id}", None)
            self._hit.discard(handler_id)

    def _fault(self, request: Request, run: str) -> Fault:
        method, target, _ = request.line.split(" ", 2)
        if request.kind == "stream":
            return self._for_stream(f"stream {run}")
        if request.kind == "start":
            return self._for_call(f"start {run}", START_CHANCE, START_FAULTS_IN_A_ROW, stalls=True)
        if request.kind == "look":
            return self._for_call(f"look {run}", LOOK_CHANCE, LOOK_FAULTS_IN_A_ROW)
        if method == "POST":
            self.posts += 1
            if self._random.random() >= POST_CHANCE:
                return WELL
            self._hit.add(run)
            return self._unanswered()
        key = f"{request.headers.get(FACE_HEADER)} {target}"
        fault = self._for_call(key, LOOK_CHANCE, LOOK_FAULTS_IN_A_ROW)
        if fault == WELL:
            self._in_a_row.pop(key, None)  # each asks for something else: they would pile up
        return fault

    def _for_call(self, key: str, chance: float, most: int, *, stalls: bool = False) -> Fault:
        if self._in_a_row[key] >= most or self._random.random() >= chance:
            self._in_a_row[key] = 0
            return WELL
        self._in_a_row[key] += 1
        if stalls and self._random.random() < 0.05:
            return Fault(stall=True)
        return self._unanswered()

    def _for_stream(self, key: str) -> Fault:
        chance = self._random
        if chance.random() >= STREAM_CHANCE:
            # Whether it brings an event is not known here, so the failures before it still count.
            return WELL
        if self._in_a_row[key] >= STREAM_FAULTS_IN_A_ROW:
            # A reset may overtake the events that were sent before it.
            self._in_a_row[key] = 1
            return self._cut(chance.randint(1, MOST_EVENTS), "fin", "polite", "stall")
        fault = self._random_stream_fault()
        # A reset may overtake the events that were sent before it; and after the last event of a
        # run, a server that goes back has nothing new to tell.
        brings = fault.events and fault.end != "reset" and not fault.rewind
        self._in_a_row[key] = 1 if brings else self._in_a_row[key] + 1
        return fault

    def _random_stream_fault(self) -> Fault:
        chance = self._random
        rewind = chance.randint(1, MOST_REWOUND)
        match chance.choices(("cut", "rewound", "slow", "lost", "silent"), STREAM_WEIGHTS)[0]:
            case "cut":
                fault = self._cut(chance.randint(0, MOST_EVENTS), *ENDS)
                return attrs.evolve(fault, rewind=rewind if chance.random() < 0.3 else 0)
            case "slow":
                return attrs.evolve(self._cut(1, *ENDS), trickle=0.0)
            case "rewound":
                return Fault(rewind=rewind)
            case "silent":
                return Fault(stall=True)
            case _:
                return self._unanswered()

    def _cut(self, events: int, *ends: End) -> Fault:
        (end,) = self._random.choices(ends, [ENDS[end] for end in ends])
        return Fault(events=events, tail=self._random.choice(TAILS), end=end)

    def _unanswered(self) -> Fault:
        chance = self._random
        match chance.randrange(3):
            case 0:
                return Fault(lose="before")
            case 1:
                return Fault(lose="after")
            case _:
                return Fault(instead=self._refusal(chance.choice([*REASONS])))

    def _refusal(self, status: int) -> bytes:
        body = b'{"detail":"not now"}'
        lines = [f"HTTP/1.1 {status} {REASONS[status]}", f"Content-Length: {len(body)}"]
        lines += self._random.choice([[], ["Retry-After: 0"], ["Retry-After: 1"]])
        lines += self._random.choice([[], ["Connection: close"]])
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _run(request: Request) -> str:
    """The run that a request is about; empty if it is about none."""
    if request.kind == "start":
        run: str = json.loads(request.raw.partition(b"\r\n\r\n")[2])["handler_id"]
        return run
    return request.handler_id


def _sort(fault: Fault) -> str:
    if fault == WELL:
        return "well"
    if fault.instead is not None:
        return fault.instead[9:12].decode()
    if fault.lose is not None:
        return f"lost {fault.lose}"
    if fault.stall:
        return "silence"
    if fault.events is None:
        return "rewound"
    if fault.trickle is not None:
        return "byte by byte"
    return fault.end + (" in a frame" if fault.tail else "") + (" rewound" if fault.rewind else "")
