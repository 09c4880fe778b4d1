"""Servers, terminals and files that are not as they should be."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from llama_agents.client import SyncWorkflowClient, SyncWorkflowRun, UnsupportedServerError
from llama_agents.client.cli import output, questions
from llama_agents.client.protocol import EventEnvelopeWithMetadata
from llama_agents.client.testing import serve
from llama_agents.server import WorkflowServer

from examples.chaos_proxy import Fault, chaos, in_turn

from ..support.scripted import Turn, response, scripted
from ..support.workflows import sample_workflows
from .conftest import Ran

Run = Callable[..., Ran]

HOSTILE: Final = "\x1b]0;owned\x07\x1b[2J\u202e\x9b31m"
NOT_FOUND: Final = response("404 Not Found", b"<h1>404</h1>", Content_Type="text/html")


def reply(document: object, status: str = "200 OK") -> Turn:
    body = json.dumps(document).encode()
    return Turn(response(status, body, Content_Type="application/json"))


def handler(**values: object) -> dict[str, object]:
    return {
        "handler_id": "h",
        "workflow_name": "w",
        "run_id": "r",
        "status": "completed",
        "started_at": "2026-01-01T00:00:00+00:00",
        "updated_at": None,
        "completed_at": None,
        "error": None,
        "result": None,
        **values,
    }


def strict_json(text: str) -> Any:
    def reject(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=reject)


@pytest.fixture(scope="session")
def unnamable_url() -> Iterator[str]:
    """A server with workflows whose names break what is made of them."""
    server = WorkflowServer()
    server.add_workflow("opaque", sample_workflows()["opaque"])
    for name in ("a/b", "right\u202eleft", "-x"):
        server.add_workflow(name, sample_workflows()["human"])
    with serve(server) as url:
        yield url


# ------------------------------------------------------------------- responses


@pytest.mark.parametrize("command", [["workflows"], ["runs"], ["graph", "w"], ["run", "w"]])
def test_page_that_is_not_found_is_no_reason_to_list_workflows(
    run: Run, command: list[str]
) -> None:
    with scripted([Turn(NOT_FOUND)]) as server:
        ran = run("--url", server.url, *command)
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert ran.err.endswith("Is this the URL of a workflow server?\n")


def test_workflow_that_cannot_be_described_is_listed(run: Run, unnamable_url: str) -> None:
    ran = run("--url", unnamable_url, "workflows", "-o", "json")
    assert ran.status == 0
    assert {each["name"] for each in ran.json} >= {"a/b", "opaque", "-x"}
    assert "warning: a/b: " in ran.err


def test_numbers_that_json_does_not_have_are_null(run: Run) -> None:
    start = {"title": "S", "properties": {"x": {"default": [float("nan"), float("-inf")]}}}
    listed, schemas = reply({"workflows": ["w"]}), reply({"start": start, "stop": {}})
    with scripted([listed, schemas, Turn(NOT_FOUND)]) as server:
        ran = run("--url", server.url, "workflows", "-o", "json")
    (workflow,) = strict_json(ran.out)
    assert workflow["start"]["properties"]["x"] == {"default": [None, None]}


def test_runs_with_odd_times_are_listed(run: Run) -> None:
    odd = [
        handler(handler_id="naive", completed_at="2026-01-01T00:00:00"),
        handler(handler_id="early", started_at="0001-01-01T00:00:00+00:00"),
        handler(handler_id="late", started_at="9999-12-31T23:59:59", completed_at="x"),
        handler(handler_id="x" * 1_000_000, started_at=HOSTILE),
    ]
    with scripted([reply({"handlers": odd})]) as server:
        ran = run("--url", server.url, "runs")
    assert (ran.status, len(ran.out.splitlines())) == (0, 5)
    assert ran.out.replace("\n", "").isprintable()
    assert len(ran.out) < 10_000


def test_command_to_run_next_is_inert_and_takes_ids_like_options(run: Run) -> None:
    for id_, shown in {"-asking": "-- -asking", "a\u202eb": "'a\\u202eb'"}.items():
        ran = run("run", "human", f"--id={id_}")
        assert (ran.status, ran.err.endswith(f" answer {shown}\n")) == (5, True)
        run("cancel", "--", id_)


def test_source_of_classes_shows_a_name_as_it_is(run: Run, unnamable_url: str) -> None:
    for name, shown in {"right\u202eleft": "'right\\u202eleft'", "-x": "-- -x"}.items():
        ran = run("--url", unnamable_url, "codegen", "--", name)
        assert ran.status == 0
        assert f"codegen {shown}\n" in ran.out


def test_cancelled_runs_are_printed_though_a_later_one_fails(run: Run) -> None:
    done = reply({"status": "cancelled"})
    with scripted([done, Turn(response("403 Forbidden"))]) as server:
        ran = run("--url", server.url, "cancel", "a", "b", "-o", "json")
    assert ran.status == 1
    assert ran.json == [{"handler_id": "a", "status": "cancelled"}]


# ------------------------------------------------------------------- without schemas


def test_workflow_without_schema_is_run_unchecked(
    run: Run, unnamable_url: str, tmp_path: Path
) -> None:
    (tmp_path / "in.jsonl").write_text("{}\n")
    for command in (["run", "opaque"], ["map", "opaque", str(tmp_path / "in.jsonl")]):
        ran = run("--url", unnamable_url, *command)
        assert ran.status == 0
        assert "warning: the fields are not checked: " in ran.err


@pytest.mark.parametrize("command", [["run", "w"], ["send", "h", "Reply"]])
def test_nothing_is_sent_unchecked_because_a_gateway_fails(run: Run, command: list[str]) -> None:
    turns = [reply(handler(status="running"))] * (command[0] == "send")
    with scripted([*turns, Turn(response("502 Bad Gateway"))]) as server:
        ran = run("--url", server.url, *command)
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert all(request.startswith("GET ") for request in server.requests)


def test_event_without_schema_is_sent_unchecked(run: Run) -> None:
    broken = reply({"detail": "no schema"}, "500 Internal Server Error")
    turns = [reply(handler(status="running")), broken, reply({"status": "sent"})]
    with scripted(turns) as server:
        ran = run("--url", server.url, "send", "h", "Reply", "text=a")
    assert ran.status == 0
    assert "warning: the event is not checked: " in ran.err
    assert server.requests[2].startswith("POST /events/h ")


# ------------------------------------------------------------------- events


def test_past_events_are_whole_though_their_stream_breaks(run: Run, url: str) -> None:
    run("run", "human", "--id", "interrupted", "--detach")
    whole = run("events", "interrupted", "--internal", "-o", "json").json
    faults = in_turn(stream=[Fault(events=1, down=1.0)])
    with chaos(url, faults) as proxy:
        ran = run("--url", proxy.url, "events", "interrupted", "--internal", "-o", "json")
    assert (ran.status, ran.json) == (0, whole)
    run("cancel", "interrupted")


def test_past_events_that_have_no_end_are_not_complete(
    run: Run, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llama_agents.client.cli.runs.QUIET_LIMIT", 0.6)
    handler_id = run("--url", server_url, "run", "restless", "--detach").out.strip()
    ran = run("--url", server_url, "events", handler_id)
    assert ran.status == 0
    assert "there may be more events: --follow shows them" in ran.err
    run("--url", server_url, "cancel", handler_id)


def test_follow_without_an_event_has_the_status_of_the_run(run: Run) -> None:
    run("run", "index", "documents=0", "--id", "over", "--quiet")
    assert run("events", "over", "--follow").status == 3
    assert run("events", "over", "--follow", "--after", "99").status == 3
    assert run("events", "over", "--follow", "--type", "Nothing").status == 3


def test_events_that_were_read_are_printed_though_the_stream_fails(run: Run, url: str) -> None:
    run("run", "index", "documents=3", "seconds_each=0", "--id", "halves", "--quiet")
    broken = Fault(instead=response("403 Forbidden"))
    with chaos(url, in_turn(stream=[Fault(events=2, end="fin"), broken])) as proxy:
        ran = run("--url", proxy.url, "events", "halves", "--follow", "-o", "json")
    assert ran.status == 1
    assert [event["type"] for event in ran.json] == ["DocumentIndexed"] * len(ran.json)
    assert ran.json


# ------------------------------------------------------------------- questions


class Asked:
    """Questions at a terminal whose input is given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, typed: str = "") -> None:
        self.err = io.StringIO()
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        out = output.Output("text", io.StringIO(), self.err)
        self.questions = questions.Questions(out, self._no_graph, "send")

    def _no_graph(self) -> Any:
        raise AssertionError


def request(**value: Any) -> EventEnvelopeWithMetadata:
    return EventEnvelopeWithMetadata(value=value, type="Ask", types=["InputRequiredEvent"])


@pytest.mark.parametrize("dynamic", ["text", [1], 5])
def test_request_with_odd_dynamic_fields_is_shown(
    monkeypatch: pytest.MonkeyPatch, dynamic: object
) -> None:
    asked = Asked(monkeypatch)
    asked.questions._show(request(_data=dynamic, prompt=HOSTILE))
    shown = asked.err.getvalue()
    assert "_data: " in shown
    assert shown.replace("\n", "").isprintable()


def test_huge_request_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch)
    asked.questions._show(request(prompt="x" * 1_000_000))
    asked.questions._show(request(**{f"f{n}": n for n in range(10_000)}))
    assert len(asked.err.getvalue()) < 10_000


def test_request_of_a_workflow_without_graph_has_no_answer(
    monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    asked = Asked(monkeypatch, "Ada\n")
    broken = reply({"detail": "no graph"}, "500 Internal Server Error")
    with scripted([broken]) as server, SyncWorkflowClient(base_url=server.url) as client:
        asked.questions._load_graph = lambda: client.get_workflow_graph("w")
        assert asked.questions(request(prompt="?")) is None
    assert "warning: no graph, which would say how to answer: no graph" in asked.err.getvalue()


# ------------------------------------------------------------------- input


def test_batch_may_begin_with_a_bom_and_have_windows_lines(
    run: Run, server_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "in.jsonl"
    file.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\r\n{"a": 2}\r\n')
    lines = run("--url", server_url, "map", "echo", str(file)).lines
    assert [line["start"] for line in lines] == [{"a": 1}, {"a": 2}]
    ran = run("--url", server_url, "run", "echo", "--json", f"@{file}")
    assert (ran.status, ran.out) == (2, "")  # two objects


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"a": "\xff"}', "is not UTF-8"),
        (b'{"a": NaN}', "is not JSON: it has no NaN"),
        (b'{"a": 1e999}', "is not JSON"),
        (b'{"a": "\\ud800"}', "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
    ],
)
def test_input_that_cannot_be_sent_is_a_usage_error(
    run: Run, server_url: str, tmp_path: Path, line: bytes, message: str
) -> None:
    file = tmp_path / "in.jsonl"
    file.write_bytes(b"{}\n" + line)
    ran = run("--url", server_url, "map", "echo", str(file))
    assert (ran.status, ran.out) == (2, "")
    assert f"{file}" in ran.err
    assert message in ran.err
    file.write_bytes(line)
    ran = run("--url", server_url, "run", "echo", "--json", f"@{file}")
    assert (ran.status, ran.out) == (2, "")
    assert message in ran.err


@pytest.mark.parametrize("command", [["run", "greet", "--json", "-"], ["map", "greet", "-"]])
def test_closed_standard_input_is_a_usage_error(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    ran = run(*command)
    assert (ran.status, ran.err) == (2, "error: standard input is closed\n")


def test_map_in_json_is_one_document(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text('{"documents": 1}\n{"documents": 2}\n')
    rows = run("map", "index", str(file), "-o", "json").json
    assert [row["result"] for row in rows] == [{"indexed": 1}, {"indexed": 2}]


def test_graph_in_json_is_json_in_a_file_too(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "g.json"
    assert run("graph", "human", "-o", "json", "-O", str(path)).out == ""
    assert json.loads(path.read_text("utf-8"))["name"] == "HumanInTheLoop"


# ------------------------------------------------------------------- secrets


@pytest.mark.parametrize(
    "arguments",
    [
        ["--heade", "Authorization: Bearer S3CRET", "workflows"],
        ["-H", "S3CRET", "workflows"],
        ["--header", "Authorization:", "Bearer", "S3CRET", "workflows"],
        ["workflows", "--header", "Authorization:", "Bearer", "S3CRET"],
        ["workflows", "-HAuthorization:S3CRET"],
        ["workflows", "--headerAuthorization:S3CRET"],
        ["run", "greet", "--heade", "Authorization: S3CRET"],
        ["run", "greet", "--header=Authorization Bearer S3CRET"],
    ],
    ids=" ".join,
)
def test_misspelled_header_is_not_shown(run: Run, arguments: list[str]) -> None:
    ran = run(*arguments)
    assert (ran.status, ran.out) == (2, "")
    assert "S3CRET" not in ran.err


@pytest.mark.parametrize("secret", ["tok3n", "p4ss", "qu3ry", "dXNlcjpwNHNz"])
def test_secret_that_a_server_repeats_is_not_shown(
    run: Run, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("LLAMA_AGENTS_TOKEN", "tok3n")
    for status in ("400 Bad Request", "500 Internal Server Error", "422 Unprocessable Entity"):
        body = json.dumps({"detail": f"{HOSTILE} you sent {secret}"}).encode()
        echo = response(status, body)
        with scripted([reply({"workflows": ["w"]}), Turn(echo)]) as server:
            url = server.url.replace("http://", "http://user:p4ss@") + "?key=qu3ry"
            ran = run("--url", url, "workflows")
            other = run("--url", url, "graph", "w")
        assert "you sent ***" in ran.err
        assert "you sent ***" in other.err
        assert secret not in ran.err + other.err
        assert (ran.err + other.err).replace("\n", "").isprintable()


# ------------------------------------------------------------------- old servers


def test_text_that_says_what_is_not_found_is_the_servers(run: Run) -> None:
    text = response("404 Not Found", b"Handler not found", Content_Type="text/plain")
    with scripted([Turn(text)]) as server:
        ran = run("--url", server.url, "result", "nobody")
    assert ran.status == 1
    assert ". To list the runs: " in ran.err


def test_run_whose_events_have_no_numbers_has_a_result(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interact(*_: Any, **__: Any) -> None:
        raise UnsupportedServerError("no numbers", "unknown position", "a newer server")

    monkeypatch.setattr(SyncWorkflowRun, "interact", interact)
    ran = run("run", "greet")
    assert (ran.status, ran.out) == (0, "text: Hello, World!\n")
    assert "warning: events are not shown, and nothing is asked: no numbers" in ran.err
