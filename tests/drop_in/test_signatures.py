"""Signatures of 0.4.1 keep working, and the async and sync clients have the same API."""

from __future__ import annotations

import inspect
from typing import Any, Final

import pytest
from llama_agents.client import (
    EventEnvelopeWithMetadata,
    EventStream,
    HandlerData,
    SyncEventStream,
    SyncWorkflowClient,
    SyncWorkflowRun,
    WorkflowClient,
    WorkflowRun,
)
from llama_agents.client.protocol.serializable_events import EventEnvelope

from generator.unasync import RULES, translate

# The signatures of 0.4.1, in which only `validate` is new.
START: Final = (
    "(self, workflow_name, handler_id=None, start_event=None, context=None, *, validate=False)"
)
PUBLISHED: Final = {
    "is_healthy": "(self)",
    "list_workflows": "(self)",
    "get_workflow_schema": "(self, workflow_name)",
    "get_workflow_events_schema": "(self, workflow_name)",
    "get_workflow_graph": "(self, workflow_name)",
    "run_workflow": START,
    "run_workflow_nowait": START,
    "get_workflow_events": "(self, handler_id, include_internal_events=False, after_sequence=-1, "
    "max_reconnect_attempts=3)",
    "send_event": "(self, handler_id, event, step=None)",
    "get_result": "(self, handler_id)",
    "get_handlers": "(self, status=None, workflow_name=None)",
    "get_handler": "(self, handler_id)",
    "wait_for_handler": "(self, handler_id, *, timeout=None, poll_interval=0.5, "
    "max_poll_interval=5.0, backoff='linear')",
    "cancel_handler": "(self, handler_id, purge=False)",
}
CLIENTS: Final = [WorkflowClient, SyncWorkflowClient]


def signature(function: Any) -> str:
    """The signature without annotations."""
    full = inspect.signature(function)
    bare = [parameter.replace(annotation=full.empty) for parameter in full.parameters.values()]
    return str(full.replace(parameters=bare, return_annotation=full.empty))


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("method", PUBLISHED)
def test_method_accepts_the_published_arguments(client: type, method: str) -> None:
    assert signature(getattr(client, method)) == PUBLISHED[method]


@pytest.mark.parametrize("method", PUBLISHED)
def test_method_is_a_coroutine_where_the_published_one_is(method: str) -> None:
    is_coroutine = inspect.iscoroutinefunction(getattr(WorkflowClient, method))
    assert is_coroutine is (method != "get_workflow_events")
    assert not inspect.iscoroutinefunction(getattr(SyncWorkflowClient, method))


@pytest.mark.parametrize("argument", ["base_url", "httpx_client"])
def test_constructor_accepts_the_published_arguments(argument: str) -> None:
    parameter = inspect.signature(WorkflowClient).parameters[argument]
    assert parameter.kind is parameter.KEYWORD_ONLY
    assert parameter.default is None


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (
            EventEnvelopeWithMetadata.load_event,
            "(self, registry=(), serializer=None, *, allow_import=True)",
        ),
        (EventEnvelopeWithMetadata.from_event, "(event, include_qualified_name=True)"),
        (EventEnvelope.from_event, "(event)"),
        (
            EventEnvelope.parse,
            "(client_data, registry=None, explicit_event=None, serializer=None)",
        ),
    ],
)
def test_envelope_method_accepts_the_published_arguments(function: Any, expected: str) -> None:
    assert signature(function) == expected


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
def test_model_has_the_published_fields_in_order(model: Any, fields: str) -> None:
    assert [*model.model_fields] == fields.split()


VARIANTS: Final = [
    (WorkflowClient, SyncWorkflowClient),
    (EventStream, SyncEventStream),
    (WorkflowRun, SyncWorkflowRun),
]
TRANSLATED: Final = {
    "aclose": "close",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
}


def public_members(variant: type) -> dict[str, Any]:
    """The public members of a class and its protocol methods, under their sync names."""
    protocol = {*TRANSLATED, *TRANSLATED.values()}
    return {
        TRANSLATED.get(name, name): value
        for name, value in vars(variant).items()
        if not name.startswith("_") or name in protocol
    }


def words(text: str | None) -> list[str]:
    return (text or "").split()


def translated(text: str | None) -> list[str]:
    return words(translate(text or "", RULES, set()))


@pytest.mark.parametrize(("asynchronous", "synchronous"), VARIANTS)
def test_variants_have_the_same_members_signatures_and_docstrings(
    asynchronous: type, synchronous: type
) -> None:
    members, twins = public_members(asynchronous), public_members(synchronous)
    assert members.keys() == twins.keys()
    assert len(members) >= 5
    assert translated(asynchronous.__doc__) == words(synchronous.__doc__)
    for name, member in members.items():
        twin = twins[name]
        assert translated(member.__doc__) == words(twin.__doc__), name
        if callable(member):
            ours, theirs = str(inspect.signature(member)), str(inspect.signature(twin))
            assert translated(ours) == words(theirs), name


@pytest.mark.parametrize("variant", [*VARIANTS[0], *VARIANTS[1], *VARIANTS[2]])
def test_public_method_documents_every_parameter(variant: type) -> None:
    for name, member in public_members(variant).items():
        if not name.startswith("_"):
            documentation = inspect.getdoc(member) or ""
            assert documentation, name
            if callable(member):
                for parameter in [*inspect.signature(member).parameters][1:]:
                    assert f"    {parameter}: " in documentation, (name, parameter)
