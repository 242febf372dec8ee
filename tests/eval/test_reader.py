"""Every public layout and container is read as records; what is no record is named by file and line."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from eval.datasets.contents import contents_of
from eval.datasets.files import byte_lines, hub
from eval.datasets.formats.reader import Broken, Record, read_records
from eval.datasets.formats.rows import read_rows
from eval.datasets.formats.rules import RowRules
from eval.domains.luanti.domain import DOMAIN
from eval.records import Call, Turn

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "public"
ASKED, TOLD = Turn("user", "Dig."), Turn("assistant", "dig()")
CALL = {"name": "dig", "arguments": {"depth": 2}}
CALLS = Turn("assistant", "", (Call("dig", {"depth": 2}),))
CHAT = [{"role": "user", "content": "Dig."}, {"role": "assistant", "content": "dig()"}]

LAYOUTS: dict[str, tuple[str, dict[str, Any], tuple[Turn, ...]]] = {
    "Alpaca": ("instruction", {"instruction": "Dig.", "output": "dig()"}, (ASKED, TOLD)),
    "prompt and completion": ("completion", {"prompt": "Dig.", "completion": "dig()"}, (ASKED, TOLD)),
    "prompt and response": ("completion", {"prompt": "Dig.", "response": "dig()"}, (ASKED, TOLD)),
    "prompt of messages": ("completion", {"prompt": CHAT[:1], "completion": CHAT[1:]}, (ASKED, TOLD)),
    "question and answer": ("question", {"question": "Dig.", "answer": "dig()"}, (ASKED, TOLD)),
    "plain text": ("text", {"text": "dig()"}, (TOLD,)),
    "a prompt alone": ("prompt", {"prompt": "Dig.", "category": "x"}, (ASKED,)),
    "chat": ("chat", {"messages": CHAT}, (ASKED, TOLD)),
    "chat as text in a table": ("chat", {"messages": json.dumps(CHAT)}, (ASKED, TOLD)),
    "content in parts": (
        "chat",
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Di"}, {"type": "text", "text": "g."}]}, CHAT[1]]},
        (ASKED, TOLD),
    ),
    "calls with null content, and their results": (
        "chat",
        {
            "messages": [
                {"role": "developer", "content": "Be brief."},
                CHAT[0],
                {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "dig", "arguments": '{"depth": 2}'}}]},
                {"role": "tool", "name": "dig", "content": "dug"},
            ]
        },
        (Turn("system", "Be brief."), ASKED, CALLS, Turn("tool", "dug", name="dig")),
    ),
    "the older function_call": (
        "chat",
        {"messages": [CHAT[0], {"role": "assistant", "content": "", "function_call": CALL}]},
        (ASKED, CALLS),
    ),
    "ShareGPT": (
        "sharegpt",
        {
            "system": "Be brief.",
            "conversations": [
                {"from": "human", "value": "Dig."},
                {"from": "function_call", "value": json.dumps(CALL)},
                {"from": "observation", "value": "dug"},
                {"from": "gpt", "value": "dig()"},
            ],
        },
        (Turn("system", "Be brief."), ASKED, CALLS, Turn("tool", "dug"), TOLD),
    ),
}  # fmt: skip


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def only(path: Path, layout: str = "auto") -> Record:
    [record] = read_records(path, layout)
    assert isinstance(record, Record), record
    return record


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_row_of_a_public_layout_is_a_record_with_its_other_keys(tmp_path: Path, name: str) -> None:
    layout, row, turns = LAYOUTS[name]
    path = write(tmp_path / "a.jsonl", row | {"license": "MIT", "family": "scaffold"})
    for asked in ("auto", layout):
        record = only(path, asked)
        assert (record.layout, record.turns) == (layout, turns)
        assert (record.line, record.family, record.meta["license"]) == (1, "scaffold", "MIT")


@pytest.mark.parametrize("name", sorted(set(LAYOUTS) - {"a prompt alone"}))
def test_a_row_of_a_public_layout_trains_under_the_family_that_the_configuration_gives(
    tmp_path: Path, name: str
) -> None:
    path = write(tmp_path / "a.jsonl", LAYOUTS[name][1])
    with pytest.raises(Refusal, match=r"dataset\.family=FAMILY|one of the user and one of the assistant|missing key"):
        read_rows(path, DOMAIN.families)
    [row, *_] = read_rows(path, DOMAIN.families, rules=RowRules(family="doc")).rows
    assert row.family == "doc"
    assert "dig" in row.output
    assert row.instruction == ("" if name == "plain text" else "Dig.")


def packed(path: Path, name: str) -> Path:
    data, to = path.read_bytes(), path.with_name(f"{path.name}.{name}")
    if name == "zst":
        pytest.importorskip("backports.zstd", reason="zstd: pip install luagate[data]")
        from backports import zstd

        to.write_bytes(zstd.compress(data))
    else:
        to.write_bytes({"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[name](data))
    path.unlink()
    return to


@pytest.mark.parametrize("name", ["gz", "bz2", "xz", "zst"])
def test_compressed_lines_are_read_whatever_their_name_and_a_torn_archive_is_named(tmp_path: Path, name: str) -> None:
    rows = [{"instruction": f"Dig {number}. {number * 7919}", "output": f"dig({number})"} for number in range(3000)]
    path = packed(write(tmp_path / "a.jsonl", *rows), name)
    assert [record.line for record in read_records(path)] == list(range(1, 3001))
    moved = path.rename(tmp_path / "rows")
    assert sum(1 for _ in read_records(moved)) == 3000
    moved.write_bytes(moved.read_bytes()[: moved.stat().st_size // 2])
    with pytest.raises(Refusal, match=r"rows: its \w+ data (ends in the middle|is damaged.*), after line \d+"):
        list(read_records(moved))


def test_parquet_is_read_a_batch_at_a_time_and_refused_in_one_sentence_where_pyarrow_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrow = pytest.importorskip("pyarrow", reason="parquet: pip install luagate[data]")
    import pyarrow.parquet as parquet

    path = tmp_path / "train-00000.parquet"
    calling = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"function": {"name": "dig", "arguments": {"depth": 2}}}],
    }
    resting = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"function": {"name": "rest", "arguments": {"hours": 1.5}}}],
    }
    rows = [
        {"messages": [CHAT[0], calling], "score": float("nan")},
        {"messages": [CHAT[0], resting], "score": 1.0},
    ] * 300
    parquet.write_table(arrow.Table.from_pylist(rows), path)
    found = [record for record in read_records(path) if isinstance(record, Record)]
    assert len(found) == 600
    # a struct has the keys of both calls: what one lacks is not given to it
    assert [found[place].turns[1].calls for place in (0, 1)] == [
        (Call("dig", {"depth": 2}),),
        (Call("rest", {"hours": 1.5}),),
    ]
    assert found[0].meta == {"score": None}
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(Refusal, match="torn or damaged parquet"):
        list(read_records(path))
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(Refusal) as caught:
        list(read_records(path))
    assert caught.value.sentence == f"{path}: is parquet, and pyarrow, which reads it, is not installed."
    assert "luagate[data]" in caught.value.fix


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("key", [None, "data"])
def test_one_json_document_is_read_as_its_rows(tmp_path: Path, indent: int | None, key: str | None) -> None:
    rows = [LAYOUTS["Alpaca"][1], LAYOUTS["chat"][1]]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({key: rows, "version": 1} if key else rows, indent=indent), encoding="utf-8")
    assert [(record.line, record.layout) for record in read_records(path) if isinstance(record, Record)] == [
        (1, "instruction"), (2, "chat"),
    ]  # fmt: skip


def test_a_torn_document_and_one_that_holds_no_rows_are_refused_with_the_place(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"a": 1}, {"a": 2}], indent=1)[:-4], encoding="utf-8")
    with pytest.raises(Refusal, match=r"a\.json: line \d+: not JSON"):
        list(read_records(path))
    for text in ('{\n"a": 1\n}', '{\n"a": [{}], "b": [{}]\n}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(Refusal, match="one JSON object over several lines"):
            list(read_records(path))


ROW = '{"instruction": "Dig.", "output": "dig()"%s}'


def bad(more: bytes) -> bytes:
    return ROW.encode() % more


BAD_LINES: dict[str, tuple[bytes, str]] = {
    "NUL in the file": (bad(b", \"x\": \"\0\""), "holds NUL bytes"),
    "NUL as an escape": (bad(rb', "x": "\u0000"'), "holds a NUL character"),
    "NaN": (bad(b', "x": NaN'), "holds NaN, which is no number of JSON"),
    "a number beyond a float": (bad(b', "x": 1e999'), "holds the number 1e999, which is too large"),
    "a huge integer": (bad(b', "x": ' + b"9" * 5000), "a number too long"),
    "a key twice": (bad(b', "output": "x"'), "a key appears twice"),
    "a key twice within": (bad(b', "x": {"a": 1, "a": 2}'), 'a key appears twice within it: "a"'),
    "half a character": (bad(rb', "x": "\ud800"'), r"holds half of a character, \ud800"),
    "a torn line": (b'{"instruction": "Dig', "not JSON"),
    "no layout": (b'{"say": "x"}', 'has no layout that is read; its keys: "say"'),
    "an image": (
        b'{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]}',
        "a part of the type image_url, which is no text",
    ),
    "an unknown role": (b'{"messages": [{"role": "narrator", "content": "x"}]}', 'the role "narrator"'),
    "a call that is no JSON": (
        b'{"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "dig", "arguments": "{x}"}}]}]}',
        "a call of its answer cannot be read",
    ),
    "preference pairs": (b'{"prompt": "a", "chosen": "b", "rejected": "c"}', "is a row of preference pairs"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_line_that_is_no_record_is_named_with_its_line_and_the_others_are_read(tmp_path: Path, name: str) -> None:
    data, sentence = BAD_LINES[name]
    path = tmp_path / "a.jsonl"
    good = (ROW % "").encode()
    path.write_bytes(b"\xef\xbb\xbf" + good + b"\r\n\r\n" + data + b"\n" + good.replace(b"Dig.", "Dig\u2028.".encode()))
    first, broken, last = read_records(path)
    assert isinstance(broken, Broken)
    assert (broken.file, broken.line) == (path, 3)
    assert sentence in broken.sentence
    assert isinstance(first, Record)
    assert isinstance(last, Record)
    assert (first.line, last.line, last.question) == (1, 4, "Dig\u2028.")
    assert contents_of([first, broken, last]).problems == (f"a.jsonl:3: {broken.sentence}",)


def test_a_line_without_end_is_read_past_and_never_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(byte_lines, "LONGEST_LINE_BYTES", 1024**2)
    path = tmp_path / "a.jsonl.gz"
    good = (ROW % "").encode()
    path.write_bytes(gzip.compress(good + b"\n" + b'{"x": "' + b"a" * 5 * 1024**2 + b'"}\n' + good, 1))
    first, broken, last = read_records(path)
    assert isinstance(broken, Broken)
    assert (broken.line, broken.sentence) == (2, "a line of 5 MB; at most 1 MB are read")
    assert isinstance(first, Record)
    assert isinstance(last, Record)
    assert last.line == 3


def test_what_is_no_file_of_rows_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04rest")
    (tmp_path / "b.jsonl").write_text("{}\n", encoding="utf-16")
    (tmp_path / "empty").mkdir()
    for name, says in (
        ("a.zip", "is an archive"),
        ("b.jsonl", "is UTF-16"),
        ("none.jsonl", "no such file"),
        ("empty", r"holds no \*\.jsonl file"),
    ):
        with pytest.raises(Refusal, match=says):
            list(read_records(tmp_path / name))
    with pytest.raises(Refusal, match='no layout "sharegtp"'):
        list(read_records(write(tmp_path / "c.jsonl", {}), "sharegtp"))


def test_a_layout_that_is_named_is_the_one_that_every_row_must_have(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", LAYOUTS["chat"][1], LAYOUTS["Alpaca"][1])
    with pytest.raises(Refusal, match=r"line 2: lacks the keys of dataset\.format=chat"):
        read_rows(path, DOMAIN.families, rules=RowRules(family="doc", layout="chat"))


def test_a_folder_is_its_data_files_and_as_the_hub_keeps_one_those_below_it(tmp_path: Path) -> None:
    row = LAYOUTS["Alpaca"][1]
    (tmp_path / "data").mkdir()
    write(tmp_path / "data" / "b.jsonl", row)
    packed(write(tmp_path / "data" / "a.jsonl", row, row), "gz")
    (tmp_path / "dataset_infos.txt").write_text("x", encoding="utf-8")
    assert [(r.file.name, r.line) for r in read_records(tmp_path)] == [
        ("a.jsonl.gz", 1),
        ("a.jsonl.gz", 2),
        ("b.jsonl", 1),
    ]


def test_a_data_set_of_the_hub_is_its_snapshot_and_what_cannot_be_had_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    asked: list[dict[str, Any]] = []
    write(tmp_path / "rows.jsonl", LAYOUTS["Alpaca"][1])

    def snapshot(name: str, **given: Any) -> str:
        asked.append({"name": name, **given})
        if name == "x/gone":
            raise LocalEntryNotFoundError("not here")
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    assert hub.located("hub:x/rows@v1:rows.jsonl") == tmp_path / "rows.jsonl"
    assert (asked[0]["name"], asked[0]["revision"], asked[0]["repo_type"]) == ("x/rows", "v1", "dataset")
    assert hub.located("some/folder") == Path("some/folder")
    for text, says in (
        ("hub:rows", "is no data set of the hub"),
        ("hub:x/rows:../up", "is no data set of the hub"),
        ("hub:x/rows:none", "has no none"),
        ("hub:x/gone", "cannot be had from the hub"),
    ):
        with pytest.raises(Refusal, match=says):
            hub.located(text)


def test_the_same_rows_give_the_same_figures_and_samples_and_repeats_are_counted() -> None:
    rows = [
        Record(Path("a.jsonl"), n, "chat", (Turn("user", f"Dig {n % 4}."), Turn("assistant", f"dig({n % 8})")), "", (), "doc", {"license": "MIT"})
        for n in range(1, 41)
    ]  # fmt: skip
    first, again = contents_of(rows), contents_of(rows)
    assert first == again
    assert (first.rows, first.families, first.licences) == (40, {"doc": 40}, {"license: MIT": 40})
    assert (first.duplicates.rows, first.duplicates.questions, first.duplicates.question_groups) == (32, 36, 4)
    assert first.answers is not None
    assert (first.answers.longest, first.answers.total, len(first.samples)) == (6, 240, 10)
    words = contents_of(rows, length_of=lambda text: len(text.split()), unit="words")
    assert words.questions is not None
    assert (words.questions.unit, words.questions.median) == ("words", 2)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the public files are not beside the project (../shared/data)")
def test_every_public_file_is_read_and_its_known_figures_are_found() -> None:
    raw = contents_of(read_records(SHARED / "vertigo-lora" / "data" / "raw"))
    assert (raw.rows, len(raw.files), raw.broken, raw.layouts) == (1967, 21, 0, {"chat": 1967})
    assert (raw.duplicates.rows, raw.duplicates.questions, raw.duplicates.question_groups) == (0, 129, 82)
    assert raw.calls == 340
    train = contents_of(read_records(SHARED / "luanti-fine-tune" / "data" / "train" / "luanti_train.jsonl"))
    assert (train.rows, train.duplicates.rows, train.families["repair"]) == (600, 357, 120)
    items = contents_of(read_records(SHARED / "luanti-fine-tune" / "data" / "eval" / "luanti_eval.jsonl"))
    assert (items.rows, items.rows - items.duplicates.questions) == (60, 26)
    assert contents_of(read_records(SHARED / "vertigo-lora" / "data" / "eval" / "benchmark.jsonl")).layouts == {
        "prompt": 30
    }
