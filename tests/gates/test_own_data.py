"""Gate A on a user's own files: the true cause comes first, what is left out is said, nothing unproven is a pass."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from env.checks import Check
from env.refusal import Refusal
from eval.records import Row
from gates.a_environment.data_checks import inspect_data
from gates.measuring.bench import dataset_of
from runner.runs.config import compose_experiment
from tests.support import garden
from tests.support.runs import Cli


def written(path: Path, rows: Sequence[Row]) -> Path:
    lines = [{"instruction": r.instruction, "input": r.input, "output": r.output, "family": r.family} for r in rows]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def unrelated(number: int) -> Row:
    code = f'core.register_privilege("own{number}", {{description = "May do {number}"}})'
    return Row(f"Give moderators right number {number}.", "", code, "scaffold")


def overrides(tmp_path: Path, items: Sequence[Row], *more: str) -> list[str]:
    files = {
        "eval": written(tmp_path / "eval.jsonl", items),
        "train": written(tmp_path / "train.jsonl", [unrelated(number) for number in range(12)]),
    }
    sizes = [f"dataset.{key}=0" for key in ("dev_tasks", "test_tasks", "rows")]
    named = [f"dataset.{key}={path}" for key, path in files.items()]
    return ["profile=smoke", "dataset=jsonl", *named, *sizes, *more]


def checks_of(tmp_path: Path, items: Sequence[Row], *more: str) -> dict[str, Check]:
    experiment, _ = compose_experiment(overrides(tmp_path, items, *more))
    return {check.name: check for check in inspect_data(experiment, dataset_of(experiment)).checks}


def test_a_mod_of_any_name_passes_as_it_is(tmp_path: Path) -> None:
    checks = checks_of(tmp_path, garden.items())
    assert checks["references"].value == "11 of 11 pass their own checks"
    assert checks["training answers"].ok


def test_a_family_of_programs_may_hold_rows_that_answer_by_a_diff() -> None:
    sizes = [f"dataset.{key}={count}" for key, count in {"dev_tasks": 33, "test_tasks": 33, "rows": 66}.items()]
    experiment, _ = compose_experiment(["profile=smoke", "dataset=roblox_mini", "verifier=world", *sizes])
    dataset = dataset_of(experiment)
    assert {row.family for row in dataset.rows if "@@ " in row.output} == {"bugfix"}
    checks = {check.name: check for check in inspect_data(experiment, dataset).checks}
    assert checks["training answers"].value == "66 of 66 apply, parse and load"


def test_the_cause_of_failing_references_comes_before_what_follows_from_it(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as caught:
        checks_of(tmp_path, garden.items()[:6], "dataset.mod_name=mymod")
    sentence = caught.value.sentence
    cause = "5 of 6 references fail because programs run as mod `mymod` and register names of `garden`. "
    assert sentence.startswith(cause)
    assert sentence.endswith("at least 2 clusters are needed.")
    assert "dataset.mod_name=garden" in caught.value.fix
    assert "template" not in str(caught.value)


def test_another_common_cause_is_told_by_its_verdict(tmp_path: Path) -> None:
    items = [
        Row(item.instruction, "", item.output.replace("garden", "x-y"), item.family) for item in garden.items()[:5]
    ]
    with pytest.raises(Refusal) as caught:
        checks_of(tmp_path, items)
    assert caught.value.sentence.startswith(
        "5 of 5 references fail: eval.jsonl:1: RUNTIME_ERROR: init.lua:1: Name x-y:apple"
    )


def test_excluded_references_name_the_cause_too(tmp_path: Path) -> None:
    items = [*garden.items(), Row("Register garden:rake.", "", 'core.register_node("garden:rake", 5)', "scaffold")]
    check = checks_of(tmp_path, items)["references"]
    assert (check.level, check.ok, check.value) == (
        "warn",
        False,
        "11 of 12 pass their own checks, the rest are left out",
    )
    assert check.reason.startswith("1 of 12 references fail: eval.jsonl:12: RUNTIME_ERROR")


def test_items_that_cannot_be_checked_are_said_with_count_and_reason(tmp_path: Path) -> None:
    functions = [
        Row(f"Write a function that adds {n}.", "", f"function f(a) return a + {n} end", "scaffold") for n in range(24)
    ]
    check = checks_of(tmp_path, [*garden.items(), *functions])["items left out"]
    assert (check.level, check.ok) == ("warn", False)
    assert check.value == "24 of 35 eval items: 24 × its reference registers nothing, it only defines functions"
    assert check.evidence[0] == "eval.jsonl:12: its reference registers nothing, it only defines functions"


def test_wrong_answers_are_derived_where_none_are_given_and_their_number_is_said(tmp_path: Path) -> None:
    check = checks_of(tmp_path, garden.items())["near misses"]
    assert (check.level, check.ok) == ("warn", False)
    assert check.value.endswith("changed values go unnoticed")
    assert check.evidence == ('eval.jsonl:9: passes although "garden:flower" is "garden:flower_x"',)
    seen = [item for item in garden.items() if "flower" not in item.output]
    check = checks_of(tmp_path, seen)["near misses"]
    assert check.ok
    assert check.value.startswith("0 of ")


def test_that_no_wrong_answer_is_known_is_no_pass(tmp_path: Path) -> None:
    asked = ("Something that shines", "A thing to sit on", "What miners carry", "Make it rain", "Food", "A flying pet")
    items = [
        Row(
            text,
            "",
            f'core.register_node("garden:n{n}", {{tiles = {{"{"abcdef"[n]}.png"}}, climbable = true}})',
            "scaffold",
        )
        for n, text in enumerate(asked)
    ]
    check = checks_of(tmp_path, items)["near misses"]
    assert (check.ok, check.value) == (False, "none given, and none can be derived")


def test_doctor_shows_what_was_not_used(tmp_path: Path, cli: Cli) -> None:
    chosen = overrides(
        tmp_path, [*garden.items(), Row("Add.", "", "function f() end", "scaffold")], "dataset.test_tasks=6"
    )
    lines = (tmp_path / "train.jsonl").read_text().splitlines()
    chatty = {
        "messages": [{"role": s, "content": s} for s in ("system", "user", "assistant")],
        "family": "doc",
        "id": 7,
    }
    (tmp_path / "train.jsonl").write_text("\n".join([*lines, json.dumps(chatty)]))
    _, text = cli("doctor", *chosen)
    assert "items left out" in text
    assert "1 of 12 eval items: 1 × its reference registers nothing, it only defines functions" in text
    assert "dataset.test_tasks=6: 6 of 7 test tasks are used" in text
    assert "train.jsonl: system turns in 1 row, 1 text, are not used" in text
    assert 'train.jsonl: "id" in 1 row' in text


def test_a_mod_name_is_refused_where_tasks_name_their_own(cli: Cli) -> None:
    code, text = cli("doctor", "profile=smoke", "dataset.mod_name=garden")
    assert code == 2
    assert "mod_name is for files of your own" in text


def test_each_listed_problem_has_a_line_of_its_own_on_the_screen(tmp_path: Path, cli: Cli) -> None:
    chosen = overrides(tmp_path, garden.items())
    (tmp_path / "train.jsonl").write_text('{"instruction": "a"}\n[]\n')
    code, text = cli("doctor", *chosen)
    assert code == 2
    assert "train.jsonl: 2 of 2 rows cannot be read:\n" in text
    assert '\n  line 1: missing key "output"\n' in text
    assert "\n  line 2: must be a JSON object, not list\n" in text
