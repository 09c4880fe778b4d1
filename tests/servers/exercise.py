"""Each operation of the client, as a function that fails if anything is lost or done twice."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import httpx
from llama_agents.client import SyncWorkflowClient, UnsupportedServerError
from workflows.events import HumanResponseEvent, InputRequiredEvent, StartEvent, StopEvent

from examples.chaos_proxy import NO_FAULT, Fault, Plan, Request, chaos, in_turn

from ..support.server import wait_until

LATE: Final = 2.5  # s, by which a start is held up

NUMBERS: Final = [0, 1, 2, 3, 4]


class GreetStart(StartEvent):
    name: str


class Greeting(StopEvent):
    text: str


class Question(InputRequiredEvent):
    prompt: str


class Answer(HumanResponseEvent):
    text: str


class Site:
    """A server, and clients of it.

    Args:
        url: The server's base URL.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    @contextmanager
    def client(self, plan: Plan | None = None) -> Iterator[SyncWorkflowClient]:
        """Yield a new client, which knows nothing of the server yet."""
        if plan is None:
            with SyncWorkflowClient(base_url=self.url) as client:
                yield client
            return
        with chaos(self.url, plan) as proxy, SyncWorkflowClient(base_url=proxy.url) as client:
            yield client

    def begun(self) -> int:
        """Return how many runs of "count" have begun, without the help of the client."""
        body: dict[str, Any] = {"start_event": {}}
        response = httpx.post(f"{self.url}/workflows/starts/run", json=body).json()
        result: Any = response["result"]
        while isinstance(result, dict):
            result = result["result"] if "result" in result else result["value"]
        return int(result)

    def start_count(self, client: SyncWorkflowClient, pause: float = 0.0) -> str:
        """Start a run that ticks; return its ID."""
        return client.run_workflow_nowait("count", None, {"pause": pause}).handler_id


OPERATIONS: Final[dict[str, Callable[[Site], None]]] = {}


def operation(name: str) -> Callable[[Callable[[Site], None]], Callable[[Site], None]]:
    """Add an operation under the name that the page shows."""

    def add(function: Callable[[Site], None]) -> Callable[[Site], None]:
        OPERATIONS[name] = function
        return function

    return add


def numbers(events: Any) -> list[int]:
    """Return the numbers of the ticks of a whole stream."""
    seen = [*events]
    assert seen, "no event"
    assert seen[-1].is_terminal, f"the stream ended after {seen!r}"
    return [event.value["number"] for event in seen if event.type == "Tick"]


# ---------------------------------------------------------------------------- starts


@operation("health, list of workflows")
def _(site: Site) -> None:
    with site.client() as client:
        assert client.is_healthy().status == "healthy"
        assert "greet" in client.list_workflows().workflows


@operation("start with a dict")
def _(site: Site) -> None:
    with site.client() as client:
        handler = client.run_workflow("greet", None, {"name": "Ada"})
        assert handler.result is not None
        assert handler.result["text"] == "Hello, Ada!"


@operation("start with a plain event")
def _(site: Site) -> None:
    with site.client() as client:
        handler = client.run_workflow("plain", None, StartEvent(name="Ada"))  # type: ignore[call-arg]
        assert handler.result is not None
        assert handler.result["result"] == "Hello, Ada!"


@operation("start with a typed event")
def _(site: Site) -> None:
    with site.client() as client:
        handler = client.run_workflow("greet", None, GreetStart(name="Ada"))
        assert handler.result is not None
        assert handler.result["text"] == "Hello, Ada!"


@operation("start with a caller-chosen ID")
def _(site: Site) -> None:
    with site.client() as client:
        name = f"own-{time.monotonic_ns()}"
        assert client.run_workflow("greet", name, {}).handler_id == name


def _lose(what: Literal["before", "after"]) -> Callable[[Site], None]:
    def start(site: Site) -> None:
        before = site.begun()
        try:
            with site.client(in_turn(start=[Fault(lose=what)])) as client:
                client.start("count", {"pause": 0.1}).result(timeout=20)
        finally:
            assert site.begun() - before <= 1, "two runs began"

    return start


operation("start whose request is lost")(_lose("before"))
operation("start whose response is lost")(_lose("after"))


@operation("start that arrives late")
def _(site: Site) -> None:
    before = site.begun()
    late: list[threading.Thread] = []

    def hold_up(request: Request) -> Fault:
        if request.kind != "start" or late:
            return NO_FAULT
        late.append(threading.Thread(target=_send_late, args=(site.url, request.raw)))
        late[0].start()
        return Fault(lose="before")

    try:
        with site.client(hold_up) as client:
            client.start("count", {"ticks": 50, "pause": 0.1}).result(timeout=30)
    finally:
        for thread in late:
            thread.join()
        assert site.begun() - before <= 1, "two runs began"


def _send_late(url: str, request: bytes) -> None:
    time.sleep(LATE)
    target = urlsplit(url)
    with socket.create_connection((target.hostname, target.port)) as connection:
        connection.sendall(request)
        connection.recv(65536)


# ---------------------------------------------------------------------------- streams


@operation("stream from -1")
def _(site: Site) -> None:
    with site.client() as client:
        assert numbers(client.get_workflow_events(site.start_count(client, 0.02))) == NUMBERS


@operation("stream from -1 by a new client")
def _(site: Site) -> None:
    with site.client() as client, site.client() as other:
        assert numbers(other.get_workflow_events(site.start_count(client, 0.02))) == NUMBERS


@operation("stream from N")
def _(site: Site) -> None:
    with site.client() as client, site.client() as other:
        run = site.start_count(client, 0.05)
        with client.get_workflow_events(run) as stream:
            next(iter(stream))
            position = stream.last_sequence
        assert position != "now"
        assert numbers(other.get_workflow_events(run, after_sequence=position)) == NUMBERS[1:]


@operation("stream from now")
def _(site: Site) -> None:
    with site.client() as client, site.client() as other:
        run = site.start_count(client, 0.2)
        seen = numbers(other.get_workflow_events(run, after_sequence="now"))
        assert seen == NUMBERS[len(NUMBERS) - len(seen) :]
        assert len(seen) >= 3


@operation("stream of a run that has ended")
def _(site: Site) -> None:
    with site.client() as client:
        run = site.start_count(client)
        client.wait_for_handler(run)
        assert numbers(client.get_workflow_events(run)) == NUMBERS


@operation("stream read twice")
def _(site: Site) -> None:
    with site.client() as client, site.client() as other:
        run = site.start_count(client)
        assert numbers(client.get_workflow_events(run)) == NUMBERS
        assert numbers(other.get_workflow_events(run)) == NUMBERS


@operation("stream with two readers at once")
def _(site: Site) -> None:
    with site.client() as client, site.client() as other:
        run = site.start_count(client, 0.1)
        with client.get_workflow_events(run) as stream:
            events = iter(stream)
            first = next(events).value["number"]
            assert numbers(other.get_workflow_events(run)) == NUMBERS
            assert [first, *numbers(events)] == NUMBERS


CUTS: Final = {
    "stream reset within an event": Fault(events=2, tail=20),
    "stream reset between events": Fault(events=2),
    "stream closed cleanly": Fault(events=2, end="clean"),
    "stream cut before the first event": Fault(events=0),
    "stream cut within the first event": Fault(events=0, tail=20),
}


def _cut(fault: Fault) -> Callable[[Site], None]:
    def read(site: Site) -> None:
        with site.client() as client, site.client(in_turn(stream=[fault])) as cut:
            assert numbers(cut.get_workflow_events(site.start_count(client, 0.05))) == NUMBERS

    return read


for _name, _fault in CUTS.items():
    operation(_name)(_cut(_fault))


# ---------------------------------------------------------------------------- runs


@operation("questions and answers by hand")
def _(site: Site) -> None:
    with site.client() as client:
        run = client.start("ask")
        for event in run.events():
            if event.type == "Question":
                run.send(Answer(text="Ada"))
        assert event.type == "Greeting"


@operation("interact")
def _(site: Site) -> None:
    with site.client() as client:
        run = client.start("ask")
        answers = {Question: lambda _: Answer(text="Ada")}
        assert run.interact(answers, timeout=20)["text"] == "Hello, Ada!"


@operation("get_handler, status")
def _(site: Site) -> None:
    with site.client() as client:
        run = client.start("count", {"pause": 0.2})
        assert run.status() == "running"
        assert client.get_handler(run.handler_id).workflow_name == "count"


@operation("get_handlers")
def _(site: Site) -> None:
    with site.client() as client:
        run = site.start_count(client, 0.2)
        assert run in [h.handler_id for h in client.get_handlers(["running"], ["count"]).handlers]


@operation("cancel")
def _(site: Site) -> None:
    with site.client() as client:
        run = client.start("ask")
        assert client.cancel_handler(run.handler_id).status == "cancelled"
        wait_until(lambda: run.handler_id not in running(client))


@operation("wait_for_handler")
def _(site: Site) -> None:
    with site.client() as client:
        handler = client.wait_for_handler(site.start_count(client, 0.05), timeout=20)
        assert (handler.status, handler.result and handler.result["ticks"]) == ("completed", 5)


@operation("result by a new client")
def _(site: Site) -> None:
    with site.client() as client, site.client() as other:
        run = site.start_count(client, 0.05)
        assert other.get_run(run).result(timeout=20)["ticks"] == 5


@operation("stream while another waits for the result")
def _(site: Site) -> None:
    with site.client() as client, site.client() as other:
        run = site.start_count(client, 0.1)

        def wait() -> None:
            with suppress(UnsupportedServerError):  # it has a row of its own
                other.wait_for_handler(run, timeout=20)

        waiting = threading.Thread(target=wait)
        waiting.start()
        try:
            time.sleep(0.2)  # until the other one listens, if it does
            assert numbers(client.get_workflow_events(run)) == NUMBERS
        finally:
            waiting.join()


@operation("result of a run that failed")
def _(site: Site) -> None:
    with site.client() as client:
        run = client.run_workflow_nowait("fail")
        assert client.wait_for_handler(run.handler_id, timeout=10).status == "failed"


@operation("checkpoint and resume")
def _(site: Site) -> None:
    with site.client() as client, site.client() as other:
        run = client.start("count", {"pause": 0.05})
        events = iter(run.events())
        seen = [next(events).value["number"], next(events).value["number"]]
        resumed = other.resume(run.checkpoint())
        assert seen + numbers(resumed.events()) == NUMBERS


@operation("map_workflow")
def _(site: Site) -> None:
    with site.client() as client:
        results = [*client.map_workflow("greet", [{"name": str(n)} for n in range(4)])]
        texts = [
            one.handler.result["text"] for one in results if one.handler and one.handler.result
        ]
        assert texts == [f"Hello, {n}!" for n in range(4)]


@operation("map_workflow with keys")
def _(site: Site) -> None:
    with site.client() as client:
        key = time.monotonic_ns()
        results = [*client.map_workflow("greet", [{}], key=lambda _: f"key-{key}")]
        assert [one.error for one in results] == [None]


def running(client: SyncWorkflowClient) -> list[str]:
    """Return the runs that go on."""
    return [run.handler_id for run in client.get_handlers().handlers if run.status == "running"]


# ---------------------------------------------------------------------------- types


@operation("get_event_types")
def _(site: Site) -> None:
    with site.client() as client:
        types = client.get_event_types("count")
        *_, last = client.start("count").events()
        assert isinstance(last.load_event(types), types["Counted"])


@operation("validate=True")
def _(site: Site) -> None:
    with site.client() as client:
        handler = client.run_workflow("greet", None, {"name": "Ada"}, validate=True)
        assert handler.result is not None
        assert handler.result["text"] == "Hello, Ada!"


@operation("get_workflow_graph")
def _(site: Site) -> None:
    with site.client() as client:
        assert client.get_workflow_graph("greet").graph.nodes
