"""What llama-agents-client 0.4.1 can be called with, ours can; and the two faces are one API."""

from __future__ import annotations

import inspect
import re
from typing import Any, Final

import pytest
from llama_agents.client import (
    EventEnvelopeWithMetadata,
    EventStream,
    HandlerData,
    SyncEventStream,
    SyncWorkflowClient,
    WorkflowClient,
)
from llama_agents.client.protocol.serializable_events import EventEnvelope

from generator.unasync import RULES, translate

# name -> parameters as they may be given by position, then those by keyword only, with defaults
NONE: Final = (None,)
PUBLISHED: Final[dict[str, tuple[dict[str, tuple[Any, ...]], dict[str, tuple[Any, ...]]]]] = {
    "is_healthy": ({}, {}),
    "list_workflows": ({}, {}),
    "get_workflow_schema": ({"workflow_name": ()}, {}),
    "get_workflow_events_schema": ({"workflow_name": ()}, {}),
    "get_workflow_graph": ({"workflow_name": ()}, {}),
    "run_workflow": (
        {"workflow_name": (), "handler_id": NONE, "start_event": NONE, "context": NONE},
        {},
    ),
    "run_workflow_nowait": (
        {"workflow_name": (), "handler_id": NONE, "start_event": NONE, "context": NONE},
        {},
    ),
    "get_workflow_events": (
        {
            "handler_id": (),
            "include_internal_events": (False,),
            "after_sequence": (-1,),
            "max_reconnect_attempts": (3,),
        },
        {},
    ),
    "send_event": ({"handler_id": (), "event": (), "step": NONE}, {}),
    "get_result": ({"handler_id": ()}, {}),
    "get_handlers": ({"status": NONE, "workflow_name": NONE}, {}),
    "get_handler": ({"handler_id": ()}, {}),
    "wait_for_handler": (
        {"handler_id": ()},
        {
            "timeout": NONE,
            "poll_interval": (0.5,),
            "max_poll_interval": (5.0,),
            "backoff": ("linear",),
        },
    ),
    "cancel_handler": ({"handler_id": (), "purge": (False,)}, {}),
}

# what ours take besides, by keyword only
ADDED: Final = {name: {"validate": (False,)} for name in ("run_workflow", "run_workflow_nowait")}


def shape(function: Any) -> tuple[dict[str, tuple[Any, ...]], dict[str, tuple[Any, ...]]]:
    """The parameters of a method, as the table above has them."""
    by_kind: dict[bool, dict[str, tuple[Any, ...]]] = {True: {}, False: {}}
    for parameter in [*inspect.signature(function).parameters.values()][1:]:
        default = () if parameter.default is parameter.empty else (parameter.default,)
        by_kind[parameter.kind is parameter.POSITIONAL_OR_KEYWORD][parameter.name] = default
    return by_kind[True], by_kind[False]


@pytest.mark.parametrize("face", [WorkflowClient, SyncWorkflowClient])
@pytest.mark.parametrize("method", PUBLISHED)
def test_method_takes_what_the_published_one_takes(face: type, method: str) -> None:
    by_position, by_keyword = PUBLISHED[method]
    added = ADDED.get(method, {})
    assert shape(getattr(face, method)) == (by_position, {**by_keyword, **added})


@pytest.mark.parametrize("method", PUBLISHED)
def test_asynchronous_methods_are_those_of_the_published_client(method: str) -> None:
    asynchronous = inspect.iscoroutinefunction(getattr(WorkflowClient, method))
    assert asynchronous is (method != "get_workflow_events")
    assert not inspect.iscoroutinefunction(getattr(SyncWorkflowClient, method))


@pytest.mark.parametrize("argument", ["base_url", "httpx_client"])
def test_client_is_made_of_the_same_arguments(argument: str) -> None:
    parameter = inspect.signature(WorkflowClient).parameters[argument]
    assert parameter.kind is parameter.KEYWORD_ONLY
    assert parameter.default is None


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (EventEnvelopeWithMetadata.load_event, ["self", "registry", "serializer"]),
        (EventEnvelopeWithMetadata.from_event, ["event", "include_qualified_name"]),
        (EventEnvelope.from_event, ["event"]),
        (EventEnvelope.parse, ["client_data", "registry", "explicit_event", "serializer"]),
    ],
)
def test_envelope_methods_take_the_same_arguments_in_order(
    function: Any, parameters: list[str]
) -> None:
    assert [*inspect.signature(function).parameters][: len(parameters)] == parameters


def test_added_parameters_of_the_envelopes_are_optional() -> None:
    added = [*inspect.signature(EventEnvelopeWithMetadata.load_event).parameters.values()][3:]
    assert [parameter.name for parameter in added] == ["allow_import"]
    assert all(parameter.kind is parameter.KEYWORD_ONLY for parameter in added)
    defaults = inspect.signature(EventEnvelopeWithMetadata.from_event).parameters
    assert defaults["include_qualified_name"].default is True


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (
            HandlerData,
            "handler_id workflow_name run_id error result result_unreadable status started_at "
            "updated_at completed_at",
        ),
        (EventEnvelopeWithMetadata, "value qualified_name type types"),
        (EventEnvelope, "value type qualified_name"),
    ],
)
def test_models_have_the_same_fields_in_order(model: Any, fields: str) -> None:
    assert [*model.model_fields] == fields.split()


# ------------------------------------------------------------------- two faces

FACES: Final = [(WorkflowClient, SyncWorkflowClient), (EventStream, SyncEventStream)]
TRANSLATED: Final = {
    "aclose": "close",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
}


def public(face: type) -> dict[str, Any]:
    """The public members of a class, magic methods of protocols included."""
    return {
        name: value
        for name, value in vars(face).items()
        if not name.startswith("_") or name in TRANSLATED or name in TRANSLATED.values()
    }


def in_sync(text: str) -> str:
    return re.sub(r"\s+", " ", translate(text, RULES, set()))


@pytest.mark.parametrize(("asynchronous", "synchronous"), FACES)
def test_faces_have_the_same_members(asynchronous: type, synchronous: type) -> None:
    names = {TRANSLATED.get(name, name) for name in public(asynchronous)}
    assert names == set(public(synchronous))
    assert len(names) >= 5


@pytest.mark.parametrize(("asynchronous", "synchronous"), FACES)
def test_faces_have_the_same_signatures_and_docstrings(
    asynchronous: type, synchronous: type
) -> None:
    assert in_sync(asynchronous.__doc__ or "") == re.sub(r"\s+", " ", synchronous.__doc__ or "")
    for name, member in public(asynchronous).items():
        twin = vars(synchronous)[TRANSLATED.get(name, name)]
        assert in_sync(member.__doc__ or "") == re.sub(r"\s+", " ", twin.__doc__ or ""), name
        if callable(member):
            ours, theirs = str(inspect.signature(member)), str(inspect.signature(twin))
            assert in_sync(ours) == theirs, name


@pytest.mark.parametrize("face", [*FACES[0], *FACES[1]])
def test_every_public_method_is_documented(face: type) -> None:
    for name, member in public(face).items():
        if not name.startswith("_"):
            documentation = inspect.getdoc(member) or ""
            assert documentation, name
            if callable(member):
                for parameter in [*inspect.signature(member).parameters][1:]:
                    assert f"    {parameter}: " in documentation, (name, parameter)
