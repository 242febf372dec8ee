"""What a gate's numbers depend on besides its inputs: versions of packages, and which of our folders hold code."""

from __future__ import annotations

import platform
from contextlib import suppress
from importlib import metadata

from training.backends import Backend

# Whatever here is loaded may change a number; the runner shows numbers and makes none.
MEASURING_FOLDERS = ("env", "eval", "gates", "training")
# What reads tasks, judges programs and estimates, whichever backend generates.
_JUDGING = ("numpy", "lupa", "luaparser", "pyyaml")


def versions_of(backend: Backend) -> dict[str, str]:
    """Return the versions of Python and of the packages that numbers made by ``backend`` depend on, where installed."""
    found = {"python": platform.python_version()}
    for name in (*_JUDGING, *backend.packages):
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
