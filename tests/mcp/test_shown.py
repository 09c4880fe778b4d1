"""What is shown over MCP, without I/O: names, schemas, questions, results and tokens."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from llama_agents.client._mcp.questions import AnswerError, Question
from llama_agents.client._mcp.results import ResultError, read_result
from llama_agents.client._mcp.tokens import Seal, TokenError, load_key
from llama_agents.client._mcp.tools import (
    MAX_DESCRIPTION,
    MAX_NAME,
    InputSchemaError,
    answer_name,
    describe,
    read_input_schema,
    tool_names,
)
from llama_agents.client.protocol import EventEnvelopeWithMetadata

HOSTILE = "\x1b[31m\u202ehi\n\ud800" * 1000


# ------------------------------------------------------------------- tools


def test_valid_names_are_kept_and_others_are_changed_for_good() -> None:
    workflows = ["greet", "a b", "a.b", "grüße", "", "x" * 65, HOSTILE, "a_b", "-"]
    names = tool_names(workflows)
    assert sorted(names.values()) == sorted(workflows)
    assert all(name.isascii() and 0 < len(name) <= MAX_NAME for name in names)
    assert names["greet"], names["a_b"] == ("greet", "a_b")
    for workflow in workflows:  # whatever other workflows there are
        ((name, _),) = tool_names([workflow]).items()
        assert names[name] == workflow


def test_name_that_a_changed_one_would_have_is_kept() -> None:
    ((changed, _),) = tool_names(["a b"]).items()
    names = tool_names(["a b", changed])
    assert names[changed] == changed
    assert len(names) == 2


def test_tool_that_answers_takes_a_name_that_no_workflow_has() -> None:
    assert answer_name([]) == "answer"
    assert answer_name(["answer", "answer_2"]) == "answer_3"


def test_description_is_printable_and_bounded() -> None:
    assert describe("  One.\n\n    Two.\x1b ") == "One.\n\nTwo.\\x1b"
    assert describe(None) is None
    assert describe(" \n") is None
    described = describe(HOSTILE)
    assert described is not None
    assert len(described) == MAX_DESCRIPTION
    assert described.replace("\n", "").isprintable()


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"items": schema}
    return {"properties": {"x": schema}}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"$ref": "https://example.org/schema"},
        {"properties": {"x": {"$ref": "#/$defs/Gone"}}},
        {"properties": {"x": {"$ref": "#/properties/x"}}},
        {"properties": {"x": {"$dynamicRef": "#x"}}},
        {"$id": "https://example.org/"},
        {"$defs": []},
        {"properties": []},
        {"properties": {"x": {"type": "text"}}},
        {"properties": {"x": {"minimum": "1"}}},
        {"properties": {"x": {"pattern": "("}}},
        {"properties": {"x": {"default": float("nan")}}},
        {"properties": {"\u202e": {}}},
        {"properties": {"x": {"enum": ["\ud800"]}}},
        {"required": ["\x1b"]},
        {"properties": {f"x{n}": {"type": "integer"} for n in range(5000)}},
        nested(100),
        nested(500),
    ],
)
def test_schema_that_a_host_might_reject_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(InputSchemaError):
        read_input_schema(schema)


def test_schema_is_kept_but_for_texts_and_extensions() -> None:
    schema = {
        "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}},
        "$ref": "#/$defs/Node",
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "x-mcp-header": "Authorization",
        "properties": {
            "title": {"type": "string", "description": "\u202e" + "d" * 2000, "default": "t"},
            "x-y": {"const": "$ref"},
        },
    }
    read = read_input_schema(schema)
    Draft202012Validator.check_schema(read)
    assert read["type"] == "object"
    assert read["$defs"] == schema["$defs"]
    assert read["properties"].keys() == {"title", "x-y"}
    assert len(read["properties"]["title"]["description"]) == MAX_DESCRIPTION
    assert read.keys() == {"$defs", "$ref", "properties", "type"}


# ------------------------------------------------------------------- questions


def question(value: dict[str, Any], answers: dict[str, Any] | None = None) -> Question:
    envelope = EventEnvelopeWithMetadata(
        type="Ask", types=["InputRequiredEvent"], value=value, qualified_name=None
    )
    return Question("ask\u202e", 3, envelope, answers or {})


def event(**properties: Any) -> dict[str, Any]:
    return {"Answer": {"title": "Answer", "type": "object", "properties": properties}}


def test_text_of_a_question_is_printable_and_bounded() -> None:
    assert question({"prompt": "Why?\nHow?"}).text == "Why?\nHow?"
    assert question({"a": ""}).message("Again.") == "The workflow ask\\u202e asks:\n\n\n\nAgain."
    assert question({"a": 1, "b": "x"}).text == "Ask\na: 1\nb: x"
    many = question({HOSTILE + str(n): HOSTILE for n in range(100)})
    assert len(many.text) < 10_000
    assert many.text.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "properties",
    [
        {"x": {"type": "array", "items": {"type": "string"}}},
        {"x": {"type": "object"}},
        {"x": {"enum": [1, "a"]}},
        {"x": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
        {"x\u202e": {"type": "string"}},
        {f"x{n}": {"type": "string"} for n in range(60)},
        {"x": {"enum": [str(n) for n in range(200)]}},
        {"x": {"type": "text"}},
    ],
    ids=str,
)
def test_answer_that_no_form_has_is_json(properties: dict[str, Any]) -> None:
    form = question({}, event(**properties)).form
    assert form["required"] == ["json"]
    assert form["properties"]["json"]["type"] == "string"


def test_class_of_an_answer_that_nobody_knows_is_asked_for() -> None:
    asked = question({"prompt": "?"})
    assert asked.form["required"] == ["type", "json"]
    given = {"type": "Any", "json": '{"a": 1}'}
    assert asked.read_form(given) == {"type": "Any", "value": {"a": 1}}
    with pytest.raises(AnswerError, match="does not say which class"):
        asked.read(None, {})


@pytest.mark.parametrize("text", [None, "", "[]", "[" * 100_000, '{"x": "a"}'])
def test_json_that_is_no_answer_is_refused(text: str | None) -> None:
    asked = question({}, event(x={"type": "array", "items": {"type": "integer"}}))
    with pytest.raises(AnswerError):
        asked.read_form({"json": text})
    assert asked.read_form({"json": '{"x": [1]}'}) == {"type": "Answer", "value": {"x": [1]}}


def test_event_without_fields_is_answered_with_a_text() -> None:
    asked = question({}, event())
    assert asked.form["required"] == ["response"]
    assert asked.read_form({"response": "yes"})["value"] == {"response": "yes"}


# ------------------------------------------------------------------- results


def test_result_is_json_that_every_peer_reads() -> None:
    content = read_result({"_data": {"a": [float("inf"), "\ud800\n", {"\ud800": None}]}, "b": 2})
    assert content.structured == {"a": [None, "\\ud800\n", {"\\ud800": None}], "b": 2}
    assert json.loads(content.text) == content.structured
    content.text.encode()


def test_result_that_no_encoder_takes_is_refused() -> None:
    deep: Any = 1
    for _ in range(500):
        deep = [deep]
    with pytest.raises(ResultError, match="nested more than"):
        read_result({"x": deep})
    with pytest.raises(ResultError, match="characters"):
        read_result({"x": "y" * 2_000_000})


# ------------------------------------------------------------------- tokens


def test_token_has_what_was_signed() -> None:
    seal = Seal(b"k" * 32, "http://a")
    payload = {"checkpoint": {"sequence": 3}, "text": "é"}
    assert seal.verify(f"\n{seal.sign(payload)} ") == payload


def test_token_of_another_key_or_server_or_that_was_changed_is_invalid() -> None:
    seal = Seal(b"k" * 32, "http://a")
    token = seal.sign({"a": 1})
    others = [
        Seal(b"l" * 32, "http://a").sign({"a": 1}),
        Seal(b"k" * 32, "http://b").sign({"a": 1}),
        token.partition(".")[0],
        f"{token}=",
        f"{token}!",
        token.replace(".", ".."),
        "." * 1_000_000,
        "\ud800",
    ]
    others += [
        token[:n] + ("A" if token[n] != "A" else "B") + token[n + 1 :] for n in range(len(token))
    ]
    for other in others:
        with pytest.raises(TokenError):
            seal.verify(other)


def test_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "key"
    key = load_key(path)
    assert len(key) == 32
    assert load_key(path) == key
    assert [each.name for each in path.parent.iterdir()] == ["key"]
    assert load_key(tmp_path / "other") != key


@pytest.mark.skipif(sys.platform == "win32", reason="needs file modes")
def test_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    load_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    with pytest.raises(PermissionError, match="can be read by others"):
        load_key(path)


def test_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"short")
    path.chmod(0o600)
    with pytest.raises(OSError, match="is not a key"):
        load_key(path)
