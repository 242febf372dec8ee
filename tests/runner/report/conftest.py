"""A written report, opened in a headless browser; read by many tests and changed by none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runner.report import ReportData, build, write_html
from tests.support.run_factory import make_run
from tests.support.story import HOSTILE, Story

if TYPE_CHECKING:
    from tests.support.chromium import Tab

STORY = Story(test_samples=6, contaminated=3, waiver="kept to compare", markup=HOSTILE)


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[ReportData, Path]:
    run = make_run(tmp_path_factory.mktemp("results"), STORY)
    data = build(run)
    return data, write_html(data, run.folder)


@pytest.fixture(scope="session")
def open_tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Tab]]:
    from tests.support.chromium import chromium

    with chromium(tmp_path_factory.mktemp("profile")) as opener:
        yield opener


@pytest.fixture(scope="session")
def tab(open_tab: Callable[[], Tab]) -> Tab:
    return open_tab()


@pytest.fixture
def page(tab: Tab, report: tuple[ReportData, Path]) -> Tab:
    tab.look(1400)
    tab.open(report[1].as_uri())
    return tab
