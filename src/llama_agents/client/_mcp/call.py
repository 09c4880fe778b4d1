"""One call of a tool: the run that it starts, or answers, and what becomes of it.

A call owns its run from the moment that it starts it, or sends it an answer, until it returns. If
it is cancelled meanwhile, by the host or because the host has gone, so is the run: nobody would see
what it does. A run that waits for an answer belongs to nobody, and keeps waiting.

An answer is sent once. What this process has sent is remembered, and what others have sent shows in
the events of the run; where that is not certain, nothing is sent.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeAlias

import anyio
import attrs

from .._core.interaction import INPUT
from .._events.schema import SchemaError, start_declaration
from .._lazy_types import EventEnvelopeWithMetadata
from .._text import fields_text, one_line, plain
from ..client import WorkflowClient, WorkflowRun
from ..errors import (
    CheckpointError,
    NotFoundError,
    ServerError,
    StatusError,
    UnansweredRequestError,
)
from .questions import (
    AnswerError,
    NoAnswerError,
    Question,
    check_fields,
    read_answers,
    read_declared,
)
from .results import Content, read_result
from .tokens import Seal, TokenError

CANCEL_LIMIT: Final = 3.0  # s; hosts kill a process that takes much longer to end
SILENCE_LIMIT: Final = 10.0  # s without an event, after which a run does not repeat its question
PROGRESS_INTERVAL: Final = 0.1  # s; hosts may show each, and there may be thousands
MAX_MESSAGE: Final = 200  # characters of an event in a progress notification

Read: TypeAlias = Callable[[Question], dict[str, Any]]
Elicit: TypeAlias = Callable[[str, dict[str, Any]], Awaitable[Read]]
Report: TypeAlias = Callable[[int, str], Awaitable[None]]


class CallError(Exception):
    """A call that failed, with the text for whoever called."""


@attrs.frozen
class Completed:
    """A run that has completed.

    Attributes:
        handler_id: ID of the run.
        content: Its result.
    """

    handler_id: str
    content: Content


@attrs.frozen
class Waiting:
    """A run that waits for an answer.

    Attributes:
        handler_id: ID of the run.
        question: What it asks.
        token: What stands for it.
        problem: What is wrong with the answer that was given, or why there is none; may be empty.
        is_refused: Whether a person does not want to answer.
    """

    handler_id: str
    question: Question
    token: str
    problem: str = ""
    is_refused: bool = False


Outcome: TypeAlias = Completed | Waiting


class _WaitsError(Exception):
    """Ends the interaction with a run that waits."""

    def __init__(self, outcome: Waiting) -> None:
        super().__init__()
        self.outcome = outcome


@attrs.define
class _Given:
    """An answer that came with the call.

    Attributes:
        sequence: The sequence number of the question.
        read: Reads the answer, once the question is known.
        scope: Ends the wait for the question.
    """

    sequence: int
    read: Read
    scope: anyio.CancelScope


class Call:
    """One call of a tool.

    Args:
        client: The client of the server.
        seal: Signs and verifies tokens.
        answered: The questions that this process has answered.
        report: Reports progress: the number of events so far, and the last as text.
        elicit: Asks a person, given a text and the schema of a form; returns what reads the answer.
            None if the host cannot, or not while a call is under way.
    """

    def __init__(
        self,
        client: WorkflowClient,
        seal: Seal,
        answered: set[tuple[str, str, int]],
        report: Report,
        elicit: Elicit | None,
    ) -> None:
        self._client = client
        self._seal = seal
        self._answered = answered
        self._report = report
        self._elicit = elicit
        self._workflow = ""
        self._run: WorkflowRun | None = None
        self._given: _Given | None = None
        self._owned: str | None = None  # ID of the run
        self._requests: list[tuple[int, EventEnvelopeWithMetadata]] = []
        self._events = 0
        self._reported = -1  # sequence number up to which another call has reported
        self._reported_at = -math.inf

    async def start(self, workflow: str, arguments: Mapping[str, Any], handler_id: str) -> Outcome:
        """Start a run and follow it.

        Args:
            workflow: Name of the workflow.
            arguments: The fields of its start event.
            handler_id: A new ID for the run.

        Returns:
            What has become of the run.

        Raises:
            CallError: The workflow is gone.
            Exception: Whatever the client raises.
        """
        self._workflow = workflow
        await self._check_start(arguments)
        async with self._ownership():
            self._owned = handler_id
            self._run = await self._client.start(
                workflow, dict(arguments) or None, handler_id=handler_id
            )
            return await self._follow("ask")

    async def answer(self, token: str, read: Read) -> Outcome:
        """Answer the question that a token stands for, and follow the run further.

        Args:
            token: The token.
            read: Reads the answer, once the question is known.

        Returns:
            What has become of the run.

        Raises:
            CallError: The token is not valid, or the question is not open any more; nothing was
                sent.
            Exception: Whatever the client raises.
        """
        try:
            payload = self._seal.verify(token)
        except TokenError:
            raise CallError(
                "The token is not valid here: it must be copied without a change, and be of this "
                "workflow server. Nothing was sent."
            ) from None
        checkpoint, sequence = payload["checkpoint"], payload["question"]
        self._workflow, self._reported = payload["workflow"], sequence
        if (checkpoint["handler_id"], checkpoint["run_id"], sequence) in self._answered:
            raise _stale(checkpoint["handler_id"], "it was answered before")
        try:
            self._run = await self._client.resume(checkpoint)
        except NotFoundError:
            raise _stale(checkpoint["handler_id"], "the server does not know the run") from None
        except CheckpointError:
            raise _stale(checkpoint["handler_id"], "its ID is that of another run now") from None
        key = (self._run.handler_id, checkpoint["run_id"], sequence)
        async with self._ownership():
            with anyio.CancelScope() as scope:
                self._given = _Given(sequence, read, scope)
                self._extend()
                try:
                    outcome = await self._follow("error", key)
                except UnansweredRequestError as error:
                    if self._given is None:
                        raise
                    raise _stale(error.handler_id, "it may have been answered") from error
                if self._given is None:
                    return outcome
            raise _stale(self._run.handler_id, "it does not wait for this answer any more")

    async def _check_start(self, arguments: Mapping[str, Any]) -> None:
        try:
            schema = (await self._client.get_workflow_schema(self._workflow)).start
            check_fields(start_declaration(schema), arguments)
        except NotFoundError as error:
            name = one_line(self._workflow, 80)
            raise CallError(f"The server has no workflow {name!r} any more.") from error
        except ServerError as error:
            if (
                error.status_code != 500
            ):  # a gateway's; a server that cannot write a schema sends 500
                raise
        except SchemaError:
            pass  # the server checks the fields

    @asynccontextmanager
    async def _ownership(self) -> AsyncIterator[None]:
        """Cancel the run if the call is cancelled while it owns it."""
        try:
            yield
        except anyio.get_cancelled_exc_class():
            if self._owned is not None:
                with anyio.move_on_after(CANCEL_LIMIT, shield=True), suppress(Exception):
                    await self._client.cancel_handler(self._owned)
            raise

    async def _follow(self, on_uncertain: Any, key: tuple[str, str, int] | None = None) -> Outcome:
        assert self._run is not None
        answers = {INPUT: self._ask}
        try:
            result = await self._run.interact(
                answers, on_event=self._on_event, on_uncertain=on_uncertain
            )
        except _WaitsError as waits:
            self._owned = None
            return waits.outcome
        except Exception:
            if key is not None and await self._is_still_open(key[2]):
                self._answered.discard(key)
            raise
        return Completed(self._run.handler_id, read_result(result))

    async def _is_still_open(self, sequence: int) -> bool:
        """Return whether a question is certain to have no answer, so that one may be sent."""
        assert self._run is not None
        books = (await self._run.checkpoint()).get("requests", {})
        return sequence in books.get("open", ()) and sequence not in books.get("uncertain", ())

    async def _on_event(self, sequence: int, envelope: EventEnvelopeWithMetadata) -> None:
        names = {envelope.type, *(envelope.types or ())}
        self._extend()
        if INPUT in names:
            self._requests.append((sequence, envelope))
        is_shown = not (INPUT in names or envelope.is_internal or envelope.is_terminal)
        if not is_shown or sequence <= self._reported:
            return
        self._events += 1
        now = anyio.current_time()
        if now - self._reported_at >= PROGRESS_INTERVAL:
            self._reported_at = now
            text = f"{envelope.type} {fields_text(envelope.value, MAX_MESSAGE)}"
            await self._report(self._events, plain(text.strip(), MAX_MESSAGE))

    def _extend(self) -> None:
        if self._given is not None:
            self._given.scope.deadline = anyio.current_time() + SILENCE_LIMIT

    async def _ask(self, envelope: EventEnvelopeWithMetadata) -> dict[str, Any]:
        assert self._run is not None
        sequence = next(number for number, each in self._requests if each is envelope)
        question = Question(self._workflow, sequence, envelope, await self._answers(envelope))
        given = self._given
        if given is None:
            return await self._elicit_answer(question)
        if given.sequence != sequence:
            raise _stale(self._run.handler_id, "it asks something else by now")
        try:
            answer = given.read(question)
        except NoAnswerError as reason:
            raise await self._waits(question, str(reason), is_refused=True) from None
        except AnswerError as problem:
            raise await self._waits(question, str(problem)) from None
        self._given, given.scope.deadline = None, math.inf
        checkpoint = await self._run.checkpoint()
        key = (self._run.handler_id, checkpoint["run_id"], sequence)
        if key in self._answered:  # by another call, meanwhile
            raise _stale(self._run.handler_id, "it was answered before")
        self._answered.add(key)
        self._owned = self._run.handler_id
        return answer

    async def _elicit_answer(self, question: Question) -> dict[str, Any]:
        if self._elicit is None:
            raise await self._waits(question)
        text = question.message()
        while True:
            try:
                read = await self._elicit(text, question.form)
                return read(question)
            except AnswerError as problem:
                text = question.message(str(problem))
            except NoAnswerError as reason:
                raise await self._waits(question, str(reason), is_refused=True) from None

    async def _waits(
        self, question: Question, problem: str = "", *, is_refused: bool = False
    ) -> _WaitsError:
        assert self._run is not None
        self._given = None
        token = self._seal.sign(
            {
                "checkpoint": await self._run.checkpoint(),
                "question": question.sequence,
                "workflow": self._workflow,
            }
        )
        return _WaitsError(Waiting(self._run.handler_id, question, token, problem, is_refused))

    async def _answers(self, envelope: EventEnvelopeWithMetadata) -> Mapping[str, Any]:
        """Return the schemas of the classes that may answer a question."""
        client, workflow = self._client, self._workflow
        try:
            graph = (await client.get_workflow_graph(workflow)).graph
            found = read_answers(envelope, graph)
            if found:
                return found
            declared = (await client.get_workflow_events_schema(workflow)).events
        except StatusError:  # a server cannot draw every workflow, or write every schema
            return {}
        return read_declared(envelope, graph, declared)


def _stale(handler_id: str, reason: str) -> CallError:
    run = one_line(handler_id, 80)
    return CallError(f"Run {run} does not wait for this answer: {reason}. Nothing was sent.")
