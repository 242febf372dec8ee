"""What a selection must not be: contaminated, of one family, of ever fewer programs. Each guard is a check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from env.checks import Check, fact, judged
from env.counts import counted
from eval.overlap.contamination import Tier, survey
from eval.records import Row, Sample, Task
from eval.rejection.answers import Drawn, OwnAnswer
from eval.rejection.selection import Selection
from gates.c_training.rounds.pool import Pool
from gates.report.rounds import RoundFacts

# The waivers of Gate A under which an overlap of a tier is accepted: what was waived for the rows is for the answers.
_WAIVERS: dict[Tier, str] = {"T1": "exact_leaks", "T3": "near_leaks", "T2": "partial_leaks"}
# A family that had this share of its part of the pool is told, and distinct programs that fell by this much.
_HALVED, _FELL = 0.5, 0.2


def clean_check(
    name: str, tasks: Sequence[Task], rows: Sequence[Row], waivers: Mapping[str, str | None], of: str
) -> Check:
    """Return whether ``rows`` hold nothing of the dev and test ``tasks``, by every tier of Gate A's survey."""
    found = survey(tasks, rows)
    open_ = [one for one in found.overlaps if not waivers.get(_WAIVERS[one.tier])]
    keys = " or ".join(f"gate.a.waivers.{_WAIVERS[tier]}" for tier in sorted({one.tier for one in open_}))
    return judged(
        name,
        "block",
        not open_,
        f"{len({one.task_id for one in open_})} of {counted(len(tasks), 'eval item')} occur in {of}",
        "no eval item occurs there",
        reason=f"Training on {of} would be training on the tasks that measure it.",
        fix=f"Remove these rows from the training data, or waive with a reason: {keys}.",
        evidence=[str(one) for one in open_],
    )


def prompt_rows(tasks: Iterable[Task]) -> list[Row]:
    """Return what the tasks of the pool ask, as rows without answers; their lines are their places."""
    return [Row(task.instruction, task.input, "", task.family, line=n) for n, task in enumerate(tasks, start=1)]


def selected_rows(
    selection: Selection, samples: Mapping[tuple[str, int], Sample], tasks: Mapping[str, Task]
) -> list[Row]:
    """Return the answers that are kept as training rows; their lines are those of selected.jsonl."""
    found = []
    for line, kept in enumerate(selection.kept, start=1):
        task, text = tasks[kept.answer.task_id], samples[kept.answer.key].completion.text
        found.append(Row(task.instruction, task.input, text, task.family, task.cluster, task.kind, line))
    return found


def pool_checks(pool: Pool, rows: int) -> list[Check]:
    """Return what is drawn for, what was left out, and how many gold rows no check can judge."""
    left_out = "; ".join(f"{count} since {why}" for why, count in pool.left_out.items())
    return [
        judged(
            "training tasks",
            "warn",
            not pool.left_out,
            f"{counted(len(pool.tasks), 'task')} to draw for" + (f"; left out: {left_out}" if left_out else ""),
            "every task accepts its own answer and no constant one",
            reason="A check that accepts anything would teach anything.",
            fix="Correct the checks of these rows.",
        ),
        fact("rows without a task", f"{pool.unchecked_rows} of {rows}", "no answer to them is drawn: they stay gold"),
    ]


def selection_checks(
    number: int, answers: Sequence[OwnAnswer], selection: Selection, before: RoundFacts | None, drawn: Drawn
) -> list[Check]:
    """Return the guards that warn: families that shrink, programs that become fewer, and what was dropped and why."""
    dropped = ", ".join(f"{count} {why}" for why, count in selection.dropped.items())
    shrunk = shrunk_families(answers, selection)
    checks = [
        fact(f"round {number} kept", f"{len(selection.kept)} of {drawn.passed} that passed", dropped),
        judged(
            f"round {number} families",
            "warn",
            not shrunk,
            "; ".join(shrunk) or "each family keeps at least half of its share",
            "no family's share falls to half",
            reason="What is easy is kept more often: the model will see less of what it cannot do.",
            fix="Draw more samples, or keep gold rows beside the answers: gate.c.rft.gold=mix.",
        ),
    ]
    if before is None:
        return checks
    was, now = before.drawn.distinct, drawn.distinct
    return [
        *checks,
        judged(
            f"round {number} distinct programs",
            "warn",
            now > (1 - _FELL) * was,
            f"{was:.2f} → {now:.2f} a task",
            "they fall by less than 20%",
            reason="The model repeats itself: later rounds find ever less that is new.",
            fix="Lower gate.c.rft.rounds, or raise gate.c.rft.temperature.",
        ),
    ]


def shrunk_families(answers: Sequence[OwnAnswer], selection: Selection) -> list[str]:
    """Return the families whose share of the kept answers is at most half of their share of the tasks, with both."""
    families = {one.task_id: one.family for one in answers}
    asked, kept = Counter(families.values()), Counter(one.answer.family for one in selection.kept)
    shares = {family: (count / asked.total(), kept[family] / max(1, kept.total())) for family, count in asked.items()}
    return [
        f"{family} from {100 * before:.0f}% to {100 * after:.0f}%"
        for family, (before, after) in sorted(shares.items())
        if after <= _HALVED * before
    ]


def why_nothing(answers: Sequence[OwnAnswer], selection: Selection) -> list[str]:
    """Return, by family, why no answer was kept."""
    by_family: dict[str, Counter[str]] = {}
    for one in answers:
        by_family.setdefault(one.family, Counter())[one.outcome.value] += 1
    told = [
        f"{family}: {outcomes['PASSED']} of {counted(outcomes.total(), 'answer')} passed ("
        + ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common() if outcome != "PASSED")
        + ")"
        for family, outcomes in sorted(by_family.items())
    ]
    return [*told, *(f"{count} that passed: {why}" for why, count in selection.dropped.items())]
