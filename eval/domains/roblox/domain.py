"""Roblox as a domain: programs in Luau, verified by running them in the real VM against a model of the engine."""

from __future__ import annotations

import re

from eval.domains import DatasetSource, Domain
from eval.domains.roblox.items.file_blocks import HEADER
from eval.pipeline.language import Language

LUAU = Language(
    name="Luau",
    labels=("luau", "lua", "roblox", "rbxlua"),
    comment="--",
    # an apostrophe that ends a word, as in "Here's", opens no string
    code_line=re.compile(
        r"""\s*(?:--|local\b|(?:export\s+)?type\s+\w+(?:<[^>]*>)?\s*=|function\b|if\b.*\bthen\b|for\b.*\bdo\b|while\b.*\bdo\b
        |repeat\b|return\b|continue\s*\Z|end\b|else|do\b|[}\])]
        |[A-Za-z_][\w.:]*\s*(?:\(|\{|\[|"|`|'(?!(?:s|t|re|ve|ll|d|m)\b)|(?:[-+*/%^]|//|\.\.)?=(?!=))
        |[A-Za-z_][\w.]*(?:\s*,\s*[A-Za-z_][\w.]*)+\s*=)""",
        re.VERBOSE,
    ),
    file_header=HEADER,
)

DOMAIN = Domain(
    name="roblox",
    title="Roblox scripts",
    language=LUAU,
    families={
        "coding": "code",
        "bugfix": "code",
        "architecture": "code",
        "tools": "calls",
        "embodiment": "calls",
        "typing": "code",
        "refactor": "code",
    },
    datasets={
        "robloxbench": DatasetSource("eval.domains.roblox.bench", "eval.domains.roblox.rows.dealing"),
        "roblox_mini": DatasetSource(
            "eval.domains.roblox.mini.generate", "eval.domains.roblox.mini.generate", generated=True
        ),
    },
    verifiers={
        "world": "eval.domains.roblox.verify.verifier",
        "world_web": "eval.domains.roblox.verify.world_web",
        "conditions": "eval.domains.roblox.verify.conditions",
    },
    constant_answers=("", "return {}", "return true", "local module = {}\nreturn module"),
    derive="eval.domains.roblox.items.derived_checks",
    mod_name="",
    scorers="eval.domains.roblox.scorers",
    packages=("pluau", "tree-sitter", "tree-sitter-luau", "jsonschema"),
    worlds="eval.domains.roblox.studio.worlds",
    foreign="eval.domains.roblox.items.public_rows",
    skeleton="eval.domains.roblox.items.first_tasks",
    own_words=re.compile(
        r"\b(?:game|workspace|script|Instance|Enum|CFrame|Vector3|UDim2|Color3|TweenInfo|task)\s*[.:]\s*[A-Za-z]\w*"
    ),
    projects="eval.domains.roblox.studio.rojo",
)
