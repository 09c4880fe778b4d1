"""The comparison of the contract with the server: what it detects and what the baseline allows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from generator import drift
from generator.__main__ import ROOT, main
from generator.drift import Group, Node

TEXT: Final = {"type": "string"}
ENUM: Final = {"type": "string", "enum": ["on", "off"]}
SLOT: Final = {"in": "query", "name": "slot", "schema": {"type": "integer"}}
OK: Final[dict[str, Any]] = {"responses": {"200": {}}}


def document(**operation: Any) -> Node:
    """A document whose only operation is ``GET /lamp``."""
    return Node({"paths": {"/lamp": {"get": {**OK, **operation}}}})


def body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def lamp(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "required": ["id"], "properties": {"id": TEXT, **fields}}


def components(**schemas: Any) -> Node:
    return Node({"components": {"schemas": schemas}})


def unequal(where: str, ours: str, theirs: str) -> str:
    return f"{where}: {ours} in the contract, {theirs} on the server"


@pytest.mark.parametrize(
    ("routes", "difference"),
    [
        ([], "route GET /lamp: only in the contract"),
        (["GET /lamp", "POST /lamp"], "route POST /lamp: only on the server"),
        (["GET /lamp", "GET /fan"], "route GET /fan: only on the server"),
    ],
)
def test_detects_missing_routes(routes: list[str], difference: str) -> None:
    assert list(drift.compare_routes(document(), routes)) == [difference]


@pytest.mark.parametrize(
    ("ours", "theirs", "difference"),
    [
        ({"responses": {"200": {}, "404": {}}}, {}, "status 404: only in the contract"),
        ({}, {"responses": {"200": {}, 503: {}}}, "status 503: only on the server"),
        ({"parameters": [SLOT]}, {}, "parameter query slot: only in the contract"),
        (
            {"parameters": [SLOT]},
            {"parameters": [{**SLOT, "required": True}]},
            unequal("parameter query slot", "optional integer", "required integer"),
        ),
        (
            {"parameters": [{**SLOT, "schema": {"type": "boolean", "default": True}}]},
            {"parameters": [{**SLOT, "schema": {"type": "boolean"}}]},
            unequal("parameter query slot", "optional boolean, default True", "optional boolean"),
        ),
        (
            {"requestBody": {"required": True, **body(lamp())}},
            {"requestBody": body(lamp())},
            unequal("request body", "required", "optional"),
        ),
        (
            {"requestBody": body(lamp())},
            {"requestBody": body(lamp(glow=TEXT))},
            "request body.glow: only on the server",
        ),
        (
            {"responses": {"200": body(TEXT)}},
            {"responses": {"200": {"content": {"text/plain": {"schema": TEXT}}}}},
            "status 200 application/json: only in the contract",
        ),
        (
            {"responses": {"200": body(lamp(glow=ENUM))}},
            {"responses": {"200": body(lamp(glow=TEXT))}},
            unequal("status 200.glow", "optional string(off, on)", "optional string"),
        ),
    ],
)
def test_detects_differences_of_an_operation(
    ours: dict[str, Any], theirs: dict[str, Any], difference: str
) -> None:
    found = list(drift.compare_documents(document(**ours), document(**theirs)))
    assert f"document GET /lamp {difference}" in found


def test_detects_missing_operation() -> None:
    found = list(drift.compare_documents(Node({}), document()))
    assert found == ["document GET /lamp: only on the server"]


@pytest.mark.parametrize(
    ("contract", "server"),
    [
        pytest.param(
            Node({"paths": {"/lamp": {"parameters": [SLOT], "get": OK}}}),
            document(parameters=[SLOT]),
            id="parameter-of-the-path",
        ),
        pytest.param(
            document(responses={"200": body(lamp())}), document(), id="body-not-described-by-server"
        ),
        pytest.param(
            components(HandlerData=lamp(glow={"anyOf": [ENUM, {"type": "null"}]})),
            components(Handler=lamp(glow={**ENUM, "nullable": True})),
            id="renamed-and-nullable",
        ),
    ],
)
def test_equivalent_documents_do_not_differ(contract: Node, server: Node) -> None:
    assert list(drift.compare_documents(contract, server)) == []


@pytest.mark.parametrize(
    ("model", "theirs"),
    [
        (lamp(glow=TEXT), "optional string"),
        (lamp(glow={"type": "string", "enum": ["on"]}), "optional string(on)"),
        (lamp(glow={"anyOf": [ENUM, {"type": "null"}]}), "optional null | string(off, on)"),
        ({**lamp(glow=ENUM), "required": ["id", "glow"]}, "required string(off, on)"),
    ],
)
def test_detects_type_of_model_field(model: dict[str, Any], theirs: str) -> None:
    found = list(drift.compare_models(components(Lamp=lamp(glow=ENUM)), {"Lamp": model}))
    assert found == [unequal("model Lamp.glow", "optional string(off, on)", theirs)]


@pytest.mark.parametrize(
    ("model", "differences"),
    [
        (lamp(), ["glow: only in the contract"]),
        (lamp(glow=ENUM, size=TEXT), ["size: only on the server"]),
        # An open enum: the listed values and any other string.
        (lamp(glow={"anyOf": [ENUM, TEXT]}), []),
    ],
)
def test_detects_missing_model_fields(model: dict[str, Any], differences: list[str]) -> None:
    found = list(drift.compare_models(components(Lamp=lamp(glow=ENUM)), {"Lamp": model}))
    assert found == [f"model Lamp.{difference}" for difference in differences]


def test_detects_field_of_another_model() -> None:
    contract = components(Lamp=lamp(fits={"$ref": "#/components/schemas/Socket"}), Socket=lamp())
    model = {"$defs": {"Plug": lamp()}, **lamp(fits={"$ref": "#/$defs/Plug"})}
    assert list(drift.compare_models(contract, {"Lamp": model})) == [
        "model Lamp.fits: optional Socket in the contract, optional Plug on the server"
    ]


def test_detects_model_missing_from_the_contract() -> None:
    found = list(drift.compare_models(components(), {"Lamp": lamp()}))
    assert found == ["model Lamp: only on the server"]


def test_detects_field_of_the_store() -> None:
    found = list(drift.compare_store(components(HandlerData=lamp()), lamp(idle=TEXT)))
    assert found == ["store HandlerData.idle: only on the server"]


def test_judge_separates_unexplained_and_stale_differences() -> None:
    verdict = drift.judge(["known", "new"], [Group(reason="seen", differences=["known", "gone"])])
    assert verdict == drift.Verdict(unexplained=["new"], stale=["gone"])


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        ("- {reason: ' ', differences: [known]}", "missing reason for known"),
        (
            "- {reason: a, differences: [known]}\n- {reason: b, differences: [known]}",
            "listed twice: known",
        ),
    ],
)
def test_invalid_baseline_is_rejected(baseline: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        drift.read_baseline(baseline)


@pytest.mark.parametrize(
    ("found", "printed"),
    [
        (["known", "new"], "missing from the baseline:\n  new\n"),
        ([], "no longer occur:\n  known\n"),
    ],
)
def test_unexplained_and_stale_differences_fail_the_command(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    found: list[str],
    printed: str,
) -> None:
    (tmp_path / "generator").mkdir()
    (tmp_path / drift.CONTRACT).write_text("openapi: 3.1.0")
    (tmp_path / drift.BASELINE).write_text("- {reason: seen, differences: [known]}")
    monkeypatch.setattr(drift, "observe", lambda contract, described: found)
    assert main(["drift"], tmp_path) == 1
    assert printed in capsys.readouterr().out


def test_installed_server_matches_contract_and_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drift"], ROOT) == 0, capsys.readouterr().out
