"""One pool of Luau VMs for all tests of Roblox' world."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from eval.domains.roblox.verify.verifier import World, open_pool
from tests.support.settings import verifier_settings


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """Return a running verifier; what never ends takes a quarter of the usual CPU time, the others milliseconds."""
    with open_pool(verifier_settings(name="world", workers=1, cpu_s=0.5)) as verifier:
        yield verifier
