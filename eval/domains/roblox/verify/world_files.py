"""The judging program: the world's Luau files in loading order, and those that are loaded when a program needs them."""

from __future__ import annotations

from importlib.resources import files

from eval.domains.roblox.api import facts
from eval.domains.roblox.api.render import luau_source

# What isolates the candidate first, the judge last.
LOADED = (
    "guard",
    "identities",
    "environment",
    "key_order",
    "marks",
    "facts",
    "scheduler",
    "task_library",
    "signals",
    "types",
    "classes",
    "instances",
    "tree",
    "members",
    "datatypes/kit",
    "place/place",
    "defaults",
    "place/lone_script",
    "place/program",
    "place/scripts",
    "place/require",
    "place/frames",
    "place/parts",
    "place/players",
    "place/humanoids",
    "place/remotes",
    "judge/compare",
    "judge/checks",
    "judge/acts",
    "judge/judge",
)
# Folders whose other files are loaded when a program first uses what they are named after.
ON_DEMAND_FOLDERS = ("datatypes", "services")


def program(output_kb: int) -> dict[str, str]:
    """Return the part that every run loads, name to source; ``output_kb`` is kept of a program's prints."""
    settings = f"W.output_cap_bytes = {output_kb * 1024}\n{luau_source(facts.load())}"
    return {"settings.luau": settings, **{f"{name}.luau": _source(name) for name in LOADED}}


def on_demand() -> dict[str, str]:
    """Return the files that a run loads only when its program needs them."""
    world = files("eval.domains.roblox.verify") / "world"
    folders = [*(world / part for part in ON_DEMAND_FOLDERS), files("eval.domains.roblox.studio") / "luau"]
    loaded = {f"{name.rpartition('/')[2]}.luau" for name in LOADED}
    found = [file for folder in folders for file in sorted(folder.iterdir(), key=lambda each: each.name)]
    return {
        file.name: file.read_text(encoding="utf-8")
        for file in found
        if file.name.endswith(".luau") and file.name not in loaded
    }


def _source(name: str) -> str:
    return (files("eval.domains.roblox.verify") / "world" / f"{name}.luau").read_text(encoding="utf-8")
