"""A run in a real browser, from uvicorn, through every kind of interruption."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from examples.chaos_proxy import Chaos, Fault, Plan, chaos, in_turn

from ..support.server import wait_until
from .apps import load, serve_app, serve_examples

INDEXED = [f'DocumentIndexed {{"number":{number},"total":20}}' for number in range(1, 21)]
NO_FAULTS = in_turn()
# Each EventSource of a page, before the page's own script runs.
COLLECT_SOURCES = """
    window.sources = [];
    window.EventSource = class extends EventSource {
        constructor(url) { super(url); window.sources.push(this); }
    };
"""


@pytest.fixture(scope="module")
def workflow_server() -> Iterator[str]:
    with serve_examples() as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert chromium, "apt-get install chromium chromium-driver"
    assert driver, "apt-get install chromium chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    try:
        browser.execute_cdp_cmd(
            "Page.addScriptToEvaluateOnNewDocument", {"source": COLLECT_SOURCES}
        )
        yield browser
    finally:
        browser.quit()


@contextmanager
def application(
    programs: Path, monkeypatch: pytest.MonkeyPatch, workflow_server: str, plan: Plan = NO_FAULTS
) -> Iterator[tuple[Chaos, Chaos]]:
    """Run the application between two proxies: that to the workflow server, and that to it."""
    with chaos(workflow_server, NO_FAULTS) as upstream:
        monkeypatch.setenv("WORKFLOW_SERVER", upstream.url)
        with serve_app(load(programs / "app.py").app) as url, chaos(url, plan) as downstream:
            yield upstream, downstream


def shown(browser: webdriver.Chrome) -> list[str]:
    return [item.text for item in browser.find_elements(By.CSS_SELECTOR, "ol li")]


def status(browser: webdriver.Chrome) -> str:
    return browser.find_element(By.TAG_NAME, "output").text


def click(browser: webdriver.Chrome, workflow: str) -> None:
    browser.find_element(By.CSS_SELECTOR, f"[data-workflow={workflow}]").click()


def test_page_shows_each_event_once_through_broken_connections(
    programs: Path,
    monkeypatch: pytest.MonkeyPatch,
    workflow_server: str,
    browser: webdriver.Chrome,
) -> None:
    cuts = [
        Fault(events=4, tail=12),  # within an event
        Fault(events=3, end="clean"),  # as if it were the end
        Fault(events=3, end="fin", down=0.5),  # as if the application were restarted
        Fault(events=0, tail=1),
    ]
    plan = in_turn(stream=cuts)
    with application(programs, monkeypatch, workflow_server, plan) as (_, downstream):
        browser.get(downstream.url)
        click(browser, "index")
        wait_until(lambda: status(browser) == "ended", within=60)
        assert shown(browser) == [*INDEXED, 'IndexDone {"indexed":20}']
        assert downstream.cuts == len(cuts)
        states = browser.execute_script("return window.sources.map(({readyState}) => readyState)")
        assert states == [2]  # closed: the page does not reconnect


def test_page_answers(
    programs: Path,
    monkeypatch: pytest.MonkeyPatch,
    workflow_server: str,
    browser: webdriver.Chrome,
) -> None:
    with application(programs, monkeypatch, workflow_server) as (_, downstream):
        browser.get(downstream.url)
        click(browser, "human")
        field = browser.find_element(By.TAG_NAME, "input")
        wait_until(field.is_displayed, within=60)
        assert "What is your name?" in browser.find_element(By.TAG_NAME, "form").text
        field.send_keys("<b>Ada</b>\n")
        wait_until(lambda: status(browser) == "ended", within=60)
        assert shown(browser)[-1] == 'OutEvent {"output":"Hello, <b>Ada</b>"}'
        assert not field.is_displayed()


def test_closed_page_ends_its_stream(
    programs: Path,
    monkeypatch: pytest.MonkeyPatch,
    workflow_server: str,
    browser: webdriver.Chrome,
) -> None:
    with application(programs, monkeypatch, workflow_server) as (upstream, downstream):
        first = browser.current_window_handle
        browser.switch_to.new_window()
        browser.get(downstream.url)
        click(browser, "human")
        wait_until(browser.find_element(By.TAG_NAME, "input").is_displayed, within=60)
        connections = upstream.open
        browser.close()
        browser.switch_to.window(first)
        wait_until(lambda: upstream.open == connections - 1, within=60)


def test_relay_sends_comments_while_nothing_happens(
    programs: Path, monkeypatch: pytest.MonkeyPatch, workflow_server: str
) -> None:
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.05)
    with (
        application(programs, monkeypatch, workflow_server) as (_, downstream),
        httpx.Client(base_url=downstream.url) as browser,
    ):
        run = browser.post("/runs/human").json()
        with browser.stream("GET", f"/events/{run}") as response:
            assert ": ping" in response.iter_lines()


def test_relay_of_an_ended_run_says_so(
    programs: Path, monkeypatch: pytest.MonkeyPatch, workflow_server: str
) -> None:
    with (
        application(programs, monkeypatch, workflow_server) as (_, downstream),
        httpx.Client(base_url=downstream.url) as browser,
    ):
        run = browser.post("/runs/index").json()
        events = browser.get(f"/events/{run}").text
        last = events.rpartition("id: ")[2].partition("\n")[0]
        rest = browser.get(f"/events/{run}", headers={"Last-Event-ID": last}).text
        assert rest == 'retry: 1000\n\nevent: end\ndata: "ended"\n\n'
        unknown = browser.get("/events/unknown").text
        assert unknown == 'retry: 1000\n\nevent: end\ndata: "StreamNotFoundError"\n\n'
        assert browser.post(f"/answers/{run}", json={"response": "Ada"}).status_code == 409


def test_relay_does_not_say_the_end_while_the_workflow_server_is_away(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKFLOW_SERVER", "http://127.0.0.1:1")
    with serve_app(load(programs / "app.py").app) as url:
        response = httpx.get(f"{url}/events/run", timeout=60)
    assert response.text == "retry: 1000\n\n"
