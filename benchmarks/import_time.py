"""Processor time of importing the client in a new process.

For comparison: the unavoidable part, importing its dependencies but pydantic; and what a program
waits for until it has a client.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

from .script import arguments, report

BEGIN = "import time; begin = time.process_time()\n"
END = "\nprint(time.process_time() - begin)"

# Without its cache of bytecode, Python would compile everything anew each time.
ENVIRONMENT = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}

CLIENT = "from llama_agents.client import WorkflowClient"
LIBRARIES = "import httpx, attrs"
CREATED = """
from llama_agents.client import WorkflowClient
client = WorkflowClient(base_url="http://127.0.0.1:1")
"""


def seconds(program: str) -> float:
    """Return the seconds that a program takes in a new process."""
    command = [sys.executable, "-c", BEGIN + program + END]
    return float(
        subprocess.run(command, env=ENVIRONMENT, check=True, stdout=subprocess.PIPE).stdout
    )


options = arguments(__doc__, repeat=5)
client, created, libraries = [], [], []
seconds(CREATED)  # fills that cache
for _ in range(options.repeat):
    client.append(seconds(CLIENT))
    created.append(seconds(CREATED))
    if find_spec("attrs"):  # not a dependency of the published client
        libraries.append(seconds(LIBRARIES))
report(client=client, created=created, libraries=libraries)
