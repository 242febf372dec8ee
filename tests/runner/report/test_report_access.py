"""Everybody can read the page: with a screen reader, on a phone, in the dark, without telling colours apart."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.report import ReportData, build, write_html
from runner.runs.folder import Run
from tests.support.axe import axe_script, violations
from tests.support.chromium import Tab, needs_chromium
from tests.support.reports import Page
from tests.support.run_edits import edit_json
from tests.support.run_factory import make_run
from tests.support.story import Story

pytestmark = needs_chromium
WIDTHS = (390, 1400)
OPEN_ALL = "document.querySelectorAll('details').forEach(e => e.open = true)"


@pytest.fixture(scope="module")
def inconclusive(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that settles neither, with nothing leaked or waived."""
    return make_run(tmp_path_factory.mktemp("results"), Story(gain=0.0, dev_tasks=6, test_tasks=18))


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_axe_finds_nothing_serious(tab: Tab, report: tuple[ReportData, Path], width: int, dark: bool) -> None:
    if not axe_script():
        pytest.skip("axe-core is not in the cache and npm cannot fetch it")
    tab.look(width, 900, dark)
    tab.open(report[1].as_uri())
    tab.value(OPEN_ALL)
    assert violations(tab) == []


# The contrast of two colours by WCAG 2.1, and the colour that is really behind an element.
CONTRAST = """
(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (colour) => {
    const [r, g, b] = rgb(colour).map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  window.contrast = (one, two) => {
    const [low, high] = [light(one), light(two)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
})()
"""


@pytest.mark.parametrize("dark", [False, True])
def test_every_number_in_the_sweep_and_on_the_bars_can_be_told_from_its_ground(
    tab: Tab, report: tuple[ReportData, Path], dark: bool
) -> None:
    tab.look(1400, 900, dark)
    tab.open(report[1].as_uri())
    tab.value(CONTRAST)
    cells = tab.value(
        "[...document.querySelectorAll('.heat td')].flatMap(cell => [cell, ...cell.querySelectorAll('*')].map(part =>"
        " contrast(getComputedStyle(part).color, getComputedStyle(cell).backgroundColor)))"
    )
    bars = tab.value(
        "[...document.querySelectorAll('.picture text.on')].map(text => contrast(getComputedStyle(text).fill,"
        " getComputedStyle(text.parentNode.querySelector('rect.' + [...text.classList].at(-1))).fill))"
    )
    assert len(cells) >= 9
    assert len(bars) >= 2
    assert min(*cells, *bars) >= 4.5


@pytest.mark.parametrize("dark", [False, True])
def test_an_inconclusive_verdict_has_a_mark_and_a_colour_of_its_own(tab: Tab, inconclusive: Run, dark: bool) -> None:
    address = write_html(build(inconclusive), inconclusive.folder).as_uri()
    tab.look(1400, 900, dark)
    tab.open(address)
    tab.value(CONTRAST)
    heading = "document.querySelector('#verdict h2')"
    assert tab.value(f"{heading}.innerText").startswith("≈ INCONCLUSIVE")
    colour = tab.value(f"getComputedStyle({heading}).color")
    others = [
        tab.value(f"{{ const e = document.createElement('p'); e.style.color = 'var(--{name})'; document.body.append(e);"
                  " const found = getComputedStyle(e).color; e.remove(); found }")
        for name in ("gain", "loss", "no", "bad")
    ]  # fmt: skip
    assert colour not in others
    assert tab.value(f"contrast('{colour}', getComputedStyle(document.body).backgroundColor)") >= 4.5
    assert tab.value("[...document.querySelectorAll('.gate .state')].at(-1).innerText") == "inconclusive"


def test_on_a_phone_no_table_is_wider_than_the_page(tab: Tab, report: tuple[ReportData, Path]) -> None:
    tab.look(390)
    tab.open(report[1].as_uri())
    tab.value(OPEN_ALL)
    wide = tab.value(
        "[...document.querySelectorAll('.scroll')].filter(box => box.querySelector('table') && box.scrollWidth > box.clientWidth)"
        ".map(box => box.getAttribute('aria-label'))"
    )
    assert wide == []
    assert tab.value("document.documentElement.scrollWidth") <= 390


def test_a_bar_is_hit_anywhere_above_or_below_it_and_leads_to_its_task(
    tab: Tab, report: tuple[ReportData, Path]
) -> None:
    for width in WIDTHS:
        tab.look(width)
        tab.open(report[1].as_uri())
        tab.value("document.querySelector('.fall').scrollIntoView({block: 'center'})")
        place = tab.value(
            "(() => { const box = document.querySelectorAll('.fall a')[3].getBoundingClientRect();"
            " return [box.left + box.width / 2, box.top + 3, box.width, box.height]; })()"
        )
        x, y, wide, high = place
        assert wide >= 6
        assert high >= 150
        for kind in ("mousePressed", "mouseReleased"):
            tab.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        opened = json.dumps(report[0].tasks[3].task_id)
        tab.wait(f"document.querySelector('.task-pane h3').firstChild.data === {opened}")


def test_the_verdict_is_in_main_and_no_link_is_inside_a_picture(report: tuple[ReportData, Path], tab: Tab) -> None:
    tab.open(report[1].as_uri())
    assert tab.value("document.querySelectorAll('main #verdict').length") == 1
    assert tab.value("document.querySelectorAll('main').length") == 1
    assert tab.value("document.querySelectorAll('[role=img] a, [role=img] button').length") == 0


def test_every_table_has_a_caption_and_every_head_says_what_it_heads(report: tuple[ReportData, Path], tab: Tab) -> None:
    tab.open(report[1].as_uri())
    bare = "[...document.querySelectorAll('table')].filter(table => !table.caption?.textContent.trim()).length"
    assert tab.value(bare) == 0
    assert tab.value("[...document.querySelectorAll('th')].filter(th => !th.scope).length") == 0
    assert tab.value("[...document.querySelectorAll('tbody tr')].filter(row => !row.querySelector('th')).length") == 0


def test_words_of_the_trade_are_explained(report: tuple[ReportData, Path], tab: Tab) -> None:
    tab.open(report[1].as_uri())
    explained = tab.value("[...document.querySelectorAll('.glossary dt')].map(e => e.textContent)")
    assert {"pass@k", "Cluster", "Cell", "LoRA scale", "INCONCLUSIVE", "HARNESS_ERROR"} <= set(explained)


def test_a_smoke_runs_page_does_not_wear_the_colour_of_its_ruling(small_run: Run, open_tab: Callable[[], Tab]) -> None:
    config = small_run.file("config.yaml")
    config.write_text(config.read_text(encoding="utf-8") + "smoke: true\n", encoding="utf-8")
    edit_json(
        small_run.gate_folder("e") / "report.json", lambda report: report["results"]["decision"].update(smoke=True)
    )
    page = Page(write_html(build(small_run), small_run.folder).read_text(encoding="utf-8"))
    verdict = next(attributes for tag, attributes in page.elements if attributes.get("id") == "verdict")
    assert verdict["class"] == "verdict open"
    assert "decides nothing" in re.sub(r"\s+", " ", page.text.partition("Basis of the decision")[0])


def test_the_page_says_nothing_in_colour_alone(report: tuple[ReportData, Path]) -> None:
    text = Page(report[1].read_text(encoding="utf-8")).text
    assert report[0].verdict is not None
    assert json.dumps(report[0].verdict.word)[1:-1] in text
    for row in report[0].trust:
        assert f"({row.state})" in text
