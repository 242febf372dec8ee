"""How long the gates take: from speeds that Gate A measured on this machine, with this model, on these tasks."""

from __future__ import annotations

from dataclasses import dataclass, replace

from env.counts import counted
from gates.context import PlanContext
from gates.report.results import EnvironmentResults, Generations, Pace
from gates.settings import drawn_together, planned_work
from training.records import ModelSettings


@dataclass(frozen=True, slots=True)
class Duration:
    """About how many seconds a gate will take, and from what that follows."""

    seconds: float
    basis: str


def gate_durations(pace: Pace, generations: Generations, steps: int, draws: int = 0) -> dict[str, Duration]:
    """Return each gate's duration by its letter, Gate A's left out; pure. ``draws`` are answers that C draws."""
    step_s = pace.tokens_per_step / pace.train_tokens_per_s
    drawn = {"b": generations.base, "d": generations.sweep, "e": generations.decision}
    durations = {
        gate: Duration(pace.load_s + _sampling_s(pace, samples), _sampling_basis(pace, samples))
        for gate, samples in drawn.items()
    }
    training = f"{counted(steps, 'step')} of {step_s:.1f} s, {pace.tokens_per_step:,.0f} tokens each"
    drawing = f"; {_sampling_basis(pace, draws)}" if draws else ""
    return {**durations, "c": Duration(pace.load_s + steps * step_s + _sampling_s(pace, draws), training + drawing)}


def recorded_pace(context: PlanContext) -> Pace | None:
    """Return what Gate A of the run measured; None before it has passed, or where its version measured nothing."""
    report = context.report("a")
    if report is None or not isinstance(report.results, EnvironmentResults) or report.results.probe is None:
        return None
    return report.results.probe.pace


def recorded_durations(context: PlanContext) -> dict[str, Duration]:
    """Return the durations of the gates after A by the run's own measurement; {} before there is one."""
    report, pace = context.report("a"), recorded_pace(context)
    if pace is None or report is None or not isinstance(report.results, EnvironmentResults):
        return {}
    frozen = report.results.frozen
    if frozen is None or frozen.generations is None:
        return {}
    return gate_durations(pace, frozen.generations, *planned_work(context.experiment, report.results.dataset.rows))


def samples_per_call(context: PlanContext) -> int:
    """Return how many samples one generation call takes: as requested, else what Gate A found to be a minute's work."""
    requested = context.experiment.sampling.samples_per_call
    pace = recorded_pace(context)
    if requested or pace is None:
        return requested or drawn_together(context.experiment)[0][0]
    return pace.samples_per_call


def as_recorded(settings: ModelSettings, pace: Pace | None) -> ModelSettings:
    """Return the settings with what Gate A chose: rows of a batch, and threads, shared out among the processes.

    Numbers may depend on both, so a run keeps the choice, however busy the machine is later.
    """
    if pace is not None and pace.batch_size and len(settings.batch_sizes) > 1:
        settings = replace(settings, batch_size=pace.batch_size)
    if settings.threads or pace is None or not pace.threads:
        return settings
    return replace(settings, threads=max(1, pace.threads // settings.processes))


def _sampling_s(pace: Pace, samples: int) -> float:
    """Return the seconds of generating and verifying, which overlap."""
    generating = samples * pace.tokens_each / pace.tokens_per_s
    return max(generating, samples / pace.judged_per_s) if pace.judged_per_s else generating


def _sampling_basis(pace: Pace, samples: int) -> str:
    if not samples:
        return "nothing is generated"
    return f"{counted(samples, 'sample')} of {pace.tokens_each:.0f} tokens at {pace.tokens_per_s:,.0f} tokens a second"
