"""Which mod a program runs as: the engine lets a mod register names only with its own prefix.

A task may say it (its prompt does); otherwise a program is run as the mod whose prefix its own registrations have, so
that data of any mod can be executed as it is.
"""

from __future__ import annotations

import re
from collections import Counter

from eval.pipeline.lua_text import without_comments
from eval.pipeline.verifier import Job

# The mod name of programs that name none.
DEFAULT_MOD = "mymod"
# The mod that verifies in the engine: no program may use its name.
CHECKER_MOD = "luagate_checker"
# Letters that the engine allows in a mod's name (MODNAME_ALLOWED_CHARS).
MOD_NAME = re.compile(r"[a-z0-9_]{1,64}")
# Calls whose first text, or whose field ``name``, must begin with the mod's prefix in the engine.
_NAMED = re.compile(
    r"""\bregister_(?:node|tool|craftitem|item|entity|lbm)\s*\(?\s*(?:\{[^{}]*?\bname\s*=\s*)?(["'])([a-z0-9_]{1,64}):\w+\1"""
)


def mod_name_of(code: str) -> str:
    """Return the mod whose prefix most names that ``code`` registers have, of equals the first; "" if none has one."""
    found = Counter(match[2] for match in _NAMED.finditer(without_comments(code)))
    return found.most_common(1)[0][0] if found else ""


def mod_of(job: Job) -> str:
    """Return the mod that a job's program runs as."""
    name = job.mod_name or mod_name_of(job.code) or DEFAULT_MOD
    return DEFAULT_MOD if name == CHECKER_MOD else name
