"""What a gate's numbers depend on besides its inputs: versions of packages, and which of our folders hold code."""

from __future__ import annotations

import platform
from contextlib import suppress
from importlib import metadata

from eval.domains import Domain
from training.backends import Backend

# Whatever here is loaded may change a number; the runner shows numbers and makes none.
MEASURING_FOLDERS = ("env", "eval", "gates", "training")
# What reads tasks and estimates, whichever backend generates and whatever the programs are for.
_COMMON = ("numpy", "pyyaml")


def versions_of(backend: Backend, domain: Domain) -> dict[str, str]:
    """Return the versions of Python and of the installed packages that ``backend`` and ``domain`` depend on."""
    found = {"python": platform.python_version()}
    for name in (*_COMMON, *domain.packages, *backend.packages):
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
