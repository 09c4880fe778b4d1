"""Beyond one machine: replicas that are killed under load, behind a proxy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

import anyio
import httpx
import pytest
from llama_agents.client import SyncWorkflowClient, WorkflowClient

from ..support.server import wait_until
from .deployment import Deployment, Proxy, Replica, deployment
from .load import LIMIT, Load
from .store import Store
from .table import table

pytestmark = pytest.mark.timeout(300)  # s, on a loaded machine

SLOW: Final = {"to": 6, "pause": 1.0}
QUIET: Final = {"to": 1, "pause": 5.0}
SETTLED: Final = 1.0  # s, for a start to get from the store into the engine


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployment(tmp_path_factory.mktemp("replicas")) as running:
        yield running


def test_killed_replicas_lose_nothing_and_start_nothing_twice(replicas: Deployment) -> None:
    begun = time.monotonic()
    store = replicas.store
    # The proxy ends first: without it, what is left of the load ends too.
    with ThreadPoolExecutor(2) as pool, replicas.proxy() as proxy:
        running = Load(proxy.url, replicas.folder / "release")
        running.start(pool)
        try:
            for replica in replicas.replicas:
                wait_for_progress(running)
                kill_and_restart(replica, running, store, proxy)
                print(f"\nreplica {replica.name} is back after {time.monotonic() - begun:.1f} s")
            wait_for_progress(running)
            running.finish()
        finally:
            running.stop()
            print(f"\n{time.monotonic() - begun:.1f} s\n\n{table(running, store, proxy)}")

    for run in running.streams:
        assert run.events == store.events(run.handler_id)
    assert {run.status for run in running.waited} == {"completed"}
    started = [run.handler_id for run in (*running.streams, *running.waited)]
    assert len(started) == len(set(started)) == store.engine_runs()
    assert set(started) == set(store.runs())
    assert store.recovered() > 0


def wait_for_progress(running: Load) -> None:
    """Wait until every stream has delivered another event."""
    seen = [len(run.events) for run in running.streams]
    running.wait_until(
        lambda: all(len(run.events) > n for run, n in zip(running.streams, seen, strict=True))
    )


def kill_and_restart(replica: Replica, running: Load, store: Store, proxy: Proxy) -> None:
    """Kill a replica that drives streamed runs; start it again once it was not missed."""
    streamed = {run.handler_id for run in running.streams}
    running.wait_until(lambda: streamed & store.driven_by(replica.name))
    kill_between_starts(replica, store)
    running.call()
    replica.start()
    running.wait_until(replica.is_ready)
    running.wait_until(lambda: proxy.uses(replica))


def kill_between_starts(replica: Replica, store: Store) -> None:
    """Kill a replica while it has no run that is in the store, and not yet in the engine.

    Nobody would ever drive such a run: the server writes it down before it hands it to DBOS.
    """
    for _ in range(20):
        replica.freeze()
        with suppress(AssertionError):
            wait_until(lambda: not store.unknown_to_the_engine(), within=SETTLED)
            replica.kill()
            return
        replica.thaw()
    raise AssertionError("there is always a start under way")


def test_streams_leave_a_replica_that_is_frozen(replicas: Deployment) -> None:
    """As when its machine has vanished: no connection is closed, only the health checks tell."""
    frozen, alive = replicas.replicas
    events: list[list[tuple[object, object]]] = [[] for _ in range(4)]

    def stream(seen: list[tuple[object, object]]) -> None:
        stream = client.get_workflow_events(run)
        for event in stream:
            seen.append((stream.last_sequence, event.value))

    with ThreadPoolExecutor(len(events)) as pool, replicas.proxy() as proxy:
        with SyncWorkflowClient(base_url=alive.url) as direct:
            run = direct.run_workflow_nowait("count", start_event=SLOW).handler_id
        with SyncWorkflowClient(base_url=proxy.url) as client:
            streams = [pool.submit(stream, seen) for seen in events]
            wait_until(lambda: all(events), within=LIMIT)
            frozen.freeze()
            try:
                for each in streams:
                    each.result(LIMIT)
            finally:
                frozen.thaw()
    assert events == [replicas.store.events(run)] * len(events)
    assert proxy.connections()[run] > len(events)


def test_run_workflow_outlives_the_idle_limit_of_the_proxy(replicas: Deployment) -> None:
    async def run_async() -> str:
        async with WorkflowClient(base_url=proxy.url) as client:
            return (await client.run_workflow("count", start_event=QUIET)).status

    before = replicas.store.engine_runs()
    with (
        replicas.proxy(IDLE_LIMIT="2s") as proxy,
        SyncWorkflowClient(base_url=proxy.url) as client,
        ThreadPoolExecutor(2) as pool,
    ):
        waits = [
            pool.submit(lambda: client.run_workflow("count", start_event=QUIET).status),
            pool.submit(anyio.run, run_async),
        ]
        assert [wait.result(LIMIT) for wait in waits] == ["completed", "completed"]
    assert replicas.store.engine_runs() == before + 2


def test_a_connection_that_the_server_closes_unsaid_costs_no_request(replicas: Deployment) -> None:
    """After a 204 the server closes its connection, which HAProxy must not use again."""
    with replicas.proxy() as proxy, SyncWorkflowClient(base_url=proxy.url) as client:
        run = client.run_workflow("count", start_event={"to": 0}).handler_id
        ended = {"after_sequence": 1_000_000}
        with httpx.Client(base_url=proxy.url) as plain:
            statuses = [plain.get(f"/events/{run}", params=ended).status_code for _ in range(50)]
    assert statuses == [204] * 50
