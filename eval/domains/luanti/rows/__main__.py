"""``python -m eval.domains.luanti.rows export``: write the training rows as JSON lines, for this project or another."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from env.installed.own_environment import enter

enter()

from env.refusal import Refusal
from eval.datasets.row_export import FORMATS, export
from eval.domains.luanti.rows.dealing import rows


def main(arguments: list[str]) -> int:
    """Write the file and print what was written; return 0, or 2 when it was refused."""
    parser = argparse.ArgumentParser(prog="python -m eval.domains.luanti.rows", description=__doc__)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("export", help="one JSON object a line")
    command.add_argument("--format", choices=FORMATS, default="instruction")
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--rows", type=int, default=960)
    command.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        export(rows(options.rows, options.seed), options.format, options.out)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2
    print(f"{options.out}: {options.rows} rows in {options.format} format")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
