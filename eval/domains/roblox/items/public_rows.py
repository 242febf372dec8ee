"""What the fields of public Roblox rows mean: the family of a category, the terms of a source.

The categories and sources are those of the vertigo-lora files (Apache-2.0; their folder lists the terms of each).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eval.domains import Licence

# Category to family; a category that is not here is code on one of the engine's subjects.
_FAMILIES = {
    "architecture": "architecture",
    "service_boot": "architecture",
    "bugfix": "bugfix",
    "debugging": "bugfix",
    "critic": "bugfix",
    "preference": "bugfix",
    "embodiment": "embodiment",
    "mcp_error_recovery": "tools",
    "mcp_multi_step": "tools",
    "mcp_no_tool": "tools",
    "mcp_single_tool": "tools",
    "mcp_tool_calling": "tools",
    "mcp_vertigo": "tools",
    "multi_tool": "tools",
    "no_tool_needed": "tools",
    "refactoring": "refactor",
    "trajectory": "tools",
    "types": "typing",
}
# Sources whose rows are of one family, whatever category they name.
_SOURCES = {"embodiment_gameplay": "embodiment", "gameplay_session": "embodiment"}
_REFUSED = {"devforum_qa": "forum posts, rewritten and published as fair use: no licence to train on them"}


def family_of(values: Mapping[str, Any]) -> str:
    """Return the family of a public row; "" where it names neither a category nor a family of its own."""
    category, source = str(values.get("category") or ""), str(values.get("source") or "")
    if _calls_tools(values):
        return "tools"
    if source in _SOURCES:
        return _SOURCES[source]
    if category.startswith("tool_selection_"):
        return "tools"
    if category or values.get("task_family"):
        return _FAMILIES.get(category, "coding")
    return ""


def _calls_tools(values: Mapping[str, Any]) -> bool:
    messages = values.get("messages")
    turns = messages if isinstance(messages, list) else []
    return any(isinstance(turn, dict) and turn.get("tool_calls") for turn in turns)


def licence_of(values: Mapping[str, Any]) -> Licence:
    """Return the terms under which a public row's source was published."""
    source = str(values.get("source") or "")
    return Licence(source, _REFUSED.get(source, ""))
