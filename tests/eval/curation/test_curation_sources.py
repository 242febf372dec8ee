"""What a source gives: rows with their place and licence, and every place that gave none with the reason."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from eval.curation.records import CuratedRow, Dropped
from eval.curation.sources.code_units import NoCode, units
from eval.curation.sources.documents import blocks_of
from eval.curation.sources.trees import NotRead, TreeFile, read_tree
from eval.curation.stages import collect
from eval.curation.surroundings import Surroundings
from eval.domains import domain_named
from tests.support.curated import node, recipe_of, source, write_rows

pytest.importorskip("license_expression")
pytest.importorskip("tree_sitter_luau")

MOD = """-- SPDX-License-Identifier: MIT
local S = core.get_translator("garden")

-- Counts the flowers of a list.
local function count(flowers)
\treturn #flowers
end

core.register_node("garden:fern", {
\tdescription = S("Fern"),
\ttiles = {"fern.png"},
})
minetest.register_craft({output = "garden:fern", recipe = {{"garden:seed"}}})
function garden.water(pos, amount)
\treturn amount
end
"""


def collected(folder: Path, domain: str = "luanti", **over: Any) -> tuple[list[CuratedRow], list[Dropped]]:
    recipe = recipe_of(folder, {"mine": source(**over)})
    result = collect.run((), recipe, Surroundings(domain_named(domain), None, folder))
    return list(result.rows), list(result.dropped)


def told(dropped: list[Dropped]) -> dict[str, tuple[str, str]]:
    return {one.place: (one.reason, one.detail) for one in dropped}


def test_rows_of_every_layout_are_read_and_every_bad_line_is_named_with_its_reason(tmp_path: Path) -> None:
    fern = node("fern")
    chat = [{"role": "user", "content": "Make a fern."}, {"role": "assistant", "content": fern["output"]}]
    two = [*chat, {"role": "user", "content": "And an oak."}, {"role": "assistant", "content": "x = 1"}]
    lines = [
        fern,
        {"messages": chat, "family": "scaffold"},
        {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "x = 2"}]},
        {"prompt": "p", "completion": "x = 3"},
        {"messages": two},
        '{"instruction": "torn',
        '{"instruction": "a", "output": "x", "instruction": "b"}',
        {"instruction": "a", "output": 3, "family": "scaffold"},
        {"chosen": "a", "rejected": "b"},
        node("oak", family="haiku"),
        node("oak", licence="GPL-3.0-only"),
    ]
    write_rows(tmp_path / "rows.jsonl", lines)
    rows, dropped = collected(tmp_path, kind="rows", path="rows.jsonl", family="scaffold")
    assert [row.line for row in rows] == [1, 2, 3, 4, 5, 11]
    assert rows[4].instruction == "Make a fern.\nAnd an oak."
    assert [message["role"] for message in rows[4].messages] == ["user", "assistant"] * 2, "the chat stays whole"
    assert [row.licence for row in (rows[0], rows[-1])] == ["MIT", "GPL-3.0-only"]
    assert {place: reason for place, (reason, _) in told(dropped).items()} == {
        "rows.jsonl:6": "not readable",
        "rows.jsonl:7": "not readable",
        "rows.jsonl:8": "no question with an answer",
        "rows.jsonl:9": "no question with an answer",
        "rows.jsonl:10": "no family",
    }
    assert told(dropped)["rows.jsonl:8"][1] == '"output" is number, not text'


def test_a_mod_gives_its_registrations_and_functions_with_file_line_and_licence(tmp_path: Path) -> None:
    mod = tmp_path / "mods" / "garden"
    mod.mkdir(parents=True)
    (mod / "init.lua").write_text(MOD, encoding="utf-8")
    (mod / "broken.lua").write_text("-- SPDX-License-Identifier: MIT\nfunction (", encoding="utf-8")
    (mod / "latin.lua").write_bytes(b"x = '\xe9'")
    rows, dropped = collected(tmp_path, kind="lua", path="mods", licence="", commit="abc")
    assert [(row.file, row.line, row.kind) for row in rows] == [
        ("garden/init.lua", 5, "function"),
        ("garden/init.lua", 9, "node"),
        ("garden/init.lua", 14, "function"),
    ]
    assert rows[0].instruction == (
        "Write the function count with the parameters flowers. Counts the flowers of a list."
    )
    assert rows[1].instruction == "Register the node garden:fern with the fields description, tiles."
    assert rows[1].mod_name == "garden"
    assert {(row.licence, row.commit, row.made.partition(":")[0]) for row in rows} == {("MIT", "abc", "template")}
    assert told(dropped) == {
        "garden/init.lua:13": ("shorter than templates.min_lines", "registration of 1 lines"),
        "garden/broken.lua:1": ("not read as Lua", "it is not Lua that the grammar reads"),
        "garden/latin.lua:0": ("not UTF-8", ""),
    }


@pytest.mark.parametrize(
    ("beside", "wrong"),
    [
        ({"mod.conf": "name = garden\nlicense = GPL-3.0-only\n"}, "init.lua:1 says MIT, mod.conf:2 says GPL-3.0-only"),
        ({"wally.toml": '[package]\nlicense = "MIT"\n'}, ""),
        ({"package.json": '{"license": "Apache-2.0"}'}, "init.lua:1 says MIT, package.json says Apache-2.0"),
        ({"LICENSE": "All rights reserved."}, ""),
    ],
)
def test_a_licence_that_contradicts_a_header_is_named_by_file_and_line(
    tmp_path: Path, beside: dict[str, str], wrong: str
) -> None:
    folder = tmp_path / "mod"
    folder.mkdir()
    for name, text in {"init.lua": MOD, **beside}.items():
        (folder / name).write_text(text, encoding="utf-8")
    rows, dropped = collected(tmp_path, kind="lua", path="mod", licence="")
    assert [one.detail for one in dropped if one.reason == "licence not clear"] == ([wrong] if wrong else [])
    assert bool(rows) is not bool(wrong)


def test_two_licences_beside_a_file_without_a_header_are_not_chosen_between(tmp_path: Path) -> None:
    folder = tmp_path / "mod"
    folder.mkdir()
    (folder / "init.lua").write_text(MOD.partition("\n")[2], encoding="utf-8")
    (folder / "mod.conf").write_text("license = MIT\n", encoding="utf-8")
    (folder / "package.json").write_text('{"license": "GPL-2.0-only"}', encoding="utf-8")
    rows, dropped = collected(tmp_path, kind="lua", path="mod", licence="")
    assert rows == []
    assert dropped[0].detail == "several licences: mod.conf:1 says MIT, package.json says GPL-2.0-only"


def test_nothing_of_an_archive_leaves_its_folder_and_nothing_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../escape.lua", "x = 1")
        archive.writestr("/absolute.lua", "x = 1")
        archive.writestr("mod/init.lua", "x = 1")
        link = zipfile.ZipInfo("mod/link.lua")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as tar:
        for name, kind in (("a/link.lua", tarfile.SYMTYPE), ("a/pipe.lua", tarfile.FIFOTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
        text = b"y = 1"
        member = tarfile.TarInfo("a/../../up.lua")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
    before = sorted(path.name for path in tmp_path.iterdir())
    found = list(read_tree(tmp_path / "evil.zip")) + list(read_tree(tmp_path / "evil.tar.gz"))
    assert {member.name: member.why for member in found if isinstance(member, NotRead)} == {
        "../escape.lua": "its path holds ..",
        "/absolute.lua": "its path is absolute",
        "mod/link.lua": "a link",
        "a/link.lua": "a link",
        "a/pipe.lua": "a device or a pipe",
        "a/../../up.lua": "its path holds ..",
    }
    assert [member for member in found if isinstance(member, TreeFile)] == [TreeFile("mod/init.lua", b"x = 1")]
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    (tmp_path / "torn.zip").write_bytes((tmp_path / "evil.zip").read_bytes()[:40])
    with pytest.raises(Refusal, match=r"torn\.zip: the archive cannot be read"):
        list(read_tree(tmp_path / "torn.zip"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "out.lua").symlink_to("/etc/passwd")
    assert list(read_tree(tmp_path / "folder")) == [NotRead("out.lua", "a link")]


def deb(path: Path, files: dict[str, str]) -> None:
    """Write a Debian package that holds ``files``."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    parts = b"!<arch>\n"
    for name, content in (("debian-binary", b"2.0\n"), ("data.tar.xz", data.getvalue())):
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        parts += header + content + b"\n" * (len(content) % 2)
    path.write_bytes(parts)


def test_of_a_debian_package_the_last_matching_paragraph_of_its_copyright_file_counts(tmp_path: Path) -> None:
    copyright_file = (
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"
        "Files: *\nCopyright: 2020 Ann\nLicense: GPL-3+\n\n"
        "Files: api.lua\nCopyright: 2021 Bob\n  2022 Cyd\nLicense: Expat\n\n"
        "License: Expat\n Permission is granted.\n"
    )
    body = MOD.partition("\n")[2]
    root = "usr/share/games/minetest/mods/garden"
    (tmp_path / "debs").mkdir()
    files = {"usr/share/doc/garden/copyright": copyright_file, f"{root}/api.lua": body, f"{root}/init.lua": body}
    deb(tmp_path / "debs" / "garden.deb", files)
    rows, _ = collected(tmp_path, kind="deb", path="debs", licence="")
    said = {row.file.rpartition("/")[2]: (row.licence, row.attribution) for row in rows}
    assert said == {"api.lua": ("MIT", "2021 Bob; 2022 Cyd"), "init.lua": ("GPL-3.0-or-later", "2020 Ann")}
    (tmp_path / "none").mkdir()
    with pytest.raises(Refusal, match="apt-get download"):
        collected(tmp_path, kind="deb", path="none")


def test_a_block_of_code_becomes_a_row_with_the_heading_and_the_words_before_it(tmp_path: Path) -> None:
    text = (
        "# Guide\n\nFirst.\n\n## Nodes\n\nA node needs a name\nand tiles.\n\n```lua\nx = 1\n```\n\n"
        "```sh\nls\n```\n~~~lua\ny = 2\n~~~\n```lua\nnever closed\n"
    )
    blocks = list(blocks_of(text))
    assert [(block.label, block.text, block.line) for block in blocks] == [
        ("lua", "x = 1", 10),
        ("sh", "ls", 14),
        ("lua", "y = 2", 17),
    ]
    assert (blocks[0].heading, blocks[0].before) == ("Nodes", "A node needs a name and tiles.")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "guide.md").write_text(text, encoding="utf-8")
    rows, dropped = collected(tmp_path, kind="docs", path="docs", family="doc")
    assert [(row.line, row.input, row.family) for row in rows] == [
        (10, "A node needs a name and tiles.", "doc"),
        (17, "", "doc"),
    ]
    assert told(dropped)["guide.md:14"] == ("block of another language", "sh")


def test_a_dump_of_contentdb_names_licences_and_what_is_not_there(tmp_path: Path) -> None:
    packages = [
        {"type": "mod", "author": "ann", "name": "garden", "license": "GPLv3", "repo": "https://example.org/garden"},
        {"type": "mod", "author": "bob", "name": "gone", "license": "MIT", "repo": None},
        {"type": "txp", "author": "cyd", "name": "paint", "license": "CC0-1.0"},
    ]
    (tmp_path / "dump.json").write_text(json.dumps({"page": 1, "total": 3, "items": packages}), encoding="utf-8")
    (tmp_path / "ann" / "garden").mkdir(parents=True)
    (tmp_path / "ann" / "garden" / "init.lua").write_text(MOD.partition("\n")[2], encoding="utf-8")
    rows, dropped = collected(tmp_path, kind="contentdb", path="dump.json", licence="")
    assert {(row.file, row.licence) for row in rows} == {("ann/garden/init.lua", "GPL-3.0-only")}
    assert {reason for reason, _ in told(dropped).values()} >= {"its code is not there", "a package of type txp"}
    packages[0]["author"] = ".."
    (tmp_path / "dump.json").write_text(json.dumps(packages), encoding="utf-8")
    with pytest.raises(Refusal, match="leaves its folder"):
        collected(tmp_path, kind="contentdb", path="dump.json")


def test_a_rojo_project_gives_its_modules_under_the_licence_of_its_manifest(tmp_path: Path) -> None:
    game = tmp_path / "game" / "src" / "shared"
    game.mkdir(parents=True)
    (tmp_path / "game" / "wally.toml").write_text('[package]\nlicense = "Apache-2.0"\n', encoding="utf-8")
    (tmp_path / "game" / "default.project.json").write_text('{"name": "game"}', encoding="utf-8")
    module = (
        "--!strict\nlocal Sum = {}\nfunction Sum.of(a: number, b: number): number\n\treturn a + b\nend\nreturn Sum\n"
    )
    (game / "Sum.luau").write_text(module, encoding="utf-8")
    rows, _ = collected(tmp_path, "roblox", kind="lua", path="game", licence="")
    assert [(row.kind, row.line, row.licence) for row in rows] == [
        ("function", 3, "Apache-2.0"),
        ("module", 1, "Apache-2.0"),
    ]
    assert rows[1].instruction == "Write the module Sum.luau."
    assert rows[1].output == module.strip("\n")


def test_lines_of_code_units_become_rows_and_a_line_without_code_is_named(tmp_path: Path) -> None:
    whole = {"code": 'core.register_node("a:b", {\n})', "file": "a/init.lua", "line": 7, "licence": "Expat"}
    whole |= {"pkg": "garden", "anything": [1]}
    craft = {**whole, "code": 'core.register_craft({output = "a:b 4"})', "line": 90}
    nameless = {**whole, "code": "core.register_alias_force(a, b)", "line": 95}
    write_rows(tmp_path / "units.jsonl", [whole, craft, nameless, {**whole, "code": None}, {**whole, "line": 0}])
    rows, dropped = collected(tmp_path, kind="units", path="units.jsonl")
    assert [(row.file, row.line, row.licence, row.attribution) for row in rows] == [
        ("a/init.lua", 7, "MIT", "the authors of garden"),
        ("a/init.lua", 90, "MIT", "the authors of garden"),
    ]
    assert rows[1].instruction == "Register the craft a:b 4 with the fields output."
    assert [(one.reason, one.detail) for one in dropped] == [
        ("nothing says what it registers", "register_alias_force"),
        ("not readable", "it has no text as code"),
        ("not readable", "it has no line"),
    ]


def test_a_text_that_is_no_lua_or_nested_beyond_reason_is_no_unit() -> None:
    for text in ("function (", "x = " + "(" * 500 + "1" + ")" * 500):
        with pytest.raises(NoCode):
            units(text)


def test_a_source_that_is_not_there_is_refused_by_its_key(tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, {"mine": source("rows", "gone.jsonl")})
    with pytest.raises(Refusal, match=r"sources\.mine\.path: there is no .*gone\.jsonl"):
        collect.depends(recipe, Surroundings(domain_named("luanti"), None, tmp_path))
