"""Whatever a server or a proxy responds: a model, or a typed error that carries the response.

Every operation of the contract responds with what its schema allows, corrupted in some way, and is
called with both client variants.
"""

from __future__ import annotations

import asyncio
import copy
import importlib
import inspect
import json
import pickle
import pkgutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
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
    UnsupportedServerError,
    WaitTimeoutError,
    WorkflowClient,
    WorkflowClientError,
    _async,
    _sync,
)
from llama_agents.client._core.actions import TimeSource
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
    """A method of the client, and the operation whose responses it reads."""

    method: str
    operation: str
    args: tuple[Any, ...] = ()
    options: dict[str, Any] = attrs.field(factory=dict)


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
    Use("send_event", "send_event", ("h1", {"type": "T", "value": {}})),
    Use("get_handlers", "list_handlers"),
    Use("get_handler", "get_handler", ("h1",)),
    Use("get_result", "get_result", ("h1",)),
    Use("wait_for_handler", "get_handler", ("h1",), {"timeout": 5.0}),
    Use("cancel_handler", "cancel_handler", ("h1",)),
    Use("get_workflow_events", "stream_events", ("h1",), {"max_reconnect_attempts": 1}),
    Use("get_workflow_events", "stream_events", ("h1",), {"after_sequence": "now"}),
]
ITERATED = {"get_workflow_events", "map_workflow"}
# They read what get_handler reads, or nothing, and return no model.
HANDLES = {"get_run", "resume", "with_options"}


def test_uses_cover_every_operation_and_method() -> None:
    assert {use.operation for use in USES} == OPERATIONS.keys()
    for client, closing in ((WorkflowClient, "aclose"), (SyncWorkflowClient, "close")):
        methods = {name for name, _ in inspect.getmembers(client, inspect.isfunction)}
        public = {name for name in methods if not name.startswith("_")}
        assert {use.method for use in USES} == public - {closing, *HANDLES}


# ------------------------------------------------------------------- responses of the contract

ENVELOPES = [
    {"value": value, "type": name, "types": types, "qualified_name": f"workflows.events.{name}"}
    for name, value, types in [
        ("WorkflowFailedEvent", {}, ["StopEvent"]),  # its fields are missing
        ("StopEvent", {"result": 1}, None),
        ("Tick", {}, None),
    ]
]
SIMPLE: dict[str | None, st.SearchStrategy[Any]] = {
    "object": st.sampled_from([{"a": {"b": [1, "x"]}}, {"result": 3.5}, {}]),
    "string": st.sampled_from(["h1", "StopEvent", "workflows.events.StopEvent", "text ä"]),
    "integer": st.integers(0, 10**6),
    "boolean": st.booleans(),
    "null": st.none(),
    None: st.sampled_from([None, 5, "x", [1], {"result": "ok"}]),
}
# Only the first is a time; the client accepts any string.
TIMES = st.sampled_from(["2026-01-02T03:04:05.678901+00:00", "soon", "0001-01-01T00:00:00Z"])


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        reference, node = node["$ref"], CONTRACT
        for key in reference.removeprefix("#/").split("/"):
            node = node[key]
    return node


def valid(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """JSON that is valid for a schema of the contract."""
    schema = resolve(schema)
    if "anyOf" in schema:
        return st.one_of([valid(part) for part in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = schema.get("type")
    if isinstance(kinds, list):
        return st.one_of([valid({**schema, "type": kind}) for kind in kinds])
    if kinds == "object" and "properties" in schema:
        properties = {name: valid(part) for name, part in schema["properties"].items()}
        is_envelope = {"value", "types"} <= properties.keys()
        anything = st.fixed_dictionaries(properties)
        return st.sampled_from(ENVELOPES) | anything if is_envelope else anything
    if kinds == "array":
        return st.lists(valid(schema["items"]), min_size=1, max_size=3)
    return TIMES if schema.get("format") == "date-time" else SIMPLE[kinds]


def documented(operation: str) -> list[tuple[int, st.SearchStrategy[Any]]]:
    """The JSON responses of an operation, with their status."""
    responses = []
    for status, response in OPERATIONS[operation]["responses"].items():
        content = resolve(response).get("content", {}).get("application/json")
        responses.append((int(status), valid(content["schema"]) if content else st.none()))
    return responses


envelopes = valid({"$ref": "#/components/schemas/EventEnvelopeWithMetadata"})

# ------------------------------------------------------------------- corruption

RAW = [
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
MARKER = "<here>"


def corrupted(value: Any, path: list[int], how: str) -> Any:
    """The value with one change at a path, each step of which is a number."""
    if path and isinstance(value, dict) and value:
        key = list(value)[path[0] % len(value)]
        if len(path) == 1 and how == "missing":
            return {name: part for name, part in value.items() if name != key}
        if len(path) == 1 and how == "renamed":
            return {name + "_" * (name == key): part for name, part in value.items()}
        return {**value, key: corrupted(value[key], path[1:], how)}
    if path and isinstance(value, list) and value:
        index = path[0] % len(value)
        return [*value[:index], corrupted(value[index], path[1:], how), *value[index + 1 :]]
    if how == "in a list":
        return [value]
    return {"more": value} if how in ("missing", "renamed") else MARKER


@st.composite
def corrupted_json(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> bytes:
    value = draw(values)
    raw = ""
    for _ in range(draw(st.sampled_from([1, 0, 1, 0, 2]))):
        how = draw(st.sampled_from([*["value"] * 3, "missing", "renamed", "in a list"]))
        value = corrupted(value, draw(st.lists(st.integers(0, 12), max_size=5)), how)
        raw = raw or draw(st.sampled_from(RAW))
    return corrupted_bytes(draw, json.dumps(value).replace(json.dumps(MARKER), raw).encode())


def corrupted_bytes(draw: st.DrawFn, body: bytes) -> bytes:
    position = draw(st.integers(0, 10**6)) % (len(body) + 1)
    how = draw(st.sampled_from([*["not"] * 6, "cut", "inserted", "prefix", "suffix", "encoded"]))
    match how:
        case "cut":
            return body[:position]
        case "inserted":
            byte = draw(st.sampled_from([b"\xff", b"\x00", b'"', b"\xed\xa0\x80"]))
            return body[:position] + byte + body[position:]
        case "prefix":
            prefixes = [b"\xef\xbb\xbf", b")]}',\n", b"<html>", b" " * 999]
            return draw(st.sampled_from(prefixes)) + body
        case "suffix":
            return body + draw(st.sampled_from([body, b"}", b"\x00", b"\n\n", b"<html>"]))
        case "encoded":
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
class Hostile:
    """A response of the server."""

    status: int
    headers: dict[str, str] = attrs.field(factory=dict)
    body: bytes = attrs.field(default=b"", repr=lambda body: repr(body[:300]))

    def build(self) -> httpx.Response:
        headers = [(name.encode(), value.encode("latin-1")) for name, value in self.headers.items()]
        return httpx.Response(self.status, headers=headers, stream=httpx.ByteStream(self.body))


@st.composite
def responses(draw: st.DrawFn, operation: str) -> Hostile:
    if operation == "stream_events" and draw(st.sampled_from([True, True, True, False])):
        return draw(streams())
    status, values = draw(st.sampled_from(documented(operation)))
    body = draw(corrupted_json(values))
    if draw(st.sampled_from([False, False, True])):
        status = draw(st.sampled_from(STATUSES))
    return Hostile(status, draw(st.sampled_from(HEADERS)), body)


@st.composite
def streams(draw: st.DrawFn) -> Hostile:
    frames = []
    for number in range(draw(st.integers(0, 4))):
        data = draw(corrupted_json(envelopes))
        id_ = draw(st.sampled_from([b"%d" % number] * 3 + [b"", b"x", b"-1", b"9" * 5000]))
        frames.append(b"id: " + id_ + b"\ndata: " + data + b"\n\n")
    body = corrupted_bytes(draw, b"".join(frames))
    return Hostile(200, {"content-type": "text/event-stream; charset=hex"}, body)


# ------------------------------------------------------------------- virtual time


class Clock:
    """A clock that only sleeping advances."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        assert 0 <= seconds <= 300
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)


@cache
def time_names() -> list[tuple[Any, str]]:
    """The modules of the client that sleep or tell the time, and the names that they use."""
    for package in (_async, _sync):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    return [
        (module, name)
        for key, module in sys.modules.items()
        if key.startswith(("llama_agents.client._async.", "llama_agents.client._sync."))
        for name, value in vars(module).items()
        if name in ("sleep", "asleep") or isinstance(value, TimeSource)
    ]


@contextmanager
def virtual_time() -> Iterator[None]:
    clock = Clock()
    sources = TimeSource(lambda: clock.now, lambda: 1.7e9 + clock.now, lambda: 0.5)
    with ExitStack() as stack:
        for module, name in time_names():
            stack.enter_context(patch.object(module, name, getattr(clock, name, sources)))
        yield


# ------------------------------------------------------------------- the calls


def transport(hostile: Sequence[Hostile]) -> httpx.MockTransport:
    """Responds in turn; after 30 requests with 404, so that every call ends."""
    requests = 0

    def handle(_: httpx.Request) -> httpx.Response:
        nonlocal requests
        requests += 1
        return (Hostile(404) if requests > 30 else hostile[(requests - 1) % len(hostile)]).build()

    return httpx.MockTransport(handle)


def call_sync(use: Use, hostile: Sequence[Hostile]) -> Any:
    with httpx.Client(transport=transport(hostile), base_url="http://test") as inner:
        client = SyncWorkflowClient(httpx_client=inner)
        result = getattr(client, use.method)(*use.args, **use.options)
        return list(result) if use.method in ITERATED else result


async def call_async(use: Use, hostile: Sequence[Hostile]) -> Any:
    async with httpx.AsyncClient(transport=transport(hostile), base_url="http://test") as inner:
        client = WorkflowClient(httpx_client=inner)
        result = getattr(client, use.method)(*use.args, **use.options)
        return [value async for value in result] if use.method in ITERATED else await result


def outcome(act: Any, hostile: Sequence[Hostile]) -> Any:
    """What a call returns, or the class of a documented error; any other error propagates."""
    try:
        with virtual_time(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = act()
    except WorkflowClientError as error:
        check_error(error)
        return type(error)
    except (httpx.DecodingError, httpx.RemoteProtocolError) as error:
        # httpx takes such a response for a broken transport: there is none to carry.
        assert any({"content-encoding", "location"} & each.headers.keys() for each in hostile)
        return type(error)
    for value in result if isinstance(result, list) else [result]:
        check_value(value)
    return result


def check_error(error: WorkflowClientError) -> None:
    if not isinstance(error, (StreamDisconnectedError, UnsupportedServerError, WaitTimeoutError)):
        assert isinstance(error.response, httpx.Response)  # type: ignore[attr-defined]
    assert str(error)
    assert repr(error)
    assert str(copy.copy(error)) == str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def check_value(value: Any) -> None:
    if isinstance(value, MapResult):
        assert repr(value)
        if isinstance(value.error, WorkflowClientError):
            return check_error(value.error)
        if value.error is not None:
            assert "names a run of" in str(value.error)  # the caller's key
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
def test_hostile_response_yields_model_or_typed_error(use: Use, data: st.DataObject) -> None:
    hostile = data.draw(st.lists(responses(use.operation), min_size=1, max_size=3))
    if use.method.startswith("run_") and data.draw(st.booleans()):
        # The response to the start is lost; the hostile ones are about the run.
        hostile.insert(0, Hostile(504))
    sync_outcome = outcome(lambda: call_sync(use, hostile), hostile)
    async_outcome = outcome(lambda: asyncio.run(call_async(use, hostile)), hostile)
    assert repr(sync_outcome) == repr(async_outcome)
