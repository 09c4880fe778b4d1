"""Whatever a server or a proxy answers: a model, or an error of ours that carries the answer.

Every operation of the contract is answered with what its schema promises, spoiled in some way, and
called with both faces.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
import pickle
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import attrs
import httpx
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llama_agents.client import (
    EventValidationError,
    MapResult,
    StreamDisconnectedError,
    SyncWorkflowClient,
    WaitTimeoutError,
    WorkflowClient,
    WorkflowClientError,
)
from llama_agents.client._async import client as async_client
from llama_agents.client._async import many as async_many
from llama_agents.client._async import stream as async_stream
from llama_agents.client._retry import Sources
from llama_agents.client._sync import client as sync_client
from llama_agents.client._sync import many as sync_many
from llama_agents.client._sync import stream as sync_stream
from pydantic import BaseModel

CONTRACT = yaml.safe_load((Path(__file__).parents[2] / "openapi.yaml").read_text())
OPERATIONS = {
    operation["operationId"]: operation
    for path in CONTRACT["paths"].values()
    for operation in path.values()
    if isinstance(operation, dict) and "operationId" in operation
}


@attrs.frozen
class Use:
    """A call of the client, and the operation whose answers it reads."""

    method: str
    operation: str
    args: tuple[Any, ...] = ()
    options: dict[str, Any] = attrs.field(factory=dict)


EVENT = {"type": "T", "value": {}}
USES = [
    Use("is_healthy", "get_health"),
    Use("list_workflows", "list_workflows"),
    Use("get_workflow_schema", "get_workflow_schema", ("w",)),
    Use("get_workflow_events_schema", "get_workflow_events_schema", ("w",)),
    Use("get_workflow_graph", "get_workflow_representation", ("w",)),
    Use("get_event_types", "get_workflow_events_schema", ("w",)),
    Use("run_workflow", "run_workflow", ("w",)),
    Use("run_workflow", "run_workflow", ("w", "h1")),
    Use("run_workflow_nowait", "run_workflow_nowait", ("w",)),
    Use("run_workflow_nowait", "run_workflow_nowait", ("w", "h1")),
    Use("start", "get_workflow_schema", ("w",), {"validate": True}),
    Use("map_workflow", "get_handler", ("w", [{}]), {"key": lambda _: "h1"}),
    Use("send_event", "send_event", ("h1", EVENT)),
    Use("get_handlers", "list_handlers"),
    Use("get_handler", "get_handler", ("h1",)),
    Use("get_result", "get_result", ("h1",)),
    Use("wait_for_handler", "get_handler", ("h1",), {"timeout": 5.0}),
    Use("cancel_handler", "cancel_handler", ("h1",)),
    Use("get_workflow_events", "stream_events", ("h1",), {"max_reconnect_attempts": 1}),
    Use("get_workflow_events", "stream_events", ("h1",), {"after_sequence": "now"}),
]

MANY = {"get_workflow_events", "map_workflow"}  # they give many values
HANDLES = {"run", "resume"}  # they read what get_handler reads, or nothing, and give no model


def test_every_operation_and_every_method_is_tried() -> None:
    assert {use.operation for use in USES} == OPERATIONS.keys()
    for client, closing in ((WorkflowClient, "aclose"), (SyncWorkflowClient, "close")):
        methods = {name for name, _ in inspect.getmembers(client, inspect.isfunction)}
        public = {name for name in methods if not name.startswith("_")}
        assert {use.method for use in USES} == public - {closing, *HANDLES}


# ------------------------------------------------------------------- answers of the contract
ENVELOPES = [
    {"value": {}, "type": "WorkflowFailedEvent", "types": ["StopEvent"]},  # its fields are missing
    {"value": {"result": 1}, "type": "StopEvent", "types": None},
    {"value": {}, "type": "Tick", "types": None},
]
for envelope in ENVELOPES:
    envelope["qualified_name"] = f"workflows.events.{envelope['type']}"


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = CONTRACT
        for key in node["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        node = found
    return node


def valid(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """JSON that keeps a schema of the contract."""
    schema = resolve(schema)
    if "anyOf" in schema:
        return st.one_of([valid(part) for part in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = schema.get("type")
    if isinstance(kinds, list):
        return st.one_of([valid({**schema, "type": kind}) for kind in kinds])
    if kinds == "object" and "properties" in schema:
        anything = st.fixed_dictionaries(
            {name: valid(part) for name, part in schema["properties"].items()}
        )
        is_envelope = {"value", "types"} <= schema["properties"].keys()
        return st.sampled_from(ENVELOPES) | anything if is_envelope else anything
    if kinds == "array":
        return st.lists(valid(schema["items"]), min_size=1, max_size=3)
    if kinds == "string" and schema.get("format") == "date-time":
        # None but the first is a time, and a string is all that the client asks for.
        return st.sampled_from(["2026-01-02T03:04:05.678901+00:00", "soon", "0001-01-01T00:00:00Z"])
    simple: dict[str | None, st.SearchStrategy[Any]] = {
        "object": st.sampled_from([{"a": {"b": [1, "x"]}}, {"result": 3.5}, {}]),
        "string": st.sampled_from(["h1", "StopEvent", "workflows.events.StopEvent", "text ä"]),
        "integer": st.integers(0, 10**6),
        "boolean": st.booleans(),
        "null": st.none(),
        None: st.sampled_from([None, 5, "x", [1], {"result": "ok"}]),
    }
    return simple[kinds]


def documented(operation: str) -> list[tuple[int, st.SearchStrategy[Any]]]:
    """The JSON answers of an operation, by status."""
    answers = []
    for status, response in OPERATIONS[operation]["responses"].items():
        content = resolve(response).get("content", {}).get("application/json")
        answers.append((int(status), valid(content["schema"]) if content else st.none()))
    return answers


envelopes = valid({"$ref": "#/components/schemas/EventEnvelopeWithMetadata"})

# ------------------------------------------------------------------- and how they are spoiled

SPOILED = [
    *("null", "true", "0", "-1", "1.5", '""', '"x"', "[]", "{}", "[[]]", '{"a": null}', "[null]"),
    *('"running"', '"paused"', '"2026-99-99"', '"\\u0000"', '"\\ud800"', '"\\udfff\\ud800"'),
    *("1" + "0" * 400, "9" * 4300, "9" * 4301, "-" + "9" * 9999, "1e999", "-1e999", "1e-9999"),
    *("NaN", "Infinity", "-Infinity", "00", "'x'", "undefined", "", "1 2", "{]", '"\n"', '"\\x"'),
    *("[" * 150 + "]" * 150, "[" * 250 + "]" * 250, "[" * 10**5, "[" * 10**5 + "]" * 10**5),
    *('{"a":' * 180 + "1" + "}" * 180, '{"a":' * 10**5, '{"a":' * 10**5 + "1" + "}" * 10**5),
    *('{"value": {}, "type": "StopEvent"}', '{"value": {}, "type": 5}', '{"value": []}'),
    '{"__is_pydantic": true, "value": {"a": 1}, "qualified_name": "no.such.Class"}',
    '{"__is_component": true, "value": 5, "qualified_name": "os.path"}',
    '{"__is_exception": true}',
]
PLACE = "<here>"


def inside(value: Any, place: list[int], spoil: str) -> Any:
    """The value with a change at the place that the numbers lead to."""
    if place and isinstance(value, dict) and value:
        key = list(value)[place[0] % len(value)]
        if len(place) == 1 and spoil == "missing":
            return {name: part for name, part in value.items() if name != key}
        if len(place) == 1 and spoil == "renamed":
            return {name + "_" * (name == key): part for name, part in value.items()}
        return {**value, key: inside(value[key], place[1:], spoil)}
    if place and isinstance(value, list) and value:
        index = place[0] % len(value)
        return [*value[:index], inside(value[index], place[1:], spoil), *value[index + 1 :]]
    if spoil == "in a list":
        return [value]
    return {"more": value} if spoil in ("missing", "renamed") else PLACE


@st.composite
def spoiled_json(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> bytes:
    value = draw(values)
    raw = ""
    for _ in range(draw(st.sampled_from([1, 0, 1, 0, 2]))):
        spoil = draw(
            st.sampled_from(["value", "value", "value", "missing", "renamed", "in a list"])
        )
        value = inside(value, draw(st.lists(st.integers(0, 12), max_size=5)), spoil)
        raw = raw or draw(st.sampled_from(SPOILED))
    text = json.dumps(value).replace(json.dumps(PLACE), raw)
    return spoil_bytes(draw, text.encode())


def spoil_bytes(draw: st.DrawFn, body: bytes) -> bytes:
    place = draw(st.integers(0, 10**6)) % (len(body) + 1)
    match draw(
        st.sampled_from(
            ["not", "not", "not", "not", "not", "not", "cut", "byte", "start", "end", "coded"]
        )
    ):
        case "cut":
            return body[:place]
        case "byte":
            return (
                body[:place]
                + draw(st.sampled_from([b"\xff", b"\x00", b'"', b"\xed\xa0\x80"]))
                + body[place:]
            )
        case "start":
            return (
                draw(st.sampled_from([b"\xef\xbb\xbf", b")]}',\n", b"<html>", b" " * 999])) + body
            )
        case "end":
            return body + draw(st.sampled_from([body, b"}", b"\x00", b"\n\n", b"<html>"]))
        case "coded":
            return body.decode(errors="replace").encode(draw(st.sampled_from(["utf-16", "utf-32"])))
    return body


HEADERS = [
    *({"content-type": "application/json"},) * 4,
    {},
    {"content-type": ""},
    {"content-type": "text/html; charset=hex"},
    {"content-type": "application/json; charset=utf-16"},
    {"content-type": "application/json; charset=undefined"},
    {"content-type": "application/json; charset=\xff"},
    {"content-type": "text/event-stream"},
    {"content-type": "\x00;;;=;charset"},
    {"retry-after": "9" * 400, "date": "Mon, 99 Foo 0000 99:99:99 +9999"},
    {"retry-after": "1 Jan 99999999999999999999 00:00 GMT", "date": "\xff"},
    {"location": "/elsewhere", "content-encoding": "unknown"},
    {"location": "http://[", "x": "y"},
    {"location": "//\xff:99999999", "set-cookie": "=;;\xff=\x01; expires=never"},
    {"content-encoding": "gzip"},
    {"content-encoding": "deflate, gzip"},
]
STATUSES = [200, 201, 202, 203, 204, 205, 206, 299, 300, 301, 302, 303, 304, 307, 308]
STATUSES += [400, 401, 404, 408, 409, 418, 422, 429, 499, 500, 501, 502, 503, 504, 520, 599]
STATUSES += [600, 700, 999]


@attrs.frozen
class Answer:
    """What every request is answered with, in turn."""

    status: int
    headers: dict[str, str]
    body: bytes = attrs.field(repr=lambda body: repr(body[:300]))

    def response(self) -> httpx.Response:
        headers = [(name.encode(), value.encode("latin-1")) for name, value in self.headers.items()]
        return httpx.Response(self.status, headers=headers, stream=httpx.ByteStream(self.body))


@st.composite
def answers(draw: st.DrawFn, operation: str) -> Answer:
    if operation == "stream_events" and draw(st.sampled_from([True, True, True, False])):
        return draw(streams())
    status, values = draw(st.sampled_from(documented(operation)))
    body = draw(spoiled_json(values))
    if draw(st.sampled_from([False, False, True])):
        status = draw(st.sampled_from(STATUSES))
    return Answer(status, draw(st.sampled_from(HEADERS)), body)


@st.composite
def streams(draw: st.DrawFn) -> Answer:
    """An event stream with hostile frames in it."""
    frames = []
    for number in range(draw(st.integers(0, 4))):
        data = draw(spoiled_json(envelopes))
        id_ = draw(st.sampled_from([b"%d" % number] * 3 + [b"", b"x", b"-1", b"9" * 5000]))
        frames.append(b"id: " + id_ + b"\ndata: " + data + b"\n\n")
    body = spoil_bytes(draw, b"".join(frames))
    return Answer(200, {"content-type": "text/event-stream; charset=hex"}, body)


# ------------------------------------------------------------------- the calls


class Clock:
    """Moves only when somebody sleeps."""

    now = 0.0

    def sleep(self, seconds: float) -> None:
        assert 0 <= seconds <= 300
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)


@contextmanager
def no_pauses() -> Iterator[None]:
    clock = Clock()
    sources = Sources(lambda: clock.now, lambda: 1.7e9 + clock.now, lambda: 0.5)
    with (
        patch.object(async_client, "_SOURCES", sources),
        patch.object(sync_client, "_SOURCES", sources),
        patch.object(async_client, "asleep", clock.asleep),
        patch.object(async_many, "asleep", clock.asleep),
        patch.object(async_stream, "asleep", clock.asleep),
        patch.object(sync_client, "sleep", clock.sleep),
        patch.object(sync_many, "sleep", clock.sleep),
        patch.object(sync_stream, "sleep", clock.sleep),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def transport(answers: Sequence[Answer]) -> httpx.MockTransport:
    """Answers in turn; a client that goes on and on is told that there is nothing."""
    requests = 0

    def handle(_: httpx.Request) -> httpx.Response:
        nonlocal requests
        requests += 1
        return (
            httpx.Response(404)
            if requests > 30
            else answers[(requests - 1) % len(answers)].response()
        )

    return httpx.MockTransport(handle)


def call_sync(use: Use, answers: Sequence[Answer]) -> Any:
    with httpx.Client(transport=transport(answers), base_url="http://test") as inner:
        result = getattr(SyncWorkflowClient(httpx_client=inner), use.method)(
            *use.args, **use.options
        )
        return list(result) if use.method in MANY else result


async def call_async(use: Use, answers: Sequence[Answer]) -> Any:
    async with httpx.AsyncClient(transport=transport(answers), base_url="http://test") as inner:
        result = getattr(WorkflowClient(httpx_client=inner), use.method)(*use.args, **use.options)
        return [value async for value in result] if use.method in MANY else await result


def outcome(act: Any, answers: Sequence[Answer]) -> Any:
    """What a call returned, or the class of what it raised; whatever else it raises goes on."""
    try:
        with no_pauses():
            result = act()
    except WorkflowClientError as error:
        use_error(error)
        return type(error)
    except (httpx.DecodingError, httpx.RemoteProtocolError) as error:
        # To httpx such an answer is a broken transport: there is no response to carry.
        assert any({"content-encoding", "location"} & answer.headers.keys() for answer in answers)
        return type(error)
    for value in result if isinstance(result, list) else [result]:
        use_value(value)
    return result


def use_error(error: WorkflowClientError) -> None:
    if not isinstance(error, (StreamDisconnectedError, WaitTimeoutError)):
        assert isinstance(error.response, httpx.Response)  # type: ignore[attr-defined]
    assert str(error)
    assert repr(error)
    assert str(copy.copy(error)) == str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def use_value(value: Any) -> None:
    if isinstance(value, MapResult):
        assert repr(value)
        if value.error is not None:
            if isinstance(value.error, WorkflowClientError):
                return use_error(value.error)
            assert "names a run of" in str(value.error)  # the key is the caller's
            return None
        value = value.handler
    assert isinstance(value, BaseModel)
    assert repr(value)
    assert str(value)
    assert value.model_dump_json()
    assert isinstance(value.model_dump(), dict)
    copy.deepcopy(value)
    for run in [value, *getattr(value, "handlers", [])]:
        envelope = getattr(run, "result", None) or (run if hasattr(run, "load_event") else None)
        if envelope is not None:
            try:
                envelope.load_event()
            except EventValidationError as error:
                assert str(error)


@pytest.mark.parametrize("use", USES, ids=lambda use: f"{use.method}{len(use.args) or ''}")
@settings(max_examples=90, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_hostile_answer_gives_a_model_or_a_typed_error_with_its_response(
    use: Use, data: st.DataObject
) -> None:
    given_answers = data.draw(st.lists(answers(use.operation), min_size=1, max_size=3))
    if use.method.startswith("run_") and data.draw(st.booleans()):
        # The start's own answer is lost; the hostile ones are about the run.
        given_answers.insert(0, Answer(504, {}, b""))
    threaded = outcome(lambda: call_sync(use, given_answers), given_answers)
    looped = outcome(lambda: asyncio.run(call_async(use, given_answers)), given_answers)
    assert repr(threaded) == repr(looped)
