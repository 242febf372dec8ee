"""Drawing a round's answers, by the same loop as measuring; a round's folder says from what it was drawn."""

from __future__ import annotations

import json
import shutil
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from env.counts import counted
from env.files import digest, make_folder, sync_folder, write_atomic
from env.heartbeat import TokenCount
from env.refusal import Refusal
from eval.pipeline.loop import Arm, Reached, Unit, measure
from eval.pipeline.sampling import sample_seed
from eval.records import Outcome, Sample
from gates.c_training.rounds.workshop import Workshop, round_folder
from gates.context import GateContext, Progress
from training.records import AdapterCheckpoint

DRAWS, INPUTS = "draws.jsonl", "inputs.json"
# Of sampling: how many samples measuring takes, and how many a call does, change no draw.
_NOT_DRAWN = ("samples_dev", "samples_test", "samples_per_call")


def draw(shop: Workshop, number: int, drawer: AdapterCheckpoint | None) -> list[Sample]:
    """Return a round's answers, generating what its folder does not hold yet; ``drawer`` None is the base.

    Answers of an earlier attempt of this gate that were drawn from the same are taken from there.

    Raises:
        Refusal: the folder was drawn from something else, or too many answers could not be judged.
    """
    folder = shop.folder(number)
    _settle_inputs(shop.context, folder, number, inputs_of(shop, number, drawer))
    experiment, phase = shop.context.experiment, f"round {number}"

    def on_progress(reached: Reached) -> None:
        tokens = TokenCount(reached.tokens, reached.tokens_left, reached.tokens_unstored)
        shop.context.on_progress(Progress("drawing", reached.stored, reached.planned, "samples", phase, tokens))

    with nullcontext() if drawer is None else shop.model.adapter(drawer.folder, 1.0):
        samples = measure(
            [Unit(task, shop.settings.samples) for task in shop.tasks.values()],
            Arm(f"round-{number}", sample_seed(experiment.seed, f"round {number}", 0), shop.sampling),
            shop.model,
            shop.prompt,
            shop.verifier,
            folder / DRAWS,
            on_progress,
            shop.context.safe_point,
        )
    _require_judged(samples, experiment.rule.max_missing_pct)
    return samples


def inputs_of(shop: Workshop, number: int, drawer: AdapterCheckpoint | None) -> dict[str, str]:
    """Return what a round's draws depend on, as digests by name."""
    drawn = {key: value for key, value in asdict(shop.sampling).items() if key not in _NOT_DRAWN}
    return {
        "base": shop.model.identity.digest,
        "drawer": "base" if drawer is None else drawer.digest,
        "pool": digest([[asdict(task), shop.prompt(task)] for task in shop.tasks.values()]),
        "sampling": digest({**drawn, "samples": shop.settings.samples}),
        "seed": str(sample_seed(shop.context.experiment.seed, f"round {number}", 0)),
        "verifier": f"{shop.verifier.name} {shop.verifier.isolation}",
    }


def _settle_inputs(context: GateContext, folder: Path, number: int, inputs: dict[str, str]) -> None:
    """Write down what the round is drawn from, before it is; an earlier attempt's equal draws come first."""
    stored = _read(folder / INPUTS)
    if stored is None:
        make_folder(folder)
        earlier = earlier_draws(context, number, inputs)
        if earlier is not None:
            context.log.info("round %d was drawn before: %s", number, earlier)
            partial = folder / f".{DRAWS}.partial"
            shutil.copyfile(earlier, partial)
            partial.replace(folder / DRAWS)
            sync_folder(folder)
        write_atomic(folder / INPUTS, json.dumps(inputs, indent=2) + "\n")
        return
    differing = sorted(name for name in {*stored, *inputs} if stored.get(name) != inputs.get(name))
    if differing:
        raise Refusal(
            f"{folder} was drawn from another {' and '.join(differing)}.",
            "Restore it, or `python -m runner rewind C`, then `advance`, draws again.",
        )


def earlier_draws(context: GateContext, number: int, inputs: dict[str, str]) -> Path | None:
    """Return the newest draws of an earlier attempt that were drawn from the same; None where there are none.

    An attempt of the very same configuration was rewound to be computed anew: its draws do not serve.
    """
    for attempt in sorted((context.run_dir / "attempts").glob(f"gate_{context.gate}.*"), reverse=True):
        folder = round_folder(attempt, number)
        began = _read(attempt / INPUTS)
        if began is None or began.get("digests") == context.inputs or not (folder / DRAWS).is_file():
            continue
        if _read(folder / INPUTS) == inputs:
            return folder / DRAWS
    return None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _require_judged(samples: list[Sample], limit_pct: float) -> None:
    lost = [sample for sample in samples if sample.verdict.outcome is Outcome.HARNESS_ERROR]
    if len(lost) * 100 > limit_pct * len(samples):
        raise Refusal(
            f"{len(lost)} of {counted(len(samples), 'answer')} could not be verified (limit {limit_pct}%): "
            f"{lost[0].verdict.detail}",
            "Fix the verifier (see `python -m runner doctor`), then run `advance`; stored answers are kept.",
        )
