"""The generated tasks: their answers are judged rightly, and no split can be learnt from another."""

from __future__ import annotations

import hashlib
import json
import re
from itertools import product

import pytest

from eval.datasets.loading import load_dataset, shuffle_answers
from eval.dealing.dealer import Dealer, Dealt
from eval.dealing.diffs import normal_diff, unified_diff
from eval.dealing.loosening import loosen
from eval.dealing.pools import SPLITS, numbers, owner
from eval.dealing.problem import Phrases
from eval.dealing.wording import pattern, say
from eval.dealing.words import DEV_WORDS, TEST_WORDS, TRAIN_WORDS
from eval.domains import Domain, domain_named, open_verifier
from eval.domains.luanti.mini import generate as luanti
from eval.domains.luanti.mini.kept_words import KEPT
from eval.domains.luanti.mini.phrases import doc_phrases
from eval.domains.roblox.mini import generate as roblox
from eval.overlap.contamination import survey
from eval.pipeline.extract import extract
from eval.pipeline.verifier import Job
from eval.records import Outcome, Row, Task, Verdict
from tests.support.settings import dataset_settings, verifier_settings

CORPUS_TEXTS = 4_000
EXCERPTS = (
    doc_phrases.GROUP_EXCERPT,
    doc_phrases.FIELD_EXCERPT,
    doc_phrases.FLAG_EXCERPT,
    doc_phrases.CALLBACK_EXCERPT,
    doc_phrases.DELAY_EXCERPT,
)
DEALERS = (luanti.DEALER, roblox.DEALER)
PHRASES = [
    phrases for dealer in DEALERS for phrases in (*(kind.phrases for kind in dealer.kinds), *dealer.frames.values())
]


@pytest.fixture(scope="module", params=DEALERS, ids=lambda dealer: dealer.name)
def dealer(request: pytest.FixtureRequest) -> Dealer:
    return request.param


@pytest.fixture(scope="module")
def dev(dealer: Dealer) -> tuple[Task, ...]:
    return dealer.tasks("dev", 60, seed=0)


@pytest.fixture(scope="module")
def unseen(dealer: Dealer) -> tuple[Task, ...]:
    return dealer.tasks("test", 120, seed=0)


@pytest.fixture(scope="module")
def trained(dealer: Dealer) -> tuple[Row, ...]:
    return dealer.rows(800, seed=0)


@pytest.fixture(scope="module")
def corpus(dealer: Dealer) -> list[tuple[Dealt, str]]:
    return list(dealer.pretraining(CORPUS_TEXTS, seed=0))


@pytest.fixture(scope="module")
def learnable(trained: tuple[Row, ...], corpus: list[tuple[Dealt, str]]) -> list[tuple[str, str, str, str]]:
    """Everything a model sees before it is measured: (family/kind, instruction, input, answer)."""
    seen = [(f"{row.family}/{row.kind}", row.instruction, row.input, row.output) for row in trained]
    for dealt, answer in corpus:
        seen.append((f"{dealt.kind.family}/{dealt.kind.name}", dealt.instruction, dealt.problem.input, answer))
    return seen


def text_of(task: Task) -> str:
    return "\n".join((task.instruction, task.input, task.reference))


def words_of(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def numbers_of(text: str) -> set[int]:
    return {int(number) for number in re.findall(r"\d+", text)}


def test_the_default_sizes_reach_enough_clusters(dealer, dev, unseen):
    assert len({task.cluster for task in dev}) >= 30
    assert len({task.cluster for task in unseen}) >= 60
    assert {task.family for task in dev} == {task.family for task in unseen} == set(dealer.frames)


def test_every_kind_has_training_and_held_out_wordings(dealer):
    for kind in dealer.kinds:
        assert len(kind.phrases.train) >= 6, kind.name
        assert len(kind.phrases.dev) >= 2, kind.name
        assert len(kind.phrases.test) >= 3, kind.name


def test_every_number_has_one_owner_and_every_split_some_light_levels():
    assert all(owner(number) == "train" for number in range(10))
    pools = [set(numbers(split, 0, 99)) for split in SPLITS]
    assert sum(map(len, pools)) == len(set.union(*pools)) == 100
    assert all(numbers(split, 1, 14) for split in SPLITS)


def test_the_word_pools_are_disjoint():
    assert len({*DEV_WORDS, *TEST_WORDS, *TRAIN_WORDS}) == len(DEV_WORDS) + len(TEST_WORDS) + len(TRAIN_WORDS)


def test_no_held_out_word_is_seen_before_the_measurement(learnable):
    seen = set().union(*(words_of("\n".join(texts)) for _, *texts in learnable))
    assert not seen & {*DEV_WORDS, *TEST_WORDS}


def test_no_held_out_number_is_seen_before_the_measurement(learnable, dev, unseen):
    seen = set().union(*(numbers_of("\n".join(texts)) for _, *texts in learnable))
    held_out = set().union(*(numbers_of(text_of(task)) for task in (*dev, *unseen)))
    assert {owner(number) for number in seen} == {"train"}
    assert {number for number in held_out if owner(number) == "train"} <= set(range(10)), (
        "structure such as @@ -2 +2 @@"
    )


def test_dev_and_test_share_no_word_number_or_cluster(dev, unseen):
    dev_text, test_text = ("\n".join(map(text_of, split)) for split in (dev, unseen))
    assert not words_of(dev_text) & set(TEST_WORDS)
    assert not words_of(test_text) & set(DEV_WORDS)
    assert not {number for number in numbers_of(dev_text) & numbers_of(test_text) if number >= 10}
    assert not {task.cluster for task in dev} & {task.cluster for task in unseen}


def test_gate_a_finds_no_task_in_the_training_rows(dealer, trained):
    """Not even by 13 words of an answer: a name or a number stands between the fixed parts of every program."""
    measured = (*dealer.tasks("dev", 66, seed=0), *dealer.tasks("test", 165, seed=0))
    assert [str(overlap) for overlap in survey(measured, trained).overlaps] == []


def test_no_held_out_wording_is_seen_before_the_measurement(dealer, learnable):
    held_out = {
        f"{kind.family}/{kind.name}": [pattern(text) for text in (*kind.phrases.dev, *kind.phrases.test)]
        for kind in dealer.kinds
    }
    for kind, instruction, _, _ in learnable:
        assert not [found.pattern for found in held_out[kind] if found.search(instruction)], instruction


def test_no_held_out_frame_is_seen_before_the_measurement(dealer, learnable):
    held_out = {
        family: [pattern(frame) for frame in (*frames.dev, *frames.test)] for family, frames in dealer.frames.items()
    }
    for kind, instruction, _, _ in learnable:
        assert not any(found.fullmatch(instruction) for found in held_out[kind.split("/")[0]]), instruction


def test_no_held_out_excerpt_layout_is_seen_before_the_measurement(learnable):
    held_out = [pattern(text) for layout in EXCERPTS for text in (*layout.dev, *layout.test)]
    for kind, _, excerpt, _ in learnable:
        if kind.startswith("doc/"):
            assert not any(found.search(excerpt) for found in held_out), excerpt


@pytest.mark.parametrize("phrases", [*PHRASES, *EXCERPTS])
def test_no_wording_can_say_what_another_split_says(phrases: Phrases):
    for split, other in product(SPLITS, SPLITS):
        if split != other:
            spoken = [re.sub(r"[{}]", "", text) for text in expansions(phrases.of(split))]
            assert not [text for text in spoken for wording in phrases.of(other) if pattern(wording).fullmatch(text)]


def expansions(wordings: tuple[str, ...]) -> list[str]:
    """Every sentence of ``wordings`` with its slots left in place."""
    spoken = []
    for wording in wordings:
        parts = re.split(r"\[([^\[\]]*)\]", wording)
        choices = [part.split("|") if index % 2 else [part] for index, part in enumerate(parts)]
        spoken.extend("".join(pieces) for pieces in product(*choices))
    return spoken


def test_the_pattern_of_a_wording_matches_what_it_says():
    import random

    wording = "a [node|block] {name}[, tile|] {texture} (x)"
    slots = {"name": "m:n", "texture": "t.png"}
    for seed in range(20):
        assert pattern(wording).fullmatch(say(wording, slots, random.Random(seed)))
    assert not pattern(wording).fullmatch("a tool m:n t.png (x)")


def test_the_same_settings_give_the_same_dataset_and_another_seed_another():
    settings = dataset_settings(dev_tasks=30, test_tasks=30, rows=30)
    assert load_dataset(settings) == load_dataset(settings)
    assert (
        load_dataset(settings).digest
        != load_dataset(dataset_settings(seed=1, dev_tasks=30, test_tasks=30, rows=30)).digest
    )


def digest_of(texts: object) -> str:
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


def plain(task: Task) -> list[object]:
    misses = [[miss.answer, miss.why] for miss in task.near_misses]
    checks = [[check.name, check.lua] for check in task.checks]
    asked = [task.id, task.family, task.kind, task.cluster, task.split, task.instruction, task.input, task.answer]
    return [*asked, task.reference, checks, misses, task.difficulty, task.mod_name]


# The figures of an embedded model's card hold for these bytes alone.
PUBLISHED = {
    "luanti_mini": ("a5b0f15390cb7165", "73e08f33ff62b061", "ac2e639497512ac9", "b9cc8f0550aadfaa"),
    "roblox_mini": ("1e1e94a832df1e89", "64bf91a7ff4ae40f", "be2dbea8d3769f2d", "1664244b0039cc15"),
}


def test_tasks_rows_and_corpus_are_those_of_the_published_figures_byte_for_byte(dealer, dev, trained, corpus):
    questions = [[dealt.instruction, dealt.problem.input, answer] for dealt, answer in corpus]
    answered = [[row.instruction, row.input, row.output, row.family, row.cluster, row.kind] for row in trained]
    plain_dev, plain_test = ([plain(task) for task in split] for split in (dev, dealer.tasks("test", 150, seed=0)))
    digests = tuple(digest_of(texts)[:16] for texts in (plain_dev, plain_test, answered, questions))
    assert digests == PUBLISHED[dealer.name]


def test_a_larger_dataset_starts_with_the_smaller_one(dealer, unseen):
    assert dealer.tasks("test", 30, seed=0) == unseen[:30]


def test_training_rows_repeat_no_question(trained):
    assert len({(row.instruction, row.input) for row in trained}) == len(trained)


def test_pretraining_answers_are_right_in_the_requested_share(corpus):
    right = sum(answer == dealt.problem.answer for dealt, answer in corpus) / len(corpus)
    assert right == pytest.approx(0.2, abs=0.03)  # 4,000 draws: 0.03 is 4.7 standard deviations


def test_shuffled_answers_are_a_derangement_of_the_same_answers(trained):
    shuffled = shuffle_answers(trained, seed=0)
    assert sorted(row.output for row in shuffled) == sorted(row.output for row in trained)
    assert [row.instruction for row in shuffled] == [row.instruction for row in trained]
    # a few rows may share an answer by chance; none keeps its own place
    assert sum(a.output == b.output for a, b in zip(trained, shuffled, strict=True)) < len(trained) / 50
    assert shuffle_answers(trained, seed=0) == shuffled


def test_the_shuffle_of_distinct_answers_leaves_none_in_place():
    own = tuple(Row(f"ask {index}", "", f"answer {index}", "scaffold") for index in range(7))
    for seed in range(50):
        assert all(a.output != b.output for a, b in zip(own, shuffle_answers(own, seed), strict=True))


# Dataset to its domain and the verifiers under which references and near misses are run.
VERIFIERS = {
    "luanti_mini": ("luanti", "recorder", "recorder"),
    "roblox_mini": ("roblox", "conditions", "world"),  # references in both signal modes, under three seeds
}


@pytest.mark.heavy
def test_every_reference_passes_and_every_near_miss_fails_when_executed(dealer):
    name, of_references, of_misses = VERIFIERS[dealer.name]
    kinds = len(dealer.kinds)
    dealt = (*dealer.tasks("dev", 2 * kinds, seed=7), *dealer.tasks("test", 3 * kinds, seed=7))
    references = [(task, "reference", task.reference) for task in dealt]
    misses = [(task, miss.why, miss.answer) for task in dealt for miss in task.near_misses]
    passing = outcomes(domain_named(name), of_references, references)
    failing = outcomes(domain_named(name), of_misses, misses)
    assert [text for text, outcome in passing if outcome != Outcome.PASSED] == []
    accidents = (Outcome.PASSED, Outcome.HARNESS_ERROR, Outcome.CRASHED, Outcome.NEEDS_STUDIO)
    assert [text for text, outcome in failing if outcome in accidents] == []


def outcomes(domain: Domain, verifier: str, answers: list[tuple[Task, str, str]]) -> list[tuple[str, Outcome]]:
    """Every answer, told by its task and what it is, with how it ended."""
    ended = []
    with open_verifier(domain, verifier_settings(name=verifier, workers=1, memory_mb=96)) as running:
        for task, why, answer in answers:
            candidate = extract(task, answer, domain.language)
            if candidate.code is None:
                assert candidate.outcome is not None
                verdict = Verdict(candidate.outcome, candidate.detail, 0.0, "", "")
                ended.append((task, why, verdict))
            else:
                ended.append((task, why, running.submit(Job(candidate.code, task.checks))))
        verdicts = [
            (task, why, done if isinstance(done, Verdict) else done.result(timeout=120)) for task, why, done in ended
        ]
    return [
        (f"{task.id}: {why}: {verdict.outcome}: {verdict.detail}", verdict.outcome) for task, why, verdict in verdicts
    ]


def test_loosening_leaves_slots_and_meaning_alone():
    import random

    wording = "please a shapeless recipe that {first} quickly {second} for {count} {output}."
    loosened = {loosen(wording, KEPT, random.Random(seed)) for seed in range(100)}
    assert len(loosened) > 50
    for text in loosened:
        assert re.findall(r"\{\w+\}", text) == ["{first}", "{second}", "{count}", "{output}"]
        assert "a shapeless recipe" in text
        assert "for {count} {output}." in text


@pytest.mark.parametrize(
    ("before", "after", "diff"),
    [
        # what `diff before after` of GNU diffutils 3.8 prints
        ("a\nb\nc\n", "a\nB\nc\n", "2c2\n< b\n---\n> B\n"),
        ("a\nb\n", "a\nb\nend\n", "2a3\n> end\n"),
    ],
)
def test_the_normal_diff_is_what_the_diff_command_prints(before: str, after: str, diff: str):
    assert normal_diff(before, after) == diff


def test_a_pure_insertion_keeps_the_line_before_it_as_context():
    assert unified_diff("a\nb\n", "a\nb\nend\n", "init.lua").splitlines()[2:] == ["@@ -2 +2,2 @@", " b", "+end"]
