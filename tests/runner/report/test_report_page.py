"""The report's page as a reader has it: opened from disk in headless Chromium without any network."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from difflib import SequenceMatcher
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from runner.report import ReportData
from tests.support.chromium import Tab, needs_chromium
from tests.support.story import HOSTILE

pytestmark = needs_chromium
SIZES = ((360, 740), (1400, 900))


def shown_tasks(page: Tab) -> list[str]:
    found: list[str] = page.value("[...document.querySelectorAll('.task-list .id')].map(e => e.firstChild.data)")
    return found


def opened_task(page: Tab) -> str:
    return str(page.value("document.querySelector('.task-pane h3').firstChild.data"))


def choose(page: Tab, name: str, value: str) -> None:
    page.value(
        f"{{ const field = document.querySelector('#browser [name={name}]'); field.value = {json.dumps(value)};"
        " field.dispatchEvent(new Event('input', {bubbles: true})); }"
    )


def chosen_sample(page: Tab, arm: str) -> int:
    return int(
        page.value(f"[...document.querySelectorAll('[data-arm={arm}] .chip')].findIndex(e => e.ariaPressed === 'true')")
    )


def test_it_opens_without_a_complaint_and_asks_the_network_for_nothing(
    open_tab: Callable[[], Tab], report: tuple[ReportData, Path]
) -> None:
    fresh, address = open_tab(), report[1].as_uri()
    fresh.open(address)
    for key in ("j", "l", "a", "d", "d", "k", "?", "?"):
        fresh.press(key)
    assert fresh.complaints() == []
    assert set(fresh.requests()) <= {address}


def test_every_task_is_in_the_list_losses_first(page: Tab, report: tuple[ReportData, Path]) -> None:
    assert shown_tasks(page) == [task.task_id for task in report[0].tasks]
    assert opened_task(page) == report[0].tasks[0].task_id


@pytest.mark.parametrize(
    ("field", "value", "fits"),
    [
        ("family", "repair", lambda task: task.family == "repair"),
        ("kind", "craft", lambda task: task.kind == "craft"),
        ("change", "gained", lambda task: (task.gain or 0) > 0),
        ("change", "lost", lambda task: (task.gain or 0) < 0),
        ("change", "neither", lambda task: not task.base_c and not task.cell_c),
        ("status", "CONTAMINATED", lambda task: task.status == "CONTAMINATED"),
        ("outcome", "cell:NO_CODE", lambda task: any(s.verdict.outcome == "NO_CODE" for s in task.cell_samples)),
        ("outcome", "base:PASSED", lambda task: task.base_c > 0),
        ("text", '"Light Level 7 "', lambda task: "light level 7 " in task.instruction),
        ("text", "registr_node syntax_error", None),
        ("text", "no such word anywhere", lambda task: False),
    ],
)
def test_a_filter_leaves_exactly_the_tasks_that_fit(
    page: Tab, report: tuple[ReportData, Path], field: str, value: str, fits: Callable[[Any], bool] | None
) -> None:
    choose(page, field, value)
    wanted = fits or (lambda task: all(word in everything(task) for word in value.split()))
    expected = [task.task_id for task in report[0].tasks if wanted(task)]
    assert shown_tasks(page) == expected
    assert page.value("document.querySelector('#browser output').textContent") == f"{len(expected)} of 24 tasks"


def everything(task: Any) -> str:
    samples = (*task.base_samples, *task.cell_samples)
    return "\n".join(f"{s.completion.text} {s.verdict.detail} {s.verdict.outcome}" for s in samples).lower()


def test_an_outcome_that_is_asked_for_is_the_sample_that_is_shown(page: Tab) -> None:
    choose(page, "outcome", "base:SYNTAX_ERROR")
    assert page.value("document.querySelector('[data-arm=base] .outcome-tag').textContent") == "SYNTAX_ERROR"
    page.press("j")
    assert page.value("document.querySelector('[data-arm=base] .outcome-tag').textContent") == "SYNTAX_ERROR"


def test_j_and_k_walk_through_the_tasks_and_stop_at_the_ends(page: Tab) -> None:
    ids = shown_tasks(page)
    page.press("k")
    assert opened_task(page) == ids[0]
    page.press("j")
    page.press("j")
    assert opened_task(page) == ids[2]
    page.press("k")
    assert opened_task(page) == ids[1]
    assert page.value("document.querySelector('.task-list [aria-selected=true] .id').firstChild.data") == ids[1]


def test_l_h_and_a_walk_through_the_samples_of_either_arm(page: Tab) -> None:
    page.press("l")
    page.press("l")
    page.press("h")
    assert (chosen_sample(page, "base"), chosen_sample(page, "cell")) == (0, 1)
    page.press("a")
    page.press("l")
    assert (chosen_sample(page, "base"), chosen_sample(page, "cell")) == (1, 1)


def test_keys_typed_into_the_search_are_text(page: Tab) -> None:
    first = opened_task(page)
    page.press("/")
    for sign in "jj?":
        page.press(sign)
    assert page.value("document.querySelector('#browser [name=text]').value") == "jj?"
    assert not page.value("document.getElementById('keys').open")
    choose(page, "text", "")
    page.press("Escape")
    assert opened_task(page) == first
    page.press("?")
    assert page.value("document.getElementById('keys').open")


def test_the_address_follows_and_a_deep_link_leads_back(page: Tab, report: tuple[ReportData, Path]) -> None:
    page.press("j")
    page.press("a")
    page.press("l")
    address, task = page.value("location.href"), opened_task(page)
    assert address.endswith(f"#task={task}&arm=base&sample=1")
    other = report[0].tasks[7].task_id
    page.open(f"{report[1].as_uri()}#task={other}&arm=adapter&sample=4")
    assert (opened_task(page), chosen_sample(page, "cell")) == (other, 4)
    page.value(f"location.hash = {json.dumps(address.partition('#')[2])}")
    page.wait(f"document.querySelector('.task-pane h3').firstChild.data === {json.dumps(task)}")
    assert chosen_sample(page, "base") == 1


def test_a_deep_link_to_a_task_that_is_filtered_out_shows_it(page: Tab, report: tuple[ReportData, Path]) -> None:
    choose(page, "text", "no such word anywhere")
    task = report[0].tasks[5].task_id
    page.value(f"location.hash = 'task={task}'")
    page.wait("document.querySelector('.task-pane') !== null")
    assert opened_task(page) == task


def test_what_a_model_wrote_stays_text(page: Tab) -> None:
    for filtered in ("base:SYNTAX_ERROR", "base:NO_CODE"):
        choose(page, "outcome", filtered)
        text = page.value("document.querySelector('[data-arm=base] pre').textContent")
        assert HOSTILE.replace("\u202e", "\\u202e") in text
    assert page.value("document.querySelectorAll('img, .task-pane script, .task-pane a').length") == 0
    assert page.value("window.hit") is None
    assert "onerror" in page.value("document.querySelector('.instruction').textContent")


def test_a_program_is_highlighted_without_losing_a_sign(page: Tab, report: tuple[ReportData, Path]) -> None:
    choose(page, "outcome", "cell:PASSED")
    task = next(task for task in report[0].tasks if task.task_id == opened_task(page))
    sample = task.cell_samples[chosen_sample(page, "cell")]
    assert page.value("document.querySelector('[data-arm=cell] pre').textContent") == sample.candidate.code
    kinds = page.value(
        "[...new Set([...document.querySelectorAll('[data-arm=cell] pre span span')].map(e => e.className))]"
    )
    assert {"global", "string", "number"} <= set(kinds)


def test_the_adapters_program_is_compared_with_the_bases_and_the_references(page: Tab) -> None:
    choose(page, "outcome", "cell:PASSED")
    lines = "[...document.querySelectorAll('[data-arm=cell] pre .line')].map(e => e.textContent[0])"
    for view in ("Diff to base", "Diff to reference"):
        page.value(
            f"[...document.querySelectorAll('[data-arm=cell] .views button')].find(b => b.textContent === '{view}').click()"
        )
        signs = set(page.value(lines))
        assert signs <= {" ", "+", "-"}
        assert {"+", "-"} <= signs


def test_a_failed_check_says_why_and_the_replay_command_names_the_sample(page: Tab) -> None:
    choose(page, "outcome", "base:WRONG")
    assert "expected 7, got nil" in page.value("document.querySelector('[data-arm=base] .checks .failed').textContent")
    command = page.value("document.querySelector('[data-arm=base] .replay code').textContent")
    index = chosen_sample(page, "base")
    assert re.fullmatch(rf"python -m runner replay B {opened_task(page)} {index} --run \S+", command)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_nothing_is_wider_than_the_window(
    tab: Tab, report: tuple[ReportData, Path], size: tuple[int, int], dark: bool
) -> None:
    tab.look(*size, dark)
    tab.open(report[1].as_uri())
    tab.value("document.querySelectorAll('details').forEach(e => e.open = true)")
    assert tab.value("document.documentElement.scrollWidth") <= size[0]
    lightness = sum(map(int, re.findall(r"\d+", tab.value("getComputedStyle(document.body).backgroundColor"))[:3]))
    assert lightness < 150 if dark else lightness > 700


def test_without_scripts_everything_but_the_browser_can_be_read(
    open_tab: Callable[[], Tab], report: tuple[ReportData, Path]
) -> None:
    bare = open_tab()
    bare.call("Emulation.setScriptExecutionDisabled", value=True)
    bare.call("Page.navigate", url=report[1].as_uri())
    bare.wait("document.readyState === 'complete' && document.title !== ''")
    assert bare.value("document.getElementById('browser').checkVisibility()") is False
    assert "needs scripts" in bare.value("document.getElementById('browser-note').innerText")
    assert report[0].verdict is not None
    assert report[0].verdict.word in bare.value("document.getElementById('verdict').innerText")


def test_a_printed_page_leaves_out_what_only_a_screen_can_do(page: Tab) -> None:
    page.look(1400, media="print")
    assert not page.value("document.getElementById('browser').checkVisibility()")
    assert not page.value("document.querySelector('nav').checkVisibility()")
    assert page.value("document.getElementById('verdict').checkVisibility()")


def test_a_page_that_was_damaged_says_so_instead_of_staying_silent(
    tab: Tab, report: tuple[ReportData, Path], tmp_path: Path
) -> None:
    broken = tmp_path / "report.html"
    broken.write_text(re.sub(r'(id="samples-data">.{40}).', r"\1!", report[1].read_text(encoding="utf-8")))
    tab.call("Page.navigate", url=broken.as_uri())
    tab.wait("document.getElementById('browser-note')?.textContent.includes('could not be unpacked')")


def test_the_difference_of_two_programs_gives_both_back_and_is_as_short_as_it_can_be(page: Tab) -> None:
    chance = random.Random(5)
    for _ in range(40):
        before, after = (["".join(chance.choices("abc", k=2)) for _ in range(chance.randrange(12))] for _ in range(2))
        changes = page.value(f"lineDiff({json.dumps(before)}, {json.dumps(after)})")
        assert [before[i] for sign, i, _ in changes if sign != "+"] == before
        assert [after[j] for sign, _, j in changes if sign != "-"] == after
        kept = sum(sign == " " for sign, _, _ in changes)
        assert kept >= sum(block.size for block in SequenceMatcher(None, before, after, False).get_matching_blocks())


@pytest.mark.parametrize(
    ("program", "kinds"),
    [
        ("local x = 0x1F -- so\nreturn 'a\\'b'", ["keyword", "number", "comment", "keyword", "string"]),
        ("--[==[ long\n]] ]==] if", ["comment", "comment", "keyword"]),
        ("x = [[ two\nlines ]]", ["string", "string"]),
        ('"never ends\nnext', ["string"]),
        ("--[[ never ends\n", ["comment"]),
        ("a-b[c] ~= 1.5e-3", ["number"]),
        ("core.log(self)", ["global", "keyword"]),
    ],
)
def test_lua_is_cut_into_its_tokens_and_nothing_is_lost(page: Tab, program: str, kinds: list[str]) -> None:
    lines = page.value(f"luaLines({json.dumps(program)})")
    assert "\n".join("".join(text for _, text in line) for line in lines) == program
    assert [kind for line in lines for kind, _ in line if kind] == kinds


class Controls(HTMLParser):
    """Collects what a screen reader needs: names of pictures, labels of fields."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.unnamed: list[str] = []
        self._labels = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "label":
            self._labels += 1
        if tag in ("input", "select") and not self._labels and not attributes.get("aria-label"):
            self.unnamed.append(tag)
        if attributes.get("role") in ("img", "region", "listbox", "search") and not attributes.get("aria-label"):
            self.unnamed.append(f"{tag} {attributes}")

    def handle_endtag(self, tag: str) -> None:
        self._labels -= tag == "label"


def test_every_picture_and_field_has_a_name(report: tuple[ReportData, Path]) -> None:
    assert Controls(report[1].read_text(encoding="utf-8")).unnamed == []
