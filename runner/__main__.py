"""``python -m runner``: the one command of luagate."""

from __future__ import annotations

import sys

from env.installed.own_environment import enter

if __name__ == "__main__":
    enter()
    from runner.cli import main

    sys.exit(main())
