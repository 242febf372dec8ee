"""Asking again: turns of each arm, generated, verified and stored in a folder of their own, and the report at the end.

The gate's files are read and never written. A turn asks again for the answers that failed (and, below a threshold of
quality, for some that passed), shows the model its latest answer with feedback, and verifies what it writes: by the
loop that measures everything, so a turn resumes as a gate does and ends with the same bytes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from env.counts import counted
from env.files import make_folder, sha256_file, write_atomic
from env.heartbeat import TokenCount
from env.refusal import Refusal
from eval.correcting.feedback import feedback, shown_answer
from eval.correcting.result import TurnResult, turn_results
from eval.correcting.rows import Corrected, corrected, repair_rows
from eval.correcting.turns import Quality, after_turn, asked_again, turn_task
from eval.datasets.row_export import export
from eval.pipeline.loop import Arm, Reached, Unit, measure
from eval.pipeline.prompts import render_again
from eval.pipeline.sampling import SamplingSettings
from eval.pipeline.stored_samples import SampleKey, read_samples
from eval.records import Sample, Task
from gates.context import GateContext, Progress
from gates.correcting.request import (
    ROWS_FILE,
    SCHEMA_VERSION,
    ArmResult,
    Correction,
    Request,
    folder_of,
    is_about_training,
    require_allowed,
)
from gates.correcting.sources import Begun, Source, begun
from gates.e_decision.openings import read_openings, record_opening
from gates.measuring.bench import Bench, domain_of_experiment, open_bench, require_same_base, sampling_settings
from gates.measuring.pace import samples_per_call
from gates.measuring.prompting import under
from gates.measuring.served import announce
from gates.measuring.stored import verified_checkpoints
from gates.report.results import EnvironmentResults


def correct(context: GateContext, request: Request, weights: Mapping[str, float]) -> Correction:
    """Carry out a request, or what is left of it, and write its report last.

    Args:
        weights: what each mark counts in an answer's total, by name; read where ``request.below`` is set.

    Raises:
        Refusal: it is not allowed, the gate has no answers, the folder belongs to other answers, or the model's
            template holds no second turn.
    """
    require_allowed(request)
    folder = folder_of(context.run_dir, request, context.attempt)
    start = begun(context, request, folder)
    _require_same_start(context, folder, start, request, weights)
    domain = domain_of_experiment(context.experiment)
    quality = None if request.below is None else Quality(request.below, domain, weights)
    arms = [_Arm(source, start, quality) for source in start.sources]
    if request.turns or start.samples_each:
        with open_bench(context) as bench:
            require_same_base(bench.model, context.earlier(EnvironmentResults))
            _take_turns(_Asking(context, bench, request, folder, start), arms)
    rows = None
    if is_about_training(request.gate):
        made = repair_rows(one for arm in arms for one in arm.corrected)
        export(made, "instruction", folder / ROWS_FILE)
        rows = len(made)
    found = Correction(
        schema_version=SCHEMA_VERSION,
        gate=request.gate,
        attempt=context.attempt,
        split=start.split,
        level=request.level,
        below=request.below,
        samples=max(Counter(sample.task_id for sample in arms[0].turns[0]).values()),
        openings=len(read_openings(context.run_dir)) if start.split == "test" else None,
        rows=rows,
        arms=tuple(ArmResult(arm.source.arm, arm.results()) for arm in arms),
    )
    write_atomic(folder / "report.json", json.dumps(asdict(found), indent=2, allow_nan=False) + "\n")
    return found


class _Arm:
    """The answers of one arm, turn after turn: ``turns`` as they are after each, ``asked`` again before each later."""

    def __init__(self, source: Source, start: Begun, quality: Quality | None) -> None:
        self.source, self._start, self._quality = source, start, quality
        self._tasks = {task.id: task for task in start.tasks}
        self.turns: list[list[Sample]] = [] if start.samples_each else [start.stored(source)]
        self.asked: list[list[Sample]] = []
        self.too_long: list[int] = []
        self.corrected: list[Corrected] = []

    def take_turn(self, asking: _Asking, turn: int) -> None:
        """Ask again for what failed, and keep what is drawn as the answers from now on."""
        before = self.turns[-1]
        wanted = asked_again(before, self._tasks, self._quality)
        said = {(sample.task_id, sample.index): asking.said(self._tasks[sample.task_id], sample) for sample in wanted}
        again = [one for one in wanted if asking.has_room(self._tasks[one.task_id], said[one.task_id, one.index])]
        self.too_long.append(len(wanted) - len(again))
        drawn = asking.draw(self.source.arm, turn, [(self._tasks[one.task_id], one) for one in again], said)
        after = after_turn(before, drawn, turn)
        told = {key: reply for key, (_, reply) in said.items()}
        self.corrected += corrected(before, after, self._tasks, told, asking.bench.verifier.language)
        self.asked.append(again)
        self.turns.append(after)

    def results(self) -> tuple[TurnResult, ...]:
        """Return a row for each turn."""
        return turn_results(self.turns, self.asked, self.too_long, self._start.tasks, self.source.arm)


@dataclass(frozen=True, slots=True)
class _Asking:
    """What asking needs, opened."""

    context: GateContext
    bench: Bench
    request: Request
    folder: Path
    start: Begun

    def said(self, task: Task, sample: Sample) -> tuple[str, str]:
        """Return what follows a task's own message: the model's answer, and the feedback to it."""
        domain = domain_of_experiment(self.context.experiment)
        shown = shown_answer(sample, self.bench.verifier.language)
        return shown, feedback(task, sample, self.request.level, domain)

    def first(self, arm: str, path: Path) -> list[Sample]:
        """Return the answers to the training pool, generated unless they are stored already."""
        units = [Unit(task, self.start.samples_each) for task in self.start.tasks]
        return self._measured(units, arm, self.bench.prompt, path, f"first answers, {arm}")

    def draw(
        self, arm: str, turn: int, again: list[tuple[Task, Sample]], said: Mapping[SampleKey, tuple[str, str]]
    ) -> list[Sample]:
        """Return an answer for each of ``again``, generated and verified unless it is stored already."""
        if not again:
            return []
        path = self.folder / f"turn_{turn}" / arm / "samples.jsonl"
        if self.start.split == "test" and len(read_samples(path)) < len(again):
            # before the first sample; resuming the same request is the same opening
            name = f"{self.folder.name}, {counted(self.request.turns, 'turn')}"
            record_opening(self.context.run_dir, self.context.attempt, self.context.started_at, name)
        asked = {turn_task(task, sample, turn): (task, sample) for task, sample in again}
        prompts = {one.id: self._prompt(task, said[task.id, sample.index]) for one, (task, sample) in asked.items()}
        phase = f"turn {turn} of {self.request.turns}, {arm}"
        return self._measured([Unit(one, 1) for one in asked], arm, lambda task: prompts[task.id], path, phase)

    def has_room(self, task: Task, said: tuple[str, str]) -> bool:
        """Return whether the model's context holds the conversation and another answer."""
        return self.bench.model.fits(self._prompt(task, said), self._sampling)

    @property
    def _sampling(self) -> SamplingSettings:
        measured = sampling_settings(self.context.experiment, self.bench.model, self.bench.form)
        return replace(measured, samples_per_call=samples_per_call(self.context))

    def _prompt(self, task: Task, said: tuple[str, str]) -> str:
        form = under(task.system, self.bench.form)
        return render_again(task.instruction, task.input, said, self.bench.model.apply_chat_turns, form)

    def _measured(
        self, units: list[Unit], arm: str, prompt: Callable[[Task], str], path: Path, phase: str
    ) -> list[Sample]:
        context, bench, experiment = self.context, self.bench, self.context.experiment

        def tell(reached: Reached) -> None:
            tokens = TokenCount(reached.tokens, reached.tokens_left, reached.tokens_unstored)
            context.on_progress(Progress("asking", reached.stored, reached.planned, "answers", phase, tokens))

        make_folder(path.parent)
        drawn = measure(
            units,
            Arm(arm, experiment.seed, self._sampling),
            bench.model,
            prompt,
            bench.verifier,
            path,
            tell,
            context.safe_point,
        )
        bench.require_judged(drawn, phase)
        return drawn


def _take_turns(asking: _Asking, arms: Sequence[_Arm]) -> None:
    require_second_turn(asking.context, asking.bench)
    model, cells = asking.bench.model, [arm.source.cell for arm in arms if arm.source.cell is not None]
    folders = verified_checkpoints(asking.context) if cells else {}
    announce(model, [(folders[cell.checkpoint], cell.scale) for cell in cells])
    for arm in arms:
        cell = arm.source.cell
        applied: AbstractContextManager[None] = nullcontext()
        if cell is not None:
            applied = model.adapter(folders[cell.checkpoint], cell.scale)
        with applied:
            if not arm.turns:
                arm.turns.append(asking.first(arm.source.arm, arm.source.file))
            for turn in range(1, asking.request.turns + 1):
                arm.take_turn(asking, turn)


def require_second_turn(context: GateContext, bench: Bench) -> None:
    """Raise Refusal, naming the model, where its template holds no conversation: before anything is generated."""
    try:
        bench.model.apply_chat_turns(("Write a program.", "return 1", "It is wrong."), bench.form)
    except Refusal as refusal:
        path = context.experiment.model.path
        raise Refusal(f"{path} cannot be asked again: {refusal.sentence}", refusal.fix) from None


def _require_same_start(
    context: GateContext, folder: Path, start: Begun, request: Request, weights: Mapping[str, float]
) -> None:
    """Write request.json, first of all; refuse a folder whose turns began with other answers, tasks or weights."""
    files = [] if start.samples_each else [source.file for source in start.sources]
    facts: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "gate": request.gate,
        "attempt": context.attempt,
        "feedback": request.level,
        "below": request.below,
        "weights": None if request.below is None else dict(weights),
        "arms": [source.arm for source in start.sources],
        "tasks": len(start.tasks),
        "answers": {file.relative_to(context.run_dir).as_posix(): sha256_file(file) for file in files},
    }
    path = folder / "request.json"
    if not path.is_file():
        make_folder(folder)
        write_atomic(path, json.dumps(facts, indent=2) + "\n")
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    differing = [key for key, value in facts.items() if before.get(key) != value]
    if differing:
        raise Refusal(
            f"{folder} was begun with other {', '.join(differing)}: its turns follow from those.",
            "Move that folder away; the gate's own files are not concerned.",
        )
