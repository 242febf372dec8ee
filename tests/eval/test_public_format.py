"""Public JSON-lines files are read whole or refused with every problem; their items become honest tasks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from env.refusal import Refusal
from eval.datasets.clustering import cluster_items, dev_clusters
from eval.datasets.formats import rows as row_files
from eval.records import Dataset, Outcome, Row, Task
from tests.support.luanti import FAMILIES, build_tasks, problems, read_public, read_rows
from tests.support.settings import verifier_settings

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = ROOT.parent / "shared" / "data" / "public" / "luanti-fine-tune" / "data"


def row(**changes: object) -> dict[str, object]:
    return {"instruction": "Register a node", "input": "", "output": "x = 1", "family": "scaffold"} | changes


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows), encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(Refusal) as caught:
        read_rows(path)
    return caught.value.sentence


def test_rows_keep_their_line_and_blank_lines_count(tmp_path: Path) -> None:
    rows = read_rows(write(tmp_path / "a.jsonl", row(), "", row(family="doc", kind="node", cluster="c")))
    assert [(r.line, r.family, r.kind, r.cluster) for r in rows] == [(1, "scaffold", "", ""), (3, "doc", "node", "c")]


def test_windows_line_ends_a_mark_and_a_missing_last_newline_are_tolerated(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(row()).encode() + b"\r\n" + json.dumps(row()).encode())
    assert len(read_rows(path)) == 2


def test_every_problem_of_a_file_is_reported_at_once_with_its_line(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl",
        row(),
        '{"instruction": ',
        {"instruction": "x", "output": "y", "familly": "doc"},
        row(family="repare"),
        row(output=3),
        row(instruction="  "),
        [1, 2],
        "3",
        '{"instruction": "a", "instruction": "b", "input": "", "output": "x", "family": "doc"}',
        row(kind=["x"]),
        row(input={"a": 1}),
        '{"instruction": "a", "output": "x \\udc80", "family": "doc"}',
    )
    text = refusal(path)
    for expected in (
        "11 of 12 rows cannot be read:\n",
        "line 2: not JSON: ",
        'line 3: missing key "family"; choices: scaffold, repair, doc, refactor',
        'line 3: unknown key "familly". Did you mean "family"?',
        'line 4: unknown family "repare". Did you mean "repair"?',
        'line 5: "output" must be text, not number',
        'line 6: "instruction" is empty',
        "line 7: must be a JSON object, not list",
        "line 8: must be a JSON object, not number",
        "line 9: a key appears twice",
        'line 10: "kind" must be text, not list',
        'line 11: "input" must be text, not object',
        "line 12: holds half of a character, \\udc80, which is no text",
    ):
        assert expected in text


def test_equal_problems_are_told_once_with_their_count_and_first_lines(tmp_path: Path) -> None:
    rows = [row(family="scafold") for _ in range(30)]
    text = refusal(write(tmp_path / "a.jsonl", *rows))
    assert text.endswith(
        '30 of 30 rows cannot be read:\n  all 30 rows: unknown family "scafold". Did you mean "scaffold"?'
    )
    text = refusal(write(tmp_path / "b.jsonl", *rows[:8], *[row() for _ in range(3)], "{", "{ "))
    assert '\n  lines 1, 2, 3, 4, 5 and 3 more: unknown family "scafold"' in text
    assert "\n  lines 12, 13: not JSON: " in text


FOREIGN = {
    "Alpaca (instruction, input, output) without family": {"instruction": "a", "input": "", "output": "x"},
    "ShareGPT (conversations of from and value)": {"conversations": [{"from": "human", "value": "a"}], "id": 1},
    "chat messages without family": {"messages": [{"role": "user", "content": "a"}]},
    "prompt and completion": {"prompt": "a", "completion": "x"},
    "preference pairs (chosen and rejected)": {"prompt": "a", "chosen": "x", "rejected": "y"},
    "question and answer": {"question": "a", "answer": "x"},
    "plain text": {"text": "a"},
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_of_another_public_format_is_called_by_its_name_once(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "a.jsonl", *[FOREIGN[name]] * 30)
    with pytest.raises(Refusal) as caught:
        read_rows(path)
    assert f"all 30 rows look like {name}" in caught.value.sentence
    assert "family (scaffold, repair, doc, refactor)" in caught.value.sentence
    assert "line" not in caught.value.sentence
    assert caught.value.fix.startswith("To use it, ")


@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_array_is_read_and_its_elements_count_as_lines(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "my rows.json"
    path.write_text(json.dumps([row(), row()], indent=indent))
    read = row_files.read_rows(path, FAMILIES)
    assert [r.line for r in read.rows] == [1, 2]
    assert "one JSON array of 2 elements, which count as lines" in read.notes[0]
    path.write_text(json.dumps([row(), row(family="x")], indent=indent))
    assert 'line 2: unknown family "x"' in refusal(path)


def test_null_and_missing_inputs_are_no_input_and_other_keys_are_named_once(tmp_path: Path) -> None:
    without = {key: value for key, value in row().items() if key != "input"}
    path = write(tmp_path / "a.jsonl", row(input=None, kind=None, id=1), without | {"id": 2}, row(source="x", id=3))
    read = row_files.read_rows(path, FAMILIES)
    assert [r.input for r in read.rows] == ["", "", ""]
    [extra] = read.remarks
    assert (extra.subject, extra.value) == ("extra keys", 'a.jsonl: "id" in 3 rows, "source" in 1 row')


def chat(system: str | None, answer: str = "x = 1") -> dict[str, object]:
    turns = [{"role": "user", "content": "Register a node"}, {"role": "assistant", "content": answer}]
    return {"messages": [*([{"role": "system", "content": system}] if system else []), *turns], "family": "scaffold"}


def test_template_tokens_in_answers_are_named_with_their_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", row(), row(output="x = 1<|im_end|>"), row(output="y = '</s>' -- <|im_end|>"))
    [remark] = row_files.read_rows(path, FAMILIES).remarks
    assert remark.value.startswith("a.jsonl: 2 answers hold tokens of chat templates (<|im_end|>, </s>)")
    assert remark.evidence == ("<|im_end|>: lines 2, 3", "</s>: lines 3")


def test_a_line_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(json.dumps(row()).encode() + b'\n{"instruction": "\xff"}\n')
    assert "line 2: not UTF-8 at byte 17" in refusal(path)


def test_a_file_full_of_different_problems_shows_twenty_and_counts_the_rest(tmp_path: Path) -> None:
    text = refusal(write(tmp_path / "a.jsonl", *[row(family=f"f{number}") for number in range(25)]))
    assert "line 20:" in text
    assert "line 21:" not in text
    assert "... and 5 more kinds" in text


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(content)
    assert "holds no rows" in refusal(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "absent.jsonl")
    assert "cannot be read" in refusal(tmp_path)


ADD = "function add(a, b) return a + b end"


def item(line: int, instruction: str, source: str = "", family: str = "scaffold", output: str = "") -> Row:
    return Row(instruction, source, output or "core.register_node('mymod:x', {tiles = {'x.png'}})", family, line=line)


def test_prompts_that_differ_in_quoted_words_and_numbers_share_a_cluster() -> None:
    first, second, third, fourth = cluster_items(
        [
            item(1, "Register a node 'lamp' with light level 3"),
            item(2, "Register a node 'torch' with light level 14"),
            item(3, "Register a tool 'lamp' that digs"),
            item(4, "Register a node 'brick' with light level 4", family="doc"),
        ]
    )
    assert first == second
    assert len({first, third, fourth}) == 3


def test_one_prompt_in_two_families_is_one_cluster() -> None:
    asked = "Register a node 'lamp' with light level 3"
    first, second = cluster_items([item(1, asked), item(2, asked, family="doc")])
    assert first == second, "dev must not show what test asks"


def test_nearly_equal_prompts_share_a_cluster() -> None:
    long = " ".join(f"word{i}" for i in "abcdefghijklmnopqrstuvwxyz")
    first, second, third = cluster_items([item(1, long), item(2, long + " more"), item(3, long[::-1])])
    assert first == second != third


def test_a_cluster_given_by_the_file_is_kept() -> None:
    assert cluster_items([Row("a", "", "b", "doc", cluster="mine")]) == ("mine",)


def test_about_a_third_of_each_family_goes_to_dev_by_whole_clusters() -> None:
    placed = [(family, f"{family}{i // 2}") for family in ("doc", "repair") for i in range(30)]
    for seed in range(20):
        dev = dev_clusters(placed, seed)
        counts = Counter(family for family, cluster in placed if cluster in dev)
        assert counts == {"doc": 10, "repair": 10}
    assert len({dev_clusters(placed, seed) for seed in range(20)}) > 10
    assert dev_clusters(placed, 3) == dev_clusters(list(reversed(placed)), 3)


@pytest.mark.parametrize("sizes", [[9, 1], [1, 9], [5, 5], [1, 1, 8], [20, 1, 1]])
def test_both_splits_of_a_family_with_two_clusters_hold_something(sizes: list[int]) -> None:
    placed = [("doc", f"c{i}") for i, size in enumerate(sizes) for _ in range(size)]
    for seed in range(20):
        assert 0 < len(dev_clusters(placed, seed)) < len(sizes)


def test_families_of_one_cluster_each_still_give_two_splits_and_one_cluster_gives_none() -> None:
    assert len(dev_clusters([("doc", "a"), ("repair", "b"), ("scaffold", "c")], 0)) == 1
    assert dev_clusters([("doc", "a")], 0) == frozenset()


def test_items_without_a_check_are_left_out_with_count_and_reason() -> None:
    items = [item(1, "Register a node"), item(2, "Print", output="print('x')"), item(3, "Add", output=ADD)]
    built = build_tasks([*items, item(4, "Add twice", output=ADD)])
    assert [task.id for task in built.tasks] == ["eval:1"]
    [remark] = built.remarks
    assert remark.subject == "items left out"
    assert remark.value == (
        "3 of 4 eval items: 2 × its reference registers nothing, it only defines functions; "
        "1 × its reference registers nothing"
    )
    assert remark.evidence[0] == "e.jsonl:2: its reference registers nothing"


def test_a_reference_that_does_not_parse_is_noted_and_checked_by_kind_and_name() -> None:
    broken = "core.register_node('mymod:lamp', {tiles = {'x.png'})"
    built = build_tasks([item(1, "Register a node 'lamp'", output=broken)])
    assert "is named lamp" in {check.name for check in built.tasks[0].checks}
    assert any("does not parse" in note for note in built.notes)


def test_a_file_without_any_checkable_item_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", row())
    with pytest.raises(Refusal, match="no item can be checked by execution"):
        read_public(path, path, 0)


def test_the_digest_follows_the_bytes_and_the_seed(tmp_path: Path) -> None:
    good = row(output="core.register_node('mymod:x', {tiles = {'x.png'}})")
    first, second = write(tmp_path / "a.jsonl", good), write(tmp_path / "b.jsonl", good, good)
    digests = [
        read_public(first, first, 0).digest, read_public(first, first, 1).digest,
        read_public(first, second, 0).digest, read_public(second, first, 0).digest,
    ]  # fmt: skip
    assert len(set(digests)) == 4
    assert read_public(first, first, 0).digest == digests[0]


# ------------------------------------------------------------------------------------------ the public Luanti pair


@pytest.fixture(scope="module")
def public() -> Dataset:
    if not PUBLIC.is_dir():
        pytest.skip("the public Luanti files are not beside the project (../shared/data)")
    return read_public(PUBLIC / "eval" / "luanti_eval.jsonl", PUBLIC / "train" / "luanti_train.jsonl", 0)


@pytest.fixture(scope="module")
def passes(public: Dataset) -> Iterator[object]:
    from eval.pipeline.verifier import Job
    from tests.support.luanti import extract, open_verifier

    with open_verifier(verifier_settings(workers=1)) as verifier:

        def passed(answers: list[tuple[Task, str]]) -> dict[str, Outcome]:
            candidates = {task.id: extract(task, answer) for task, answer in answers}
            futures = {
                task.id: verifier.submit(Job(candidates[task.id].code or "", task.checks))
                for task, _ in answers
                if candidates[task.id].code is not None
            }
            found = {task_id: future.result().outcome for task_id, future in futures.items()}
            return {i: found.get(i) or c.outcome or Outcome.NO_CODE for i, c in candidates.items()}

        yield passed


def test_all_sixty_public_items_become_sound_tasks_in_both_splits(public: Dataset) -> None:
    assert len(public.tasks) == 60
    assert len(public.rows) == 600
    # the pair repeats prompts, which Gate A reports; nothing else may be wrong
    assert [p for p in problems(public.tasks) if "ask the same question" not in p] == []
    assert Counter(task.answer for task in public.tasks) == {"code": 40, "diff": 20}
    splits = Counter((task.family, task.split) for task in public.tasks)
    assert set(splits) == {(f, s) for f in ("scaffold", "repair", "doc") for s in ("dev", "test")}


def test_items_with_one_prompt_share_a_split(public: Dataset) -> None:
    splits: dict[tuple[str, str], set[str]] = {}
    for task in public.tasks:
        splits.setdefault((task.instruction, task.input), set()).add(task.split)
    assert len(splits) == 26
    assert all(len(found) == 1 for found in splits.values())


def test_the_public_references_pass_but_for_those_that_answer_another_question(public: Dataset, passes) -> None:
    """One reference gives light 11 where its prompt asks for 3; five diffs do not apply to their own input."""
    outcomes = passes([(task, task.reference) for task in public.tasks])
    failed = {i: outcome for i, outcome in outcomes.items() if outcome is not Outcome.PASSED}
    assert failed.pop("eval:5") is Outcome.WRONG
    assert list(failed.values()) == [Outcome.PATCH_REJECTED] * 5


def test_no_constant_answer_passes_what_it_was_not_requested(public: Dataset, passes) -> None:
    """Under the data's own pattern checks one literal and one diff pass all 60; here the best pair of its answers 22."""
    best = {}
    for form in ("code", "diff"):
        asked = [task for task in public.tasks if task.answer == form]
        answers = {task.reference for task in asked}
        best[form] = max(
            sum(outcome is Outcome.PASSED for outcome in passes([(task, answer) for task in asked]).values())
            for answer in answers
        )
    assert best == {"code": 14, "diff": 8}


def test_a_utf16_file_is_named_as_one(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("{}\n", encoding="utf-16")
    assert refusal(path).endswith("is UTF-16, not UTF-8.")
