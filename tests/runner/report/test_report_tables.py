"""What a reader takes from the page: tables as files, copied programs and commands, links to the run's files, its order."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from runner.report import ReportData
from runner.report.page.tables import read_tables
from tests.support.chromium import Tab, needs_chromium
from tests.support.reports import Page

pytestmark = needs_chromium


def saved(page: Tab, name: str, kind: str) -> str:
    """Return what the page would save of a table."""
    data = "JSON.parse(document.getElementById('tables-data').textContent)"
    return str(page.value(f"tableText({data}[{json.dumps(name)}], {json.dumps(kind)})"))


def test_the_task_table_is_saved_with_every_task_and_its_exact_gain(page: Tab, report: tuple[ReportData, Path]) -> None:
    rows = list(csv.DictReader(io.StringIO(saved(page, "tasks", "csv"))))
    assert [row["task"] for row in rows] == [task.task_id for task in report[0].tasks]
    assert [float(row["gain_pp"]) for row in rows] == pytest.approx([task.gain for task in report[0].tasks])
    [first, *_] = json.loads(saved(page, "tasks", "json"))
    assert first["base_samples"] == 6
    assert first["training"] in ("CLEAN", "CONTAMINATED")


def test_gains_rates_and_sweep_are_saved_as_measured(page: Tab, report: tuple[ReportData, Path]) -> None:
    data = report[0]
    gains = json.loads(saved(page, "gain_by_group", "json"))
    assert [row["gain_pp"] for row in gains] == [group.gain.value for group in data.groups]
    rates = json.loads(saved(page, "pass_at_k", "json"))
    assert [row["base_low"] for row in rates] == [row.base.low if row.base else None for row in data.passes]
    cells = json.loads(saved(page, "sweep", "json"))
    assert data.sweep is not None
    assert [cell["lower_pp"] for cell in cells if cell["chosen"]] == [
        data.sweep.chosen.lower if data.sweep.chosen else 0
    ]


def test_a_text_that_begins_like_a_formula_stays_a_text_in_a_spreadsheet(page: Tab) -> None:
    made = page.value('tableText({columns: ["a"], rows: [["=1+1"], ["-2, \\"x\\""], [-2.5], [null]]}, "csv")')
    assert made.split("\r\n") == ["a", "'=1+1", '"\'-2, ""x"""', "-2.5", "", ""]


def test_every_table_that_is_shown_offers_both_files(page: Tab, report: tuple[ReportData, Path]) -> None:
    names = page.value("[...document.querySelectorAll('.saves button')].map(e => e.getAttribute('aria-label'))")
    shown = {name for name in read_tables(report[0]) if name}
    assert set(names) == {f"Save {name} as {kind}" for name in shown for kind in ("CSV", "JSON")}


def test_a_click_saves_a_file_named_after_the_run(page: Tab, report: tuple[ReportData, Path], tmp_path: Path) -> None:
    page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path), eventsEnabled=True)
    page.value("document.querySelector('[aria-label=\"Save outcomes as CSV\"]').click()")
    wanted = tmp_path / f"{report[0].run_id}_outcomes.csv"
    for _ in range(500):
        page.value("new Promise(done => setTimeout(done, 20))")
        if wanted.is_file():
            break
    assert wanted.read_bytes().startswith(b"arm,outcome,samples\r\n")


def copied(page: Tab, selector: str) -> Any:
    """Return what a copy button puts on the clipboard."""
    page.value("window.taken = []; navigator.clipboard.writeText = async (text) => { window.taken.push(text); }")
    page.value(f"document.querySelector({json.dumps(selector)}).click()")
    page.wait("window.taken.length === 1")
    return page.value("window.taken[0]")


def test_program_prompt_and_reproduce_block_are_copied_whole(page: Tab, report: tuple[ReportData, Path]) -> None:
    page.value(
        "[...document.querySelectorAll('[name=outcome] option')].find(e => e.value === 'cell:PASSED').selected = true"
    )
    page.value("document.querySelector('[name=outcome]').dispatchEvent(new Event('input', {bubbles: true}))")
    opened = page.value("document.querySelector('.task-pane h3').firstChild.data")
    task = next(task for task in report[0].tasks if task.task_id == opened)
    programs = {sample.candidate.code for sample in task.cell_samples}
    assert copied(page, "[data-arm=cell] .block .copy") in programs
    prompt = copied(page, "[aria-label^='Copy Prompt']")
    assert prompt == task.prompt.replace("\u202e", "\\u202e")
    assert copied(page, "#reproduce .copy") == "\n".join(report[0].reproduce)
    assert page.value("document.querySelector('#reproduce .copy').textContent") == "Copied"


def test_the_exact_prompt_is_behind_a_fold(page: Tab, report: tuple[ReportData, Path]) -> None:
    fold = "[...document.querySelectorAll('.task-pane details')].find(e => e.textContent.startsWith('Prompt'))"
    assert page.value(f"{fold}.open") is False
    opened = page.value("document.querySelector('.task-pane h3').firstChild.data")
    task = next(task for task in report[0].tasks if task.task_id == opened)
    assert task.prompt.startswith("<user>\n")
    assert page.value(f"{fold}.querySelector('pre').textContent") == task.prompt.replace("\u202e", "\\u202e")


def test_the_whole_completion_is_one_click_away_from_every_program(page: Tab, report: tuple[ReportData, Path]) -> None:
    page.value("[...document.querySelectorAll('[data-arm=cell] .views button')].at(-1).click()")
    assert (
        page.value("document.querySelector('[data-arm=cell] .views [aria-pressed=true]').textContent")
        == "Whole completion"
    )
    opened = page.value("document.querySelector('.task-pane h3').firstChild.data")
    task = next(task for task in report[0].tasks if task.task_id == opened)
    shown = page.value("document.querySelector('[data-arm=cell] pre').textContent")
    assert shown.rstrip("\n") == task.cell_samples[0].completion.text.replace("\u202e", "\\u202e").rstrip("\n")


def test_links_lead_to_files_of_the_run_that_are_there(report: tuple[ReportData, Path]) -> None:
    page = Page(report[1].read_text(encoding="utf-8"))
    links = [str(attributes["href"]) for tag, attributes in page.elements if tag == "a" and "href" in attributes]
    files = {unquote(link) for link in links if not link.startswith("#")}
    assert {"gate_b/samples.jsonl", "gate_e/samples.jsonl", "gate_a/report.json", "gate_a/rule.json"} <= files
    assert [name for name in files if not (report[1].parent / name).is_file()] == []


def names(page: Tab) -> list[str]:
    found: list[str] = page.value("[...document.querySelectorAll('.task-list .id')].map(e => e.firstChild.data)")
    return found


def test_the_task_list_is_sorted_by_what_a_reader_chooses(page: Tab, report: tuple[ReportData, Path]) -> None:
    def sort(by: str) -> list[str]:
        page.value(f"{{ const field = document.querySelector('[name=sort]'); field.value = '{by}';"
                   " field.dispatchEvent(new Event('input', {bubbles: true})); }")  # fmt: skip
        return names(page)

    tasks = {task.task_id: task for task in report[0].tasks}
    assert sort("name") == sorted(tasks)
    gains = [tasks[name].gain or 0 for name in sort("gain")]
    assert gains == sorted(gains, reverse=True)
    assert sort("") == list(tasks)


def test_the_table_of_all_tasks_is_sorted_by_a_click_on_its_head(page: Tab, report: tuple[ReportData, Path]) -> None:
    head = "document.querySelectorAll('table.sortable thead th')[0]"
    for direction in ("ascending", "descending"):
        page.value(f"{head}.querySelector('button').click()")
        assert page.value(f"{head}.getAttribute('aria-sort')") == direction
        shown = page.value(
            "[...document.querySelectorAll('table.sortable tbody tr')].map(row => parseFloat(row.cells[0].textContent))"
        )
        assert shown == sorted(shown, reverse=direction == "descending")


def test_filters_are_in_the_address_and_come_back_with_it(page: Tab, report: tuple[ReportData, Path]) -> None:
    for name, value in (("family", "repair"), ("text", "Light Level"), ("sort", "name")):
        page.value(f"{{ const field = document.querySelector('#browser [name={name}]'); field.value = {json.dumps(value)};"
                   " field.dispatchEvent(new Event('input', {bubbles: true})); }")  # fmt: skip
    shown, address = names(page), page.value("location.href")
    assert shown == sorted(task.task_id for task in report[0].tasks if task.family == "repair")
    assert "family=repair&text" not in address.partition("#")[0]
    page.open("about:blank#")
    page.open(address)
    assert names(page) == shown
    assert page.value("document.querySelector('[name=text]').value") == "Light Level"
    page.value("document.querySelector('#browser [type=reset]').click()")
    page.wait("!location.hash.includes('family=')")
