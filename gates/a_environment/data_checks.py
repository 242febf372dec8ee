"""Whether the data is fit for the experiment: splits, duplicates, leaks, references and training answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from env.checks import Check, fact, judged, ok, warn
from env.counts import counted, listed_text
from env.refusal import Refusal
from eval.datasets.splits import MIN_CLUSTERS, Selection, all_dev, choose_selection, split_sizes
from eval.domains import Cause, Domain
from eval.overlap.clusters import ALIKE_JACCARD, alike_across_clusters
from eval.overlap.contamination import Contamination, Overlap, Status, Tier, survey
from eval.pipeline.extract import extract
from eval.pipeline.instrument import KINDS, Kind, KnownAnswer, judge_known_answers
from eval.pipeline.loop import judge
from eval.pipeline.verifier import Caveat, Verifier
from eval.records import SPLITS, Dataset, Outcome, Row, Task, Verdict
from gates.a_environment.instrument_checks import (
    cause_of,
    constant_check,
    near_miss_check,
    reference_check,
    with_derived_misses,
)
from gates.measuring.bench import domain_of_experiment, open_judge
from gates.report.results import ContaminationFacts, DatasetFacts, Leak
from gates.settings import Experiment

_LINES_NAMED = 10


@dataclass(frozen=True, slots=True)
class DataFindings:
    """The result of checking the data.

    Attributes:
        usable: the dataset without the tasks whose own reference does not pass; all of it dev under "max-t".
        facts: for reports: sizes, families, digest, the ids that were left out.
        contamination: what training has seen of the tasks; the decision is recomputed without its ``leaked`` ones.
        selection: whether a test split is kept for the decision ("split") or not ("max-t"), and why.
    """

    checks: list[Check]
    usable: Dataset
    facts: DatasetFacts
    contamination: Contamination
    selection: Selection
    selection_reason: str

    @property
    def sizes(self) -> dict[str, int]:
        """Tasks and clusters per split: dev_tasks, dev_clusters, test_tasks, test_clusters."""
        return split_sizes(self.usable.tasks)


def inspect_data(experiment: Experiment, dataset: Dataset) -> DataFindings:
    """Check a loaded dataset. Programs are executed; no model is loaded.

    Raises:
        Refusal: no task is left, or too few clusters for an interval.
    """
    domain = domain_of_experiment(experiment)
    with open_judge(experiment) as verifier:
        known = judge_known_answers(dataset.tasks, verifier, domain.constant_answers)
        variants = judge_known_answers(with_derived_misses(dataset.tasks, domain), verifier, (), ["near miss"])
        answers = _judge_answers(dataset.rows, domain, experiment.dataset.mod_name or "", verifier)
        judge_facts = [
            fact("verifier", verifier.name, verifier.choice),
            *_version_check(verifier.name, verifier.caveat),
            fact("isolation", verifier.isolation, verifier.isolation_reason),
        ]
    of_kind: dict[Kind, list[KnownAnswer]] = {
        kind: [answer for answer in known if answer.kind == kind] for kind in KINDS
    }
    failing = [answer for answer in of_kind["reference"] if not answer.passed]
    cause = cause_of(failing, len(dataset.tasks), domain) if failing else None
    excluded = {answer.task.id for answer in failing} if experiment.dataset.exclude_broken_references else set()
    usable = replace(dataset, tasks=tuple(task for task in dataset.tasks if task.id not in excluded))
    selection, why = choose_selection(experiment.rule.selection, usable.tasks)
    usable = usable if selection == "split" else all_dev(usable)
    require_clusters(usable, selection, cause)
    found = survey(dataset.tasks, dataset.rows)
    checks = [
        *judge_facts,
        ok("tasks", _size_sentence(usable), "valid tasks in enough clusters"),
        *(warn(r.subject, r.value, "", r.reason, r.fix, r.evidence) for r in dataset.remarks),
        reference_check(failing, len(dataset.tasks), bool(excluded), cause),
        constant_check([answer for answer in of_kind["constant"] if answer.passed]),
        near_miss_check(of_kind["near miss"], variants),
        _alike_check(dataset.tasks),
        *_leak_checks(found, len(dataset.tasks)),
        _duplicate_check(found, len(dataset.rows)),
        _answer_check(answers, len(dataset.rows)),
    ]
    return DataFindings(checks, usable, _facts(usable, sorted(excluded)), found, selection, why)


def _version_check(name: str, caveat: Caveat | None) -> list[Check]:
    if caveat is None:
        return []
    return [warn("verifier version", name, "a version that was validated", caveat.reason, caveat.fix)]


def require_clusters(dataset: Dataset, selection: Selection, cause: Cause | None) -> None:
    """Require the two clusters that an interval needs in every split that is decided on.

    Raises:
        Refusal: a split has fewer; where references fail, that is said first, as the likely cause.
    """
    sizes = split_sizes(dataset.tasks)
    for split in SPLITS if selection == "split" else ("dev",):
        if sizes[f"{split}_clusters"] < MIN_CLUSTERS:
            few = (
                f"The {split} split of {dataset.name} has {sizes[f'{split}_tasks']} usable tasks in "
                f"{sizes[f'{split}_clusters']} clusters; at least {counted(MIN_CLUSTERS, 'cluster')} are needed."
            )
            if cause is not None:
                raise Refusal(f"{cause.clause}. {few}", cause.fix)
            raise Refusal(
                few,
                "Add tasks that do not share a template with the others"
                + (", or decide without a test split: rule.selection=auto." if selection == "split" else "."),
            )


def _judge_answers(rows: Sequence[Row], domain: Domain, mod_name: str, verifier: Verifier) -> list[tuple[Row, Verdict]]:
    """Execute every training answer without any check: does it apply, parse and load? Calls are only read."""
    tasks = [
        Task(
            id=str(number),
            family=row.family,
            kind=row.kind,
            cluster=row.cluster,
            split="dev",
            instruction=row.instruction,
            input=row.input,
            answer="diff" if _is_diff(row) else domain.families[row.family],  # type: ignore[arg-type]
            reference=row.output,
            checks=(),
            mod_name=mod_name,
        )
        for number, row in enumerate(rows)
    ]
    executed = [task for task in tasks if task.answer != "calls"]
    judged = judge([(task, task.reference) for task in executed], verifier)
    verdicts = {task.id: verdict for task, (_, verdict) in zip(executed, judged, strict=True)}
    verdicts |= {task.id: _read_verdict(task, verifier) for task in tasks if task.answer == "calls"}
    return [(row, verdicts[str(number)]) for number, row in enumerate(rows)]


def _is_diff(row: Row) -> bool:
    """Whether a row answers by a diff of the code it is given; a family of programs may hold such rows too."""
    return bool(row.input) and any(line.startswith("@@ ") for line in row.output.splitlines())


def _read_verdict(task: Task, verifier: Verifier) -> Verdict:
    """Return whether a row's calls can be read: a row has no world to execute them in."""
    candidate = extract(task, task.reference, verifier.language)
    outcome = candidate.outcome or Outcome.PASSED
    return Verdict(outcome, candidate.detail, 0.0, "extraction", "none: nothing was executed")


def _size_sentence(dataset: Dataset) -> str:
    sizes = split_sizes(dataset.tasks)
    parts = [
        f"{sizes[f'{split}_tasks']} {split} in {sizes[f'{split}_clusters']} clusters"
        for split in SPLITS
        if sizes[f"{split}_tasks"]
    ]
    return f"{counted(len(dataset.tasks), 'task')}: {', '.join(parts)}; {counted(len(dataset.rows), 'training row')}"


# The tiers, each with the check that reports it (its waiver has the same name) and what its leak means.
_TIERS: dict[Tier, tuple[str, str, str]] = {
    "T1": (
        "exact leaks",
        "verbatim in the training rows",
        "The adapter would be tested on its own training rows: the gain would be memorisation.",
    ),
    "T3": (
        "near leaks",
        "nearly in the training rows (J ≥ 0.7)",
        "An item that training has seen with a word changed measures memorisation too.",
    ),
    "T2": (
        "partial leaks",
        "in long parts in the training rows (a 13-gram of the answer, or 8-grams over half the prompt)",
        "The model need not solve the parts of a prompt or answer that training has seen.",
    ),
}


def _leak_checks(found: Contamination, total: int) -> list[Check]:
    """Check what training has seen of the tasks; each leaked task is counted once, in its strongest tier."""
    counted = found.tier_of()
    return [
        _leak_check(tier, found, [task_id for task_id in counted if counted[task_id] == tier], total) for tier in _TIERS
    ]


def _leak_check(tier: Tier, found: Contamination, leaked: Sequence[str], total: int) -> Check:
    name, where, meaning = _TIERS[tier]
    counted = set(leaked)
    mine = sorted(
        (o for o in found.overlaps if o.tier == tier and o.task_id in counted), key=lambda o: o.part != "both"
    )
    return judged(
        name,
        "block",
        not leaked,
        _leak_sentence(mine, len(leaked), total, where),
        f"no eval item {where}",
        reason=meaning,
        fix=f"Remove these rows from the training file, or waive: gate.a.waivers.{name.replace(' ', '_')}='<reason>'.",
        evidence=[str(o) for o in mine],
        data=[asdict(o) for o in mine],
    )


def _leak_sentence(overlaps: Sequence[Overlap], leaked: int, total: int, where: str) -> str:
    """Return how many items leak; for a verbatim leak, how many with prompt and answer."""
    whole = len({o.task_id for o in overlaps if o.part == "both"})
    if not whole or whole == leaked:
        return f"{leaked} of {total} eval items appear {where}"
    return f"{whole} of {total} eval items appear {where}, {leaked - whole} more by prompt or answer alone"


def _alike_check(tasks: Sequence[Task]) -> Check:
    pairs = alike_across_clusters([f"{task.instruction}\n{task.input}" for task in tasks], [t.cluster for t in tasks])
    return judged(
        "alike tasks",
        "block",
        not pairs,
        f"{counted(len(pairs), 'pair')} of near-duplicate tasks (J ≥ {ALIKE_JACCARD}) in different clusters",
        "near-duplicates share a cluster",
        reason="A repeated task would count as two, and dev could reveal what test contains.",
        fix="Give these tasks one cluster, or remove the repetition.",
        evidence=[f"{tasks[p.left].id} and {tasks[p.right].id}: J {p.jaccard:.2f}" for p in pairs],
    )


def _duplicate_check(found: Contamination, total: int) -> Check:
    repeated = sum(len(group) - 1 for group in found.row_duplicates)
    return judged(
        "duplicates",
        "warn",
        repeated == 0,
        f"{repeated} of {counted(total, 'training row')} repeat another one",
        "every row once",
        reason="Repeated rows weigh more in training without adding information.",
        fix="Remove the repetitions.",
        evidence=[f"lines {listed_text(group, _LINES_NAMED)}" for group in found.row_duplicates],
    )


def _answer_check(answers: Sequence[tuple[Row, Verdict]], total: int) -> Check:
    broken = [(number, row, v) for number, (row, v) in enumerate(answers, start=1) if v.outcome != Outcome.PASSED]
    return judged(
        "training answers",
        "warn",
        not broken,
        f"{total - len(broken)} of {total} apply, parse and load",
        "every training answer loads",
        reason="The adapter also learns the errors in its training rows.",
        fix="Correct or remove these rows.",
        evidence=[
            f"{f'line {row.line}' if row.line else f'row {number}'}: {v.outcome}: {v.detail}"
            for number, row, v in broken
        ],
    )


def contamination_facts(found: Contamination) -> ContaminationFacts:
    """Return what training has seen of the tasks, for reports."""
    tiers = found.tier_of()
    return ContaminationFacts(
        counts={status: len(found.ids(status)) for status in Status},
        tasks={task_id: Leak(status=found.status[task_id], tier=tiers[task_id]) for task_id in found.leaked},
        overlaps=found.overlaps,
    )


def _facts(dataset: Dataset, excluded: Sequence[str]) -> DatasetFacts:
    families = Counter(task.family for task in dataset.tasks)
    return DatasetFacts(
        name=dataset.name,
        digest=dataset.digest,
        tasks=len(dataset.tasks),
        **split_sizes(dataset.tasks),
        rows=len(dataset.rows),
        families=dict(sorted(families.items())),
        excluded=tuple(excluded),
        notes=dataset.notes,
    )
