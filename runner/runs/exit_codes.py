"""Exit codes: what a shell script can rely on."""

from enum import IntEnum


class Exit(IntEnum):
    """The meaning of every exit code of ``python -m runner``; signals add 129 (SIGHUP) and 143 (SIGTERM)."""

    ADVANCED = 0
    CRASHED = 1
    REFUSED = 2
    GATE_SAID_NO = 3
    HELD = 4
    STALE = 5
    STOPPED = 130
