"""The tools of the simulated Studio: their arguments as JSON schemas, checked before a call is executed.

Names and arguments are those that public trajectories use; the descriptions are ours. What a tool does stands in
luau/studio_tools.luau.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema  # type: ignore[import-untyped]

_TEXT = {"type": "string", "minLength": 1}
_PROPERTIES = {"type": "object"}
_OBJECT = {
    "type": "object",
    "properties": {"className": _TEXT, "parent": _TEXT, "properties": _PROPERTIES},
    "required": ["className", "parent"],
    "additionalProperties": False,
}


def _schema(required: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


# Name to what it is for, in a few words, and the schema of its arguments.
TOOLS: dict[str, tuple[str, dict[str, Any]]] = {
    "get_file_tree": ("lists every script of the place", _schema({})),
    "search_objects": ("finds instances by a part of their name", _schema({"query": _TEXT})),
    "search_by_property": ("finds instances by a property's value", _schema({"property": _TEXT, "value": {}})),
    "get_instance_children": ("lists the children of an instance", _schema({"path": _TEXT})),
    "get_instance_properties": ("reads the properties of an instance", _schema({"path": _TEXT})),
    "create_object": (
        "creates one instance",
        _schema({"className": _TEXT, "parent": _TEXT}, {"properties": _PROPERTIES}),
    ),
    "mass_create_objects": (
        "creates several instances",
        _schema({"objects": {"type": "array", "items": _OBJECT, "minItems": 1}}),
    ),
    "delete_object": ("deletes an instance with all below it", _schema({"path": _TEXT})),
    "set_property": ("sets one property", _schema({"path": _TEXT, "property": _TEXT, "value": {}})),
    "mass_set_property": (
        "sets one property of several instances",
        _schema({"paths": {"type": "array", "items": _TEXT, "minItems": 1}, "property": _TEXT, "value": {}}),
    ),
    "run_code": ("runs Luau in the mode that Studio is in", _schema({"code": _TEXT})),
    "execute_luau": ("runs Luau in the mode that Studio is in", _schema({"code": _TEXT})),
    "run_script_in_play_mode": (
        "runs Luau in play mode; in edit mode it starts playing before and stops after",
        _schema({"code": _TEXT}),
    ),
    "start_stop_play": (
        "starts or stops playing; without an action it changes over",
        _schema({}, {"action": {"enum": ["start", "stop"]}}),
    ),
    "get_console_output": (
        "reads the last lines of the console",
        _schema({}, {"limit": {"type": "integer", "minimum": 1}}),
    ),
    "insert_model": (
        "inserts a model of the Creator Store",
        _schema({"assetId": {"type": "integer"}, "parent": _TEXT}),
    ),
    "get_studio_mode": ("tells whether Studio edits or plays", _schema({})),
}


def fault(name: str, arguments: Mapping[str, Any], offered: tuple[str, ...]) -> str:
    """Return why a call cannot be executed, as its error; "" where it can.

    ``offered`` are the tools that a task has.
    """
    if name not in offered:
        return f"there is no tool {name}"
    problem = next(iter(sorted(_validator(name).iter_errors(arguments), key=str)), None)
    if problem is None:
        return ""
    where = "".join(f"[{part!r}]" for part in problem.absolute_path)
    return f"{name}: arguments{where}: {problem.message}"[:300]


def signature(name: str) -> str:
    """Return a tool as a prompt tells it: "get_console_output(limit?): reads the last lines of the console"."""
    purpose, schema = TOOLS[name]
    arguments = [key if key in schema["required"] else f"{key}?" for key in schema["properties"]]
    return f"{name}({', '.join(arguments)}): {purpose}"


@cache
def _validator(name: str) -> Any:
    return jsonschema.Draft202012Validator(TOOLS[name][1])
