"""Tests that share an expensive fixture run on one worker, and what may take longest begins first."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.distribution import longest_first


@pytest.mark.xdist_group("one worker")
def test_a_test_s_group_reaches_the_scheduler(request: pytest.FixtureRequest) -> None:
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("only where tests are distributed by group (make test)")
    assert request.node.nodeid.endswith("@one worker"), "this pytest does not let pytest-xdist group tests"


class Named:
    """What ordering reads of a collected test."""

    def __init__(self, name: str, **marks: Any) -> None:
        self.nodeid, self.marks, self.config = name, marks, self

    def get_closest_marker(self, name: str) -> pytest.Mark | None:
        return getattr(pytest.mark, name)(self.marks[name]).mark if name in self.marks else None

    def getini(self, name: str) -> str:
        return {"timeout": "300"}[name]


def test_the_longest_groups_begin_first_and_stay_whole() -> None:
    items: list[Any] = [
        Named("short"),
        Named("first of two", xdist_group="together"),
        Named("long", timeout=900),
        Named("apart", timeout=600, xdist_group="apart"),
        Named("as short"),
        Named("second of two", timeout=600, xdist_group="together"),
        Named("one of another two", xdist_group="others"),
        Named("the other one", xdist_group="others"),
    ]
    longest_first(items)
    assert [item.nodeid for item in items] == [
        *("long", "first of two", "second of two", "apart", "one of another two", "the other one", "short", "as short")
    ]
