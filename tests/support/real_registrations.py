"""Real ``register_*`` calls of published mods as programs that can be judged: the mod's helpers stood in for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parents[3] / "shared" / "data" / "debian_mod_registrations.jsonl"
# Stands in for a helper of the mod (translators, sound tables, constants): callable, indexable, empty as a table.
STAND_IN = """
local function stand_in()
	return setmetatable({}, {
		__index = function(t, k) local v = stand_in_again() rawset(t, k, v) return v end,
		__call = function(_, text) return type(text) == "string" and text or {} end,
		__concat = function(a, b) return tostring(a) .. tostring(b) end,
		__tostring = function() return "x" end,
	})
end
function stand_in_again() return stand_in() end
"""


def rows() -> list[dict[str, Any]]:
    """Return the recorded registrations."""
    return [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


def as_program(row: dict[str, Any]) -> str:
    """Return a row's code as a program of mod ``mymod``."""
    named = (
        str(row["name"] or "")
        or "".join(re.findall(r"register_lbm\(\{\s*name = \"(\w+:)", row["code"]))
        or f"{row['mod']}:"
    )
    prefix = named.lstrip(":").split(":")[0]
    code = str(row["code"]).replace(f"{prefix}:", "mymod:").replace(f"{row['mod']}:", "mymod:")
    names = [name for name in row["free_names"] if name not in ("minetest", "core")]
    return STAND_IN + "".join(f"local {name} = stand_in()\n" for name in names) + code
