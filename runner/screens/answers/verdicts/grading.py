"""What an LLM judge may cost, whether it is admitted, and what it says of a run, in lines."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from eval.judge.budget import Estimate, estimate_text, fits, spent_text
from eval.judge.ledger import Spent
from eval.judge.settings import JudgeSettings
from runner.runs.folder import command
from runner.screens.ink import Line, line, write_lines

if TYPE_CHECKING:
    from eval.judge.calibration import Figures
    from gates.judging.calibrating import Calibrated
    from gates.judging.paired import Scored


def print_needs(needs: Estimate, spent: Spent, settings: JudgeSettings, stream: TextIO | None = None) -> None:
    """Write what requests may need at most, what was spent so far, and whether the budget allows it."""
    beyond = "" if fits(spent, needs, settings) else ": more than the budget allows"
    text = f"{settings.model}: {estimate_text(needs, settings)}{beyond}; {spent_text(spent, settings)}"
    write_lines(stream or sys.stdout, [line(("judge ", "dim"), text, hang=6)])


def print_calibrated(found: Calibrated, settings: JudgeSettings, stream: TextIO | None = None) -> None:
    """Write whether the judge is admitted, by which figures, and where they are."""
    calibration, figures = found.calibration, found.calibration.figures
    mark, word = (("✓ ", "good"), "admitted") if calibration.admitted else (("✗ ", "no"), "not admitted")
    lines = [
        line(mark, f"{settings.model} as a judge of {calibration.domain}: {word}", hang=2),
        *(line(f"  {reason}", hang=2) for reason in calibration.reasons),
        *figure_lines(figures),
        line(("  pool:  ", "dim"), f"{calibration.pool}; executed by {calibration.verifier}", hang=9),
        *_trouble_lines(found.troubles),
        line(("  spent: ", "dim"), spent_text(found.spent, settings), hang=9),
        line(("  file:  ", "dim"), str(found.path)),
    ]
    write_lines(stream or sys.stdout, lines)


def figure_lines(found: Figures) -> list[Line]:
    """Return the figures of a calibration, one a line."""
    # numpy: screens that show no such figures must not wait for it
    from eval.judge.calibration import LOWEST_ACCURACY, LOWEST_AUC, number

    if not found.graded:
        return []
    bound = f"at least {number(found.lower)} with 95% confidence ({LOWEST_ACCURACY:.2f} needed)"
    rows = {
        "known answers graded": f"{found.graded}, {found.passed} of them right; {found.missing} without a grade",
        "balanced accuracy": f"{number(found.balanced_accuracy)}, {bound}",
        "area under ROC": f"{number(found.auc)} ({LOWEST_AUC:.2f} needed); by length alone {number(found.length_auc)}",
        "correlation with length": number(found.length_correlation),
        "both orders agree": number(found.order_agreement),
        "asked again, agrees": f"{number(found.repeat_agreement)} of {found.repeated}",
    }
    return [line((f"  {name:<24}", "dim"), text, hang=26) for name, text in rows.items()]


def print_quality(found: Scored, settings: JudgeSettings, stream: TextIO | None = None) -> None:
    """Write the judged quality of base and adapter, paired, and what stands behind it."""
    quality = found.quality
    rows = [("base", quality.base, "%.2f"), ("adapter", quality.adapter, "%.2f"), ("difference", quality.gain, "%+.2f")]
    lines = [
        line(f"judged quality of passed answers, 0 to 1, by {settings.model}; it decides nothing"),
        *(line((f"  {name:<12}", "dim"), _spread(each.value, each.low, each.high, form)) for name, each, form in rows),
        line(
            f"  on {quality.graded} of the {quality.both} tasks that both arms passed; "
            f"on {quality.same} of them both wrote the same program",
            hang=2,
        ),
        *([line(("  not calibrated: ", "no"), quality.waiver, hang=18)] if quality.waiver else []),
        *_trouble_lines(found.troubles),
        line(("  spent: ", "dim"), spent_text(found.spent, settings), hang=9),
        line(("  file:  ", "dim"), str(found.path)),
        line(("  next: ", "dim"), (command(found.path.parents[1], "report"), "command"), ("   shows it", "dim")),
    ]
    write_lines(stream or sys.stdout, lines)


def _spread(value: float | None, low: float | None, high: float | None, form: str) -> str:
    if value is None:
        return "undefined"
    return form % value + ("" if low is None or high is None else f" ({form % low} to {form % high})")


def _trouble_lines(troubles: Sequence[str]) -> list[Line]:
    """Return what requests failed by, equal ones once with their count: these grades are missing."""
    return [line(f"  {count} without a reply: it {why}", hang=2) for why, count in Counter(troubles).most_common()]
