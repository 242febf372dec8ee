"""The verifier's parent keeps nothing of what it judged."""

from __future__ import annotations

import gc

import pytest

from env.heartbeat import resident_mb
from eval.pipeline.verifier import Job
from eval.records import Outcome, TaskCheck
from tests.support.luanti import open_verifier
from tests.support.settings import verifier_settings

WARM_UP, JUDGED, WAVE = 2_000, 20_000, 500
CHECKS = (TaskCheck("light", 'equal(node("mymod:lamp").light_source, 5, "light_source")'),)


def program(number: int) -> str:
    return f'core.register_node("mymod:lamp", {{light_source = {number % 2 * 5}, description = ("x"):rep(2000)}})'


@pytest.mark.slow
def test_memory_of_the_parent_stays_flat_over_20_000_candidates() -> None:
    with open_verifier(verifier_settings(workers=2)) as verifier:

        def judge(count: int) -> int:
            passed = 0
            for start in range(0, count, WAVE):
                futures = [verifier.submit(Job(program(n), CHECKS)) for n in range(start, start + WAVE)]
                passed += sum(future.result().outcome is Outcome.PASSED for future in futures)
            return passed

        judge(WARM_UP)
        gc.collect()
        before = resident_mb()
        assert judge(JUDGED) == JUDGED // 2
        gc.collect()
        # A leak of one source text (about 100 bytes) or verdict a candidate would show as 10 MB and more.
        assert resident_mb() - before < 8.0
