"""Every command on the real server."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from llama_agents.client import SyncWorkflowClient, _text

from examples.chaos_proxy import Fault, chaos, in_turn

from ..support.scripted import Turn, response, scripted
from .conftest import Ran

Run = Callable[..., Ran]

FAST = "seconds_each=0.01"


# ------------------------------------------------------------------- workflows


def test_workflows_are_listed_with_fields_types_and_defaults(run: Run) -> None:
    ran = run("workflows")
    assert ran.status == 0
    assert ran.out.splitlines()[:2] == [
        "greet  Returns a greeting immediately.",
        '    name: string = "World"',
    ]
    assert "    documents: integer = 20\n    seconds_each: number = 0.1\n" in ran.out
    assert ran.out.endswith("    (declares no fields)\n")


def test_workflows_in_json_have_their_schemas(run: Run) -> None:
    (greet, *_) = run("workflows", "-o", "json").json
    assert greet["name"] == "greet"
    assert greet["start"]["properties"]["name"]["default"] == "World"
    assert [line["name"] for line in run("-o", "jsonl", "workflows").lines] == [
        "greet",
        "index",
        "human",
    ]


def test_workflow_whose_schema_the_server_cannot_write_is_still_listed(
    run: Run, server_url: str
) -> None:
    ran = run("--url", server_url, "workflows")
    assert ran.status == 0
    assert "opaque" in ran.out
    assert "warning: opaque: " in ran.err


def test_graph_is_printed_or_written_in_the_format_of_its_suffix(run: Run, tmp_path: Path) -> None:
    assert run("graph", "human").out.startswith("step ")
    assert run("graph", "human", "--format", "mermaid").out.startswith("flowchart")
    assert run("graph", "human", "-o", "json").json["name"] == "HumanInTheLoop"
    for name, begin in {"g.svg": "<svg", "g.mmd": "flowchart", "g.txt": "step "}.items():
        assert run("graph", "human", "-O", str(tmp_path / name)).out == ""
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(begin)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-O", "g.png"], "no format for 'g.png': use one of .svg, .mmd"),
        (["--events"], "--events and --run need --format mermaid or svg"),
        (["--run", "x"], "--events and --run need --format mermaid or svg"),
    ],
)
def test_graph_that_cannot_be_drawn_so_is_a_usage_error(
    run: Run, arguments: list[str], message: str
) -> None:
    ran = run("graph", "human", *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert message in ran.err


def test_graph_of_another_workflows_run_is_an_error(run: Run) -> None:
    run("run", "greet", "--id", "foreign")
    ran = run("graph", "human", "--format", "svg", "--run", "foreign")
    assert (ran.status, ran.out) == (1, "")
    assert "foreign is a run of greet, not of human" in ran.err


def test_graph_shows_what_a_run_did(run: Run) -> None:
    run("run", "greet", "--id", "drawn")
    plain = run("graph", "greet", "--format", "svg").out
    assert "done" in run("graph", "greet", "--format", "svg", "--run", "drawn").out
    assert "done" not in plain
    with_events = run("graph", "greet", "--format", "svg", "--events").out
    assert "text: string" in with_events
    assert "text: string" not in plain


def test_codegen_writes_classes_that_python_can_import(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "events.py"
    assert run("codegen", "index", "-O", str(path)).status == 0
    printed = run("codegen", "index").out
    assert path.read_text(encoding="utf-8") == printed
    namespace: dict[str, Any] = {"__name__": "events"}
    exec(compile(printed, "events.py", "exec", dont_inherit=True), namespace)
    assert namespace["IndexStart"](documents=2).documents == 2


# ------------------------------------------------------------------- run


def test_run_prints_events_to_stderr_and_the_result_to_stdout(run: Run) -> None:
    ran = run("run", "index", "documents=2", FAST, "--id", "shown")
    assert (ran.status, ran.out) == (0, "indexed: 2\n")
    assert ran.err.startswith("run shown\n")
    assert "   2 DocumentIndexed number=2 total=2\n" in ran.err
    assert "StepStateChanged" not in ran.err
    quiet = run("run", "index", "documents=2", FAST, "--quiet")
    assert (quiet.out, quiet.err) == ("indexed: 2\n", "")


def test_run_in_json_prints_the_run_and_in_jsonl_its_events_too(run: Run) -> None:
    document = run("run", "index", "documents=1", FAST, "-o", "json").json
    assert document["status"] == "completed"
    assert document["result"]["value"] == {"indexed": 1}
    *events, last = run("run", "index", "documents=1", FAST, "-o", "jsonl").lines
    assert [event["type"] for event in events] == ["DocumentIndexed", "IndexDone"]
    assert [event["sequence"] for event in events] == sorted({e["sequence"] for e in events})
    assert last["result"]["value"] == {"indexed": 1}


def test_run_reads_fields_from_json_and_assignments_override_them(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = '{"documents": 7, "seconds_each": 0.01}'
    (tmp_path / "start.json").write_text(text)
    for source in (text, f"@{tmp_path / 'start.json'}", "-"):
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        ran = run("run", "index", "--json", source, "documents=3", "--quiet")
        assert ran.out == "indexed: 3\n"


def test_field_in_json_that_is_not_declared_is_sent_with_a_warning(run: Run) -> None:
    ran = run("run", "index", "--json", '{"documets": 1}', "documents=1", FAST, "--quiet")
    assert (ran.status, ran.out) == (0, "indexed: 1\n")
    assert ran.err == (
        "warning: IndexStart declares no field 'documets'; it has documents, seconds_each\n"
    )


def test_fields_may_stand_around_options(run: Run) -> None:
    ran = run("run", "index", "--quiet", "documents=2", "--timeout", "20", FAST)
    assert ran.out == "indexed: 2\n"


def test_json_value_is_sent_as_it_is(run: Run, server_url: str) -> None:
    ran = run("--url", server_url, "run", "echo", 'value:={"a": [1, null]}', "text=5", "-o", "json")
    assert ran.json["result"]["value"]["result"] == {"value": {"a": [1, None]}, "text": "5"}


def test_detached_run_prints_its_id_and_is_found_by_other_commands(run: Run) -> None:
    handler_id = run("run", "index", "documents=2", FAST, "--detach").out.strip()
    ran = run("result", handler_id)
    assert (ran.status, ran.out) == (0, "indexed: 2\n")
    assert run("result", handler_id, "-o", "json").json["handler_id"] == handler_id
    again = run("run", "greet", "--detach", "-o", "json").json
    assert set(again) == {"handler_id"}


def test_failed_run_is_status_3_with_its_error_on_one_line(run: Run) -> None:
    ran = run("run", "index", "documents=0", "--id", "failing", "--quiet")
    assert (ran.status, ran.out) == (3, "")
    assert ran.err == "error: run failing failed: documents must be at least 1, not 0\n"
    assert run("result", "failing").status == 3
    document = run("run", "index", "documents=0", "-o", "json")
    assert (document.status, document.json["status"]) == (3, "failed")


def test_cancelled_run_is_status_4(run: Run) -> None:
    run("run", "human", "--id", "stopped", "--detach")
    assert run("cancel", "stopped").out == "cancelled stopped\n"
    assert run("result", "stopped").status == 4
    assert run("events", "stopped", "--follow").status == 4


def test_request_without_a_terminal_is_status_5_with_the_command_that_answers(run: Run) -> None:
    ran = run("run", "human", "--id", "asking")
    assert (ran.status, ran.out) == (5, "")
    assert "run asking waits for an answer to RequestEvent. To give it: " in ran.err
    assert ran.err.endswith(" answer asking\n")
    assert run("answer", "asking").status == 1  # there is no terminal here, either


def test_expired_timeout_is_status_124_with_the_command_that_follows(run: Run) -> None:
    ran = run("run", "index", "--id", "slow", "--timeout", "0.3")
    assert ran.status == 124
    (followed,) = [line for line in ran.err.splitlines() if line.startswith("the run continues")]
    after = int(followed.rpartition(" ")[2])
    shown = [int(line.split()[0]) for line in ran.err.splitlines() if "DocumentIndexed" in line]
    assert after >= max(shown, default=-1)
    assert run("result", "slow", "--timeout", "0").status == 124
    assert run("cancel", "slow").status == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "index", "documents=many"], "documents must be an integer, not 'many'"),
        (["run", "index", "documets=1"], "did you mean documents?"),
        (["run", "index", "number=1"], "it has documents, seconds_each"),
        (["run", "index", "documents"], "expected FIELD=VALUE or FIELD:=JSON"),
        (["run", "index", "documents=1", "documents=2"], "documents is given twice"),
        (["run", "index", "documents:={"], "documents is not JSON"),
        (["run", "index", "documents:=[1]"], "documents: Input should be a valid integer"),
        (["run", "index", "--json", "[1]"], "--json is not a JSON object"),
        (["run", "index", "--json", "{"], "--json is not JSON"),
        (["run", "index", "--json", "@/nowhere"], "No such file"),
        (["run"], "WORKFLOW"),
        (["runs", "--status", "odd"], "invalid choice"),
        (["runs", "--limit", "0"], "is less than 1"),
        (["events", "x", "--after", "-2"], "is less than -1"),
        (["events", "x", "--after", "now"], "without --follow"),
        (["result", "x", "--timeout", "inf"], "not a number of seconds"),
        (["--header", "nameless", "runs"], "expected 'NAME: VALUE'"),
        (["workflows", "--nonsense=SECRET"], "unrecognized arguments: --nonsense\n"),
        (["workflows", "more"], "unrecognized arguments: more"),
        (["walk"], "invalid choice"),
    ],
)
def test_invalid_input_is_a_usage_error_and_starts_nothing(
    run: Run, url: str, arguments: list[str], message: str
) -> None:
    def count() -> int:
        return len(httpx.get(f"{url}/handlers").json()["handlers"])

    before = count()
    ran = run(*arguments)
    assert (ran.status, ran.out) == (1 if "@/nowhere" in arguments else 2, "")
    assert message in ran.err
    assert count() == before


def test_no_server_is_a_usage_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LLAMA_AGENTS_URL")
    ran = run("workflows")
    assert ran.status == 2
    assert "no server: pass --url, or set LLAMA_AGENTS_URL" in ran.err


# ------------------------------------------------------------------- runs


def test_runs_are_listed_the_newest_first_and_filtered(run: Run) -> None:
    for number in range(3):
        run("run", "greet", "--id", f"listed-{number}", "--quiet")
    head, *rows = run("runs", "--workflow", "greet", "--limit", "2").out.splitlines()
    assert head.split() == ["ID", "WORKFLOW", "STATUS", "STARTED", "TOOK"]
    assert [row.split()[:3] for row in rows] == [
        ["listed-2", "greet", "completed"],
        ["listed-1", "greet", "completed"],
    ]
    assert run("runs", "--status", "failed", "--workflow", "greet", "-o", "json").json == []
    listed = run("runs", "--status", "completed", "--status", "failed", "-o", "jsonl").lines
    assert {"listed-0", "listed-1", "listed-2"} <= {each["handler_id"] for each in listed}


def test_events_are_printed_from_a_position_by_class_and_with_internal_ones(run: Run) -> None:
    run("run", "index", "documents=3", FAST, "--id", "read", "--quiet")
    everything = run("events", "read", "--internal", "-o", "jsonl").lines
    assert "StepStateChanged" in {event["type"] for event in everything}
    public = run("events", "read", "-o", "json").json
    assert public == [e for e in everything if "InternalDispatchEvent" not in (e["types"] or ())]
    cursor = public[1]["sequence"]
    assert run("events", "read", "--after", str(cursor), "-o", "json").json == public[2:]
    stops = run("events", "read", "--type", "StopEvent").out
    assert stops == f"{public[-1]['sequence']:>4} IndexDone indexed=3\n"


def test_events_of_a_running_run_end_without_follow(run: Run) -> None:
    run("run", "human", "--id", "still", "--detach")
    ran = run("events", "still")
    assert (ran.status, ran.out.split()[1]) == (0, "RequestEvent")
    run("cancel", "still")


def test_followed_events_survive_drops(run: Run, url: str) -> None:
    run("run", "index", "documents=5", FAST, "--id", "dropped", "--quiet")
    whole = run("events", "dropped", "-o", "jsonl").lines
    faults = in_turn(stream=[Fault(events=1), Fault(events=2, end="reset"), Fault(lose="before")])
    with chaos(url, faults) as proxy:
        ran = run("--url", proxy.url, "events", "dropped", "--follow", "-o", "jsonl")
        assert (ran.status, ran.lines) == (0, whole)
        assert proxy.count("stream") == 4


def test_run_survives_drops(run: Run, url: str) -> None:
    faults = in_turn(stream=[Fault(events=1), Fault(events=1)], start=[Fault(lose="after")])
    with chaos(url, faults) as proxy:
        ran = run("--url", proxy.url, "run", "index", "documents=3", FAST, "--id", "kept")
    assert (ran.status, ran.out) == (0, "indexed: 3\n")
    assert [line.split()[2] for line in ran.err.splitlines() if "DocumentIndexed" in line] == [
        "number=1",
        "number=2",
        "number=3",
    ]


def test_event_is_sent_with_fields_of_its_types(run: Run) -> None:
    run("run", "human", "--id", "answered", "--detach")
    ran = run("send", "answered", "ResponseEvent", "response=Ada")
    assert (ran.status, ran.err) == (0, "sent ResponseEvent to answered\n")
    assert run("result", "answered").out == "output: Hello, Ada\n"
    assert run("send", "answered", "ResponseEvent", "response=Eve").status == 1  # it has ended


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Nonsense"], "the workflow has no event 'Nonsense'; it has "),
        (["ResponseEvent"], "response: Field required"),
        (["ResponseEvent", "reply=Ada"], "ResponseEvent has no field 'reply'"),
    ],
)
def test_invalid_event_is_not_sent(run: Run, arguments: list[str], message: str) -> None:
    handler_id = run("run", "human", "--detach").out.strip()
    ran = run("send", handler_id, *arguments)
    assert ran.status == 2
    assert message in ran.err
    assert run("cancel", handler_id).status == 0


def test_cancel_goes_on_after_an_unknown_run_and_purges(run: Run) -> None:
    handler_id = run("run", "human", "--detach").out.strip()
    ran = run("cancel", "unknown", handler_id)
    assert (ran.status, ran.out) == (1, f"cancelled {handler_id}\n")
    assert ran.err == "error: no run unknown, or it has ended (--purge deletes it)\n"
    assert run("cancel", handler_id).status == 1
    purged = run("cancel", handler_id, "--purge", "-o", "json")
    assert purged.json == [{"handler_id": handler_id, "status": "deleted"}]
    assert run("result", handler_id).status == 1


# ------------------------------------------------------------------- map


def test_map_writes_a_line_for_each_line_and_runs_none_twice(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text('{"documents": 1}\n\n{"documents": 0}\n{"documents": 1}\n')

    def ids() -> list[str]:
        rows = run("runs", "--workflow", "index", "-o", "jsonl").lines
        return [row["handler_id"] for row in rows]

    first = run("map", "index", str(file))
    assert first.status == 3
    assert [line["status"] for line in first.lines] == ["completed", "failed", "completed"]
    assert [line["result"] for line in first.lines] == [{"indexed": 1}, None, {"indexed": 1}]
    assert first.lines[1]["error"].endswith("documents must be at least 1, not 0")
    assert first.err == "2 completed, 1 failed\n"
    known = ids()
    assert run("map", "index", str(file)).lines == first.lines
    assert ids() == known
    again = run("map", "index", str(file), "--rerun", "failed")
    assert (again.status, len(again.lines)) == (3, 3)


def test_map_names_runs_by_a_field(run: Run, tmp_path: Path, server_url: str) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text('{"page": "a"}\n{"page": 2}\n')
    lines = run("--url", server_url, "map", "echo", str(file), "--key", "page").lines
    assert [line["handler_id"] for line in lines] == ["echo-a", "echo-2"]
    file.write_text('{"page": "a"}\n{"page": "a"}\n')
    ran = run("--url", server_url, "map", "echo", str(file), "--key", "page")
    assert (ran.status, ran.out) == (2, "")
    assert "line 2: another line has the same page" in ran.err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[1]", "line 2 is not a JSON object"),
        ("{", "line 2 is not JSON"),
        ('{"documents": "x"}', "line 2: documents: Input should be a valid integer"),
        ('{"documents": 1.5}', "line 2: documents: Input should be a valid integer"),
    ],
)
def test_map_checks_every_line_before_it_starts_anything(
    run: Run, tmp_path: Path, line: str, message: str
) -> None:
    file = tmp_path / "in.jsonl"
    file.write_text(json.dumps({"documents": 1, "mark": message}) + f"\n{line}\n")
    before = len(run("runs", "-o", "json").json)
    ran = run("map", "index", str(file))
    assert (ran.status, ran.out) == (2, "")
    assert message in ran.err
    assert len(run("runs", "-o", "json").json) == before


def test_map_warns_of_fields_that_are_not_declared_once(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    line = '{"documents": 1, "seconds_each": 0, "documets": %d, "page": %d}\n'
    file.write_text(line % (1, 1) + line % (2, 2))
    ran = run("map", "index", str(file), "--key", "page")
    assert ran.status == 0
    assert ran.err.count("warning: ") == ran.err.count("declares no field 'documets'") == 1


def test_map_reads_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"documents": 2, "seconds_each": 0}\n'))
    assert [line["result"] for line in run("map", "index", "-").lines] == [{"indexed": 2}]


# ------------------------------------------------------------------- errors


def test_wrong_url_is_one_line(run: Run) -> None:
    ran = run("--url", "http://127.0.0.1:9", "workflows")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("error: cannot connect to http://127.0.0.1:9: ")
    assert ran.err.count("\n") == 1
    for invalid in ("127.0.0.1:8080", "http://[", "ftp://host"):
        ran = run("--url", invalid, "workflows")
        assert ran.status in (1, 2)
        assert ran.err.count("\n") == 1


def test_server_that_is_none_is_one_line(run: Run) -> None:
    page = response("200 OK", b"<html>Please log in</html>", Content_Type="text/html")
    with scripted([Turn(page)]) as server:
        ran = run("--url", server.url, "workflows")
    assert ran.status == 1
    assert "is this the URL of a workflow server" in ran.err
    assert ran.err.count("\n") == 1


def test_unknown_names_say_which_command_lists_them(run: Run) -> None:
    ran = run("run", "nothing")
    assert (
        ran.status,
        ran.err.startswith("error: the server has no workflow nothing (404). "),
    ) == (1, True)
    assert ran.err.endswith(" workflows\n")
    for command in (["result", "nobody"], ["events", "nobody"], ["events", "nobody", "--follow"]):
        ran = run(*command)
        assert ran.err.startswith("error: the server has no run nobody (404). ")
        assert ran.err.endswith(" runs\n")


def test_id_in_use_is_an_error_that_names_it(run: Run) -> None:
    run("run", "human", "--id", "taken", "--detach")
    ran = run("run", "human", "--id", "taken")
    assert ran.status == 1
    assert "taken" in ran.err
    run("cancel", "taken")


def test_token_and_headers_are_sent_and_never_shown(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLAMA_AGENTS_TOKEN", "s3cret-token")
    echo = response("401 Unauthorized", b'{"detail": "bad token s3cret-token, key k3y-value"}')
    with scripted([Turn(echo)]) as server:
        options = ("--url", server.url, "--header", "X-Key: k3y-value")
        ran = run(*options, "workflows", "--header", "X-B: 2")
        sent = {*server.requests[0].lower().splitlines()}
        assert {"authorization: bearer s3cret-token", "x-key: k3y-value", "x-b: 2"} <= sent
        run("--url", server.url, "workflows", "--header", "authorization: Basic b4sic")
        assert "authorization: basic b4sic" in server.requests[1].lower().splitlines()
        url = server.url.replace("http://", "http://user:p4ssword@")
        with_password = run("--url", f"{url}?key=qu3ry", "run", "index")
    assert ran.status == 1
    assert ran.err == (
        "error: bad token ***, key *** (401). "
        "Set LLAMA_AGENTS_TOKEN, or pass --header 'Authorization: ...'\n"
    )
    assert "p4ssword" not in with_password.err
    assert "qu3ry" not in with_password.err


HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202e\ud800\x9b31m"


def test_hostile_text_is_printed_as_escapes(run: Run, server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        client.run_workflow("echo", "hostile", {"text": HOSTILE.replace("\ud800", "")})
    for command in (
        ["events", "hostile"],
        ["events", "hostile", "-o", "jsonl"],
        ["result", "hostile"],
        ["result", "hostile", "-o", "json"],
    ):
        ran = run("--url", server_url, *command)
        assert ran.status == 0
        assert "owned" in ran.out
        assert ran.out.replace("\n", "").isprintable()


def test_text_is_escaped_and_its_meaning_kept() -> None:
    assert _text.printable("ä 漢 👩‍🚀\xa0") == "ä 漢 👩‍🚀\xa0"
    escaped = _text.printable(HOSTILE + "a\nb")
    assert escaped.isprintable()
    assert escaped.endswith("a\\nb")
    assert json.loads(_text.json_text({"k": HOSTILE})) == {"k": HOSTILE}
    assert _text.json_text(HOSTILE).isprintable()


def test_huge_event_is_elided_in_text_and_whole_in_json(run: Run, server_url: str) -> None:
    with SyncWorkflowClient(base_url=server_url) as client:
        client.run_workflow("echo", "huge", {"text": "x" * 1_000_000})
    ran = run("--url", server_url, "events", "huge")
    assert len(ran.out) < 2 * _text.MAX_LINE
    ran = run("--url", server_url, "events", "huge", "-o", "jsonl")
    assert ran.lines[-1]["value"]["result"] == {"text": "x" * 1_000_000}


# ------------------------------------------------------------------- mcp


def test_mcp_without_its_package_says_what_to_install(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "llama_agents.client._mcp.server", raising=False)
    monkeypatch.setitem(sys.modules, "mcp", None)
    ran = run("mcp")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == "error: this command needs MCP: pip install 'llama-agents-client[mcp]'\n"


def test_log_ends_with_its_command(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_AGENTS_LOG", "debug")
    assert "list_workflows: 200" in run("workflows").err
    monkeypatch.delenv("LLAMA_AGENTS_LOG")
    assert run("workflows").err == ""
