"""How this program was started, and so the words that start it again.

Every sentence in the code names commands as ``python -m runner …``, and modules that are commands of their own as
``python -m eval.…``, which is right in a checkout. Where a text reaches a person, ``as_started`` puts the words that
work in that person's shell: installed, ``luagate …`` and ``luagate -m eval.…``.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from functools import lru_cache
from pathlib import Path

from env.installed.own_modules import ROOT

WRITTEN = "python -m runner"
INSTALLED = "luagate"
# Modules of the layers below runner that are commands too.
_OF_A_LAYER = re.compile(r"python -m (?=(?:eval|training)\.)")


def as_started(text: str) -> str:
    """Return ``text`` with its commands in the form that this process was started in."""
    if "python -m " not in text:
        return text
    form = start_form()
    module_form = form.removesuffix("runner") if form.endswith(" -m runner") else f"{form} -m "
    return _OF_A_LAYER.sub(lambda _: module_form, text.replace(WRITTEN, form))


def start_form() -> str:
    """Return what the user types before a command's name, such as "luagate"."""
    return _form(sys.argv[0], sys.executable, os.environ.get("PATH"))


def start_command() -> list[str]:
    """Return the command that starts this program in another process, as this one was started."""
    return [sys.executable, "-m", INSTALLED if start_form().endswith(INSTALLED) else "runner"]


@lru_cache
def _form(program: str, python: str, path: str | None) -> str:
    started, bin_folder = Path(program), Path(python).parent
    if started.name == INSTALLED:
        return INSTALLED if _is_found(INSTALLED, started.parent, path) else shlex.quote(str(started.absolute()))
    module = started.parent.name if started.name == "__main__.py" else ""
    if module == INSTALLED:
        return INSTALLED if _is_found(INSTALLED, bin_folder, path) else f"{shlex.quote(python)} -m {INSTALLED}"
    if module != "runner":
        return WRITTEN
    # typed elsewhere, the checkout's own .venv is found by any interpreter
    leads_here = Path(sys.prefix).resolve() == (ROOT / ".venv").resolve()
    names = [name for name in ("python", "python3") if shutil.which(name, path=path)]
    name = next((name for name in names if leads_here or _is_found(name, bin_folder, path)), "")
    return f"{name} -m runner" if name else f"{shlex.quote(python)} -m runner" if names else WRITTEN


def _is_found(name: str, folder: Path, path: str | None) -> bool:
    found = shutil.which(name, path=path)
    return found is not None and os.path.realpath(os.path.dirname(found)) == os.path.realpath(folder)
