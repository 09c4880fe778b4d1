"""Each form of event: the server, the built class, the generated source and validation agree."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from llama_agents.client import (
    EventEnvelopeWithMetadata,
    EventValidationError,
    StatusError,
    SyncWorkflowClient,
)
from llama_agents.client._events.source import write_source
from llama_agents.client.testing import serve
from pydantic import ValidationError

from ..support.zoo import ZOO, echo_workflow

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydantic's, as on the server


@pytest.fixture(scope="module")
def client() -> Iterator[SyncWorkflowClient]:
    workflows = {name: echo_workflow(exhibit.event) for name, exhibit in ZOO.items()}
    with serve(workflows) as url, SyncWorkflowClient(base_url=url) as client:
        yield client


def run(client: SyncWorkflowClient, name: str, start: Any, **options: Any) -> dict[str, Any]:
    """Run a workflow; return its start event, as the server wrote it."""
    result = client.run_workflow(name, None, start, **options).result
    assert result is not None
    return dict(result["result"])


def test_zoo_is_large() -> None:
    assert len(ZOO) >= 60


@pytest.mark.parametrize("name", ZOO)
def test_validation_agrees_with_the_server(client: SyncWorkflowClient, name: str) -> None:
    exhibit = ZOO[name]
    for fields in (*exhibit.accepted, *exhibit.beyond):
        assert run(client, name, fields, validate=True) == run(client, name, fields)
    for fields in (*exhibit.rejected, *exhibit.hidden, *exhibit.lenient):
        with pytest.raises(StatusError, match="400"):
            client.run_workflow(name, None, fields)
    for fields in (*exhibit.rejected, *exhibit.lenient):
        with pytest.raises(EventValidationError):
            client.run_workflow(name, None, fields, validate=True)
    for fields in exhibit.hidden:
        with pytest.raises(StatusError, match="400"):
            client.run_workflow(name, None, fields, validate=True)


@pytest.mark.parametrize("name", ZOO)
def test_classes_say_the_same_as_the_server_s(client: SyncWorkflowClient, name: str) -> None:
    exhibit = ZOO[name]
    types = client.get_event_types(name)
    assert not types.omitted
    module = sys.modules["zoo_events"] = ModuleType("zoo_events")
    exec(write_source(types, ""), vars(module))
    try:
        for fields in exhibit.accepted:
            written = run(client, name, fields)
            for event_class in (types[name], vars(module)[name]):
                assert run(client, name, event_class(**fields)) == written
                envelope = EventEnvelopeWithMetadata(value=written, type=name)
                event = envelope.load_event([event_class])
                assert type(event) is event_class
                if not exhibit.is_one_way:
                    assert run(client, name, event) == written
        for event_class in (types[name], vars(module)[name]):
            for fields in (*exhibit.hidden, *exhibit.lenient):
                event_class(**fields)
            for fields in (*exhibit.rejected, *exhibit.beyond):
                with pytest.raises(ValidationError):
                    event_class(**fields)
    finally:
        del sys.modules["zoo_events"]
