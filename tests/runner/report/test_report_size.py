"""A large report stays one file of less than 3 MB, and its colours can be read by whoever sees them."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from eval.records import Candidate, Completion, Outcome, Sample, Verdict
from runner.report import ReportData, build, write_html
from runner.runs.locations import PROJECT
from tests.support.run_factory import make_run
from tests.support.story import Story

WORDS = ("core", "register", "node", "craft", "light", "level", "tiles", "groups", "mymod", "stone", "function", "end")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> ReportData:
    return build(make_run(tmp_path_factory.mktemp("results"), Story(dev_tasks=6, test_tasks=9)))


def large(small: ReportData, tasks: int, samples: int, characters: int) -> ReportData:
    """Return a report of so many tasks and samples of both arms, no two programs alike."""
    chance = random.Random(3)

    def program() -> str:
        words = [f"{chance.choice(WORDS)}_{chance.randrange(1000)}" for _ in range(characters // 9)]
        return "\n".join(" ".join(words[at : at + 6]) for at in range(0, len(words), 6))[:characters]

    def drawn(arm: str) -> tuple[Sample, ...]:
        return tuple(
            Sample(
                "t", index, arm, chance.getrandbits(62), Completion(text := program(), "stop", 200), Candidate(text, "bare"),
                Verdict(chance.choice(list(Outcome)), "check: expected 7, got nil", chance.random(), "recorder/luajit21", "process"),
            )
            for index in range(samples)
        )  # fmt: skip

    views = [
        replace(
            small.tasks[0],
            task_id=f"task-{n}",
            instruction=program(),
            base_samples=drawn("base"),
            cell_samples=drawn("cell"),
        )
        for n in range(tasks)
    ]
    return replace(small, tasks=tuple(views))


def test_300_tasks_of_10_samples_and_2_arms_stay_below_3_mb_with_nothing_left_out(
    small: ReportData, tmp_path: Path
) -> None:
    data = large(small, 300, 10, 700)
    page = write_html(data, tmp_path)
    assert page.stat().st_size < 3_000_000
    assert "To keep the page small" not in page.read_text(encoding="utf-8")


@pytest.mark.heavy
def test_a_page_that_would_be_too_large_is_cut_and_says_what_it_leaves_out(small: ReportData, tmp_path: Path) -> None:
    page = write_html(large(small, 40, 10, 9000), tmp_path)
    text = page.read_text(encoding="utf-8")
    assert page.stat().st_size < 3_000_000
    assert re.search(r"To keep the page small, [\d,]+ long texts end after [\d,]+ characters", text)


def luminance(colour: str) -> float:
    """Return the relative luminance of '#rrggbb' (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


STYLE = (PROJECT / "runner" / "report" / "page" / "templates" / "style.css").read_text(encoding="utf-8")
THEMES = {
    name: dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block))
    for name, block in zip(("light", "dark"), re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL), strict=False)
}
TEXT_COLOURS = ("ink", "muted", "gain", "loss", "no", "bad", "link", "keyword", "string", "number", "comment", "global")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("colour", TEXT_COLOURS)
def test_text_has_the_contrast_that_wcag_asks_for(theme: str, colour: str) -> None:
    assert min(contrast(THEMES[theme][colour], THEMES[theme][ground]) for ground in ("page", "panel")) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_gain_and_loss_differ_for_a_reader_without_red_or_green(theme: str) -> None:
    """Deuteranopia keeps the difference of blue to yellow: gain leans to blue, loss to yellow-red."""

    def blueness(colour: str) -> float:
        red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
        return blue - (red + green) / 2

    assert blueness(THEMES[theme]["gain"]) - blueness(THEMES[theme]["loss"]) > 40
