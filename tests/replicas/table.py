"""What was measured, for the reader of a log."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from .deployment import Proxy
from .load import Load, Streamed
from .store import Store


@attrs.frozen
class Outcome:
    """What a number of streams delivered, held against the store.

    Attributes:
        expected: Events in the store.
        delivered: Events that the client handed out.
        lost: Events in the store that were not handed out.
        duplicated: Events that were handed out again.
    """

    runs: int
    expected: int
    delivered: int
    lost: int
    duplicated: int
    connections: int


def outcome(runs: Sequence[Streamed], store: Store, proxy: Proxy) -> Outcome:
    """Count what became of streams."""
    expected = {
        run.handler_id: [sequence for sequence, _ in store.events(run.handler_id)] for run in runs
    }
    delivered = {run.handler_id: [sequence for sequence, _ in run.events] for run in runs}
    connections = proxy.connections()
    return Outcome(
        runs=len(runs),
        expected=sum(map(len, expected.values())),
        delivered=sum(map(len, delivered.values())),
        lost=sum(len({*expected[run]} - {*delivered[run]}) for run in expected),
        duplicated=sum(len(sequences) - len({*sequences}) for sequences in delivered.values()),
        connections=sum(connections[run] for run in expected),
    )


def table(load: Load, store: Store, proxy: Proxy) -> str:
    """Write down what became of the load."""
    names = [attribute.name for attribute in attrs.fields(Outcome)]
    lines = ["streams  " + "".join(f"{name:>12}" for name in names)]
    for face in ("async", "sync"):
        counted = outcome([run for run in load.streams if run.face == face], store, proxy)
        lines += [f"{face:9}" + "".join(f"{number:12}" for number in attrs.astuple(counted))]
    lines += ["", "calls    " + f"{'run_workflow':>12}{'completed':>12}"]
    for face in ("async", "sync"):
        statuses = [run.status for run in load.waited if run.face == face]
        lines += [f"{face:9}{len(statuses):12}{statuses.count('completed'):12}"]
    calls = len(load.streams) + len(load.waited)
    lines += ["", f"starts: {calls} called, {len(store.runs())} in the store, "]
    lines[-1] += f"{store.engine_runs()} in the engine, {store.recovered()} recovered"
    lines += [f"not completed: {run}" for run in store.unfinished()]
    return "\n".join(lines)
