"""What holds a child besides its own process and limits: how it is wrapped, and what the machine allows."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from env.refusal import Refusal

BASE = "process+rlimits"
LAYERS = ("bwrap", "netns", "seccomp")
PACKAGE_ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).resolve().with_name("child.py")
PROBE_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Wrapper:
    """A command prefix that contains the child; ``prefix`` is empty where there is none, ``reason`` says why."""

    prefix: tuple[str, ...]
    reason: str


@cache
def choose_wrapper() -> Wrapper:
    """Return bubblewrap where it is installed and works here (some distributions refuse it), else no wrapper."""
    program = shutil.which("bwrap")
    if sys.platform != "linux" or program is None:
        return Wrapper((), "bubblewrap is not installed")
    prefix = _bubblewrap(program)
    try:
        trial = subprocess.run(
            [*prefix, sys.executable, "-I", "-c", "import lupa.luajit21"],
            capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return Wrapper((), f"bubblewrap does not work here ({type(error).__name__})")
    if trial.returncode != 0:
        said = trial.stderr.strip().splitlines()
        return Wrapper((), f"bubblewrap does not work here ({said[-1][:120] if said else trial.returncode})")
    return Wrapper(prefix, "bubblewrap works here")


def _bubblewrap(program: str) -> tuple[str, ...]:
    """A read-only view of the system, the interpreter and this package; an empty /tmp; no network."""
    system = [path for path in ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache") if Path(path).exists()]
    own = (sys.base_prefix, sys.prefix, str(PACKAGE_ROOT / "eval"), str(PACKAGE_ROOT / "env"))
    binds = [part for path in (*system, *own) for part in ("--ro-bind", path, path)]
    return (
        program, "--unshare-all", "--die-with-parent", "--new-session", *binds,
        "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--chdir", "/tmp",
    )  # fmt: skip


def describe(wrapped: bool, layers: list[str]) -> str:
    """Return the name of an isolation, such as "process+rlimits+netns+seccomp"."""
    return "+".join([BASE, *(["bwrap"] if wrapped else []), *layers])


def insist(required: str, isolation: str, reason: str) -> None:
    """Refuse unless every layer named in ``required`` (joined by "+") is part of ``isolation``.

    Raises:
        Refusal: a layer is unknown or missing.
    """
    wanted = [layer for layer in required.split("+") if layer]
    unknown = [layer for layer in wanted if layer not in (*BASE.split("+"), *LAYERS)]
    if unknown:
        raise Refusal(f'There is no isolation "{unknown[0]}".', "Choices: " + ", ".join(LAYERS) + ".")
    missing = [layer for layer in wanted if layer not in isolation.split("+")]
    if missing:
        raise Refusal(
            f'The isolation "{"+".join(missing)}" was asked for, but this machine gives {isolation}: {reason}.',
            "Install bubblewrap, use a kernel with seccomp, or leave require_isolation empty.",
        )
