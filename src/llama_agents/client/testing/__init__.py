"""A test kit: the real server in a thread, and streams that are recorded and played back.

``serve`` needs the server: ``pip install 'llama-agents-client[testing]'``. The rest needs nothing
but the client.
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
