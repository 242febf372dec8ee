"""Tests that share an expensive fixture run on one worker: pytest-xdist reads their group from their id."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("one worker")
def test_a_test_s_group_reaches_the_scheduler(request: pytest.FixtureRequest) -> None:
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("only where tests are distributed by group (make test)")
    assert request.node.nodeid.endswith("@one worker"), "this pytest does not let pytest-xdist group tests"
