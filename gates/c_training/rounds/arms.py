"""The trainings of a round: on answers that are kept, and the arms that it is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.pipeline.thoughts import left_open
from eval.records import Sample, Task
from eval.rejection.answers import AnswerKey, OwnAnswer, per_task
from eval.rejection.selection import Selection
from gates.c_training.hooks import Hooks, read_metrics
from gates.c_training.rounds.workshop import Workshop
from gates.context import StopRequested
from training.records import AdapterCheckpoint, Example, TrainResult, TrainSettings


@dataclass(frozen=True, slots=True)
class Arm:
    """What one training learns from: answers of the model's ``own``, and ``gold`` rows; "" is the arm that counts."""

    name: str
    own: Sequence[Example]
    gold: Sequence[Example]

    @property
    def examples(self) -> list[Example]:
        """Return the examples in the order in which they are given to training."""
        return [*self.gold, *self.own]


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training of a round, 0 being the drawer's, and the step records of its metrics file."""

    round: int
    arm: Arm
    result: TrainResult
    metrics: Path
    steps: list[dict[str, Any]]

    @property
    def last(self) -> AdapterCheckpoint:
        """The checkpoint of its last step."""
        return self.result.checkpoints[-1]


@dataclass(frozen=True, slots=True)
class Gold:
    """The gold rows as examples, each with the task of the pool that asks the same; None where no check judges it."""

    examples: Sequence[Example]
    tasks: Sequence[str | None]

    def beside(self, selection: Selection, gold: str) -> list[Example]:
        """Return those that are trained on beside a selection: all, or those whose task has no answer in it."""
        if gold == "mix":
            return list(self.examples)
        pairs = zip(self.examples, self.tasks, strict=True)
        return [example for example, task_id in pairs if task_id not in selection.tasks]


def kept_arm(shop: Workshop, samples: Mapping[AnswerKey, Sample], selection: Selection, gold: Sequence[Example]) -> Arm:
    """Return the arm that counts."""
    return Arm("", [own_example(shop, samples[kept.answer.key]) for kept in selection.kept], gold)


def control_arm(
    name: str,
    shop: Workshop,
    samples: Mapping[AnswerKey, Sample],
    answers: Sequence[OwnAnswer],
    gold: Gold,
    beside: Sequence[Example],
) -> Arm | None:
    """Return an arm to compare with; None where nothing was drawn that it could learn from.

    "gold" learns from the gold rows alone; "unjudged" from the first answer to each task, whatever it is, beside the
    same gold rows as the arm that counts; "failed" from the first failed answer to each task, and from nothing else.
    """
    if name == "gold":
        return Arm(name, [], gold.examples)
    wanted = [one for one in answers if (name != "failed" or one.failed) and samples[one.key].completion.text.strip()]
    first = [own[0] for own in per_task(wanted).values()]
    own = [own_example(shop, samples[one.key]) for one in first]
    return Arm(name, own, [] if name == "failed" else beside) if own else None


def own_example(shop: Workshop, sample: Sample) -> Example:
    """Return an answer as it was drawn, after the prompt that it was drawn from; its thought too, where it thought."""
    prompt = shop.prompt(shop.tasks[sample.task_id])
    text = sample.completion.text.removeprefix(left_open(prompt))
    return Example(prompt, text, f"own answer {sample.index} to {sample.task_id}")


def gold_of(examples: Sequence[Example], prompts: Sequence[tuple[str, str]], tasks: Mapping[str, Task]) -> Gold:
    """Return the gold rows, whose instruction and input are ``prompts``, with the tasks that ask the same."""
    by_prompt = {(task.instruction, task.input): task.id for task in tasks.values()}
    return Gold(examples, [by_prompt.get(prompt) for prompt in prompts])


def train(
    shop: Workshop, number: int, arm: Arm, settings: TrainSettings, start: Path | None, steps_before: int
) -> Trained:
    """Train an arm of a round, or resume it; a finished one is only read.

    Args:
        start: the checkpoint that it continues with; None: a fresh adapter.
        steps_before: of trainings of this gate before it, for trackers, whose steps rise.

    Raises:
        StopRequested: the user requested a stop, and a checkpoint was saved.
        TrainingDiverged, Refusal: as the backend's ``train``.
    """
    config, folder = shop.context.experiment.gate.c, arm_folder(shop.folder(number), arm.name)
    phase = f"training round {number}" if number else "training the drawer"
    hooks = Hooks(shop.context, settings.max_steps, folder, f"{phase} {arm.name}".rstrip(), steps_before)
    result = shop.model.train(arm.examples, config.lora, settings, folder / "checkpoints", hooks, start)
    if result.status == "stopped":
        raise StopRequested
    return Trained(number, arm, result, hooks.metrics, read_metrics(hooks.metrics))


def arm_folder(round_folder: Path, arm: str) -> Path:
    """Return where an arm keeps its metrics and checkpoints."""
    return round_folder / "controls" / arm if arm else round_folder
