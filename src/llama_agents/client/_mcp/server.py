"""The MCP server: what a host asks for, and what it gets. The only importer of ``mcp``.

It speaks both eras of the protocol. Until 2025-11-25, a question is a request of this server to the
host, while the call is under way. Since 2026-07-28, a call that needs an answer returns, with its
state, and the host repeats it with the answer: the state is the token that stands for the run.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping
from importlib.metadata import version
from typing import Any, Final
from uuid import uuid4

import anyio
from mcp import MCPError, types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from .._graphs import own_description
from .._text import json_text, one_line, plain
from ..client import WorkflowClient
from ..errors import InvalidResponseError, NotFoundError, ServerError
from .call import Call, CallError, Completed, Elicit, Outcome, Read, Waiting
from .questions import NoAnswerError, Question
from .results import ResultError
from .tokens import Seal
from .tools import (
    ANY_OBJECT,
    MAX_SCHEMA,
    InputSchemaError,
    Tool,
    answer_name,
    describe,
    read_input_schema,
    tool_names,
)

LOG: Final = logging.getLogger("llama_agents.client.mcp")
NAME: Final = "llama-agents-client"
RUN_META: Final = f"{NAME}/run"  # ID of the run, in the metadata of a result
TOKEN_META: Final = f"{NAME}/token"
REQUEST: Final = "answer"  # the key of a question, in results that ask
PARALLEL: Final = 8  # workflows that are described at the same time

Context = Any  # of a request: mcp does not export the type of its parameters

_ANSWER_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "token": {"type": "string", "description": "The token of the question, unchanged."},
        "answer": {
            "type": "object",
            "description": "The fields of the answer, as the question describes them.",
        },
        "type": {
            "type": "string",
            "description": "The class of the answer, if the question names more than one.",
        },
    },
    "required": ["token", "answer"],
}


class WorkflowTools:
    """Offers the workflows of a server as MCP tools.

    Args:
        client: The client of the server.
        seal: Signs and verifies the tokens of waiting runs.
        explain: Says what an exception means, without secrets.
        workflows: Names of the workflows to offer; all if there are none.
    """

    def __init__(
        self,
        client: WorkflowClient,
        seal: Seal,
        explain: Callable[[Exception], str],
        workflows: Collection[str] = (),
    ) -> None:
        self._client = client
        self._seal = seal
        self._explain = explain
        self._selected = frozenset(workflows)
        self._names: dict[str, str] = {}  # as last listed
        self._answered: set[tuple[str, str, int]] = set()
        self._server: Server[Any] = Server(
            NAME,
            version=version(NAME),
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
        )

    async def serve(self) -> int:
        """Speak MCP over stdin and stdout until the host closes them.

        Returns:
            0. After a signal, or when nobody reads stdout, the process ends with another status.
        """
        status = 141  # stdout is closed
        async with stdio_server() as (read, write):
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:

                    async def end_on_signal() -> None:
                        nonlocal status
                        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                            async for number in signals:
                                status = 128 + number
                                scope.cancel()

                    if sys.platform != "win32":
                        tasks.start_soon(end_on_signal)
                    options = self._server.create_initialization_options()
                    try:
                        await self._server.run(read, write, options)
                    except anyio.get_cancelled_exc_class():
                        # The runs of calls have been cancelled. A thread waits for a line of stdin,
                        # which nothing can interrupt.
                        os._exit(status)
                    tasks.cancel_scope.cancel()
        return 0

    # ------------------------------------------------------------------------ tools

    async def _list_tools(self, context: Context, params: Any) -> types.ListToolsResult:
        try:
            names = await self._list_names()
            tools = await self._describe(names)
        except Exception as error:
            LOG.debug("the tools cannot be listed", exc_info=True)
            raise MCPError(types.INTERNAL_ERROR, self._explain(error)) from error
        listed = [
            types.Tool(
                name=tool.name,
                title=tool.title,
                description=tool.description,
                input_schema=dict(tool.input_schema),
            )
            for tool in tools
        ]
        answer = types.Tool(
            name=answer_name(names),
            title="Answer a question of a workflow",
            description=(
                "Answers a question that a workflow has asked instead of returning its result, "
                "and returns what becomes of the workflow then. The answer is that of the user: "
                "ask them, unless they have told you already."
            ),
            input_schema=dict(_ANSWER_SCHEMA),
        )
        return types.ListToolsResult(tools=[*listed, answer])

    async def _list_names(self) -> dict[str, str]:
        found = (await self._client.list_workflows()).workflows
        if self._selected:
            for name in self._selected.difference(found):
                LOG.warning("the server has no workflow %s", one_line(name, 80))
            found = [name for name in found if name in self._selected]
        self._names = tool_names(found)
        return self._names

    async def _describe(self, names: Mapping[str, str]) -> list[Tool]:
        """Return the tools, in the order of their names."""
        tools: dict[str, Tool] = {}
        limiter = anyio.CapacityLimiter(PARALLEL)
        failures: list[Exception] = []

        async def describe_one(name: str, workflow: str) -> None:
            async with limiter:
                try:
                    tool = await self._tool(name, workflow)
                    if tool is not None:
                        tools[name] = tool
                except Exception as error:  # the group would wrap it
                    failures.append(error)

        async with anyio.create_task_group() as tasks:
            for name, workflow in names.items():
                tasks.start_soon(describe_one, name, workflow)
        if failures:
            raise failures[0]
        return [tools[name] for name in sorted(tools)]

    async def _tool(self, name: str, workflow: str) -> Tool | None:
        """Return a workflow as a tool; None if it cannot be one."""
        description, schema, shown = None, ANY_OBJECT, one_line(workflow, 80)
        try:
            description = own_description((await self._client.get_workflow_graph(workflow)).graph)
            declared = (await self._client.get_workflow_schema(workflow)).start
            schema = read_input_schema(declared)
        except NotFoundError:
            return None  # it has gone meanwhile
        except (InputSchemaError, InvalidResponseError, ServerError) as error:
            if isinstance(error, ServerError) and error.status_code != 500:
                raise  # of a gateway, not of a schema that the server cannot write
            LOG.warning("workflow %s takes any fields: %s", shown, self._explain(error))
        except ValueError as error:  # nothing was sent
            LOG.warning("workflow %s is left out: %s", shown, self._explain(error))
            return None
        return Tool(name, shown, describe(description), schema)

    # ------------------------------------------------------------------------ calls

    async def _call_tool(
        self, context: Context, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        handler_id = uuid4().hex
        try:
            if params.name not in self._names:
                await self._list_names()
            outcome = await self._outcome(context, params, handler_id)
        except (CallError, ResultError) as error:
            return _error(str(error))
        except MCPError:
            raise
        except Exception as error:
            LOG.debug("a call failed", exc_info=True)
            return _error(self._explain(error))
        if isinstance(outcome, Completed):
            return types.CallToolResult(
                content=[types.TextContent(text=outcome.content.text)],
                structured_content=outcome.content.structured,
                _meta={RUN_META: outcome.handler_id},
            )
        if _can_ask(context) and not context.session.can_send_request and not outcome.is_refused:
            return _ask_and_repeat(outcome)
        return types.CallToolResult(
            content=[types.TextContent(text=self._waiting_text(outcome))],
            _meta={RUN_META: outcome.handler_id, TOKEN_META: outcome.token},
        )

    async def _outcome(
        self, context: Context, params: types.CallToolRequestParams, handler_id: str
    ) -> Outcome:
        call = Call(
            self._client,
            self._seal,
            self._answered,
            report=_reporter(context),
            elicit=_elicitor(context) if _can_ask(context) else None,
        )
        arguments = params.arguments or {}
        if params.request_state is not None:
            reply = (params.input_responses or {}).get(REQUEST)
            return await call.answer(params.request_state, _read_reply(reply))
        if params.name in self._names:
            return await call.start(self._names[params.name], arguments, handler_id)
        if params.name != answer_name(self._names):
            raise MCPError(types.INVALID_PARAMS, f"unknown tool {one_line(params.name, 80)!r}")
        match arguments:
            case {"token": str(token), "answer": dict(answer)}:
                name = arguments.get("type")
                return await call.answer(token, lambda question: question.read(name, answer))
        raise CallError("Pass the token of the question as 'token', and an object as 'answer'.")

    def _waiting_text(self, outcome: Waiting) -> str:
        """Return what a model reads of a run that waits."""
        question = outcome.question
        name, run = answer_name(self._names), one_line(outcome.handler_id, 80)
        parts = [
            f"The workflow {one_line(question.workflow, 80)} has not completed: it asks a "
            f"question, and waits for the answer. (Run {run})",
            f"Question:\n{question.text}",
            f"To answer, call the tool {name} with this token, unchanged, and the fields of the "
            "answer. The answer is the user's: ask them, unless they have told you already.",
            f"token: {outcome.token}",
            _answer_text(question),
        ]
        if outcome.problem:
            parts.insert(1, f"There is no answer yet: {outcome.problem}")
        return "\n\n".join(parts)


def _answer_text(question: Question) -> str:
    match len(question.answers):
        case 0:
            return "type: the name of the event class that answers; its fields: answer"
        case 1:
            begin = "JSON schema of answer"
        case _:
            begin = "JSON schemas of answer, by type"
    return f"{begin}: {plain(json_text(question.schema), MAX_SCHEMA)}"


def _error(text: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=text)], is_error=True)


def _can_ask(context: Context) -> bool:
    """Return whether the host can show a form to a person."""
    capabilities = context.session.client_capabilities
    elicitation = None if capabilities is None else capabilities.elicitation
    if elicitation is None:
        return False
    return elicitation.form is not None or elicitation.url is None  # without modes, it is forms


def _reporter(context: Context) -> Callable[[int, str], Awaitable[None]]:
    async def report(number: int, text: str) -> None:
        await context.session.report_progress(number, None, text)

    return report


def _elicitor(context: Context) -> Elicit | None:
    if not context.session.can_send_request:
        return None

    async def elicit(text: str, form: dict[str, Any]) -> Read:
        try:
            reply = await context.session.elicit_form(
                text, form, related_request_id=context.request_id
            )
        except MCPError as error:
            LOG.info("the host has not asked: %s", one_line(str(error)))
            raise NoAnswerError("the host could not ask") from error
        return _read_reply(reply)

    return elicit


def _read_reply(reply: Any) -> Read:
    """Return what reads an answer from the reply to a form."""

    def read(question: Question) -> dict[str, Any]:
        match reply:
            case types.ElicitResult(action="accept"):
                return question.read_form(reply.content or {})
            case types.ElicitResult(action="decline"):
                raise NoAnswerError("the user has declined to answer")
        raise NoAnswerError("the user has dismissed the question")

    return read


def _ask_and_repeat(outcome: Waiting) -> types.InputRequiredResult:
    """Return what has the host ask, and repeat the call with the answer."""
    question = outcome.question
    params = types.ElicitRequestFormParams(
        message=question.message(outcome.problem), requested_schema=question.form
    )
    return types.InputRequiredResult(
        input_requests={REQUEST: types.ElicitRequest(params=params)},
        request_state=outcome.token,
        _meta={RUN_META: outcome.handler_id},
    )
