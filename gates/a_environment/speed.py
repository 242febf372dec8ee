"""How fast the model generates and trains here: a real batch and a real step, timed; and the size of a call by it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

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


def time_generation(
    model: Generates,
    experiment: Experiment,
    tasks: Sequence[Task],
    form: PromptForm,
    tell: Callable[[str], None],
    clock_s: Callable[[], float] = time.monotonic,
) -> GenerationSpeed:
    """Return how fast a batch of the experiment's own samples generates; what is drawn is discarded.

    Args:
        tasks: dev tasks, as many as fill the batch.
        tell: takes a line for people every second or so.
    """
    rows, each = drawn_together(experiment)[0], experiment.sampling.samples_dev
    wanted = [(task, sample_seed(experiment.seed, task.id, index)) for index in range(each) for task in tasks][:rows]
    requests = [GenerationRequest(prompt_of(task, model, form), (seed,)) for task, seed in wanted]
    most, ended = experiment.sampling.max_new_tokens, list[int]()
    tokens = age = 0
    began_s = told_s = clock_s()
    seconds = 0.0
    with closing(model.draw(requests, sampling_settings(experiment, model))) as steps:
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


def call_size(experiment: Experiment, tokens_per_s: float, tokens_each: float) -> tuple[int, str]:
    """Return (samples of one generation call, reason): about a minute of work, but whole batches.

    Args:
        tokens_per_s: of all processes together.
    """
    requested = experiment.sampling.samples_per_call
    if requested:
        return requested, "requested"
    together, processes = drawn_together(experiment)
    rows = together * processes
    each_s = tokens_each / tokens_per_s
    whole = min(MOST_A_CALL, int(CALL_S / each_s)) // rows * rows
    size = max(rows, whole)
    kept = ", one whole batch" if not whole else ""
    return size, f"about {size * each_s:.0f} s of work at {tokens_per_s:,.0f} tokens a second{kept}"
