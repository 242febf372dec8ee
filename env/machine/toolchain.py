"""What Triton compiles its kernels with, while a run works: a C compiler and Python's headers."""

from __future__ import annotations

import os
import shutil
import sysconfig
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Toolchain:
    """``compiler`` is the path of a C compiler, ``headers`` that of Python.h; "" where there is none."""

    compiler: str
    headers: str


NO_TOOLS = Toolchain("", "")


def toolchain() -> Toolchain:
    """Return what Triton would compile with: $CC, else gcc, else clang, and the headers of this interpreter."""
    wanted = (os.environ.get("CC", ""), "gcc", "clang", "cc")
    header = Path(sysconfig.get_path("include")) / "Python.h"
    found = (path for name in wanted if name and (path := shutil.which(name)))
    return Toolchain(next(found, ""), str(header) if header.is_file() else "")
