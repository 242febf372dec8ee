"""Public chats with tools and public prompts are read as they are: each row is used or named with its reason."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from env.refusal import Refusal
from eval.datasets.chat_format import flattened, to_chat
from eval.datasets.formats.chat_turns import conversation
from eval.datasets.formats.folders import ReadRows
from eval.datasets.formats.rows import read_source
from eval.domains.luanti.domain import DOMAIN as LUANTI
from eval.overlap.contamination import Status, survey
from eval.pipeline.forms.calls import find_calls, listed
from eval.records import Row, Task

PUBLIC = Path(__file__).resolve().parents[3] / "shared" / "data" / "public" / "vertigo-lora" / "data"
FAMILIES = ("coding", "bugfix", "architecture", "tools", "embodiment", "typing", "refactor")
# Any domain that says what foreign fields mean: none of what is tested here runs a program.
DOMAIN = replace(LUANTI, foreign="eval.domains.roblox.items.public_rows", families=dict.fromkeys(FAMILIES, "code"))

Message = dict[str, object]


def user(text: object = "How many lamps are lit?") -> Message:
    return {"role": "user", "content": text}


def said(text: str | None, *calls: tuple[str, str]) -> Message:
    spelled = [{"id": "c", "type": "function", "function": {"name": n, "arguments": a}} for n, a in calls]
    return {"role": "assistant", "content": text} | ({"tool_calls": spelled} if calls else {})


def told(text: str) -> Message:
    return {"role": "tool", "tool_call_id": "c", "content": text}


def chat(*messages: Message, **fields: object) -> dict[str, object]:
    return {"messages": list(messages), "source": "lamps", "category": "service"} | fields


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_trajectory_becomes_its_calls_without_what_only_a_result_could_say() -> None:
    found = conversation(
        [
            {"role": "system", "content": "You help."},
            user(),
            said("<think>I look first.</think>", ("get_studio_mode", "{}")),
            told('{"mode": "Edit"}'),
            said("<think>It is Edit.</think>Now the count.", ("run_code", '{"code": "print(7)"}')),
            told("7"),
            said("Seven lamps are lit."),
        ]
    )
    assert (found.system, found.question, found.calls, found.unusable) == (
        "You help.",
        "How many lamps are lit?",
        2,
        "",
    )
    assert "Seven" not in found.answer
    assert found.answer.startswith("<think>I look first.</think>")
    assert "It is Edit" not in found.answer
    assert "Now the count" not in found.answer
    calls = find_calls(found.answer.removeprefix("<think>I look first.</think>")).calls
    assert [(call.name, call.arguments) for call in calls] == [
        ("get_studio_mode", {}),
        ("run_code", {"code": "print(7)"}),
    ]


def test_a_row_of_calls_is_a_chat_with_calls_and_comes_back_as_it_was() -> None:
    calls = '[{"name": "run_code", "arguments": {"code": "print(7)"}},\n {"name": "get_studio_mode", "arguments": {}}]'
    row = Row("Count the lamps.", "", calls, "tools", "lamps", "asking")
    made = to_chat(row)
    assert made["messages"][1]["content"] is None
    assert [call["function"]["name"] for call in made["messages"][1]["tool_calls"]] == ["run_code", "get_studio_mode"]
    back = flattened(made).values
    assert Row(**back) == row
    told_too = made["messages"] + [told("7"), said("Seven lamps.")]
    assert flattened(made | {"messages": told_too}).values["output"] == calls
    assert to_chat(Row("Make a list.", "", "[1, 2]", "tools"))["messages"][1]["content"] == "[1, 2]"


def test_null_content_beside_calls_and_two_turns_in_a_row_are_one_answer() -> None:
    only_calls = conversation([user(), said(None, ("get_file_tree", "{}"))])
    assert (only_calls.unusable, only_calls.calls) == ("", 1)
    in_a_row = conversation([user(), said("<think>No tool is needed.</think>"), said("Lamps are parts.")])
    assert in_a_row.answer == "<think>No tool is needed.</think>\nLamps are parts."


UNUSABLE: dict[str, object] = {
    "it has no answer": [user()],
    "its question is empty": [user(None), said("x")],
    "it does not begin with a question of the user": [said("x")],
    "it has more than one question": [user(), said("a"), user(), said("b")],
    "its answer is empty": [user(), said(None)],
    "its answer never leaves its thought": [user(), said("<think>Well")],
    'a message has the role "narrator"': [user(), {"role": "narrator", "content": "x"}],
    "a message's content is no text but list": [user(["x"]), said("x")],
    '"messages" is no list of objects': "x",
    "a call of its answer cannot be read: call 1 (a) is not JSON": [user(), said(None, ("a", "{'x': 1}"))],
    "a call of its answer cannot be read: call 1 (a) has no object as arguments": [user(), said(None, ("a", "[1]"))],
}


@pytest.mark.parametrize("reason", UNUSABLE)
def test_a_chat_that_is_no_question_with_an_answer_says_why(reason: str) -> None:
    assert conversation(UNUSABLE[reason]).unusable.startswith(reason)


def test_rows_left_out_refused_and_cut_off_are_counted_by_reason_with_their_lines(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl",
        chat(user(), said("x = 1")),
        chat(user()),
        chat(user()),
        chat(user(), said("x"), source="devforum_qa"),
        chat(user(), said("```luau\nlocal lamps =")),
        chat(user(), said("Thinking Process:\n\n1. The lamps")),
        {"messages": [user(), said("x")], "source": "lamps"},
    )
    read = read_source(path, DOMAIN)
    assert [row.line for row in read.rows] == [1, 5, 6]
    values = {remark.subject: remark.value for remark in read.remarks}
    assert values["rows left out"] == "a.jsonl: 3 of 7 rows: 2 × it has no answer; 1 × nothing says what it is about"
    assert values["licences"].startswith("a.jsonl: 1 of 7 rows are not used: devforum_qa (")
    assert values["answers cut off"] == (
        "a.jsonl: 2 of 7 answers: 1 × cut off inside a fenced block; 1 × cut off inside a thought in prose"
    )
    evidence = {remark.subject: remark.evidence for remark in read.remarks}
    assert evidence["rows left out"][0] == "lines 2, 3: it has no answer"


def test_a_source_without_a_licence_is_used_only_when_it_is_waived_by_its_name(tmp_path: Path) -> None:
    path = write(tmp_path / "renamed.jsonl", chat(user(), said("x"), source="devforum_qa"))
    assert read_source(path, DOMAIN).rows == ()
    assert read_source(path, DOMAIN, ("lamps",)).rows == ()
    assert len(read_source(path, DOMAIN, ("devforum_qa",)).rows) == 1


def test_a_row_belongs_to_the_family_that_its_calls_source_or_category_say(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl",
        chat(user(), said("x"), category="debugging"),
        chat(user(), said(None, ("get_file_tree", "{}")), category="debugging"),
        chat(user(), said("x"), source="gameplay_session", category="physics"),
        chat(user(), said("x"), category="tool_selection_run_code"),
        chat(user(), said("x"), category="inventory_persistence"),
    )
    assert [row.family for row in read_source(path, DOMAIN).rows] == [
        "bugfix",
        "tools",
        "embodiment",
        "tools",
        "coding",
    ]


def test_a_folder_is_all_of_its_files_with_lines_counted_through(tmp_path: Path) -> None:
    write(tmp_path / "b.jsonl", chat(user("B?"), said("b")))
    write(tmp_path / "a.jsonl", chat(user("A?"), said("a")), chat(user("Z?")))
    read = read_source(tmp_path, DOMAIN)
    assert [(row.instruction, row.line) for row in read.rows] == [("A?", 1), ("B?", 3)]
    assert read.remarks[0].evidence == ("lines 1 to 2: a.jsonl", "lines 3 to 3: b.jsonl")
    (tmp_path / "empty").mkdir()
    with pytest.raises(Refusal, match=r"holds no \*\.jsonl file"):
        read_source(tmp_path / "empty", DOMAIN)


def test_a_domain_that_knows_no_foreign_fields_refuses_such_a_file_by_its_layout(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", chat(user(), said("x")))
    with pytest.raises(Refusal, match="chat messages without family"):
        read_source(path, LUANTI)


# What two of its training files do to the public benchmark, in small: prompts verbatim, and one told otherwise.
LAMPS = "Write a module called LampService that counts the lamps in the hall and prints their number every second."
DOORS = "Write a module called DoorService that opens the door when a player with a key comes within ten studs."
TOLD_OTHERWISE = LAMPS.replace("every second.", "whenever one of them goes out at night.")


def prompts(*texts: str) -> list[dict[str, object]]:
    return [{"id": f"p{n}", "category": "coding", "prompt": text, "tools": None} for n, text in enumerate(texts)]


def as_tasks(read: ReadRows) -> list[Task]:
    return [Task(f"eval:{r.line}", r.family, r.kind, "c", "test", r.instruction, "", "code", "", ()) for r in read.rows]


def test_prompts_that_stand_in_training_chats_are_found_and_no_others(tmp_path: Path) -> None:
    tasks = as_tasks(read_source(write(tmp_path / "eval.jsonl", *prompts(LAMPS, DOORS)), DOMAIN))
    same = read_source(write(tmp_path / "a.jsonl", chat(user(f" {LAMPS.upper()}"), said("x"))), DOMAIN)
    assert survey(tasks, same.rows).ids(Status.CONTAMINATED) == ("eval:1",)
    otherwise = read_source(write(tmp_path / "b.jsonl", chat(user(TOLD_OTHERWISE), said("x"))), DOMAIN)
    assert survey(tasks, otherwise.rows).ids(Status.PARTIAL) == ("eval:1",)
    clean = read_source(write(tmp_path / "c.jsonl", chat(user("Write a module that greets."), said("x"))), DOMAIN)
    assert survey(tasks, clean.rows).leaked == ()


# ------------------------------------------------------------------------------------------ the public Roblox files

LEAKING = ("rejection_sampled.jsonl", "teacher_distillation.jsonl")
# Of 30 prompts 24 stand word for word in those two files. mcp_01 does in part: the file asks an older form of it.
CLEAN = {"arch_01", "mcp_02", "mcp_03", "mcp_04", "mcp_05"}


@pytest.fixture(scope="module")
def raw() -> Path:
    if not PUBLIC.is_dir():
        pytest.skip("the public Roblox files are not beside the project (../shared/data)")
    return PUBLIC / "raw"


@pytest.fixture(scope="module")
def every(raw: Path) -> ReadRows:
    return read_source(raw, DOMAIN)


def test_every_public_row_is_used_but_those_without_a_licence(every: ReadRows) -> None:
    assert len(every.rows) == 1887
    assert Counter(row.family for row in every.rows)["tools"] == 237
    [licences] = [remark for remark in every.remarks if remark.subject == "licences"]
    assert licences.value.startswith("devforum_qa.jsonl: 80 of 80 rows are not used")
    assert not [remark for remark in every.remarks if remark.subject == "rows left out"]


def test_all_public_calls_read_back(every: ReadRows) -> None:
    count = 0
    for row in every.rows:
        said = row.output.rpartition("</think>")[2]
        if said.endswith("]") and '[{"name"' in said:
            calls = find_calls(said).calls
            assert said.endswith(listed(calls))
            count += len(calls)
    assert count == 340


def test_the_public_benchmark_stands_in_two_of_its_training_files_and_in_no_other(raw: Path, every: ReadRows) -> None:
    items = read_source(PUBLIC / "eval" / "benchmark.jsonl", DOMAIN)
    ids = [json.loads(line)["id"] for line in (PUBLIC / "eval" / "benchmark.jsonl").read_text().splitlines()]
    tasks = [replace(task, id=ids[int(task.id.removeprefix("eval:")) - 1]) for task in as_tasks(items)]
    leaking = [row for name in LEAKING for row in read_source(raw / name, DOMAIN).rows]
    found = survey(tasks, leaking)
    assert set(found.ids(Status.CONTAMINATED)) == set(ids) - CLEAN - {"mcp_01"}
    assert len(found.ids(Status.CONTAMINATED)) == 24
    assert found.ids(Status.PARTIAL) == ("mcp_01",)
    others = [row for name in sorted(raw.glob("*.jsonl")) if name.name not in LEAKING
              for row in read_source(name, DOMAIN).rows]  # fmt: skip
    assert len(others) == len(every.rows) - len(leaking)
    assert survey(tasks, others).leaked == ()
