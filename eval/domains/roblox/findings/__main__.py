"""``python -m eval.domains.roblox.findings FILE…`` names what is doubtful; ``measure FOLDER`` measures how well."""

from __future__ import annotations

import sys
from pathlib import Path

from env.refusal import Refusal
from eval.domains.roblox.findings import find
from eval.domains.roblox.findings.analyzer import analyzer_findings
from eval.domains.roblox.findings.measuring import lines_of, measure

_USAGE = "usage: python -m eval.domains.roblox.findings FILE.luau …\n       … measure FOLDER"


def main(arguments: list[str]) -> int:
    """Run the command; return the exit code: 0, or 2 for bad input."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_USAGE)
        return 0 if arguments else 2
    try:
        if arguments[0] == "measure" and len(arguments) == 2:
            print("\n".join(lines_of(measure(Path(arguments[1])))))
        else:
            for file in map(Path, arguments):
                findings = sorted({*find(_text(file)), *analyzer_findings(file)})
                print("".join(f"{file}: {finding}\n" for finding in findings), end="")
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2
    return 0


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(f"{file} cannot be read: {error}.", "Name Luau files, or measure FOLDER.") from None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
