"""``luagate``, and ``python -m luagate``: the command line, from any folder."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from luagate import ROOT


def main() -> int:
    """Run the command line and return its exit code."""
    _import_ours_first()
    from env.installed.own_environment import enter

    enter()
    from runner.cli import main as run

    return run()


def _import_ours_first() -> None:
    """Find luagate's folders before any module of the same name: the user's folder may contain an env.py."""
    with suppress(OSError):
        if sys.path[:1] == [os.getcwd()]:
            del sys.path[0]  # `python -m` put the user's folder there
    sys.path.insert(0, str(ROOT))


if __name__ == "__main__":
    sys.exit(main())
