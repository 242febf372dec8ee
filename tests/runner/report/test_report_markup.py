"""A page is whole in itself and carries every sample; no foreign text becomes markup, in it or in Markdown."""

from __future__ import annotations

import base64
import hashlib
import html
import re

import pytest

from eval.records import Candidate, Completion, Outcome, Sample, Verdict
from runner.report import build
from runner.report.page import packing, svg, writing
from runner.runs.folder import Run
from tests.support.reports import Page, carried, html_of, markdown_of
from tests.support.story import Story

pytestmark = pytest.mark.usefixtures("usual_results")


def test_the_page_is_well_formed_and_names_nothing_outside_the_runs_folder(finished: Run) -> None:
    page = Page(html_of(finished))
    assert page.open == []
    names = {name for name, _ in page.elements}
    assert not names & {"img", "link", "iframe", "object", "embed", "base"}
    targets = [value for _, attributes in page.elements for key, value in attributes.items() if key in ("src", "href")]
    assert targets
    inside = [str(target) for target in targets if not str(target).startswith("#")]
    assert [target for target in inside if ":" in target or target.startswith(("/", ".")) or ".." in target] == []
    assert not any(key.startswith("on") or key == "style" for _, attributes in page.elements for key in attributes)


def test_the_policy_lets_only_the_pages_own_style_and_script_in(finished: Run) -> None:
    text = html_of(finished)
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    policy = html.unescape(policy)
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        [content] = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_every_link_of_the_contents_leads_somewhere_and_every_deep_link_to_a_task(finished: Run) -> None:
    page = Page(html_of(finished))
    anchors = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    links = {str(a["href"])[1:] for name, a in page.elements if name == "a" and str(a["href"]).startswith("#")}
    tasks = {task.task_id for task in build(finished).tasks}
    assert {link for link in links if not link.startswith("task=")} <= anchors
    assert {link.removeprefix("task=") for link in links if link.startswith("task=")} == tasks


def test_the_page_carries_every_sample_of_both_arms(finished: Run) -> None:
    document, data = carried(html_of(finished)), build(finished)
    assert [task["id"] for task in document["tasks"]] == [task.task_id for task in data.tasks]
    for row, task in zip(document["tasks"], data.tasks, strict=True):
        for arm, samples in (("base", task.base_samples), ("cell", task.cell_samples)):
            assert [sample[0] for sample in row[arm]["samples"]] == [sample.index for sample in samples]
            assert [sample[1] for sample in row[arm]["samples"]] == [s.verdict.outcome.value for s in samples]
            assert [document["texts"][sample[4]] for sample in row[arm]["samples"]] == [
                s.completion.text for s in samples
            ]
            assert [int(sample[12]) for sample in row[arm]["samples"]] == [sample.seed for sample in samples]
    assert sum(len(task.base_samples) for task in data.tasks) == 24 * 6


def test_a_sample_says_what_judged_it_and_what_held_it(finished: Run) -> None:
    document = carried(html_of(finished))
    said = {document["texts"][sample[9]] for task in document["tasks"] for sample in task["base"]["samples"]}
    assert all(text.endswith("verifier recorder/luajit21 · isolation process+rlimits+seccomp") for text in said)


def sample(index: int, outcome: Outcome) -> Sample:
    return Sample(
        "t", index, "base", 1, Completion("x", "stop", 1), Candidate("x", "bare"), Verdict(outcome, "", 0.0, "v", "i")
    )


def test_the_samples_shown_are_one_of_each_way_to_end_passed_first() -> None:
    drawn = [
        sample(0, Outcome.WRONG),
        sample(1, Outcome.TIMEOUT),
        sample(2, Outcome.TIMEOUT),
        sample(3, Outcome.PASSED),
    ]
    assert [s.index for s in packing.representatives(drawn, 2)] == [3, 1]
    assert [s.index for s in packing.representatives(drawn, 9)] == [3, 1, 0]


def test_waived_checks_stand_before_the_contents(finished: Run) -> None:
    text = html_of(finished)
    assert text.index("kept to compare") < text.index("<nav")
    assert [check.name for check in build(finished).waived] == ["contamination"]


def test_model_text_stands_in_the_page_as_base64_or_escaped_and_never_as_markup(finished: Run) -> None:
    text = html_of(finished)
    page = Page(text)
    assert "<img" not in text
    assert "onerror" not in {key for _, attributes in page.elements for key in attributes}
    assert any(Story().markup in shown for shown in carried(text)["texts"])


def test_model_text_in_markdown_is_escaped(finished: Run) -> None:
    text = markdown_of(finished)
    assert "<img" not in text
    assert writing.escape_markdown("a|b `x` <i>\n# c") == r"a\|b \`x\` \<i\> \# c"


def test_control_signs_that_hide_text_are_made_visible() -> None:
    assert writing.printable("a\u202eb\x1b\n") == "a\\u202eb\\u001b\n"


def test_svg_text_and_attributes_are_escaped() -> None:
    drawn = svg.picture('"><script>', 10, svg.text(50, 5, "<b>"))
    assert "<script>" not in drawn
    assert "<b>" not in drawn
