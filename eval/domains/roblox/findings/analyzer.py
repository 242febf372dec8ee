"""What Luau's own type checker says of a program, where ``luau-analyze`` is on the path.

It knows the language and not the engine: what it says of the engine's names is left out. It finds faults in half of the
real programs that run, so it is shown beside the other findings and decides nothing, nor does it enter a mark.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from env.refusal import Refusal
from eval.domains.roblox.findings.finding import Finding
from eval.domains.roblox.findings.program.value_types import facts

PROGRAM = "luau-analyze"
LONGEST_S = 30.0
# As the checker writes them: "path(line,column): TypeError: text".
_LINE = re.compile(r"^.*\((\d+),\d+\): (\w+): (.*)$")
_ENGINES = re.compile(r"Unknown (?:global|type) '(\w+)'|Unknown require")


def analyzer_findings(file: Path) -> Iterator[Finding]:
    """Yield what the checker finds in ``file``; nothing where it is not installed.

    Raises:
        Refusal: it does not end, or ends with nothing that can be read.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        return
    try:
        done = subprocess.run([program, str(file)], capture_output=True, text=True, timeout=LONGEST_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refusal(f"{program} does not work: {error}.", "Take it off the PATH, or install another.") from None
    found = [match for line in (done.stderr + done.stdout).splitlines() if (match := _LINE.match(line))]
    if done.returncode and not found:
        raise Refusal(f"{program} says nothing of {file} and ends with {done.returncode}.", "Take it off the PATH.")
    for match in found:
        if not _is_of_the_engine(match[3]):
            yield Finding(int(match[1]), "type", "analyzer", f"{match[2]}: {match[3]}")


def _is_of_the_engine(text: str) -> bool:
    """Whether it misses a name that the engine has, or a module of the place."""
    found = _ENGINES.search(text)
    if found is None or found[1] is None:
        return found is not None
    known = facts()
    roblox_globals = known.others["Roblox globals"]
    return any(found[1] in names for names in (known.classes, known.others, known.enums, roblox_globals))
