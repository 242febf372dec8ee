"""Whether an adapter suits its model: how many layers learn, and how fast, against what works at this size."""

from __future__ import annotations

from env.checks import Check, judged
from training.records import LoraSettings, TrainSettings

# A shallower model has no layers to spare; of a deeper one, fewer than a fifth teach it little.
_DEEP, _FEW = 12, 1 / 5
# (parameters from which it holds, lowest, usual, highest rate). Usual: Dettmers et al. 2023 (arXiv:2305.14314, table 9)
# for 7 B and up; below, rates that Schulman et al. 2025 ("LoRA Without Regret") find to grow as models shrink. Lowest
# and highest are far off, not merely unusual; the last line is of models of a few million parameters, as measured here.
_RATES = (
    (3e9, 2e-5, 1e-4, 5e-4),
    (3e8, 5e-5, 2e-4, 1e-3),
    (5e7, 5e-5, 2e-4, 2e-3),
    (0, 1e-4, 5e-3, 2e-2),
)


def adapter_checks(layers: int, parameters: int, lora: LoraSettings, train: TrainSettings) -> list[Check]:
    """Return a warning for each setting of the adapter that is far from what suits a model of this size.

    Args:
        layers: decoder layers of the base.
        parameters: of the base.
    """
    return [_layers_check(layers, lora), _rate_check(parameters, train.learning_rate)]


def _layers_check(layers: int, lora: LoraSettings) -> Check:
    learning = len(lora.layers) or layers
    return judged(
        "adapted layers",
        "warn",
        layers < _DEEP or learning >= _FEW * layers,
        f"{learning} of {layers} layers learn: {', '.join(lora.target_modules)}",
        "at least a fifth of a deep model's layers",
        reason="The other layers stay as they are: an adapter of so few can change little.",
        fix="Set gate.c.lora.layers=[] for all of them, or start from profile=local, whose settings suit such models.",
    )


def _rate_check(parameters: int, rate: float) -> Check:
    _, lowest, usual, highest = next(row for row in _RATES if parameters >= row[0])
    size = f"{parameters / 1e9:.1f} B" if parameters >= 1e9 else f"{parameters / 1e6:,.0f} M"
    return judged(
        "learning rate",
        "warn",
        lowest <= rate <= highest,
        f"{rate:g} for a model of {size} parameters",
        f"between {lowest:g} and {highest:g}",
        reason="At a rate far too high training diverges or forgets; far too low, it learns nothing in these steps.",
        fix=f"Set gate.c.train.learning_rate={usual:g}.",
    )
