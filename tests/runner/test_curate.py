"""`curate`: from a recipe to rows that may be trained on, each stage once for the same inputs, settings and code."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from env.locking import RunLock
from eval.curation import STAGES
from eval.curation.recipe import Recipe
from eval.curation.running import LOCK
from runner.runs.config import groups
from runner.runs.recipes import compose_recipe, recipe_names
from tests.gates.test_settings import fields_of, records_in
from tests.support.curated import node, recipe_file, source, write_rows
from tests.support.runs import Cli

pytest.importorskip("license_expression")

ROWS: list[dict[str, Any] | str] = [
    node("fern"),
    node("fern"),
    node("oak", light=5),
    node("moss", light=3, asked=9),
    {**node("pine"), "output": "core.register_node('garden:pine', {"},
    node("rose"),
    node("ivy", licence="GPL-3.0-only"),
    '{"torn',
    {**node("reed"), "instruction": "<script>alert(1)</script> Make the node garden:reed, light level 3."},
    node("hazel"),
    node("birch"),
]


def garden(folder: Path, **sections: Any) -> str:
    """Write the garden's rows, an eval file that holds the oak, and a recipe over both; return the recipe's path."""
    write_rows(folder / "rows.jsonl", ROWS)
    write_rows(folder / "eval.jsonl", [node("oak", light=5), node("thyme")])
    light = {"execute": {"checks": "derived"}, "decontaminate": {"files": ["eval.jsonl"]}}
    return str(recipe_file(folder, {"mine": source("rows", "rows.jsonl")}, **{**light, **sections}))


def stages_of(text: str) -> dict[str, dict[str, Any]]:
    return {one["stage"]: one for one in json.loads(text)["stages"]}


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


def test_every_row_is_kept_or_dropped_with_a_reason_and_the_files_say_where_each_came_from(
    tmp_path: Path, cli: Cli
) -> None:
    recipe, out = garden(tmp_path), tmp_path / "out"
    code, text = cli("curate", recipe, "--out", str(out), "--json")
    assert code == 0, text
    stages = stages_of(text)
    assert list(stages) == [stage.name for stage in STAGES]
    assert {name: (one["rows_in"], one["rows_out"]) for name, one in stages.items()} == {
        "collect": (0, 10),
        "licence": (10, 9),
        "parse": (9, 9),
        "execute": (9, 7),
        "score": (7, 7),
        "deduplicate": (7, 6),
        "decontaminate": (6, 5),
        **dict.fromkeys(("balance", "order", "split", "card"), (5, 5)),
    }
    assert {reason: rows for one in stages.values() for reason, rows in one["dropped"].items()} == {
        "not readable": 1,
        "licence copyleft: GPL-3.0-only of mine": 1,
        "does not pass: WRONG": 1,
        "does not pass: SYNTAX_ERROR": 1,
        "repeats another row": 1,
        "a benchmark stands in it verbatim (T1)": 1,
    }
    assert stages["decontaminate"]["facts"]["eval.jsonl"] == {
        "tasks": 2, "found": 1, "prompt and answer": 1, "verbatim": 1,
    }  # fmt: skip
    rows, origins = ([json.loads(line) for line in (out / f"train{end}").open(encoding="utf-8")]
                     for end in (".jsonl", ".provenance.jsonl"))  # fmt: skip
    assert sorted(origin["line"] for origin in origins) == [1, 6, 9, 10, 11]
    for row, origin in zip(rows, origins, strict=True):
        given = ROWS[origin["line"] - 1]
        assert isinstance(given, dict)
        assert (row["instruction"], row["output"]) == (given["instruction"], given["output"])
        assert origin["licence"] == "MIT"
    card = (out / "README.md").read_text(encoding="utf-8")
    assert card.startswith('---\nlicense: other\nlicense_name: "MIT"\n')
    assert "| commercial |" not in card
    assert "- mine (mine): 5 rows" in (out / "ATTRIBUTION.md").read_text(encoding="utf-8")


def test_the_screen_and_the_page_say_why_rows_were_dropped_and_foreign_text_is_no_markup(
    tmp_path: Path, cli: Cli
) -> None:
    recipe, out = garden(tmp_path), tmp_path / "out"
    code, text = cli("curate", recipe, "--out", str(out))
    assert code == 0
    assert re.search(r"✓ execute +7 rows +2 dropped", text)
    assert "1 × does not pass: WRONG" in text
    page = (out / "curation.html").read_text(encoding="utf-8")
    assert "light_source is 9: light_source: expected 9, got 3" in page
    assert "stays: rows.jsonl:1" in page
    assert "dropped: rows.jsonl:2" in page
    assert "<script" not in page, "no script runs, and foreign text is no markup"
    assert not re.search(r"(?:src|href)=\"(?!#)", page), "nothing is fetched"
    assert "licence copyleft: GPL-3.0-only of mine" in page


def test_a_second_run_reuses_every_stage_and_changes_no_byte(tmp_path: Path, cli: Cli) -> None:
    recipe, out = garden(tmp_path), tmp_path / "out"
    assert cli("curate", recipe, "--out", str(out))[0] == 0
    before = files_in(out)
    code, text = cli("curate", recipe, "--out", str(out))
    assert code == 0
    assert text.count("reused") == len(STAGES)
    assert files_in(out) == before
    assert cli("curate", recipe, "--out", str(tmp_path / "elsewhere"))[0] == 0
    assert files_in(tmp_path / "elsewhere") == before, "the same bytes wherever they are made"


def test_one_key_changes_only_the_stages_that_follow_it_and_a_damaged_stage_is_made_again(
    tmp_path: Path, cli: Cli
) -> None:
    recipe, out = garden(tmp_path), tmp_path / "out"

    def ran(*overrides: str) -> list[str]:
        code, text = cli("curate", recipe, *overrides, "--out", str(out), "--dry-run")
        assert code == 0, text
        lines = [line for line in text.splitlines() if "would run" in line]
        assert cli("curate", recipe, *overrides, "--out", str(out))[0] == 0
        return [line.split()[1] for line in lines]

    names = [stage.name for stage in STAGES]
    assert ran() == names
    assert ran() == []
    assert ran("order.by=source") == ["order", "split", "card"]
    assert ran("card.summary=Other") == ["card"], "what came before is stored still"
    assert ran() == []
    assert ran("split.held_out=0.4") == ["split", "card"]
    [folder] = out.glob("stages/05-score-*")
    (folder / "rows.jsonl").write_text("", encoding="utf-8")
    before = files_in(out / "stages")
    assert ran()[0] == "score"
    assert files_in(out / "stages") != before
    (tmp_path / "eval.jsonl").write_text(json.dumps(node("rose")) + "\n", encoding="utf-8")
    assert ran()[0] == "decontaminate", "an eval file with other bytes is compared again"


def test_a_folder_that_another_process_curates_into_is_left_alone(tmp_path: Path, cli: Cli) -> None:
    recipe, out = garden(tmp_path), tmp_path / "out"
    with RunLock(out / LOCK):
        code, text = cli("curate", recipe, "--out", str(out))
    assert code == 4
    assert f"Another process curates into {out}" in " ".join(text.split())
    assert [path.name for path in out.iterdir()] == [LOCK]


def test_a_dry_run_says_what_would_run_and_writes_nothing(tmp_path: Path, cli: Cli) -> None:
    code, text = cli("curate", garden(tmp_path), "--out", str(tmp_path / "out"), "--dry-run")
    assert code == 0
    assert "dry run: nothing was written" in text
    assert text.count("would run") == len(STAGES)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["garten"], 'There is no recipe "garten".'),
        (["luanti_public", "sede=1"], 'sede: no such key. Did you mean "seed"?'),
        (["luanti_public", "seed"], '"seed" is not of the form key=value'),
        (["luanti_public", "execute.verifier=recoder"], 'execute.verifier: no verifier "recoder". fix: Did you mean "recorder"'),
        (["luanti_public", "data=/nowhere"], "sources.luanti_train.path: there is no /nowhere/luanti-fine-tune"),
        (["luanti_public", "domain=moon"], 'There is no domain "moon".'),
    ],
)  # fmt: skip
def test_what_cannot_be_curated_is_refused_in_a_sentence_and_nothing_is_written(
    tmp_path: Path, cli: Cli, words: list[str], told: str
) -> None:
    code, text = cli("curate", *words, "--out", str(tmp_path / "out"), "--dry-run")
    assert code == 2
    assert told in " ".join(text.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- a\n", "mine.yaml: is no mapping of keys."),
        ("a: [\n", "mine.yaml, line 2: "),
        ("seed: x\n", "seed: must be a valid integer"),
    ],
)
def test_a_recipe_of_one_s_own_that_cannot_be_read_is_refused_with_its_line(
    tmp_path: Path, cli: Cli, text: str, told: str
) -> None:
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    code, said = cli("curate", str(tmp_path / "mine.yaml"), "--dry-run")
    assert code == 2
    assert told in said


def test_a_training_set_without_a_row_left_is_refused_with_the_reasons(tmp_path: Path, cli: Cli) -> None:
    code, text = cli("curate", garden(tmp_path), "licence.allow=[unknown]", "--out", str(tmp_path / "out"))
    assert code == 2
    said = " ".join(text.split())
    assert "licence: no row of 10 is left: 9 × licence commercial: MIT of mine; 1 × licence copyleft" in said


@pytest.mark.slow
@pytest.mark.debian
@pytest.mark.skipif(shutil.which("apt-get") is None, reason="packages are fetched by apt-get")
def test_a_real_package_of_debian_gives_executed_rows_under_the_licence_of_its_copyright_file(
    tmp_path: Path, cli: Cli
) -> None:
    fetch = ["apt-get", "download", "minetest-mod-moreblocks"]
    if subprocess.run(fetch, cwd=tmp_path, capture_output=True, check=False).returncode:
        pytest.skip("apt-get finds no package minetest-mod-moreblocks here")
    words = ["debian_mods", f"data={tmp_path}", "execute.verifier=recorder", "decontaminate.benchmarks=[]"]
    code, text = cli("curate", *words, "--out", str(tmp_path / "out"), "--json")
    assert code == 0, text
    stages = stages_of(text)
    assert set(stages["licence"]["facts"]["licences"]) == {"Zlib"}
    assert stages["execute"]["made"] > stages["execute"]["rows_in"] - len(stages["execute"]["dropped"])
    [first, *_] = (tmp_path / "out" / "train.provenance.jsonl").read_text(encoding="utf-8").splitlines()
    assert "usr/share/games/minetest/mods/moreblocks/" in json.loads(first)["file"]


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_of_the_project_composes_and_its_first_line_says_what_it_is_for(name: str) -> None:
    recipe, plain = compose_recipe(name, ["data=/data"])
    assert recipe.sources
    assert plain["title"] != compose_recipe("luanti_public", [])[1]["title"] or name == "luanti_public"


@pytest.mark.parametrize("record", list(dict.fromkeys(records_in(Recipe))), ids=lambda record: record.__name__)
def test_no_key_of_a_recipe_has_a_default_outside_conf(record: type) -> None:
    assert [name for name, has_default in fields_of(record).items() if has_default] == []


def test_recipes_are_no_group_of_an_experiment() -> None:
    assert "curation" not in groups()
