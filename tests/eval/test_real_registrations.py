"""What the engine is known to load, a verifier must accept: real registrations of published mods."""

from __future__ import annotations

import pytest

from env.refusal import Refusal
from eval.pipeline.verifier import Job
from eval.records import Outcome
from tests.support.luanti import VERIFIERS, open_verifier
from tests.support.real_registrations import FILE, as_program, rows
from tests.support.settings import verifier_settings

pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="the recorded registrations are not beside this checkout")


@pytest.mark.heavy
# "auto" is one of the others.
@pytest.mark.parametrize("name", sorted(set(VERIFIERS) - {"auto"}))
def test_every_registration_that_the_engine_loads_is_accepted(name: str) -> None:
    known = [row for row in rows() if row["engine_5_6_1_loads"]]
    assert len(known) == 438
    try:
        opened = open_verifier(verifier_settings(name=name, workers=2))
    except Refusal as refusal:
        pytest.skip(f"{name}: {refusal}")
    with opened as verifier:
        futures = [(row, verifier.submit(Job(as_program(row)))) for row in known]
        refused = [
            f"{row['file']}:{row['line']} {row['call']}: {future.result().outcome}: {future.result().detail}"
            for row, future in futures
            if future.result().outcome is not Outcome.PASSED
        ]
    assert not refused, "\n".join(refused[:10])
