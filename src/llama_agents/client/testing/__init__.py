"""Tools for testing code that uses the client.

``serve`` runs the real server in a thread, ``record`` writes the events of a stream to a file, and
``replay`` plays them back from an HTTP server that injects faults.

Only ``serve`` needs the server: ``pip install 'llama-agents-client[testing]'``.
"""

from __future__ import annotations

from ._faults import Drop, Fault, Stall, Unavailable
from ._playback import SentEvent, StartedRun
from ._record import record
from ._replay import ReplayServer, replay
from ._serve import ServeWorkflows, serve

__all__ = [
    "Drop",
    "Fault",
    "ReplayServer",
    "SentEvent",
    "ServeWorkflows",
    "Stall",
    "StartedRun",
    "Unavailable",
    "record",
    "replay",
    "serve",
]
