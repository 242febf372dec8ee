"""The generated Luanti tasks ``luanti_mini``: families scaffold, repair and doc, by kind."""

from __future__ import annotations

from eval.dealing.problem import Kind
from eval.domains.luanti.mini.kinds import doc, repair, scaffold_behaviour, scaffold_items, scaffold_recipes

KINDS: tuple[Kind, ...] = (
    *scaffold_items.KINDS,
    *scaffold_recipes.KINDS,
    *scaffold_behaviour.KINDS,
    *repair.KINDS,
    *doc.KINDS,
)
