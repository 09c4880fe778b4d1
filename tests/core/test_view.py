"""The live view of a run: what it shows, when it is drawn, and where."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace
from typing import Any, Final

import pyte
import pytest
from llama_agents.client import EventEnvelopeWithMetadata
from llama_agents.client._display import screen
from llama_agents.client._display.screen import Lines, Notebook, Terminal, choose_screen
from llama_agents.client._display.view import RunView
from llama_agents.client._display.watcher import MAX_REDRAW, MIN_REDRAW, Watcher

from .test_display import HOSTILE, MEGABYTE, SHOWN, Page


def event(name: str, /, *types: str, **value: Any) -> EventEnvelopeWithMetadata:
    return EventEnvelopeWithMetadata(type=name, types=[*types], value=value)


def tick(n: object) -> EventEnvelopeWithMetadata:
    return event("Tick", n=n)


def step(name: str, state: str, worker: int = 0, **fields: Any) -> EventEnvelopeWithMetadata:
    value = {"name": name, "step_state": state, "worker_id": str(worker), **fields}
    return event("StepStateChanged", "InternalDispatchEvent", **value)


IDLE: Final = event("WorkflowIdleEvent", "InternalDispatchEvent")


def asks(prompt: str) -> EventEnvelopeWithMetadata:
    return event("RequestEvent", "InputRequiredEvent", prompt=prompt)


def new_view(*events: EventEnvelopeWithMetadata) -> RunView:
    view = RunView("h1", "index", "running", begin=100.0)
    for each in events:
        view.receive(each)
    return view


def lines(view: RunView, columns: int = 200, rows: int = 50) -> list[str]:
    return [line.text for line in view.lines(columns, rows, 103.5)]


# ------------------------------------------------------------------- the view


def test_view_shows_status_time_events_and_steps_under_way() -> None:
    view = new_view(
        step("begin", "running"),
        step("begin", "not_running"),
        step("fetch", "preparing"),
        step("fetch", "running", 0),
        step("fetch", "running", 1),
        step("parse", "running"),
        tick(1),
        tick(2),
    )
    assert lines(view) == [
        "index  ● running  watched for 3 s  2 events  h1",
        "  under way: fetch ×2, parse",
        "  Tick  n=1",
        "  Tick  n=2",
    ]
    page = Page(view.html(103.5).text)
    assert page.text.startswith(
        "index · ● running · watched for 3 s · 2 events · h1under way: fetch ×2"
    )
    assert page.rows == [["last events", "fields"], ["Tick", "n=1"], ["Tick", "n=2"]]


@pytest.mark.parametrize(
    ("terminal", "status"),
    [
        ("OutEvent", "✓ completed"),
        ("WorkflowFailedEvent", "✗ failed"),
        ("WorkflowTimedOutEvent", "✗ failed"),
        ("WorkflowCancelledEvent", "⊘ cancelled"),
    ],
)
def test_terminal_event_ends_steps_and_requests(terminal: str, status: str) -> None:
    view = new_view(step("ask", "running"), asks("?"), event(terminal, "StopEvent"))
    first, *rest = lines(view)
    assert first == f"index  {status}  watched for 3 s  2 events  h1"
    assert rest == ['  RequestEvent  prompt="?"', f"  {terminal}"]


def test_step_that_begins_again_after_a_restart_counts_once() -> None:
    assert "  under way: fetch" in lines(new_view(*[step("fetch", "running")] * 2))


def test_request_waits_until_a_step_takes_an_answer() -> None:
    view = new_view(asks("name?"), tick(1))
    view.answer_classes = {"ResponseEvent"}
    assert lines(view)[1:3] == ["  waits for an answer to", '    RequestEvent  prompt="name?"']
    view.receive(step("other", "running", input_event_name="Tick"))
    assert "  waits for an answer to" in lines(view)
    view.receive(step("greet", "running", input_event_name="ResponseEvent"))
    assert not any("waits for" in line for line in lines(view))


def test_request_waits_until_an_idle_run_goes_on() -> None:
    view = new_view(asks("name?"), IDLE)
    assert "  waits for an answer to" in lines(view)
    view.receive(step("ask", "running", input_event_name="StartEvent"))
    assert not any("waits for" in line for line in lines(view))


def test_of_several_requests_nobody_knows_which_is_answered() -> None:
    view = new_view(asks("0"), asks("1"), IDLE)
    assert lines(view)[1] == "  waits for 2 answers to"
    view.receive(step("collect", "running"))
    assert lines(view)[2] == "  waits for 1 of 2 answers to"
    assert [line.strip() for line in lines(view)[3:5]] == [
        'RequestEvent  prompt="0"',
        'RequestEvent  prompt="1"',
    ]
    page = Page(view.html(103.5).text)
    assert page.rows[:2] == [["RequestEvent", 'prompt="0"'], ["RequestEvent", 'prompt="1"']]


@pytest.mark.parametrize("rows", range(8))
def test_view_fits_any_terminal(rows: int) -> None:
    view = new_view(step("s", "running"), asks("?"), *map(tick, range(9)), event(HOSTILE))
    for columns in (0, 1, 7, 40):
        shown = lines(view, columns, rows)
        assert 1 <= len(shown) <= max(rows, 1)
        assert all(len(line) <= columns for line in shown)
    assert rows < 6 or lines(view, 200, rows)[-1] == f"  {SHOWN}"


def test_view_of_hostile_events_is_bounded() -> None:
    view = RunView(HOSTILE, HOSTILE, HOSTILE, begin=0.0)
    for number in range(300):
        view.receive(step(f"{number}{MEGABYTE}", "running", 10**30 + number))
        view.receive(step("many", "running", number))
        view.receive(asks(MEGABYTE))
        view.receive(event("Tick", **{str(n): MEGABYTE for n in range(3)}))
    assert len("".join(lines(view))) < 7_000
    assert len(Page(view.html(1.0).text).text) < 7_000
    assert lines(view, 500)[0].count(SHOWN) == 3


# ------------------------------------------------------------------- when it is drawn


class Recorder:
    """A screen that records what happens to it."""

    def __init__(self, is_live: bool = True) -> None:
        self.is_live = is_live
        self.drawn: list[float] = []
        self.added: list[str] = []

    def draw(self, view: RunView, now: float) -> None:
        self.drawn.append(now)

    def add(self, text: str) -> None:
        self.added.append(text)

    def finish(self, view: RunView, now: float) -> None:
        self.draw(view, now)


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_view_is_drawn_at_most_ten_times_a_second() -> None:
    clock, recorder = Clock(), Recorder()
    watcher = Watcher(new_view(), recorder, clock)
    for _ in range(1000):
        clock.now += 0.001
        watcher.receive(tick(0))
        watcher.refresh()
    assert len(recorder.drawn) in (10, 11)  # the first included
    watcher.finish()
    assert recorder.drawn[-1] == clock.now


def test_time_goes_on_without_events() -> None:
    clock, recorder = Clock(), Recorder()
    watcher = Watcher(new_view(), recorder, clock)
    assert watcher.patience() == MAX_REDRAW
    watcher.receive(tick(0))
    assert watcher.patience() == pytest.approx(MIN_REDRAW)
    clock.now += 1.01 * MIN_REDRAW
    assert watcher.patience() == 0.0
    watcher.refresh()
    clock.now += 0.5 * MAX_REDRAW
    watcher.refresh()
    assert len(recorder.drawn) == 2
    clock.now += 0.51 * MAX_REDRAW
    watcher.refresh()
    assert len(recorder.drawn) == 3


def test_without_a_live_screen_each_event_is_a_line() -> None:
    recorder = Recorder(is_live=False)
    watcher = Watcher(new_view(), recorder, Clock())
    assert watcher.patience() is None
    for each in (step("count", "running"), tick(0), IDLE, tick(1)):
        watcher.receive(each)
        watcher.refresh()
    assert recorder.added == ["Tick  n=0", "Tick  n=1"]
    assert len(recorder.drawn) == 1


# ------------------------------------------------------------------- where it is drawn


class Tty(io.StringIO):
    """A terminal that records what is written to it."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def shown(self, columns: int = 80, rows: int = 24) -> list[str]:
        """What a person sees."""
        seen = pyte.Screen(columns, rows)
        pyte.Stream(seen).feed(self.getvalue().replace("\n", "\r\n"))
        return [line.rstrip() for line in seen.display if line.strip()]


@pytest.fixture
def size(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The size of the terminal."""
    found = SimpleNamespace(columns=80, rows=24)
    size_of = lambda _: (found.columns, found.rows)  # noqa: E731
    monkeypatch.setattr(screen.os, "get_terminal_size", size_of)
    monkeypatch.setattr(Tty, "fileno", lambda _: 1)
    return found


def test_terminal_shows_the_last_state_below_what_was_there(size: SimpleNamespace) -> None:
    tty = Tty()
    tty.write("before\n")
    terminal, view = Terminal(tty, has_colors=True), new_view()
    for number in range(12):
        terminal.draw(view, 100.0)
        view.receive(tick(number))
    view.receive(event("OutEvent", "StopEvent"))
    terminal.finish(view, 104.0)
    tty.write("after\n")
    assert tty.shown() == [
        "before",
        "index  ✓ completed  watched for 4 s  13 events  h1",
        *(f"  Tick  n={number}" for number in range(5, 12)),
        "  OutEvent",
        "after",
    ]


def test_terminal_that_is_small_is_not_overrun(size: SimpleNamespace) -> None:
    size.columns, size.rows = 20, 5
    tty = Tty()
    terminal, view = Terminal(tty, has_colors=False), new_view(step("a", "running"))
    for number in range(12):
        view.receive(tick(number))
        terminal.draw(view, 100.0)
    assert tty.shown(20, 5) == [
        "index  ● running  …",
        "  under way: a",
        "  Tick  n=10",
        "  Tick  n=11",
    ]


def test_lines_that_a_narrower_terminal_has_wrapped_are_cleared(size: SimpleNamespace) -> None:
    tty = Tty()
    terminal, view = Terminal(tty, has_colors=False), new_view(tick("x" * 60))
    terminal.draw(view, 100.0)
    wide = new_view(tick("x" * 60)).lines(79, 23, 100.0)
    size.columns = 30
    # What the terminal has made of it by now.
    wrapped = sum(-(-len(line.text) // 30) for line in wide)
    written = len(tty.getvalue())
    terminal.draw(view, 100.0)
    assert tty.getvalue()[written:].startswith(f"\r\x1b[{wrapped}A\x1b[J")


def test_terminal_of_unknown_size_has_the_usual_one(size: SimpleNamespace) -> None:
    size.columns = size.rows = 0
    tty = Tty()
    Terminal(tty, has_colors=False).draw(new_view(tick("x" * 200)), 100.0)
    assert len(tty.shown()[-1]) == 79


@pytest.mark.parametrize(
    ("environment", "kind", "codes"),
    [
        ({}, Terminal, {"\x1b[1m", "\x1b[0m", "\x1b[J"}),
        ({"NO_COLOR": "1"}, Terminal, {"\x1b[J"}),
        ({"NO_COLOR": ""}, Terminal, {"\x1b[1m", "\x1b[0m", "\x1b[J"}),
        ({"TERM": "dumb"}, Lines, set()),
    ],
)
def test_environment_decides_what_a_terminal_gets(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], kind: type, codes: set[str]
) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    tty = Tty()
    found = choose_screen(tty)
    assert type(found) is kind
    found.draw(new_view(), 100.0)
    found.finish(new_view(), 100.0)
    known = ("\x1b[1m", "\x1b[0m", "\x1b[J")
    assert {code for code in known if code in tty.getvalue()} == codes
    assert ("\x1b" in tty.getvalue()) is bool(codes)


def test_file_gets_lines_in_its_encoding() -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    found = choose_screen(file)
    found.add("漢" * 9)
    found.finish(new_view(), 100.0)
    assert raw.getvalue().split(b"\n")[0] == b"?" * 9
    assert b"index  ? running" in raw.getvalue()


def test_program_without_a_console_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    choose_screen(None).finish(new_view(), 100.0)


# ------------------------------------------------------------------- a notebook


class Publisher:
    """What a kernel publishes."""

    def __init__(self) -> None:
        self.published: list[dict[str, Any]] = []

    def publish(self, **message: Any) -> None:
        self.published.append(message)


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The shell of a kernel."""
    running = SimpleNamespace(kernel=object(), display_pub=Publisher())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: running))
    return running


def test_notebook_has_one_display_that_is_updated(shell: SimpleNamespace) -> None:
    found, view = choose_screen(None), new_view()
    assert isinstance(found, Notebook)
    found.draw(view, 100.0)
    view.receive(tick(1))
    found.finish(view, 100.0)
    first, second = shell.display_pub.published
    assert (first["update"], second["update"]) == (False, True)
    assert first["transient"] == second["transient"]
    assert second["data"]["text/html"] == view.html(100.0).text
    assert second["data"]["text/plain"].splitlines()[1] == "  Tick  n=1"


def test_file_is_written_in_a_notebook_too(shell: SimpleNamespace) -> None:
    assert type(choose_screen(io.StringIO())) is Lines


def test_ipython_in_a_terminal_is_a_terminal(shell: SimpleNamespace) -> None:
    shell.kernel = None
    assert not isinstance(choose_screen(None), Notebook)
