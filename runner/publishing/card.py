"""The model card of a published adapter: what was measured, on what, with which interval, and what was not.

The head is what huggingface_hub reads: base model, library, tags, and a model-index whose results carry their interval.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from env.counts import counted
from gates.report.results import EnvironmentResults
from gates.settings import Experiment
from runner.release.export import PROVENANCE, Origin, loading_lines, verdict_on, what_it_is
from runner.report.build import build
from runner.report.data import Interval, ReportData
from runner.runs.folder import Run
from runner.views.artifacts import read_artifacts
from training.exports import Form, RoundTrip

if TYPE_CHECKING:
    from huggingface_hub import EvalResult


@dataclass(frozen=True, slots=True)
class Published:
    """What a card is written from.

    Attributes:
        licence: of the adapter, as an SPDX expression; "" where none was given.
        rows, dataset: how many training rows, and of which data with which digest.
    """

    origin: Origin
    experiment: Experiment
    form: Form
    read_back: RoundTrip
    data: ReportData
    licence: str
    dataset: str
    dataset_digest: str
    rows: int

    @property
    def split(self) -> str:
        """Return the split that the decision is about, in words."""
        return self.data.verdict.method if self.data.verdict is not None else ""


def published(
    run: Run, origin: Origin, experiment: Experiment, form: Form, read_back: RoundTrip, licence: str
) -> Published:
    """Return what the card of a run's export is written from."""
    facts = read_artifacts(run).results(EnvironmentResults)
    dataset = (facts.dataset.name, facts.dataset.digest, facts.dataset.rows) if facts is not None else ("", "", 0)
    return Published(origin, experiment, form, read_back, build(run), licence, *dataset)


def model_card(found: Published) -> str:
    """Return README.md: YAML for hubs, then the text; a verdict that is not PROCEED stands in its first line."""
    return f"---\n{head(found)}---\n\n" + "\n".join(_body(found)) + "\n"


def head(found: Published) -> str:
    """Return the card's YAML by huggingface_hub's own writer, which refuses what the hub would."""
    from huggingface_hub import ModelCardData

    from training.models import hub_name

    data = ModelCardData(
        base_model=hub_name(found.experiment.model.path),
        library_name="transformers" if found.form == "merged" else "peft",
        license=found.licence or None,
        tags=["lora", "luagate", "lua", found.data.verdict.word.lower() if found.data.verdict else "undecided"],
        model_name=found.origin.run,
        eval_results=list(_results(found)) or None,
    )
    return f"{data.to_yaml().strip()}\n"


def _results(found: Published) -> Iterator[EvalResult]:
    """Yield the measured rates; an interval stands in the metric's name, since a model-index has no field for it."""
    from huggingface_hub import EvalResult

    verdict = found.data.verdict
    if verdict is None:
        return
    for arm, rate in (("adapter", verdict.adapter), ("base model", verdict.base)):
        if rate.value is None:
            continue
        yield EvalResult(
            task_type="text-generation",
            task_name="Lua programs, judged by execution",
            dataset_type=found.dataset,
            dataset_name=f"{found.dataset}, {found.split}",
            dataset_revision=found.dataset_digest,
            metric_type=f"pass@{verdict.k}",
            metric_name=f"pass@{verdict.k} of the {arm}, % ({between(rate)}, {counted(rate.n or 0, 'task')})",
            metric_value=round(rate.value, 2),
            verified=False,
        )


def between(rate: Interval) -> str:
    """Return a rate's interval in words."""
    return "no interval" if rate.low is None or rate.high is None else f"95% {rate.low:.1f} to {rate.high:.1f}"


def _body(found: Published) -> Iterator[str]:
    origin, verdict = found.origin, found.data.verdict
    yield f"# {origin.run}, {origin.cell.name}"
    yield ""
    if not origin.is_allowed:
        yield f"**{verdict_on(origin)}: it is not shown that this adapter makes the model better.**"
        yield ""
    if found.experiment.smoke:
        yield "**A smoke test: too small to decide anything.**"
        yield ""
    yield what_it_is(origin, found.form)
    yield ""
    if verdict is not None:
        yield from _measured(found)
    yield from _trained(found)
    if found.data.limits:
        yield from ("## What the numbers do not say", "", *(f"* {limit}" for limit in found.data.limits), "")
    yield from ("## Load it", "", "From inside this folder:", "", *loading_lines(found.experiment, found.form), "")
    yield from _served(found)
    yield f"Every digest that links these files to their run stands in {PROVENANCE}. Measured with luagate."


def _measured(found: Published) -> Iterator[str]:
    verdict = found.data.verdict
    assert verdict is not None
    families = [group for group in found.data.groups if group.by == "family"]
    yield from ("## What was measured", "", verdict.sentence, "")
    yield f"| {found.dataset}, {found.split} | tasks | base pass@{verdict.k} | adapter | gain (95%) |"
    yield "|---|---|---|---|---|"
    yield _row("all", verdict.base.value, verdict.adapter.value, verdict.gain)
    yield from (_row(group.gain.label, group.base, group.adapter, group.gain) for group in families)
    yield ""
    yield "Programs were executed and judged by checks; intervals are paired and clustered by template."
    yield ""
    if fired := [guard.sentence for guard in verdict.guards if guard.fired]:
        yield from (*(f"* Warning: {sentence}" for sentence in fired), "")
    if verdict.without_contaminated:
        yield from (f"Without the tasks that training has seen: {verdict.without_contaminated}", "")


def _served(found: Published) -> Iterator[str]:
    """Yield how vLLM serves it; of an adapter that was trained on 4 bits, that it is another model on other weights."""
    from training.models import hub_name

    base, quantization = hub_name(found.experiment.model.path), found.experiment.model.quantization
    served = "." if found.form == "merged" else f"{base} --enable-lora --lora-modules {found.origin.run}=."
    yield from ("```sh", f"vllm serve {served}", "```", "")
    if found.form != "merged" and quantization != "none":
        yield f"Trained and measured on a base in {quantization}. On other weights it is another model: measure again."
        yield ""


def _row(name: str, base: float | None, adapter: float | None, gain: Interval) -> str:
    rates = (f"{rate:.1f}%" if rate is not None else "undefined" for rate in (base, adapter))
    if gain.value is None or gain.low is None or gain.high is None:
        told = "undefined"
    else:
        told = f"{gain.value:+.1f} pp ({gain.low:+.1f} to {gain.high:+.1f})"
    return f"| {' | '.join((name, str(gain.n or 0), *rates, told))} |"


def _trained(found: Published) -> Iterator[str]:
    from training.models import source_note

    origin, lora, train = found.origin, found.experiment.gate.c.lora, found.experiment.gate.c.train
    source = source_note(found.experiment.model.path)
    yield from ("## How it was made", "")
    yield f"* base: {found.experiment.model.path}, digest {origin.base.digest[:16]}" + (f"; {source}" if source else "")
    yield f"* training data: {found.dataset}, {counted(found.rows, 'row')}, digest {found.dataset_digest[:16]}"
    yield (
        f"* rank {lora.r}, alpha {lora.alpha:g} on {', '.join(lora.target_modules)}; "
        f"{counted(origin.cell.step, 'step')} at learning rate {train.learning_rate:g}, seed {found.experiment.seed}"
    )
    yield f"* read back: {found.read_back.sentence}"
    yield ""
