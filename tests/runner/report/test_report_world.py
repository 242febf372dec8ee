"""What a program left in its world, as the sample browser shows it: marks, trees of instances, calls, findings, Luau."""

from __future__ import annotations

import json
from pathlib import Path

from runner.report import ReportData
from tests.support.chromium import Tab, needs_chromium

pytestmark = needs_chromium


def test_things_with_paths_are_shown_as_a_tree(page: Tab) -> None:
    items = [
        "Model Workspace.Door",
        "Part Workspace.Door.Handle",
        "Part Workspace.Door.Handle",
        "Folder Workspace.Empty",
    ]
    made = page.value(
        f"(() => {{ const tree = madeTree({json.dumps(items)}); return [tree.querySelector('dt').textContent,"
        " [...tree.querySelectorAll('li')].map(e => [...e.childNodes].filter(n => n.tagName !== 'UL')"
        ".map(n => n.textContent).join('')), tree.querySelectorAll('ul ul ul').length]; })()"
    )
    assert made == ["made", ["Workspace", "Door Model", "Handle Part × 2", "Empty Folder"], 1]


def test_things_without_paths_stay_one_line(page: Tab) -> None:
    text = page.value('madeTree(["node mymod:lamp", "craft mymod:lamp"]).textContent')
    assert text == "registerednode mymod:lamp · craft mymod:lamp"


def test_a_name_that_looks_like_markup_stays_text(page: Tab) -> None:
    assert page.value('madeTree(["Part Workspace.<img src=x>"]).querySelectorAll("img").length') == 0


def test_the_marks_of_the_chosen_sample_stand_beside_its_verdict(page: Tab, report: tuple[ReportData, Path]) -> None:
    task = report[0].tasks[0]
    [marks] = [marks for sample, marks in zip(task.base_samples, task.base_marks, strict=True) if sample.index == 0]
    assert marks is not None
    shown = page.value("[...document.querySelectorAll('[data-arm=base] .mark')].map(e => e.textContent)")
    wanted = {"syntax": marks.syntax, "api": marks.api, "bugs": marks.bugs, "quality": marks.quality}
    assert shown == [f"{name} {mark:.2f}" for name, mark in wanted.items()]


def test_luau_is_coloured_and_no_character_is_lost(page: Tab) -> None:
    code = (
        '@native\nlocal s = `a {b} \\` c` -- d\nexport type T = number\nx += 0b1010 // 1_000\nCFrame.new("`")\n`open\n'
    )
    lines = page.value(f"luaLines({json.dumps(code)})")
    assert "\n".join("".join(text for _, text in line) for line in lines) == code
    kinds = {text: kind for line in lines for kind, text in line}
    assert kinds["`a {b} \\` c`"] == "string"
    assert kinds["@native"] == "keyword"
    assert kinds["0b1010"] == kinds["1_000"] == "number"
    assert kinds["CFrame"] == "global"
    assert kinds['"`"'] == "string"


def test_a_document_of_calls_is_shown_one_value_a_line(page: Tab) -> None:
    document = json.dumps({"calls": [{"name": "run_code", "arguments": {}}], "answer": ""})
    lines = page.value(f"asCalls({{text: {json.dumps(document)}}}).map(line => line.slice(1).map(p => p[1]).join(''))")
    assert json.loads("\n".join(lines)) == json.loads(document)
    assert len(lines) > 5
    assert page.value("asCalls({text: '{\"cut'}).length") == 1
