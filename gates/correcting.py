"""Self-correction of a gate's stored answers: asked again, verified, and stored in a folder of its own.

The gate's files are read and never written. A turn asks again for the answers that failed (and, below a threshold of
quality, for some that passed), shows the model its latest answer with feedback, and verifies what it writes: by the
loop that measures everything, so a turn resumes as a gate does and ends with the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from env.counts import counted
from env.files import make_folder, sha256_file, write_atomic
from env.heartbeat import TokenCount
from env.refusal import Refusal
from eval.correcting.feedback import Level, feedback, shown_answer
from eval.correcting.result import TurnResult, turn_results
from eval.correcting.rows import Corrected, corrected
from eval.correcting.turns import Quality, after_turn, asked_again, turn_task
from eval.decision.cells import Cell, cell_from_name
from eval.domains import scorer_of
from eval.pipeline.loop import Arm, Reached, Unit, measure
from eval.pipeline.prompts import render_again
from eval.pipeline.scoring import ScoreWeights
from eval.pipeline.stored_samples import read_samples
from eval.records import Sample, Split, Task
from gates import GATES, no_samples_yet, stores
from gates.context import GateContext, Progress
from gates.e_decision.openings import read_openings, record_opening
from gates.measuring.bench import (
    Bench,
    approved_dataset,
    domain_of_experiment,
    open_bench,
    require_same_base,
    sampling_settings,
)
from gates.measuring.pace import samples_per_call
from gates.measuring.prompting import under
from gates.measuring.served import announce
from gates.measuring.stored import cell_file, verified_checkpoints
from gates.report.results import BaselineResults, SweepResults

SCHEMA_VERSION = 1
BASE = "base"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: ``gate``'s answers, so many ``turns``, by which feedback; ``below`` None rewrites no pass."""

    gate: str
    turns: int
    below: float | None
    level: Level


@dataclass(frozen=True, slots=True)
class Source:
    """One arm's answers before the first turn; ``cell`` is None for the base."""

    arm: str
    cell: Cell | None
    split: Split
    files: tuple[Path, ...]
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class ArmResult:
    """The rows of one arm, one for each turn from 0."""

    arm: str
    turns: tuple[TurnResult, ...]


@dataclass(frozen=True, slots=True)
class Correction:
    """The result, as report.json of its folder has it; ``openings`` counts all of the test tasks in the run so far."""

    schema_version: int
    gate: str
    attempt: int
    split: str
    level: str
    below: float | None
    samples: int
    openings: int | None
    arms: tuple[ArmResult, ...]


def folder_of(run_dir: Path, request: Request, attempt: int) -> Path:
    """Return where a correction lies: one folder for each attempt of a gate, level of feedback and threshold."""
    below = "" if request.below is None else f"-below-{request.below:g}"
    return run_dir / "repair" / f"gate_{request.gate}.{attempt}-{request.level}{below}"


def require_allowed(request: Request) -> None:
    """Raise Refusal for a gate without answers, and for feedback of checks on tasks that measure."""
    if not stores(request.gate, "samples"):
        names = ", ".join(letter.upper() for letter, gate in GATES.items() if "samples" in gate.stores)
        raise Refusal(f"Gate {request.gate.upper()} stores no answers to correct.", f"Use {names}.")
    if request.level == "checks":
        raise Refusal(
            "--feedback checks tells a model what its tasks are checked for: it is for training tasks alone, and gate "
            f"{request.gate.upper()} measured {'test' if request.gate == 'e' else 'dev'} tasks.",
            "Use --feedback runtime.",
        )


def correct(context: GateContext, request: Request, weights: ScoreWeights) -> Correction:
    """Carry out a request, or what is left of it, and write its report last.

    Raises:
        Refusal: it is not allowed, the gate has no answers, the folder belongs to other answers, or the model's
            template holds no second turn.
    """
    require_allowed(request)
    sources = sources_of(context, request.gate)
    folder = folder_of(context.run_dir, request, context.attempt)
    _require_same_answers(context, folder, sources, request, weights)
    split, tasks = sources[0].split, approved_dataset(context).tasks
    quality = _quality(context, request, weights)
    corrections = [_Arm(source, [task for task in tasks if task.split == split], quality) for source in sources]
    if request.turns:
        with open_bench(context) as bench:
            require_same_base(bench.model, context.earlier(BaselineResults))
            _take_turns(context, bench, request, folder, corrections)
    openings = len(read_openings(context.run_dir)) if split == "test" else None
    found = Correction(
        SCHEMA_VERSION,
        request.gate,
        context.attempt,
        split,
        request.level,
        request.below,
        max(len(samples) for samples in _by_task(sources[0].samples).values()),
        openings,
        tuple(ArmResult(arm.source.arm, arm.results()) for arm in corrections),
    )
    write_atomic(folder / "report.json", json.dumps(asdict(found), indent=2, allow_nan=False) + "\n")
    return found


class _Arm:
    """The answers of one arm, turn after turn."""

    def __init__(self, source: Source, tasks: Sequence[Task], quality: Quality | None) -> None:
        self.source, self.tasks, self._quality = source, list(tasks), quality
        self._by_id = {task.id: task for task in tasks}
        self.turns: list[list[Sample]] = [list(source.samples)]
        self.asked: list[list[Sample]] = []

    def take_turn(self, draw: Callable[[list[tuple[Task, Sample]]], list[Sample]]) -> None:
        """Ask again for what failed, and keep what is drawn as the answers from now on."""
        again = asked_again(self.turns[-1], self._by_id, self._quality)
        drawn = draw([(self._by_id[sample.task_id], sample) for sample in again])
        self.asked.append(again)
        self.turns.append(after_turn(self.turns[-1], drawn, len(self.asked)))

    def results(self) -> tuple[TurnResult, ...]:
        """Return a row for each turn."""
        return turn_results(self.turns, self.asked, self.tasks, self.source.arm)


def sources_of(context: GateContext, gate: str) -> list[Source]:
    """Return the base's and the adapter's answers that ``gate`` is about: on dev tasks, of E on test tasks.

    Raises:
        Refusal: the gate has not concluded, or generated nothing on the tasks of its own.
    """
    if context.report(gate) is None:
        raise no_samples_yet(gate, context.run_dir.name)
    baseline = context.gate_folder("b") / "samples.jsonl"
    if gate == "b":
        return [_source(context, BASE, None, "dev", baseline)]
    chosen = cell_from_name(context.earlier(SweepResults).chosen.cell)
    split: Split = "test" if gate == "e" else "dev"
    own = context.gate_folder("e") / "samples.jsonl" if gate == "e" else cell_file(context, chosen)
    if not own.is_file():
        raise Refusal(
            "Gate E of this run opened no test task: its decision is about the dev tasks.",
            "Correct the answers of D, on the dev tasks.",
        )
    return [
        _source(context, BASE, None, split, baseline),
        _source(context, chosen.name, chosen, split, own),
    ]


def _source(context: GateContext, arm: str, cell: Cell | None, split: Split, file: Path) -> Source:
    wanted = {task.id for task in approved_dataset(context).tasks if task.split == split}
    samples = tuple(s for s in read_samples(file) if s.arm == arm and s.task_id in wanted)
    if not samples:
        raise Refusal(f"{file} holds no answer of {arm} to a {split} task.", "Rewind the gate that wrote it.")
    return Source(arm, cell, split, (file,), samples)


def _require_same_answers(
    context: GateContext, folder: Path, sources: Sequence[Source], request: Request, weights: ScoreWeights
) -> None:
    """Write request.json, first of all; refuse a folder whose turns began with other answers or weights."""
    files = {
        file.relative_to(context.run_dir).as_posix(): sha256_file(file) for source in sources for file in source.files
    }
    facts: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "gate": request.gate,
        "attempt": context.attempt,
        "feedback": request.level,
        "below": request.below,
        "weights": None if request.below is None else asdict(weights),
        "arms": [source.arm for source in sources],
        "answers": files,
    }
    path = folder / "request.json"
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        differing = [key for key, value in facts.items() if before.get(key) != value]
        if differing:
            raise Refusal(
                f"{folder} was begun with other {', '.join(differing)}: its turns follow from those.",
                "Move that folder away; the gate's own files are not concerned.",
            )
        return
    make_folder(folder)
    write_atomic(path, json.dumps(facts, indent=2) + "\n")


def _quality(context: GateContext, request: Request, weights: ScoreWeights) -> Quality | None:
    scorer = scorer_of(domain_of_experiment(context.experiment))
    return None if request.below is None else Quality(request.below, scorer, weights)


def _take_turns(
    context: GateContext, bench: Bench, request: Request, folder: Path, arms: Sequence[_Arm]
) -> None:
    require_second_turn(context, bench)
    folders = verified_checkpoints(context) if any(arm.source.cell for arm in arms) else {}
    applied = {arm.source.arm: (folders[arm.source.cell.step], arm.source.cell.scale) for arm in arms if arm.source.cell}
    announce(bench.model, list(applied.values()))
    for arm in arms:
        wearing: AbstractContextManager[None] = nullcontext()
        if arm.source.arm in applied:
            wearing = bench.model.adapter(*applied[arm.source.arm])
        with wearing:
            for turn in range(1, request.turns + 1):
                take = _Turn(context, bench, request, folder, arm.source, turn)
                arm.take_turn(take.draw)


def require_second_turn(context: GateContext, bench: Bench) -> None:
    """Raise Refusal, naming the model, where its template holds no conversation: before anything is generated."""
    try:
        bench.model.apply_chat_turns(("Write a program.", "return 1", "It is wrong."), bench.form)
    except Refusal as refusal:
        raise Refusal(
            f"{context.experiment.model.path} cannot be asked again: {refusal.sentence}", refusal.fix
        ) from None


@dataclass(frozen=True, slots=True)
class _Turn:
    """One turn of one arm: its prompts, its samples on disk."""

    context: GateContext
    bench: Bench
    request: Request
    folder: Path
    source: Source
    turn: int

    def draw(self, again: list[tuple[Task, Sample]]) -> list[Sample]:
        """Return an answer for each of ``again``, generated and verified unless it is stored already."""
        if not again:
            return []
        context, bench, arm = self.context, self.bench, self.source.arm
        if self.source.split == "test":
            # before the first sample; resuming is the same opening
            name = f"{self.folder.name} of {arm}"
            record_opening(context.run_dir, context.attempt, context.started_at, name)
        prompts = {turn_task(task, sample, self.turn).id: self.prompt(task, sample) for task, sample in again}
        experiment = context.experiment
        sampling = replace(
            sampling_settings(experiment, bench.model, bench.form), samples_per_call=samples_per_call(context)
        )
        drawn = measure(
            [Unit(turn_task(task, sample, self.turn), 1) for task, sample in again],
            Arm(arm, experiment.seed, sampling),
            bench.model,
            lambda task: prompts[task.id],
            bench.verifier,
            self.folder / f"turn_{self.turn}" / arm / "samples.jsonl",
            self._tell,
            context.safe_point,
        )
        bench.require_judged(drawn, f"turn {self.turn} of {arm}")
        return drawn

    def prompt(self, task: Task, sample: Sample) -> str:
        """Return the prompt that asks again for ``sample``."""
        scorer = scorer_of(domain_of_experiment(self.context.experiment))
        said = (shown_answer(sample, self.bench.verifier.language), feedback(task, sample, self.request.level, scorer))
        form = under(task.system, self.bench.form)
        return render_again(task.instruction, task.input, said, self.bench.model.apply_chat_turns, form)

    def _tell(self, reached: Reached) -> None:
        tokens = TokenCount(reached.tokens, reached.tokens_left, reached.tokens_unstored)
        phase = f"turn {self.turn} of {self.request.turns}, {self.source.arm}"
        self.context.on_progress(Progress("asking again", reached.stored, reached.planned, "answers", phase, tokens))


def _by_task(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        found.setdefault(sample.task_id, []).append(sample)
    return found
