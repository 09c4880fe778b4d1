"""One injected defect for each guarantee: the patch, and the test that must fail because of it.

A test is named by its node id, with ``{variant}`` where each client variant has its own, or by its
scenario in the tables of faults.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from .patches import Patch, always, constant, drop, never, prepend, replace, returns

VARIANTS: Final = ("async", "sync")


@attrs.frozen
class Defect:
    """A patch of the client, and the test that must fail because of it."""

    patch: Patch
    test: str

    def tests(self) -> list[str]:
        """Return the node ids of the test for both client variants."""
        return [*dict.fromkeys(self.test.replace("{variant}", variant) for variant in VARIANTS)]


def stream(scenario: str) -> str:
    test = "test_streams.py::test_stream_meets_guarantees_under_fault"
    return f"tests/faults/_{{variant}}/{test}[{scenario}]"


def call(scenario: str) -> str:
    test = "test_calls.py::test_call_meets_guarantees_under_fault"
    return f"tests/faults/_{{variant}}/{test}[{scenario}]"


OPTIONS: Final = "tests/_{variant}/test_options.py"
TRACING: Final = "tests/_{variant}/test_tracing.py"


def processes(test: str) -> str:
    return f"tests/core/test_processes.py::{test}"


def at_exit(test: str) -> str:
    return f"tests/core/test_exit.py::{test}"


def network(test: str) -> str:
    return f"tests/core/test_asyncio_backend.py::test_{test}"


def interacts(test: str) -> str:
    return f"tests/_{{variant}}/test_interact.py::{test}"


def interaction(test: str) -> str:
    return f"tests/core/test_interaction.py::{test}"


def written(test: str) -> str:
    return f"tests/graphs/test_written.py::test_{test}"


def progress(test: str) -> str:
    return f"tests/graphs/test_progress.py::test_{test}"


def command(file: str, test: str) -> str:
    return f"tests/cli/{file}::test_{test}"


SHOWN: Final = "tests/mcp/test_shown.py"
CALL: Final = "tests/mcp/test_call.py"
LIMITS: Final = "tests/core/test_typed.py::test_schema_beyond_a_limit_is_rejected_by_that_limit"
ANYTHING_ELSE: Final = "tests/core/test_codegen.py::test_source_with_anything_else_is_rejected"
SHARED_OUT: Final = "tests/core/test_pools.py::test_requests_at_once_are_shared_out_to_small_pools"
CANCELLED: Final = "tests/core/test_pools.py::test_calls_cancelled_at_any_step_leave_the_pool_empty"

COVERS: Final = "tests/graphs/test_geometry.py::test_nothing_in_a_picture_covers_anything_else[{}]"

AIOHTTP: Final = "tests/core/test_aiohttp_transport.py"
HTTPX2: Final = "tests/_{variant}/test_httpx2.py"
OLD: Final = "tests/core/test_old_servers.py"
DISPLAY: Final = "tests/core/test_display.py"
VIEW: Final = "tests/core/test_view.py"
PAYLOADS: Final = "tests/core/test_payloads.py"
PUBLIC_NAMES: Final = "tests/core/test_public_names.py"
HELD_UP: Final = (
    "tests/_{variant}/test_now.py::test_call_is_not_held_up_by_a_stream_that_cannot_be_connected"
)

DEFECTS: Final[Mapping[str, Defect]] = {
    # ---------------------------------------------------------------- reading the stream
    "only CR, LF and CRLF end a line": Defect(
        replace(
            "SSEDecoder.feed",
            r"chunk\.splitlines\(\)",
            "[line.encode() for line in chunk.decode(errors='replace').splitlines()]",
        ),
        stream("Reading-U+2028, U+0085 and 0x1C in the text of an event"),
    ),
    "a CRLF may be split over two reads": Defect(
        drop("SSEDecoder.feed", r"removeprefix\(b"),
        stream("Reading-CR, LF and CRLF, characters split across reads, a BOM"),
    ),
    "a line may be split over many reads": Defect(
        replace("SSEDecoder.feed", r"_partial_line \+= partial", "_partial_line[:] = partial"),
        stream("Reading-CR, LF and CRLF, characters split across reads, a BOM"),
    ),
    "one BOM is dropped": Defect(
        drop("SSEDecoder.feed", "_BOM"),
        stream("Reading-CR, LF and CRLF, characters split across reads, a BOM"),
    ),
    "UTF-8 whatever the charset": Defect(
        replace(
            "EventStream._events",
            r"receive\(chunk\)",
            "receive(chunk.decode(response.encoding or 'utf-8').encode())",
        ),
        stream("Reading-a charset other than UTF-8 in Content-Type"),
    ),
    "several data lines are one event": Defect(
        replace("SSEDecoder._read", r"b'\\n'\.join\(data\)", "data[-1]"),
        stream("Reading-data before id, several data lines, comments, empty data"),
    ),
    "data with nothing in it is not an event": Defect(
        replace("SSEDecoder._read", r"joined\.strip\(.*?\)", "data"),
        stream("Reading-data before id, several data lines, comments, empty data"),
    ),
    "an unfinished event is not dispatched, and does not move the cursor": Defect(
        replace(
            "SSEDecoder._read",
            r"id_ = _number.*",
            r"\g<0>; events.append(ServerSentEvent(None, id_))",
        ),
        stream("Reading-last event truncated before its blank line"),
    ),
    "an id consists of ASCII digits": Defect(
        returns("sse._number", "int(value)"), stream("Reading-malformed id 1_000")
    ),
    "retry sets the minimum delay": Defect(
        drop("StreamMachine.receive", "_min_delay"), stream("Reading-retry: 700 before a drop")
    ),
    "a login page is an error, at the first connect": Defect(
        drop("StreamMachine.opened", "_invalid", "self.action = Finished(None)"),
        stream("Reading-a login page instead of the stream"),
    ),
    "a login page is an error, at a reconnect": Defect(
        replace(
            "StreamMachine.opened",
            r"(?<=elif response\.is_success):",
            " and self.cursor == -1:",
        ),
        stream("Reading-a login page on reconnect"),
    ),
    "a malformed event is an error with the cursor": Defect(
        drop("StreamMachine.receive", "_invalid", "continue"),
        stream("Reading-malformed event"),
    ),
    "events before a malformed one are delivered": Defect(
        replace("EventStream._events", r"machine\.receive\(chunk\)", r"[*\g<0>]"),
        stream("Reading-malformed event"),
    ),
    "gzip works": Defect(
        replace("EventStream._open", r"aiter_body\(response\)", "response.aiter_raw()"),
        stream("Reading-gzip, flushed after each event"),
    ),
    "a slow consumer costs no memory": Defect(
        replace(
            "EventStream._events",
            r"async for chunk in (chunks):",
            r"for chunk in [chunk async for chunk in \1]:",
        ),
        stream("Reading-200,000 events of 1 KB and a slow consumer"),
    ),
    # ---------------------------------------------------------------- bounds of memory
    "the size of an event that is incomplete is limited": Defect(
        never("SSEDecoder._limit_stored", "_max_size"),
        stream("Reading-an event larger than max_event_size"),
    ),
    "the size of an event that arrives at once is limited": Defect(
        never("SSEDecoder._read", "max_size"),
        "tests/core/test_sse_decoder.py::test_event_may_have_as_much_data_as_the_limit",
    ),
    "short lines of data are stored joined": Defect(
        drop("SSEDecoder._limit_stored", r"\.join\(data\)"),
        "tests/core/test_sse_decoder.py::"
        "test_endless_lines_of_data_exceed_the_limit_and_are_stored_joined",
    ),
    "comments are not stored": Defect(
        never("SSEDecoder._limit_stored", "startswith"), stream("Reading-a comment of 100 MB")
    ),
    "the size of a response body is limited": Defect(
        drop("BodyReader._check", "raise"), call("GET: response larger than max_response_size")
    ),
    "a too large Content-Length is an error before the body": Defect(
        drop("BodyReader.begin", r"_check\("),
        "tests/_{variant}/test_sizes.py::"
        "test_body_beyond_the_limit_is_an_error_and_closes_the_connection",
    ),
    "a response is decompressed in small pieces": Defect(
        returns("limit_decompression", "None"),
        "tests/core/test_decompression.py::test_chunk_is_decompressed_in_small_pieces",
    ),
    "a wait outlives a too large event of its stream": Defect(
        never("Wait.receive", "event_too_large"),
        "tests/_{variant}/test_sizes.py::test_wait_polls_if_its_stream_has_a_too_large_event",
    ),
    # ---------------------------------------------------------------- end of a stream
    "a clean end without a terminal event is a lost connection": Defect(
        prepend(
            "StreamMachine.connection_ended",
            "if cause is None: self.action = Finished(None)",
        ),
        stream("End of stream-clean end of body after 2 of 6 events"),
    ),
    "the terminal event ends the iteration at once": Defect(
        never("EventStream._events", r"not isinstance\(machine\.action"),
        stream("End of stream-connection left open after the terminal event"),
    ),
    "204 ends the stream": Defect(
        never("StreamMachine.opened", "204"), stream("End of stream-204 on reconnect")
    ),
    # ---------------------------------------------------------------- resuming a stream
    "a reset is a lost connection": Defect(
        constant("TRANSPORT_ERRORS", "(httpx.ConnectError,)"),
        stream("End of stream-reset after 2 of 6 events"),
    ),
    "the next connection resumes at the cursor": Defect(
        replace(
            "StreamMachine.request",
            r"self\.cursor, (?=self\._include)",
            "'now' if self.cursor != -1 else -1, ",
        ),
        stream("End of stream-FIN after 2 of 6 events"),
    ),
    "events at or below the cursor are dropped after a resume": Defect(
        replace("StreamMachine.receive", r"<= self\._replayed_through", "< self._replayed_through"),
        stream("Resuming-events repeated after a resume"),
    ),
    "the cursor never goes back": Defect(
        replace("StreamMachine.receive", r"(?<=elif )self\.cursor == 'now' or .*(?=:)", "True"),
        "tests/core/test_stream_machine.py::test_repeated_sequence_within_one_connection_is_delivered",
    ),
    "repeated ids within a connection are delivered": Defect(
        replace(
            "StreamMachine.receive",
            r"self\._replayed_through",
            "max(self._replayed_through, -1 if self.cursor == 'now' else self.cursor)",
        ),
        stream("Resuming-the same sequence number twice on one connection"),
    ),
    "a disconnect after an event without an id is an error": Defect(
        never("StreamMachine._check_position", "position_is_known"),
        stream("Resuming-disconnect after an event without a sequence number"),
    ),
    "a server that accepts and drops gets 1 + 3 connections": Defect(
        replace(
            "StreamMachine.opened", r"self\.action = Read.*", r"\g<0>; self._budget.failures = 0"
        ),
        stream("Resuming-every connection dropped after a heartbeat"),
    ),
    "the budget is 3 failures in a row": Defect(
        replace("RetryBudget.record_failure", r"self\.failures <= ", "self.failures < "),
        stream("Resuming-every connection accepted and dropped"),
    ),
    "a delivered event resets the budget": Defect(
        drop("StreamMachine.receive", r"_budget\.failures"),
        stream("Resuming-70 disconnects in a run of 500 events"),
    ),
    "the back-off outlasts a pod restart": Defect(
        returns("backoff", "0.0"), stream("Resuming-server unreachable for 1.5 s")
    ),
    "a refused connection is a failure within the budget": Defect(
        constant(
            "TRANSPORT_ERRORS", "(httpx.ReadError, httpx.RemoteProtocolError, httpx.ReadTimeout)"
        ),
        stream("Resuming-connection refused"),
    ),
    "429, 502, 503 and 504 are failures within the budget": Defect(
        replace("StreamMachine.opened", "status not in RETRYABLE_STATUSES", "status != 503"),
        stream("Resuming-502, 503, 504"),
    ),
    "Retry-After in seconds is the minimum delay": Defect(
        replace("RetryBudget.record_failure", r"max\((backoff\(.*\)), requested\)", r"\1"),
        stream("Resuming-503 with Retry-After: 1"),
    ),
    "Retry-After as a date is the minimum delay": Defect(
        replace("retry_after", "0.0 if date is None else .*", "0.0"),
        stream("Resuming-503 with Retry-After as a date 1 to 2 s ahead"),
    ),
    "a plain 500 is raised at once": Defect(
        constant("RETRYABLE_STATUSES", "frozenset({429, 500, 502, 503, 504})"),
        stream("Resuming-500 Internal Server Error"),
    ),
    "the body of an error response is read before it is raised": Defect(
        replace("EventStream._open", r"reader\.response\(\)", "response"),
        stream("Resuming-404 Not Found"),
    ),
    "the last failure is the cause of the error of an exhausted budget": Defect(
        replace("StreamMachine._retry", "from cause", "from None"),
        stream("Resuming-503 every time"),
    ),
    "the client's headers go with every reconnect": Defect(
        replace(
            "Driver.open",
            r"operation\.request\(client, limits\.timeout, headers\)",
            r"(r := \g<0>, '=-1' in str(r.url) or r.headers.pop('authorization', 0))[0]",
        ),
        stream("Resuming-two disconnects, Authorization header on the client"),
    ),
    "a disconnect of a stream at 'now' issues a warning": Defect(
        drop("StreamMachine.connection_ended", "_warn_missed_events"),
        stream("Resuming-disconnect before the first event of a stream from 'now'"),
    ),
    "a stream outlives a killed server": Defect(
        prepend(
            "StreamMachine.connection_ended",
            "if isinstance(cause, httpx.ReadError | httpx.RemoteProtocolError): raise cause",
        ),
        "tests/faults/_{variant}/test_runs.py::test_stream_resumes_after_server_is_killed",
    ),
    # ---------------------------------------------------------------- silence
    "silence after the headers costs no budget": Defect(
        replace(
            "StreamMachine.connection_ended",
            r"self\.action = Retry\(self\._min_delay\)",
            "self._retry(cause)",
        ),
        stream("Silence-a quiet run without heartbeats"),
    ),
    "silence before the headers is a failure": Defect(
        replace("StreamMachine.connection_ended", r"was_open and (?=isinstance)", ""),
        stream("Silence-no response"),
    ),
    "there is an idle limit by default": Defect(
        constant("IDLE_LIMIT", "float('inf')"),
        "tests/core/test_limits.py::test_default_limits_are_those_of_the_documentation",
    ),
    "connecting has a limit": Defect(
        replace(
            "Driver.open",
            r"limits\.timeout, headers\)([\s\S]*)limits\.head",
            r"httpx.Timeout(9, connect=None), headers)\1float('inf')",
        ),
        stream("Silence-no reply to SYN"),
    ),
    "the stock timeout of an httpx client was not chosen": Defect(
        replace("_chosen_timeout", "external.timeout == STOCK_TIMEOUT", "False"),
        "tests/_{variant}/test_limits.py::"
        "test_stock_timeout_of_external_client_counts_as_not_chosen",
    ),
    "the head of a stream has a limit": Defect(
        replace("limits_of", r"head=sum\(.*\)\)", "head=math.inf)"),
        "tests/_{variant}/test_limits.py::test_head_of_stream_has_a_limit",
    ),
    # ---------------------------------------------------------------- older servers
    "an event without a number is an error where others may be missing": Defect(
        never("StreamMachine.receive", "_takes_unnumbered"),
        f"{OLD}::test_event_without_a_number_is_an_error_where_others_may_be_missing",
    ),
    "a run that others have read is not an empty stream": Defect(
        never("StreamMachine._ensure_events_are_kept", "may_have_been_read"),
        f"{OLD}::test_stream_that_others_have_read_is_not_taken_for_an_empty_one",
    ),
    "frames without a blank line are an error": Defect(
        never("StreamMachine._check_frames", "has_unended_event"),
        f"{OLD}::test_events_that_end_without_a_blank_line_are_an_error",
    ),
    "the silence of a server without cursors is waited out": Defect(
        returns("StreamMachine.is_patient", "False"),
        f"{OLD}::test_silence_of_a_server_without_cursors_is_waited_out",
    ),
    "silence after an event without a number is waited out": Defect(
        drop("EventStream._events", "wait_out_silence"),
        "tests/_{variant}/test_limits.py::test_silence_after_an_event_without_a_number_is_waited_out",
    ),
    "a number after an event without one is a position again": Defect(
        never("StreamMachine.receive", "server.has_cursors"),
        f"{OLD}::test_number_after_an_event_without_one_is_a_position_again",
    ),
    "the position of an event without a number is not given away": Defect(
        never("StreamMachine.ensure_position", "position_is_known"),
        f"{OLD}::test_position_of_an_event_without_a_number_is_not_given_away",
    ),
    "an event without a number is an error where the position is needed": Defect(
        replace("StreamMachine.__init__", "not needs_numbers", "True"),
        f"{OLD}::test_event_without_a_number_is_an_error_where_the_position_is_needed",
    ),
    "only the first request gets events without numbers": Defect(
        replace("StreamMachine.request", "or self.handler_id in server.streamed", ""),
        f"{OLD}::test_event_without_a_number_is_an_error_where_others_may_be_missing",
    ),
    "a request that was not sent is not the first one": Defect(
        never("StreamMachine.connection_ended", "not_sent and"),
        f"{OLD}::test_event_without_a_number_is_delivered_after_requests_that_were_not_sent",
    ),
    "another consumer's 409 is an error of its own": Defect(
        never("StreamMachine.opened", "409"),
        f"{OLD}::test_second_consumer_is_told_that_there_is_another_one",
    ),
    "a handle does not go on from an unknown position": Defect(
        drop("WorkflowRun._position", "ensure_position"),
        f"{OLD}::test_position_of_an_event_without_a_number_is_not_given_away",
    ),
    "only a server's own 409 proves that IDs in use are refused": Defect(
        always("ServerTraits.learn_from_409", "detail"),
        f"{OLD}::test_conflict_proves_that_ids_in_use_are_refused",
    ),
    "a stream of a server with cursors takes no event without a number": Defect(
        replace("StreamMachine.request", "server.has_cursors or ", ""),
        f"{OLD}::test_event_without_a_number_is_an_error_of_a_server_with_cursors",
    ),
    "an error that an interruption replaces is raised by the next step": Defect(
        replace("EventStream._next_generator", "self._error is None", "True"),
        "tests/_{variant}/test_interruption.py::"
        "test_error_that_an_interruption_replaces_is_raised_by_the_next_step",
    ),
    "bare fields of an envelope are of the start class": Defect(
        replace("StartEncoding.as_fields", r"not self\._names\(title\) or ", ""),
        f"{OLD}::test_server_that_names_runs_gets_bare_fields_of_an_envelope",
    ),
    "each lost start reads the page anew": Defect(
        replace(
            "Start._page_response",
            "self._page_proves_it =",
            "self._server.refuses_used_ids = self._page_proves_it =",
        ),
        f"{OLD}::test_lost_start_reads_the_page_anew",
    ),
    "a page that is away proves nothing": Defect(
        never("Start._page_response", "delay is None"),
        f"{OLD}::test_page_that_is_temporarily_unavailable_proves_nothing",
    ),
    "a lost start is not repeated without its ID": Defect(
        never("Start._poll_response", "not has_cursors"),
        f"{OLD}::test_lost_start_is_not_repeated_without_its_id",
    ),
    "only the first start may be repeated without its ID": Defect(
        replace("Start._start_response", "self.phase is Phase.SENDING and ", ""),
        f"{OLD}::test_repeated_start_that_an_older_replica_rejects_is_not_sent_without_its_id",
    ),
    "a wait identifies its server once": Defect(
        drop("Wait.identified", "_is_identified"),
        f"{OLD}::test_wait_listens_only_to_streams_with_cursors",
    ),
    "a lost start concerns one item of a batch": Defect(
        replace("_concerns_one_item", r"error\.may_have_started", "False"),
        "tests/_{variant}/test_old_servers.py::test_lost_start_of_a_batch_concerns_one_item",
    ),
    "a key is an ID that is needed": Defect(
        replace("BatchRunner._start", r"self\._key is not None", "False"),
        "tests/_{variant}/test_old_servers.py::"
        "test_batch_with_keys_ends_before_anything_is_started",
    ),
    "an item has the ID that the server chose": Defect(
        drop("BatchRunner._start", r"item\.handler_id = known"),
        "tests/_{variant}/test_old_servers.py::test_runs_of_a_batch_get_the_server_s_ids",
    ),
    "a failed item has the ID that the server chose": Defect(
        drop("BatchRunner._start", r"item\.handler_id = error"),
        "tests/_{variant}/test_old_servers.py::test_failed_run_of_a_batch_has_the_server_s_id",
    ),
    "a run is waited for under the server's ID": Defect(
        replace("WorkflowClient.run_workflow", r"handler\.handler_id", "handler_id"),
        "tests/_{variant}/test_old_servers.py::test_run_is_waited_for_under_the_server_s_id",
    ),
    "events are sent in both forms": Defect(
        replace("endpoints.send_event", r"in_every_form\((.*), server\)", r"\1"),
        "tests/_{variant}/test_old_servers.py::test_events_are_sent_in_both_forms",
    ),
    "a missing route is not an unknown run": Defect(
        returns("is_unknown_run", "response.status_code == 404"),
        f"{OLD}::test_missing_route_is_not_an_unknown_run",
    ),
    "a lost start is repeated only if IDs in use are refused": Defect(
        always("Start._resend", "self._server.refuses_used_ids or"),
        f"{OLD}::test_lost_start_on_another_server_is_polled_and_then_an_error",
    ),
    "a start without an ID is never repeated once it may have arrived": Defect(
        never("Start._response_lost", "Phase.UNNAMED"),
        f"{OLD}::test_start_without_an_id_is_never_repeated_once_it_may_have_arrived",
    ),
    "the ID that a server names is compared": Defect(
        never("Start._check_name", "name not in"),
        f"{OLD}::test_run_under_another_id_is_an_error_that_has_it",
    ),
    "an ID of the caller's is never given up": Defect(
        never("Start._start_without_id", "_id_is_needed"),
        f"{OLD}::test_id_of_the_caller_s_is_an_error_that_says_so",
    ),
    "a typed start is not misread as fields": Defect(
        never("Start._start_without_id", "_as_fields"),
        f"{OLD}::test_typed_start_event_is_sent_as_its_fields_to_a_server_that_names_runs",
    ),
    "a wait listens only to streams with cursors": Defect(
        returns("Wait.identified", "Listen()"),
        f"{OLD}::test_wait_listens_only_to_streams_with_cursors",
    ),
    # ---------------------------------------------------------------- ending early
    "break frees the connection": Defect(
        drop("EventStream.__aiter__", "return", "self.kept = iterator; return iterator"),
        stream("Ending early-break"),
    ),
    "closing from another task ends the iteration": Defect(
        replace("EventStream.aclose", r"self\._closed = True", r"\g<0>; return"),
        "tests/core/test_closing.py::test_closing_from_another_task_ends_the_loop",
    ),
    "closing from another thread ends the iteration": Defect(
        replace("EventStream.aclose", r"self\._closed = True", r"\g<0>; return"),
        "tests/core/test_closing.py::test_closing_from_another_thread_ends_the_loop_at_once",
    ),
    "closing over HTTP/2 wakes the reader, and nobody else": Defect(
        never("EventStream.aclose", "is_shared"),
        "tests/core/test_closing.py::test_closing_from_another_thread_ends_only_its_loop_on_http2",
    ),
    "closing over HTTP/2 wakes the reader, however often another takes its turn": Defect(
        constant("PING_PAUSES", "(0.005,)"),
        "tests/core/test_closing.py::test_closing_from_another_thread_ends_only_its_loop_on_http2",
    ),
    "a stream leaves trio nothing to warn about": Defect(
        returns("aexhaust", "None"),
        "tests/core/test_iteration.py::test_trio_has_nothing_to_warn_about",
    ),
    "an iterator that is dropped closes its generator": Defect(
        returns("AsyncEventIterator.__del__", "None"),
        "tests/_async/test_interruption.py::"
        "test_break_frees_the_connection_of_a_stream_that_is_kept",
    ),
    "a client that is dropped closes its connections": Defect(
        returns("AsyncClients.__del__", "None"),
        "tests/core/test_clients.py::test_unreferenced_client_is_closed_while_its_loop_runs",
    ),
    "what is collected with its owner leaves trio nothing to warn about": Defect(
        drop("AsyncClients.get", r"STARTED\.add"),
        "tests/core/test_iteration.py::test_trio_has_nothing_to_warn_about",
    ),
    "sending that is cancelled leaves trio nothing to warn about": Defect(
        drop("asend", r"_AsyncContent"),
        "tests/_async/test_batch.py::test_batch_raises_errors_that_concern_all_items",
    ),
    # ---------------------------------------------------------------- interrupted steps
    "an interrupted step does not end a stream": Defect(
        replace("EventStream._next_generator", "is_over and ", ""),
        "tests/_{variant}/test_interruption.py::test_interrupted_step_continues_from_the_cursor",
    ),
    "a step that is interrupted as it begins does not end a stream": Defect(
        replace("EventIterator.__init__", r"compress\(.*\)\)", "[generators])"),
        "tests/core/test_iteration.py::"
        "test_interruption_of_the_next_step_as_it_begins_loses_nothing",
    ),
    "an iterator that is dropped takes its stream along": Defect(
        replace("EventIterator.__init__", r"chains = ", r"more.append(generators); \g<0>"),
        "tests/core/test_iteration.py::test_stream_is_dropped_with_its_iterator",
    ),
    "no frame of a cancelled call keeps its variables": Defect(
        drop("locals_of", r"found\.clear"),
        "tests/core/test_iteration.py::"
        "test_cancelled_task_drops_its_stream_without_the_garbage_collector",
    ),
    "no frame of a cancelled call keeps its exception": Defect(
        drop("raise_true_cause", r"del error, failure"),
        "tests/core/test_iteration.py::"
        "test_cancelled_task_drops_its_stream_without_the_garbage_collector",
    ),
    "an interrupted step costs no budget": Defect(
        replace(
            "EventStream._establish",
            r"self\._machine\.interrupted\(\)(?=\n\s*while)",
            "self._machine.connection_ended(None)",
        ),
        "tests/_{variant}/test_interruption.py::test_interrupted_step_continues_from_the_cursor",
    ),
    "what was decoded before an interruption is not lost": Defect(
        drop("EventStream._events", r"self\._is_interrupted = True"),
        "tests/_{variant}/test_interruption.py::test_interruption_while_decoding_loses_no_event",
    ),
    "an interruption at an unknown position is an error": Defect(
        drop("StreamMachine.interrupted", "_check_position"),
        "tests/_{variant}/test_interruption.py::"
        "test_interruption_at_an_unknown_position_is_an_error_of_the_next_step",
    ),
    "an interruption at 'now' issues a warning": Defect(
        drop("StreamMachine.interrupted", "_warn_missed_events"),
        "tests/_{variant}/test_interruption.py::"
        "test_interruption_before_the_first_event_at_now_warns",
    ),
    "an interrupted delay is not begun anew": Defect(
        always("EventStream._sleep", "retry is not"),
        "tests/core/test_iteration.py::test_steps_with_a_short_timeout_get_past_a_long_delay",
    ),
    # ---------------------------------------------------------------- "now"
    "a stream at 'now' is connected before an event is sent": Defect(
        drop("Driver.send", "_connect_early"),
        "tests/_{variant}/test_now.py::"
        "test_stream_at_now_is_connected_before_its_run_is_asked_for_anything",
    ),
    "a stream at 'now' is connected before a wait": Defect(
        drop("Driver.wait", "_connect_early"),
        "tests/_{variant}/test_now.py::"
        "test_stream_at_now_is_connected_before_its_run_is_asked_for_anything",
    ),
    "a stream at 'now' that was not connected in time issues a warning": Defect(
        drop("StreamMachine.restart", "overtaken"),
        "tests/_{variant}/test_now.py::test_call_goes_on_if_its_stream_cannot_be_connected",
    ),
    "a stream that a call has connected is closed when it is dropped": Defect(
        returns("EventStream._drop", "None"),
        "tests/_{variant}/test_now.py::"
        "test_dropped_stream_that_a_call_has_connected_frees_its_connection",
    ),
    "a wait is not held up by the retries of a stream": Defect(
        replace("Ahead.has_time_for", r" and \(?not .*", ""),
        "tests/_{variant}/test_now.py::test_wait_is_not_held_up_by_the_retries_of_a_stream",
    ),
    "a stream that a wait has connected keeps its idle timeout": Defect(
        replace("EventStream._open", r"machine if ahead is None else .*", "ahead or machine"),
        "tests/_{variant}/test_now.py::"
        "test_stream_that_a_wait_has_connected_keeps_its_own_idle_timeout",
    ),
    "a stream that is connected after an interruption stays connected": Defect(
        drop("EventStream._establish", r"self\._is_interrupted = False"),
        "tests/_{variant}/test_now.py::test_connecting_that_was_interrupted_is_done_anew",
    ),
    "a call does not wait for long for a stream without a response": Defect(
        drop("EventStream._open", "limits =", "limits = machine"),
        HELD_UP,
    ),
    "a call does not wait for a stream that is to be connected later": Defect(
        returns("Ahead.has_time_for", "True"),
        HELD_UP,
    ),
    "a call does not wait for long for a connect that is under way": Defect(
        replace("EventStream._connect_early", r"ahead\.remaining\(\)", "30"),
        "tests/core/test_iteration.py::"
        "test_call_does_not_wait_for_long_for_a_connect_that_another_thread_has_begun",
    ),
    "a stream that a call has not waited for issues a warning": Defect(
        drop("EventStream._connect_early", "overtaken"),
        "tests/core/test_iteration.py::"
        "test_call_does_not_wait_for_long_for_a_connect_that_another_thread_has_begun",
    ),
    "a stream is connected only in its own event loop": Defect(
        always("Driver._connect_early", r"stream\._loop is loop"),
        "tests/core/test_iteration.py::test_stream_at_now_is_not_connected_from_another_loop",
    ),
    "a call waits for a connect that is under way": Defect(
        always("EventStream._connect_early", "is_wait"),
        "tests/core/test_iteration.py::test_call_waits_for_a_connect_that_another_thread_has_begun",
    ),
    "a task cancelled at any moment leaves no socket": Defect(
        returns("Usage._leftovers", "[]"),
        "tests/faults/test_ending_early.py::test_cancelled_task_leaves_no_socket_in_use",
    ),
    "a cancelled call leaves no entry in the pool": Defect(
        returns("Usage._sweep", "[]"),
        f"{CANCELLED}[asyncio-task-tcp-list_workflows]",
    ),
    "a call that is cancelled again leaves no entry in the pool": Defect(
        drop("Usage._sweep", r"_requests\.remove"),
        f"{CANCELLED}[asyncio-twice-tcp-list_workflows]",
    ),
    "a connection that is cancelled while it is set up is closed": Defect(
        drop("Usage.connected", r"_opened\.append"),
        f"{CANCELLED}[asyncio-task-tls-list_workflows]",
    ),
    "connections that a cancelled call was closing are closed": Defect(
        replace("_interrupted", "'_close_connections'", "''"),
        "tests/core/test_pools.py::test_connections_that_were_being_closed_are_closed",
    ),
    "the pool of a transport inside another is known": Defect(
        drop("_pools", r"attributes\.values"),
        "tests/core/test_pools.py::test_pool_of_a_transport_inside_another_is_left_empty",
    ),
    "a signal between two chunks leaves no entry in the pool": Defect(
        drop("_Body._abandon", r"_stream\.close"),
        "tests/core/test_pools.py::test_call_interrupted_at_any_line_leaves_the_pool_empty",
    ),
    "a signal before a response is closed leaves no entry in the pool": Defect(
        drop("connection.close_response", r"stream\.close"),
        "tests/core/test_interrupts.py::"
        "test_exception_of_signal_handler_before_a_response_is_closed_leaves_no_entry_in_the_pool",
    ),
    # ---------------------------------------------------------------- transport failures
    "what the libraries below httpx raise is a transport failure": Defect(
        returns("_unmapped_failure", "None"),
        "tests/_async/test_transport_failures.py::test_tls_error_is_a_transport_error_with_its_request",
    ),
    "a host name that cannot be resolved is a failure to connect": Defect(
        replace("_Backend._addresses", r"\(OSError, UnicodeError\)", "OSError"),
        "tests/_sync/test_transport_failures.py::"
        "test_host_name_that_cannot_be_resolved_is_a_failure_to_connect",
    ),
    "a host name that cannot be resolved is a failure of the transport": Defect(
        replace("_unmapped_failure", ", UnicodeError", ""),
        "tests/_async/test_transport_failures.py::"
        "test_host_name_that_cannot_be_resolved_is_a_failure_to_connect",
    ),
    "what a server gets wrong in HTTP/2 is a transport failure": Defect(
        returns("_is_wrongly_local", "False"),
        "tests/_{variant}/test_transport_failures.py::test_what_a_server_gets_wrong_in_http2_is_not_the_request",
    ),
    "the exception of a signal handler is the caller's": Defect(
        returns("raised_by_caller", "None"),
        "tests/core/test_interrupts.py::test_exception_of_signal_handler_passes_through_call",
    ),
    "the exception of a signal handler is not lost while sending": Defect(
        drop("deadline._Stream.write", "raise_own_cause"),
        "tests/core/test_interrupts.py::test_exception_of_signal_handler_passes_through_write",
    ),
    "an exception of an event hook is the caller's": Defect(
        replace("TRANSPORT_ERRORS", r"httpx\.DecodingError", r"\g<0>, ConnectionError"),
        "tests/_{variant}/test_transport_failures.py::test_exception_of_an_event_hook_is_not_a_transport_failure",
    ),
    "a CONNECT that a proxy rejects was not the start": Defect(
        replace("NOT_SENT_ERRORS", r", httpx\.ProxyError", ""),
        "tests/_{variant}/test_transport_failures.py::test_connect_that_a_proxy_rejects_is_no_lost_start",
    ),
    "only httpx's own transports say that nothing was sent": Defect(
        returns("_is_exact", "True"),
        "tests/_{variant}/test_transport_failures.py::test_event_is_not_sent_again_if_the_transport_may_be_inexact",
    ),
    "only httpx's own clients say that nothing was sent": Defect(
        replace("_is_exact", r" and type\(inner\).*", ""),
        "tests/_{variant}/test_transport_failures.py::test_event_is_sent_again_only_if_client_and_transport_are_httpx_own",
    ),
    "a stream never iterated does no I/O": Defect(
        prepend(
            "WorkflowClient.get_workflow_events",
            "__import__('httpx').get(self.base_url + '/events/h1')",
        ),
        stream("Ending early-created and never iterated"),
    ),
    # ---------------------------------------------------------------- over aiohttp
    "over aiohttp, only what was not sent is reported so": Defect(
        drop("Exchange.sending", r"self\.is_sent ="),
        f"{AIOHTTP}::test_failure_after_sending_is_httpx_s_and_may_have_arrived",
    ),
    "aiohttp sends no request again": Defect(
        replace("Exchange.send", r"raise self\.mapped\(error\) from error", "raise"),
        f"{AIOHTTP}::test_request_lost_on_a_reused_connection_is_not_repeated[GET]",
    ),
    "over aiohttp, a connection that is known to be closed is not used": Defect(
        replace("AiohttpTransport.handle_async_request", r"(await asyncio\.sleep\(0\)\s+){2}", ""),
        f"{AIOHTTP}::test_connection_closed_while_the_loop_was_busy_is_not_used_again",
    ),
    "over aiohttp, what nobody has asked for is not a response": Defect(
        replace("_Protocol.is_connected", "self.should_close", "False"),
        f"{AIOHTTP}::test_what_nobody_has_asked_for_is_not_a_response",
    ),
    "over aiohttp, silence is waited out for as long as is wanted": Defect(
        replace("_Body._check_timeout", r"self\._is_patient\(\)", "True"),
        f"{AIOHTTP}::test_silence_is_waited_out_for_as_long_as_is_wanted",
    ),
    "over aiohttp, a body does not wait to be asked for": Defect(
        replace("aiohttp_transport._headers", "b'expect'", "b''"),
        f"{AIOHTTP}::test_body_is_sent_without_being_asked_for",
    ),
    "over aiohttp, what arrived before a failure is delivered": Defect(
        returns("_Body._left", "b''"),
        f"{AIOHTTP}::test_what_arrived_before_a_failure_is_delivered",
    ),
    "over aiohttp, a reset of the connection is not the end of a body": Defect(
        returns("_Body._failure", "None"),
        f"{AIOHTTP}::test_failure_after_sending_is_httpx_s_and_may_have_arrived",
    ),
    "over aiohttp, a reset after a whole response is not its failure": Defect(
        returns("_Body._ends_with_connection", "True"),
        f"{AIOHTTP}::test_reset_after_a_whole_response_is_not_its_failure",
    ),
    "over aiohttp, the time to read counts while somebody reads": Defect(
        drop("aiohttp_transport._Body.__init__", "start_timeout"),
        f"{AIOHTTP}::test_time_to_read_does_not_count_while_nobody_reads",
    ),
    "over aiohttp, the time to write is limited": Defect(
        drop("Exchange.sending", "reschedule"),
        f"{AIOHTTP}::test_body_that_is_not_read_by_the_server_times_out",
    ),
    "over aiohttp, a cancelled upload closes its connection": Defect(
        drop("_Protocol.close", r"if transport is not None"),
        f"{AIOHTTP}::test_cancelled_upload_closes_the_connection",
    ),
    "over aiohttp, a response to half a request closes the connection": Defect(
        drop("_Protocol.close", r"if transport is not None"),
        f"{AIOHTTP}::test_response_before_the_whole_request_is_sent_closes_the_connection",
    ),
    "over aiohttp, Connection: close is honoured": Defect(
        drop("_Response.start", "force_close"),
        f"{AIOHTTP}::test_connection_close_of_the_request_is_honoured",
    ),
    "over aiohttp, closing the client ends its readers": Defect(
        drop("AiohttpTransport.aclose", "for body in"),
        f"{AIOHTTP}::test_closing_the_client_ends_a_reader",
    ),
    "aiohttp follows no redirects": Defect(
        replace("AiohttpTransport._send", "allow_redirects=False", "allow_redirects=True"),
        f"{AIOHTTP}::test_response_is_passed_on_as_it_is",
    ),
    "a transport cannot be chosen for an external client": Defect(
        drop("resolve_settings", r"given\['transport'\]"),
        f"{AIOHTTP}::test_transport_with_an_httpx_client_is_rejected",
    ),
    # ---------------------------------------------------------------- over httpx2
    "failures of a client of httpx2 are httpx's": Defect(
        returns("_mapped", "error"),
        f"{HTTPX2}::test_failure_to_connect_is_httpx_s_and_proves_that_nothing_was_sent",
    ),
    "over httpx2, the failure of a redirect says nothing of the request": Defect(
        always("_request_of", "sent is request.inner"),
        f"{HTTPX2}::test_redirect_that_cannot_be_followed_does_not_prove_that_nothing_was_sent",
    ),
    "over httpx2, only what httpx can decompress is asked for": Defect(
        drop("_Request.__init__", r"accept-encoding'\] ="),
        f"{HTTPX2}::test_only_what_httpx_decompresses_is_asked_for",
    ),
    "the pools of a client of httpx2 are rid of leftovers": Defect(
        replace("_pools", r"original\(client\)", "client"),
        "tests/core/test_pools.py::test_call_interrupted_at_any_line_leaves_the_pool_empty[httpx2]",
    ),
    "deadlines in a client of httpx2 raise its errors": Defect(
        replace("obey_deadlines", r"library_of\(client\)", "httpx"),
        "tests/core/test_httpx2.py::test_deadline_in_a_client_of_httpx2_names_the_request_that_met_it",
    ),
    # ---------------------------------------------------------------- plain calls
    "GETs are retried twice": Defect(
        constant("CALL_RETRIES", "1"), call("GET: two responses lost")
    ),
    "a stale connection does not fail a call": Defect(
        replace("Call._may_retry", r"self\._operation\.is_safe", "False"),
        call("GET: stale keep-alive connection"),
    ),
    "GETs are retried after 429, 502, 503 and 504": Defect(
        replace("Call.receive", "in RETRYABLE_STATUSES", "== 503"), call("GET: 429, 502")
    ),
    "a call obeys Retry-After": Defect(
        replace("Call.receive", r"record_failure\(.*\)", "record_failure(None)"),
        call("GET: 503 with Retry-After: 1"),
    ),
    "is_healthy is not retried when the server is not ready": Defect(
        replace("Call.receive", r" and \(?not self\._is_health_check\)?", ""),
        call("is_healthy: 503"),
    ),
    "is_healthy is not retried on a new connection": Defect(
        never("Call._may_retry", "_is_health_check"), call("is_healthy: response lost")
    ),
    "a stale connection does not fail is_healthy": Defect(
        returns("is_stale_connection", "False"), call("is_healthy: stale keep-alive connection")
    ),
    "an attempt of a plain call has a limit": Defect(
        constant("ATTEMPT_LIMIT", "IDLE_LIMIT"),
        "tests/core/test_limits.py::test_default_limits_are_those_of_the_documentation",
    ),
    "all attempts of a plain call have a limit": Defect(
        drop("Call.limits", "limit_time"),
        call("GET: no response (limits 0.4 s and 1 s, not 15 s and 45 s)"),
    ),
    "a start without waiting has a limit": Defect(
        drop("Start.limits", r"\.limit_time"),
        "tests/core/test_start.py::test_only_a_start_without_waiting_has_a_total",
    ),
    "a POST that may have been sent is not retried": Defect(
        returns("Operation.is_safe", "True"), call("send_event: response lost")
    ),
    "a run whose start lost its response is looked up": Defect(
        drop("Start.failed", "_response_lost"), call("start: response lost")
    ),
    "a start that never arrived is sent again": Defect(
        never("Start._poll_response", "has_cursors is not None"), call("start: request lost")
    ),
    "a run carries the id that the client generated": Defect(
        replace(
            "Driver.start_run",
            r"(?<=workflow_name, )handler_id",
            "__import__('uuid').uuid4().hex",
        ),
        call("start: response lost"),
    ),
    "every error of a start names the run": Defect(
        replace("Start.failed", r", self\._handler_id", ""), call("start: server gone")
    ),
    "run_workflow outlives its connection": Defect(
        drop("WorkflowClient.run_workflow", r"_driver\.wait", "return handler"),
        call("run_workflow: no bytes within the idle timeout"),
    ),
    "run_workflow outlives the server": Defect(
        constant("LOST_START_RETRIES", "0"),
        "tests/faults/_{variant}/test_runs.py::test_run_workflow_returns_after_server_is_killed",
    ),
    "one reset does not end a wait": Defect(
        drop("Wait.poll_failed", "is_caller_error", "delay = None"),
        call("wait_for_handler: a poll lost, a 503, two stream disconnects"),
    ),
    "one 503 does not end a wait": Defect(
        never("Wait.poll_response", "RETRYABLE_STATUSES"),
        call("wait_for_handler: a poll lost, a 503, two stream disconnects"),
    ),
    "lost and unavailable polls back off alike": Defect(
        drop("Wait.poll_response", r"return self\.poll_failed\(status_error", "return Listen()"),
        "tests/core/test_wait.py::"
        "test_lost_and_unavailable_polls_back_off_alike_until_one_succeeds",
    ),
    "a start that a proxy gave up on is looked up": Defect(
        returns("may_have_arrived", "False"),
        "tests/core/test_start.py::test_response_of_a_proxy_counts_as_lost",
    ),
    "a plain 500 is not the end of a run": Defect(
        replace("Start._start_response", r"handler_in_500\(response\) is None", "False"),
        call("run_workflow: plain 500 although the run continues"),
    ),
    "a start is not repeated after a 500": Defect(
        never("Start._resend", "_server_error"), call("start: plain 500")
    ),
    "a run that the server could not start is not waited for": Defect(
        never("Start._poll_response", "not is_ended"),
        "tests/core/test_start.py::"
        "test_start_that_server_reports_as_failed_is_raised_if_its_run_is_running",
    ),
    "a run whose engine died is an error": Defect(
        never("read_handler", "is_status_completed"),
        call("wait_for_handler: 500 with a run that is running, its engine has died"),
    ),
    "fields named as in an envelope are written for the start class": Defect(
        returns("_bare", "StartEncoding(fields)"),
        "tests/_{variant}/test_client.py::test_start_event_reaches_workflow_in_every_form",
    ),
    "a start class that does not read an event is not started with its defaults": Defect(
        drop("StartEncoding.rewritten", "raise EventValidationError"),
        "tests/_{variant}/test_client.py::"
        "test_start_event_that_workflow_would_not_read_starts_nothing",
    ),
    "a schema that is lost on the way is asked for again": Defect(
        never("Start._response_lost", "REWRITING"),
        call("start with a field named value: schema lost, then a 503"),
    ),
    "run_workflow raises for a failed run": Defect(
        drop("read_successful_run", "raise"),
        call("run_workflow of a failing run: response lost"),
    ),
    "get_handler returns a failed run": Defect(
        always("read_handler", "is None"),
        "tests/_{variant}/test_client.py::test_run_workflow_raises_for_failed_run_and_get_handler_returns_it",
    ),
    "wait_for_handler learns of the end from the stream": Defect(
        never("Wait.receive", "_is_terminal"),
        "tests/_{variant}/test_lost_responses.py::test_wait_learns_of_completion_from_stream",
    ),
    "timeout= is enforced": Defect(
        returns("Wait.limits", "operation"),
        call("wait_for_handler(timeout=0.6): no response"),
    ),
    "timeout= is enforced while a response trickles in": Defect(
        replace("Driver.open", r"whole=limits\.whole", "whole=float('inf')"),
        call("wait_for_handler(timeout=0.6): response trickling in"),
    ),
    "the head of a response has a deadline in the async client": Defect(
        replace("connection.asend", r"started \+ min\(head, whole\)", "math.inf"),
        "tests/_async/test_limits.py::test_wait_ends_at_its_deadline",
    ),
    "the head of a response has a deadline in the sync client": Defect(
        replace("connection.send", r"started \+ min\(head, whole\)", "math.inf"),
        "tests/_sync/test_limits.py::test_wait_ends_at_its_deadline",
    ),
    "connections that the caller has opened have deadlines": Defect(
        replace("_wrap_backend", r"pool\.connections", "()"),
        "tests/core/test_limits.py::test_connection_that_the_caller_has_opened_obeys_deadlines",
    ),
    "mounted transports have deadlines": Defect(
        replace("obey_deadlines", r"client\._mounts\.values\(\)", "()"),
        "tests/core/test_limits.py::test_mounted_transport_obeys_deadlines",
    ),
    "a name with several addresses has one deadline": Defect(
        returns("_Backend._addresses", "[host]"),
        "tests/core/test_limits.py::test_each_address_of_a_name_has_its_share_of_the_limit",
    ),
    "a slow upload has a deadline": Defect(
        constant("MAX_WRITE", "10 ** 9"),
        "tests/core/test_limits.py::test_upload_that_is_read_too_slowly_ends_at_its_limit",
    ),
    "a wait does not wait for the body of its stream's error": Defect(
        returns("connection.limit_body", "None"),
        "tests/_sync/test_now.py::test_wait_ends_in_time_although_its_stream_cannot_be_connected",
    ),
    "an async wait does not wait for the body of its stream's error": Defect(
        returns("connection.alimit_body", "None"),
        "tests/_async/test_now.py::test_wait_ends_in_time_although_its_stream_cannot_be_connected",
    ),
    "a body ends with its compressed data": Defect(
        returns("_PieceStream._is_past_end", "False"),
        "tests/core/test_decompression.py::test_body_ends_with_its_compressed_data",
    ),
    "a proxy has a usable address": Defect(
        never("_check_proxies", r"problem := problem_of"),
        "tests/core/test_settings.py::test_environment_variable_that_httpx_cannot_use_is_named",
    ),
    "a URL that is too long is a ValueError": Defect(
        replace("Operation.request", r"except httpx\.InvalidURL", "except httpx.CookieConflict"),
        "tests/_{variant}/test_requests.py::test_url_that_is_too_long_for_httpx_is_rejected",
    ),
    "a timeout of zero polls once": Defect(
        replace("Wait.limits", r"max\(.*LAST_POLL\)", "self.remaining()"),
        "tests/_{variant}/test_client.py::test_wait_with_zero_timeout_polls_once",
    ),
    # ---------------------------------------------------------------- processes
    "a forked child has connections of its own": Defect(
        returns("Clients._after_fork", "None"), processes("test_forked_child_connects_anew[True]")
    ),
    "a forked child waits for no lock of a connection pool": Defect(
        drop("pool._empty_copy", r"empty\._optional_thread_lock"),
        processes("test_forked_child_waits_for_no_lock_of_a_thread[pool]"),
    ),
    "a forked child waits for no lock of the cookies": Defect(
        drop("renew_pools", "_cookies_lock"),
        processes("test_forked_child_waits_for_no_lock_of_a_thread[cookies]"),
    ),
    "a fork waits for imports": Defect(
        replace("import_for_calls", "with no_fork", "if True"),
        processes("test_fork_waits_for_imports_of_the_first_client[llama_agents.client.bindings]"),
    ),
    "a client imports what its calls need": Defect(
        drop("import_for_calls", "import books, payloads"),
        f"{PUBLIC_NAMES}::test_calls_import_nothing_that_their_client_has_not_imported[False]",
    ),
    "a client that was pickled imports what its calls need": Defect(
        drop("Driver.__setstate__", "import_for_calls"),
        f"{PUBLIC_NAMES}::test_calls_import_nothing_that_their_client_has_not_imported[True]",
    ),
    "a used transport that is not httpx's own is rejected in a forked child": Defect(
        returns("_ensure_usable", "None"),
        processes("test_forked_child_rejects_a_used_client_whose_connections_it_cannot_tell_apart"),
    ),
    "a stream carried into a forked child connects anew": Defect(
        returns("EventStream._let_go", "None"),
        processes("test_stream_carried_into_a_child_reconnects_there_and_goes_on_in_the_parent"),
    ),
    "a fork is not a failure of a stream": Defect(
        replace("StreamMachine.interrupted", r"self\.action = Retry.*", "self._retry(None)"),
        processes("test_stream_carried_into_a_child_reconnects_there_and_goes_on_in_the_parent"),
    ),
    "a forked child cancels none of its parent's runs": Defect(
        returns("BatchRunner._is_parents", "False"),
        processes("test_batch_carried_into_a_child_stays_the_parents[close]"),
    ),
    "a forked child does not continue a batch": Defect(
        never("BatchRunner.step", r"_is_parents"),
        processes("test_batch_carried_into_a_child_stays_the_parents[continue]"),
    ),
    "a client of an httpx client says why it cannot be copied": Defect(
        never("_copied_settings", "settings"),
        "tests/core/test_copies.py"
        "::test_client_of_an_httpx_client_says_why_it_cannot_be_copied[deepcopy]",
    ),
    "a copied run has its position": Defect(
        returns("WorkflowRun.__getstate__", "{**vars(self), '_stream': None}"),
        "tests/core/test_copies.py::test_copied_run_continues_at_its_position",
    ),
    "a batch that is held at exit is cancelled": Defect(
        returns("Finalizer.at_exit", "None"),
        at_exit("test_batch_held_at_exit_is_cancelled_quietly[sync]"),
    ),
    "the end of the event loop waits for a batch to be cancelled": Defect(
        returns("AsyncClients.unused", "None"),
        "tests/core/test_clients.py"
        "::test_end_of_the_event_loop_closes_a_client_after_the_batches_that_use_it",
    ),
    "cancelling at the end of the event loop issues no warning": Defect(
        returns("_generators_are_closed", "False"),
        at_exit("test_batch_held_at_exit_is_cancelled_quietly[asyncio]"),
    ),
    "a response is closed after the event loop that ends has closed its generators": Defect(
        drop("aexhaust", r"await cancel_shielded_checkpoint\(\)"),
        at_exit("test_end_of_the_event_loop_may_close_a_generator_that_is_exhausted"),
    ),
    "a forked child leaves the event loop of its parent alone": Defect(
        returns("AsyncClients._let_go", "None"),
        processes("test_forked_child_leaves_the_event_loop_of_its_parent_alone"),
    ),
    # ---------------------------------------------------------------- connections and requests
    "live streams of one client are concurrent": Defect(
        replace("_LIMITS", "max_connections=None", "max_connections=10"),
        "tests/faults/test_concurrency.py::test_{variant}_client_streams_concurrently",
    ),
    "calls share a client and its connections": Defect(
        always("AsyncClients.get", r"self\._owned"),
        "tests/faults/test_concurrency.py::test_concurrent_runs_share_one_httpx_client",
    ),
    "one client works in two event loops": Defect(
        replace(
            "AsyncClients.get",
            r"_create\(settings\)",
            r"self.__dict__.setdefault('only', \g<0>)",
        ),
        "tests/core/test_clients.py::test_client_works_in_several_event_loops",
    ),
    "names and ids are quoted or rejected": Defect(
        replace("_segment", r"\('', .*?\)", "('',)"),
        "tests/_{variant}/test_client.py::test_call_rejects_name_that_cannot_be_path_segment",
    ),
    "control characters and lone surrogates are rejected": Defect(
        replace("_segment", r"_CONTROL_OR_SURROGATE\.search\(value\)", "False"),
        "tests/_{variant}/test_client.py::test_call_rejects_name_that_cannot_be_path_segment",
    ),
    "what JSON cannot carry is rejected before anything is sent": Defect(
        returns("_is_not_finite", "False"),
        "tests/_{variant}/test_client.py::test_call_rejects_payload_that_json_cannot_represent",
    ),
    "a secret is not sent as its mask": Defect(
        replace("_find_loss", "is_mask and", "False and"),
        "tests/core/test_payloads.py::test_lost_value_is_named_wherever_it_is_sent",
    ),
    "fields of nested models are sent as they are read": Defect(
        never("event_payload", "_has_aliases"),
        f"{PAYLOADS}::test_fields_of_nested_models_are_sent_under_the_names_by_which_they_are_read",
    ),
    "an alias that is not read is not sent": Defect(
        always("_as_read", r"is_read\(by_alias\)"),
        f"{PAYLOADS}::test_fields_of_nested_models_are_sent_under_the_names_by_which_they_are_read",
    ),
    "a secret in any kind of sequence is not sent as its mask": Defect(
        replace("_find_loss", r"Sequence", "(list, tuple)"),
        "tests/core/test_payloads.py::test_lost_value_is_named_wherever_it_is_sent",
    ),
    "the mark of the framework's serializer does not make an envelope a dict of fields": Defect(
        constant("_MARKS", "frozenset()"),
        "tests/core/test_payloads.py::test_what_the_framework_writes_for_an_event_is_an_envelope",
    ),
    "a start event is read only once": Defect(
        drop("Driver.start_run", "encoding =", "encoding = start_event"),
        "tests/_{variant}/test_typed.py::"
        "test_start_event_that_can_be_read_only_once_is_validated_and_sent",
    ),
    "what the server would ignore in an envelope is not sent": Defect(
        returns("_ignored_keys", "[]"),
        "tests/core/test_payloads.py::test_dict_whose_fields_the_server_would_ignore_is_not_sent",
    ),
    "an httpx client of the wrong class is rejected": Defect(
        never("resolve_settings", "client_class"),
        "tests/_{variant}/test_client.py::test_client_rejects_httpx_client_of_wrong_class",
    ),
    "errors of calls about a run name it": Defect(
        replace("_operation", r"read\(response, handler_id\)", "read(response, None)"),
        "tests/_{variant}/test_client.py::test_error_carries_handler_id_of_calls_about_a_run",
    ),
    "log records do not quote exceptions": Defect(
        replace("log_failure", r"type\(cause\)\.__name__", "str(cause)"),
        "tests/_{variant}/test_logging.py::test_call_that_gives_up_is_logged",
    ),
    "a header that cannot be sent is not quoted": Defect(
        never("raise_final", "LocalProtocolError"),
        "tests/core/test_call.py::test_header_that_cannot_be_sent_is_not_shown",
    ),
    "a header of the constructor that cannot be sent is not quoted": Defect(
        returns("checked_headers", "headers"),
        "tests/core/test_settings.py::test_header_that_cannot_be_sent_is_named_without_its_content",
    ),
    "a header that cannot be encoded is not quoted": Defect(
        returns("is_header_error", "False"),
        "tests/_{variant}/test_requests.py::test_header_of_auth_that_cannot_be_sent_is_not_shown",
    ),
    "copied errors carry no credentials": Defect(
        replace("WorkflowClientError.__reduce__", r"_without_credentials\(value\)", "value"),
        "tests/core/test_errors.py::test_copy_has_no_credentials",
    ),
    "pickled transport errors carry no credentials": Defect(
        drop("raise_final", "safe_request"),
        "tests/_{variant}/test_requests.py::test_pickled_transport_error_has_no_request_headers",
    ),
    "environment variables that httpx cannot use are named": Defect(
        returns("check_environment", "None"),
        "tests/core/test_settings.py::test_environment_variable_that_httpx_cannot_use_is_named",
    ),
    "the query of base_url is kept": Defect(
        replace("Settings.keywords", r"'params': url\.params", "'params': None"),
        "tests/_{variant}/test_requests.py::test_query_of_base_url_is_part_of_every_request",
    ),
    "the error of a redirect names its target": Defect(
        never("_status_message", "has_redirect_location"),
        "tests/_{variant}/test_requests.py::test_error_of_redirect_names_its_target",
    ),
    "a POST is not turned into a GET": Defect(
        returns("redirect_to_get", "None"),
        "tests/_{variant}/test_requests.py::test_redirect_of_post_is_followed_only_as_post",
    ),
    "names that are too long for a URL are rejected": Defect(
        never("_segment", "MAX_SEGMENT"),
        "tests/_{variant}/test_requests.py::test_name_that_is_too_long_for_a_url_is_rejected",
    ),
    "a connection is not reused after a 204": Defect(
        replace("stream_events", ", 'Connection': 'close'", ""),
        "tests/_{variant}/test_stream.py::test_stream_requests_carry_client_headers_and_close_the_connection",
    ),
    "a connection is not reused after an unhandled error of the server": Defect(
        never("Driver._request", "closes_connection_silently"),
        "tests/_{variant}/test_lost_responses.py::test_call_succeeds_after_unhandled_server_error",
    ),
    # ---------------------------------------------------------------- runs and interaction
    "a reused handler is not taken for the checkpoint's run": Defect(
        returns("ensure_same_run", "None"),
        "tests/_{variant}/test_run.py::test_resume_rejects_checkpoint_of_earlier_run",
    ),
    "a request that was answered is not asked again after a resume": Defect(
        returns("books_of", "None"),
        interacts("test_interact_asks_only_open_requests_after_resume"),
    ),
    "a request that was not answered is asked again after a resume": Defect(
        returns("Books.begin", "self.seen"),
        interacts("test_interact_continues_on_same_handle_after_error"),
    ),
    "a handle knows which of two requests it answered": Defect(
        returns("Interaction.answer_sent", "None"),
        interaction("test_answer_of_ones_own_settles_its_request_and_no_other"),
    ),
    "what is settled stays settled": Defect(
        never("Interaction._open_request", "known.seen"),
        interaction("test_history_up_to_the_books_opens_and_settles_nothing"),
    ),
    "evidence of answers settles requests": Defect(
        never("Interaction._answer_taken", "is_exact"),
        interaction("test_evidence_settles_requests_where_it_is_exact"),
    ),
    "evidence that names several classes settles no request": Defect(
        replace("Interaction._answer_taken", r"all\(.*waiting\)\)", "True"),
        interaction("test_evidence_that_is_not_exact_is_for_the_caller_to_judge"),
    ),
    "as many answers as requests are needed": Defect(
        replace("Interaction._answer_taken", r" and self\._from_others.* >= len\(waiting\)", ""),
        interaction("test_evidence_that_is_not_exact_is_for_the_caller_to_judge"),
    ),
    "an event of the run's own is not taken for an answer": Defect(
        returns("AnswerClasses.may_be_external", "True"),
        interaction("test_event_of_the_run_itself_is_no_evidence"),
    ),
    "a step that is tried again counts once": Defect(
        never("Takings.receive", "self._retries"),
        interaction("test_evidence_that_is_not_exact_is_for_the_caller_to_judge"),
    ),
    "two steps that take one event count once": Defect(
        never("Takings.receive", "self._by_class"),
        interaction("test_evidence_that_is_not_exact_is_for_the_caller_to_judge"),
    ),
    "answers to settled requests are not counted for later ones": Defect(
        never("Interaction._open_request", "self._waiting"),
        interaction("test_answers_of_others_are_not_counted_for_later_requests"),
    ),
    "an uncertain request is an error if the caller says so": Defect(
        never("Interaction.ensure_certain", "is_uncertain"),
        interaction("test_evidence_that_is_not_exact_is_for_the_caller_to_judge"),
    ),
    "a busy run is asked": Defect(
        replace("InteractionRunner._catch_up", r"clock\(\) < ends_at", "True"),
        interacts("test_request_is_asked_although_the_run_is_never_still"),
    ),
    "an answer is dropped if the run no longer needs it": Defect(
        never("InteractionRunner._answer", "is_open"),
        interacts("test_answer_is_dropped_if_the_run_no_longer_needs_it"),
    ),
    "an answer that no step takes is an error": Defect(
        returns("Interaction._answer_unhandled", "None"),
        interaction("test_answer_that_no_step_takes_is_an_error_that_names_what_fits"),
    ),
    "an answer that no step takes is one that the run had not reacted to": Defect(
        replace("Interaction._answer_unhandled", r"\*watched, ", ""),
        interaction("test_answer_that_is_not_taken_is_the_one_without_a_reaction"),
    ),
    "an answer that no step takes is otherwise the last": Defect(
        replace("Interaction._answer_unhandled", r"reversed\((self\._open)\)", r"\1"),
        interaction("test_answer_that_is_not_taken_is_the_one_without_a_reaction"),
    ),
    "an answer that comes twice is no error": Defect(
        never("Interaction._answer_unhandled", "is_history"),
        interaction("test_answer_that_is_not_taken_shows_that_a_request_of_the_past_was_answered"),
    ),
    "a lost answer is raised if the run does not take it": Defect(
        never("Interaction.overdue", "failure"),
        interaction("test_step_that_begins_is_a_reaction_to_an_answer_but_not_to_a_lost_one"),
    ),
    "a lost answer that has arrived is no error": Defect(
        drop("InteractionRunner._send_answer", "if not is_lost", "raise"),
        interacts("test_interact_sends_answer_once_if_its_response_is_lost"),
    ),
    "an answer without a reaction is logged": Defect(
        drop("Interaction.overdue", "RUNS"),
        interaction("test_answer_without_a_reaction_is_noticed_once"),
    ),
    "a run that does not react to an answer is polled": Defect(
        drop("InteractionRunner._answer_all", r"self\._ensure_alive"),
        interacts("test_answer_without_a_reaction_is_logged_and_the_run_polled"),
    ),
    "a poll of a run that does not react is only a poll": Defect(
        drop("InteractionRunner._ensure_alive", "pass", "raise"),
        interacts("test_answer_without_a_reaction_is_logged_and_the_run_polled"),
    ),
    "a step that a restarted server begins again counts once": Defect(
        never("Takings.receive", "worker in workers"),
        interaction("test_step_that_a_restarted_server_begins_again_counts_once"),
    ),
    "all that a restarted server begins again counts once": Defect(
        never("Takings.receive", r"^self\._restarts\[step\]$"),
        interaction("test_step_that_a_restarted_server_begins_again_counts_once"),
    ),
    "a step that a restarted server may have begun again settles nothing": Defect(
        never("Takings.receive", "not is_certain"),
        interaction("test_step_that_a_restarted_server_begins_again_counts_once"),
    ),
    "an event that may be the handle's own answer makes nothing uncertain": Defect(
        replace(
            "Interaction._answer_taken",
            r"(if request\.answer_class == name) and (.*):\s+if is_certain:\s+(.*)\s+return",
            r"\1 and is_certain and \2: \3; return",
        ),
        interaction("test_event_that_may_be_ones_own_answer_makes_nothing_uncertain"),
    ),
    "a checkpoint has the steps that are under way": Defect(
        drop("Interaction._open_request", r"request\.steps"),
        interaction("test_step_that_a_restarted_server_begins_again_counts_once"),
    ),
    "an ignored request stays open": Defect(
        drop("Interaction.skip", "IGNORED", "self._open.remove(request)"),
        interaction("test_answer_to_an_ignored_request_settles_no_other"),
    ),
    "a request whose answer was interrupted is open": Defect(
        replace(
            "InteractionRunner._send_answer", "except BaseException", "except WorkflowClientError"
        ),
        interacts("test_request_is_open_if_its_answer_was_interrupted"),
    ),
    "a request is uncertain after a gateway's response to its answer": Defect(
        replace("InteractionRunner._send_answer", "None if is_rejected else error", "None"),
        interacts("test_request_is_uncertain_if_a_gateway_responds_to_its_answer"),
    ),
    "a stream that is still connecting is not taken for a quiet one": Defect(
        replace("InteractionRunner._catch_up", r"machine\.action is connection and .*", "True"),
        interacts("test_stream_that_is_still_connecting_is_not_still"),
    ),
    "events that arrive at once are taken at once": Defect(
        replace("aread_ahead", r"send\.send_nowait\(new\)", "raise anyio.WouldBlock"),
        "tests/core/test_read_ahead.py::test_items_that_arrive_at_once_are_taken_at_once",
    ),
    "a stream is closed after the task that reads it has ended": Defect(
        replace("aread_ahead", r"tasks\.cancel_scope\.cancel\(\)", r"await source.aclose(); \g<0>"),
        "tests/core/test_read_ahead.py::test_stream_closed_as_data_arrives_leaves_no_generator",
    ),
    "an error of its stream reaches an interaction's caller with its cause": Defect(
        replace("AsyncReadAhead.get", r"raise self\.failure", r"\g<0> from None"),
        "tests/_async/test_interact.py::test_interact_raises_its_streams_error_with_its_cause",
    ),
    "an interaction ends at its timeout": Defect(
        returns("Deadline.remaining", "None"),
        interacts("test_interact_ends_at_its_timeout_although_the_server_is_silent"),
    ),
    "an unanswered request is an error": Defect(
        drop("Interaction.skip", "raise"),
        "tests/core/test_interaction.py::test_request_without_a_function_is_an_error_each_time",
    ),
    "an answer that comes too late does not hide how the run ended": Defect(
        replace("InteractionRunner._send_answer", "ConflictError", ""),
        "tests/_{variant}/test_interact.py::test_interact_raises_for_run_cancelled_before_its_answer",
    ),
    # ---------------------------------------------------------------- batches
    "no more runs than the limit run at once": Defect(
        replace("BatchState._has_capacity", r"len\(self\.running\) < self\._limit and ", ""),
        "tests/_{variant}/test_batch.py::test_batch_keeps_concurrency_limit_and_reads_input_as_needed",
    ),
    "results come in the order of the input": Defect(
        returns("BatchState._next_index", "next(iter(self._ready), -1)"),
        "tests/_{variant}/test_batch.py::test_batch_returns_results_in_input_order_or_as_runs_end",
    ),
    "stopping early cancels the runs": Defect(
        drop("BatchRunner._stop", "afor_each"),
        "tests/_{variant}/test_batch.py::test_batch_stopped_early_cancels_the_runs_it_started",
    ),
    "stopping early does not cancel runs that were there before": Defect(
        replace("BatchState.own_items", r" if item\.is_own", ""),
        "tests/_{variant}/test_batch.py::test_batch_stopped_early_cancels_the_runs_it_started",
    ),
    "what already ran is not run again": Defect(
        replace("BatchRunner._completed", r"None if self\._key is None else .*", "None"),
        "tests/_{variant}/test_batch.py::test_batch_does_not_rerun_known_items",
    ),
    "items with the same key share one run": Defect(
        never("BatchState.try_start", "handler_id"),
        "tests/core/test_batch.py::test_items_of_one_key_are_not_started_concurrently",
    ),
    "a start that was interrupted is cancelled when it arrives": Defect(
        drop("Cancellation.failed", "is_early =", "is_early = False"),
        "tests/_{variant}/test_batch.py::test_batch_cancels_interrupted_start_once_it_arrives",
    ),
    "an error of one of the concurrent calls is raised": Defect(
        drop("afor_each", r"errors\.append"),
        "tests/core/test_batch.py::test_first_error_is_raised_unwrapped",
    ),
    "a task that others cancelled is not taken for one that has finished": Defect(
        drop("afor_each", r"cancelled\.append"),
        "tests/core/test_batch.py::test_task_that_is_cancelled_from_elsewhere_is_not_taken_as_done",
    ),
    "an interrupt is raised as it is": Defect(
        drop("afor_each", r"group\.exceptions", "raise"),
        "tests/core/test_batch.py::test_interrupt_on_trio_is_raised_unwrapped",
    ),
    "a cancellation that is lost does not stop the others": Defect(
        replace("BatchRunner._cancel_run", r", \*TRANSPORT_ERRORS", ""),
        "tests/_async/test_batch.py::test_batch_cancels_other_runs_if_one_cancellation_is_lost",
    ),
    "a cancellation waits for a server that is busy": Defect(
        replace("Cancellation.failed", r" or is_retryable\(error\)", ""),
        "tests/_{variant}/test_batch.py::test_batch_cancels_other_runs_if_one_cancellation_is_lost",
    ),
    "a start that is rejected is not waited for": Defect(
        drop("BatchState.failed", r"start_rejected"),
        "tests/core/test_batch.py::test_error_of_one_start_cancels_the_others_and_is_raised",
    ),
    "a start of a batch waits for a server that is down": Defect(
        drop("Start.failed", "record_failure", "delay = None"),
        "tests/_{variant}/test_batch.py::test_batch_waits_for_unreachable_server",
    ),
    "a start of a batch waits for a server that is busy": Defect(
        returns("may_have_arrived", "False"),
        "tests/_{variant}/test_batch.py::test_batch_waits_for_unreachable_server",
    ),
    "a poll of a batch waits for a server that is down": Defect(
        drop("Driver.poll", "poll_failed", "raise"),
        "tests/_{variant}/test_batch.py::test_batch_waits_for_unreachable_server",
    ),
    "an error that concerns all items is raised": Defect(
        drop("_concerns_one_item", "_BATCH_WIDE_STATUSES", "return True"),
        "tests/_{variant}/test_batch.py::test_batch_raises_at_once_without_access",
    ),
    "what a proxy reports for long concerns all items": Defect(
        replace("_concerns_one_item", r"is_proxys = .*", "is_proxys = False"),
        "tests/_{variant}/test_batch.py::test_lasting_bad_responses_end_the_batch",
    ),
    "a result does not wait for as many items as may run": Defect(
        never("BatchRunner._step", "have_ended"),
        "tests/_{variant}/test_batch.py::test_result_does_not_wait_for_as_many_items_as_may_run",
    ),
    "a StopIteration of the caller is not the end of a batch": Defect(
        never("Batch.__anext__", "StopAsyncIteration"),
        "tests/_{variant}/test_batch.py"
        "::test_stop_iteration_of_the_caller_does_not_look_like_the_end",
    ),
    # A batch that is left, or interrupted.
    "a batch that is closed while it takes items starts none": Defect(
        never("AsyncWorkers.start", "_is_stopped"),
        "tests/_async/test_batch.py"
        "::test_batch_that_is_closed_while_it_takes_items_starts_nothing_more",
    ),
    "a sync batch that is closed while it takes items starts none": Defect(
        never("Workers.start", "_is_stopped"),
        "tests/_sync/test_batch.py"
        "::test_batch_that_is_closed_while_it_takes_items_starts_nothing_more",
    ),
    "an interruption that ends the input does not end the batch in silence": Defect(
        drop("BatchRunner._read", "_input_lost ="),
        "tests/core/test_batch.py"
        "::test_interruption_that_ends_the_input_is_not_the_end_of_the_batch",
    ),
    "what is dropped as trio ends does not crash it": Defect(
        replace("_spawn", r"with suppress\(RuntimeError\):(\n +sys\.modules)", r"if True:\1"),
        "tests/core/test_batch.py"
        "::test_batch_may_be_dropped_as_the_event_loop_ends[at the end-trio]",
    ),
    "a cleanup that is cancelled again is done nevertheless": Defect(
        replace(
            "arun_shielded",
            r"(except .*:\n) +with anyio\.CancelScope\(.*\):\n +await function\(\)\n",
            r"\1",
        ),
        "tests/core/test_batch.py"
        "::test_batch_is_cancelled_though_the_task_that_does_so_is_cancelled_again",
    ),
    "the end of its block cancels the runs of a batch": Defect(
        drop("Batch.__aexit__", "aclose"),
        "tests/_{variant}/test_batch.py::test_batch_is_cancelled_at_the_end_of_its_block",
    ),
    "a client that is closed stops its batches": Defect(
        drop("Driver.aclose", "for batch in"),
        "tests/_async/test_batch.py::test_end_of_the_client_cancels_the_runs_of_its_batches",
    ),
    "a batch that is dropped is stopped": Defect(
        returns("Batch.__del__", "None"),
        "tests/core/test_batch.py::test_break_cancels_runs_when_the_iterator_is_dropped",
    ),
    "a timeout around one step in the block does not end the batch": Defect(
        always("Batch.__anext__", "ais_cancellation"),
        "tests/core/test_batch.py::test_interrupted_step_in_the_block_continues",
    ),
    "an interrupted step without the block cancels the runs": Defect(
        drop("Batch.__anext__", "stop_because_of"),
        "tests/core/test_batch.py::test_interrupted_step_without_the_block_stops_the_batch",
    ),
    "a stopped batch does not end in silence": Defect(
        never("BatchRunner.step", "_stopped_by"),
        "tests/_{variant}/test_batch.py::test_step_after_a_failed_one_does_not_look_like_the_end",
    ),
    "one task iterates a batch": Defect(
        never("BatchRunner.step", "_is_stepping"),
        "tests/core/test_batch.py::test_only_one_task_iterates_a_batch",
    ),
    "a batch belongs to an event loop": Defect(
        never("BatchRunner.step", "is_usable"),
        "tests/core/test_batch.py::test_batch_is_not_continued_in_another_event_loop",
    ),
    "a batch that another task closes ends": Defect(
        replace("AsyncWorkers.next", r"None if self\._is_stopped else ", ""),
        "tests/core/test_batch.py::test_batch_that_is_closed_elsewhere_ends",
    ),
    "a sync batch that another thread closes ends": Defect(
        never("Workers.next", "_is_stopped"),
        "tests/core/test_workers.py"
        "::test_thread_that_waits_for_a_call_does_not_see_its_interruption",
    ),
    "a step is not cancelled by what cancels a task of a run": Defect(
        replace("AsyncWorkers._call", r"RuntimeError\(CANCELLED\)", "error"),
        "tests/core/test_batch.py"
        "::test_task_of_a_run_that_is_cancelled_from_elsewhere_ends_the_batch[True]",
    ),
    "a task of a run that is cancelled before it begins has ended": Defect(
        drop("AsyncWorkers.start", "self._end"),
        "tests/core/test_batch.py"
        "::test_task_of_a_run_that_is_cancelled_from_elsewhere_ends_the_batch[False]",
    ),
    # Several batches, and items, with the same keys.
    "a run that another batch has started is waited for": Defect(
        replace("BatchRunner._completed", r"if self\._key is None:\n.*raise", "raise"),
        "tests/_{variant}/test_batch.py::test_batch_waits_for_run_that_another_batch_has_just_started",
    ),
    "a run that another batch cancels is started again": Defect(
        replace("BatchState.accepts", r"statuses & \{'cancelled'\}", "set()"),
        "tests/_{variant}/test_batch.py::test_run_cancelled_by_another_batch_is_started_again",
    ),
    "a run of another batch is not cancelled": Defect(
        drop("BatchState.conflict", "is_own = False"),
        "tests/_{variant}/test_batch.py::test_batch_that_is_stopped_does_not_cancel_the_run_of_another",
    ),
    "an item whose predecessor has no run is started": Defect(
        drop("BatchState.end", "_unstarted"),
        "tests/core/test_batch.py::test_item_whose_predecessor_has_no_run_is_started",
    ),
    "an earlier run is told from a new one by its ID": Defect(
        never("Start._is_different_run", "_replaced"),
        "tests/_{variant}/test_batch.py::test_batch_starts_replacement_run_once",
    ),
    # Patience, and its end.
    "a bad poll costs no item": Defect(
        drop("Wait.poll_response", r"if not self\._budget\.retries", "raise"),
        "tests/_{variant}/test_batch.py::test_bad_response_costs_neither_item_nor_batch",
    ),
    "a bad response to a start costs no batch": Defect(
        drop("Start._started", r"if not self\._budget\.retries", "raise"),
        "tests/_{variant}/test_batch.py::test_bad_response_costs_neither_item_nor_batch",
    ),
    "a bad poll for a start costs no batch": Defect(
        never("Start._poll_response", "retries"),
        "tests/_{variant}/test_batch.py::test_bad_response_costs_neither_item_nor_batch",
    ),
    "a bad lookup costs no item": Defect(
        drop("Call.receive", r"_budget\.retries", "raise"),
        "tests/_{variant}/test_batch.py::test_bad_response_costs_neither_item_nor_batch",
    ),
    "a server that is gone is given up in time": Defect(
        returns("RetryBudget.restart_patience", "None"),
        "tests/core/test_batch.py"
        "::test_server_that_is_gone_is_given_up_about_half_a_minute_after_the_first_failure",
    ),
    "the time of a run is not the time without a server": Defect(
        drop("Start._response_lost", "restart_patience"),
        "tests/core/test_batch.py::test_time_that_a_run_took_does_not_count_as_time_without_the_server",
    ),
    "connecting again ends when the server is given up": Defect(
        replace("Start.limits", r"operation\.connecting_within\(.*\)", "operation"),
        "tests/core/test_batch.py::test_connecting_again_ends_with_the_patience",
    ),
    "a result that is too large costs no batch": Defect(
        never("_concerns_one_item", "ResponseTooLargeError"),
        "tests/_{variant}/test_batch.py::test_result_that_is_too_large_is_an_error_of_its_item",
    ),
    "a batch leaves a connection to other calls": Defect(
        returns("free_connections", "10**9"),
        "tests/_{variant}/test_batch.py::test_batch_leaves_a_connection_of_an_httpx_client_to_other_calls",
    ),
    # Workers
    "a thread that waits for a response is woken": Defect(
        drop("Interruption.set", "shut_down"),
        "tests/core/test_workers.py::test_stopping_wakes_threads[wait_for_response]",
    ),
    "a thread that waits for a retry is woken": Defect(
        replace("Interruption.sleep", r"self\._event\.wait", "__import__('time').sleep"),
        "tests/core/test_workers.py::test_stopping_wakes_threads[wait_for_retry]",
    ),
    "an interrupted thread sends nothing more": Defect(
        drop("connection.send", r"interruption\.check"),
        "tests/core/test_workers.py::test_interrupted_thread_sends_nothing_more",
    ),
    "the threads of a batch are joined": Defect(
        drop("Workers.stop", r"thread\.join"),
        "tests/core/test_workers.py::test_threads_are_joined_however_the_batch_ends",
    ),
    "the threads of a batch are reused": Defect(
        drop("Workers.next", r"_under_way"),
        "tests/core/test_workers.py"
        "::test_batch_has_as_many_threads_as_its_limit_and_only_while_iterated",
    ),
    "an interpreter that exits cancels without threads": Defect(
        replace("for_each", "except RuntimeError", "except ZeroDivisionError"),
        "tests/core/test_workers.py"
        "::test_calls_are_made_when_the_interpreter_starts_no_thread_any_more",
    ),
    "runs continue while a result is handled": Defect(
        prepend("AsyncWorkers.next", "await self.stop()"),
        "tests/core/test_batch.py::test_runs_continue_while_the_caller_handles_a_result",
    ),
    # ---------------------------------------------------------------- the test kit
    "the test kit: an event is in the file before it is seen": Defect(
        drop("Writer._write", r"output\.write\("),
        "tests/_{variant}/test_testing.py::test_interrupted_recording_holds_what_was_seen",
    ),
    "the test kit: a recorded async stream is closed with its loop": Defect(
        drop("_AsyncRecorder._write", "aclose"),
        "tests/_async/test_testing.py::test_stream_that_cannot_be_recorded_is_closed",
    ),
    "the test kit: a recorded sync stream is closed with its loop": Defect(
        drop("_Recorder._write", "close"),
        "tests/_sync/test_testing.py::test_stream_that_cannot_be_recorded_is_closed",
    ),
    "the test kit: a recording with decreasing numbers is rejected": Defect(
        never("_build_recording", r"event\.sequence <"),
        "tests/testing/test_recording.py::test_load_names_the_broken_line",
    ),
    "the test kit: internal events are sent only on request": Defect(
        replace("Playback._open_stream", r"internal or not _is_internal\(e\)", "True"),
        "tests/_{variant}/test_testing.py::test_internal_events_are_replayed_on_request_only",
    ),
    "the test kit: 'now' is after the events that were sent": Defect(
        drop("Playback._stream", "_latest_sequence"),
        "tests/testing/test_playback.py::test_now_is_after_the_events_that_any_client_was_sent",
    ),
    "the test kit: faults are injected at their position": Defect(
        replace("Playback._take_due_faults", "after != position", "after > position"),
        "tests/testing/test_playback.py::test_fault_in_the_past_stays_pending_and_blocks_those_behind_it",
    ),
    "the test kit: faults are injected as often as requested": Defect(
        replace("Playback._consume_fault", r"fault\.times > 1", "False"),
        "tests/testing/test_playback.py::test_fault_is_injected_as_often_as_told",
    ),
    "the test kit: a drop is a reset": Defect(
        drop("_write_stream", "setsockopt"),
        "tests/testing/test_replay.py::test_drop_resets_the_connection_after_the_events_before_it",
    ),
    "the test kit: a replay can wait for answers": Defect(
        drop("Playback._stream", r"^yield from"),
        "tests/testing/test_playback.py::test_stream_waits_for_as_many_events_as_were_requested",
    ),
    "the test kit: a run that is started again is answered again": Defect(
        drop("Playback._start", r"_answers\["),
        "tests/testing/test_playback.py::test_stream_waits_for_as_many_events_as_were_requested",
    ),
    "the test kit: an answer after a reconnect is not asked for again": Defect(
        replace("Playback._stream", r"sum\(map\(_is_request.*?\)\)", "0"),
        "tests/testing/test_playback.py::test_stream_waits_for_as_many_events_as_were_requested",
    ),
    "the test kit: an interrupt while a server starts does not hang": Defect(
        drop("in_thread", r"end\.set_result"),
        "tests/testing/test_thread.py::test_interrupt_while_the_event_loop_starts_ends_it",
    ),
    "the test kit: an interrupt while a server stops does not leave it behind": Defect(
        replace("in_thread", r"ended\.wait\(\)(?=\s+raise)", "pass"),
        "tests/testing/test_thread.py::test_interrupt_while_the_thread_ends_does_not_leave_it_behind",
    ),
    "the test kit: a step that raises SystemExit is an error of its server": Defect(
        drop("in_thread", r"^raise RuntimeError"),
        "tests/testing/test_thread.py::test_loop_that_fails_in_between_is_an_error",
    ),
    "the test kit: a thread that was interrupted before it began does nothing": Defect(
        never("in_thread", r"end\.done"),
        "tests/testing/test_thread.py::test_interrupt_before_the_thread_has_begun_leaves_nothing_running",
    ),
    "the test kit: a recording that is not UTF-8 is named": Defect(
        replace("_recording._lines", "UnicodeDecodeError", "FileExistsError"),
        "tests/testing/test_recording.py::test_load_names_the_file_that_is_not_utf8",
    ),
    "the test kit: only workflows by name are served": Defect(
        never("_create_server", r"not isinstance\(workflows, WorkflowServer"),
        "tests/testing/test_serve.py::test_serve_rejects_invalid_arguments",
    ),
    "the test kit: a client that leaves during a stall is noticed": Defect(
        replace("_write_stream", r"_client_disconnects\(.*?\)(?=:)", "asyncio.sleep(seconds)"),
        "tests/testing/test_replay.py::test_client_that_disconnects_in_a_stall_ends_it",
    ),
    "the test kit: open streams do not hold up the end": Defect(
        constant("SHUTDOWN_GRACE", "30"),
        "tests/testing/test_serve.py::test_server_stops_while_a_stream_is_open",
    ),
    "the test kit: a failing start raises its reason": Defect(
        drop("_serve._listen", r"failures\.append"),
        "tests/testing/test_serve.py::test_failed_start_raises_its_reason",
    ),
    "the test kit: a start that hangs times out": Defect(
        replace("_wait_until_started", r"timeout\(START_TIMEOUT\)", "timeout(None)"),
        "tests/testing/test_serve.py::test_start_that_takes_too_long_times_out",
    ),
    "the test kit: a workflow object can be served again": Defect(
        drop("_unbound", r"_switch_runtime\("),
        "tests/testing/test_lend.py::test_workflow_object_is_served_again_and_run_in_between",
    ),
    "the test kit: a resource is not used on another server's event loop": Defect(
        drop("_unbound", r"\.resources = resources"),
        "tests/testing/test_lend.py::test_resource_of_an_earlier_server_is_not_used_again",
    ),
    "the test kit: a configured server can be served again": Defect(
        drop("_lend.lend", r"gc\.collect"),
        "tests/testing/test_lend.py::test_configured_server_is_served_again_with_its_runs_and_additional_events",
    ),
    "the test kit: a workflow object belongs to one server at a time": Defect(
        never("_claim", "setdefault"),
        "tests/testing/test_lend.py::test_workflow_object_belongs_to_one_server_at_a_time",
    ),
    "the test kit: the server's own 204 prints no traceback": Defect(
        replace("_without_complaints_about_204", r"status != 204", "True"),
        "tests/testing/test_serve.py::test_only_the_complaint_about_the_body_of_a_204_is_not_logged",
    ),
    "the test kit: no other complaint is hidden": Defect(
        drop("_without_complaints_about_204", r"raise$"),
        "tests/testing/test_serve.py::test_only_the_complaint_about_the_body_of_a_204_is_not_logged",
    ),
    # ---------------------------------------------------------------- typed events
    "a start event is compared with the schema before it is sent": Defect(
        never("EventCheck.check", "first_error"),
        "tests/_{variant}/test_typed.py::test_invalid_start_event_is_not_sent",
    ),
    "a broken schema is an error with the response in it": Defect(
        replace("_reading_further", r"\(SchemaError, RecursionError\)", "ZeroDivisionError"),
        "tests/_{variant}/test_typed.py::test_broken_graph_is_invalid_response",
    ),
    "an event has the superclasses that it has on the server": Defect(
        replace("_direct_bases", r" or \(EVENT,\)", "[:0] or (EVENT,)"),
        "tests/_{variant}/test_typed.py::test_event_types_mirror_the_server_classes",
    ),
    "a nested model that events share is one class": Defect(
        always("_merged_name", "fingerprint"),
        "tests/_{variant}/test_typed.py::test_run_needs_only_built_classes",
    ),
    "nested models of one name that differ are two classes": Defect(
        replace("class_plan._outline", r"_digest\(renamed\)", "_digest(renamed['title'])"),
        "tests/core/test_typed.py::test_equal_nested_models_are_one_class",
    ),
    "defaults that only the server knows are not sent": Defect(
        replace("_BuiltModel.custom_model_dump", r" or value is not None", " or True"),
        "tests/core/test_typed.py::test_server_defaults_are_omitted_from_dump",
    ),
    "None that was set is sent": Defect(
        replace("_BuiltModel.custom_model_dump", r"name in self\.model_fields_set", "False"),
        "tests/core/test_typed.py::test_none_is_kept_apart_from_not_given",
    ),
    "a default that is not a value of its type is not sent": Defect(
        replace("_BuiltModel.custom_model_dump", r"invalid_defaults\(type\(self\)\)", "set()"),
        "tests/core/test_typed.py::test_invalid_default_is_not_validated_and_not_sent",
    ),
    "a default that is not a value of its type is not validated": Defect(
        replace("_ClassBuilder._field", r"'x-invalid-default' not in field", "True"),
        "tests/core/test_typed.py::test_invalid_default_is_not_validated_and_not_sent",
    ),
    "a name in another spelling is that of the field": Defect(
        replace("models._spelling", r"\.lower\(\)", ""),
        "tests/core/test_zoo.py::test_classes_say_the_same_as_the_server_s[CamelNested]",
    ),
    "positions do not choose between the classes of a union": Defect(
        drop("_candidate", r"candidate\.barred ="),
        "tests/core/test_zoo.py::test_classes_say_the_same_as_the_server_s[Siblings]",
    ),
    "an unknown name that the server wrote is that of the field at its position": Defect(
        replace("_BuiltModel._match", r"_match_positions\(.*\)", "pass"),
        "tests/core/test_typed.py::test_unknown_name_in_what_the_server_wrote_is_matched_by_position",
    ),
    "positions count only in the order of the schema": Defect(
        never("_match_positions", "keys.index"),
        "tests/core/test_typed.py::test_unknown_name_in_what_the_server_wrote_is_matched_by_position",
    ),
    "an event's field is sent under the name under which it was set": Defect(
        replace("SparseModel._key_of", r"self\._sent_as\.get\(name, name\)", "name"),
        "tests/core/test_typed.py::test_field_is_sent_under_the_name_under_which_it_was_set",
    ),
    "computed fields of the server are not sent back": Defect(
        never("SparseModel.__init__", r"^reading\.get\(\)$"),
        "tests/core/test_typed.py::test_computed_field_of_the_server_is_read_but_not_sent",
    ),
    "an event without a class costs no other": Defect(
        replace("plan_classes", r"except SchemaError", "except ZeroDivisionError"),
        "tests/core/test_typed.py::test_event_without_a_class_costs_no_other",
    ),
    "a missing field may be there under an unknown name": Defect(
        never("_BuiltModel._match", "missing"),
        "tests/core/test_zoo.py::test_validation_agrees_with_the_server[ShortAlias]",
    ),
    "flags may be combined": Defect(
        replace("normalized.is_flag", r"return bool", "return False and bool"),
        "tests/core/test_zoo.py::test_classes_say_the_same_as_the_server_s[Flags]",
    ),
    "an enumeration whose values may be combined is checked as if they were": Defect(
        never("_ClassBuilder._type", r"'\$ref' in schema"),
        "tests/core/test_typed.py::test_what_may_be_a_flag_is_checked_as_one",
    ),
    "flags may have a name for none and for several": Defect(
        replace("normalized.may_be_flag", r"value & ~single == 0", "value & value - 1 == 0"),
        "tests/core/test_zoo.py::test_classes_say_the_same_as_the_server_s[NamedFlags]",
    ),
    "the levels 1, 2 and 3 are no flags": Defect(
        replace("normalized.is_flag", r"not is_range", "True"),
        "tests/core/test_typed.py::test_enumeration_of_the_values_1_to_n_is_no_flag",
    ),
    "an enumeration of floats is checked": Defect(
        replace("schema._is_enum", r"\*_SCALARS, float", "*_SCALARS"),
        "tests/core/test_zoo.py::test_validation_agrees_with_the_server[FloatEnum]",
    ),
    "an enumeration of floats may be one of text that is a float": Defect(
        replace("builder._build_enum", r"float if .* else None", "None"),
        "tests/core/test_zoo.py::test_classes_say_the_same_as_the_server_s[Floats]",
    ),
    "the items of a named tuple with defaults are checked": Defect(
        constant("MAX_TUPLE_LENGTHS", "1"),
        "tests/core/test_zoo.py::test_validation_agrees_with_the_server[NamedTuples]",
    ),
    "the last items of a named tuple may be missing": Defect(
        replace("NormalizedSchema._normalize_tuple", r"range\(least, ", "range(len(prefix), "),
        "tests/core/test_zoo.py::test_validation_agrees_with_the_server[NamedTuples]",
    ),
    "the keys of a dict are checked": Defect(
        drop("NormalizedSchema._normalize_dict", r"normalized\['propertyNames'\] ="),
        "tests/core/test_zoo.py::test_validation_agrees_with_the_server[EnumKeys]",
    ),
    "the pattern of the keys of a dict is checked": Defect(
        never("NormalizedSchema._normalize_dict", "'properties'"),
        "tests/core/test_zoo.py::test_validation_agrees_with_the_server[PatternKeys]",
    ),
    "a pattern of some keys is not one of all": Defect(
        always("NormalizedSchema._normalize_dict", "'properties'"),
        "tests/core/test_typed.py::test_constraints_are_enforced",
    ),
    "flags in keys are text": Defect(
        replace("NormalizedSchema._normalize_keys", r"\{\} if is_flag\(model\) else keys", "keys"),
        "tests/core/test_typed.py::test_schema_becomes_type",
    ),
    "root models in keys are text": Defect(
        replace("NormalizedSchema._normalize_keys", r" if '\$ref' not in schema", ""),
        "tests/core/test_typed.py::test_schema_becomes_type",
    ),
    "a limited Decimal keeps its integers": Defect(
        replace(
            "schema._with_integers", r"'number' not in types", "{'type': 'number'} not in members"
        ),
        "tests/core/test_zoo.py::test_classes_say_the_same_as_the_server_s[LimitedMoney]",
    ),
    "an IP address may be a number": Defect(
        never("checked.checked_type", "x-format"),
        "tests/core/test_zoo.py::test_validation_agrees_with_the_server[Ip]",
    ),
    "other fields of one type are kept": Defect(
        replace("NormalizedSchema._normalize_model", r"\(bool, dict\)", "bool"),
        "tests/core/test_zoo.py::test_classes_say_the_same_as_the_server_s[TypedOpenModel]",
    ),
    "what JSON does not have is no default": Defect(
        returns("schema._is_finite", "True"),
        "tests/core/test_typed.py::"
        "test_number_that_json_does_not_have_is_neither_limit_nor_default",
    ),
    "classes are limited": Defect(
        constant("CLASS_COST", "1"), "tests/core/test_typed.py::test_number_of_classes_is_limited"
    ),
    "text is limited": Defect(drop("SchemaBudget.spend_text", r"self\.spend"), LIMITS),
    "costly defaults are not validated": Defect(
        # If they were, the test would take for ever; if none is validated, another one fails.
        constant("MAX_VALIDATIONS", "1"),
        "tests/core/test_typed.py::test_default_of_a_few_models_is_kept",
    ),
    "a default that has itself as its default is not followed for ever": Defect(
        always("default_costs._validate", "MAX_TURNS"),
        "tests/core/test_typed.py::test_default_without_end_is_not_validated_and_not_sent",
    ),
    "a field of an event may be named self": Defect(
        replace("is_field_name", r"name in _PROTECTED", "name in _PROTECTED - {'self'}"),
        "tests/core/test_typed.py::test_event_may_have_a_field_named_self",
    ),
    "names of classes are short": Defect(
        constant("MAX_NAME_LENGTH", "1000"),
        "tests/core/test_typed.py::test_name_of_a_class_is_short",
    ),
    "models are compared by digests": Defect(
        returns("class_plan._digest", "json.dumps(value)"),
        "tests/core/test_typed.py::test_text_of_models_that_refer_to_each_other_is_not_multiplied",
    ),
    "all classes that cannot be built are left out at once": Defect(
        replace("event_types", r"attempt > MAX_ATTEMPTS", "False"),
        "tests/core/test_typed.py::test_events_without_classes_are_left_out_all_at_once",
    ),
    "a superclass is one, however often it is named": Defect(
        replace("_direct_bases", r"dict\.fromkeys\(ancestors\)", "ancestors"),
        "tests/core/test_typed.py::test_superclass_that_is_named_twice_is_one",
    ),
    "a union that needs its tag is not valid without it": Defect(
        replace("_ClassBuilder._type", r"'x-tag' in schema", "False"),
        "tests/core/test_zoo.py::test_validation_agrees_with_the_server[Tagged]",
    ),
    "text that the server strips first is valid": Defect(
        replace("checked._tolerant", r"value\.strip\(\)", "value"),
        "tests/core/test_zoo.py::test_validation_agrees_with_the_server[Stripped]",
    ),
    "a set of models is a list": Defect(
        replace("NormalizedSchema._normalize_array", r"self\._is_hashable\(.*\)", "True"),
        "tests/core/test_zoo.py::test_classes_say_the_same_as_the_server_s[SetOfModels]",
    ),
    "no field hides the class that another one needs": Defect(
        replace("builder._forward_name", r"f'_class_\{name\}'", "name"),
        "tests/core/test_zoo.py::test_classes_say_the_same_as_the_server_s[NestedNamedAsItsClass]",
    ),
    "a nested event keeps its dynamic fields": Defect(
        constant("_OF_EVENTS", "frozenset()"),
        "tests/core/test_zoo.py::test_classes_say_the_same_as_the_server_s[NestedOwnEvent]",
    ),
    "the newest class of a cell is loaded": Defect(
        replace("_newest_class", r"return found\[-1\]", "return found[0]"),
        "tests/core/test_load_event.py::test_newest_class_of_a_cell_is_found",
    ),
    "a parametrized class is that of the newest generic class": Defect(
        never("_newest_class", "current is not"),
        "tests/core/test_load_event.py::test_generic_class_is_that_of_its_newest_origin",
    ),
    "classes at different places are told apart": Defect(
        replace("event_classes._path", r"return .*", "return ()"),
        "tests/core/test_load_event.py::test_name_of_classes_at_different_places_is_ambiguous",
    ),
    "a generic class of a cell has the newest arguments": Defect(
        replace("_newest_class", r"_current\b", "lambda each: each"),
        "tests/core/test_load_event.py::test_generic_class_is_that_of_its_newest_arguments",
    ),
    "a computed field is recognized by its alias": Defect(
        always("_computed_names", "serialize_by_alias"),
        "tests/core/test_load_event.py::test_computed_field_survives_the_wire_once",
    ),
    "a computed field is not read as a dynamic one": Defect(
        always("without_computed", "not computed"),
        "tests/core/test_load_event.py::test_computed_field_survives_the_wire_once",
    ),
    "nor that of a nested event": Defect(
        drop("event_classes.validate", r"_strip_computed"),
        "tests/core/test_load_event.py::test_computed_field_survives_the_wire_once",
    ),
    "a schema cannot grow without end": Defect(constant("MAX_TYPES", "30_000"), LIMITS),
    "models cannot be copied without end": Defect(
        never("SchemaBudget.spend_copies", "MAX_COPIES"), LIMITS
    ),
    "types are not nested without end": Defect(
        never("NormalizedSchema._normalize_type", "MAX_DEPTH"), LIMITS
    ),
    "the members of a union are limited": Defect(
        never("NormalizedSchema._normalize_union", "MAX_UNION"), LIMITS
    ),
    "integers are limited": Defect(never("SchemaBudget.spend_values", "MAX_BITS"), LIMITS),
    "the models of an event are limited": Defect(
        never("NormalizedSchema._normalize_model", "MAX_MODELS"),
        "tests/core/test_typed.py::test_number_of_nested_models_is_limited",
    ),
    "the events of a workflow share its limits": Defect(
        replace(
            "plan_classes",
            r"NormalizedSchema\(event, budget\)",
            "NormalizedSchema(event, SchemaBudget())",
        ),
        "tests/core/test_typed.py::test_limits_hold_for_the_events_of_a_workflow_together",
    ),
    "expensive patterns are not compiled": Defect(
        never("SchemaBudget.admits_pattern", "MAX_PATTERN_COST"),
        "tests/core/test_typed.py::test_patterns_are_compiled_only_up_to_a_limit",
    ),
    "names that Python would change are not used": Defect(
        replace("names._is_name", r"unicodedata\.normalize\('NFKC', name\) == name", "True"),
        "tests/core/test_codegen.py::test_name_that_python_would_change_gets_another",
    ),
    "names that mean something to a module are not used": Defect(
        replace("names._is_name", r"not name\.startswith\('__'\)", "True"),
        "tests/core/test_codegen.py::test_event_whose_name_is_not_a_class_name_is_omitted",
    ),
    "a key of a default is a value of its type": Defect(
        replace(
            "_Writer._default",
            r"\(\*map\(self\._default, pair, arguments\),\)",
            "(_literal(pair[0]), self._default(pair[1], arguments[1]))",
        ),
        "tests/core/test_codegen.py::test_hostile_schema_becomes_only_text",
    ),
    "text of a server is written as a literal": Defect(
        replace("source._literal", r"repr\(value\)", "repr(value).replace('named_as_it_is__', '')"),
        "tests/core/test_codegen.py::test_text_that_ends_a_literal_stays_text",
    ),
    "a description cannot end its docstring": Defect(
        replace("source._docstring", r"not is_plain or .*(?=:)", "False"),
        "tests/core/test_codegen.py::test_hostile_schema_becomes_only_text",
    ),
    "a field does not hide what the source uses": Defect(
        replace("_Writer.__init__", r"\{\*fields, \*defined\}", "{*defined}"),
        "tests/core/test_codegen.py::test_field_may_have_any_name_that_is_one_on_the_server",
    ),
    "a field named as a method causes no warning": Defect(
        replace("source._warns", r"return .*", "return False"),
        "tests/core/test_codegen.py::test_field_may_have_any_name_that_is_one_on_the_server",
    ),
    "a method of a field's name is not its default": Defect(
        never("_Writer._field", "is_required"),
        "tests/core/test_codegen.py::test_field_may_have_any_name_that_is_one_on_the_server",
    ),
    "generated source does nothing but define classes": Defect(
        replace("source_check._require", r"not condition", "False"),
        ANYTHING_ELSE,
    ),
    "generated source imports only known names": Defect(
        replace("_Check.statement", r"alias\.name in self\._imports\.get\(module, \(\)\)", "True"),
        ANYTHING_ELSE,
    ),
    "a name of generated source means what its import says": Defect(
        replace("_Check._bind", r"name not in self\._bound and ", ""), ANYTHING_ELSE
    ),
    "a field of generated source hides no name": Defect(
        replace("_Check._class", r"used = .*", "used = set()"), ANYTHING_ELSE
    ),
    "annotations of generated source contain no text": Defect(
        replace(
            "_Check._annotation", r"value is None or", "isinstance(value, str) or value is None or"
        ),
        ANYTHING_ELSE,
    ),
    "a connection receives no more than it is asked for": Defect(
        never("asyncio_backend._Stream.data_received", "_READ_AHEAD"),
        network("no_more_is_received_than_a_limit_until_it_is_read"),
    ),
    "a connection that was full is read again": Defect(
        never("asyncio_backend._Stream.read", "self._is_paused"),
        network("no_more_is_received_than_a_limit_until_it_is_read"),
    ),
    "a shorter timeout of a read counts at once": Defect(
        replace("asyncio_backend._Stream._set_timer", r" or self\._timer\.when\(\) > until", ""),
        network("a_read_ends_in_time_whatever_the_timeout_of_the_one_before"),
    ),
    "a timer waits for the timeout of the last read": Defect(
        always("asyncio_backend._Stream._check_timeout", "is None"),
        network("a_read_ends_in_time_whatever_the_timeout_of_the_one_before"),
    ),
    "the failure of a connection is not its end": Defect(
        never("asyncio_backend._Stream.read", "self._failure"),
        network("what_arrived_before_a_failure_is_read_first"),
    ),
    "a closed connection wakes its reader": Defect(
        drop("asyncio_backend._Stream.connection_lost", "self._wake()"),
        network("closing_wakes_a_reader"),
    ),
    "a write waits for room, in time": Defect(
        never("asyncio_backend._Stream.write", "self._is_full"),
        network("a_write_that_nobody_reads_times_out"),
    ),
    "a writer learns of a lost connection": Defect(
        drop("asyncio_backend._Stream.connection_lost", r"_resolve\("),
        network("a_write_that_nobody_reads_times_out"),
    ),
    "a server that speaks before TLS is no server": Defect(
        never("asyncio_backend._Stream.start_tls", "_has_ended"),
        network("handshakes_fail_at_once_if_the_server_came_first"),
    ),
    "one task reads from a connection": Defect(
        never("asyncio_backend._Stream.read", "self._arrival is not None"),
        network("one_task_reads_at_a_time"),
    ),
    "an address has a head start only": Defect(
        replace("asyncio_backend._connect", "_HEAD_START", "60"),
        network("an_address_that_does_not_answer_holds_up_no_other"),
    ),
    "the second address is of another family": Defect(
        replace("asyncio_backend._addresses", r"\*other\[:1\], ", ""),
        network("an_address_that_does_not_answer_holds_up_no_other"),
    ),
    "of two connections, one is closed": Defect(
        drop("asyncio_backend._connect", r"_abort_all\(opened\[1:\]\)"),
        network("of_two_connections_one_is_kept"),
    ),
    "the socket is asked what has arrived": Defect(
        replace(
            "asyncio_backend._Stream.get_extra_info", r" or _is_readable\(self\._transport\)", ""
        ),
        network("what_the_event_loop_has_not_seen_yet_counts"),
    ),
    "a pool takes few requests": Defect(
        replace("_ShardedPool.handle_async_request", "_SHARD_SIZE", "100"), SHARED_OUT
    ),
    "pools that are not needed are dropped": Defect(
        replace("_ShardedPool._sweep", r"s\._requests or s\._connections", "True"), SHARED_OUT
    ),
    "cancelled calls leave nothing in any pool": Defect(
        replace("pool._pools", r"pool\.shards if .* else ", ""),
        f"{CANCELLED}[asyncio-task-ours-tcp-list_workflows]",
    ),
    # ---------------------------------------------------------------- pictures of graphs
    "nodes keep their distance": Defect(
        replace("_Columns._distances", r"a\.width / 2 \+ ", ""), COVERS.format("wide-steps")
    ),
    "a label has a place of its own": Defect(
        replace("layout._sizes", r"label if stop == way\.label else ", ""),
        COVERS.format("branches-steps"),
    ),
    "a loop at a node has room": Defect(
        drop("svg._node_size", r"beside = _LOOP", "pass"), COVERS.format("self-loop-steps")
    ),
    "an arrow turns between bands": Defect(
        drop("layout._bands", r"top = bottom", "top = bottom"), COVERS.format("loop-events")
    ),
    "an arrow that leads up is drawn from its source": Defect(
        replace(
            "layout._Placed.path", r"reversed\(rounded\) if way\.is_back else rounded", "rounded"
        ),
        COVERS.format("loop-steps"),
    ),
    "a name is text in Mermaid": Defect(
        returns("mermaid._escape", "text"), written("names_do_not_change_the_mermaid_source[False]")
    ),
    "a name is text in SVG": Defect(
        replace("svg._text", r"escape\(line\)", "line"),
        written("names_do_not_change_the_svg_document[False]"),
    ),
    "names are bounded and visible": Defect(
        returns("_text.plain", "text"), written("output_is_bounded_for_long_names")
    ),
    "a picture is bounded": Defect(
        never("_Sketch._connect", "MAX_ARROWS"),
        written("graph_that_is_too_large_is_rejected_and_shown_as_text"),
    ),
    "steps are in the order of the flow": Defect(
        replace("_Reader._order", r"\[box for .*?\]|deque\(.*\)", "deque()"),
        written("table_has_the_start_first_and_one_event_a_line"),
    ),
    "a step is not missed in events that begin later": Defect(
        replace("_Seen._state", r"self\._is_whole", "True"),
        progress("steps_are_not_said_to_be_missed_if_the_start_is_missing"),
    ),
    "an arrow is taken only if that is certain": Defect(
        replace("_Seen._senders", r"is_clear or ", "True or "),
        progress("arrow_is_not_taken_if_another_one_may_have_been"),
    ),
    "a step under way is stopped by the end of a run": Defect(
        replace("_Seen._state", r"self\.outcome == 'running'", "True"),
        progress("step_is_said_to_be_in_its_state[run5-stopped]"),
    ),
    # ---------------------------------------------------------------- what is shown
    "markup of a server is shown as text": Defect(
        replace("html.escaped", r"html\.escape\((.*)\)", r"\1"),
        f"{DISPLAY}::test_hostile_text_is_shown_as_text",
    ),
    "what cannot be printed is escaped": Defect(
        replace("_text.printable", r"c\.isprintable\(\)", "True"),
        f"{DISPLAY}::test_hostile_text_is_shown_as_text",
    ),
    "a table has so many rows": Defect(
        never("html.table", "MAX_ROWS"), f"{DISPLAY}::test_what_is_shown_is_bounded"
    ),
    "a megabyte is not shown": Defect(
        constant("_display.html.MAX_CELL", "2 ** 21"), f"{DISPLAY}::test_what_is_shown_is_bounded"
    ),
    "a handle learns its status from its stream": Defect(
        replace("WorkflowRun._last_status", r"return status_after\(ended_by\)", "return None"),
        "tests/_{variant}/test_run.py::test_handle_shows_the_status_as_last_known",
    ),
    "a handle learns its status from a result": Defect(
        drop("WorkflowRun._result", r"self\._learn\(handler\)"),
        "tests/_{variant}/test_run.py::test_handle_shows_the_status_as_last_known",
    ),
    "a watch that is interrupted has shown no more than it has": Defect(
        replace("watch.watch", r"run\._sequence = position", "run._sequence = machine.cursor"),
        "tests/_{variant}/test_watch.py::"
        "test_interrupted_watch_keeps_the_position_of_what_was_shown",
    ),
    "a watch ends with the last state": Defect(
        drop("watch.watch", r"watcher\.finish\(\)"),
        "tests/_{variant}/test_watch.py::test_watch_shows_the_events_and_the_end",
    ),
    "a view is not drawn for each event": Defect(
        constant("MIN_REDRAW", "0.0"), f"{VIEW}::test_view_is_drawn_at_most_ten_times_a_second"
    ),
    "a terminal is not overrun": Defect(
        replace("Terminal.draw", r"rows - 1, now", "rows + 9, now"),
        f"{VIEW}::test_terminal_that_is_small_is_not_overrun",
    ),
    "a terminal without colors gets none": Defect(
        replace("has_colors", r"not os\.environ\.get\('NO_COLOR'\)", "True"),
        f"{VIEW}::test_environment_decides_what_a_terminal_gets",
    ),
    "a request that is answered does not wait": Defect(
        never("RunView._receive_internal", "_is_idle"),
        f"{VIEW}::test_request_waits_until_an_idle_run_goes_on",
    ),
    "a row of a batch has the fields, not the methods, of an event": Defect(
        replace("batch_results._fields_of", r"start\._data\.items\(\)", "start.items()"),
        "tests/core/test_rows.py::test_row_has_the_fields_of_start_and_result_as_they_are",
    ),
    "the authorization of a view replaces its client's": Defect(
        returns("connection._auth", "{}"),
        f"{OPTIONS}::test_authorization_of_view_replaces_credentials_of_client",
    ),
    "the authorization of a view replaces credentials in the URL": Defect(
        replace("connection._auth", r"httpx\.Auth\(\)", "None"),
        f"{OPTIONS}::test_authorization_of_view_replaces_credentials_in_url_of_passed_client",
    ),
    "headers of an operation are not a view's to replace": Defect(
        replace(
            "Operation.request",
            r"combined\(headers, self\.headers\)",
            "combined(self.headers, headers)",
        ),
        f"{OPTIONS}::test_headers_of_view_are_added_to_its_requests_only",
    ),
    "an error of on_response repeats no request": Defect(
        replace("Driver._report", r"raise RuntimeError\(.*\) from error", "raise"),
        f"{OPTIONS}::test_error_of_function_is_raised_and_the_request_not_repeated",
    ),
    "a closed client stops the batches of its views": Defect(
        replace("Driver.aclose", r"\(self, \*views\)", "(self,)"),
        f"{OPTIONS}::test_view_closes_its_batches_and_client_those_of_its_views",
    ),
    "a closed view leaves the connections open": Defect(
        always("Driver.aclose", "not self._is_view"),
        f"{OPTIONS}::test_view_uses_the_connections_of_its_client",
    ),
    "each request carries the context of its span": Defect(
        drop("Tracing.request", "propagate.inject"),
        f"{TRACING}::test_call_has_one_span_for_all_its_requests",
    ),
    "each request of a stream carries the context of its span": Defect(
        drop("TracedStream.connecting", "with _attached", instead="yield"),
        f"{TRACING}::test_stream_has_a_span_until_its_end_and_reconnects_are_events_of_it",
    ),
    "the span of a stream is that of where it was requested": Defect(
        replace("TracedStream.connecting", r"self\._name, self\._context", "self._name, None"),
        "tests/core/test_tracing.py::test_stream_belongs_to_where_it_was_requested",
    ),
    "spans do not quote errors": Defect(
        prepend(
            "spans._fail",
            "span.set_attribute('error.type', 'x'); import sys; "
            "span.record_exception(sys.exc_info()[1] or Exception())",
        ),
        f"{TRACING}::test_error_is_named_and_not_quoted",
    ),
    "a poll that fails is an error of its span": Defect(
        drop("Driver.poll", r"self\.tracing\.failed\(response"),
        f"{TRACING}::test_polls_that_fail_are_errors_and_the_run_is_not",
    ),
    "the status of a span is that of its last request": Defect(
        drop("Tracing.request", r"work\.status_code = None"),
        f"{TRACING}::test_last_status_is_that_of_the_last_request",
    ),
    "what a propagator writes is checked": Defect(
        replace("Tracing.request", r"checked_headers\(headers\)", "headers"),
        f"{TRACING}::test_failing_propagator_does_not_fail_the_request",
    ),
    "names of a server in spans are bounded": Defect(
        returns("spans._bounded", "str(text)"),
        f"{TRACING}::test_names_of_a_server_are_bounded_and_on_one_line",
    ),
    "a forked process leaves spans to its parent": Defect(
        drop("EventStream._after_fork", r"self\._traced\.let_go"),
        "tests/core/test_tracing.py::test_span_of_a_stream_is_ended_by_the_process_that_began_it",
    ),
    "a stream that is left ends its span": Defect(
        replace("EventStream._events", "iterator is None or self._closed or ", ""),
        f"{TRACING}::test_stream_that_is_left_early_ends_its_span",
    ),
    "an item of a batch is a run": Defect(
        replace(
            "BatchRunner._run",
            r"self\._driver\.tracing\.run\(self\._workflow_name, item\.handler_id\)",
            "__import__('llama_agents.client._tracing', fromlist=['_RUN'])._RUN",
        ),
        f"{TRACING}::test_each_item_of_a_batch_is_a_run_within_what_was_current",
    ),
    # ---------------------------------------------------------------- the command line
    "a run that was cancelled is status 4": Defect(
        replace("failures.status_of_run", "Exit.CANCELLED", "Exit.FAILED"),
        command("test_commands.py", "cancelled_run_is_status_4"),
    ),
    "an error of a server is inert and on one line": Defect(
        returns("_text.one_line", "text"),
        command("test_hostile.py", "secret_that_a_server_repeats_is_not_shown"),
    ),
    "JSON has escapes for what a terminal obeys": Defect(
        returns("_text.json_text", "json.dumps(document, ensure_ascii=False, indent=indent)"),
        command("test_commands.py", "hostile_text_is_printed_as_escapes"),
    ),
    "an error does not quote a secret that a server repeats": Defect(
        returns("Output.redacted", "text"),
        command("test_hostile.py", "secret_that_a_server_repeats_is_not_shown"),
    ),
    "a log record is as inert as an error": Defect(
        returns("SafeFormatter.format", "super().format(record)"),
        command("test_processes.py", "log_is_inert_and_has_no_token_that_a_server_repeats"),
    ),
    "a command to run next is quoted for the shell": Defect(
        replace("Advice.command", r"shlex\.join\(", "str.join(chr(32), "),
        command("test_hostile.py", "command_to_run_next_is_inert_and_takes_ids_like_options"),
    ),
    "nobody who reads is no error": Defect(
        drop("execution.execute", "^raise$"),
        command("test_processes.py", "closed_pipe_is_silent"),
    ),
    "a field is read as the type that the schema says": Defect(
        always("EventFields._value", "'string' in types"),
        command("test_fields.py", "value_is_read_as_the_type_of_its_field"),
    ),
    "a field that an event does not have is an error": Defect(
        always("EventFields.value", r"not self\.fields"),
        command("test_commands.py", "invalid_event_is_not_sent"),
    ),
    "the message of an error is inert": Defect(
        returns("WorkflowClientError.__str__", "super().__str__()"),
        "tests/core/test_errors.py::test_message_is_inert_whatever_the_server_sends",
    ),
    # ---------------------------------------------------------------- workflows as MCP tools
    "a token that was changed is refused": Defect(
        never("Seal.verify", "compare_digest"),
        f"{SHOWN}::test_token_of_another_key_or_server_or_that_was_changed_is_invalid",
    ),
    "a token is of one server": Defect(
        replace("Seal.__init__", r"server\.encode\(\)", "b''"),
        f"{SHOWN}::test_token_of_another_key_or_server_or_that_was_changed_is_invalid",
    ),
    "a token is worth one answer": Defect(
        drop("Call._ask", r"self\._answered\.add\(key\)"),
        f"{CALL}::test_token_is_worth_one_answer_where_no_event_shows_that_it_was_given",
    ),
    "a key is its owner's alone": Defect(
        never("tokens._read", "S_IRWXG"), f"{SHOWN}::test_key_that_others_can_read_is_refused"
    ),
    "a call that is cancelled cancels its run": Defect(
        never("Call._ownership", r"self\._owned"),
        "tests/mcp/test_process.py::test_end_of_the_host_cancels_the_runs_of_its_calls[stdin]",
    ),
    "an answer that was not accepted may be given again": Defect(
        returns("Call._is_still_open", "False"),
        f"{CALL}::test_answer_that_was_not_accepted_may_be_given_again",
    ),
    "a question that somebody else has answered is not waited for": Defect(
        drop("Call._extend", "deadline"),
        f"{CALL}::test_question_that_is_not_repeated_ends_the_call_but_not_the_run",
    ),
    "a schema of a tool leads nowhere else": Defect(
        never("_ensure_local", "match is None"),
        f"{SHOWN}::test_schema_that_a_host_might_reject_is_refused[schema1]",
    ),
    "a result is JSON that every peer reads": Defect(
        replace("results._plain", r"math\.isfinite\(value\)", "True"),
        f"{SHOWN}::test_result_is_json_that_every_peer_reads",
    ),
}
