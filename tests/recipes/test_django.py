"""The views under Django's test clients, and real servers: uvicorn for ASGI, wsgiref for WSGI."""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from types import ModuleType
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import httpx
import pytest

from examples.chaos_proxy import Chaos, chaos, in_turn

from ..support.server import wait_until
from .apps import serve_app, serve_examples
from .pages import write_programs

FORM = {"documents": "3", "seconds_each": "0.01"}
DONE = {"status": "completed", "error": None, "result": {"indexed": 3}}


@pytest.fixture(scope="module")
def upstream() -> Iterator[Chaos]:
    with serve_examples() as url, chaos(url, in_turn()) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def project(upstream: Chaos, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The project, which all tests share: Django is configured once in a process."""
    folder = tmp_path_factory.mktemp("django")
    write_programs("django", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKFLOW_SERVER", upstream.url)
        patch.syspath_prepend(folder)
        return importlib.import_module("project")


class ThreadingServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def wsgi_server(application: Any) -> Iterator[str]:
    with make_server("127.0.0.1", 0, application, ThreadingServer, QuietHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def check(url: str) -> None:
    """Start runs, and read what became of them, from several threads."""

    def start_and_follow() -> None:
        with httpx.Client(base_url=url) as browser:
            run = browser.post("/runs", data=FORM).json()["run"]
            wait_until(
                lambda: browser.get(f"/runs/{run}").json()["status"] == "completed", within=60
            )
            outcomes.append(browser.get(f"/runs/{run}").json())

    outcomes: list[object] = []
    threads = [threading.Thread(target=start_and_follow) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [DONE] * 4


def test_views_work_in_each_test_client(project: ModuleType) -> None:
    from django.test import AsyncClient, Client

    async def start() -> str:
        response = await AsyncClient().post("/runs", FORM)
        assert response.status_code == 201
        run: str = response.json()["run"]
        events = await AsyncClient().get(f"/events/{run}")
        text = b"".join([part async for part in events.streaming_content]).decode()
        assert text.count("DocumentIndexed") == 3
        assert text.endswith('event: end\ndata: "ended"\n\n')
        assert (await AsyncClient().get(f"/runs/{run}")).json() == DONE
        return run

    for _ in range(2):  # on event loops of their own
        run = asyncio.run(start())
        assert Client().get(f"/runs/{run}").json() == DONE


def test_bad_requests_are_answered(project: ModuleType) -> None:
    from django.test import Client

    refused = Client().post("/runs", {"documents": "many"})
    assert refused.status_code == 400
    assert "documents" in refused.json()["error"]
    assert Client().get("/runs/unknown").status_code == 404


def test_views_work_under_asgi(project: ModuleType) -> None:
    with serve_app(project.asgi) as url:
        check(url)


def test_views_work_under_wsgi(project: ModuleType) -> None:
    with wsgi_server(project.wsgi) as url:
        check(url)


def test_relay_continues_after_the_last_event(project: ModuleType) -> None:
    with serve_app(project.asgi) as url, httpx.Client(base_url=url) as browser:
        run = browser.post("/runs", data=FORM).json()["run"]
        *events, end = browser.get(f"/events/{run}").text.removesuffix("\n\n").split("\n\n")
        assert len(events) == 4
        cursor = events[1].partition("\n")[0].removeprefix("id: ")
        rest = browser.get(f"/events/{run}", headers={"Last-Event-ID": cursor}).text
        assert rest == "\n\n".join([*events[2:], end, ""])
        unknown = browser.get("/events/unknown").text
        assert unknown == 'event: end\ndata: "StreamNotFoundError"\n\n'


def test_relay_ends_when_the_browser_leaves(project: ModuleType, upstream: Chaos) -> None:
    form = {"documents": "20", "seconds_each": "60"}
    with serve_app(project.asgi) as url, httpx.Client(base_url=url) as browser:
        run = browser.post("/runs", data=form).json()["run"]
        streams = upstream.count("stream")
        with browser.stream("GET", f"/events/{run}"):
            wait_until(lambda: upstream.count("stream") == streams + 1, within=60)
            connections = upstream.open
        wait_until(lambda: upstream.open == connections - 1, within=60)
