"""What each stage keeps, what it drops, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from env.refusal import Refusal
from eval.curation.answers import task_of
from eval.curation.breaking import broken_variants
from eval.curation.recipe import Recipe
from eval.curation.records import CuratedRow, StageResult, row_from_json
from eval.curation.stages import balance, card, collect, deduplicate, execute, order, parse, score, split
from eval.curation.surroundings import Surroundings
from eval.datasets.formats.rows import read_source
from eval.datasets.formats.rules import RowRules
from eval.domains import domain_named
from eval.pipeline.extract import extract
from runner.runs.recipes import verifier_of
from tests.support.curated import PLANTS, curated, node, recipe_of, source, write_rows

LUANTI = domain_named("luanti")


def around(folder: Path, recipe: Recipe | None = None) -> Surroundings:
    return Surroundings(LUANTI, verifier_of(recipe) if recipe is not None else None, folder)


def reasons(result: StageResult) -> dict[str, int]:
    return dict(Counter(row.reason for row in result.dropped))


def test_a_row_comes_back_from_its_line_as_it_was() -> None:
    row = curated(1, facts={"lines": 3}, messages=({"role": "user", "content": "x"},))
    assert row_from_json(row.to_json()) == row


def test_an_answer_without_a_program_cut_off_or_with_a_nul_is_dropped_and_says_so(tmp_path: Path) -> None:
    rows = [
        curated(1),
        curated(2, output="```lua\ncore.register_node('a:b', {"),
        curated(3, output="x = 1\0"),
        curated(4, output="x = 1" * 9000),
    ]
    result = parse.run(rows, recipe_of(tmp_path), around(tmp_path))
    assert [row.line for row in result.rows] == [1]
    assert reasons(result) == {"answer cut off": 1, "holds a NUL": 1, "answer too long": 1}
    lenient = recipe_of(tmp_path, parse={"drop_cut_off": False})
    assert [row.line for row in parse.run(rows[:2], lenient, around(tmp_path)).rows] == [1, 2]


def test_an_answer_in_words_stays_where_calls_are_usual_only_if_the_recipe_says_so(tmp_path: Path) -> None:
    row = curated(1, family="tools", output="No tool is needed: parts are anchored by default.")
    roblox = Surroundings(domain_named("roblox"), None, tmp_path)
    assert reasons(parse.run([row], recipe_of(tmp_path), roblox)) == {"answer without a program: NO_CODE": 1}
    keeping = recipe_of(tmp_path, parse={"without_program": "words"})
    kept = parse.run([row], keeping, roblox).rows
    assert [one.id for one in kept] == [row.id]
    assert score.run(kept, keeping, roblox).rows[0].facts["calls"] == 0
    words = curated(2, output="It cannot be done.", input="x = 1", family="repair")
    every = recipe_of(tmp_path, parse={"without_program": "all"})
    assert parse.run([words], keeping, around(tmp_path)).rows == ()
    assert len(parse.run([words], every, around(tmp_path)).rows) == 1
    assert reasons(execute.run([words], every, around(tmp_path, every))) == {"does not pass: PATCH_REJECTED": 1}


def test_programs_that_do_not_load_are_dropped_and_derived_checks_find_an_answer_to_another_question(
    tmp_path: Path,
) -> None:
    rows = [
        curated(1),
        curated(2, output='core.register_node("garden:x", {'),
        curated(3, output="nothing.here()"),
        curated(4, **node("moss", light=3, asked=9)),
    ]
    own = recipe_of(tmp_path)
    result = execute.run(rows, own, around(tmp_path / "own", own))
    assert [row.line for row in result.rows] == [1, 4], "without checks a program only has to load"
    assert reasons(result) == {"does not pass: SYNTAX_ERROR": 1, "does not pass: RUNTIME_ERROR": 1}
    derived = recipe_of(tmp_path, execute={"checks": "derived"})
    result = execute.run(rows, derived, around(tmp_path / "derived", derived))
    assert [row.line for row in result.rows] == [1]
    assert next(row.detail for row in result.dropped if row.reason == "does not pass: WRONG") == (
        "light_source is 9: light_source: expected 9, got 3"
    )


def test_repair_rows_are_made_of_programs_that_pass_and_each_break_was_executed_and_failed(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, execute={"mutations": 3})
    result = execute.run([curated(1)], recipe, around(tmp_path, recipe))
    whole, *repairs = result.rows
    assert len(repairs) == result.made >= 2
    for row in repairs:
        assert row.part == "repair"
        assert row.made.startswith("mutation, proven by execution: ")
        candidate = extract(task_of(row, LUANTI), row.output, LUANTI.language)
        assert candidate.code is not None
        assert candidate.code.rstrip("\n") == whole.output, "its diff gives the whole program back"
    plain = recipe_of(tmp_path)
    broken = [replace(row, output=row.input, input="", family="scaffold") for row in repairs]
    assert execute.run(broken, plain, around(tmp_path / "again", plain)).rows == (), "each input really fails"


def test_a_variant_differs_from_its_program_and_the_same_seed_gives_the_same() -> None:
    program = curated(1).output + "\nlocal count = 1\nprint(count)\nif count then\n\tprint(count)\nend\n"
    variants = broken_variants(program, 6, "0/a")
    assert len({variant.program for variant in variants} | {program}) == len(variants) + 1 == 7
    assert variants == broken_variants(program, 6, "0/a")
    assert len({variant.how.split()[0] for variant in variants}) > 2, "of several kinds"


def test_difficulty_follows_structure_not_words(tmp_path: Path) -> None:
    hard = "for i = 1, 9 do if a then f() elseif b then g.h() end end\n" * 5
    rows = [
        curated(1),
        curated(2, output="-- if if if for while function\nlocal s = 'for if'"),
        curated(3, output=hard),
    ]
    scored = score.run(rows, recipe_of(tmp_path), around(tmp_path)).rows
    assert [row.difficulty for row in scored] == [1, 1, 5]
    assert scored[2].facts["branches"] == 10
    assert scored[2].facts["loops"] == 5


def test_the_first_of_equal_rows_stays_and_near_ones_share_its_cluster(tmp_path: Path) -> None:
    long = "\n".join(f"core.log('line {number} of a long program')" for number in range(60))
    rows = [
        curated(1),
        curated(2, instruction="  " + node("oak")["instruction"].upper(), output=node("oak")["output"]),
        curated(3, **node("oak")),
        curated(4, instruction="Log sixty lines.", output=long),
        curated(5, instruction="Log sixty lines!", output=long + "\ncore.log('and one more')"),
        curated(6, instruction="Say something else entirely, with other words.", output=long),
    ]
    result = deduplicate.run(rows, recipe_of(tmp_path), around(tmp_path))
    assert [(row.id[-1], row.kept[-1]) for row in result.dropped] == [("2", "1"), ("3", "1"), ("5", "4")]
    kept = {row.line: row.cluster for row in result.rows}
    assert kept[4] == kept[6], "equal answers share a cluster although their prompts differ"
    assert kept[1] != kept[4]
    strict = recipe_of(tmp_path, deduplicate={"alike": ["answer"]})
    assert 6 not in {row.line for row in deduplicate.run(rows, strict, around(tmp_path)).rows}


def test_a_row_stands_only_for_rows_that_it_is_alike_to_itself_not_by_a_chain(tmp_path: Path) -> None:
    words = [f"word{number}" for number in range(100)]

    def changed(count: int) -> str:
        return " ".join([*(f"new{number}" for number in range(count)), *words[count:]])

    rows = [curated(n, instruction="Say it.", output=changed(count)) for n, count in ((1, 0), (2, 4), (3, 8))]
    result = deduplicate.run(rows, recipe_of(tmp_path, deduplicate={"jaccard": 0.9}), around(tmp_path))
    assert [(one.id[-1], one.kept[-1]) for one in result.dropped] == [("2", "1")], (
        "the third is alike to the second alone"
    )
    assert "J 0.92 with rows.jsonl:1" in result.dropped[0].detail
    assert len({row.cluster for row in result.rows}) == 1, "but they share a cluster"


def test_structure_finds_programs_that_differ_in_names_and_numbers_alone(tmp_path: Path) -> None:
    rows = [curated(1, **node("ivy", 3)), curated(2, **node("rose", 9))]
    by_structure = recipe_of(tmp_path, deduplicate={"alike": ["structure"]})
    assert len(deduplicate.run(rows, by_structure, around(tmp_path)).rows) == 1
    assert len(deduplicate.run(rows, recipe_of(tmp_path), around(tmp_path)).rows) == 2


def test_balance_keeps_the_weights_by_leaving_rows_out_and_repeats_none(tmp_path: Path) -> None:
    rows = [curated(n, kind="node" if n <= 12 else "tool") for n in range(1, 21)]
    recipe = recipe_of(tmp_path, balance={"by": "kind", "weights": {"node": 1.0, "tool": 2.0}})
    result = balance.run(rows, recipe, around(tmp_path))
    assert Counter(row.kind for row in result.rows) == {"node": 4, "tool": 8}
    assert len({row.id for row in result.rows}) == 12
    assert reasons(result) == {"beyond its weight: kind node": 8}
    capped = replace(recipe, balance=replace(recipe.balance, rows=6))
    assert Counter(row.kind for row in balance.run(rows, capped, around(tmp_path)).rows) == {"node": 2, "tool": 4}
    other = replace(recipe, seed=1)
    assert {r.id for r in balance.run(rows, other, around(tmp_path)).rows} != {r.id for r in result.rows}


def test_the_three_parts_are_held_to_their_shares(tmp_path: Path) -> None:
    parts = ["pairs"] * 10 + ["repair"] * 10 + ["trajectories"] * 2
    rows = [curated(n, part=part) for n, part in enumerate(parts, start=1)]
    recipe = recipe_of(tmp_path, balance={"shares": {"pairs": 0.5, "repair": 0.3, "trajectories": 0.2}})
    kept = balance.run(rows, recipe, around(tmp_path)).rows
    assert Counter(row.part for row in kept) == {"pairs": 5, "repair": 3, "trajectories": 2}


def test_the_order_is_a_curriculum_the_source_s_or_random_by_the_seed(tmp_path: Path) -> None:
    rows = [curated(n, difficulty=6 - n % 5) for n in range(1, 13)]

    def ordered(by: str) -> list[int]:
        return [row.line for row in order.run(rows, recipe_of(tmp_path, order={"by": by}), around(tmp_path)).rows]

    levels = {row.line: row.difficulty for row in rows}
    assert [levels[line] for line in ordered("difficulty")] == sorted(levels.values())
    assert ordered("source") == [row.line for row in rows]
    assert sorted(ordered("random")) == ordered("source") != ordered("random")


def test_no_cluster_stands_on_both_sides_and_no_more_is_held_out_than_asked(tmp_path: Path) -> None:
    rows = [curated(n, cluster=f"c{n % 7}") for n in range(1, 41)]
    result = split.run(rows, recipe_of(tmp_path, split={"held_out": 0.3}), around(tmp_path))
    sides = {side: [row for row in result.rows if row.facts["split"] == side] for side in ("train", "held_out")}
    assert 0 < len(sides["held_out"]) <= 12
    assert not {row.cluster for row in sides["train"]} & {row.cluster for row in sides["held_out"]}
    assert len(result.rows) == 40


def test_every_written_row_is_read_by_the_reader_of_data_sets_whatever_it_was(tmp_path: Path) -> None:
    def turn(role: str, content: str | None, **over: object) -> dict[str, object]:
        return {"role": role, "content": content, **over}

    call = {"id": "a", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
    chats: list[list[dict[str, object]]] = [
        [turn("user", "Make a fern."), turn("assistant", "x = 1")],
        [turn("system", "Be brief."), turn("user", "Make an oak."), turn("assistant", "x = 2")],
        [turn("user", "Make moss."), turn("assistant", "First."), turn("assistant", "x = 3")],
        [turn("user", "A?"), turn("assistant", "x = 4"), turn("user", "B?"), turn("assistant", "x = 5")],
        [
            turn("user", "Look."),
            turn("assistant", None, tool_calls=[call]),
            turn("tool", "a hill"),
            turn("assistant", "A hill."),
        ],
    ]
    write_rows(tmp_path / "rows.jsonl", [{"messages": chat, "family": "coding"} for chat in chats])
    recipe = recipe_of(tmp_path, {"mine": source("rows", "rows.jsonl")}, domain="roblox")
    where = Surroundings(domain_named("roblox"), None, tmp_path)
    rows = collect.run((), recipe, where).rows
    assert len(rows) == len(chats)
    placed = split.run(rows, recipe, where).rows
    for form in ("instruction", "chat"):
        formed = replace(recipe, card=replace(recipe.card, format=form))  # type: ignore[arg-type]
        (tmp_path / f"{form}.jsonl").write_text(card.run(placed, formed, where).files["train.jsonl"], encoding="utf-8")
        read = read_source(tmp_path / f"{form}.jsonl", where.domain, rules=RowRules(turns="auto")).rows
        assert [row.line for row in read] == [1, 2, 3, 4, 4, 5], "of two questions both answers are learnt"
        assert {row.instruction for row in read} == {"Make a fern.", "Make an oak.", "Make moss.", "A?", "B?", "Look."}
        assert read[1].system == "Be brief."


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"deduplicate": {"alike": []}}, "deduplicate.alike: name at least one"),
        ({"deduplicate": {"cluster_jaccard": 0.95}}, "deduplicate.cluster_jaccard: must not be above"),
        ({"balance": {"weights": {"scaffold": -1.0}}}, "balance.weights.scaffold = -1.0: must be 0 or more"),
        ({"balance": {"shares": {"pears": 1.0}}}, 'balance.shares.pears: no such part. Did you mean "pairs"?'),
        (
            {"licence": {"allow": ["free"]}},
            "licence.allow.0: must be 'commercial', 'copyleft', 'unknown' or 'fair-use'",
        ),
        ({"split": {"held_out": 0.9}}, "split.held_out: must be less than or equal to 0.5"),
        (
            {"templates": {"module": "Write {what}."}},
            "templates.module: may hold {kind}, {name}, {fields}, {parameters}",
        ),
        ({"execute": {"repair_instruction": "{"}}, "execute.repair_instruction: may hold {error}, and no other braces"),
        (
            {"domain": "roblox", "execute": {"mutations": 1}},
            'execute.repair_family: the domain roblox has no family "repair"',
        ),
        ({"sources": {"a/b": {}}}, "sources.a/b.kind: Field required"),
    ],
)
def test_a_recipe_that_contradicts_itself_is_refused_by_its_key(
    tmp_path: Path, sections: dict[str, object], told: str
) -> None:
    with pytest.raises(Refusal) as caught:
        recipe_of(tmp_path, **sections)
    assert told in str(caught.value)


def test_every_plant_of_the_support_rows_is_another_question() -> None:
    rows: list[CuratedRow] = [curated(n) for n in range(len(PLANTS))]
    assert len({row.prompt for row in rows}) == len(PLANTS)
