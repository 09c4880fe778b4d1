"""Processor time to turn an envelope into an event, and of the class's own ``model_validate``."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable

from llama_agents.client.protocol.serializable_events import EventEnvelopeWithMetadata
from workflows.events import Event

from .script import arguments, report


class Progress(Event):
    """An event with a few fields."""

    step: int
    ratio: float
    text: str


class Other(Event):
    """Another class in the registry."""

    number: int


options = arguments(__doc__, repeat=15, loads=3000)
value = {"step": 3, "ratio": 0.5, "text": "half of it"}
envelope = EventEnvelopeWithMetadata(
    value=value, qualified_name=f"{__name__}.Progress", type="Progress", types=None
)
ways: dict[str, Callable[[], Event]] = {
    "load": lambda: envelope.load_event(),
    "load_registered": lambda: envelope.load_event([Progress, Other]),
    "validate": lambda: Progress.model_validate(value),
}
found: dict[str, list[float]] = {name: [] for name in ways}
for _ in range(options.repeat):
    for name, way in ways.items():
        assert isinstance(way(), Progress)
        found[name].append(
            timeit.timeit(way, timer=time.process_time, number=options.loads) / options.loads
        )
report(**found)
