"""Gate A reads the training rows that are calls of tools, and executes the others."""

from __future__ import annotations

from eval.domains import open_verifier
from eval.domains.roblox.domain import DOMAIN
from eval.records import Outcome, Row
from gates.a_environment.data_checks import _judge_answers
from tests.support.settings import verifier_settings


def test_calls_are_read_where_programs_are_executed() -> None:
    rows = [
        Row("Stop.", "", '[{"name": "start_stop_play", "arguments": {}}]', "tools"),
        Row("Stop.", "", '[{"name": "start_stop_play", "arguments": }]', "tools"),
        Row("What is a tag?", "", "A tag is a text on an instance.", "tools"),
        Row("Print 1.", "", "print(1)", "coding"),
        Row("Print 1.", "", "print(1", "coding"),
    ]
    with open_verifier(DOMAIN, verifier_settings(name="world", workers=1)) as verifier:
        judged = _judge_answers(rows, DOMAIN, "", verifier)
    assert [row for row, _ in judged] == rows
    assert [verdict.outcome for _, verdict in judged] == [
        Outcome.PASSED, Outcome.SYNTAX_ERROR, Outcome.NO_CODE, Outcome.PASSED, Outcome.SYNTAX_ERROR,
    ]  # fmt: skip
    assert judged[0][1].verifier == "extraction"
