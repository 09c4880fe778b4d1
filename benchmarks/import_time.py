"""The time that ``import llama_agents.client`` takes in a new process."""

from __future__ import annotations

import subprocess
import sys

from .script import arguments, report

PROGRAM = "import time; begin = time.perf_counter(); import {}; print(time.perf_counter() - begin)"


def seconds(modules: str) -> float:
    """Import modules in a new process."""
    command = [sys.executable, "-c", PROGRAM.format(modules)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


options = arguments(__doc__, repeat=5)
client, libraries = [], []
for _ in range(options.repeat):
    client.append(seconds("llama_agents.client"))
    libraries.append(seconds("httpx, pydantic"))
report(client=client, libraries=libraries)
