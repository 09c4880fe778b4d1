"""A host, as programs that speak MCP have one: the client of the `mcp` package over real stdio."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import attrs
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client, StdioServerParameters, types
from mcp.client.stdio import stdio_client

COMMAND: Final = ("-m", "llama_agents.client", "mcp")
Form = Callable[[str, dict[str, Any]], types.ElicitResult]


def accept(**content: Any) -> types.ElicitResult:
    return types.ElicitResult(action="accept", content=content)


def environment(folder: Path, *, is_measured: bool = False, **variables: str) -> dict[str, str]:
    """The environment of a process whose key is kept in a folder.

    Only a few processes measure their coverage: they take five times as long to start.
    """
    dropped = ("LLAMA_AGENTS_",) if is_measured else ("LLAMA_AGENTS_", "COVERAGE_")
    kept = {n: v for n, v in os.environ.items() if not n.startswith(dropped)}
    return {**kept, "XDG_STATE_HOME": str(folder), "LOCALAPPDATA": str(folder), **variables}


@attrs.define
class Host:
    """A host that has started the command.

    Attributes:
        form: Fills in a form.
        asked: The texts and schemas of the forms.
        progress: The progress notifications of calls.
        log: What the command writes to stderr.
    """

    _client: Client
    _portal: BlockingPortal
    log: Path
    form: Form | None = None
    asked: list[tuple[str, dict[str, Any]]] = attrs.field(factory=list)
    progress: list[tuple[float, str | None]] = attrs.field(factory=list)

    def tools(self) -> dict[str, types.Tool]:
        listed = self._portal.call(lambda: self._client.list_tools(cache_mode="bypass"))
        names = [tool.name for tool in listed.tools]
        assert len(names) == len(set(names))
        return {tool.name: tool for tool in listed.tools}

    def call(self, tool: str, /, **arguments: Any) -> types.CallToolResult:
        return self.begin(tool, **arguments).result(120)

    def begin(self, tool: str, /, **arguments: Any) -> Future[types.CallToolResult]:
        """Call a tool in the background; cancelling the future cancels the call."""

        async def progress(number: float, total: float | None, text: str | None) -> None:
            assert total is None
            self.progress.append((number, text))

        async def call() -> types.CallToolResult:
            return await self._client.call_tool(tool, arguments, progress_callback=progress)

        return self._portal.start_task_soon(call)

    def answer(self, result: types.CallToolResult, **answer: Any) -> types.CallToolResult:
        """Answer the question in a result, as a model does that has read it."""
        name, token = read_question(result)
        return self.call(name, token=token, answer=answer)


def text_of(result: types.CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, types.TextContent)
    return content.text


def read_question(result: types.CallToolResult) -> tuple[str, str]:
    """The tool and the token that a result says to answer with."""
    assert not result.is_error
    text = text_of(result)
    name = text.partition("call the tool ")[2].split()[0]
    token = text.partition("\ntoken: ")[2].split()[0]
    assert result.meta is not None
    assert result.meta["llama-agents-client/token"] == token
    return name, token


@contextmanager
def host(
    url: str | None,
    folder: Path,
    *options: str,
    mode: Literal["auto", "legacy"] = "auto",
    has_forms: bool = False,
    variables: Mapping[str, str] | None = None,
    command: Sequence[str] = COMMAND,
    is_measured: bool = False,
) -> Iterator[Host]:
    """Start the command as a host does."""
    found: list[Host] = []

    async def elicit(context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
        (one,) = found
        assert isinstance(params, types.ElicitRequestFormParams)
        one.asked.append((params.message, params.requested_schema))
        assert one.form is not None
        return one.form(params.message, params.requested_schema)

    log = folder / "stderr"
    process = StdioServerParameters(
        command=sys.executable,
        args=[*command, *(("--url", url) if url else ()), *options],
        env=environment(folder, is_measured=is_measured, **(variables or {})),
    )
    with log.open("w") as errors, start_blocking_portal() as portal:
        client = Client(
            stdio_client(process, errors),
            mode=mode,
            elicitation_callback=elicit if has_forms else None,
        )
        with portal.wrap_async_context_manager(client):
            found.append(Host(client, portal, log))
            yield found[0]
