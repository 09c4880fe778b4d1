"""The comparison of the contract with the server: what it sees, and what the baseline forgives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from generator import drift
from generator.__main__ import ROOT, main
from generator.drift import Group, Node

TEXT = {"type": "string"}
WORDS = {"type": "string", "enum": ["on", "off"]}


def document(**operation: Any) -> Node:
    """A document whose only operation is ``GET /lamp``."""
    return Node({"paths": {"/lamp": {"get": {"responses": {"200": {}}, **operation}}}})


def body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def lamp(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "required": ["id"], "properties": {"id": TEXT, **fields}}


def components(**schemas: Any) -> Node:
    return Node({"components": {"schemas": schemas}})


@pytest.mark.parametrize(
    ("routes", "difference"),
    [
        ([], "route GET /lamp: only in the contract"),
        (["GET /lamp", "POST /lamp"], "route POST /lamp: only on the server"),
        (["GET /lamp", "GET /fan"], "route GET /fan: only on the server"),
    ],
)
def test_route_of_one_side_is_seen(routes: list[str], difference: str) -> None:
    assert list(drift.compare_routes(document(), routes)) == [difference]


SLOT = {"in": "query", "name": "slot", "schema": {"type": "integer"}}


@pytest.mark.parametrize(
    ("ours", "theirs", "difference"),
    [
        (
            {"responses": {"200": {}, "404": {}}},
            {},
            "status 404: only in the contract",
        ),
        (
            {},
            {"responses": {"200": {}, 503: {}}},
            "status 503: only on the server",
        ),
        (
            {"parameters": [SLOT]},
            {},
            "parameter query slot: only in the contract",
        ),
        (
            {"parameters": [SLOT]},
            {"parameters": [{**SLOT, "required": True}]},
            "parameter query slot: optional integer in the contract, "
            "required integer on the server",
        ),
        (
            {"parameters": [{**SLOT, "schema": {"type": "boolean", "default": True}}]},
            {"parameters": [{**SLOT, "schema": {"type": "boolean"}}]},
            "parameter query slot: optional boolean, default True in the contract, "
            "optional boolean on the server",
        ),
        (
            {"requestBody": {"required": True, **body(lamp())}},
            {"requestBody": body(lamp())},
            "request body: required in the contract, optional on the server",
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
            {"responses": {"200": body(lamp(glow=WORDS))}},
            {"responses": {"200": body(lamp(glow=TEXT))}},
            "status 200.glow: optional string(off, on) in the contract, "
            "optional string on the server",
        ),
    ],
)
def test_part_of_an_operation_that_differs_is_seen(
    ours: dict[str, Any], theirs: dict[str, Any], difference: str
) -> None:
    found = list(drift.compare_documents(document(**ours), document(**theirs)))
    assert f"document GET /lamp {difference}" in found


def test_operation_of_one_document_is_seen() -> None:
    found = list(drift.compare_documents(Node({}), document()))
    assert found == ["document GET /lamp: only on the server"]


def test_parameter_of_a_path_counts_for_its_operations() -> None:
    on_path = Node({"paths": {"/lamp": {"parameters": [SLOT], "get": {"responses": {"200": {}}}}}})
    assert list(drift.compare_documents(on_path, document(parameters=[SLOT]))) == []


def test_body_about_which_the_server_is_silent_is_no_difference() -> None:
    answered = document(responses={"200": body(lamp())})
    assert list(drift.compare_documents(answered, document())) == []


def test_documents_that_say_the_same_in_other_words_do_not_differ() -> None:
    contract = components(HandlerData=lamp(glow={"anyOf": [WORDS, {"type": "null"}]}))
    server = components(Handler=lamp(glow={**WORDS, "nullable": True}))
    assert list(drift.compare_documents(contract, server)) == []


@pytest.mark.parametrize(
    ("model", "difference"),
    [
        (lamp(), "glow: only in the contract"),
        (lamp(glow=WORDS, size=TEXT), "size: only on the server"),
        (
            lamp(glow=TEXT),
            "glow: optional string(off, on) in the contract, optional string on the server",
        ),
        (
            lamp(glow={"type": "string", "enum": ["on"]}),
            "glow: optional string(off, on) in the contract, optional string(on) on the server",
        ),
        (
            lamp(glow={"anyOf": [WORDS, {"type": "null"}]}),
            "glow: optional string(off, on) in the contract, "
            "optional null | string(off, on) on the server",
        ),
        (
            {**lamp(glow=WORDS), "required": ["id", "glow"]},
            "glow: optional string(off, on) in the contract, "
            "required string(off, on) on the server",
        ),
    ],
)
def test_field_of_a_model_that_differs_is_seen(model: dict[str, Any], difference: str) -> None:
    contract = components(Lamp=lamp(glow=WORDS))
    assert list(drift.compare_models(contract, {"Lamp": model})) == [f"model Lamp.{difference}"]


def test_field_that_leads_to_another_model_is_seen() -> None:
    contract = components(Lamp=lamp(fits={"$ref": "#/components/schemas/Socket"}), Socket=lamp())
    defs = {"Plug": lamp()}
    model = {"$defs": defs, **lamp(fits={"$ref": "#/$defs/Plug"})}
    assert list(drift.compare_models(contract, {"Lamp": model})) == [
        "model Lamp.fits: optional Socket in the contract, optional Plug on the server"
    ]


def test_word_that_a_model_knows_among_others_counts_as_named() -> None:
    contract = components(Lamp=lamp(glow=WORDS))
    model = lamp(glow={"anyOf": [WORDS, TEXT]})
    assert list(drift.compare_models(contract, {"Lamp": model})) == []


def test_model_that_the_contract_does_not_name_is_seen() -> None:
    found = list(drift.compare_models(components(), {"Lamp": lamp()}))
    assert found == ["model Lamp: only on the server"]


def test_field_that_only_the_store_has_is_seen() -> None:
    contract = components(HandlerData=lamp())
    found = list(drift.compare_store(contract, lamp(idle=TEXT)))
    assert found == ["store HandlerData.idle: only on the server"]


def test_difference_is_explained_unexplained_or_stale() -> None:
    verdict = drift.judge(["known", "new"], [Group(reason="seen", differences=["known", "gone"])])
    assert verdict == drift.Verdict(unexplained=["new"], stale=["gone"])


def test_baseline_group_without_a_reason_is_refused() -> None:
    with pytest.raises(ValueError, match="no reason is given for known"):
        drift.read_baseline("- {reason: ' ', differences: [known]}")


def test_difference_with_two_reasons_is_refused() -> None:
    with pytest.raises(ValueError, match="named twice: known"):
        drift.read_baseline(
            "- {reason: a, differences: [known]}\n- {reason: b, differences: [known]}"
        )


@pytest.mark.parametrize(
    ("occurring", "printed"),
    [
        (["known", "new"], "does not explain:\n  new\n"),
        ([], "no longer occur:\n  known\n"),
    ],
)
def test_unexplained_and_stale_differences_fail_the_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    occurring: list[str],
    printed: str,
) -> None:
    (tmp_path / "generator").mkdir()
    (tmp_path / drift.CONTRACT).write_text("openapi: 3.1.0")
    (tmp_path / drift.BASELINE).write_text("- {reason: seen, differences: [known]}")
    monkeypatch.setattr(drift, "observe", lambda contract: occurring)
    assert main(["drift"], tmp_path) == 1
    assert printed in capsys.readouterr().out


def test_installed_server_is_as_the_contract_and_the_baseline_say(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["drift"], ROOT) == 0, capsys.readouterr().out
