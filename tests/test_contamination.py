"""Contamination is found in whole, in parts and nearly, and common phrases are not it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from eval.contamination import Contamination, Status, Tier, exact_overlaps, near_overlaps, ngram_overlaps, survey
from eval.ngrams import Vocabulary, jaccard, near_pairs, ngram_hashes, normalise
from eval.public_format import read_public, read_rows
from eval.records import Row, Task

PUBLIC = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "public" / "luanti-fine-tune" / "data"
WORDS = [f"w{i}" for i in range(5000)]


def task(instruction: str, reference: str, source: str = "", task_id: str = "t") -> Task:
    return Task(task_id, "scaffold", "node", "c", "test", instruction, source, "code", reference, ())


def row(instruction: str, output: str, line: int = 1, source: str = "") -> Row:
    return Row(instruction, source, output, "scaffold", line=line)


def words(count: int, seed: int) -> str:
    return " ".join(random.Random(seed).sample(WORDS, count))


def noise(count: int) -> list[Row]:
    return [row(words(30, 1000 + i), words(40, 9000 + i), 100 + i) for i in range(count)]


def tiers(found: Contamination) -> set[tuple[Tier, str]]:
    return {(overlap.tier, overlap.part) for overlap in found.overlaps}


# ------------------------------------------------------------------------------------------ T1


def test_case_white_space_and_quotes_do_not_make_another_text() -> None:
    assert normalise("Register  a Node\n\t'X'") == normalise('register a node "x"')
    assert normalise("a\u201cb\u201d") == normalise("a'b'")
    assert normalise("a b") != normalise("ab")


def test_prompt_answer_and_both_are_told_apart_with_their_lines() -> None:
    rows = [row("Ask A", "say A", 7), row("ask  'A", "x", 8), row("Ask B", "Say A", 9), row("Ask C", "say C", 10)]
    assert [(o.part, o.lines) for o in exact_overlaps([task("ask a", "SAY a")], rows)] == [("both", (7,))]
    assert [(o.part, o.lines) for o in exact_overlaps([task("ask c", "say a")], rows)] == [
        ("prompt", (10,)),
        ("answer", (7, 9)),
    ]
    assert exact_overlaps([task("ask d", "say d")], rows) == ()


def test_the_input_belongs_to_the_prompt() -> None:
    rows = [row("Fix it", "y", source="code one")]
    assert exact_overlaps([task("Fix it", "z", source="code two")], rows) == ()
    assert exact_overlaps([task("Fix it", "z", source="Code  one")], rows)[0].part == "prompt"


# ------------------------------------------------------------------------------------------ T2


def test_thirteen_words_of_an_answer_in_a_row_are_found_and_twelve_are_not() -> None:
    answer = words(30, 1)
    for count, expected in ((13, [1.0]), (12, [])):
        part = " ".join(answer.split()[5 : 5 + count])
        rows = [row("x", f"{words(20, 2)} {part} {words(20, 3)}", 4), *noise(50)]
        found = [o for o in ngram_overlaps([task("y", answer)], rows) if o.part == "answer"]
        assert [o.score for o in found] == expected
        assert all(o.lines == (4,) for o in found)


def test_a_prompt_half_covered_by_eight_grams_is_found_and_a_third_covered_is_not() -> None:
    prompt = words(30, 1)
    for count, expected in ((15, 0.5), (10, None)):
        rows = [row(" ".join(prompt.split()[:count]) + " " + words(20, 2), "x", 4), *noise(50)]
        found = [o.score for o in ngram_overlaps([task(prompt, "y")], rows) if o.part == "prompt"]
        assert found == ([expected] if expected else [])


def test_a_phrase_of_more_than_a_twentieth_of_the_rows_is_not_contamination() -> None:
    phrase = words(14, 1)
    answer = f"{words(10, 2)} {phrase} {words(10, 3)}"
    for count, expected in ((5, 1), (6, 0)):
        rows = [row("x", f"{phrase} {words(20, 50 + i)}", i) for i in range(1, count + 1)] + noise(100 - count)
        assert len(ngram_overlaps([task("y", answer)], rows)) == expected


# ------------------------------------------------------------------------------------------ T3


def test_one_word_of_a_long_answer_changed_is_nearly_the_same() -> None:
    answer = words(60, 1).split()
    changed = " ".join([*answer[:30], "other", *answer[31:]])
    found = near_overlaps([task("y", " ".join(answer))], [*noise(50), row("x", changed, 4)])
    # 5 of 56 five-grams change: 51 shared of 61
    assert [(o.part, o.lines, round(o.score, 3)) for o in found] == [("answer", (4,), round(51 / 61, 3))]
    assert near_overlaps([task("y", words(60, 3))], [row("x", changed, 4)]) == ()


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


def test_equal_words_hash_equally_wherever_they_stand() -> None:
    vocabulary = Vocabulary()
    left = ngram_hashes(vocabulary.encode("a b c d e f"), 3)
    right = ngram_hashes(vocabulary.encode("x b c d y"), 3)
    assert len(left) == 4
    assert left[1] == right[1]
    assert jaccard(left, right) == pytest.approx(1 / 6)
    assert len(ngram_hashes(vocabulary.encode("a b"), 3)) == 1
    assert len(ngram_hashes(vocabulary.encode(""), 3)) == 0


# ------------------------------------------------------------------------------------------ together


def test_a_task_is_contaminated_by_t1_partial_by_the_others_clean_by_none() -> None:
    answer = words(40, 1)
    rows = [row(words(30, 5), answer[:-3], 1), row("asked before", "z", 2), *noise(50)]
    tasks = [
        task(words(30, 6), answer, task_id="partial"),
        task("Asked before", words(40, 7), task_id="whole"),
        task(words(30, 8), words(40, 9), task_id="clean"),
    ]
    found = survey(tasks, rows)
    assert found.status == {"partial": Status.PARTIAL, "whole": Status.CONTAMINATED, "clean": Status.CLEAN}
    assert found.ids(Status.CONTAMINATED) == ("whole",)
    assert tiers(found) == {("T1", "prompt"), ("T2", "answer"), ("T3", "answer"), ("T3", "prompt")}


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
    assert str(found.overlaps[0]) == "eval:3: prompt and answer word for word in training line 7"


# ------------------------------------------------------------------------------------------ the public Luanti pair


@pytest.fixture(scope="module")
def public() -> Contamination:
    if not PUBLIC.is_dir():
        pytest.skip("the public Luanti files are not beside the project (../shared/data)")
    data = read_public(PUBLIC / "eval" / "luanti_eval.jsonl", PUBLIC / "train" / "luanti_train.jsonl", 0)
    return survey(data.tasks, data.rows)


def test_forty_of_the_sixty_public_eval_items_stand_word_for_word_in_training(public: Contamination) -> None:
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
