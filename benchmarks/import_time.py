"""Processor time of ``import llama_agents.client`` in a new process.

For comparison, the unavoidable part: importing its dependencies.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

from .script import arguments, report

BEGIN = "import time; begin = time.process_time()\n"
END = "\nprint(time.process_time() - begin)"

CLIENT = "import llama_agents.client"
# pydantic imports most of its modules when the first model is defined.
LIBRARIES = """
import httpx, attrs, pydantic
class Model(pydantic.BaseModel):
    field: int
"""


def seconds(program: str) -> float:
    """Return the seconds that a program takes in a new process."""
    command = [sys.executable, "-c", BEGIN + program + END]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


options = arguments(__doc__, repeat=5)
client, libraries = [], []
for _ in range(options.repeat):
    client.append(seconds(CLIENT))
    if find_spec("attrs"):  # not a dependency of the published client
        libraries.append(seconds(LIBRARIES))
report(client=client, libraries=libraries)
