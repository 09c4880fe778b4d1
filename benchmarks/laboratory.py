"""Runs the scripts alternately with each client."""

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
    """The results of a script: for each client and name, all repetitions."""

    by_client: Mapping[Client, Mapping[str, Sequence[float]]]

    def ours(self, name: str) -> float:
        """The median of this client."""
        return statistics.median(self.by_client["ours"][name])

    def published(self, name: str) -> float:
        """The median of the published client."""
        return statistics.median(self.by_client["published"][name])


@attrs.frozen
class Laboratory:
    """The environments and servers that the scripts run with.

    Attributes:
        interpreters: The Python of each client's environment.
        replay: URL of the server that only replays bytes.
        server: URL of a real server.
        quick: Whether to use small sizes.
    """

    interpreters: Mapping[Client, str]
    replay: str
    server: str
    quick: bool

    def measure(
        self, script: str, *, rounds: int = 1, clients: Sequence[Client] = BOTH, **sizes: int
    ) -> Found:
        """Run a script with each client and collect the results.

        Args:
            script: Name of the script.
            rounds: How many times to run it with each client, alternately.
            clients: The clients to run it with.
            **sizes: Options of the script.
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
