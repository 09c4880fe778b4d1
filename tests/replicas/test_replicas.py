"""Two replicas behind a proxy, killed and frozen under load."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

import httpx
import pytest
from llama_agents.client import SyncWorkflowClient, WorkflowClient

from ..support.any_client import describe
from ..support.server import wait_until
from .deployment import Deployment, Proxy, Replica, deployment
from .load import TIMEOUT, Load, table
from .store import Store

pytestmark = pytest.mark.timeout(300)  # s, on a loaded machine

SLOW: Final = {"to": 6, "pause": 1.0}
QUIET: Final = {"to": 1, "pause": 5.0}
START_TIMEOUT: Final = 1.0  # s, for a start to get from the store into the engine


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployment(tmp_path_factory.mktemp("replicas")) as running:
        yield running


def test_killed_replicas_lose_and_duplicate_nothing(replicas: Deployment) -> None:
    started = time.monotonic()
    store = replicas.store
    # The proxy is stopped first, and what is left of the load then ends too.
    with ThreadPoolExecutor(1) as pool, replicas.proxy() as proxy:
        load = Load(proxy.url, replicas.folder / "release")
        load.start(pool)
        try:
            for replica in replicas.replicas:
                wait_for_progress(load)
                kill_and_restart(replica, load, store, proxy)
                print(f"\nreplica {replica.name} is back after {time.monotonic() - started:.1f} s")
            wait_for_progress(load)
            load.finish()
        finally:
            load.stop()
            print(f"\n{time.monotonic() - started:.1f} s\n\n{table(load, store, proxy)}")

    for run in load.streams:
        assert run.events == store.events(run.handler_id)
    assert {run.status for run in load.waited} == {"completed"}
    runs = [run.handler_id for run in (*load.streams, *load.waited)]
    assert len(runs) == len(set(runs)) == store.engine_runs()
    assert set(runs) == set(store.runs())
    assert store.recovered() > 0


def wait_for_progress(load: Load) -> None:
    """Wait until every stream has delivered another event."""
    seen = [len(run.events) for run in load.streams]
    load.wait_until(
        lambda: all(len(run.events) > n for run, n in zip(load.streams, seen, strict=True))
    )


def kill_and_restart(replica: Replica, load: Load, store: Store, proxy: Proxy) -> None:
    """Kill a replica that runs streamed runs; restart it after both clients did without it."""
    streamed = {run.handler_id for run in load.streams}
    load.wait_until(lambda: streamed & store.running_on(replica.name))
    kill_between_starts(replica, store)
    load.call()
    replica.start()
    load.wait_until(replica.is_ready)
    load.wait_until(lambda: proxy.uses(replica))


def kill_between_starts(replica: Replica, store: Store) -> None:
    """Kill a replica while none of its runs is in the store but not yet in the engine.

    Such a run would never continue: the server stores it before it passes it to DBOS.
    """
    for _ in range(20):
        replica.freeze()
        with suppress(AssertionError):
            wait_until(lambda: not store.unknown_to_engine(), within=START_TIMEOUT)
            replica.kill()
            return
        replica.thaw()
    raise AssertionError("a start is always under way")


def test_streams_move_away_from_frozen_replica(replicas: Deployment) -> None:
    """As when a machine vanishes: no connection is closed, only the health checks notice."""
    frozen, alive = replicas.replicas
    events: list[list[str]] = [[] for _ in range(4)]

    def stream(seen: list[str]) -> None:
        stream = client.get_workflow_events(run)
        for event in stream:
            seen.append(describe(stream.last_sequence, event.value))

    with ThreadPoolExecutor(len(events)) as pool, replicas.proxy() as proxy:
        with SyncWorkflowClient(base_url=alive.url) as direct:
            run = direct.run_workflow_nowait("count", start_event=SLOW).handler_id
        with SyncWorkflowClient(base_url=proxy.url) as client:
            streams = [pool.submit(stream, seen) for seen in events]
            wait_until(lambda: all(events), within=TIMEOUT)
            frozen.freeze()
            try:
                for each in streams:
                    each.result(TIMEOUT)
            finally:
                frozen.thaw()
    assert events == [replicas.store.events(run)] * len(events)
    assert proxy.connections()[run] > len(events)


def test_run_workflow_outlives_proxy_idle_timeout(replicas: Deployment) -> None:
    async def run_async() -> str:
        async with WorkflowClient(base_url=proxy.url) as client:
            return (await client.run_workflow("count", start_event=QUIET)).status

    before = replicas.store.engine_runs()
    with (
        replicas.proxy(IDLE_LIMIT="2s") as proxy,
        SyncWorkflowClient(base_url=proxy.url) as client,
        ThreadPoolExecutor(2) as pool,
    ):
        runs = [
            pool.submit(lambda: client.run_workflow("count", start_event=QUIET).status),
            pool.submit(lambda: asyncio.run(run_async())),
        ]
        assert [run.result(TIMEOUT) for run in runs] == ["completed", "completed"]
    assert replicas.store.engine_runs() == before + 2


def test_connection_closed_without_notice_costs_no_request(replicas: Deployment) -> None:
    """After a 204 the server closes its connection, which HAProxy must not reuse."""
    with replicas.proxy() as proxy, SyncWorkflowClient(base_url=proxy.url) as client:
        run = client.run_workflow("count", start_event={"to": 0}).handler_id
        ended = {"after_sequence": 1_000_000}
        with httpx.Client(base_url=proxy.url) as plain:
            statuses = [plain.get(f"/events/{run}", params=ended).status_code for _ in range(50)]
    assert statuses == [204] * 50
