"""Makes plausible run folders from the real records, for tests of what reads them: screens, reports, freshness."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from env.checks import Check, block, fact, ok, warn
from env.files import write_atomic
from eval.decision.cells import Cell
from eval.decision.guards import Canary, Evidence
from eval.decision.power import detectable_gain
from eval.decision.recommendations import Recommendation
from eval.decision.rule import DecisionRule, write_rule
from eval.decision.selection import select_cell
from eval.decision.verdict import decide
from eval.estimation.intervals import gain_metric
from eval.pipeline.result import evaluate
from eval.records import EvalResult, Metric, Sample, Task
from gates import gate_title
from gates.e_decision.task_tables import furthest_movers, gains_by_group, task_facts
from gates.report import GateReport, artifact, write_report
from gates.report.results import (
    Arms,
    BaselineResults,
    CellFacts,
    ChosenCell,
    DecisionResults,
    EnvironmentResults,
    FrozenRule,
    Generations,
    Opening,
    SweepResults,
    TaskFacts,
)
from runner.advance.loop import record_report
from runner.runs.folder import Run, create_run
from runner.runs.journal import EventType
from runner.runs.plain_config import subject_of
from tests.support.gate_results import (
    BASE,
    JUDGE,
    chosen_cell,
    contamination_facts,
    dataset_facts,
    grid_search,
    model_probe,
    training_results,
)
from tests.support.story import KINDS, Story, draw_sample, make_tasks

RECOMMENDATIONS = (
    Recommendation(
        1, "Write more training rows for repair: the weakest family.", "repair 12% of the rows, gain +1.2 pp"
    ),
    Recommendation(2, "Raise the adapter's rank.", "r 8, training loss still falling at the end"),
)
CONFIG = """profile: tiny
results: results
seed: 20261120
model: {path: training/tiny/base-2m, quantization: nf4, dtype: auto, device: auto, threads: 1, batch_size: 64}
backend: {name: transformers_peft}
dataset: {name: luanti_mini, eval: null, train: null, seed: 1, dev_tasks: 60, test_tasks: 120, rows: 800}
sampling: {temperature: 0.8, top_p: 0.95, samples_dev: 5, samples_test: 10}
rule: {k: 5, margin_pp: 15.0, alpha: 0.05}
gate:
  c:
    lora: {r: 8, alpha: 16, target_modules: [q_proj, k_proj, v_proj, o_proj]}
    train: {max_steps: 120, learning_rate: 0.005, checkpoint_every: 40}
  d: {scales: [0.25, 0.5, 1.0]}
"""


@dataclass
class Clock:
    """Times that go on, so that events stand in order."""

    at: datetime = field(default_factory=lambda: datetime(2026, 11, 20, 8, 2, 0, tzinfo=UTC))

    def after(self, seconds: float) -> str:
        """Return the ISO time ``seconds`` later, and stay there."""
        self.at += timedelta(seconds=seconds)
        return self.at.isoformat(timespec="seconds")


def make_run(results: Path, story: Story | None = None) -> Run:
    """Write a run folder that tells ``story``; return the opened run."""
    story = story or Story()
    results.mkdir(parents=True, exist_ok=True)
    overrides = ["model=base-2m", "rule.margin_pp=15.0", "gate.c.train.learning_rate=0.005"]
    origin = {"subject": subject_of(yaml.safe_load(CONFIG))}
    run = create_run(results, "tiny", CONFIG, overrides, "1a2b3c4d5e6f (clean)", origin=origin)
    writer = _Writer(run, story, Clock(), random.Random(story.seed))
    for gate in story.gates:
        getattr(writer, f"gate_{gate}")()
    return Run.open(run.folder)


class _Writer:
    """Writes one gate's folder after the other."""

    def __init__(self, run: Run, story: Story, clock: Clock, chance: random.Random) -> None:
        self.run, self.story, self.clock, self.chance = run, story, clock, chance
        self.tasks = make_tasks(story)
        self.ease = {task.id: chance.betavariate(0.9, 0.9) for task in self.tasks}
        self.results: dict[str, EvalResult] = {}
        self.chosen: ChosenCell | None = None

    def conclude(self, gate: str, headline: str, seconds: float, status: str = "passed", **more: Any) -> None:
        """Write a report the way a worker does, with its events around it."""
        started = self.clock.after(2)
        self.run.record(EventType.GATE_STARTED, gate, attempt=1, first_started_at=started, elapsed_before_s=0.0)
        files = more.pop("files", [])
        report = GateReport(
            gate=gate,  # type: ignore[arg-type]
            title=gate_title(gate),
            status=status,  # type: ignore[arg-type]
            headline=headline,
            started_at=started,
            finished_at=self.clock.after(seconds),
            seconds=seconds,
            inputs={"config.seed": "ab" * 32, "config.dataset": "cd" * 32},
            artifacts=[artifact(self.run.folder, path) for path in files],
            versions={"python": "3.11.2", "torch": "2.13.0", "transformers": "5.23.0", "peft": "0.21.2"},
            **more,
        )
        write_report(self.run.gate_folder(gate) / "report.json", report)
        record_report(self.run, report)

    def samples(self, path: Path, arm: str, split: str, number: int, lift: float) -> list[Sample]:
        """Draw samples of one arm and store them."""
        drawn = []
        for task in (task for task in self.tasks if task.split == split):
            ease = self.ease[task.id]
            rate = min(0.97, self.story.base_rate * 2 * ease + lift * (0.35 + 1.3 * ease))
            drawn += [
                draw_sample(task, index, arm, self.chance.random() < rate, self.story.markup, self.chance)
                for index in range(number)
            ]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.writelines(json.dumps(sample.to_json(), ensure_ascii=False) + "\n" for sample in drawn)
        return drawn

    def evaluate(self, samples: Sequence[Sample], arm: str, split: str) -> EvalResult:
        """Return the result of one arm on one split."""
        number = self.story.dev_samples if split == "dev" else self.story.test_samples
        ks = sorted({1, self.story.k, number})
        return evaluate(samples, self.tasks, arm, split, ks, resamples=self.story.resamples)

    @property
    def rule(self) -> DecisionRule:
        """The frozen rule."""
        story, dev = self.story, [t for t in self.tasks if t.split == "dev"]
        test = [t for t in self.tasks if t.split == "test"]
        return DecisionRule(
            k=story.k, margin_pp=15.0, alpha=0.05, power=0.8, selection="split",
            dev_tasks=len(dev), dev_clusters=len({t.cluster for t in dev}), dev_samples=story.dev_samples,
            test_tasks=len(test), test_clusters=len({t.cluster for t in test}), test_samples=story.test_samples,
            families=tuple(KINDS), noninferiority_pp=10.0, max_missing_pct=1.0, max_missing_gap_pp=1.0,
            canary_min_nats=0.001, canary_max_zero_nats=1e-6, seed=1, resamples=story.resamples, splits_digest="0f" * 32,
        )  # fmt: skip

    @property
    def contaminated(self) -> list[str]:
        """Test tasks that stand in the training rows."""
        return [task.id for task in self.tasks if task.split == "test"][: self.story.contaminated]

    def gate_a(self) -> None:
        """Environment: checks, the frozen rule, what is detectable."""
        rule = self.rule
        path = self.run.gate_folder("a") / "rule.json"
        write_rule(path, rule)
        self.conclude(
            "a",
            "14 checks · detectable gain 9.8 pp",
            11.2,
            checks=environment_checks(self.story.waiver, self.contaminated),
            files=[path],
            choices={"threads": "1: two busy cores and two torch threads each collapse"},
            results=EnvironmentResults(
                dataset=dataset_facts(
                    tasks=len(self.tasks), dev_tasks=rule.dev_tasks, test_tasks=rule.test_tasks,
                    dev_clusters=rule.dev_clusters, test_clusters=rule.test_clusters,
                    families=dict.fromkeys(KINDS, 266),
                    notes=("20 dev tasks share a template with training rows of another name",),
                ),
                contamination=contamination_facts(self.contaminated, len(self.tasks)),
                frozen=FrozenRule(
                    rule=rule, digest=rule.digest, selection_reason="there are enough clusters",
                    detectable=detectable_gain(rule, rule.test_tasks, rule.test_clusters, rule.test_samples, 0.3),
                    generations=Generations(base=204, sweep=540, grid=540, decision=144, usual=600, cells=9),
                ),
                probe=model_probe(),
            ),
        )  # fmt: skip

    def gate_b(self) -> None:
        """Baseline on both splits."""
        path = self.run.gate_folder("b") / "samples.jsonl"
        for split, number in (("dev", self.story.dev_samples), ("test", self.story.test_samples)):
            self.results[split] = self.evaluate(self.samples(path, "base", split, number, 0.0), "base", split)
        metrics = self.results["test"].metrics
        self.conclude(
            "b",
            "  ".join(metric_text(m) for m in metrics if m.k in (1, self.story.k)),
            2280.0,
            metrics=list(metrics),
            files=[path],
            results=BaselineResults(base=BASE, judge=JUDGE, splits=dict(self.results)),
        )

    def gate_c(self) -> None:
        """Training: a loss curve with one resume, checkpoints."""
        folder = self.run.gate_folder("c")
        rows, session = [], 1
        for step in range(1, self.story.steps[-1] + 1):
            session = 2 if step > self.story.resumed_at_step else 1
            loss = 0.35 + 1.6 * math.exp(-step / 35) + self.chance.gauss(0, 0.04)
            rows.append(
                {"session": session, "step": step, "loss": loss, "learning_rate": 0.005 * (1 - step / 130), "grad_norm": 0.7,
                 "tokens": 3200, "seconds": 0.2, "epoch": step / 50}
            )  # fmt: skip
        write_atomic(folder / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        files = [folder / "metrics.jsonl"]
        for step in self.story.steps:
            at = folder / "checkpoints" / f"step-{step:06d}"
            write_atomic(at / "adapter_model.safetensors", bytes([step % 256]) * 64)
            write_atomic(at / "adapter_config.json", "{}\n")
            write_atomic(at / "CHECKPOINT.json", "{}\n")
            files.append(at / "adapter_model.safetensors")
        self.conclude(
            "c",
            f"{rows[-1]['step']} steps  loss {rows[0]['loss']:.3f} → {rows[-1]['loss']:.3f}  {len(self.story.steps)} checkpoints",
            11520.0,
            checks=[ok("loss fell", "1.902 → 0.398", "the last ten steps below the first ten", "warn")],
            files=files,
            results=training_results(dict.fromkeys(self.story.steps, "ee" * 32)),
        )

    def gate_d(self) -> None:
        """Sweep: every cell on dev, and the choice by the real rule."""
        swept: dict[Cell, tuple[EvalResult, Path]] = {}
        for place, step in enumerate(self.story.steps):
            for scale in self.story.scales:
                cell = Cell(step, scale)
                lift = self.story.gain * (0.25 + 0.75 * scale * (place + 1) / len(self.story.steps))
                path = self.run.gate_folder("d") / "cells" / cell.name / "samples.jsonl"
                drawn = self.samples(path, cell.name, "dev", self.story.dev_samples, lift)
                swept[cell] = (self.evaluate(drawn, cell.name, "dev"), path)
        selection = select_cell(
            self.results["dev"].scores, {cell: result.scores for cell, (result, _) in swept.items()}, self.rule
        )
        rows = tuple(
            CellFacts(
                cell=row.cell.name, step=row.cell.step, scale=row.cell.scale, result=swept[row.cell][0],
                tasks=len(swept[row.cell][0].scores), dropped_after=None, gain=gain_metric("gain", row.gain),
                lower=None if row.gain.lower is None else 100 * row.gain.lower,
            )
            for row in selection.table
        )  # fmt: skip
        self.chosen = chosen_cell(selection.chosen.name, selection.sentence)
        self.conclude(
            "d",
            f"{len(rows)} cells  best {selection.chosen.name}",
            6300.0,
            reasons=[selection.sentence],
            files=[path for _, path in swept.values()],
            results=SweepResults(
                base=BASE,
                judge=JUDGE,
                k=self.story.k,
                cells=rows,
                chosen=self.chosen,
                search=grid_search(len(rows), self.story.dev_tasks, self.story.dev_samples),
            ),
        )

    def gate_e(self) -> None:
        """Decision on test by the real rule."""
        path = self.run.gate_folder("e") / "samples.jsonl"
        assert self.chosen is not None
        name = self.chosen.cell
        drawn = self.samples(path, name, "test", self.story.test_samples, self.story.gain)
        result = self.evaluate(drawn, name, "test")
        base = self.results["test"]
        evidence = Evidence(name, Canary(3.2, 0.0, 8), self.story.openings)
        decision = decide(base.scores, result.scores, self.rule, evidence)
        arms = Arms(base=base, cell=result)
        clean = None
        if self.contaminated:
            without = Evidence(
                name, evidence.canary, self.story.openings, tuple(self.contaminated), "they stand in the training rows"
            )
            clean = decide(base.scores, result.scores, self.rule, without)
        tested = [task for task in self.tasks if task.split == "test"]
        self.conclude(
            "e", decision.headline, 2400.0, "passed" if decision.verdict == "PROCEED" else "failed",
            reasons=list(decision.reasons), metrics=list(decision.metrics()), files=[path],
            results=DecisionResults(
                base=BASE, judge=JUDGE, chosen=self.chosen, split="test", canary=evidence.canary,
                openings=tuple(
                    Opening(at=self.clock.after(1), attempt=number + 1, cell=name)
                    for number in range(self.story.openings)
                ),
                arms=arms, tasks=self.task_facts(tested, arms), groups=gains_by_group(tested, arms, self.rule),
                movers=furthest_movers(arms, self.rule), decision=decision,
                recommendations=() if decision.verdict == "PROCEED" else RECOMMENDATIONS,
                decision_without_contaminated=clean,
            ),
        )  # fmt: skip

    def task_facts(self, tested: Sequence[Task], arms: Arms) -> tuple[TaskFacts, ...]:
        """Return Gate E's tasks, hostile text in each instruction."""
        leaked = contamination_facts(self.contaminated, len(tested)).tasks
        prompts = {task.id: f"<user>\n{task.instruction} {self.story.markup}\n<answer>\n" for task in tested}
        return tuple(
            row.model_copy(update={"instruction": f"{row.instruction} {self.story.markup}"})
            for row in task_facts(tested, arms, leaked, prompts)
        )


def metric_text(metric: Metric) -> str:
    """Return 'pass@5 34.8 ± 3.9'."""
    if metric.value is None or metric.low is None or metric.high is None:
        return f"{metric.name} undefined"
    return f"{metric.name} {metric.value:.1f} ± {(metric.high - metric.low) / 2:.1f}"


def environment_checks(waiver: str = "", contaminated: Sequence[str] = ()) -> list[Check]:
    """Return what a Gate A could have looked at."""
    found = f"{len(contaminated)} of 24 test tasks"
    checks = [
        fact("processor", "AMD EPYC, 2 cores"),
        fact("memory", "8.2 GB", "7.1 GB available"),
        ok("disk", "41 GB free", "at least 2 GB"),
        ok("python", "3.11.2", "3.11 or newer"),
        ok("references pass", "84 of 84", "all of them"),
        warn("isolation", "process+rlimits", "bubblewrap or a container", "Programs run beside your files, held by limits alone.", "Install bubblewrap."),
    ]  # fmt: skip
    if contaminated:
        miss = block("contamination", found, "no test task in the training rows", "A model that has read the answers is not measured.", "Remove those rows, or waive by name.", [f"{t}: prompt and answer stand in line {n}" for n, t in enumerate(contaminated, 11)])  # fmt: skip
        checks.append(Check(**{**asdict(miss), "waived": waiver}))
    return checks
