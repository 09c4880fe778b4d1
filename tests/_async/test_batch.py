"""Batches: on the real server, and against responses that a function returns."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import httpx
import pytest
from llama_agents.client import (
    ConflictError,
    InvalidResponseError,
    MapProgress,
    MapResult,
    NotFoundError,
    ResponseTooLargeError,
    StatusError,
    WorkflowClient,
    WorkflowFailedError,
)
from llama_agents.client._core import policy
from llama_agents.client._core.start import new_handler_id
from workflows.events import StopEvent

from ..support.workflows import GreetStart, OutEvent
from .replies import completed, replies, reported

pytestmark = pytest.mark.anyio


async def statuses(client: WorkflowClient, prefix: str) -> dict[str, str]:
    """Return the status of each run whose handler ID has a prefix."""
    found = (await client.get_handlers()).handlers
    return {h.handler_id: h.status for h in found if h.handler_id.startswith(prefix)}


async def until_running(client: WorkflowClient, handler_id: str) -> None:
    """Wait until a run has been started."""
    while (await statuses(client, handler_id)).get(handler_id) != "running":
        await anyio.sleep(0.005)


def naming(prefix: str) -> Any:
    """Return a key function: a prefix of the test, and the number of the item."""
    return lambda item: f"{prefix}-{item['n']}"


def stop_at(client: WorkflowClient, prefix: str, started: int) -> Any:
    """Return a progress function that interrupts the batch once so many runs are running."""

    async def on_progress(progress: MapProgress) -> None:
        if progress.started < started:
            return
        while list((await statuses(client, prefix)).values()).count("running") < started:
            await anyio.sleep(0.005)
        raise KeyboardInterrupt

    return on_progress


@pytest.mark.parametrize("ordered", [True, False])
async def test_batch_returns_results_in_input_order_or_as_runs_end(
    server_url: str, ordered: bool
) -> None:
    starts = [{"n": 1, "pause": 0.5}, {"n": 1}, {"n": 1}]
    async with WorkflowClient(base_url=server_url) as client:
        results = client.map_workflow("count", starts, ordered=ordered)
        seen = [result async for result in results]
    assert all(starts[result.index] is result.start_event for result in seen)
    order = [result.index for result in seen]
    assert order == [0, 1, 2] if ordered else order[-1] == 0


async def test_batch_returns_failures_as_results(server_url: str) -> None:
    # One cannot be sent, one is rejected by the server, the others run.
    names: list[Any] = [object(), {"no": "text"}, *(f"n{n}" for n in range(20))]
    starts = [{"name": name} for name in names]
    async with WorkflowClient(base_url=server_url) as client:
        (failed,) = [result async for result in client.map_workflow("fail", [{}])]
        mixed = [result async for result in client.map_workflow("typed", starts, limit=4)]
    assert failed.handler is not None
    assert failed.handler.status == "failed"
    with pytest.raises(WorkflowFailedError):
        failed.result(StopEvent)
    assert isinstance(mixed[0].error, (ValueError, TypeError))
    assert isinstance(mixed[1].error, StatusError)
    outputs = [result.result(OutEvent).output for result in mixed[2:]]
    assert outputs == [f"Hello, n{n}!" for n in range(20)]


async def test_batch_raises_errors_that_concern_all_items(
    monkeypatch: pytest.MonkeyPatch, server_url: str
) -> None:
    monkeypatch.setattr(policy, "INITIAL_RETRY_DELAY", 0.001)

    def endless() -> Iterator[dict[str, Any]]:
        while True:
            yield {}

    async with WorkflowClient(base_url=server_url) as client:
        with pytest.raises(NotFoundError):
            [result async for result in client.map_workflow("nothing", endless())]
    async with WorkflowClient(base_url="http://127.0.0.1:9") as client:
        with pytest.raises(httpx.ConnectError):
            [result async for result in client.map_workflow("greet", endless())]


async def test_batch_raises_at_once_without_access() -> None:
    with pytest.raises(StatusError, match="401"):
        [r async for r in replies(lambda _: httpx.Response(401)).map_workflow("w", [{}] * 4)]


async def test_batch_keeps_concurrency_limit_and_reads_input_as_needed(server_url: str) -> None:
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

    async with WorkflowClient(base_url=server_url) as client:
        seen: list[MapResult] = []
        results = client.map_workflow(
            "count", endless(), limit=3, key=naming(prefix), on_progress=note
        )
        async for result in results:
            seen.append(result)
            assert len(taken) <= len(seen) + 4 * 3
            if len(seen) == 12:
                break
        await results.aclose()
        assert most == [3]
        left = await statuses(client, prefix)
    assert "running" not in left.values()
    # The last ones may have been stopped before they were started.
    assert len(taken) - 3 <= len(left) <= len(taken)


@pytest.mark.parametrize("ordered", [True, False])
async def test_batch_stopped_early_cancels_the_runs_it_started(
    server_url: str, ordered: bool
) -> None:
    prefix = new_handler_id()
    async with WorkflowClient(base_url=server_url) as client:
        adopted = await client.start("human", handler_id=f"{prefix}-0")
        starts = [{"n": n} for n in range(4)]
        results = client.map_workflow(
            "human",
            starts,
            ordered=ordered,
            key=naming(prefix),
            on_progress=stop_at(client, prefix, 4),
        )
        with pytest.raises(KeyboardInterrupt):
            [result async for result in results]
        left = await statuses(client, prefix)
        assert left.pop(adopted.handler_id) == "running"  # it was not started by the batch
        await adopted.cancel()
    assert left == {f"{prefix}-{n}": "cancelled" for n in (1, 2, 3)}


async def test_batch_can_be_closed_after_its_client(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        results = client.map_workflow("count", [{"n": 0}, {"n": 100, "pause": 0.01}])
        async for _ in results:
            break
    await results.aclose()


async def test_batch_does_not_rerun_known_items(server_url: str) -> None:
    prefix = new_handler_id()
    starts = [{"n": n} for n in range(5)]
    async with WorkflowClient(base_url=server_url) as client:
        results = client.map_workflow("count", starts, limit=1, key=naming(prefix))
        with pytest.raises(KeyboardInterrupt):
            async for result in results:
                if result.index == 2:
                    raise KeyboardInterrupt
        await results.aclose()
        before = {h.handler_id: h for h in (await client.get_handlers()).handlers}
        known = {name for name in before if name.startswith(prefix)}
        assert 3 <= len(known) < 5
        again = [r async for r in client.map_workflow("count", starts, key=naming(prefix))]
        assert [result.error for result in again] == [None] * 5
        for result in again[:3]:
            assert result.handler is not None
            assert result.handler.run_id == before[result.handler.handler_id].run_id


async def test_batch_cancels_other_runs_if_one_cancellation_is_lost() -> None:
    cancelled: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/cancel"):
            cancelled.append(request.url.path.split("/")[-2])
            if cancelled == ["h0"]:
                raise httpx.ReadError("lost")
            if len(cancelled) == 2:
                return httpx.Response(503, headers={"retry-after": "0"})
            return httpx.Response(200, json={"status": "cancelled"})
        if request.method == "POST":
            started.append(f"h{json.loads(request.content)['start_event']['n']}")
            if len(started) == 4:
                raise KeyboardInterrupt
        is_known = request.method == "POST" or request.url.path.split("/")[2] in started
        return httpx.Response(200 if is_known else 404, json=reported("r1", "running"))

    started: list[str] = []
    starts = [{"n": n} for n in range(4)]
    with pytest.raises(KeyboardInterrupt):
        results = replies(reply).map_workflow("w", starts, key=lambda start: f"h{start['n']}")
        [result async for result in results]
    assert set(cancelled) == {"h0", "h1", "h2", "h3"}
    assert len(cancelled) == 5


BAD_RESPONSES = {
    "html": httpx.Response(200, html="<html>Sign in</html>"),
    "500": httpx.Response(500, text="oops"),
    "408": httpx.Response(408),
}


BAD = [
    (asked, bad)
    for asked in ("lookup", "start", "check", "poll")
    for bad in BAD_RESPONSES
    if (asked, bad) != ("start", "500")  # the server itself says that it could not start the run
]


@pytest.mark.parametrize(("asked", "bad"), BAD)
async def test_bad_response_costs_neither_item_nor_batch(asked: str, bad: str) -> None:
    """Whatever is asked: whether a run is known, for its start, whether that arrived, how it is."""
    requests: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/events/"):
            return httpx.Response(204)
        requests.append(request.method)
        match asked, requests:
            case ("lookup", ["GET"]) | ("start", ["GET", "POST"]):
                return BAD_RESPONSES[bad]
            case ("check" | "poll", ["GET", "POST", "GET"]):
                return BAD_RESPONSES[bad]
            case ("check", ["GET", "POST"]):
                raise httpx.ReadError("lost")
            case _, ["GET"] | ["GET", "GET"] if asked == "lookup" or len(requests) == 1:
                return httpx.Response(404)
        status = "running" if request.method == "POST" and asked == "poll" else "completed"
        return httpx.Response(200, json=reported("r1", status))

    results = replies(reply).map_workflow("w", [{}, {}], key=lambda _: "h1", limit=1)
    assert [result.error async for result in results] == [None, None]
    assert requests.count("POST") == 1


LASTING = {
    InvalidResponseError: httpx.Response(200, html="<html>Sign in</html>"),
    StatusError: httpx.Response(521),
}


@pytest.mark.parametrize("error", LASTING)
async def test_lasting_bad_responses_end_the_batch(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    monkeypatch.setattr(policy, "INITIAL_RETRY_DELAY", 0.001)
    client = replies(lambda request: LASTING[error])
    with pytest.raises(error):
        [result async for result in client.map_workflow("w", [{}])]


async def test_result_that_is_too_large_is_an_error_of_its_item() -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        size = 5000 if b'"n":1' in request.content else 0
        return httpx.Response(200, json={**reported("r1", "completed"), "error": "x" * size})

    inner = httpx.AsyncClient(
        transport=httpx.MockTransport(completed(reply)), base_url="http://test"
    )
    client = WorkflowClient(httpx_client=inner, max_response_size=2000)
    results = client.map_workflow("w", [{"n": n} for n in range(3)])
    errors = [type(result.error) async for result in results]
    assert errors == [type(None), ResponseTooLargeError, type(None)]


async def test_step_after_a_failed_one_does_not_look_like_the_end(server_url: str) -> None:
    def interrupted(progress: MapProgress) -> None:
        raise ArithmeticError

    async with WorkflowClient(base_url=server_url) as client:
        results = client.map_workflow("greet", [{}, {}], on_progress=interrupted)
        with pytest.raises(ArithmeticError):
            await anext(results)
        with pytest.raises(RuntimeError, match="last step raised ArithmeticError"):
            await anext(results)
        others = client.map_workflow("greet", [{}, {}])
        await anext(others)
    with pytest.raises(RuntimeError, match="its client was closed"):
        await anext(others)
    await others.aclose()


async def test_stop_iteration_of_the_caller_does_not_look_like_the_end() -> None:
    def key(start: Any) -> str:
        raise StopAsyncIteration

    results = replies(lambda _: httpx.Response(404)).map_workflow("w", [{}], key=key)
    with pytest.raises(RuntimeError, match="a function of the batch raised StopAsyncIteration"):
        [result async for result in results]


async def test_batch_that_is_closed_while_it_takes_items_starts_nothing_more() -> None:
    started: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        started.append(request.url.path)
        return httpx.Response(200, json=reported("r1", "completed"))

    async def starts() -> AsyncIterator[dict[str, Any]]:
        await results.aclose()
        yield {}

    results = replies(reply).map_workflow("w", starts())
    assert [result async for result in results] == []
    await anyio.sleep(0.05)
    assert started == []


async def test_result_does_not_wait_for_as_many_items_as_may_run() -> None:
    taken: list[int] = []

    async def starts() -> AsyncIterator[dict[str, Any]]:
        for n in range(9):
            taken.append(n)
            await anyio.sleep(0.05)
            yield {}

    client = replies(lambda _: httpx.Response(200, json=reported("r1", "completed")))
    async with client.map_workflow("w", starts(), limit=8) as results:
        assert (await anext(results)).index == 0
        assert len(taken) < 8


async def test_closed_batch_has_ended(server_url: str) -> None:
    async with WorkflowClient(base_url=server_url) as client:
        async with client.map_workflow("greet", [{}, {}]) as results:
            await anext(results)
        assert [result async for result in results] == []


async def test_batch_is_cancelled_at_the_end_of_its_block(server_url: str) -> None:
    prefix = new_handler_id()
    async with WorkflowClient(base_url=server_url) as client:
        starts = [{"n": 0}, {"n": 1, "pause": 60}]
        with pytest.raises(ArithmeticError):
            async with client.map_workflow("count", starts, key=naming(prefix)) as results:
                async for _ in results:
                    await until_running(client, f"{prefix}-1")
                    raise ArithmeticError
        assert (await client.get_handler(f"{prefix}-1")).status == "cancelled"


async def test_end_of_the_client_cancels_the_runs_of_its_batches(server_url: str) -> None:
    """Here Python drops the iterator of the loop, but it can be closed only later."""
    prefix = new_handler_id()
    starts = [{"n": 0}, {"n": 1, "pause": 60}]
    with pytest.raises(ArithmeticError):
        async with WorkflowClient(base_url=server_url) as client:
            async for _ in client.map_workflow("count", starts, key=naming(prefix)):
                await until_running(client, f"{prefix}-1")
                raise ArithmeticError
    async with WorkflowClient(base_url=server_url) as client:
        assert (await client.get_handler(f"{prefix}-1")).status == "cancelled"


async def test_batch_waits_for_run_that_another_batch_has_just_started() -> None:
    requests: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        requests.append(request.method)
        if requests == ["GET"]:
            return httpx.Response(404)
        if request.method == "POST":
            return httpx.Response(409)
        return httpx.Response(200, json=reported("theirs", "completed"))

    (result,) = [r async for r in replies(reply).map_workflow("w", [{}], key=lambda _: "h1")]
    assert result.error is None
    assert requests == ["GET", "POST", "GET"]


async def test_conflict_of_a_generated_id_is_an_error() -> None:
    client = replies(lambda _: httpx.Response(409))
    (result,) = [result async for result in client.map_workflow("w", [{}])]
    assert isinstance(result.error, ConflictError)


async def test_run_cancelled_by_another_batch_is_started_again() -> None:
    requests: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith("/events/"):
            return httpx.Response(204)
        requests.append(request.method)
        match requests:
            case ["GET"]:
                return httpx.Response(404)
            case ["GET", "POST"]:
                return httpx.Response(409)
            case ["GET", "POST", "GET"]:
                return httpx.Response(202, json=reported("theirs", "running"))
            case ["GET", "POST", "GET", "GET"]:
                return httpx.Response(500, json=reported("theirs", "cancelled"))
        return httpx.Response(200, json=reported("ours", "completed"))

    (result,) = [r async for r in replies(reply).map_workflow("w", [{}], key=lambda _: "h1")]
    assert result.handler is not None
    assert result.handler.run_id == "ours"
    assert requests[4:] == ["POST"]


async def test_batch_that_is_stopped_does_not_cancel_the_run_of_another() -> None:
    requests: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        requests.append(f"{request.method} {request.url.path}")
        if request.url.path.startswith("/events/"):
            raise KeyboardInterrupt
        if request.method == "POST":
            return httpx.Response(409)
        status = "running" if len(requests) > 1 else "cancelled"
        return httpx.Response(202, json=reported("theirs", status))

    with pytest.raises(KeyboardInterrupt):
        [r async for r in replies(reply).map_workflow("w", [{}], key=lambda _: "h1")]
    assert not [request for request in requests if "cancel" in request]


async def test_batch_leaves_a_connection_of_an_httpx_client_to_other_calls(server_url: str) -> None:
    limits = httpx.Limits(max_connections=3)
    most = 0

    async def note(progress: MapProgress) -> None:
        nonlocal most
        most = max(most, progress.running)
        await client.get_handlers()

    async with httpx.AsyncClient(base_url=server_url, limits=limits) as inner:
        client = WorkflowClient(httpx_client=inner)
        starts = [{"n": 1, "pause": 0.01}] * 8
        results = client.map_workflow("count", starts, limit=8, on_progress=note)
        assert [result.error async for result in results] == [None] * 8
    assert most == 2


async def test_batch_returns_bad_key_as_error_of_its_item() -> None:
    results = WorkflowClient(base_url="http://127.0.0.1:9").map_workflow(
        "w",
        [{}, {}],
        key=lambda start: ["a"],  # type: ignore[arg-type, return-value]
    )
    assert [type(result.error) async for result in results] == [TypeError, TypeError]


def replies_in_turn(responses: list[Any]) -> WorkflowClient:
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
        [DOWN, 503, 503, 503, 503, DOWN, "completed"],  # for its start
        [503, 503, DOWN, "completed"],
        ["running", DOWN, 503, DOWN, "completed"],  # for polls
    ],
)
async def test_batch_waits_for_unreachable_server(
    monkeypatch: pytest.MonkeyPatch, responses: list[Any]
) -> None:
    monkeypatch.setattr(policy, "INITIAL_RETRY_DELAY", 0.001)
    left = list(responses)
    (result,) = [r async for r in replies_in_turn(left).map_workflow("w", [{}])]
    assert result.error is None
    assert left == []


async def test_batch_cancels_interrupted_start_once_it_arrives() -> None:
    cancels = [404, 404, 200]

    def reply(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/cancel"):
            return httpx.Response(cancels.pop(0), json={"status": "cancelled"})
        raise KeyboardInterrupt

    client = replies(reply)
    with pytest.raises(KeyboardInterrupt):
        [result async for result in client.map_workflow("w", [{}])]
    assert cancels == []


async def test_batch_reruns_cancelled_runs_and_failed_ones_on_request(server_url: str) -> None:
    prefix = new_handler_id()
    key = naming(prefix)
    async with WorkflowClient(base_url=server_url) as client:
        await (await client.start("count", {"n": 0}, handler_id=f"{prefix}-0")).result()
        cancelled = await client.start("human", handler_id=f"{prefix}-1")
        await cancelled.cancel()

        async def outcome(workflow: str, n: int, **options: Any) -> MapResult:
            results = client.map_workflow(workflow, [{"n": n}], key=key, **options)
            (result,) = [result async for result in results]
            return result

        assert (await outcome("count", 0)).error is None
        other = await outcome("greet", 0)
        assert isinstance(other.error, ValueError)
        assert "run of 'count'" in str(other.error)
        first, kept = await outcome("fail", 2), await outcome("fail", 2)
        again = await outcome("fail", 2, rerun=["failed"])
        assert first.handler == kept.handler != again.handler
        interrupted = stop_at(client, prefix, 1)
        results = client.map_workflow("human", [{"n": 1}], key=key, on_progress=interrupted)
        with pytest.raises(KeyboardInterrupt):
            [result async for result in results]
        found = await client.get_handler(f"{prefix}-1")
        assert found.run_id != (await cancelled.checkpoint())["run_id"]


@pytest.mark.parametrize("options", [{"limit": 0}, {"limit": True}, {"rerun": ["running"]}])
async def test_batch_rejects_option_out_of_range(options: Any) -> None:
    with pytest.raises(ValueError, match=r"limit|rerun"):
        WorkflowClient(base_url="http://127.0.0.1:9").map_workflow("greet", [], **options)


@pytest.mark.parametrize("starts", [{"name": "Ada"}, GreetStart(), "Ada", 7])
async def test_batch_rejects_input_that_is_not_a_collection(starts: Any) -> None:
    with pytest.raises(TypeError, match="iterable of start events"):
        WorkflowClient(base_url="http://127.0.0.1:9").map_workflow("greet", starts)


async def test_batch_returns_error_of_run_that_failed_at_once() -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        status = 500 if request.method == "GET" else 200
        return httpx.Response(status, json=reported("r1", "failed"))

    (result,) = [result async for result in replies(reply).map_workflow("w", [{}])]
    assert isinstance(result.error, WorkflowFailedError)


async def test_batch_starts_replacement_run_once() -> None:
    """The response to its start is lost, and times would not tell whether the run is that one."""
    requests: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        requests.append(request.method)
        if requests == ["GET"]:
            return httpx.Response(200, json=reported("old", "completed"))
        if len(requests) == 2:
            raise httpx.ReadError("lost")
        return httpx.Response(200, json=reported("new", "completed"))

    runs = replies(reply).map_workflow("w", [{}], key=lambda start: "h1", rerun=["completed"])
    (result,) = [result async for result in runs]
    assert result.handler is not None
    assert result.handler.run_id == "new"
    assert requests == ["GET", "POST", "GET"]


async def test_batch_without_items_is_empty() -> None:
    async with WorkflowClient(base_url="http://127.0.0.1:9") as client:
        assert [result async for result in client.map_workflow("greet", [])] == []
