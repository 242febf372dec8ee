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
    if sys.platform == "win32":
        sys.stderr.write(
            "luagate runs on Linux and macOS. On Windows use WSL2 (wsl --install): it reaches NVIDIA GPUs.\n"
        )
        raise SystemExit(2)
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    entered = os.environ.pop(_ENTERED, "")
    if sys.version_info >= OLDEST and not missing:
        return
    python = ROOT / ".venv" / "bin" / "python"
    unfit = ""
    if not entered and is_environment(python) and not _is_running(python):
        os.environ[_ENTERED] = "1"
        sys.stdout.flush()
        try:
            os.execv(str(python), [str(python), *_arguments()])
        except OSError as error:
            unfit = f"{python} does not start ({error.strerror})"
    sentence, fix = _what_is_wrong(missing, unfit)
    sys.stderr.write(f"✗ {sentence}\n  fix: {fix}\n")
    sys.exit(2)


def is_environment(python: Path) -> bool:
    """Whether a virtual environment holds an interpreter that can be started."""
    return (python.parent.parent / "pyvenv.cfg").is_file() and os.access(str(python), os.X_OK)


def _is_running(python: Path) -> bool:
    return Path(sys.prefix).resolve() == python.parent.parent.resolve()


def _arguments() -> list[str]:
    """Return what follows the interpreter on this process's command line."""
    typed = list(getattr(sys, "orig_argv", ()))
    if typed:
        return typed[1:]
    name = getattr(sys.modules["__main__"].__spec__, "name", "") or "runner.__main__"
    return ["-m", name[: -len(".__main__")] if name.endswith(".__main__") else name, *sys.argv[1:]]


def _what_is_wrong(missing: list[str], unfit: str) -> tuple[str, str]:
    """Return the sentence and what to type; ``unfit`` says why the checkout's environment could not be entered."""
    venv = ROOT / ".venv"
    python, is_old = venv / "bin" / "python", sys.version_info < OLDEST
    version = sys.version.split()[0]
    lacks = f"is Python {version}, and luagate needs 3.11 or newer" if is_old else f"lacks {', '.join(missing)}"
    make = f"`make setup{' PYTHON=python3.11' if is_old else ''}` in {ROOT}"
    anew = f"Remove {venv}, then {make} makes it anew; then repeat the command."
    if not (ROOT / "Makefile").is_file():
        return f"This Python ({sys.executable}) {lacks}.", "Reinstall luagate with its dependencies."
    if _is_running(python):
        if is_old or (venv / ".ready").is_file():
            return f"The environment {venv} {lacks}.", anew
        return (
            f"The environment {venv} is half installed: it {lacks}.",
            f"{make} completes it; then repeat the command.",
        )
    other = f"This Python ({sys.executable}) {lacks}"
    if not venv.exists():
        return (
            f"{other}, and there is no environment {venv} yet.",
            f"{make} makes it, and every command finds it there; then repeat the command.",
        )
    if not unfit:
        unfit = _flaw(venv, python)
    return f"{other}, and {unfit}.", anew


def _flaw(venv: Path, python: Path) -> str:
    """Return why a .venv that is there is no environment that can be entered."""
    if python.is_symlink() and not python.exists():
        return f"the Python that {venv} was made with is gone: {os.readlink(python)}"
    if not (venv / "pyvenv.cfg").is_file():
        return f"{venv} is no virtual environment: pyvenv.cfg is missing"
    return f"{venv} is broken: {python} is missing or may not be started"
