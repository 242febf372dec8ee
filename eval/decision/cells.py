"""A cell of the sweep: one adapter checkpoint applied at one LoRA scale."""

from __future__ import annotations

import re
from dataclasses import dataclass

from env.refusal import Refusal

_NAME = re.compile(r"step-(\d{6,})_x(\d+\.\d{2})")


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One (checkpoint, LoRA scale); cells order by checkpoint step, then scale, which is how ties are broken.

    Attributes:
        step: training step of the checkpoint, at least 1.
        scale: multiplier of the trained LoRA scale, above 0, in hundredths so that ``name`` tells cells apart.
    """

    step: int
    scale: float

    def __post_init__(self) -> None:
        """Raises Refusal for a cell whose name would not lead back to it."""
        if self.step < 1 or not self.scale > 0 or round(self.scale, 2) != self.scale:
            raise Refusal(
                f"No cell has step {self.step} and scale {self.scale}.",
                "Steps count from 1; scales are positive multiples of 0.01.",
            )

    @property
    def name(self) -> str:
        """Return the arm's name, such as "step-000100_x0.50"."""
        return f"step-{self.step:06d}_x{self.scale:.2f}"


def cell_from_name(name: str) -> Cell:
    """Return the cell that ``name`` names. Raises Refusal when it names none."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise Refusal(f'"{name}" names no cell.', 'A cell is named like "step-000100_x0.50".')
    return Cell(int(match[1]), float(match[2]))
