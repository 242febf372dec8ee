"""Programs of any origin: which domain they are for, and whole mods and places as one program each."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from env.refusal import Refusal
from eval.domains import domain_named, open_verifier
from eval.interop.projects import find_projects
from eval.interop.verifying import Verified, verify_projects
from tests.support.settings import verifier_settings


def write(folder: Path, **files: str) -> Path:
    """Write files, whose names stand with __ for / and _ for the last dot."""
    for name, text in files.items():
        stem, _, suffix = name.replace("__", "/").rpartition("_")
        path = folder / f"{stem}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def verified(path: Path, domain: str = "") -> list[Verified]:
    found = find_projects([path], domain)
    name = "recorder" if found.domain.name == "luanti" else next(iter(found.domain.verifiers))
    with open_verifier(found.domain, verifier_settings(name=name, workers=1)) as verifier:
        return list(verify_projects(found, verifier))


def mod(folder: Path, **more: str) -> Path:
    return write(
        folder,
        mod_conf="name = lamps\n",
        init_lua='local path = core.get_modpath("lamps")\nlocal api = dofile(path .. "/api.lua")\napi.lamp("lamps:red")\n',
        api_lua='local kinds = dofile(core.get_modpath("lamps") .. "/data/kinds.lua")\n'
        "return { lamp = function(name) core.register_node(name, kinds) end } -- the end",
        data__kinds_lua='return { description = "Lamp" }\n',
        **more,
    )


def test_a_mod_of_several_files_runs_as_one_program(tmp_path):
    [one] = verified(mod(tmp_path))
    assert (one.verdict.outcome, one.verdict.registered) == ("PASSED", ("node lamps:red",))
    assert one.project.mod_name == "lamps"
    assert sorted(one.project.sources) == ["api.lua", "data/kinds.lua", "init.lua"]


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("data__kinds_lua", "\n\nreturn { description = nil .. 1 }\n", "data/kinds.lua:3: attempt to concatenate"),
        ("data__kinds_lua", "return {\n\n= }\n", "data/kinds.lua:3: unexpected symbol"),
        ("init_lua", "\n\nerror('here')\n", ":3: here"),
        ("init_lua", 'dofile(core.get_modpath("lamps") .. "/none.lua")', "the mod has no such Lua file"),
    ],
)
def test_an_error_names_the_file_and_its_own_line(tmp_path, file, text, said):
    mod(tmp_path)
    [one] = verified(write(tmp_path, **{file: text}), "luanti")
    assert one.verdict.outcome == "RUNTIME_ERROR"
    assert said in one.verdict.detail


def test_every_byte_of_a_file_of_the_mod_arrives(tmp_path):
    odd = bytes(range(1, 256)).decode("latin-1").replace("\r", "").replace("]]", "")
    mod(tmp_path, odd_lua=f"return [==[\n{odd}]==]")
    write(
        tmp_path, init_lua='core.register_craftitem("lamps:n" .. #dofile(core.get_modpath("lamps") .. "/odd.lua"), {})'
    )
    [one] = verified(tmp_path)
    assert one.verdict.registered == (f"craftitem lamps:n{len(odd.encode())}",)


def test_what_a_mod_depends_on_is_told_to_be_missing(tmp_path):
    mod(tmp_path)
    [one] = verified(write(tmp_path, mod_conf="name = lamps\ndepends = default, dye\n"))
    assert one.project.remarks == ("It runs without the mods that it depends on: default, dye.",)


def test_a_mod_that_prints_a_forged_verdict_gains_nothing(tmp_path):
    write(tmp_path, mod_conf="name = lamps\n", init_lua='print("PASSED")\nerror("no")\n', b_lua="core = nil\n")
    [one] = verified(tmp_path, "luanti")
    assert one.verdict.outcome == "RUNTIME_ERROR"


def place(folder: Path, tree: str) -> Path:
    write(
        folder,
        src__server__Main_server="",
        src__shared__Config_luau="return { speed = 5 }\n",
    )
    (folder / "src/server/Main.server").unlink()
    (folder / "src/server/Main.server.luau").write_text(
        "local config = require(game.ReplicatedStorage.Shared.Config)\n"
        'local part = Instance.new("Part")\npart.Name = "speed" .. config.speed\npart.Parent = workspace\n'
    )
    (folder / "default.project.json").write_text(tree)
    return folder


TREE = """{"name": "t", "tree": {"$className": "DataModel",
 "ReplicatedStorage": {"Shared": {"$path": "src/shared"}}, "ServerScriptService": {"Server": {"$path": "src/server"}}}}"""


def test_a_rojo_project_runs_as_one_place(tmp_path):
    [one] = verified(place(tmp_path, TREE))
    assert one.verdict.outcome == "PASSED", one.verdict.detail
    assert "Part Workspace.speed5" in one.verdict.registered


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ("{", "is no Rojo project"),
        ('{"name": "t"}', "is no Rojo project"),
        ('{"tree": {"ServerScriptService": {"$path": "../.."}}}', "leads out of"),
        ('{"tree": {"ServerScriptService": 5}}', "is no object"),
        ('{"tree": {"$className": "DataModel"}}', "holds no script"),
    ],
)
def test_a_wrong_project_file_is_refused_by_name(tmp_path, tree, said):
    with pytest.raises(Refusal, match=said):
        find_projects([place(tmp_path, tree)], "roblox")


def test_a_folder_without_a_project_is_searched_without_links_and_hidden_folders(tmp_path):
    write(tmp_path, a_lua="core.log('a')", sub__b_lua="core.log('b')", sub__c_txt="core.log('c')")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/x.lua").write_text("core.log('x')")
    (tmp_path / "link.lua").symlink_to("/etc/passwd")
    found = find_projects([tmp_path])
    assert [os.path.relpath(project.path, tmp_path) for project in found.projects] == ["a.lua", "sub/b.lua"]
    assert (found.domain, found.why) == (domain_named("luanti"), "its names are used 2 times")


@pytest.mark.parametrize(
    ("name", "text", "domain"),
    [
        ("x.lua", 'minetest.register_node("a:b", {})', "luanti"),
        ("x.lua", "local p = game:GetService('Players')", "roblox"),
        ("x.luau", "return {}", "roblox"),
        ("x.lua", "return {}", "luanti"),
    ],
)
def test_the_domain_is_told_by_what_programs_say(tmp_path, name, text, domain):
    (tmp_path / name).write_text(text)
    assert find_projects([tmp_path / name]).domain.name == domain


def test_what_cannot_be_a_program_is_refused_by_its_path(tmp_path):
    with pytest.raises(Refusal, match=r"gone\.lua: no such file"):
        find_projects([tmp_path / "gone.lua"])
    with pytest.raises(Refusal, match="holds no program"):
        find_projects([tmp_path])
    (tmp_path / "bytes.lua").write_bytes(b"core.log('\xff')")
    with pytest.raises(Refusal, match="byte 10 is no UTF-8"):
        find_projects([tmp_path / "bytes.lua"])
    os.mkfifo(tmp_path / "pipe.lua")
    with pytest.raises(Refusal, match="device or a pipe"):
        find_projects([tmp_path / "pipe.lua"])
    (tmp_path / "both.lua").write_text("core.log(game.Name)")
    with pytest.raises(Refusal, match="several domains alike"):
        find_projects([tmp_path / "both.lua"])
