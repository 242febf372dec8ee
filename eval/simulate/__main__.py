"""`python -m eval.simulate`."""

from __future__ import annotations

import sys

from env.installed.own_environment import enter

enter()

from eval.simulate.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
