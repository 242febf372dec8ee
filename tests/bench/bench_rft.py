"""Rejection sampling beside its control arms: real runs from A to D, seed by seed, and the table of docs/rft.md.

    python tests/bench/bench_rft.py [--seeds 0 1 2] [--folder FOLDER] [KEY=VALUE ...]

Tasks, gold rows, training and draws differ between seeds. Intervals are over all seeds' dev tasks, by cluster. A run that
is already in the folder is continued, so a table that was interrupted loses nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from env.counts import counted
from eval.estimation.estimators import paired_gains, pass_rates
from eval.estimation.intervals import Estimate, estimate_gain, estimate_rate
from eval.records import EvalResult, TaskScore
from gates.report import read_report
from gates.report.results import BaselineResults, SweepResults, TrainingResults
from tests.support.runs import PROJECT, environment, only_run, runner

# Few gold rows and more tasks than them, as where tasks are cheap and answers are not: then there is something to learn.
SIZES = (
    "gate/c=rft",
    "gate.c.rft.failed_only=true",
    "gate.c.rft.tasks=240",
    "dataset.rows=60",
    "dataset.dev_tasks=100",
    "dataset.test_tasks=12",
    "rule.selection=split",
    "sampling.samples_test=5",
    "gate.c.train.checkpoint_every=120",
    "gate.d.search=grid",
    "gate.d.scales=[1.0]",
)
NAMES = {
    "base": "base",
    "drawer": "drawer: supervised fine-tuning on the gold rows",
    "": "one round: gold rows and answers that passed",
    "gold": "control: as many steps on the gold rows",
    "unjudged": "control: gold rows and one unjudged answer a task",
    "failed": "failed answers alone (instrument check)",
}


def main() -> None:
    """Run every seed, then print the table."""
    options = _options()
    found: dict[str, list[TaskScore]] = {name: [] for name in NAMES}
    for seed in options.seeds:
        folder = _run(options.folder / f"seed-{seed}", seed, options.overrides)
        for name, result in _arms(folder).items():
            found[name] += _of_seed(result.scores, seed)
            print(f"seed {seed}  {name or 'round':<9} {', '.join(_rates(result))}", flush=True)
        print(_drawn(folder), flush=True)
    print("\n".join(_table(found)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--folder", type=Path, default=Path("results/bench_rft"))
    parser.add_argument("overrides", nargs="*", help="of the configuration, after the script's own")
    return parser.parse_args()


def _run(results: Path, seed: int, overrides: Sequence[str]) -> Path:
    """Return the folder of a run that has passed Gate D."""
    if not results.is_dir():
        runner("new", *SIZES, f"seed={seed}", f"dataset.seed={seed}", *overrides, results=results, check=True)
    # without a limit: on a busy machine it takes as long as it takes
    command = [sys.executable, "-m", "runner", "advance", "--to", "D"]
    done = subprocess.run(command, cwd=PROJECT, env=environment(results), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return only_run(results)


def _results(folder: Path, gate: str) -> object:
    report = read_report(folder / f"gate_{gate}" / "report.json")
    return None if report is None else report.results


def _arms(folder: Path) -> Mapping[str, EvalResult]:
    base, sweep = _results(folder, "b"), _results(folder, "d")
    assert isinstance(base, BaselineResults)
    assert isinstance(sweep, SweepResults)
    drawer = next(cell.result for cell in sweep.cells if cell.round == 0)
    controls = {row.arm: row.result for row in sweep.controls}
    return {"base": base.splits["dev"], "drawer": drawer, "": sweep.controls[0].trained_result, **controls}


def _of_seed(scores: Iterable[TaskScore], seed: int) -> list[TaskScore]:
    return [replace(score, task_id=f"{seed}/{score.task_id}") for score in scores]


def _rates(result: EvalResult) -> list[str]:
    return [f"{metric.name} {metric.value:.1f}" for metric in result.metrics if metric.value is not None]


def _drawn(folder: Path) -> str:
    trained = _results(folder, "c")
    assert isinstance(trained, TrainingResults)
    facts = trained.rounds[0]
    drawn = facts.drawn
    return (
        f"  drawn: {counted(drawn.samples, 'answer')}, {drawn.passed} passed; {drawn.solved} of {drawn.tasks} tasks solved, "
        f"{drawn.all_pass} by every answer; {drawn.distinct:.2f} programs a task; kept {facts.kept}; {dict(facts.dropped)}"
    )


def _table(found: Mapping[str, Sequence[TaskScore]]) -> Iterable[str]:
    yield "| trained on | pass@1, % | pass@5, % | the round's gain in pass@1, pp | in pass@5, pp |"
    yield "|---|---:|---:|---:|---:|"
    for name, scores in found.items():
        rates = [_text(estimate_rate(pass_rates(scores, k)), "") for k in (1, 5)]
        gains = [_text(estimate_gain(paired_gains(scores, found[""], k)), "+") for k in (1, 5)] if name else ["", ""]
        yield f"| {NAMES[name]} | {' | '.join([*rates, *gains])} |"


def _text(estimate: Estimate, sign: str) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "undefined"
    value, low, high = (format(100 * number, f"{sign}.1f") for number in (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low} to {high})"


if __name__ == "__main__":
    main()
