"""Runs the scripts with each client in turns."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import attrs

from .script import ROOT

Client = Literal["ours", "published"]
BOTH: Final[Sequence[Client]] = ("ours", "published")


@attrs.frozen
class Found:
    """What a script found with each client: for each name, all repetitions."""

    by_client: Mapping[Client, Mapping[str, Sequence[float]]]

    def ours(self, name: str) -> float:
        """The median with this client."""
        return statistics.median(self.by_client["ours"][name])

    def published(self, name: str) -> float:
        """The median with the published client."""
        return statistics.median(self.by_client["published"][name])


@attrs.frozen
class Laboratory:
    """Two environments and two servers.

    Attributes:
        interpreters: The Python of each client's environment.
        replay: The URL of the server that only replays bytes.
        server: The URL of a real server.
        quick: Whether small sizes will do.
    """

    interpreters: Mapping[Client, str]
    replay: str
    server: str
    quick: bool

    def measure(
        self, script: str, *, rounds: int = 1, clients: Sequence[Client] = BOTH, **sizes: int
    ) -> Found:
        """Run a script.

        Args:
            script: Its name.
            rounds: How often the clients take turns.
            clients: With which of them.
            **sizes: Its options.
        """
        found: dict[Client, dict[str, list[float]]] = {client: {} for client in clients}
        for _ in range(rounds):
            for client in clients:
                for name, values in self._run(script, client, sizes).items():
                    found[client].setdefault(name, []).extend(values)
        return Found(found)

    def _run(
        self, script: str, client: Client, sizes: Mapping[str, int]
    ) -> Mapping[str, list[float]]:
        command = [self.interpreters[client], "-m", f"benchmarks.{script}"]
        command += ["--replay", self.replay, "--server", self.server]
        for name, value in sizes.items():
            command += [f"--{name}", str(value)]
        output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
        figures: Mapping[str, list[float]] = json.loads(output)
        return figures
