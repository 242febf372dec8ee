"""The command line of the simulation: the bench, and `plan`, which proposes sizes for a budget."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence

from env.installed.invocation import as_started
from env.refusal import Refusal
from env.silence import told
from eval.decision.racing import Schedule
from eval.decision.rule import DecisionRule
from eval.estimation.intervals import ALPHA, RESAMPLES, SEED
from eval.simulate.planning import MAX_FALSE_ALARM, Proposal, Wish, propose
from eval.simulate.trials import Outcomes, Protocol, simulate
from eval.simulate.worlds import CELLS, FAMILIES, SHAPES, World

K = 5
_MOST_CELLS = 1000
HEADER = (
    "true gain  rule         PROCEED  ADJUST INCONCL.   bias      SE  spread   cover   lower  chosen's gain  samples"
)


def bench_parser() -> argparse.ArgumentParser:
    """Return the bench's command line, whose defaults are the sizes and worlds of the acceptance bench."""
    arguments = _parser(
        "python -m eval.simulate", "Draw experiments with a known true gain and decide each by our rule"
    )
    integers = {
        "trials": 2000,
        "seed": SEED,
        "resamples": RESAMPLES,
        "dev-tasks": 60,
        "dev-clusters": 30,
        "dev-samples": 5,
        "test-tasks": 150,
        "test-clusters": 75,
        "test-samples": 6,
    }
    for name, value in integers.items():
        arguments.add_argument(f"--{name}", type=int, default=value)
    arguments.add_argument("--gains-pp", type=float, nargs="+", default=[0.0, 5.0, 10.0, 20.0])
    arguments.add_argument("--margin-pp", type=float, default=15.0)
    arguments.add_argument("--base-pct", type=float, default=28.0, help="the base's true pass@5")
    arguments.add_argument(
        "--cluster-correlation", type=float, default=0.1, help="correlation of latent ability inside a cluster"
    )
    arguments.add_argument(
        "--cells",
        nargs="+",
        choices=SHAPES,
        default=["equal", "ramp"],
        help="all nine have the gain, or it rises evenly from none to the gain, or only the last has it",
    )
    arguments.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    _add_race(arguments)
    return arguments


def plan_parser() -> argparse.ArgumentParser:
    """Return the command line of `plan`."""
    arguments = _parser("python -m eval.simulate plan", "Propose tasks x samples on dev and test for a budget")
    arguments.add_argument("--margin-pp", type=float, default=15.0)
    arguments.add_argument("--base-pct", type=float, default=28.0, help="the base's true pass@5")
    arguments.add_argument("--budget", type=int, default=3000, help="generations of the whole protocol")
    arguments.add_argument("--gain-pp", type=float, help="the gain that should proceed; margin + 5 when left out")
    arguments.add_argument("--cells", type=int, default=len(CELLS))
    arguments.add_argument("--max-dev-tasks", type=int, default=1000, help="tasks available or that can be written")
    arguments.add_argument("--max-test-tasks", type=int, default=1000)
    arguments.add_argument("--tasks-per-cluster", type=float, default=2.0)
    arguments.add_argument("--top", type=int, default=10, help="how many proposals are printed")
    arguments.add_argument("--check", type=int, default=200, help="simulated experiments on the first one; 0: none")
    arguments.add_argument("--seed", type=int, default=SEED)
    _add_race(arguments)
    return arguments


def _parser(prog: str, what: str) -> argparse.ArgumentParser:
    description = f"{what}; see README.md for what it gives."
    return argparse.ArgumentParser(prog=as_started(prog), description=description, allow_abbrev=False)


def _add_race(arguments: argparse.ArgumentParser) -> None:
    arguments.add_argument("--race-task-pct", type=float, nargs="+", default=[10.0, 20.0])
    arguments.add_argument("--race-min-tasks", type=int, default=6)
    arguments.add_argument("--race-keep-pct", type=float, default=40.0)
    arguments.add_argument("--race-finalists", type=int, default=2)


def schedule_of(asked: argparse.Namespace) -> Schedule:
    """Return the race that the arguments request. Raises Refusal as ``Schedule``."""
    return Schedule(tuple(asked.race_task_pct), asked.race_min_tasks, asked.race_keep_pct, asked.race_finalists)


def simulated_rule(sizes: argparse.Namespace) -> DecisionRule:
    """Return the default rule at the requested sizes. Raises Refusal as ``DecisionRule``."""
    return DecisionRule(
        k=K,
        margin_pp=sizes.margin_pp,
        alpha=ALPHA,
        power=0.8,
        selection="split",
        dev_tasks=sizes.dev_tasks,
        dev_clusters=sizes.dev_clusters,
        dev_samples=sizes.dev_samples,
        test_tasks=sizes.test_tasks,
        test_clusters=sizes.test_clusters,
        test_samples=sizes.test_samples,
        families=FAMILIES,
        noninferiority_pp=10.0,
        max_missing_pct=1.0,
        max_missing_gap_pp=1.0,
        canary_min_nats=1e-3,
        canary_max_zero_nats=1e-3,
        seed=SEED,
        resamples=sizes.resamples,
        splits_digest="simulated",
    )


def main(argv: Sequence[str]) -> int:
    """Print the bench or a plan and return 0; exits with 2 and one sentence on invalid arguments."""
    if argv[:1] == ["plan"]:
        arguments, run = plan_parser(), _plan
        argv = argv[1:]
    else:
        arguments, run = bench_parser(), _bench
    asked = arguments.parse_args(argv)
    try:
        with told("simulating"):
            run(asked)
    except Refusal as refusal:
        arguments.exit(2, f"{arguments.prog}: {refusal}\n")
    return 0


def _require(expectations: Sequence[tuple[bool, str]]) -> None:
    wrong = [sentence for holds, sentence in expectations if not holds]
    if wrong:
        raise Refusal(f"{'; '.join(wrong)}.")


def _bench(asked: argparse.Namespace) -> None:
    _require(
        [
            (asked.trials >= 1, f"--trials {asked.trials} is not at least 1"),
            (asked.processes >= 1, f"--processes {asked.processes} is not at least 1"),
            (asked.seed >= 0, f"--seed {asked.seed} is below 0"),
            (
                0 <= asked.cluster_correlation <= 1,
                f"--cluster-correlation {asked.cluster_correlation} is outside 0 to 1",
            ),
            *_rates_make_sense(asked.base_pct, asked.gains_pp),
        ]
    )
    protocol = Protocol(simulated_rule(asked), schedule_of(asked))
    rule, write = protocol.rule, _writer()
    # every process computes on one thread: numpy's own threads would compete for the same cores
    os.environ["OMP_NUM_THREADS"] = "1"
    write(
        f"{asked.trials:,} experiments a line, the same draws for every rule; nine cells; dev {rule.dev_tasks} x "
        f"{rule.dev_samples} in {rule.dev_clusters} clusters, test {rule.test_tasks} x {rule.test_samples} in "
        f"{rule.test_clusters}; percent and points"
    )
    told = {
        "equal": "every cell has the gain",
        "ramp": "the cells' gains rise evenly from none to the gain",
        "one": "only the last cell has the gain",
    }
    for shape in asked.cells:
        write(f"\n{told[shape]}\n{HEADER}")
        # without any gain all shapes are the same world
        told_already = shape != asked.cells[0]
        for gain_pp in (gain for gain in asked.gains_pp if gain or not told_already):
            world = World(asked.base_pct / 100, gain_pp / 100, shape, cluster_correlation=asked.cluster_correlation)
            for outcome in simulate(world, protocol, asked.trials, asked.seed, asked.processes):
                write(bench_line(outcome))


def _rates_make_sense(base_pct: float, gains_pp: Sequence[float]) -> list[tuple[bool, str]]:
    return [
        (0 < base_pct < 100, f"--base-pct {base_pct:g} is not between 0 and 100"),
        *(
            (0 < base_pct + gain < 100, f"a gain of {gain:g} on a base of {base_pct:g} is not between 0 and 100")
            for gain in gains_pp
        ),
    ]


def _writer() -> Callable[[str], None]:
    def write(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    return write


def bench_line(found: Outcomes) -> str:
    """Return one row of the printed table, in percent and points; "-" where a rule gives no number."""
    shares = (found.proceed, found.adjust, found.inconclusive)
    cells = [
        f"{100 * found.gain:+9.1f} ",
        f"{found.rule:<12}",
        *(_number(share, 7, 2) for share in shares[:2]),
        _number(shares[2], 8, 2),
        _number(found.bias, 6, 2, "+"),
        *(_number(value, 7, 2) for value in (found.se, found.spread)),
        *(_number(value, 7, 1) for value in (found.coverage, found.lower_coverage)),
        _number(found.quality, 14, 2, "+"),
        f"{found.samples:8,.0f}",
    ]
    return " ".join(cells)


def _number(fraction: float | None, width: int, digits: int, sign: str = "") -> str:
    return "-".rjust(width) if fraction is None else f"{100 * fraction:{sign}{width}.{digits}f}"


def _plan(asked: argparse.Namespace) -> None:
    gain_pp = asked.margin_pp + 5 if asked.gain_pp is None else asked.gain_pp
    _require(
        [
            (0 < asked.margin_pp < 100, f"--margin-pp {asked.margin_pp:g} is not between 0 and 100"),
            (gain_pp > asked.margin_pp, f"--gain-pp {gain_pp:g} is not above the margin of {asked.margin_pp:g}"),
            (asked.budget >= 1, f"--budget {asked.budget} is not at least 1"),
            (1 <= asked.cells <= _MOST_CELLS, f"--cells {asked.cells} is not between 1 and {_MOST_CELLS}"),
            (asked.tasks_per_cluster >= 1, f"--tasks-per-cluster {asked.tasks_per_cluster:g} is below 1"),
            (asked.top >= 1, f"--top {asked.top} is not at least 1"),
            (asked.check >= 0 and asked.seed >= 0, "--check or --seed is below 0"),
            *_rates_make_sense(asked.base_pct, [gain_pp]),
        ]
    )
    wish = Wish(
        base_rate=asked.base_pct / 100,
        gain=gain_pp / 100,
        budget=asked.budget,
        cells=asked.cells,
        max_dev_tasks=asked.max_dev_tasks,
        max_test_tasks=asked.max_test_tasks,
        tasks_per_cluster=asked.tasks_per_cluster,
    )
    schedule = schedule_of(asked)
    found = propose(wish, _frozen(asked.margin_pp), schedule)
    if not found:
        raise Refusal(
            f"No test split fits a budget of {asked.budget:,} generations with {asked.cells} cells.",
            "Raise --budget, or sweep fewer cells.",
        )
    write = _writer()
    for line in plan_lines(found[: asked.top], wish, asked.margin_pp):
        write(line)
    if asked.check:
        write(_checked(found[0], wish, schedule, asked))


def _frozen(margin_pp: float) -> DecisionRule:
    """Return the default rule with sizes that every proposal replaces."""
    sizes = bench_parser().parse_args([])
    sizes.margin_pp = margin_pp
    return simulated_rule(sizes)


def plan_lines(found: Sequence[Proposal], wish: Wish, margin_pp: float) -> Iterator[str]:
    """Yield the printed ranking, best first, and the overrides that select the first."""
    gain_pp = 100 * wish.gain
    yield (
        f"at most {wish.budget:,} generations, margin {margin_pp:g} pp, base pass@{K} {100 * wish.base_rate:g}%, "
        f"{wish.cells} cells, of which the best gains {gain_pp:g} pp"
    )
    yield (
        "P(PROCEED) when every cell gains that much, when only the best of rising cells does, and when every cell is "
        f"5 pp short of the margin (above {100 * MAX_FALSE_ALARM:.0f}% ranks last)"
    )
    yield "         dev       test  generations  detects    every     best    short"
    for number, item in enumerate(found, start=1):
        rule = item.rule
        detects = "nothing" if item.detectable is None else f"{100 * item.detectable:4.1f} pp"
        yield (
            f"{number:3}. {rule.dev_tasks:4} x {rule.dev_samples:<2} {rule.test_tasks:5} x {rule.test_samples:<2} "
            f"{item.generations:12,}  {detects}  {100 * item.power:6.1f}%  {100 * item.power_raced:6.1f}%  "
            f"{100 * item.false_alarm:6.1f}%"
        )
    best = found[0].rule
    yield (
        f"proposed: dataset.dev_tasks={best.dev_tasks} sampling.samples_dev={best.dev_samples} "
        f"dataset.test_tasks={best.test_tasks} sampling.samples_test={best.test_samples}"
    )


def _checked(best: Proposal, wish: Wish, schedule: Schedule, asked: argparse.Namespace) -> str:
    """Return what real decisions on simulated experiments say about the first proposal."""
    world = World(wish.base_rate, wish.gain, "ramp")
    raced, *_ = simulate(world, Protocol(best.rule, schedule), asked.check, asked.seed)
    return (
        f"checked by {asked.check} simulated experiments with nine rising cells: PROCEED in "
        f"{100 * raced.proceed:.1f}%, the chosen cell truly gains {100 * raced.quality:+.1f} pp"
    )
