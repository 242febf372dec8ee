"""Whether a lost connection would stop what is started in this shell, and when to say so."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from env.files import write_atomic

# What runs inside one of these survives a lost connection.
_KEEPERS = ("TMUX", "STY", "ZELLIJ")
_TOLD = ".told-of-tmux"


def dies_with_connection(environment: Mapping[str, str], stream: TextIO) -> bool:
    """Whether this is a terminal over SSH, outside tmux, screen and zellij, and without nohup."""
    over_ssh = any(environment.get(name) for name in ("SSH_CONNECTION", "SSH_TTY"))
    kept = any(environment.get(name) for name in _KEEPERS) or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return over_ssh and not kept and stream.isatty()


def should_tell(folder: Path, stream: TextIO) -> bool:
    """Whether this advance should suggest tmux: only the first one of a run that a lost connection would stop."""
    mark = folder / _TOLD
    if mark.exists() or not dies_with_connection(os.environ, stream):
        return False
    write_atomic(mark, "")
    return True
