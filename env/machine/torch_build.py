"""For which CUDA the installed torch was built, read from its files: importing it would take a second."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

_CUDA = re.compile(r"^cuda(?:: *[\w\[\]. |]+)? *= *(?:'([\d.]+)'|\"([\d.]+)\"|None)", re.MULTILINE)


def torch_cuda() -> str | None:
    """Return the CUDA version of the installed torch, such as "12.8"; "" for a build without; None where it is not
    installed or does not say.
    """
    spec = importlib.util.find_spec("torch")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for folder in folders:
        try:
            return built_for((Path(folder) / "version.py").read_text(encoding="utf-8"))
        except OSError:
            continue
    return None


def built_for(version_file: str) -> str | None:
    """Return what torch's version.py says of CUDA, as ``torch_cuda`` does; pure."""
    found = _CUDA.search(version_file)
    return None if found is None else found[1] or found[2] or ""
