"""The plan of random faults keeps what it says of the client's budgets."""

from __future__ import annotations

import itertools
import json
import random

import pytest
from llama_agents.client._core.policy import LOST_START_RETRIES

from examples.chaos_proxy import NO_FAULT, Request

from .random_faults import RandomFaults


@pytest.mark.parametrize("seed", range(20))
def test_starts_side_by_side_fail_less_often_than_their_budget(seed: int) -> None:
    """As long as no 409 has told that a server refuses IDs in use, a start asks for its page."""
    plan, choose = RandomFaults(seed), random.Random(seed).choice
    numbers = itertools.count()
    next_requests = {next(numbers): "start" for _ in range(8)}
    failures = dict.fromkeys(next_requests, 0)
    for _ in range(5000):
        run = choose([*next_requests])
        lines = {"start": "POST /workflows/w/run", "poll": f"GET /handlers/{run}", "page": "GET /"}
        sent = next_requests[run]
        body = json.dumps({"handler_id": str(run)}).encode()
        fault = plan(Request(f"{lines[sent]} HTTP/1.1", {}, b"\r\n\r\n" + body))
        if fault == NO_FAULT and sent == "start":
            del next_requests[run]
            run = next(numbers)
            next_requests[run], failures[run] = "start", 0
        else:
            failures[run] += fault != NO_FAULT
            after = {"start": "poll", "poll": "page", "page": "start"}
            next_requests[run] = sent if fault != NO_FAULT and sent != "start" else after[sent]
    assert len(failures) > 1000
    assert max(failures.values()) < LOST_START_RETRIES
