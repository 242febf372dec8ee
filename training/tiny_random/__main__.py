"""``python -m training.tiny_random mistral FOLDER``: write a small random model of an architecture."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from env.installed.own_environment import enter

enter()

from env.installed.typed_words import carried_out
from env.refusal import Refusal
from training.tiny_random.architectures import ARCHITECTURES
from training.tiny_random.cache import write_model


def main(arguments: Sequence[str]) -> int:
    """Write the model and print its folder; return 0, or 2 when it was refused."""
    return carried_out(_run, arguments)


def _run(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.tiny_random", description=__doc__)
    parser.add_argument("architecture", choices=sorted(ARCHITECTURES))
    parser.add_argument("folder", type=Path, help="must not exist yet")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if options.folder.exists():
        raise Refusal(f"{options.folder} already exists.", "Give a folder that does not exist yet.")
    write_model(options.folder, options.architecture, options.seed)
    print(options.folder)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
