"""Luanti (Minetest) as a domain: Lua mods, verified by the real engine, its builtin or the recorder."""

from __future__ import annotations

import re

from eval.domains import DatasetSource, Domain
from eval.domains.luanti.mod_names import DEFAULT_MOD
from eval.pipeline.language import Language

LUA = Language(
    name="Lua",
    labels=("lua", "luau"),
    comment="--",
    # an apostrophe that ends a word, as in "Here's", opens no string
    code_line=re.compile(
        r"""\s*(?:--|local\b|function\b|if\b.*\bthen\b|for\b.*\bdo\b|while\b.*\bdo\b|repeat\b|return\b|end\b|else|do\b
        |[}\])]|[A-Za-z_][\w.:]*\s*(?:\(|\{|\[|"|'(?!(?:s|t|re|ve|ll|d|m)\b)|=(?!=))
        |[A-Za-z_][\w.]*(?:\s*,\s*[A-Za-z_][\w.]*)+\s*=)""",
        re.VERBOSE,
    ),
)

DOMAIN = Domain(
    name="luanti",
    title="Luanti mods",
    language=LUA,
    families={"scaffold": "code", "repair": "diff", "doc": "code", "refactor": "code"},
    datasets={
        "luantibench": DatasetSource("eval.domains.luanti.bench", "eval.domains.luanti.rows.dealing"),
        "luanti_mini": DatasetSource(
            "eval.domains.luanti.mini.generate", "eval.domains.luanti.mini.generate", generated=True
        ),
    },
    verifiers={
        "auto": "eval.domains.luanti.verify.automatic",
        "engine": "eval.domains.luanti.verify.engine.verifier",
        "builtin": "eval.domains.luanti.verify.builtin",
        "recorder": "eval.domains.luanti.verify.recorder",
    },
    constant_answers=("", "return true", "local mod = {}\nreturn mod"),
    derive="eval.domains.luanti.items.derived_checks",
    mod_name=DEFAULT_MOD,
    scorers="eval.domains.luanti.scorers",
    packages=("lupa", "luaparser"),
    skeleton="eval.domains.luanti.items.first_tasks",
    own_words=re.compile(r"\b(?:core|minetest)\.[a-z]\w*"),
    projects="eval.domains.luanti.mod_folders",
)
