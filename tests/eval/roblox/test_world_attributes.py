"""Attributes of Roblox' world: what clears one, and what the engine refuses."""

from eval.domains.roblox.verify.verifier import open_pool
from eval.pipeline.verifier import Job
from eval.records import Outcome
from tests.support.settings import verifier_settings


def judged(code: str) -> Outcome:
    """Return the outcome of a program without checks."""
    with open_pool(verifier_settings(name="world", workers=1)) as verifier:
        return verifier.submit(Job(code)).result().outcome


def test_nil_clears_an_attribute() -> None:
    """SetAttribute(name, nil) removes it, as the engine does."""
    code = 'workspace:SetAttribute("Key", 3) workspace:SetAttribute("Key", nil) assert(workspace:GetAttribute("Key") == nil)'
    assert judged(code) is Outcome.PASSED


def test_a_missing_value_is_refused() -> None:
    """SetAttribute(name) without a value raises."""
    assert judged('workspace:SetAttribute("Key")') is Outcome.RUNTIME_ERROR
