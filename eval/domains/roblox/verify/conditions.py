"""The verifier "conditions": each program in both signal modes under three seeds; it passes when it passes in all.

It tests a benchmark, not models: a reference must not depend on the order of events, on chance, or on a member that the
model only answers with a placeholder.
"""

from __future__ import annotations

from dataclasses import replace

from eval.domains.roblox.verify.runs import Condition
from eval.domains.roblox.verify.verifier import World
from eval.pipeline.verifier import Job, VerifierSettings
from eval.records import Outcome, Verdict
from eval.sandbox.pool import Ending

SIGNALS = ("deferred", "immediate")
SEEDS = (1, 2, 3)
UNMODELLED = "unmodelled:"


class Conditions(World):
    """The verifier "world" under every condition."""

    conditions = tuple(Condition(signals, seed) for signals in SIGNALS for seed in SEEDS)

    def _read(self, job: Job, ending: Ending) -> Verdict:
        verdict = super()._read(job, ending)
        touched = [finding for finding in verdict.findings if finding.startswith(UNMODELLED)]
        if verdict.outcome is not Outcome.PASSED or not touched:
            return verdict
        return replace(verdict, outcome=Outcome.NEEDS_STUDIO, detail=f"depends on a placeholder: {', '.join(touched)}")


def open_pool(settings: VerifierSettings) -> Conditions:
    """Return a running verifier. Raises Refusal where there is no Luau VM or the isolation is too weak."""
    verifier = Conditions(settings)
    verifier.name = f"conditions-{verifier.name}"
    return verifier
