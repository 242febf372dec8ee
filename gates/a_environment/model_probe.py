"""A trial of the model before the long gates: a real step, an adapter saved and read back, one executed sample."""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from env.checks import Check, fact, judged
from env.counts import counted
from env.space import size_text
from eval.pipeline.loop import completion_after, judge
from eval.pipeline.prompts import PromptForm
from eval.pipeline.sampling import GenerationRequest, sample_seed
from eval.records import Dataset, Outcome
from gates.a_environment.model_files import revision_facts
from gates.a_environment.prompt_checks import prompt_checks
from gates.a_environment.speed import GenerationSpeed, call_size, fastest, time_batches, with_processes
from gates.measuring.bench import base_facts, one_process, open_judge, sampling_settings
from gates.measuring.meeting import Meeting, meet
from gates.measuring.prompting import examples_of, form_of, prompt_of, store_prompts
from gates.report.results import AdapterProbe, ModelProbe, Pace, SampleProbe
from gates.settings import Experiment, drawn_together
from training.backends.local.hub import downloads_told
from training.examples import EncodedExamples
from training.hooks import NoHooks
from training.models import load_model
from training.records import Example, StepRecord

# of a prompt's end and of a completion's start
_SHOWN_ROWS, _SHOWN_COLUMNS = 4, 100


@dataclass(frozen=True, slots=True)
class Looking:
    """How the model is looked at.

    Attributes:
        moment: the time that templates which print one read.
        prompts: where the rendered prompts of all tasks are stored.
        start_s: seconds until the libraries were imported.
        judged_per_s: programs that the verifier judged a second; 0 is unknown.
        tell: takes what is done next, in words.
    """

    moment: datetime
    prompts: Path
    start_s: float = 0.0
    judged_per_s: float = 0.0
    tell: Callable[[str], None] = lambda _part: None


@dataclass(frozen=True, slots=True)
class Probed:
    """What the probe found: the checks, and the numbers behind them."""

    checks: list[Check]
    found: ModelProbe


def probe_model(experiment: Experiment, dataset: Dataset, looking: Looking) -> Probed:
    """Load the model, train one step that is discarded, generate one sample and execute it; time all of it.

    Raises:
        Refusal: the model cannot be loaded, or cannot train or generate as configured.
    """
    form = form_of(experiment, looking.moment)
    looking.tell("loading the weights")
    began_s = time.monotonic()
    with downloads_told(lambda brought: looking.tell(f"downloading it: {size_text(brought)} so far")):
        model = load_model(experiment.backend.name, one_process(experiment.model))
    load_s = looking.start_s + time.monotonic() - began_s
    with ExitStack() as opened:
        opened.callback(model.close)
        config = experiment.gate.c
        examples = examples_of(dataset.rows, model, form)
        stored = store_prompts(looking.prompts, dataset.tasks, examples, model, form)
        asked = prompt_checks(experiment, dataset, model, form, stored)
        base = base_facts(model)
        meeting = meet(experiment, base, model, dataset.tasks, form, opened, looking.tell)
        data = model.encoded(examples, config.train)
        # the longest rows of all: running out of memory should happen here, not in the middle of training
        longest = _longest(examples, data)[: config.train.batch_size * config.train.grad_accum]
        looking.tell("one forward and backward on the longest rows")
        loss = model.probe_step(longest[: config.train.batch_size], config.lora, config.train)
        looking.tell("one training step, its adapter saved and read back")
        watch = _Steps()
        trip = _round_trip(model, longest, experiment, watch, meeting) if math.isfinite(loss) else None
        drawing = model if meeting is None else meeting.served
        looking.tell("one sample")
        sample = _one_sample(experiment, dataset, drawing, form)
        dev = [task for task in dataset.tasks if task.split == "dev"]
        speeds, limit = time_batches(drawing, experiment, dev, form, looking.tell)
        model_choices = dict(model.choices)
        choices = [fact(f"model {name}", chosen) for name, chosen in model_choices.items()]
    sampler = None if meeting is None else meeting.facts
    choices += [
        fact(f"sampler {name}", chosen) for name, chosen in ({} if sampler is None else sampler.choices).items()
    ]
    rows = _rows_check(data, len(examples), experiment)
    if len(drawn_together(experiment)[0]) > 1:
        choices.append(_batch_check(speeds, limit))
    checks = [*asked, rows, _loss_check(loss), *_trip_checks(trip, experiment), _sample_check(sample), *choices]
    # known only now where it was downloaded just now
    checks += revision_facts(experiment)
    found = ModelProbe(base=base, loss=_finite(loss), adapter=trip, sample=sample, prompts=stored, sampler=sampler)
    if watch.record is None:
        return Probed(checks, found)
    pace = _pace(experiment, data, model_choices, load_s, looking.judged_per_s, speeds, watch.record)
    return Probed(checks, found.model_copy(update={"pace": pace}))


def _pace(
    experiment: Experiment,
    data: EncodedExamples,
    choices: Mapping[str, str],
    load_s: float,
    judged_per_s: float,
    speeds: Sequence[GenerationSpeed],
    step: StepRecord,
) -> Pace:
    train, speed = experiment.gate.c.train, fastest(speeds)
    sizes, processes = drawn_together(experiment)
    batch = speed.rows if len(sizes) > 1 else sizes[0]
    tokens_per_s = with_processes(speed.tokens_per_s, processes)
    calls, reason = call_size(experiment, batch, tokens_per_s, speed.tokens_each)
    threads = choices.get("threads", "").partition(":")[0]
    return Pace(
        load_s=load_s,
        rows=speed.rows,
        tokens_per_s=tokens_per_s,
        measured_s=speed.seconds,
        tokens_each=speed.tokens_each,
        judged_per_s=judged_per_s,
        train_tokens_per_s=step.tokens / max(step.seconds, 1e-9),
        tokens_per_step=statistics.mean(len(row.ids) for row in data.rows) * train.batch_size * train.grad_accum,
        threads=int(threads) if threads.isdigit() else 0,
        batch_size=batch,
        samples_per_call=calls,
        call_reason=reason,
    )


def _batch_check(speeds: Sequence[GenerationSpeed], limit: str) -> Check:
    """Return the batch size chosen, with every size that was timed."""
    timed = tuple(f"{speed.rows} rows: {speed.tokens_per_s:,.0f} tokens a second" for speed in speeds)
    chosen = fact("batch size", counted(fastest(speeds).rows, "row"), "the fastest of those timed; kept for the run")
    return replace(chosen, evidence=(*timed, limit) if limit else timed)


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _longest(examples: list[Example], data: EncodedExamples) -> list[Example]:
    """Return the examples that fit, the longest first."""
    dropped = set(data.dropped)
    fitting = [example for example in examples if example.id not in dropped]
    pairs = zip(data.rows, fitting, strict=True)
    return [example for _, example in sorted(pairs, key=lambda pair: -len(pair[0].ids))]


class _Steps(NoHooks):
    """Keeps the record of the step that was trained."""

    record: StepRecord | None = None

    def on_step(self, record: StepRecord) -> None:
        """Keep it."""
        self.record = record


def _round_trip(
    model: Any, examples: list[Example], experiment: Experiment, watch: _Steps, meeting: Meeting | None
) -> AdapterProbe:
    """Train one step into a temporary folder, and score an answer without and with what was saved there."""
    config = experiment.gate.c
    # the full rate at the only step, so that the adapter is more than its start
    once = replace(config.train, max_steps=1, epochs=0.0, checkpoint_every=1, warmup_steps=0, scheduler="constant")
    scored = examples[-1]
    with tempfile.TemporaryDirectory(prefix="luagate-probe-") as folder:
        result = model.train(examples, config.lora, once, Path(folder), watch)
        adapter = result.checkpoints[-1].folder
        base = model.log_prob(scored.prompt, scored.answer)
        with model.adapter(adapter, 1.0):
            moved = model.log_prob(scored.prompt, scored.answer)
        with model.adapter(adapter, 0.0):
            zero = model.log_prob(scored.prompt, scored.answer)
        if meeting is not None:
            meeting.try_adapter(model, adapter)
        size_mb = sum(file.stat().st_size for file in adapter.glob("*adapter*.safetensors")) / 1e6
    return AdapterProbe(
        moved_nats=_finite(abs(moved - base)), zero_moved_nats=_finite(abs(zero - base)), adapter_mb=size_mb
    )


def _one_sample(experiment: Experiment, dataset: Dataset, model: Any, form: PromptForm) -> SampleProbe:
    """Return one dev task's completion and the result of executing it. Test tasks stay closed."""
    task = next(task for task in dataset.tasks if task.split == "dev")
    prompt = prompt_of(task, model, form)
    request = GenerationRequest(prompt, (sample_seed(experiment.seed, task.id, 0),))
    [[drawn]] = model.generate([request], sampling_settings(experiment, model, form))
    completion = completion_after(prompt, drawn)
    with open_judge(experiment) as verifier:
        [(_, verdict)] = judge([(task, completion.text)], verifier)
    return SampleProbe(
        task_id=task.id,
        prompt=prompt,
        completion=completion.text,
        tokens=completion.tokens,
        finish=completion.finish,
        outcome=verdict.outcome,
        detail=verdict.detail,
        verifier=verdict.verifier,
        isolation=verdict.isolation,
    )


def _rows_check(data: EncodedExamples, total: int, experiment: Experiment) -> Check:
    limit, longest = experiment.gate.c.train.max_length, max(len(row.ids) for row in data.rows)
    dropped = len(data.dropped)
    return judged(
        "rows fit",
        "warn",
        not dropped,
        f"{dropped} of {counted(total, 'training row')} are too long and will be left out"
        if dropped
        else f"all {counted(total, 'training row')}, the longest takes {counted(longest, 'token')}",
        f"every row within {counted(limit, 'token')} and the model's context",
        reason="Rows that are left out do not train the model.",
        fix="Raise gate.c.train.max_length, shorten the rows, or refuse them: gate.c.train.on_too_long=error.",
        evidence=data.dropped,
    )


def _loss_check(loss: float) -> Check:
    return judged(
        "training step",
        "block",
        math.isfinite(loss),
        f"loss {loss:.3f} on one batch, forward and backward",
        "a finite loss",
        reason="Training would produce nothing but NaN.",
        fix="Try model.dtype=float32, or another base model.",
    )


def _trip_checks(trip: AdapterProbe | None, experiment: Experiment) -> list[Check]:
    if trip is None:
        return []
    limit = experiment.rule.canary_max_zero_nats
    return [
        judged(
            "adapter round trip",
            "block",
            bool(trip.moved_nats) and trip.zero_moved_nats is not None and trip.zero_moved_nats <= limit,
            f"{trip.adapter_mb:.2f} MB saved and read back: moves {_nats(trip.moved_nats)} nats, "
            f"{_nats(trip.zero_moved_nats)} at scale 0",
            f"moves the model, and at scale 0 by no more than {limit:g} nats",
            reason="If the adapter is not applied, or not removed, every measurement is wrong.",
            fix="Try another backend or model.quantization=none, and report the model's architecture.",
        )
    ]


def _nats(moved: float | None) -> str:
    return "not a finite number of" if moved is None else f"{moved:.2g}"


def _sample_check(sample: SampleProbe) -> Check:
    return judged(
        "generated sample",
        "block",
        sample.outcome is not Outcome.HARNESS_ERROR,
        f"{counted(sample.tokens, 'token')} on {sample.task_id}: {sample.outcome}"
        + (f", {sample.detail}" if sample.detail else ""),
        "a verdict from execution",
        reason=sample.detail,
        fix="Fix the verifier: `python -m runner doctor`.",
        evidence=[*_some("asked", sample.prompt, last=True), *_some("wrote", sample.completion, last=False)],
    )


def _some(word: str, text: str, last: bool) -> list[str]:
    """Return the first or the last lines of a text, shortened: enough to see whether the prompt format is right."""
    rows = [row[:_SHOWN_COLUMNS] for row in text.splitlines() if row.strip()]
    shown = rows[-_SHOWN_ROWS:] if last else rows[:_SHOWN_ROWS]
    return [f"{word}: {row}" for row in shown] or [f"{word}: nothing"]
