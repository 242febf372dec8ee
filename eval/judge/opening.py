"""A judge opened for use: calibrated for the domain, or waived with a reason; else refused with the command to run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from env.refusal import Refusal
from eval.judge.calibration import Calibration, read_calibration
from eval.judge.judge import Judge, judge_id
from eval.judge.ledger import Ledger
from eval.judge.rubric import Prompt, read_prompt
from eval.judge.settings import JudgeSettings


@dataclass(frozen=True, slots=True)
class Standing:
    """Why a judge's grades may count: its calibration, or the waiver of one ("" where there is none)."""

    prompt: Prompt
    calibration: Calibration | None
    waiver: str


def require_named(settings: JudgeSettings) -> None:
    """Raise Refusal where nobody grades, or nothing says which model."""
    if settings.name == "none":
        raise Refusal("judge = none: nobody grades.", "Name one: judge=endpoint judge.url=ADDRESS judge.model=NAME.")
    if not settings.model:
        raise Refusal("judge.model: not set.", f"Name the model that {settings.url} serves: judge.model=NAME.")


def standing(settings: JudgeSettings, domain: str, results: Path) -> Standing:
    """Return why the judge of ``settings`` may grade programs of ``domain``.

    Raises:
        Refusal: no judge is named, or this model with this prompt and sampling is not calibrated for the domain, or
            was not admitted, and nothing waives that.
    """
    require_named(settings)
    prompt = read_prompt(settings, domain)
    found = read_calibration(results, judge_id(settings, prompt), domain)
    if found is not None and found.admitted:
        return Standing(prompt, found, "")
    if settings.waiver:
        return Standing(prompt, found, settings.waiver)
    if found is None:
        raise Refusal(
            f"The judge {settings.model} is not calibrated for {domain} with this prompt and sampling.",
            "`python -m runner judge calibrate` with the same judge keys does it; "
            "or say why it need not be: judge.waiver=REASON.",
        )
    raise Refusal(
        f"The judge {settings.model} was calibrated for {domain} and is not admitted: {'; '.join(found.reasons)}.",
        "Use another model or rubric; or say why its grades count all the same: judge.waiver=REASON.",
    )


@contextmanager
def opened(settings: JudgeSettings, domain: str, results: Path) -> Iterator[tuple[Judge, Standing]]:
    """Open the judge of ``settings`` for programs of ``domain``; its records lie in the folder of runs ``results``.

    Raises:
        Refusal: as ``standing``, or another process is asking a judge.
    """
    found = standing(settings, domain, results)
    calibration = None if found.waiver else found.calibration
    expected = frozenset(() if calibration is None else calibration.answered_by)
    with Ledger(results) as ledger:
        yield Judge(settings, found.prompt, ledger, expected), found


def looked_at(settings: JudgeSettings, domain: str, results: Path) -> Judge:
    """Return a judge that is only asked what it would need: nothing is held, written or sent."""
    require_named(settings)
    return Judge(settings, read_prompt(settings, domain), Ledger.looked_at(results))
