"""The page that compares runs is held to the rules of accessibility that the report is held to."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.report.page.comparison import write_comparison
from runner.views.comparison import compare_runs
from tests.support.axe import axe_script, violations
from tests.support.chromium import Tab, needs_chromium
from tests.support.run_factory import make_run
from tests.support.story import HOSTILE, Story

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of three runs: one proceeds, one has leaks and a hostile profile name, one settles nothing."""
    stories = (Story(), Story(contaminated=3, waiver="kept to compare", markup=HOSTILE), Story(gain=0.0, seed=4))
    folder = tmp_path_factory.mktemp("compared")
    runs = [make_run(folder / str(number), story) for number, story in enumerate(stories)]
    return write_comparison(compare_runs(runs), folder / "page.html")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1400])
def test_axe_finds_nothing_serious_in_a_comparison(tab: Tab, compared: Path, width: int, dark: bool) -> None:
    if not axe_script():
        pytest.skip("axe-core is not in the cache and npm cannot fetch it")
    tab.look(width, 900, dark)
    tab.open(compared.as_uri())
    tab.value("document.querySelectorAll('details').forEach(e => e.open = true)")
    assert violations(tab, ("moderate", "serious", "critical")) == []


@pytest.mark.parametrize("width", [390, 1400])
def test_no_part_of_a_comparison_widens_the_page(tab: Tab, compared: Path, width: int) -> None:
    tab.look(width, 900, False)
    tab.open(compared.as_uri())
    assert tab.value("document.documentElement.scrollWidth") <= width
