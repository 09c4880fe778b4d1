"""What the end of the interpreter finds open: no message, and no run left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from llama_agents.client import SyncWorkflowClient
from llama_agents.client._transport.concurrency import aexhaust

from ..support.processes import needs_fork, run_program
from ..support.server import wait_until

SYNC_MAP = """
    import sys
    from llama_agents.client import SyncWorkflowClient
    client = SyncWorkflowClient(base_url=sys.argv[1])
    starts = [{"n": 0}, {"n": 1, "pause": 60}]
    results = client.map_workflow("count", starts, key=lambda s: f"{sys.argv[2]}-{s['n']}")
    next(results)
    while f"{sys.argv[2]}-1" not in [h.handler_id for h in client.get_handlers().handlers]: pass
"""
ASYNC = """
    import asyncio, sys
    from llama_agents.client import WorkflowClient
    async def main():
        global client, results, events
        client = WorkflowClient(base_url=sys.argv[1])
        await client.is_healthy()
        starts = [{"n": 0}, {"n": 1, "pause": 60}]
        results = client.map_workflow("count", starts, key=lambda s: f"{sys.argv[2]}-{s['n']}")
        await anext(results)
        while f"{sys.argv[2]}-1" not in [
            h.handler_id for h in (await client.get_handlers(["running"])).handlers
        ]: pass
        events = aiter(client.get_workflow_events(f"{sys.argv[2]}-1", include_internal_events=True))
        await anext(events)
"""


def over_aiohttp(program: str) -> str:
    return program.replace("base_url=sys.argv[1]", "base_url=sys.argv[1], transport='aiohttp'")


HELD = {
    "sync": SYNC_MAP,
    "asyncio": f"{ASYNC}    asyncio.run(main())\n",
    "aiohttp": over_aiohttp(f"{ASYNC}    asyncio.run(main())\n"),
    "trio": f"{ASYNC}    import trio; trio.run(main)\n",
}
# nest_asyncio runs coroutines like this, and closes no loop.
NESTED = """
    import asyncio, sys, warnings
    async def nested():
        sys.set_asyncgen_hooks(None, None)
        await main()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(nested())
    warnings.filterwarnings("ignore", "unclosed event loop")
"""
UNFINISHED = {
    "closed": f"{ASYNC}    loop = asyncio.new_event_loop()\n"
    "    loop.run_until_complete(main()); loop.close()\n",
    "nested": ASYNC + NESTED,
    "nested client": f"""
    import sys
    from llama_agents.client import WorkflowClient
    client = WorkflowClient(base_url=sys.argv[1])
    async def main():
        await client.run_workflow_nowait("count", f"{{sys.argv[2]}}-1", {{"n": 1, "pause": 60}})
    {NESTED}""",
}
UNFINISHED |= {f"{name} aiohttp": over_aiohttp(each) for name, each in UNFINISHED.items()}


@pytest.mark.parametrize("name", HELD)
def test_batch_held_at_exit_is_cancelled_quietly(server_url: str, name: str) -> None:
    assert run_program(HELD[name], server_url, f"exit-{name}") == ("", "")
    with SyncWorkflowClient(base_url=server_url) as client:
        wait_until(lambda: client.get_handler(f"exit-{name}-1").status == "cancelled")


@pytest.mark.parametrize("name", UNFINISHED)
def test_event_loop_that_closes_no_generators_leaves_no_message(server_url: str, name: str) -> None:
    assert run_program(UNFINISHED[name], server_url, f"loop-{name.replace(' ', '-')}") == ("", "")
    with SyncWorkflowClient(base_url=server_url) as client:
        client.cancel_handler(f"loop-{name.replace(' ', '-')}-1")


def test_end_of_the_event_loop_may_close_a_generator_that_is_exhausted() -> None:
    async def endless() -> AsyncGenerator[None, None]:
        while True:
            yield
            await asyncio.sleep(0)

    async def main() -> list[None]:
        generator = endless()
        await anext(generator)
        # asyncio closes all that are left at once, in any order.
        return await asyncio.gather(aexhaust(generator), generator.aclose())

    assert asyncio.run(main()) == [None, None]


@needs_fork
def test_forked_child_exits_quietly(server_url: str) -> None:
    program = f"""{SYNC_MAP}
    import os
    events = iter(client.get_workflow_events(f"{{sys.argv[2]}}-1", include_internal_events=True))
    next(events)
    if (child := os.fork()) == 0:
        sys.exit()
    os.waitpid(child, 0)
    print(client.get_handler(f"{{sys.argv[2]}}-1").status)
    """
    assert run_program(program, server_url, "exit-child") == ("running\n", "")
