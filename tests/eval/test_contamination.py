"""Contamination is found in whole, in parts and nearly, and common phrases are not it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from eval.datasets.loading import DatasetSettings, load_dataset
from eval.overlap.clusters import alike_across_clusters, joined_clusters
from eval.overlap.contamination import Contamination, Overlap, Status, Tier, survey, survey_prompts
from eval.overlap.ngrams import Vocabulary, jaccard, longest_shared_run, near_pairs, ngram_hashes, normalise
from eval.records import Row, Task
from tests.support.luanti import read_public, read_rows
from tests.support.settings import dataset_settings

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "public"
PUBLIC = SHARED / "luanti-fine-tune" / "data"
VERTIGO = SHARED / "vertigo-lora" / "data"
WORDS = [f"w{i}" for i in range(5000)]


def task(instruction: str, reference: str, source: str = "", task_id: str = "t") -> Task:
    return Task(task_id, "scaffold", "node", "c", "test", instruction, source, "code", reference, ())


def row(instruction: str, output: str, line: int = 1, source: str = "") -> Row:
    return Row(instruction, source, output, "scaffold", line=line)


def words(count: int, seed: int) -> str:
    return " ".join(random.Random(seed).sample(WORDS, count))


def noise(count: int) -> list[Row]:
    return [row(words(30, 1000 + i), words(40, 9000 + i), 100 + i) for i in range(count)]


def of_tier(tier: Tier, tasks: list[Task], rows: list[Row]) -> list[Overlap]:
    return [overlap for overlap in survey(tasks, rows).overlaps if overlap.tier == tier]


def tiers(found: Contamination) -> set[tuple[Tier, str]]:
    return {(overlap.tier, overlap.part) for overlap in found.overlaps}


# ------------------------------------------------------------------------------------------ T1


def test_case_white_space_and_quotes_do_not_make_another_text() -> None:
    assert normalise("Register  a Node\n\t'X'") == normalise('register a node "x"')
    assert normalise("a\u201cb\u201d") == normalise("a'b'")
    assert normalise("a b") != normalise("ab")


def test_prompt_answer_and_both_are_distinguished_with_their_lines() -> None:
    rows = [row("Ask A", "say A", 7), row("ask  'A", "x", 8), row("Ask B", "Say A", 9), row("Ask C", "say C", 10)]
    assert [(o.part, o.lines) for o in of_tier("T1", [task("ask a", "SAY a")], rows)] == [("both", (7,))]
    assert [(o.part, o.lines) for o in of_tier("T1", [task("ask c", "say a")], rows)] == [
        ("prompt", (10,)),
        ("answer", (7, 9)),
    ]
    assert of_tier("T1", [task("ask d", "say d")], rows) == []


def test_the_input_belongs_to_the_prompt() -> None:
    rows = [row("Fix it", "y", source="code one")]
    assert of_tier("T1", [task("Fix it", "z", source="code two")], rows) == []
    assert of_tier("T1", [task("Fix it", "z", source="Code  one")], rows)[0].part == "prompt"


# ------------------------------------------------------------------------------------------ T2


def test_thirteen_words_of_an_answer_in_a_row_are_found_and_twelve_are_not() -> None:
    answer = words(30, 1)
    for count, expected in ((13, [round(13 / 30, 4)]), (12, [])):
        part = " ".join(answer.split()[5 : 5 + count])
        rows = [row("x", f"{words(20, 2)} {part} {words(20, 3)}", 4), *noise(50)]
        found = [o for o in of_tier("T2", [task("y", answer)], rows) if o.part == "answer"]
        assert [o.similarity for o in found] == expected
        assert all(o.lines == (4,) for o in found)


def test_a_prompt_half_covered_by_eight_grams_is_found_and_a_third_covered_is_not() -> None:
    prompt = words(30, 1)
    for count, expected in ((15, 0.5), (10, None)):
        rows = [row(" ".join(prompt.split()[:count]) + " " + words(20, 2), "x", 4), *noise(50)]
        found = [o.similarity for o in of_tier("T2", [task(prompt, "y")], rows) if o.part == "prompt"]
        assert found == ([expected] if expected else [])


def test_a_phrase_of_more_than_a_twentieth_of_the_rows_is_not_contamination() -> None:
    phrase = words(14, 1)
    answer = f"{words(10, 2)} {phrase} {words(10, 3)}"
    for count, expected in ((5, 1), (6, 0)):
        rows = [row("x", f"{phrase} {words(20, 50 + i)}", i) for i in range(1, count + 1)] + noise(100 - count)
        assert len(of_tier("T2", [task("y", answer)], rows)) == expected


# ------------------------------------------------------------------------------------------ T3


def test_one_word_of_a_long_answer_changed_is_nearly_the_same() -> None:
    answer = words(60, 1).split()
    changed = " ".join([*answer[:30], "other", *answer[31:]])
    found = of_tier("T3", [task("y", " ".join(answer))], [*noise(50), row("x", changed, 4)])
    # 5 of 56 five-grams change: 51 shared of 61
    assert [(o.part, o.lines, round(o.similarity, 3)) for o in found] == [("answer", (4,), round(51 / 61, 3))]
    assert of_tier("T3", [task("y", words(60, 3))], [row("x", changed, 4)]) == []


def test_near_pairs_agree_with_the_exact_jaccard_index() -> None:
    chooser = random.Random(0)
    base = words(80, 1).split()
    texts = []
    for _ in range(60):
        kept = list(base)
        for position in chooser.sample(range(80), chooser.randrange(0, 8)):
            kept[position] = chooser.choice(WORDS)
        texts.append(" ".join(kept))
    sets = [{tuple(text.split()[i : i + 5]) for i in range(76)} for text in texts]
    expected = {(i, j) for i in range(60) for j in range(60) if len(sets[i] & sets[j]) / len(sets[i] | sets[j]) >= 0.7}
    found = {(pair.left, pair.right) for pair in near_pairs(texts, texts, 5, 0.7, keep=60)}
    assert found == expected
    assert 60 < len(expected) < 3600


def test_empty_texts_are_like_nothing() -> None:
    assert near_pairs(["", "  ", "()"], ["", "()"], 5, 0.1) == ()


def test_only_the_most_alike_are_kept_best_first() -> None:
    text = words(40, 1)
    found = near_pairs([text], [text + " a b", text, text + " a"], 5, 0.5, keep=2)
    assert [pair.right for pair in found] == [1, 2]
    assert found[0].jaccard == 1.0


def test_equal_words_hash_equally_wherever_they_are() -> None:
    vocabulary = Vocabulary()
    left = ngram_hashes(vocabulary.encode("a b c d e f"), 3)
    right = ngram_hashes(vocabulary.encode("x b c d y"), 3)
    assert len(left) == 4
    assert left[1] == right[1]
    assert jaccard(left, right) == pytest.approx(1 / 6)
    assert len(ngram_hashes(vocabulary.encode("a b"), 3)) == 1
    assert len(ngram_hashes(vocabulary.encode(""), 3)) == 0


# ------------------------------------------------------------------------------------------ together


def test_a_task_seen_whole_or_nearly_is_contaminated_one_seen_in_parts_is_partial() -> None:
    answer = words(40, 1)
    rows = [row(words(30, 5), answer.replace(answer.split()[-1], "x"), 1), row("asked before", "z", 2), *noise(50)]
    rows.append(row(words(30, 12), f"{words(30, 10)} {' '.join(words(40, 11).split()[:14])}", 3))
    tasks = [
        task(words(30, 6), answer, task_id="nearly"),
        task("Asked before", words(40, 7), task_id="whole"),
        task(words(30, 8), words(40, 9), task_id="clean"),
        task(words(30, 13), words(40, 11), task_id="part"),
    ]
    found = survey(tasks, rows)
    assert found.status == {
        "nearly": Status.CONTAMINATED,
        "whole": Status.CONTAMINATED,
        "clean": Status.CLEAN,
        "part": Status.PARTIAL,
    }
    assert found.leaked == ("nearly", "whole", "part")
    assert found.tier_of() == {"whole": "T1", "nearly": "T3", "part": "T2"}
    assert tiers(found) == {("T1", "prompt"), ("T2", "answer"), ("T3", "answer")}


def test_a_leak_repeated_in_every_tenth_row_is_not_a_common_phrase() -> None:
    answer = words(40, 1)
    part = " ".join(answer.split()[:20])
    repeated = [row("the same row", f"{part} {words(30, 2)}", line) for line in range(1, 11)]
    [found] = of_tier("T2", [task("y", answer)], [*repeated, *noise(90)])
    assert (found.rows, found.lines[:3], found.similarity) == (10, (1, 2, 3), 0.5)


def test_texts_that_are_not_there_are_no_match() -> None:
    assert survey([task("Ask A", "")], [row("Ask B", "", 3)]).overlaps == ()
    assert survey([task("Ask A", "")], [row("ask a", "", 3)]).overlaps[0].part == "prompt"


def test_a_short_answer_with_other_signs_is_another_program_but_a_prompt_without_its_full_stop_is_the_same() -> None:
    assert survey([task("y", "return a + b * c - d")], [row("x", "return a - b / c + d")]).overlaps == ()
    [found] = survey([task("Register a node called x.", "y")], [row("register a node, called x", "z", 5)]).overlaps
    assert (found.tier, found.part, found.similarity) == ("T3", "prompt", 1.0)


def test_prompts_of_best_of_n_training_are_surveyed_as_rows_are() -> None:
    asked = words(30, 1)
    found = survey_prompts([task(asked, "y", task_id="seen"), task(words(30, 2), "z", task_id="new")], ["other", asked])
    assert found.leaked == ("seen",)
    assert [(o.tier, o.lines) for o in found.overlaps if o.tier == "T1"] == [("T1", (2,))]


def test_the_order_of_tasks_and_rows_changes_no_status() -> None:
    chooser = random.Random(4)
    tasks = [task(words(30, i), words(40, 100 + i), task_id=f"t{i}") for i in range(12)]
    rows = [*noise(60), row(tasks[2].instruction, "x"), row("y", tasks[5].reference)]
    expected = survey(tasks, rows)
    assert len(expected.leaked) == 2
    for _ in range(5):
        chooser.shuffle(tasks)
        chooser.shuffle(rows)
        found = survey(tasks, rows)
        assert (found.status, found.tier_of()) == (expected.status, expected.tier_of())


def test_the_shared_text_is_the_longest_run_of_words_in_the_first_row() -> None:
    assert longest_shared_run("a b, c d. e", "x b c d y a") == "b, c d"
    assert longest_shared_run("a b", "c") == ""
    answer = words(40, 1)
    part = " ".join(answer.split()[5:25])
    [found] = of_tier("T2", [task("y", answer)], [row("x", f"{words(20, 2)} {part} {words(20, 3)}", 4), *noise(50)])
    assert found.shared == part


def test_a_long_shared_text_is_kept_by_its_beginning() -> None:
    [found] = survey([task(words(400, 1), "y")], [row(words(400, 1), "x", 3)]).overlaps[:1]
    assert len(found.shared) == 402
    assert found.shared.startswith(words(400, 1)[:400])
    assert len(str(found)) < 180


@pytest.mark.heavy
def test_every_planted_leak_is_found_among_ten_thousand_rows_and_nothing_else() -> None:
    chooser = random.Random(5)
    rows = [
        row(" ".join(chooser.choices(WORDS, k=30)), " ".join(chooser.choices(WORDS, k=60)), i) for i in range(1, 10_001)
    ]
    tasks = [
        task(" ".join(chooser.choices(WORDS, k=30)), " ".join(chooser.choices(WORDS, k=60)), task_id=f"t{i}")
        for i in range(300)
    ]
    planted = {"T1": tasks[7], "T3": tasks[70], "T2": tasks[170]}
    rows[50] = row(planted["T1"].instruction, "another answer", 51)
    rows[500] = row(" ".join([*planted["T3"].instruction.split()[:-1], "other"]), "another", 501)
    rows[5000] = row("asked otherwise", " ".join(planted["T2"].reference.split()[20:40]), 5001)
    assert survey(tasks, rows).tier_of() == {item.id: tier for tier, item in planted.items()}


# ------------------------------------------------------------------------------------------ clusters inside the eval


def merged_clusters(prompts: list[str], clusters: list[str]) -> tuple[str, ...]:
    return joined_clusters(clusters, [(p.left, p.right) for p in alike_across_clusters(prompts, clusters)])


def test_near_duplicate_prompts_join_their_clusters_in_a_chain_whatever_their_order() -> None:
    base = words(60, 1).split()
    second = " ".join([*base[:-1], "changed"])
    third = " ".join(["changed", *base[1:-1], "changed"])
    prompts = [" ".join(base), second, third, words(60, 2)]
    assert merged_clusters(prompts, ["b", "a", "d", "c"]) == ("a", "a", "a", "c")
    assert merged_clusters(prompts[::-1], ["c", "d", "a", "b"]) == ("c", "a", "a", "a")
    assert [(p.left, p.right) for p in alike_across_clusters(prompts, ["x", "x", "y", "z"])] == [(0, 2), (1, 2)]
    assert alike_across_clusters(prompts, ["x", "x", "x", "z"]) == ()


def test_the_ends_of_a_chain_join_though_they_are_not_alike() -> None:
    first = words(60, 1).split()
    second = [*first[:-6], *words(6, 2).split()]
    third = [*words(6, 3).split(), *second[6:]]
    chain = [" ".join(text) for text in (first, second, third)]
    assert [(p.left, p.right) for p in alike_across_clusters(chain, ["c", "b", "a"])] == [(0, 1), (1, 2)]
    assert merged_clusters(chain, ["c", "b", "a"]) == ("a", "a", "a")


def test_equal_prompts_join_even_when_there_are_many() -> None:
    assert set(merged_clusters(["Ask A"] * 150, [f"c{i}" for i in range(150)])) == {"c0"}


# ------------------------------------------------------------------------------------------ our own data


@pytest.mark.parametrize(
    "settings",
    [
        *(dataset_settings(seed=seed) for seed in range(3)),
        *(dataset_settings(seed=seed, dev_tasks=12, test_tasks=12, rows=64) for seed in range(8)),
        dataset_settings(shuffle_answers=True),
        dataset_settings(name="luantibench", dev_tasks=0, test_tasks=0, rows=960),
    ],
    ids=lambda s: f"{s.name}-{s.seed}-{s.rows}{'-shuffled' if s.shuffle_answers else ''}",
)
def test_our_own_tasks_share_nothing_with_our_own_rows_and_no_two_clusters_are_the_same(
    settings: DatasetSettings,
) -> None:
    data = load_dataset(settings)
    assert survey(data.tasks, data.rows).overlaps == ()
    prompts = [f"{item.instruction}\n{item.input}" for item in data.tasks]
    assert alike_across_clusters(prompts, [item.cluster for item in data.tasks]) == ()


def test_duplicates_inside_tasks_and_rows_are_grouped() -> None:
    tasks = [task("A b", "1", task_id="x"), task("a  B", "2", task_id="y"), task("c", "1", task_id="z")]
    rows = [row("a", "b", 3), row("A", "B", 5), row("a", "c", 6)]
    found = survey(tasks, rows)
    assert found.task_duplicates == (("x", "y"),)
    assert found.row_duplicates == ((3, 5),)


def test_a_survey_of_nothing_finds_nothing() -> None:
    assert survey([], []) == Contamination((), {}, (), ())
    assert survey([task("a", "b")], []).status == {"t": Status.CLEAN}
    assert survey([], noise(3)).overlaps == ()


def test_an_overlap_reads_as_a_sentence() -> None:
    found = survey([task("Ask A", "say A", task_id="eval:3")], [row("ask a", "say a", 7)])
    assert str(found.overlaps[0]) == "eval:3: prompt and answer verbatim in training line 7 (T1): “ask a”"


# ------------------------------------------------------------------------------------------ the public Luanti pair


@pytest.fixture(scope="module")
def public() -> Contamination:
    if not PUBLIC.is_dir():
        pytest.skip("the public Luanti files are not beside the project (../shared/data)")
    data = read_public(PUBLIC / "eval" / "luanti_eval.jsonl", PUBLIC / "train" / "luanti_train.jsonl", 0)
    return survey(data.tasks, data.rows)


def test_forty_of_the_sixty_public_eval_items_appear_verbatim_in_training(public: Contamination) -> None:
    both = {o.task_id for o in public.overlaps if (o.tier, o.part) == ("T1", "both")}
    assert len(both) == 40
    assert set(public.ids(Status.CONTAMINATED)) == both
    # counted again without any of our normalising
    files = (PUBLIC / "eval" / "luanti_eval.jsonl", PUBLIC / "train" / "luanti_train.jsonl")
    items, rows = (read_rows(path) for path in files)
    seen = {(r.instruction, r.input, r.output) for r in rows}
    assert both == {f"eval:{r.line}" for r in items if (r.instruction, r.input, r.output) in seen}


def test_twenty_six_of_the_sixty_public_eval_prompts_are_distinct(public: Contamination) -> None:
    repeated = sum(len(group) - 1 for group in public.task_duplicates)
    assert len(public.status) - repeated == 26


def test_a_leak_of_the_public_pair_names_rows_tier_and_shared_text(public: Contamination) -> None:
    sentence = next(str(o) for o in public.overlaps if (o.task_id, o.part) == ("eval:4", "both"))
    # counted by comparing the fields of luanti_train.jsonl as they are: 40 rows
    assert "in training line 1, 10, 22, 39, 43 and 35 more (T1)" in sentence
    assert "fix the syntax error in this tool registration" in sentence


# ------------------------------------------------------------------------------------------ the public Vertigo benchmark

# Of its 30 prompts, how many each training file has: whole (T1), nearly (T3), in long parts (T2). Counted here first,
# T1 again below without any of our normalising; no other file has any.
VERTIGO_LEAKS = {"rejection_sampled": (24, 24, 25), "teacher_distillation": (13, 13, 13)}


def vertigo_rows(path: Path) -> list[Row]:
    """One row for each user message: its answer is all that the assistant says."""
    rows = []
    for line, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        messages = json.loads(text)["messages"]
        said = "\n".join(str(m.get("content") or "") for m in messages if m["role"] == "assistant")
        rows += [row(str(m["content"] or ""), said, line) for m in messages if m["role"] == "user"]
    return rows


@pytest.mark.heavy
def test_the_vertigo_benchmark_is_trained_on_by_two_of_its_21_public_files() -> None:
    if not VERTIGO.is_dir():
        pytest.skip("the public Vertigo files are not beside the project (../shared/data)")
    items = [json.loads(line) for line in (VERTIGO / "eval" / "benchmark.jsonl").read_text().splitlines()]
    tasks = [task(item["prompt"], "", task_id=item["id"]) for item in items]
    files = sorted((VERTIGO / "raw").glob("*.jsonl"))
    assert len(files) == 21
    for path in files:
        found = survey(tasks, vertigo_rows(path))
        counts = tuple(len({o.task_id for o in found.overlaps if o.tier == tier}) for tier in ("T1", "T3", "T2"))
        assert counts == VERTIGO_LEAKS.get(path.stem, (0, 0, 0)), path.name
        literal = {item["id"] for item in items if item["prompt"] in {r.instruction for r in vertigo_rows(path)}}
        assert literal == {o.task_id for o in found.overlaps if o.tier == "T1"}
