"""What references that fail have in common, where Luanti's own rules explain it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from eval.domains import Cause

_FOREIGN_NAME = re.compile(r'Name (\w+):\S* does not follow naming conventions: "(\w+):"')


def common_cause(details: Sequence[str]) -> Cause | None:
    """Return why programs with these verdicts fail, when they register names of another mod than they run as."""
    found = [match for detail in details if (match := _FOREIGN_NAME.search(detail))]
    if not found:
        return None
    [(registered, _)] = Counter(match[1] for match in found).most_common(1)
    [(runs_as, _)] = Counter(match[2] for match in found).most_common(1)
    return Cause(
        len(found),
        f"programs run as mod `{runs_as}` and register names of `{registered}`",
        f"Set dataset.mod_name={registered}, or give all names of a program one prefix (docs/your-model-and-data.md).",
    )
