"""Curation: sources in; licensed, executed, balanced rows out. The table of its stages."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage, as plain data.

    Attributes:
        name: also of its folder, and of its section in a recipe.
        module: what ``Stages`` of eval/curation/running.py says: ``depends`` and ``run``.
        title: what it does, after "still".
    """

    name: str
    module: str
    title: str


STAGES: tuple[Stage, ...] = tuple(
    Stage(name, f"eval.curation.stages.{name}", title)
    for name, title in (
        ("collect", "collecting rows"),
        ("licence", "reading licences"),
        ("parse", "reading answers"),
        ("execute", "executing programs"),
        ("score", "counting what programs hold"),
        ("deduplicate", "looking for duplicates"),
        ("decontaminate", "comparing with benchmarks"),
        ("balance", "balancing"),
        ("order", "ordering"),
        ("split", "splitting"),
        ("card", "writing the card"),
    )
)
