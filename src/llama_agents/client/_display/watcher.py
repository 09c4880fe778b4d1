"""Watching a run: which events change the view, and when it is drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from .screen import Screen
from .view import RunView

if TYPE_CHECKING:
    from ..protocol import EventEnvelopeWithMetadata

MIN_REDRAW: Final = 0.1  # s between two drawings, however many events come
MAX_REDRAW: Final = 1.0  # s between two drawings without events, in which only the time changes


class Watcher:
    """Keeps the view of a run on a screen.

    Args:
        view: What is shown.
        screen: Where it is shown.
        clock: Returns seconds on a monotonic clock.
    """

    def __init__(self, view: RunView, screen: Screen, clock: Callable[[], float]) -> None:
        self.view = view
        self._screen = screen
        self._clock = clock
        self._is_dirty = False
        self._drawn_at = clock()
        screen.draw(view, self._drawn_at)

    def receive(self, event: EventEnvelopeWithMetadata) -> None:
        """Take in an event of the run."""
        is_listed = self.view.receive(event)
        self._is_dirty = True
        if is_listed and not self._screen.is_live:
            self._screen.add(self.view.text(event))

    def patience(self) -> float | None:
        """Return how long to wait for an event, in seconds; None for as long as it takes."""
        if not self._screen.is_live:
            return None
        pause = MIN_REDRAW if self._is_dirty else MAX_REDRAW
        return max(self._drawn_at + pause - self._clock(), 0.0)

    def refresh(self) -> None:
        """Draw the view, if it is time."""
        if self.patience() == 0.0:
            self._is_dirty = False
            self._drawn_at = self._clock()
            self._screen.draw(self.view, self._drawn_at)

    def finish(self) -> None:
        """Show the last state."""
        self._screen.finish(self.view, self._clock())
