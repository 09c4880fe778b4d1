"""Lending workflow objects to one server after another.

The framework binds a workflow object to the server that it is added to: to its name there, to the
server's runtime, and, once that has been launched, for good. A lent workflow is afterwards what it
was before, so that an object made by a module can be served by any number of tests.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from .._lazy_types import Workflow, WorkflowServer

_lent: Final[dict[int, object]] = {}  # by the id of a workflow or server, the claim to it
_served_before: Final[weakref.WeakSet[Any]] = weakref.WeakSet()  # configured servers


@contextmanager
def lend(server: WorkflowServer, workflows: Mapping[str, Workflow]) -> Iterator[None]:
    """Lend workflows to a server. Those that it was configured with are lent to it, too.

    Raises:
        TypeError: A name is not a string, or a value is not a workflow.
        RuntimeError: The server or a workflow is being served, or a workflow has two names.
    """
    from workflows import Workflow  # slow to import

    with ExitStack() as stack:
        stack.enter_context(_claim(server, "this server is"))
        if server in _served_before:
            # Runs that were cancelled while they waited for a turn keep its semaphore, which is
            # bound to the event loop of that time, in a reference cycle.
            gc.collect()
        _served_before.add(server)
        extra = server.additional_events
        for name, workflow in workflows.items():
            if not isinstance(name, str):
                raise TypeError(f"the name of a workflow must be a string, not {name!r}")
            if not isinstance(workflow, Workflow):
                raise TypeError(f"{name!r} must be a Workflow instance, not {workflow!r}")
            stack.enter_context(_claim(workflow, f"the workflow object {name!r} is"))
            stack.enter_context(_unbound(workflow))
            server.add_workflow(name, workflow, list(extra[name]) if name in extra else None)
        yield


@contextmanager
def _claim(owned: object, subject: str) -> Iterator[None]:
    claim = object()
    # One step: tests may run in threads.
    if _lent.setdefault(id(owned), claim) is not claim:
        raise RuntimeError(f"{subject} already being served, perhaps under another name")
    try:
        yield
    finally:
        del _lent[id(owned)]


@contextmanager
def _unbound(workflow: Any) -> Iterator[None]:
    """Let a workflow be added to a server, and undo that at the end."""
    from workflows.plugins.basic import BasicRuntime
    from workflows.runtime.verbose import VerboseDecorator

    name, runtime, locked = workflow._workflow_name, workflow._runtime, workflow._runtime_locked
    resources = dict(workflow._resource_manager.resources)
    # Locked also by a run without any server. Another server may still be running.
    if isinstance(runtime, (BasicRuntime, VerboseDecorator)):
        workflow._runtime_locked = False
    try:
        yield
    finally:
        workflow._runtime_locked = False
        workflow._workflow_name = name
        workflow._switch_runtime(runtime)
        workflow._runtime_locked = locked
        # What steps created, such as an HTTP client, belongs to the event loop of this server.
        workflow._resource_manager.resources = resources
