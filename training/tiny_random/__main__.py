"""``python -m training.tiny_random mistral FOLDER``: write a small random model of an architecture."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from env.installed.own_environment import enter

enter()

from env.refusal import Refusal
from training.tiny_random.architectures import ARCHITECTURES
from training.tiny_random.cache import write_model


def main(arguments: list[str]) -> int:
    """Write the model and print its folder; return 0, or 2 when it was refused."""
    parser = argparse.ArgumentParser(prog="python -m training.tiny_random", description=__doc__)
    parser.add_argument("architecture", choices=sorted(ARCHITECTURES))
    parser.add_argument("folder", type=Path, help="must not exist yet")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        if options.folder.exists():
            raise Refusal(f"{options.folder} already exists.", "Give a folder that does not exist yet.")
        write_model(options.folder, options.architecture, options.seed)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2
    print(options.folder)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
