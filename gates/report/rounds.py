"""What a round of rejection sampling drew, kept and trained, as Gate C's report and round.json say it."""

from __future__ import annotations

from collections.abc import Mapping

from eval.rejection.answers import Drawn
from gates.report.document import Document


class ArmFacts(Document):
    """One training of a round: ``arm`` is "" for the one whose checkpoints can be chosen.

    ``own`` rows are answers that the model drew, ``gold`` those of the dataset.
    """

    arm: str
    steps: int
    own: int
    gold: int
    loss_at_start: float
    loss_at_end: float


class RoundFacts(Document):
    """One round.

    Attributes:
        round: counted from 1.
        drawer: the checkpoint that drew; "base" where the base did.
        drawn, by_family, by_difficulty: what it drew for all tasks, and for groups of them.
        new_solved: tasks solved that were unsolved in every round before.
        kept: answers that became training rows, of ``kept_tasks`` tasks.
        dropped: why other answers that had passed were not kept: reason -> how many.
        second_verifier: what else judged the answers; "" where nothing is installed.
        arms: what was trained; () where the round stopped before.
    """

    round: int
    drawer: str
    drawn: Drawn
    by_family: Mapping[str, Drawn]
    by_difficulty: Mapping[str, Drawn]
    new_solved: int
    kept: int
    kept_tasks: int
    dropped: Mapping[str, int]
    second_verifier: str
    arms: tuple[ArmFacts, ...]
