"""A cell of the sweep: one adapter checkpoint, of a round and an arm where there are any, at one LoRA scale."""

from __future__ import annotations

import re
from dataclasses import dataclass

from env.refusal import Refusal

_NAME = re.compile(r"(?:round-(\d+)_)?(?:([a-z]+)_)?step-(\d{6,})_x(\d+\.\d{2})")


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One (checkpoint, LoRA scale); cells order by checkpoint step, then scale, which is how ties are broken.

    Attributes:
        step: training step of the checkpoint, at least 1.
        scale: multiplier of the trained LoRA scale, above 0, in hundredths so that ``name`` tells cells apart.
        round: of rejection sampling that trained it; 0 where none did.
        arm: "" where it can be chosen, else what it is compared for, such as "gold".
    """

    step: int
    scale: float
    round: int = 0
    arm: str = ""

    def __post_init__(self) -> None:
        """Raises Refusal for a cell whose name would not lead back to it."""
        if self.step < 1 or not self.scale > 0 or round(self.scale, 2) != self.scale:
            raise Refusal(
                f"No cell has step {self.step} and scale {self.scale}.",
                "Steps count from 1; scales are positive multiples of 0.01.",
            )

    @property
    def name(self) -> str:
        """Return the arm's name, such as "step-000100_x0.50" or "round-1_gold_step-000120_x1.00"."""
        return f"{self.checkpoint}_x{self.scale:.2f}"

    @property
    def checkpoint(self) -> str:
        """Return its checkpoint's name, such as "step-000100" or "round-1_step-000120"."""
        return checkpoint_name(self.step, self.round, self.arm)


def checkpoint_name(step: int, round: int, arm: str) -> str:
    """Return the name of a checkpoint of an arm of a round; round 0 and arm "" go without saying."""
    words = (f"round-{round}" if round else "", arm, f"step-{step:06d}")
    return "_".join(word for word in words if word)


def cell_from_name(name: str) -> Cell:
    """Return the cell that ``name`` names. Raises Refusal when it names none."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise Refusal(f'"{name}" names no cell.', 'A cell is named like "step-000100_x0.50".')
    return Cell(int(match[3]), float(match[4]), int(match[1] or 0), match[2] or "")


def cell_at(checkpoint: str, scale: float) -> Cell:
    """Return the cell of a checkpoint's name at a scale. Raises Refusal as ``cell_from_name``, and as ``Cell``."""
    one = cell_from_name(f"{checkpoint}_x1.00")
    return Cell(one.step, scale, one.round, one.arm)
