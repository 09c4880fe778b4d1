# Generated from tests/_async/test_batch.py by `python -m generator`: do not edit.
"""Batches: on the real server, and against responses that a function returns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from llama_agents.client import (
    MapProgress,
    MapResult,
    NotFoundError,
    StatusError,
    SyncWorkflowClient,
    WorkflowFailedError,
)
from llama_agents.client._core import start
from llama_agents.client._core.start import new_handler_id
from workflows.events import StopEvent

from ..support.workflows import GreetStart, OutEvent
from .replies import replies, reported


def statuses(client: SyncWorkflowClient, prefix: str) -> dict[str, str]:
    """Return the status of each run whose handler ID has a prefix."""
    found = (client.get_handlers()).handlers
    return {h.handler_id: h.status for h in found if h.handler_id.startswith(prefix)}


def naming(prefix: str) -> Any:
    """Return a key function: a prefix of the test, and the number of the item."""
    return lambda item: f"{prefix}-{item['n']}"


def stop_at(started: int) -> Any:
    """Return a progress function that interrupts the batch once so many runs were started."""

    def on_progress(progress: MapProgress) -> None:
        if progress.started == started:
            raise KeyboardInterrupt

    return on_progress


@pytest.mark.parametrize("ordered", [True, False])
def test_batch_returns_results_in_input_order_or_as_runs_end(
    server_url: str, ordered: bool
) -> None:
    starts = [{"n": 1, "pause": 0.5}, {"n": 1}, {"n": 1}]
    with SyncWorkflowClient(base_url=server_url) as client:
        results = client.map_workflow("count", starts, ordered=ordered)
        seen = [result for result in results]
    assert all(starts[result.index] is result.start_event for result in seen)
    order = [result.index for result in seen]
    assert order == [0, 1, 2] if ordered else order[-1] == 0


def test_batch_returns_failures_as_results(server_url: str) -> None:
    # One cannot be sent, one is rejected by the server, the others run.
    names: list[Any] = [object(), {"no": "text"}, *(f"n{n}" for n in range(20))]
    starts = [{"name": name} for name in names]
    with SyncWorkflowClient(base_url=server_url) as client:
        (failed,) = [result for result in client.map_workflow("fail", [{}])]
        mixed = [result for result in client.map_workflow("typed", starts, limit=4)]
    assert failed.handler is not None
    assert failed.handler.status == "failed"
    with pytest.raises(WorkflowFailedError):
        failed.result(StopEvent)
    assert isinstance(mixed[0].error, (ValueError, TypeError))
    assert isinstance(mixed[1].error, StatusError)
    outputs = [result.result(OutEvent).output for result in mixed[2:]]
    assert outputs == [f"Hello, n{n}!" for n in range(20)]


def test_batch_raises_errors_that_concern_all_items(server_url: str) -> None:
    def endless() -> Iterator[dict[str, Any]]:
        while True:
            yield {}

    with SyncWorkflowClient(base_url=server_url) as client:
        with pytest.raises(NotFoundError):
            [result for result in client.map_workflow("nothing", endless())]
    with SyncWorkflowClient(base_url="http://127.0.0.1:9") as client:
        with pytest.raises(httpx.ConnectError):
            [result for result in client.map_workflow("greet", endless())]


def test_batch_raises_at_once_without_access() -> None:
    with pytest.raises(StatusError, match="401"):
        [r for r in replies(lambda _: httpx.Response(401)).map_workflow("w", [{}] * 4)]


def test_batch_keeps_concurrency_limit_and_reads_input_as_needed(server_url: str) -> None:
    prefix, taken, most = new_handler_id(), [], [0]

    def endless() -> Iterator[dict[str, Any]]:
        n = 0
        while True:
            taken.append(n)
            yield {"n": n, "pause": 0.01}
            n += 1

    def note(progress: MapProgress) -> None:
        assert progress.total is None
        assert progress.started == progress.running + progress.completed + progress.failed
        most[0] = max(most[0], progress.running)

    with SyncWorkflowClient(base_url=server_url) as client:
        seen: list[MapResult] = []
        results = client.map_workflow(
            "count", endless(), limit=3, key=naming(prefix), on_progress=note
        )
        for result in results:
            seen.append(result)
            assert len(taken) <= len(seen) + 4 * 3
            if len(seen) == 12:
                break
        results.close()
        assert most == [3]
        left = statuses(client, prefix)
    assert "running" not in left.values()
    assert len(left) == len(taken)


@pytest.mark.parametrize("ordered", [True, False])
def test_batch_stopped_early_cancels_the_runs_it_started(server_url: str, ordered: bool) -> None:
    prefix = new_handler_id()
    with SyncWorkflowClient(base_url=server_url) as client:
        adopted = client.start("human", handler_id=f"{prefix}-0")
        starts = [{"n": n} for n in range(4)]
        results = client.map_workflow(
            "human", starts, limit=8, ordered=ordered, key=naming(prefix), on_progress=stop_at(4)
        )
        with pytest.raises(KeyboardInterrupt):
            [result for result in results]
        left = statuses(client, prefix)
        assert left.pop(adopted.handler_id) == "running"  # it was not started by the batch
        adopted.cancel()
    assert left == {f"{prefix}-{n}": "cancelled" for n in (1, 2, 3)}


def test_batch_can_be_closed_after_its_client(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        results = client.map_workflow("count", [{"n": 0}, {"n": 100, "pause": 0.01}])
        for _ in results:
            break
    results.close()


def test_batch_does_not_rerun_known_items(server_url: str) -> None:
    prefix = new_handler_id()
    starts = [{"n": n} for n in range(5)]
    with SyncWorkflowClient(base_url=server_url) as client:
        results = client.map_workflow("count", starts, limit=1, key=naming(prefix))
        with pytest.raises(KeyboardInterrupt):
            for result in results:
                if result.index == 2:
                    raise KeyboardInterrupt
        results.close()
        before = {h.handler_id: h for h in (client.get_handlers()).handlers}
        known = {name for name in before if name.startswith(prefix)}
        assert 3 <= len(known) < 5
        again = [r for r in client.map_workflow("count", starts, key=naming(prefix))]
        assert [result.error for result in again] == [None] * 5
        for result in again[:3]:
            assert result.handler is not None
            assert result.handler.run_id == before[result.handler.handler_id].run_id


def test_batch_cancels_other_runs_if_one_cancellation_is_lost() -> None:
    cancelled: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/cancel"):
            cancelled.append(request.url.path.split("/")[-2])
            if cancelled == ["h0"]:
                raise httpx.ReadError("lost")
            if len(cancelled) == 2:
                return httpx.Response(503, headers={"retry-after": "0"})
        if request.method == "GET":
            return httpx.Response(404)
        return httpx.Response(200, json=reported("r1", "running"))

    starts = [{"n": n} for n in range(4)]
    results = replies(reply).map_workflow(
        "w", starts, key=lambda start: f"h{start['n']}", on_progress=stop_at(4)
    )
    with pytest.raises(KeyboardInterrupt):
        [result for result in results]
    assert sorted(cancelled) == ["h0", "h1", "h1", "h2", "h3"]


def test_batch_polls_while_its_input_is_being_started() -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        is_first = request.method == "POST" and b'"n":0' in request.content
        return httpx.Response(200, json=reported("r1", "running" if is_first else "completed"))

    results = replies(reply).map_workflow("w", ({"n": n} for n in range(5000)), ordered=False)
    for result in results:
        if result.index == 0:
            break
        assert result.index < 2000
    results.close()


def test_batch_returns_bad_key_as_error_of_its_item() -> None:
    results = SyncWorkflowClient(base_url="http://127.0.0.1:9").map_workflow(
        "w",
        [{}, {}],
        key=lambda start: ["a"],  # type: ignore[arg-type, return-value]
    )
    assert [type(result.error) for result in results] == [TypeError, TypeError]


def replies_in_turn(responses: list[Any]) -> SyncWorkflowClient:
    """Return a client that gets each response once: a run's status, a status code, an exception."""

    def reply(request: httpx.Request) -> httpx.Response:
        now = responses.pop(0)
        if isinstance(now, Exception):
            raise now
        if isinstance(now, int):
            return httpx.Response(now, headers={"retry-after": "0"})
        return httpx.Response(200, json=reported("r1", now))

    return replies(reply)


DOWN = httpx.ConnectError("down")


@pytest.mark.parametrize(
    "responses",
    [
        [DOWN, 503, 503, 503, 503, "completed"],  # for its start
        ["running", DOWN, 503, DOWN, "completed"],  # for polls
    ],
)
def test_batch_waits_for_unreachable_server(
    monkeypatch: pytest.MonkeyPatch, responses: list[Any]
) -> None:
    monkeypatch.setattr(start, "CALL_RETRIES", 0)
    monkeypatch.setattr(start, "LOST_START_RETRIES", 0)
    left = list(responses)
    (result,) = [r for r in replies_in_turn(left).map_workflow("w", [{}])]
    assert result.error is None
    assert left == []


def test_batch_cancels_interrupted_start_once_it_arrives() -> None:
    cancels = [404, 404, 200]
    reported_progress: list[MapProgress] = []

    def reply(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/cancel"):
            return httpx.Response(cancels.pop(0), json={"status": "cancelled"})
        raise KeyboardInterrupt

    client = replies(reply)
    with pytest.raises(KeyboardInterrupt):
        [r for r in client.map_workflow("w", [{}], on_progress=reported_progress.append)]
    assert cancels == []
    assert reported_progress == []


def test_batch_reruns_cancelled_runs_and_failed_ones_on_request(server_url: str) -> None:
    prefix = new_handler_id()
    key = naming(prefix)
    with SyncWorkflowClient(base_url=server_url) as client:
        (client.start("count", {"n": 0}, handler_id=f"{prefix}-0")).result()
        cancelled = client.start("human", handler_id=f"{prefix}-1")
        cancelled.cancel()

        def outcome(workflow: str, n: int, **options: Any) -> MapResult:
            results = client.map_workflow(workflow, [{"n": n}], key=key, **options)
            (result,) = [result for result in results]
            return result

        assert (outcome("count", 0)).error is None
        other = outcome("greet", 0)
        assert isinstance(other.error, ValueError)
        assert "run of 'count'" in str(other.error)
        first, kept = outcome("fail", 2), outcome("fail", 2)
        again = outcome("fail", 2, rerun=["failed"])
        assert first.handler == kept.handler != again.handler
        results = client.map_workflow("human", [{"n": 1}], key=key, on_progress=stop_at(1))
        with pytest.raises(KeyboardInterrupt):
            [result for result in results]
        found = client.get_handler(f"{prefix}-1")
        assert found.run_id != (cancelled.checkpoint())["run_id"]


@pytest.mark.parametrize("options", [{"limit": 0}, {"limit": True}, {"rerun": ["running"]}])
def test_batch_rejects_option_out_of_range(options: Any) -> None:
    with pytest.raises(ValueError, match=r"limit|rerun"):
        SyncWorkflowClient(base_url="http://127.0.0.1:9").map_workflow("greet", [], **options)


@pytest.mark.parametrize("starts", [{"name": "Ada"}, GreetStart(), "Ada", 7])
def test_batch_rejects_input_that_is_not_a_collection(starts: Any) -> None:
    with pytest.raises(TypeError, match="iterable of start events"):
        SyncWorkflowClient(base_url="http://127.0.0.1:9").map_workflow("greet", starts)


def test_batch_returns_error_of_run_that_failed_at_once() -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        status = 500 if request.method == "GET" else 200
        return httpx.Response(status, json=reported("r1", "failed"))

    (result,) = [result for result in replies(reply).map_workflow("w", [{}])]
    assert isinstance(result.error, WorkflowFailedError)


def test_batch_starts_replacement_run_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The start is lost, and so are the polls for it, until the machine of the start gives up."""
    monkeypatch.setattr(start, "LOST_START_RETRIES", 0)
    requests: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        requests.append(request.method)
        if requests == ["GET"]:
            return httpx.Response(200, json=reported("old", "completed"))
        if len(requests) == 2:
            raise httpx.ReadError("lost")
        return httpx.Response(200, json=reported("new", "completed"))

    runs = replies(reply).map_workflow("w", [{}], key=lambda start: "h1", rerun=["completed"])
    (result,) = [result for result in runs]
    assert result.handler is not None
    assert result.handler.run_id == "new"
    assert requests == ["GET", "POST", "GET"]


def test_batch_without_items_is_empty() -> None:
    with SyncWorkflowClient(base_url="http://127.0.0.1:9") as client:
        assert [result for result in client.map_workflow("greet", [])] == []
