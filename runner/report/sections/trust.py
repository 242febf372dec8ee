"""Can the instrument be trusted: each question a reviewer would ask of it, answered from the run's artifacts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from eval.records import EvalResult, Outcome, Sample
from gates.report.results import DecisionResults
from runner.report.data import TaskView, TrustRow
from runner.report.sections.exposure import contamination_sentence, read_exposures
from runner.report.sections.measures import arm_results
from runner.runs.folder import command
from runner.views.artifacts import FOREIGN, Artifacts

# A program that took more than this share of the time limit might have been stopped on a slower machine.
_NEAR_LIMIT = 0.5
_MANY_PCT = 1.0
_QUESTIONS = {
    "references": "Do the reference answers pass?",
    "constant answers": "Are fixed answers refused?",
    "near misses": "Are plausible wrong answers refused?",
    "alike tasks": "Do near-duplicate tasks share a cluster?",
}


def read_trust(found: Artifacts, tasks: Sequence[TaskView], limits: Mapping[str, Any]) -> tuple[TrustRow, ...]:
    """Return what is known of the instrument; ``limits`` is the configuration's section "verifier"."""
    parts: tuple[Callable[[], Iterable[TrustRow]], ...] = (
        lambda: _checks(found),
        lambda: _contamination(found),
        lambda: _rejudged(found),
        lambda: _missing(found),
        lambda: _truncated(found),
        lambda: _slow(tasks, limits),
        lambda: _findings(tasks),
        lambda: _canary(found),
        lambda: _openings(found),
        lambda: [_bytes(found)] if found.reports else [],
    )
    return tuple(chain.from_iterable(part() for part in parts))


def _checks(found: Artifacts) -> Iterable[TrustRow]:
    report = found.reports.get("a")
    by_name = {check.name: check for check in report.checks} if report is not None else {}
    for name, question in _QUESTIONS.items():
        check = by_name.get(name)
        if check is not None:
            waived = f" Waived: {check.waived}" if check.waived else ""
            yield TrustRow(question, "ok" if check.ok else "fails", f"{check.value}.{waived}")


def _contamination(found: Artifacts) -> Iterable[TrustRow]:
    sentence = contamination_sentence(found).removeprefix("Contamination: ")
    if sentence:
        statuses = {exposure.status for exposure in read_exposures(found).values()}
        state = "fails" if "CONTAMINATED" in statuses else "warns" if statuses else "ok"
        yield TrustRow("Has training seen the tasks?", state, sentence[:1].upper() + sentence[1:])


def _rejudged(found: Artifacts) -> Iterable[TrustRow]:
    question = "Do the verdicts hold when judged again?"
    files = sorted(
        (found.run.folder / "rejudge").glob("gate_*.json"), key=lambda path: (path.name[:6], len(path.name), path.name)
    )
    if not files and arm_results(found):
        yield TrustRow(question, "unknown", f"Not checked. Run `{command(found.run.folder, 'rejudge E')}`.")
    # of each gate the latest: names order by gate, then number
    for path in {path.name[:6]: path for path in files}.values():
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            samples, other, flips = int(told["samples"]), len(told["disagreements"]), int(told["flips"])
            gate, verifier = str(told["gate"]).upper(), str(told["verifier"])
        except (*FOREIGN, OSError) as error:
            found.problems.append(f"rejudge/{path.name} cannot be read ({error!r}).")
            continue
        answer = (
            f"Gate {gate}: {samples - other:,} of {samples:,} are the same under {verifier}; "
            f"{flips} flip between pass and fail."
        )
        yield TrustRow(question, "fails" if flips else "warns" if other else "ok", answer)


def _missing(found: Artifacts) -> Iterable[TrustRow]:
    results, rule = arm_results(found), found.rule
    limit = rule.max_missing_pct if rule is not None else _MANY_PCT
    if results:
        shares = [_share(result.harness_errors, result.samples) for _, result in results]
        state = "fails" if max(shares) > limit else "warns" if max(shares) > 0 else "ok"
        answer = _by_arm(results, lambda result: result.harness_errors, "could not be judged (HARNESS_ERROR)")
        yield TrustRow("Could every sample be judged?", state, f"{answer}; at most {limit:g}% is allowed.")


def _truncated(found: Artifacts) -> Iterable[TrustRow]:
    results = arm_results(found)
    if results:
        worst = max(_share(result.truncated, result.samples) for _, result in results)
        answer = _by_arm(results, lambda result: result.truncated, "hit the token limit")
        yield TrustRow("Were answers cut off?", "warns" if worst > _MANY_PCT else "ok", f"{answer}.")


def _by_arm(results: Sequence[tuple[str, EvalResult]], count: Callable[[EvalResult], int], what: str) -> str:
    told = [
        f"{count(result):,} of {result.samples:,} of the {'base' if name == 'base' else 'adapter'}"
        for name, result in results
    ]
    return f"{' and '.join(told)} {what}"


def _share(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0


def _slow(tasks: Sequence[TaskView], limits: Mapping[str, Any]) -> Iterable[TrustRow]:
    """How many programs were stopped, and how many ended so late that a slower machine might have stopped them."""
    samples = list(_samples(tasks))
    limit_s = min((float(limits[key]) for key in ("timeout_s", "cpu_s") if key in limits), default=None)
    if not samples or limit_s is None:
        return
    stopped = sum(sample.verdict.outcome == Outcome.TIMEOUT for sample in samples)
    near = [s for s in samples if s.verdict.outcome != Outcome.TIMEOUT and s.verdict.seconds > _NEAR_LIMIT * limit_s]
    slowest = max((s.verdict.seconds for s in samples if s.verdict.outcome != Outcome.TIMEOUT), default=0.0)
    answer = (
        f"{stopped:,} of {len(samples):,} were stopped; {len(near):,} took more than half of the {limit_s:g} s limit; "
        f"the slowest that finished took {slowest:.3f} s."
    )
    yield TrustRow("Does the time limit decide?", "warns" if near else "ok", answer)


def _findings(tasks: Sequence[TaskView]) -> Iterable[TrustRow]:
    """How many passing programs have findings: what the API's facts do not know, and what reading them finds."""
    told = []
    for name, samples in (("the base", _samples(tasks, "base")), ("the adapter", _samples(tasks, "cell"))):
        passed = [sample for sample in samples if sample.verdict.outcome == Outcome.PASSED]
        if passed:
            odd = sum(bool(sample.verdict.findings) for sample in passed)
            told.append((odd, f"{odd:,} of {len(passed):,} passing programs of {name}"))
    if told:
        state = "warns" if any(odd for odd, _ in told) else "ok"
        what = "names, types or ranges the API does not define, or mistakes"
        answer = f"{' and '.join(text for _, text in told)} have findings: {what}."
        yield TrustRow("Does a pass mean clean code?", state, answer)


def _samples(tasks: Sequence[TaskView], arm: str = "") -> Iterable[Sample]:
    for task in tasks:
        if arm != "cell":
            yield from task.base_samples
        if arm != "base":
            yield from task.cell_samples


def _canary(found: Artifacts) -> Iterable[TrustRow]:
    results = found.results(DecisionResults)
    if results is not None:
        canary = results.canary
        fired = any(guard.fired for guard in results.decision.guards if "canary" in guard.name)
        answer = (
            f"On {canary.prompts} prompts it moves log-probabilities by up to {canary.moved_nats:.3g} nats, "
            f"at scale 0 by {canary.zero_moved_nats:.3g}."
        )
        yield TrustRow("Was the adapter really applied?", "fails" if fired else "ok", answer)


def _openings(found: Artifacts) -> Iterable[TrustRow]:
    results = found.results(DecisionResults)
    if results is not None:
        times = len(results.openings)
        answer = f"{times} times: every extra look weakens the result."
        if times < 2:
            answer = "Once." if times else "Never: without a test split the dev tasks decide."
        yield TrustRow("How often were the test tasks opened?", "ok" if times < 2 else "warns", answer)


def _bytes(found: Artifacts) -> TrustRow:
    question = "Are the files those that the gates wrote?"
    files = sum(len(report.artifacts) for report in found.reports.values())
    if found.problems:
        return TrustRow(question, "fails", f"{len(found.problems)} contradictions: see the top of the page.")
    return TrustRow(question, "ok", f"All {files} files and {len(found.reports)} reports match their recorded SHA-256.")
