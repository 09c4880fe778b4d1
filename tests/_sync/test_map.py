# Generated from tests/_async/test_map.py by `python -m generator`: do not edit.
"""Many runs of one workflow, on the real server."""

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
    _start,
)
from llama_agents.client._start import new_handler_id
from workflows.events import StopEvent

from ..support.chaos import Fault, chaos, in_turn
from ..support.scripted import Turn, answer, scripted
from ..support.workflows import GreetStart, OutEvent
from .replies import replies, reported


def statuses(client: SyncWorkflowClient, prefix: str) -> dict[str, str]:
    found = (client.get_handlers()).handlers
    return {h.handler_id: h.status for h in found if h.handler_id.startswith(prefix)}


def naming(prefix: str) -> Any:
    """The key of an item: its number behind a prefix of the test."""
    return lambda item: f"{prefix}-{item['n']}"


@pytest.mark.parametrize("ordered", [True, False])
def test_every_item_has_its_result(server_url: str, ordered: bool) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        names = [f"n{n}" for n in range(20)]
        starts = [GreetStart(name=name) for name in names]
        seen = [result for result in client.map_workflow("typed", starts, limit=4, ordered=ordered)]
    if ordered:
        assert [result.index for result in seen] == list(range(20))
    assert {result.index: result.result(OutEvent).output for result in seen} == {
        n: f"Hello, {name}!" for n, name in enumerate(names)
    }
    assert all(starts[result.index] is result.start_event for result in seen)


def test_results_come_in_the_order_of_the_input_or_as_they_end(server_url: str) -> None:
    starts = [{"n": 1, "pause": 0.5}, {"n": 1}, {"n": 1}]
    with SyncWorkflowClient(base_url=server_url) as client:
        orders = [
            [result.index for result in client.map_workflow("count", starts, ordered=ordered)]
            for ordered in (True, False)
        ]
    assert orders[0] == [0, 1, 2]
    assert orders[1][-1] == 0


def test_failures_are_values(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        failed = [result for result in client.map_workflow("fail", [{}, {}])]
        assert [type(result.error) for result in failed] == [WorkflowFailedError] * 2
        assert all(result.handler and result.handler.status == "failed" for result in failed)
        with pytest.raises(WorkflowFailedError):
            failed[0].result(StopEvent)
        # One that cannot be sent, one that the server refuses, one that runs.
        starts: list[Any] = [{"name": object()}, {"name": {"no": "text"}}, {"name": "Ada"}]
        mixed = [result for result in client.map_workflow("typed", starts)]
    assert isinstance(mixed[0].error, (ValueError, TypeError))
    assert isinstance(mixed[1].error, StatusError)
    assert mixed[2].result()["output"] == "Hello, Ada!"


def test_what_concerns_all_items_is_raised(server_url: str) -> None:
    def endless() -> Iterator[dict[str, Any]]:
        while True:
            yield {}

    with SyncWorkflowClient(base_url=server_url) as client:
        with pytest.raises(NotFoundError):
            [result for result in client.map_workflow("nothing", endless())]
    with SyncWorkflowClient(base_url="http://127.0.0.1:9") as client:
        with pytest.raises(httpx.ConnectError):
            [result for result in client.map_workflow("greet", endless())]


def test_no_more_run_than_the_limit_and_the_input_waits(server_url: str) -> None:
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
def test_breaking_off_cancels_what_was_started(server_url: str, ordered: bool) -> None:
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
        assert left.pop(adopted.handler_id) == "running"  # it was there before
        adopted.cancel()
    assert left == {f"{prefix}-{n}": "cancelled" for n in (1, 2, 3)}


def stop_at(started: int) -> Any:
    def on_progress(progress: MapProgress) -> None:
        if progress.started == started:
            raise KeyboardInterrupt

    return on_progress


def test_results_that_are_dropped_after_the_client_are_no_error(server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        results = client.map_workflow("count", [{"n": 0}, {"n": 100, "pause": 0.01}])
        for _ in results:
            break
    results.close()


def test_what_already_ran_is_not_run_again(server_url: str) -> None:
    prefix = new_handler_id()
    starts = [{"n": n} for n in range(5)]
    with SyncWorkflowClient(base_url=server_url) as client:
        with pytest.raises(KeyboardInterrupt):
            for result in client.map_workflow("count", starts, limit=1, key=naming(prefix)):
                if result.index == 2:
                    raise KeyboardInterrupt
        before = {h.handler_id: h for h in (client.get_handlers()).handlers}
        known = {name for name in before if name.startswith(prefix)}
        assert 3 <= len(known) < 5
        again = [r for r in client.map_workflow("count", starts, key=naming(prefix))]
        assert [result.error for result in again] == [None] * 5
        for result in again[:3]:
            assert result.handler is not None
            assert result.handler.run_id == before[result.handler.handler_id].run_id


def test_items_of_one_key_have_one_run(server_url: str) -> None:
    prefix = new_handler_id()
    starts = [{"n": n} for n in (0, 0, 1, 0, 1)]
    with SyncWorkflowClient(base_url=server_url) as client:
        seen = [r for r in client.map_workflow("count", starts, key=naming(prefix))]
        assert [(r.index, r.error) for r in seen] == [(n, None) for n in range(5)]
        assert [r.handler_id for r in seen] == [f"{prefix}-{start['n']}" for start in starts]
        assert len({r.handler.run_id for r in seen if r.handler}) == 2


def test_lost_cancellation_does_not_stop_the_others() -> None:
    cancelled: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
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
    results = replies(answer).map_workflow(
        "w", starts, key=lambda start: f"h{start['n']}", on_progress=stop_at(4)
    )
    with pytest.raises(KeyboardInterrupt):
        [result for result in results]
    assert sorted(cancelled) == ["h0", "h1", "h1", "h2", "h3"]


def test_items_that_are_known_do_not_hold_up_a_run_that_has_ended() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        is_first = request.method == "POST" and b'"n":0' in request.content
        return httpx.Response(200, json=reported("r1", "running" if is_first else "completed"))

    results = replies(answer).map_workflow("w", ({"n": n} for n in range(5000)), ordered=False)
    for result in results:
        if result.index == 0:
            break
        assert result.index < 2000
    results.close()


def test_key_that_is_no_text_is_an_error_of_its_item() -> None:
    results = SyncWorkflowClient(base_url="http://127.0.0.1:9").map_workflow(
        "w",
        [{}, {}],
        key=lambda start: ["a"],  # type: ignore[arg-type, return-value]
    )
    assert [type(result.error) for result in results] == [TypeError, TypeError]


def replies_in_turn(answers: list[Any]) -> SyncWorkflowClient:
    """A client that gets each answer once: a status of the run, a status code, or an exception."""

    def answer(request: httpx.Request) -> httpx.Response:
        now = answers.pop(0)
        if isinstance(now, Exception):
            raise now
        if isinstance(now, int):
            return httpx.Response(now, headers={"retry-after": "0"})
        return httpx.Response(200, json=reported("r1", now))

    return replies(answer)


DOWN = httpx.ConnectError("down")


@pytest.mark.parametrize(
    "answers",
    [
        [DOWN, 503, 503, 503, 503, "completed"],  # the start
        ["running", DOWN, 503, DOWN, "completed"],  # the looks
    ],
)
def test_server_that_is_down_for_a_while_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, answers: list[Any]
) -> None:
    monkeypatch.setattr(_start, "CALL_BUDGET", 0)
    left = list(answers)
    (result,) = [r for r in replies_in_turn(left).map_workflow("w", [{}])]
    assert result.error is None
    assert left == []


def test_start_that_was_cut_off_is_cancelled_when_it_arrives() -> None:
    cancels = [404, 404, 200]
    begun: list[MapProgress] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/cancel"):
            return httpx.Response(cancels.pop(0), json={"status": "cancelled"})
        raise KeyboardInterrupt

    client = replies(answer)
    with pytest.raises(KeyboardInterrupt):
        [r for r in client.map_workflow("w", [{}], on_progress=begun.append)]
    assert cancels == []
    assert begun == []


def test_cancelled_runs_are_run_again_and_failed_ones_if_asked(server_url: str) -> None:
    prefix = new_handler_id()
    with SyncWorkflowClient(base_url=server_url) as client:
        first = client.start("count", {"n": 0, "pause": 0}, handler_id=f"{prefix}-0")
        first.result()
        cancelled = client.start("human", handler_id=f"{prefix}-1")
        cancelled.cancel()
        failed = client.start("fail", handler_id=f"{prefix}-2")
        with pytest.raises(WorkflowFailedError):
            failed.result()
        key = naming(prefix)

        def outcome(workflow: str, n: int, **options: Any) -> MapResult:
            results = client.map_workflow(workflow, [{"n": n}], key=key, **options)
            (result,) = [result for result in results]
            return result

        assert (outcome("count", 0)).error is None
        other = outcome("greet", 0)
        assert isinstance(other.error, ValueError)
        assert "run of 'count'" in str(other.error)
        kept = outcome("fail", 2)
        assert kept.handler is not None
        run_id = kept.handler.run_id
        again = outcome("fail", 2, rerun=["failed"])
        assert again.handler is not None
        assert again.handler.run_id != run_id
        results = client.map_workflow("human", [{"n": 1}], key=key, on_progress=stop_at(1))
        with pytest.raises(KeyboardInterrupt):
            [result for result in results]
        found = client.get_handler(f"{prefix}-1")
        assert found.run_id != (cancelled.checkpoint())["run_id"]


def test_lost_answers_start_nothing_twice(server_url: str) -> None:
    prefix = new_handler_id()
    lost = [Fault(lose="after"), Fault(), Fault(lose="at once"), Fault(), Fault(lose="before")]
    with chaos(server_url, in_turn(start=lost, look=lost * 3)) as proxy:
        with SyncWorkflowClient(base_url=proxy.url) as client:
            starts = [{"n": n} for n in range(6)]
            results = client.map_workflow("count", starts, limit=2, key=naming(prefix))
            assert [result.error for result in results] == [None] * 6
    with SyncWorkflowClient(base_url=server_url) as client:
        assert len(statuses(client, prefix)) == 6


def test_no_access_is_raised_at_once() -> None:
    with scripted([Turn(answer("401 Unauthorized", b"{}"))]) as server:
        with SyncWorkflowClient(base_url=server.url) as client:
            with pytest.raises(StatusError, match="401"):
                [result for result in client.map_workflow("greet", [{}] * 4)]


@pytest.mark.parametrize(
    ("starts", "options", "error"),
    [
        ([], {"limit": 0}, ValueError),
        ([], {"limit": True}, ValueError),
        ([], {"rerun": ["running"]}, ValueError),
        ({"name": "Ada"}, {}, TypeError),
        (GreetStart(), {}, TypeError),
        ("Ada", {}, TypeError),
        (7, {}, TypeError),
    ],
)
def test_bad_arguments_are_refused_at_once(
    starts: Any, options: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        SyncWorkflowClient(base_url="http://127.0.0.1:9").map_workflow("greet", starts, **options)


def test_run_that_fails_at_once_is_a_failure() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        status = 500 if request.method == "GET" else 200
        return httpx.Response(status, json=reported("r1", "failed"))

    (result,) = [result for result in replies(answer).map_workflow("w", [{}])]
    assert isinstance(result.error, WorkflowFailedError)


def test_run_that_takes_the_place_of_another_is_started_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its start and all looks for it are lost, until the machine of the start gives up."""
    monkeypatch.setattr(_start, "LOST_BUDGET", 0)
    requests: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request.method)
        if requests == ["GET"]:
            return httpx.Response(200, json=reported("old", "completed"))
        if len(requests) == 2:
            raise httpx.ReadError("lost")
        return httpx.Response(200, json=reported("new", "completed"))

    runs = replies(answer).map_workflow("w", [{}], key=lambda start: "h1", rerun=["completed"])
    (result,) = [result for result in runs]
    assert result.handler is not None
    assert result.handler.run_id == "new"
    assert requests == ["GET", "POST", "GET"]


def test_no_items_no_results() -> None:
    with SyncWorkflowClient(base_url="http://127.0.0.1:9") as client:
        assert [result for result in client.map_workflow("greet", [])] == []
