"""Tests that share an expensive fixture run on one worker, what may take longest begins first, and quick is what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.distribution import longest_first
from tests.support.quick import holds_no_quick_test, mark_quick

TESTS = Path(__file__).resolve().parents[1]


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


def test_for_the_quick_tests_no_file_is_read_that_has_none() -> None:
    by_its_imports = TESTS / "training" / "backends" / "own" / "test_torch_loading.py"
    by_the_fixtures_beside_it = TESTS / "training" / "backends" / "contract" / "test_contract_texts.py"
    assert holds_no_quick_test(by_its_imports)
    assert holds_no_quick_test(by_the_fixtures_beside_it)
    assert not holds_no_quick_test(TESTS / "runner" / "test_cli.py")
    assert not holds_no_quick_test(by_its_imports.with_name("conftest.py"))


@pytest.mark.parametrize(
    ("file", "name", "fixtures", "marks", "quick"),
    [
        ("runner/test_config.py", "test_any", (), {}, True),
        ("runner/test_config.py", "test_any", (), {"heavy": None}, False),
        ("runner/test_config.py", "test_any", (), {"slow": None}, False),
        ("runner/report/test_report_page.py", "test_any", ("page", "tab", "open_tab"), {}, False),
        ("training/backends/own/test_torch_loading.py", "test_any", (), {}, False),
    ],
)
def test_quick_is_what_is_not_marked_and_loads_starts_and_opens_nothing(
    file: str, name: str, fixtures: tuple[str, ...], marks: dict[str, Any], quick: bool
) -> None:
    added: list[Any] = []
    item: Any = Named(name, **marks)
    item.path, item.name, item.fixturenames, item.add_marker = TESTS / file, name, fixtures, added.append
    item.get_closest_marker = lambda mark: mark if mark in marks else None
    mark_quick([item])
    assert bool(added) is quick
