"""Whether training still makes sense, decided step by step from the loss and the gradient alone."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from env.counts import counted
from env.refusal import Refusal

# Calm steps behind the running median; fewest for a median; first steps, which always count as calm.
_WINDOW, _ENOUGH, _TRUSTED = 50, 10, 3
# A loss that changes by less than this from the first steps to the next has not moved (as a fraction).
_FLAT = 1e-3


@dataclass(frozen=True, slots=True)
class LossWatchSettings:
    """When training is called off or warned about. Raises Refusal on a bad value, naming the key.

    Attributes:
        explosion_factor: a loss above this multiple of the median of the last 50 calm steps, and of the first 10,
            counts as exploding; 0 is off.
        explosion_patience_steps: so many such steps in a row end training.
        idle_gradient_steps: so many steps in a row whose gradient is exactly 0 cause a warning.
    """

    explosion_factor: float
    explosion_patience_steps: int
    idle_gradient_steps: int

    def __post_init__(self) -> None:
        factor = self.explosion_factor
        if not math.isfinite(factor) or (factor != 0 and factor <= 1):
            raise Refusal(f"watch.explosion_factor = {factor!r}: must be above 1, or 0 for off.")
        for key in ("explosion_patience_steps", "idle_gradient_steps"):
            if getattr(self, key) < 1:
                raise Refusal(f"watch.{key} = {getattr(self, key)!r}: must be at least 1.")


class LossWatch:
    """Follows the losses of a training; its result depends on them alone, so a resumed training gets the same."""

    def __init__(self, settings: LossWatchSettings, earlier: Sequence[float] = ()) -> None:
        self._settings = settings
        self._first: list[float] = []
        self._calm: deque[float] = deque(maxlen=_WINDOW)
        self.exploding_steps = 0
        for loss in earlier:
            self.explosion(loss)

    def explosion(self, loss: float) -> str:
        """Take the next step's ``loss`` (nats); return why training should end, "" while it should continue."""
        factor = self._settings.explosion_factor
        if not factor or len(self._first) < _TRUSTED or loss <= factor * self._usual():
            if len(self._first) < _ENOUGH:
                self._first.append(loss)
            self._calm.append(loss)
            self.exploding_steps = 0
            return ""
        self.exploding_steps += 1
        if self.exploding_steps < self._settings.explosion_patience_steps:
            return ""
        usual = self._usual()
        return (
            f"loss {loss:.3f} is {loss / usual:.1f} x the usual {usual:.3f}, "
            f"{counted(self.exploding_steps, 'step')} in a row above {factor:g} x"
        )

    def _usual(self) -> float:
        """The reference level of the loss: of the calm steps, the recent or the first ones, the higher.

        While there are few, the lowest of them: a rate that is far too high explodes before the first checkpoint.
        """
        if len(self._first) < _ENOUGH:
            return min(self._first)
        return max(statistics.median(self._calm), statistics.median(self._first))


class ChosenWatch:
    """Follows how likely the preferred answers of pairs are; like ``LossWatch``, from what is stored alone.

    Args:
        fall_nats: how much less likely they may become, nats per answer token, on average over ``steps`` steps.
    """

    def __init__(self, fall_nats: float, steps: int, earlier: Sequence[float] = ()) -> None:
        self._fall_nats = fall_nats
        self._last: deque[float] = deque(maxlen=steps)
        for gain in earlier:
            self.fall(gain)

    def fall(self, gain: float) -> str:
        """Take the next step's gain (nats a token over the start); return why training should end, else ""."""
        self._last.append(gain)
        mean = sum(self._last) / len(self._last)
        if len(self._last) < (self._last.maxlen or 0) or mean >= -self._fall_nats:
            return ""
        return (
            f"the log-probability of chosen answers fell: by {-mean:.3f} nats a token over "
            f"{counted(len(self._last), 'step')}, more than {self._fall_nats:g}"
        )


def idle_gradient(steps: Sequence[Mapping[str, Any]]) -> int:
    """Return the longest sequence of steps whose gradient norm is exactly 0: nothing was learned there."""
    longest = present = 0
    for step in steps:
        present = present + 1 if step.get("grad_norm") == 0 else 0
        longest = max(longest, present)
    return longest


def flat_start(losses: Sequence[float]) -> tuple[float, float] | None:
    """Return the medians of the first and the next quarter (at most 20 steps each) where the loss did not move."""
    count = min(20, len(losses) // 4)
    if count < 2:
        return None
    first, then = statistics.median(losses[:count]), statistics.median(losses[count : 2 * count])
    return (first, then) if abs(then - first) <= _FLAT * abs(first) else None
