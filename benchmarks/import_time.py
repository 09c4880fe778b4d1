"""The time that ``import llama_agents.client`` takes in a new process.

Beside it the least that it could take: the libraries that it is made of.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

from .script import arguments, report

BEGIN = "import time; begin = time.perf_counter()\n"
END = "\nprint(time.perf_counter() - begin)"

CLIENT = "import llama_agents.client"
# pydantic imports most of itself with the first model.
LIBRARIES = """
import httpx, attrs, pydantic
class Model(pydantic.BaseModel):
    field: int
"""


def seconds(program: str) -> float:
    """Run a program in a new process."""
    command = [sys.executable, "-c", BEGIN + program + END]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


options = arguments(__doc__, repeat=5)
client, libraries = [], []
for _ in range(options.repeat):
    client.append(seconds(CLIENT))
    if find_spec("attrs"):  # the published client does without
        libraries.append(seconds(LIBRARIES))
report(client=client, libraries=libraries)
