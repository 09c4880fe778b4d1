"""Workflows as tools, called as the frameworks call them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import ToolCall
from langchain_core.tools import StructuredTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from llama_agents.client.testing import serve
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock
from llama_index.core.llms import MockFunctionCallingLLM
from llama_index.core.tools import FunctionTool
from pydantic import Field
from workflows import Workflow, step
from workflows.events import StartEvent, StopEvent

from .apps import load

FAILURE = "Workflow 'search' failed"
FOUND = {"found": "Emma in ['books']"}


class SearchStart(StartEvent):
    query: str
    shelves: list[str] = Field(default_factory=lambda: ["books"])  # not in the schema


class Found(StopEvent):
    found: str


class Search(Workflow):
    """Searches the library."""

    @step
    async def search(self, ev: SearchStart) -> Found:
        if not ev.query:
            raise ValueError("nothing to search for")
        return Found(found=f"{ev.query} in {ev.shelves}")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serve({"search": Search()}) as url:
        yield url


@pytest.fixture
def llama_index_tool(programs: Path, url: str) -> FunctionTool:
    tool: FunctionTool = load(programs / "llama_index_tool.py").workflow_tool("search", url)
    return tool


@pytest.fixture
def langchain_tool(programs: Path, url: str) -> StructuredTool:
    tool: StructuredTool = load(programs / "langchain_tool.py").workflow_tool("search", url)
    return tool


def test_models_are_told_of_the_workflow(
    llama_index_tool: FunctionTool, langchain_tool: StructuredTool
) -> None:
    for tool in (
        llama_index_tool.metadata.to_openai_tool(),
        convert_to_openai_tool(langchain_tool),
    ):
        function = tool["function"]
        assert (function["name"], function["description"]) == ("search", "Searches the library.")
        parameters = function["parameters"]
        assert parameters["properties"]["query"]["type"] == "string"
        assert parameters["properties"].keys() == {"query", "shelves"}
        assert parameters["required"] == ["query"]


def test_llama_index_tool_returns_the_result(llama_index_tool: FunctionTool) -> None:
    assert llama_index_tool.call(query="Emma").raw_output == FOUND
    assert asyncio.run(llama_index_tool.acall(query="Emma")).raw_output == FOUND


# llama-index-core looks at each attribute of its agents, deprecated ones of pydantic's too.
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")
@pytest.mark.parametrize(
    ("arguments", "read"),
    [({"query": "Emma"}, str(FOUND)), ({"query": ""}, FAILURE), ({}, "query: Field required")],
)
def test_llama_index_agent_reads_the_outcome(
    llama_index_tool: FunctionTool, arguments: dict[str, Any], read: str
) -> None:
    def script(messages: Sequence[ChatMessage], **_: Any) -> ChatMessage:
        if messages[-1].role == MessageRole.TOOL:
            return ChatMessage(messages[-1].content, role=MessageRole.ASSISTANT)
        call = ToolCallBlock(tool_call_id="1", tool_name="search", tool_kwargs=arguments)
        return ChatMessage(role=MessageRole.ASSISTANT, blocks=[call])

    async def ask() -> str:
        llm = MockFunctionCallingLLM(response_generator=script)
        return str(await FunctionAgent(llm=llm, tools=[llama_index_tool]).run("Emma?"))

    assert read in asyncio.run(ask())


@pytest.mark.parametrize(
    ("arguments", "status", "read"),
    [
        ({"query": "Emma"}, "success", '{"found": '),
        ({"query": ""}, "error", FAILURE),
        ({}, "error", "query: Field required"),
    ],
)
def test_langchain_agent_reads_the_outcome(
    langchain_tool: StructuredTool, arguments: dict[str, Any], status: str, read: str
) -> None:
    call = ToolCall(type="tool_call", id="1", name="search", args=arguments)
    for message in (langchain_tool.invoke(call), asyncio.run(langchain_tool.ainvoke(call))):
        assert message.status == status
        assert read in message.content


def test_langchain_tool_returns_the_result(langchain_tool: StructuredTool) -> None:
    assert langchain_tool.invoke({"query": "Emma"}) == FOUND
    assert asyncio.run(langchain_tool.ainvoke({"query": "Emma"})) == FOUND
