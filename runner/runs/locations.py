"""Locations: the project, its configuration, and the default results folder."""

from __future__ import annotations

import os
from pathlib import Path

from env.refusal import Refusal

PROJECT = Path(__file__).resolve().parents[2]
CONF = PROJECT / "conf"
RECIPES = CONF / "curation"
# A wheel leaves pyproject.toml behind. Installed, runs are in ./results of the folder where a command is typed.
IS_CHECKOUT = (PROJECT / "pyproject.toml").is_file()
RESULTS = PROJECT / "results" if IS_CHECKOUT else Path("results")
# The environment variable that moves results elsewhere.
RESULTS_VARIABLE = "LUAGATE_RESULTS"


def usual_results() -> Path:
    """Return the folder of runs that a command without --results refers to."""
    return results_folder(os.environ.get(RESULTS_VARIABLE) or RESULTS)


def results_folder(typed: str | Path) -> Path:
    """Return the typed folder, absolute, ``~`` as the home folder.

    Raises:
        Refusal: ``~`` names no user, or it is a file.
    """
    folder = expanded(typed).resolve()
    # unlike Path's, these return False for a name too long for the file system
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise Refusal(f"{folder} is a file, not a folder of runs.", "Name a folder; it need not exist yet.")
    return folder


def expanded(typed: str | Path) -> Path:
    """Return a path with a leading ``~`` read as a home folder. Raises Refusal where there is no such user."""
    try:
        return Path(typed).expanduser()
    except RuntimeError:
        raise Refusal(f"{typed}: no home folder is known for this user.", "Write the path in full.") from None
