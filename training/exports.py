"""What leaves a run: an adapter with its scale baked in, or a merged model, compared with what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from env.counts import counted
from env.refusal import Refusal

Form = Literal["adapter", "merged", "gguf"]


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What to write.

    Attributes:
        adapter: a verified checkpoint's folder.
        scale: multiple of the trained LoRA scale that is baked into the export.
        form: "gguf" is the adapter, and the same for llama.cpp beside it.
        to: an empty folder that exists.
        texts: inputs for comparing the logits of both.
    """

    adapter: Path
    scale: float
    form: Form
    to: Path
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """How far the export, loaded again from its files, is from the adapter as it was measured.

    Attributes:
        loaded_by: which library read the export back, and how a second form of it was.
        max_difference: largest absolute difference of a logit.
        spread: standard deviation of the logits, for comparison.
        positions: token positions compared, each over the whole vocabulary.
        same_choice: share of the positions, in [0, 1], at which both find the same token most probable.
        stored: number format of a merged model's weights, with the reason where it is not the base's; else "".
    """

    loaded_by: str
    max_difference: float
    spread: float
    positions: int
    same_choice: float
    stored: str = ""

    @property
    def sentence(self) -> str:
        """Return the comparison in one line."""
        return (
            f"logits differ by at most {self.max_difference:.2g} at a spread of {self.spread:.2g}, "
            f"the same first choice at {100 * self.same_choice:.1f}% of {counted(self.positions, 'position')} "
            f"(read back by {self.loaded_by})" + (f"; stored in {self.stored}" if self.stored else "")
        )

    def is_close(self, tolerance: float) -> bool:
        """Return whether no logit differs by more than ``tolerance`` spreads; NaN is never close."""
        return self.max_difference <= tolerance * self.spread


def require_close(found: RoundTrip, tolerance: float, folder: Path) -> None:
    """Raise Refusal when a logit differs by more than ``tolerance`` spreads: the export is not what was measured."""
    if not found.is_close(tolerance):
        raise Refusal(
            f"{folder}: the export does not compute what was measured: {found.sentence}.",
            "Nothing was kept. Check that the library versions are those in the run's report.",
        )
