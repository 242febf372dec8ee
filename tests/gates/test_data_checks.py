"""Gate A's look at the data: every tier of leak blocks until it is waived by name, and each task is counted once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from env.checks import Check
from eval.overlap.contamination import Overlap, Status, survey
from eval.records import Row, Task
from gates.a_environment.data_checks import contamination_facts, inspect_data
from gates.a_environment.waiving import waive
from gates.measuring.bench import dataset_of
from gates.report.results import Leak
from runner.runs.config import compose_experiment
from tests.support.runs import Cli

NODE = """core.register_node("mymod:{name}", {{
    description = "{name} of the northern quarry, polished and waxed by hand",
    tiles = {{"{name}_top.png", "{name}_bottom.png", "{name}_side.png"}},
    groups = {{cracky = 3, stone = 1, slippery = 2}},
    light_source = {light},
}})"""
SUBJECTS = (
    "amber",
    "basalt",
    "cobalt",
    "dolomite",
    "ebony",
    "flint",
    "garnet",
    "halite",
    "indigo",
    "jasper",
    "kelp",
    "lapis",
)
ASKED = (
    "Show code for a bright '{name}' rock: {light}.",
    "Miners want {name} that shines, brightness {light}.",
    "What would a lamp of {name} look like in Lua (light level {light})?",
    "Register a node called '{name}' with light level {light}.",
    "Create the {name} block; it must glow at {light}, and mymod owns it.",
    "We need mymod:{name}. Its light source is {light}. Write its registration for a quarry game.",
)


def item(number: int) -> dict[str, str]:
    """One item: six wordings, twelve names."""
    values = {"name": SUBJECTS[number], "light": number % 14}
    asked = ASKED[number % 6].format(**values)
    return {"instruction": asked, "input": "", "output": NODE.format(**values), "family": "scaffold"}


def unrelated(number: int) -> dict[str, str]:
    words = f"the tool number {number} digs sand"
    code = f'core.register_tool("other:t{number}", {{inventory_image = "t{number}.png"}})'
    return {"instruction": f"Make {words}", "input": "", "output": code, "family": "scaffold"}


def checks_of(tmp_path: Path, rows: list[dict[str, str]], **waivers: str) -> dict[str, Check]:
    """What Gate A finds with these training rows: check name → check."""
    for name, lines in (("eval", [item(i) for i in range(12)]), ("train", [*rows, *map(unrelated, range(60))])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    overrides = [
        "dataset=jsonl",
        f"dataset.eval={tmp_path / 'eval.jsonl'}",
        f"dataset.train={tmp_path / 'train.jsonl'}",
    ]
    overrides += [f'gate.a.waivers.{name}="{reason}"' for name, reason in waivers.items()]
    experiment, _ = compose_experiment(["profile=smoke", *overrides])
    found = inspect_data(experiment, dataset_of(experiment)).checks
    return {check.name: check for check in waive(found, experiment.gate.a.waivers)}


EXACT = item(3)
# the same program with its last word changed, and another one that holds a long part of the reference
NEAR = {**item(4), "instruction": "Something else", "output": item(4)["output"].replace("light_source", "glow_source")}
PART = {**unrelated(99), "output": 'local groups = {} description = "flint of the northern quarry, polished and waxed by hand",\ntiles = {"flint_top.png", "flint_bottom.png"}'}  # fmt: skip
TIERS = {"exact leaks": EXACT, "near leaks": NEAR, "partial leaks": PART}


def test_rows_that_share_nothing_leak_nothing(tmp_path: Path) -> None:
    checks = checks_of(tmp_path, [])
    for name in (*TIERS, "alike tasks"):
        assert checks[name].ok, checks[name]
        assert not checks[name].evidence
    assert checks["exact leaks"].level == "block", "what a miss would have meant"


@pytest.mark.parametrize("name", TIERS)
def test_a_leak_of_each_tier_blocks_alone_and_is_waived_by_its_own_name(tmp_path: Path, name: str) -> None:
    checks = checks_of(tmp_path, [TIERS[name]])
    assert {other for other in TIERS if checks[other].blocks} == {name}
    assert checks[name].value.startswith("1 of 12 eval items appear")
    assert "in training line 1" in checks[name].evidence[0]
    key = name.replace(" ", "_")
    assert f"gate.a.waivers.{key}=" in checks[name].fix
    waived = waive(list(checks.values()), {key: "kept to compare", "exact_leak": "a name that no check has"})
    assert not [check for check in waived if check.name in TIERS and check.blocks]
    assert next(check for check in waived if check.name == name).waived == "kept to compare"


def test_a_waiver_of_one_tier_waives_no_other(tmp_path: Path) -> None:
    checks = checks_of(tmp_path, [EXACT, NEAR, PART], exact_leaks="known")
    assert {name for name in TIERS if checks[name].blocks} == {"near leaks", "partial leaks"}
    assert checks["exact leaks"].waived == "known"


def test_evidence_names_task_row_tier_similarity_and_the_shared_text(tmp_path: Path) -> None:
    checks = checks_of(tmp_path, [EXACT, NEAR, PART])
    assert (
        checks["exact leaks"]
        .evidence[0]
        .startswith("eval:4: prompt and answer verbatim in training line 1 (T1): “register a node called")
    )
    [near] = checks["near leaks"].evidence
    assert near.startswith("eval:5: answer nearly (J 0.")
    assert "in training line 2 (T3): “core.register_node(" in near
    [part] = checks["partial leaks"].evidence
    assert part.startswith("eval:6: answer in parts (")
    assert 'in training line 3 (T2): “description = "flint of the northern quarry' in part


def test_doctor_says_the_same_on_the_screen_and_as_data(tmp_path: Path, cli: Cli) -> None:
    checks_of(tmp_path, [EXACT])
    files = [f"dataset.eval={tmp_path / 'eval.jsonl'}", f"dataset.train={tmp_path / 'train.jsonl'}"]
    code, text = cli("doctor", "profile=smoke", "dataset=jsonl", *files)
    assert code == 3
    assert "✗ exact leaks" in text
    assert "eval:4: prompt and answer verbatim in training line 1 (T1): “register a node called" in text
    code, text = cli("doctor", "profile=smoke", "dataset=jsonl", *files, "--json")
    assert code == 3
    [leak] = [check for check in json.loads(text) if check["name"] == "exact leaks"]
    assert leak["ok"] is False
    assert leak["evidence"][0].startswith("eval:4: prompt and answer verbatim in training line 1 (T1)")
    [found] = leak["data"]
    shared = found.pop("shared")
    assert found == {"task_id": "eval:4", "tier": "T1", "part": "both", "lines": [1], "rows": 1, "similarity": 1.0}
    assert shared.startswith("register a node called")


def test_items_that_ask_nearly_the_same_share_a_cluster_even_if_their_file_says_otherwise(tmp_path: Path) -> None:
    from eval.datasets.clustering import cluster_items

    long = "Register the copper drill so that it digs stone twice as fast as iron and wears out after ninety uses"
    items = [Row(f"{long} {last}", "", "x", "scaffold", cluster=name) for last, name in (("now", "b"), ("please", "a"))]
    assert cluster_items(items) == ("a", "a")
    assert cluster_items([items[0], Row("Something else entirely", "", "x", "doc", cluster="z")]) == ("b", "z")


def test_what_a_survey_found_is_counted_by_status_and_kept_overlap_by_overlap() -> None:
    def task(name: str) -> Task:
        return Task(name, "scaffold", "node", name, "dev", f"Ask {name}", "", "code", f"say {name}", ())

    found = contamination_facts(survey([task("a"), task("b")], [Row("ask a", "", "say a", "scaffold", line=7)]))
    assert found.counts == {Status.CLEAN: 1, Status.PARTIAL: 0, Status.CONTAMINATED: 1}
    assert found.tasks == {"a": Leak(status=Status.CONTAMINATED, tier="T1")}
    assert found.overlaps == (Overlap("a", "T1", "both", (7,), 1, 1.0, "ask a"),)
