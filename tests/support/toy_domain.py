"""A domain of sixty lines: programs are sums, judged in this process. It shows what a domain has to bring, and no more."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Self

from eval.domains import Cause, DatasetSource, Derived, Domain, Variant
from eval.pipeline.language import Language
from eval.pipeline.scoring import Scores, checks_passed
from eval.pipeline.verifier import Job, VerifierSettings
from eval.records import CheckResult, NearMiss, Outcome, Row, Task, TaskCheck, Verdict

SUMS = Language("sums", ("sum",), "#", re.compile(r"\s*\d+(\s*\+\s*\d+)*\s*\Z"))
CLUSTERS = 60


class Adder:
    """Adds; a check's text is the total it wants."""

    choice, caveat, name, language = "requested by name", None, "adder", SUMS
    isolation, isolation_reason = "none", "nothing is executed"

    def submit(self, job: Job) -> Future[Verdict]:
        done: Future[Verdict] = Future()
        terms = job.code.strip().split("+")
        if not all(term.strip().isdigit() for term in terms):
            outcome, detail, checks = Outcome.SYNTAX_ERROR, "not a sum", ()
        else:
            total = sum(map(int, terms))
            checks = tuple(CheckResult(check.name, total == int(check.lua)) for check in job.checks)
            passed = all(check.passed for check in checks)
            outcome, detail = (Outcome.PASSED, "") if passed else (Outcome.WRONG, f"the total is {total}")
        done.set_result(Verdict(outcome, detail, 0.0, self.name, self.isolation, checks))
        return done

    def supports(self, check: TaskCheck) -> bool:
        return check.needs == "registry"

    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None: ...


def open_pool(settings: VerifierSettings) -> Adder:
    return Adder()


def tasks(split: str, count: int, seed: int) -> tuple[Task, ...]:
    first = 100 if split == "dev" else 5000
    return tuple(
        Task(
            id=f"{split}.{n}",
            family="total",
            kind="pair",
            cluster=f"{split}-{n % CLUSTERS}",
            split=split,  # type: ignore[arg-type]
            instruction=f"Write a sum of two numbers whose total is {n}, the second being {split} {n % 7}.",
            input="",
            answer="code",
            reference=f"{n - n % 7} + {n % 7}",
            checks=(TaskCheck("total", str(n)),),
            near_misses=(NearMiss(f"{n} + 1", "one too many"),),
        )
        for n in range(first, first + count)
    )


def rows(count: int, seed: int) -> tuple[Row, ...]:
    return tuple(Row(f"Add up to {n}.", "", f"{n - 9} + 9", "total") for n in range(900, 900 + count))


def derive(item: Row, program: str) -> Derived:
    terms = re.findall(r"\d+", program)
    return Derived("pair", (TaskCheck("total", str(sum(map(int, terms)))),) if terms else ())


def variants(item: Row, program: str) -> tuple[Variant, ...]:
    return (Variant(f"{program} + 1", "one too many"),)


def marks(code: str, verdict: Verdict) -> Scores:
    return Scores(1.0, 1.0, checks_passed(verdict), 1.0)


def findings(code: str) -> tuple[str, ...]:
    return ()


def common_cause(details: Sequence[str]) -> Cause | None:
    return None


DOMAIN = Domain(
    name="toy",
    title="Sums",
    language=SUMS,
    families={"total": "code"},
    datasets={"toy_mini": DatasetSource(__name__, __name__, generated=True)},
    verifiers={"adder": __name__},
    constant_answers=("", "0", "return true"),
    derive=__name__,
    scorers=__name__,
)
