"""The command line, as ``python -m llama_agents.client``."""

from __future__ import annotations

import sys

from .cli import main

sys.exit(main())
