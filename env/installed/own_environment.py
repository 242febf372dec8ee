"""The environment that a command of a checkout runs in: this interpreter's, else the checkout's own .venv.

``make demo`` installs everything into .venv; typed in another shell, ``python`` is the system's and has none of it.
Imports nothing but the standard library, and runs on Pythons too old for the rest.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OLDEST = (3, 11)
# What every command needs, as it is imported; test_own_environment.py holds them to pyproject.toml.
LIBRARIES = (
    *("torch", "transformers", "peft", "bitsandbytes", "safetensors", "numpy", "hydra", "omegaconf", "transitions"),
    *("annotated_types", "pydantic", "yaml", "typer", "rich", "jinja2", "packaging", "lupa", "luaparser"),
)
_ENTERED = "LUAGATE_ENTERED_VENV"


def enter() -> None:
    """Return where this interpreter has the libraries; else run the same command with the checkout's .venv instead.

    Exits with 2 and one sentence where neither has them.
    """
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    entered = os.environ.pop(_ENTERED, "")
    if sys.version_info >= OLDEST and not missing:
        return
    python = ROOT / ".venv" / "bin" / "python"
    if not entered and is_environment(python) and Path(sys.prefix).resolve() != python.parent.parent.resolve():
        os.environ[_ENTERED] = "1"
        sys.stdout.flush()
        os.execv(str(python), [str(python), *_arguments()])
    sys.stderr.write(f"✗ {_what_is_wrong(missing)}\n  fix: {_what_to_type()}\n")
    sys.exit(2)


def is_environment(python: Path) -> bool:
    """Whether a virtual environment holds an interpreter that can be started."""
    return (python.parent.parent / "pyvenv.cfg").is_file() and os.access(str(python), os.X_OK)


def _arguments() -> list[str]:
    """Return what follows the interpreter on this process's command line."""
    typed = list(getattr(sys, "orig_argv", ()))
    if typed:
        return typed[1:]
    name = getattr(sys.modules["__main__"].__spec__, "name", "") or "runner.__main__"
    return ["-m", name[: -len(".__main__")] if name.endswith(".__main__") else name, *sys.argv[1:]]


def _what_is_wrong(missing: list[str]) -> str:
    if sys.version_info < OLDEST:
        return f"luagate needs Python 3.11 or newer; this is {sys.version.split()[0]} ({sys.executable})."
    return f"This Python ({sys.executable}) lacks what luagate needs: {', '.join(missing)}."


def _what_to_type() -> str:
    if not (ROOT / "Makefile").is_file():
        return "Reinstall luagate with its dependencies."
    make = "make setup" if sys.version_info >= OLDEST else "make setup PYTHON=python3.11"
    return f"`{make}` in {ROOT} installs it into .venv, where every command finds it; then repeat the command."
