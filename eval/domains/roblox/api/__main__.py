"""``python -m eval.domains.roblox.api build EXPORT.json``: build the stored facts anew."""

from __future__ import annotations

import sys
from pathlib import Path

from env.refusal import Refusal
from eval.domains.roblox.api.build import STORED, build


def main(arguments: list[str]) -> int:
    """Build from the export named on the command line; return the exit code (2 for bad input)."""
    if len(arguments) != 2 or arguments[0] != "build":
        print("usage: python -m eval.domains.roblox.api build EXPORT.json", file=sys.stderr)
        return 2
    try:
        size = build(Path(arguments[1]))
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2
    print(f"{STORED.name}: {size / 1024:.1f} KB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
