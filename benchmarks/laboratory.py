"""Runs the scripts alternately in each environment."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import attrs

from .script import ROOT

Environment = Literal["ours", "published", "others"]
"""Where a script runs: with this client, the published one, or other packages' decoders."""
BOTH: Final[Sequence[Environment]] = ("ours", "published")

# The ways to send a request and to read a stream: where each is measured, and under which name.
COLUMNS: Final[Mapping[str, tuple[Environment, str]]] = {
    "this client": ("ours", "client"),
    "this client over aiohttp": ("ours", "aiohttp"),
    "bare httpx": ("ours", "bare_httpx"),
    "bare aiohttp": ("ours", "bare_aiohttp"),
    "published client": ("published", "client"),
}


class Median(float):
    """The median of all repetitions.

    Attributes:
        low: A quarter of the repetitions are below.
        high: A quarter of the repetitions are above.
    """

    low: float
    high: float

    def __new__(cls, values: Sequence[float]) -> Median:
        """Compute the median and the quartiles."""
        self = super().__new__(cls, statistics.median(values))
        enough = values if len(values) > 1 else [*values, *values]
        self.low, _, self.high = statistics.quantiles(enough, n=4, method="inclusive")
        return self


@attrs.frozen
class Found:
    """The results of a script: for each environment and name, all repetitions."""

    by_environment: Mapping[Environment, Mapping[str, Sequence[float]]]

    def ours(self, name: str) -> Median:
        """The median of this client."""
        return Median(self.by_environment["ours"][name])

    def published(self, name: str) -> Median:
        """The median of the published client."""
        return Median(self.by_environment["published"][name])

    def others(self, name: str) -> Median:
        """The median of another package."""
        return Median(self.by_environment["others"][name])

    def columns(self) -> dict[str, Median]:
        """The medians of all ways that were measured."""
        return {
            column: Median(self.by_environment[environment][name])
            for column, (environment, name) in COLUMNS.items()
            if environment in self.by_environment
        }


@attrs.frozen
class Laboratory:
    """The environments and servers that the scripts run with.

    Attributes:
        interpreters: The Python of each environment.
        replay: URL of the server that only replays bytes.
        server: URL of a real server.
        quick: Whether to use small sizes.
    """

    interpreters: Mapping[Environment, str]
    replay: str
    server: str
    quick: bool

    def measure(
        self,
        script: str,
        *,
        rounds: int = 1,
        environments: Sequence[Environment] = BOTH,
        **sizes: int,
    ) -> Found:
        """Run a script in each environment and collect the results.

        Args:
            script: Name of the script.
            rounds: How many times to run it in each environment, alternately; once if quick.
            environments: Where to run it.
            **sizes: Options of the script.
        """
        found: dict[Environment, dict[str, list[float]]] = {name: {} for name in environments}
        for _ in range(1 if self.quick else rounds):
            for environment in environments:
                for name, values in self._run(script, environment, sizes).items():
                    found[environment].setdefault(name, []).extend(values)
        return Found(found)

    def _run(
        self, script: str, environment: Environment, sizes: Mapping[str, int]
    ) -> Mapping[str, list[float]]:
        command = [self.interpreters[environment], "-m", f"benchmarks.{script}"]
        command += ["--replay", self.replay, "--server", self.server]
        for name, value in sizes.items():
            command += [f"--{name}", str(value)]
        output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
        figures: Mapping[str, list[float]] = json.loads(output)
        return figures
