# Generated from tests/faults/_async/test_handles.py by `python -m generator`: do not edit.
"""What stands on streams and calls, over connections that fail and a server that is killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from llama_agents.client import SyncWorkflowClient
from workflows.events import StopEvent

from ...support.chaos import Fault, chaos, in_turn
from ...support.workflows import OutEvent, RequestEvent, ResponseEvent
from ..measure import PLAIN_CALLS, Calls, Face, Ledger, Row, costing
from ..server_process import restarting, server_process

FACE: Face = "sync"
QUESTIONS = ["0", "1", "2"]
ANSWERS = "to 0,to 1,to 2"


def test_request_is_answered_once_through_drops(server_url: str, ledger: Ledger) -> None:
    asked: list[str] = []

    def answer(event: RequestEvent) -> ResponseEvent:
        asked.append(event.prompt)
        return ResponseEvent(response=f"to {event.prompt}")

    # Cut behind the first event, inside the second, and then behind every second one.
    cuts = [Fault(events=1), Fault(events=1, tail=9), *[Fault(events=2)] * 20]
    with chaos(server_url, in_turn(stream=cuts)) as proxy, costing() as cost:
        with SyncWorkflowClient(base_url=proxy.url) as client:
            run = client.start("interview")
            result = run.interact({RequestEvent: answer}, OutEvent)
        assert proxy.count("stream") > 3
    assert asked == QUESTIONS
    assert result.output == ANSWERS
    row = Row(Calls(len(proxy.requests), 1, f"{len(asked)} questions, {len(asked)} answers"), cost)
    ledger.note(PLAIN_CALLS, "interact: the stream is cut behind every second event", FACE, row)


@pytest.mark.parametrize("workflow", ["interview", "dialog"])
@pytest.mark.parametrize("resumed", [False, True])
def test_request_is_answered_once_through_a_restart(
    tmp_path: Path, ledger: Ledger, workflow: str, resumed: bool
) -> None:
    asked: list[str] = []
    with (
        server_process(tmp_path) as server,
        chaos(server.url, in_turn()) as counting,
        costing() as cost,
    ):

        def answer(event: RequestEvent) -> ResponseEvent:
            asked.append(event.prompt)
            if event.prompt == "1" and len(asked) == 2:
                server.restart()
                if resumed:
                    raise KeyboardInterrupt
            return ResponseEvent(response=f"to {event.prompt}")

        with SyncWorkflowClient(base_url=counting.url) as client:
            run = client.start(workflow)
            if resumed:
                with pytest.raises(KeyboardInterrupt):
                    run.interact({RequestEvent: answer})
                run = client.resume(run.checkpoint())
            result = run.interact({RequestEvent: answer}, OutEvent)
    most = 3 if workflow == "interview" else 2
    assert asked == ["0", "1", *["1"] * resumed, "2"][: most + resumed]
    if workflow == "interview":
        assert result.output == ANSWERS
        what = "the server and the end of the client" if resumed else "the server"
        fault = f"interact: SIGKILL of {what} while a person is asked"
        end = f"{len(asked)} questions, {len(QUESTIONS)} answers"
        ledger.note(PLAIN_CALLS, fault, FACE, Row(Calls(len(counting.requests), 1, end), cost))
    # Else the server, restored, gives a step that has waited twice its last answer twice.


@pytest.mark.parametrize("keyed", [True, False])
def test_map_workflow_goes_on_after_the_server_was_killed(
    tmp_path: Path, ledger: Ledger, keyed: bool
) -> None:
    names = [f"item-{n}" for n in range(12)]
    with (
        server_process(tmp_path) as server,
        chaos(server.url, in_turn()) as counting,
        costing() as cost,
    ):
        with SyncWorkflowClient(base_url=counting.url) as client:
            starts = [{"n": 4, "pause": 0.1, "text": name} for name in names]
            seen = []
            with restarting(server) as restart:
                key = (lambda start: start["text"]) if keyed else None
                for result in client.map_workflow("count", starts, limit=4, key=key):
                    seen.append(result)
                    if len(seen) == 3:
                        # One that is killed before its first event can be lost to the server.
                        for run in server.runs():
                            server.wait_for_event(run)
                        server.kill()
                        restart.set()
        started = server.runs()
    assert [result.index for result in seen] == list(range(12))
    assert [result.error for result in seen] == [None] * 12
    assert [type(result.result(StopEvent)) for result in seen] == [StopEvent] * 12
    assert started == {result.handler_id for result in seen}
    assert len(started) == 12
    fault = f"map_workflow of 12 {'with' if keyed else 'without'} keys: SIGKILL, and a restart"
    row = Row(Calls(len(counting.requests), len(started), "12 results"), cost)
    ledger.note(PLAIN_CALLS, fault, FACE, row)
