"""Where things are: the project, its configuration, and the results when nothing else is said."""

from __future__ import annotations

import os
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
CONF = PROJECT / "conf"
RESULTS = PROJECT / "results"
# The environment variable that moves results elsewhere.
RESULTS_VARIABLE = "LUAGATE_RESULTS"


def usual_results() -> Path:
    """Return the folder of runs that a command without --results speaks of."""
    return Path(os.environ.get(RESULTS_VARIABLE) or RESULTS).resolve()
