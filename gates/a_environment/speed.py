"""How fast the model generates and trains here: a real batch and a real step, timed; and the size of a call by it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from env.machine.hardware import processor
from eval.pipeline.prompts import PromptForm
from eval.pipeline.sampling import GenerationRequest, sample_seed
from eval.records import Task
from gates.measuring.bench import sampling_settings
from gates.measuring.prompting import prompt_of
from gates.settings import Experiment, drawn_together
from training.backends.base import Generates

# A batch is timed until half of its samples have ended, but not for longer.
_LEAST_S, _MOST_S = 3.0, 20.0
# A larger batch must be this much faster.
_WORTH = 1.05
# What one call takes; more in one call would only make an interruption dearer.
CALL_S, MOST_A_CALL = 60.0, 4096


@dataclass(frozen=True, slots=True)
class GenerationSpeed:
    """Tokens a second while ``rows`` samples generated together for ``seconds``, and tokens a sample.

    Samples that had not ended are taken to end halfway between there and the most that they may take.
    """

    rows: int
    tokens_per_s: float
    tokens_each: float
    seconds: float


def time_batches(
    model: Generates,
    experiment: Experiment,
    tasks: Sequence[Task],
    form: PromptForm,
    tell: Callable[[str], None],
    clock_s: Callable[[], float] = time.monotonic,
) -> tuple[list[GenerationSpeed], str]:
    """Return how fast batches of each requested size generate, rising, and why the last is the last ("" usually).

    A size for which memory runs out is left out, and so are larger ones, and those that the dev tasks cannot fill.

    Args:
        tasks: dev tasks, as many as fill a batch.
        tell: takes a line for people every second or so.
    """
    found: list[GenerationSpeed] = []
    available = len(tasks) * experiment.sampling.samples_dev
    for rows in drawn_together(experiment)[0]:
        if found and rows > available:
            return found, f"{rows} rows: the dev tasks fill only {available}"
        before = model.choices.get("batch_size", "")
        speed = time_generation(model, experiment, rows, tasks, form, tell, clock_s)
        halved = model.choices.get("batch_size", "")
        if halved != before:
            return found or [replace(speed, rows=int(halved.partition(":")[0]))], halved
        found.append(speed)
    return found, ""


def fastest(speeds: Sequence[GenerationSpeed]) -> GenerationSpeed:
    """Return the smallest batch that is nearly as fast as the fastest: an interruption costs less with small ones."""
    most = max(speed.tokens_per_s for speed in speeds)
    return next(speed for speed in speeds if speed.tokens_per_s * _WORTH >= most)


def time_generation(
    model: Generates,
    experiment: Experiment,
    rows: int,
    tasks: Sequence[Task],
    form: PromptForm,
    tell: Callable[[str], None],
    clock_s: Callable[[], float] = time.monotonic,
) -> GenerationSpeed:
    """Return how fast a batch of the experiment's own samples generates; what is drawn is discarded.

    Args:
        rows: samples that generate together.
        tasks: dev tasks, as many as fill the batch.
        tell: takes a line for people every second or so.
    """
    each = experiment.sampling.samples_dev
    wanted = [(task, sample_seed(experiment.seed, task.id, index)) for index in range(each) for task in tasks][:rows]
    requests = [GenerationRequest(prompt_of(task, model, form), (seed,)) for task, seed in wanted]
    settings, ended = sampling_settings(experiment, model, form), list[int]()
    most = settings.max_new_tokens + settings.thinking.max_tokens
    tokens = age = 0
    began_s = told_s = clock_s()
    seconds = 0.0
    with closing(model.draw(requests, settings)) as steps:
        for step in steps:
            tokens, age = tokens + step.tokens, age + 1
            ended += [one.completion.tokens for one in step.ended]
            seconds = clock_s() - began_s
            if clock_s() - told_s >= 1:
                told_s = clock_s()
                tell(f"timing a batch: {tokens:,} tokens, {tokens / seconds:,.0f} a second")
            if seconds >= _MOST_S or (seconds >= _LEAST_S and 2 * len(ended) >= len(wanted)):
                break
    unfinished = (len(wanted) - len(ended)) * (age + most) / 2
    return GenerationSpeed(
        rows=len(wanted),
        tokens_per_s=tokens / max(seconds, 1e-9),
        tokens_each=(sum(ended) + unfinished) / len(wanted),
        seconds=seconds,
    )


def with_processes(speed: float, processes: int) -> float:
    """Return the tokens a second of several processes, by that of one: a core each, as long as there are cores."""
    return speed * max(1.0, min(processes, processor().usable))


def call_size(experiment: Experiment, batch: int, tokens_per_s: float, tokens_each: float) -> tuple[int, str]:
    """Return (samples of one generation call, reason): about a minute of work, but whole batches.

    Args:
        batch: rows that generate together in one process.
        tokens_per_s: of all processes together.
    """
    requested = experiment.sampling.samples_per_call
    if requested:
        return requested, "requested"
    rows = batch * drawn_together(experiment)[1]
    each_s = tokens_each / tokens_per_s
    whole = min(MOST_A_CALL, int(CALL_S / each_s)) // rows * rows
    size = max(rows, whole)
    kept = ", one whole batch" if not whole else ""
    return size, f"about {size * each_s:.0f} s of work at {tokens_per_s:,.0f} tokens a second{kept}"
