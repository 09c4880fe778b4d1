"""One defect for each promise: what is taken out of the client, and which tests must notice.

Tests are named by scenario, by node id with `{face}` in it where both faces have their own, or as a
pair of node ids, for the asynchronous and the synchronous face.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

SSE: Final = "_sse.py"
RESUME: Final = "_resume.py"
RETRY: Final = "_retry.py"
START: Final = "_start.py"
WAIT: Final = "_wait.py"
POOL: Final = "_pool.py"
OPERATIONS: Final = "_operations.py"
SCHEMAS: Final = "_schemas.py"
SHAPES: Final = "_shapes.py"
TYPED: Final = "typed.py"
CODEGEN: Final = "codegen.py"
CLIENT: Final = "_async/client.py"
STREAM: Final = "_async/stream.py"
INTERACT: Final = "_interact.py"
MAP: Final = "_map.py"
RUN: Final = "_async/run.py"
MANY: Final = "_async/many.py"
KIT_FILE: Final = "testing/_recording.py"
KIT_RECORD: Final = "testing/_async/recording.py"
KIT_PLAYBACK: Final = "testing/_playback.py"
KIT_REPLAY: Final = "testing/_replay.py"
KIT_SERVE: Final = "testing/_serve.py"


@attrs.frozen
class Defect:
    """A small patch of the client's source.

    Attributes:
        breaks: The promise that is broken by it.
        file: The file, below the client's package.
        old: What stands there, once.
        new: What the defect makes of it.
        stream: The scenario of a stream that must fail, as "table-name".
        call: The scenario of a call that must fail.
        test: Another test that must fail.
        tests: Two other tests, of the asynchronous and of the synchronous face.
    """

    breaks: str
    file: str
    old: str
    new: str
    stream: str | None = None
    call: str | None = None
    test: str | None = None
    tests: tuple[str, str] | None = None

    def selected(self, face: str) -> str:
        """The test that must fail with a face."""
        if self.stream is not None:
            name = f"test_stream_keeps_the_promises[{self.stream}]"
            return f"tests/faults/_{face}/test_streams.py::{name}"
        if self.call is not None:
            name = f"test_call_keeps_the_promises[{self.call}]"
            return f"tests/faults/_{face}/test_calls.py::{name}"
        if self.tests is not None:
            return self.tests[face == "sync"]
        assert self.test is not None
        return self.test.format(face=f"_{face}")


DEFECTS: Final[Sequence[Defect]] = (
    # reading the stream
    Defect(
        "only CR, LF and CRLF end a line",
        SSE,
        "lines = piece.splitlines()",
        "lines = [line.encode() for line in piece.decode(errors='replace').splitlines()]",
        stream="Reading-U+2028, U+0085 and 0x1C in the text of an event",
    ),
    Defect(
        "a CRLF may be split over two reads",
        SSE,
        'piece = piece.removeprefix(b"\\n")',
        "pass",
        stream="Reading-CR, LF and CRLF, characters split over reads, a BOM",
    ),
    Defect(
        "a line may be split over many reads",
        SSE,
        "self._unfinished.append(unfinished)",
        "self._unfinished = [unfinished]",
        stream="Reading-CR, LF and CRLF, characters split over reads, a BOM",
    ),
    Defect(
        "one BOM is dropped",
        SSE,
        "lines[0] = lines[0].removeprefix(_BOM)",
        "pass",
        stream="Reading-CR, LF and CRLF, characters split over reads, a BOM",
    ),
    Defect(
        "UTF-8 whatever the charset",
        STREAM,
        "for event in machine.receive(piece):",
        "for event in machine.receive(piece.decode(response.encoding or 'utf-8').encode()):",
        stream="Reading-a charset that is not UTF-8 in the head",
    ),
    Defect(
        "several data lines are one event",
        SSE,
        'b"\\n".join(data) if any(data)',
        "data[-1] if any(data)",
        stream="Reading-data before id, several data lines, comments, empty data",
    ),
    Defect(
        "data with nothing in it is no event",
        SSE,
        "if any(data) else None",
        "if data else None",
        stream="Reading-data before id, several data lines, comments, empty data",
    ),
    Defect(
        "an unfinished event is not dispatched, and does not move the cursor",
        SSE,
        '            elif field == b"id":\n                id_ = _number(value)\n',
        '            elif field == b"id":\n                id_ = _number(value)\n'
        "                blocks.append(Block(None, id_))\n",
        stream="Reading-an event without its blank line at the end of the body",
    ),
    Defect(
        "an id is ASCII digits",
        SSE,
        "return int(value) if value.isdigit() and len(value) <= _MOST_DIGITS else None",
        "return int(value)",
        stream="Reading-the id 1_000",
    ),
    Defect(
        "retry sets the least wait",
        RESUME,
        "self._least_pause = min(block.retry / 1000, LONGEST_OBEYED)",
        "pass",
        stream="Reading-retry: 700 before a drop",
    ),
    Defect(
        "a login page is an error, at the first connect",
        RESUME,
        'raise self._invalid(response, "The answer is no event stream")',
        "self.finished = True\n            return Done()",
        stream="Reading-a login page instead of the stream",
    ),
    Defect(
        "a login page is an error, at a reconnect",
        RESUME,
        "if not is_event_stream(response):",
        "if not is_event_stream(response) and self.cursor == -1:",
        stream="Reading-a login page at a reconnect",
    ),
    Defect(
        "a frame that is no event is an error with the cursor",
        RESUME,
        'raise self._invalid(self._response, "A frame is no event") from error',
        "continue",
        stream="Reading-a frame that is no event",
    ),
    Defect(
        "what came before a frame that is no event is delivered",
        STREAM,
        "for event in machine.receive(piece):",
        "for event in [*machine.receive(piece)]:",
        stream="Reading-a frame that is no event",
    ),
    Defect(
        "gzip works",
        STREAM,
        "                    async for piece in response.aiter_bytes():\n"
        "                        for event",
        "                    async for piece in response.aiter_raw():\n"
        "                        for event",
        stream="Reading-gzip, flushed after each event",
    ),
    Defect(
        "a slow consumer costs no memory",
        STREAM,
        "                    async for piece in response.aiter_bytes():\n"
        "                        for event",
        "                    queue = [event async for piece in response.aiter_bytes()"
        " for event in machine.receive(piece)]\n"
        "                    for piece in [b'']:\n"
        "                        for event in queue:\n"
        "                            yield event\n"
        "                        for event",
        stream="Reading-200,000 events of 1 KB, and a consumer that pauses",
    ),
    # when is a stream over?
    Defect(
        "a clean end is a drop",
        RESUME,
        "if self.finished:\n            return Done()\n        if cause",
        "if cause is None:\n            self.finished = True\n        if self.finished:\n"
        "            return Done()\n        if cause",
        stream="When is it over?-clean end of the body after 2 of 6 events",
    ),
    Defect(
        "the terminal event ends the iteration at once",
        STREAM,
        "                        if machine.finished:\n                            return\n",
        "",
        stream="When is it over?-silence after the terminal event",
    ),
    Defect(
        "204 ends the stream",
        RESUME,
        "            self.finished = True\n            return Done()",
        "            return self._failed(None)",
        stream="When is it over?-204 at a reconnect",
    ),
    # resuming
    Defect(
        "a reset is a drop",
        RETRY,
        "DROPS: Final = (httpx.TransportError, httpx.DecodingError, ConnectionError)",
        "DROPS: Final = (httpx.ConnectError,)",
        stream="When is it over?-reset after 2 of 6 events",
    ),
    Defect(
        "the next connection goes on at the cursor",
        RESUME,
        "stream_events(self.handler_id, self.cursor,",
        'stream_events(self.handler_id, "now" if self.cursor != -1 else -1,',
        stream="When is it over?-FIN after 2 of 6 events",
    ),
    Defect(
        "events at or below the cursor are dropped after a resume",
        RESUME,
        "sequence <= self._floor\n",
        "sequence < self._floor\n",
        stream="Resuming-events sent again after a resume",
    ),
    Defect(
        "the cursor never goes back",
        RESUME,
        'if sequence is None or (self.cursor != "now" and sequence <= self.cursor):',
        "if sequence is None:",
        tests=(
            "tests/core/test_resume.py::test_repeated_sequence_within_one_connection_is_delivered",
        )
        * 2,
    ),
    Defect(
        "repeated ids within a connection are delivered",
        RESUME,
        "sequence <= self._floor\n",
        "sequence <= max(self._floor, -1 if self.cursor == 'now' else self.cursor)\n",
        stream="Resuming-one sequence number twice in a connection",
    ),
    Defect(
        "a cut after an event without an id is told",
        RESUME,
        "if self._unnumbered:",
        "if False:",
        stream="Resuming-a cut after an event without a sequence number",
    ),
    Defect(
        "a server that accepts and drops gets 1 + 3 connections",
        RESUME,
        "        self._latest = self._clock()\n        return ReadOn()",
        "        self._latest = self._clock()\n        self._budget.failures = 0\n"
        "        return ReadOn()",
        stream="Resuming-a server that sends a heartbeat and drops, for ever",
    ),
    Defect(
        "the budget is 3 failures in a row",
        RETRY,
        "if self.failures > self.limit or",
        "if self.failures >= self.limit or",
        stream="Resuming-a server that accepts and drops, for ever",
    ),
    Defect(
        "a delivered event re-arms the budget",
        RESUME,
        "self._budget.failures = 0  # and nothing less than an event does that",
        "pass",
        stream="Resuming-70 cuts in a run of 500 events",
    ),
    Defect(
        "the pauses ride out a pod restart",
        RETRY,
        "pause = FIRST_PAUSE * 2.0 ** min(failures - 2, 10)",
        "pause = 0.0",
        stream="Resuming-a pod that is away for 1.5 s",
    ),
    Defect(
        "a refused port is a failure within the budget",
        RETRY,
        "DROPS: Final = (httpx.TransportError, httpx.DecodingError, ConnectionError)",
        "DROPS: Final = (httpx.ReadError, httpx.RemoteProtocolError, httpx.ReadTimeout)",
        stream="Resuming-a port that refuses",
    ),
    Defect(
        "429, 502, 503 and 504 are within the budget",
        RESUME,
        "if status in RETRYABLE:",
        "if status == 503:",
        stream="Resuming-502, 503, 504",
    ),
    Defect(
        "Retry-After in seconds is the least wait",
        RETRY,
        "return max(backoff(self.failures, self._sources.random), least)",
        "return backoff(self.failures, self._sources.random)",
        stream="Resuming-503 with Retry-After: 1",
    ),
    Defect(
        "Retry-After as a date is the least wait",
        RETRY,
        "return 0.0 if date is None else max(0.0, date - now)",
        "return 0.0",
        stream="Resuming-503 with Retry-After as a date 1 to 2 s away",
    ),
    Defect(
        "a plain 500 is raised at once",
        RETRY,
        "RETRYABLE: Final = frozenset({429, 502, 503, 504})",
        "RETRYABLE: Final = frozenset({429, 500, 502, 503, 504})",
        stream="Resuming-500 Internal Server Error",
    ),
    Defect(
        "the body of a refusal is read before it is raised",
        STREAM,
        "        return self._machine.opened(evidence.response())",
        "        return self._machine.opened(response)",
        stream="Resuming-404 Not Found",
    ),
    Defect(
        "an exhausted budget is raised from its last cause",
        RESUME,
        'raise self._disconnected(f"{attempts}; {reason}", cause) from cause',
        'raise self._disconnected(f"{attempts}; {reason}", cause) from None',
        stream="Resuming-503 for ever",
    ),
    Defect(
        "the client's headers go with every reconnect",
        STREAM,
        "request = machine.request().request(client, machine.timeout(client.timeout))",
        "request = machine.request().request(client, machine.timeout(client.timeout))\n"
        "        if self._machine.cursor != -1:\n"
        "            request.headers.pop('authorization', None)",
        stream="Resuming-two cuts, and a token in the headers of the client",
    ),
    Defect(
        "a cut of a stream at now is told",
        RESUME,
        "self._tell_of_the_gap()\n        if response",
        "pass\n        if response",
        stream="Resuming-a cut before the first event of a stream that began at 'now'",
    ),
    Defect(
        "a killed server is waited for",
        RESUME,
        "        if response is not None and isinstance(cause, httpx.ReadTimeout):",
        "        if isinstance(cause, httpx.ReadError | httpx.RemoteProtocolError):\n"
        "            give_up(cause)\n"
        "        if response is not None and isinstance(cause, httpx.ReadTimeout):",
        test="tests/faults/{face}/test_restart.py::test_stream_goes_on_after_the_server_was_killed",
    ),
    # silence
    Defect(
        "silence after the headers costs no budget",
        RESUME,
        "return Again(self._least_pause)",
        "return self._failed(cause)",
        stream="Silence-a quiet run without heartbeats",
    ),
    Defect(
        "silence before the headers is a failure",
        RESUME,
        "if response is not None and isinstance(cause, httpx.ReadTimeout):",
        "if isinstance(cause, httpx.ReadTimeout):",
        stream="Silence-a server that does not answer",
    ),
    Defect(
        "an idle limit, by default",
        POOL,
        "connect=CONNECT_LIMIT, read=IDLE_LIMIT,",
        "connect=CONNECT_LIMIT, read=None,",
        tests=("tests/core/test_pool.py::test_default_limits_are_those_of_the_documentation",) * 2,
    ),
    Defect(
        "an address that does not answer is given up",
        OPERATIONS,
        "timeout=client.timeout if timeout is None else timeout,",
        "timeout=httpx.Timeout(client.timeout.read, connect=None) if timeout is None else timeout,",
        stream="Silence-an address that does not answer",
    ),
    # ending early
    Defect(
        "break frees the connection",
        STREAM,
        "        return self._events()\n",
        "        self.kept = self._events()\n        return self.kept\n",
        stream="Ending early-break",
    ),
    Defect(
        "closing frees the connection",
        STREAM,
        "        self._closed = True\n        try:\n",
        "        self._closed = True\n        return\n        try:\n",
        tests=(
            "tests/core/test_ending_early.py::test_closing_from_another_task_ends_the_loop",
            "tests/core/test_ending_early.py::"
            "test_closing_from_another_thread_ends_the_loop_at_once",
        ),
    ),
    Defect(
        "a task cancelled at any moment leaves no socket",
        "_connection.py",
        "        await _close(made)\n        raise",
        "        raise",
        tests=(
            "tests/faults/test_leaving.py::"
            "test_task_cancelled_at_any_moment_leaves_no_socket_in_use",
        )
        * 2,
    ),
    Defect(
        "a stream never iterated does no I/O",
        CLIENT,
        "return EventStream(self._pool, machine)",
        "__import__('httpx').get(self.base_url + '/events/h1')\n"
        "        return EventStream(self._pool, machine)",
        stream="Ending early-made and never iterated",
    ),
    # plain calls
    Defect(
        "GETs are sent again twice",
        RETRY,
        "CALL_BUDGET: Final = 2",
        "CALL_BUDGET: Final = 1",
        call="GET: two answers are lost",
    ),
    Defect(
        "a stale connection does not fail a call",
        RETRY,
        "        if not is_mistake(cause) and (self._operation.idempotent",
        "        if not is_mistake(cause) and (False",
        call="GET: a kept connection has gone stale",
    ),
    Defect(
        "GETs are sent again after 429, 502, 503 and 504",
        RETRY,
        "if response.status_code in RETRYABLE and self._operation.idempotent:",
        "if response.status_code == 503 and self._operation.idempotent:",
        call="GET: 429, 502",
    ),
    Defect(
        "a call obeys Retry-After",
        RETRY,
        "            pause = self._budget.spend(response)\n            if pause is not None:\n"
        "                return Again(pause)\n        return Returned(self._operation",
        "            pause = self._budget.spend()\n            if pause is not None:\n"
        "                return Again(pause)\n        return Returned(self._operation",
        call="GET: 503 with Retry-After: 1",
    ),
    Defect(
        "is_healthy is never sent again",
        OPERATIONS,
        "attrs.evolve(operation, retried=False)",
        "operation",
        call="is_healthy: 503",
    ),
    Defect(
        "a POST that may have been sent is not sent again",
        OPERATIONS,
        'return self.method == "GET"',
        "return True",
        call="send_event: the answer is lost",
    ),
    Defect(
        "a start whose answer was lost is looked for",
        START,
        "            if not isinstance(cause, NEVER_SENT):\n                self._lost()\n",
        "",
        call="start: the answer is lost",
    ),
    Defect(
        "a start that never arrived is sent again",
        START,
        "        if response.status_code == 404:\n            return self._send_again()\n",
        "",
        call="start: lost on its way",
    ),
    Defect(
        "a run carries the id that the client made",
        CLIENT,
        "forms = _operations.run_workflow_nowait(workflow_name, handler_id, start_event, context)",
        "forms = _operations.run_workflow_nowait("
        "workflow_name, new_handler_id(), start_event, context)",
        call="start: the answer is lost",
    ),
    Defect(
        "every error of a start names the run",
        START,
        "        name_run(cause, self.handler_id)\n        give_up(cause)",
        "        give_up(cause)",
        call="start: the server has gone",
    ),
    Defect(
        "run_workflow outlives its connection",
        CLIENT,
        "        return await self._wait(self._end_of(run_id))",
        "        return handler",
        call="run_workflow: no byte within the idle limit",
    ),
    Defect(
        "run_workflow outlives the server",
        START,
        "LOST_BUDGET: Final = 5",
        "LOST_BUDGET: Final = 0",
        test="tests/faults/{face}/test_restart.py::"
        "test_run_workflow_returns_after_the_server_was_killed",
    ),
    Defect(
        "one reset does not end a wait",
        WAIT,
        "pause = None if is_mistake(cause) else self._budget.spend()",
        "pause = None",
        call="wait_for_handler: one look lost, one 503, the stream cut twice",
    ),
    Defect(
        "a failed run is an error of run_workflow",
        OPERATIONS,
        "        raise WorkflowFailedError(response, handler)",
        "        pass",
        call="run_workflow of a run that fails: the answer is lost",
    ),
    Defect(
        "a failed run is a result of get_handler",
        OPERATIONS,
        "return handler if handler is not None else _reads(HandlerData)(response)",
        "return _reads(HandlerData)(response)",
        test="tests/{face}/test_client.py::test_failed_run_is_a_result_of_get_handler",
    ),
    Defect(
        "wait_for_handler learns of the end from the stream",
        WAIT,
        "                self._settling = self._settling or FIRST_SETTLING\n"
        "                return True\n",
        "                pass\n",
        test="tests/{face}/test_lost_answers.py::test_wait_ends_soon_after_the_run",
    ),
    Defect(
        "one 503 does not end a wait",
        WAIT,
        "if response.status_code in RETRYABLE:",
        "if False:",
        call="wait_for_handler: one look lost, one 503, the stream cut twice",
    ),
    Defect(
        "timeout= is a bound",
        WAIT,
        "        if self._deadline is not None:\n            # A",
        "        if False:\n            # A",
        call="wait_for_handler(timeout=0.6): no answer, ever",
    ),
    Defect(
        "timeout= is a bound for an answer that trickles in",
        CLIENT,
        "        await aread(response, None if wait is None else wait.is_late)",
        "        await aread(response)",
        call="wait_for_handler(timeout=0.6): an answer that comes byte by byte",
    ),
    Defect(
        "a bound of zero is for one look",
        WAIT,
        "        return self._left() <= -LEAST_LIMIT",
        "        return self._left() <= 0",
        test="tests/{face}/test_client.py::test_bound_of_zero_looks_once",
    ),
    Defect(
        "live streams of one client are concurrent",
        POOL,
        "max_connections=None,",
        "max_connections=10,",
        tests=(
            "tests/faults/test_many.py::test_streams_of_one_async_client_are_concurrent",
            "tests/faults/test_many.py::test_streams_of_one_sync_client_are_concurrent",
        ),
    ),
    Defect(
        "calls share a client and its connections",
        POOL,
        "        if loop not in self._owned:\n",
        "        if True:\n",
        tests=("tests/faults/test_many.py::test_many_runs_do_not_block_the_event_loop",) * 2,
    ),
    Defect(
        "names and ids are quoted or refused",
        OPERATIONS,
        'if value in ("", ".", "..") or _UNUSABLE.search(value):',
        'if value == "" or _UNUSABLE.search(value):',
        test="tests/{face}/test_client.py::test_name_that_is_no_path_segment_is_refused",
    ),
    Defect(
        "control characters and lone surrogates are refused",
        OPERATIONS,
        "or _UNUSABLE.search(value):",
        "or False:",
        test="tests/{face}/test_client.py::test_name_that_is_no_path_segment_is_refused",
    ),
    Defect(
        "what JSON cannot carry is refused before anything is sent",
        OPERATIONS,
        "allow_nan=False,",
        "allow_nan=True,",
        test="tests/{face}/test_client.py::test_payload_that_json_cannot_carry_is_refused",
    ),
    Defect(
        "no secret in a message",
        RETRY,
        "    if isinstance(cause, httpx.LocalProtocolError):",
        "    if False:",
        tests=("tests/core/test_calls.py::test_header_that_cannot_be_sent_is_not_shown",) * 2,
    ),
    Defect(
        "a connection poisoned by a 204 is not used again",
        OPERATIONS,
        '        "Connection": "close",\n',
        "",
        test="tests/{face}/test_stream.py::test_headers_of_the_client_go_with_every_connection",
    ),
    Defect(
        "a connection poisoned by an unhandled error is not used again",
        CLIENT,
        "        if is_poisoned(response):\n            hang_up(response)\n",
        "",
        test="tests/{face}/test_lost_answers.py::"
        "test_call_after_an_unhandled_error_of_the_server_works",
    ),
    Defect(
        "one client in two event loops; one sync client in many threads",
        POOL,
        "            client = httpx.AsyncClient(**settings.keywords())\n",
        "            client = self.__dict__.setdefault("
        "'only', httpx.AsyncClient(**settings.keywords()))\n",
        tests=("tests/core/test_pool.py::test_client_survives_two_event_loops",) * 2,
    ),
    Defect(
        "a handler that is used again is not taken for the checkpoint's run",
        "_handle.py",
        '    if handler.run_id != checkpoint["run_id"]:\n',
        "    if False:\n",
        test="tests/{face}/test_run.py::test_checkpoint_of_a_handler_used_again_is_refused",
    ),
    Defect(
        "a request is not asked again after a resume",
        RUN,
        "        if had_past:\n",
        "        if False:\n",
        test="tests/{face}/test_interact.py::test_resumed_run_asks_only_what_is_open",
    ),
    Defect(
        "a request that was not answered is asked again after a resume",
        INTERACT,
        "        return self._open[0].sequence - 1 if self._open else self.last\n",
        "        return self.last\n",
        test="tests/{face}/test_interact.py::test_same_handle_goes_on_after_an_error",
    ),
    Defect(
        "which of two requests was answered is not guessed",
        INTERACT,
        "        if self._open and (self._steps or self._unclear):\n",
        "        if False:\n",
        test="tests/{face}/test_interact.py::"
        "test_open_requests_of_which_one_was_answered_are_not_guessed",
    ),
    Defect(
        "an unanswered request is an error",
        INTERACT,
        "        raise UnansweredRequestError(self._handler_id, [request.envelope], problem)\n",
        "        return\n",
        tests=("tests/core/test_interact.py::test_request_that_nothing_answers_is_an_error",) * 2,
    ),
    Defect(
        "an answer that comes too late does not hide how the run ended",
        RUN,
        "                with suppress(ConflictError):\n",
        "                with suppress():\n",
        test="tests/{face}/test_interact.py::test_failed_run_is_an_error_also_when_it_asks",
    ),
    Defect(
        "no more runs than the limit go on at once",
        MAP,
        "going < self._limit and going + len(self._ready) < WINDOW * self._limit\n",
        "going + len(self._ready) < WINDOW * self._limit\n",
        test="tests/{face}/test_map.py::test_no_more_run_than_the_limit_and_the_input_waits",
    ),
    Defect(
        "results come in the order of the input",
        MAP,
        "self._given if self._ordered else next(iter(self._ready), -1)\n",
        "next(iter(self._ready), -1)\n",
        test="tests/{face}/test_map.py::test_results_come_in_the_order_of_the_input_or_as_they_end",
    ),
    Defect(
        "what is broken off is cancelled",
        MANY,
        "            await ahold_off(self._cancel, CANCELLING)\n",
        "            pass\n",
        test="tests/{face}/test_map.py::test_breaking_off_cancels_what_was_started",
    ),
    Defect(
        "what was there before is not cancelled",
        MANY,
        "        while item.is_own and not self._is_down:\n",
        "        while not self._is_down:\n",
        test="tests/{face}/test_map.py::test_breaking_off_cancels_what_was_started",
    ),
    Defect(
        "what already ran is not run again",
        MANY,
        "        known = await self._known(item.handler_id) if look else None\n",
        "        known = None\n",
        test="tests/{face}/test_map.py::test_what_already_ran_is_not_run_again",
    ),
    Defect(
        "items of one key have one run",
        MANY,
        "        if any(item.handler_id == other.handler_id "
        "for other in self._crowd.starting.values()):\n",
        "        if False:\n",
        tests=("tests/core/test_map.py::test_items_of_one_key_are_not_started_side_by_side",) * 2,
    ),
    Defect(
        "a start that was cut off is cancelled when it arrives",
        MANY,
        "is_early = may_arrive and isinstance(error, NotFoundError)",
        "is_early = False",
        test="tests/{face}/test_map.py::test_start_that_was_cut_off_is_cancelled_when_it_arrives",
    ),
    Defect(
        "many runs are started and looked at side by side",
        "_tasks.py",
        "anyio.Semaphore(AT_ONCE)",
        "anyio.Semaphore(1)",
        tests=("tests/core/test_map.py::test_runs_are_started_and_looked_at_side_by_side",) * 2,
    ),
    Defect(
        "an error of one of the calls that are made side by side is raised",
        "_tasks.py",
        "            errors.append(error)\n",
        "",
        tests=("tests/core/test_map.py::test_first_error_is_raised_as_it_is",) * 2,
    ),
    Defect(
        "a task that was cancelled by others is not taken for one that is done",
        "_tasks.py",
        "            cancelled.append(error)\n",
        "",
        tests=("tests/core/test_map.py::test_task_that_is_cancelled_by_others_is_no_end",) * 2,
    ),
    Defect(
        "an interrupt is raised as it is",
        "_tasks.py",
        "        raise group.exceptions[0] from None\n",
        "        raise\n",
        tests=("tests/core/test_map.py::test_interrupt_of_trio_is_raised_as_it_is",) * 2,
    ),
    Defect(
        "the input of many runs may hold cancel scopes open",
        MANY,
        "        if self._awaits_input:\n",
        "        if False:\n",
        tests=("tests/core/test_map.py::test_input_may_hold_a_group_of_tasks_open",) * 2,
    ),
    Defect(
        "a cancellation that is lost does not stop the others",
        MANY,
        "            except (WorkflowClientError, *DROPS):\n                return\n",
        "            except WorkflowClientError:\n                return\n",
        test="tests/{face}/test_map.py::test_lost_cancellation_does_not_stop_the_others",
    ),
    Defect(
        "a cancellation waits for a server that is busy",
        MANY,
        "                if pause is None or not (is_early or error.status_code in RETRYABLE):\n",
        "                if pause is None or not is_early:\n",
        test="tests/{face}/test_map.py::test_lost_cancellation_does_not_stop_the_others",
    ),
    Defect(
        "a start that is refused is not waited for",
        MANY,
        "isinstance(error, StatusError) and error.status_code not in RETRYABLE\n",
        "False\n",
        tests=(
            "tests/core/test_map.py::"
            "test_error_of_one_start_ends_the_others_and_is_raised_as_it_is",
        )
        * 2,
    ),
    Defect(
        "what is begun does not hold up a run that has ended",
        MANY,
        "(has_looked or crowd.pause() > 0)",
        "True",
        test="tests/{face}/test_map.py::"
        "test_items_that_are_known_do_not_hold_up_a_run_that_has_ended",
    ),
    Defect(
        "a run is looked at the more seldom the longer it goes on",
        MAP,
        "        pause = min(SLOWNESS * (now - item.since), LATEST_LOOK)\n",
        "        pause = 0.0\n",
        tests=("tests/core/test_map.py::test_the_end_of_a_run_is_noticed_soon_and_with_few_looks",)
        * 2,
    ),
    Defect(
        "many runs are not looked at too often",
        MAP,
        "max(pause, FIRST_LOOK, LOOK_COST * len(self.running))",
        "max(pause, FIRST_LOOK)",
        tests=(
            "tests/core/test_map.py::"
            "test_many_runs_are_not_looked_at_more_than_a_thousand_times_a_second",
        )
        * 2,
    ),
    Defect(
        "many runs: a start waits for a server that is down",
        MANY,
        "                await asleep(patience.look_failed(error))\n",
        "                raise error\n",
        test="tests/{face}/test_map.py::test_server_that_is_down_for_a_while_is_waited_for",
    ),
    Defect(
        "many runs: a start waits for a server that is busy",
        MANY,
        "                await asleep(patience.unavailable(error.response))\n",
        "                raise\n",
        test="tests/{face}/test_map.py::test_server_that_is_down_for_a_while_is_waited_for",
    ),
    Defect(
        "many runs: a look waits for a server that is down",
        MANY,
        "            self._crowd.rests(item.wait.look_failed(error))\n",
        "            raise error\n",
        test="tests/{face}/test_map.py::test_server_that_is_down_for_a_while_is_waited_for",
    ),
    Defect(
        "what concerns all items is raised",
        MAP,
        "        return error.status_code not in _ABOUT_ALL "
        "or (error.status_code == 404 and not starting)\n",
        "        return True\n",
        test="tests/{face}/test_map.py::test_no_access_is_raised_at_once",
    ),
    Defect(
        "silence ends the reading of the past",
        RESUME,
        "            if self._settle is not None:\n                self.finished = True\n"
        "                return Done()\n",
        "",
        tests=("tests/core/test_resume.py::test_silence_ends_a_stream_of_the_past_and_no_other",)
        * 2,
    ),
    Defect(
        "heartbeats do not keep the reading of the past going",
        RESUME,
        "            self.finished = True  # heartbeats are silence, too\n",
        "            pass\n",
        tests=("tests/core/test_resume.py::test_heartbeats_are_silence_to_a_stream_of_the_past",)
        * 2,
    ),
    # the test kit
    Defect(
        "the test kit: an event is in the file before it is seen",
        KIT_FILE,
        "            output.flush()\n",
        "",
        test="tests/{face}/test_testing.py::test_recording_survives_what_breaks_off_the_test",
    ),
    Defect(
        "the test kit: a recorded stream is closed with its loop",
        KIT_RECORD,
        "        await stream.aclose()",
        "        pass",
        test="tests/{face}/test_testing.py::test_stream_that_cannot_be_recorded_is_closed",
    ),
    Defect(
        "the test kit: a recording that goes back is refused",
        KIT_FILE,
        "if taken and event.sequence < taken[-1].sequence:",
        "if False:",
        tests=("tests/testing/test_recording.py::test_broken_line_is_named",) * 2,
    ),
    Defect(
        "the test kit: internal events are for who asks for them",
        KIT_PLAYBACK,
        "if internal or not _is_internal(e)",
        "if True",
        test="tests/{face}/test_testing.py::test_internal_events_are_played_to_who_asks_for_them",
    ),
    Defect(
        "the test kit: now is behind what was played",
        KIT_PLAYBACK,
        "            self._produced[run] = max(self._produced[run], event.sequence)\n",
        "",
        test="tests/{face}/test_testing.py::test_now_is_behind_what_was_played",
    ),
    Defect(
        "the test kit: faults come where they are wanted",
        KIT_PLAYBACK,
        "fault.after != position",
        "fault.after > position",
        test="tests/{face}/test_testing.py::test_fault_that_never_comes_is_pending_and_holds_up_those_behind",
    ),
    Defect(
        "the test kit: faults come as often as they are wanted",
        KIT_PLAYBACK,
        "fault.times > 1:",
        "False:",
        test="tests/{face}/test_testing.py::test_drops_can_be_too_many",
    ),
    Defect(
        "the test kit: a drop is a reset",
        KIT_REPLAY,
        "                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)\n",
        "",
        tests=("tests/testing/test_replay.py::test_drop_is_a_reset_behind_the_events_before_it",)
        * 2,
    ),
    Defect(
        "the test kit: a client that leaves in a stall is noticed",
        KIT_REPLAY,
        "if await _has_left(reader, within=seconds):",
        "if await asyncio.sleep(seconds):",
        tests=("tests/testing/test_replay.py::test_client_that_leaves_in_a_stall_is_noticed",) * 2,
    ),
    Defect(
        "the test kit: open streams do not hold up the end",
        KIT_SERVE,
        "timeout_graceful_shutdown=LONGEST_ANSWER",
        "timeout_graceful_shutdown=30",
        tests=("tests/testing/test_serve.py::test_end_does_not_wait_for_open_streams",) * 2,
    ),
    Defect(
        "the test kit: a failing start raises its reason",
        KIT_SERVE,
        "                failures.append(error)",
        "                pass",
        tests=("tests/testing/test_serve.py::test_failing_start_raises_its_reason",) * 2,
    ),
    Defect(
        "the test kit: a start that never ends is given up",
        KIT_SERVE,
        "asyncio.timeout(LONGEST_START)",
        "asyncio.timeout(None)",
        tests=("tests/testing/test_serve.py::test_start_that_never_ends_is_given_up",) * 2,
    ),
    # typed events
    Defect(
        "a start event is compared with the schema before it is sent",
        TYPED,
        "    if problem is not None:",
        "    if False:",
        test="tests/{face}/test_typed.py::test_start_event_that_does_not_fit_is_not_sent",
    ),
    Defect(
        "a broken schema is an error with the answer in it",
        OPERATIONS,
        "        except (SchemaError, RecursionError) as error:",
        "        except ZeroDivisionError as error:",
        test="tests/{face}/test_typed.py::test_broken_schema_is_an_error_that_holds_the_answer",
    ),
    Defect(
        "an event has the superclasses that it has on the server",
        SHAPES,
        " or (EVENT,)",
        "[:0] or (EVENT,)",
        test="tests/{face}/test_typed.py::test_classes_have_the_bases_and_names_of_the_server",
    ),
    Defect(
        "a nested model that events share is one class",
        SHAPES,
        "            known = names.get(_print(forms, key))\n",
        "            known = None\n",
        test="tests/{face}/test_typed.py::test_run_is_made_of_built_classes_alone",
    ),
    Defect(
        "nested models of one name that differ are two classes",
        SHAPES,
        "    return json.dumps(parts)",
        "    return json.dumps(parts[0]['title'])",
        tests=("tests/core/test_typed.py::test_same_nested_model_is_one_class",) * 2,
    ),
    Defect(
        "what only the server knows is left out",
        TYPED,
        "if value is not None or field.is_required() or field.default is not None:",
        "if True:",
        tests=("tests/core/test_typed.py::test_what_only_the_server_knows_is_left_out",) * 2,
    ),
    Defect(
        "a schema cannot grow without end",
        SCHEMAS,
        "MOST_TYPES: Final = 20_000",
        "MOST_TYPES: Final = 30_000",
        tests=("tests/core/test_typed.py::test_schema_that_grows_without_end_is_refused",) * 2,
    ),
    Defect(
        "generated source does nothing but define classes",
        CODEGEN,
        "        if not isinstance(node, _NODES):",
        "        if False:",
        tests=("tests/core/test_codegen.py::test_source_that_does_more_than_define_is_refused",)
        * 2,
    ),
)
