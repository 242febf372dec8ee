"""Build the stored facts from an export of the documentation's class reference and from our corrections.

The export (JSON) holds ``classes``, ``datatypes``, ``libraries``, ``globals`` and ``enums`` with the source's commit
and licence. Its traps: types of properties are spelled ``Enum.Font`` and ``Datatype.Font`` where a name is ambiguous,
``time_duration`` is a text such as 14:00:00, a parameter counts as optional only where a default stands, and enum items
come in the order of their values without the values.
"""

from __future__ import annotations

import gzip
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from env.refusal import Refusal
from eval.domains.roblox.api import notation

STORED = Path(__file__).with_name("facts.json.gz")
RESPELLED = {"Enum.Font": "Font", "Datatype.Font": "FontFace", "time_duration": "string", "Function": "function"}
MEMBER_SECTIONS = {
    "properties": "p",
    "constants": "k",
    "methods": "m",
    "functions": "f",
    "constructors": "f",
    "events": "e",
    "callbacks": "c",
}
EXPORT_HINT = "Name an export of the class reference."
COPIED = ("source", "commit", "licence", "studio_version")


def build(export_file: Path) -> int:
    """Write the stored facts from ``export_file`` and return their size in bytes.

    Raises:
        Refusal: the file cannot be read, is no export, or a correction names what it does not hold.
    """
    export = _read(export_file)
    corrections = yaml.safe_load(files(__package__).joinpath("corrections.yaml").read_text(encoding="utf-8"))
    text = json.dumps(compacted(export, corrections), separators=(",", ":"), sort_keys=False)
    data = gzip.compress(text.encode(), compresslevel=9, mtime=0)  # no time: the same facts give the same bytes
    STORED.write_bytes(data)
    return len(data)


def _read(export_file: Path) -> dict[str, Any]:
    try:
        export = json.loads(export_file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Refusal(f"{export_file} cannot be read as JSON: {error}", EXPORT_HINT) from None
    missing = [key for key in (*COPIED, "classes", "enums", "datatypes", "libraries", "globals") if key not in export]
    if missing:
        raise Refusal(f"{export_file} has no {', '.join(missing)}.", EXPORT_HINT)
    return dict(export)


def compacted(export: dict[str, Any], corrections: dict[str, Any]) -> dict[str, Any]:
    """Return ``export`` in the notation of the stored file, corrected.

    Raises:
        Refusal: corrections name classes, parameters or enum items that the export does not hold.
    """
    wrong = _unknown_corrections(export, corrections)
    if wrong:
        raise Refusal(f"corrections.yaml names what the export lacks: {', '.join(wrong)}.", "Correct the names.")
    optional = {(name.split(".")[0], name.split(".")[1], name.split(".")[2]) for name in corrections["optional"]}
    classes = {name: _class_text(name, facts, optional) for name, facts in export["classes"].items()}
    loose = export["datatypes"] | export["libraries"] | export["globals"]
    return {
        **{key: export[key] for key in COPIED},
        "classes": classes,
        "enums": _enum_texts(export["enums"], corrections) | corrections["enums"],
        "others": {name: "\n".join(_member_lines(name, facts, set())) for name, facts in loose.items()},
    }


def _unknown_corrections(export: dict[str, Any], corrections: dict[str, Any]) -> list[str]:
    wrong = []
    for name in corrections["optional"]:
        owner, method, parameter = name.split(".")
        listed = export["classes"].get(owner, {}).get("methods", {}).get(method, {"p": []})["p"]
        if parameter not in {entry[0] for entry in listed}:
            wrong.append(name)
    for enum, text in corrections["enum_values"].items():
        known = export["enums"].get(enum, [])
        wrong += [f"{enum}.{item}" for item, _ in notation.read_items(text) if item not in known]
    return wrong


def _class_text(name: str, facts: dict[str, Any], optional: set[tuple[str, str, str]]) -> str:
    parent = "".join(facts.get("inherits", [])) or "-"
    flags = _letters(facts, notation.CLASS_FLAGS)
    return "\n".join([f"{parent} {flags}", *_member_lines(name, facts, optional)])


def _member_lines(owner: str, facts: dict[str, Any], optional: set[tuple[str, str, str]]) -> list[str]:
    lines = {}
    for section, kind in MEMBER_SECTIONS.items():
        for name, entry in facts.get(section, {}).items():
            if re.fullmatch(r"\w+", name):  # settings of Studio have titles with spaces, which no program can write
                lines[name] = _member_line(kind, owner, name, entry, optional)
    return list(lines.values())


def _member_line(kind: str, owner: str, name: str, entry: dict[str, Any], optional: set[tuple[str, str, str]]) -> str:
    type_name = _spelled(entry["t"]) if "t" in entry else ",".join(_spelled(each) for each in entry.get("r", []))
    parameters = None
    if "p" in entry:
        parameters = []
        for parameter, parameter_type, *default in entry["p"]:
            given = default[0] if default else "" if (owner, name, parameter) in optional else None
            parameters.append(notation.parameter_text(parameter, _spelled(parameter_type), given))
    return notation.member_line(kind, name, _letters(entry, notation.FLAGS), type_name, parameters)


def _letters(entry: dict[str, Any], meaning: dict[str, str]) -> str:
    return "".join(meaning[tag] for tag in entry.get("tags", []) if tag in meaning)


def _spelled(type_name: str) -> str:
    return RESPELLED.get(type_name, "" if type_name == "()" else type_name.replace(",", ""))


def _enum_texts(enums: dict[str, list[str]], corrections: dict[str, Any]) -> dict[str, str]:
    """Return each enum's items, with the values that do not count up and former names last."""
    texts = {}
    for name, items in enums.items():
        jumps = dict(notation.read_items(corrections["enum_values"].get(name, "")))
        words = [f"{item}={jumps[item]}" if item in jumps else item for item in items]
        texts[name] = " ".join([*words, *corrections["former_items"].get(name, "").split()])
    return texts
