"""Isolation of a child beyond its own process and limits: how it is wrapped, and what the machine allows."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from env.refusal import Refusal

BASE = "process+rlimits"
LAYERS = ("bwrap", "netns", "seccomp")
SYSTEM_FOLDERS = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache")
REASON_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Wrapper:
    """A command prefix that contains the child; ``prefix`` is empty where there is none, ``reason`` says why."""

    prefix: tuple[str, ...]
    reason: str


def bubblewrap(mounts: Sequence[str], seen: Iterable[tuple[str, str]], then: Sequence[str]) -> Wrapper:
    """Return bubblewrap's command prefix, untried; no prefix where it is not installed.

    What is mounted over the system comes first and what must be seen after it: a project under /tmp is not hidden by
    the private /tmp.

    Args:
        mounts: additional mounts, as bubblewrap's options.
        seen: (path here, path inside) of what is readable besides the system's programs and libraries.
        then: the last options, such as the folder to start in.
    """
    program = shutil.which("bwrap")
    if sys.platform != "linux" or program is None:
        return Wrapper((), "bubblewrap is not installed")
    system = [(path, path) for path in SYSTEM_FOLDERS if Path(path).exists()]
    binds = [part for here, inside in (*system, *seen) for part in ("--ro-bind", here, inside)]
    closed = (
        "--unshare-all",
        "--die-with-parent",
        "--new-session",
        "--dev",
        "/dev",
        "--proc",
        "/proc",
        "--tmpfs",
        "/tmp",
    )
    return Wrapper((program, *closed, *mounts, *binds, *then), "bubblewrap works here")


def without(wrapper: Wrapper, why: str) -> Wrapper:
    """Return no wrapper in place of one in which nothing starts, with the reason."""
    return Wrapper(
        (), f"bubblewrap does not work here ({why[:REASON_CHARACTERS]})" if wrapper.prefix else wrapper.reason
    )


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
            f'The isolation "{"+".join(missing)}" is required, but this machine gives {isolation}: {reason}.',
            "Install bubblewrap, use a kernel with seccomp, or leave require_isolation empty.",
        )
