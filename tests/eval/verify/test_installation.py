"""Which engine judges: the one that is named, else the one installed; found in any folder, with its version."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from env.refusal import Refusal
from eval.domains.luanti.verify.engine.installation import (
    ENGINE_VARIABLE,
    Installation,
    engine_version,
    find_installation,
    start_words,
)
from eval.domains.luanti.verify.versions import NEWER, VALIDATED, absent, caveat
from tests.support.engine_claims import NEEDS_BUILTIN
from tests.support.luanti import open_verifier
from tests.support.runs import Cli
from tests.support.settings import verifier_settings

SERVER = '#!/bin/sh\necho "Luanti 5.99.1 (Linux)"\necho "Using LuaJIT"\n'


def laid_out(root: Path, *files: str) -> Path:
    """Make files under a folder: programs tell a version, the rest is empty."""
    for name in files:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(SERVER if file.name == "luantiserver" else "", encoding="utf-8")
        file.chmod(0o755)
    return root


def test_a_debian_system_in_a_folder_is_found_with_the_loader_and_libraries_of_its_own(tmp_path: Path) -> None:
    system = laid_out(
        tmp_path,
        "usr/games/luantiserver",  # a script with options of its own
        "usr/libexec/luanti/luantiserver",
        "usr/share/luanti/builtin/init.lua",
        "lib64/ld-linux-x86-64.so.2",
        "usr/lib/x86_64-linux-gnu/libc.so.6",
    )
    found = find_installation(str(system))
    assert found.server == f"{system}/usr/libexec/luanti/luantiserver"
    assert found.builtin == f"{system}/usr/share/luanti/builtin"
    assert start_words(found)[:2] == [f"{system}/lib64/ld-linux-x86-64.so.2", "--library-path"]
    assert f"{system}/usr/lib/x86_64-linux-gnu" in start_words(found)[2].split(":")


@pytest.mark.parametrize("builtin", ["share/luanti/builtin", "builtin"])
def test_a_prefix_and_a_build_are_found_by_their_folder_and_by_their_program(tmp_path: Path, builtin: str) -> None:
    place = laid_out(tmp_path, "bin/luantiserver", f"{builtin}/init.lua")
    expected = Installation(f"{place}/bin/luantiserver", f"{place}/{builtin}")
    assert find_installation(str(place)) == find_installation(f"{place}/bin/luantiserver") == expected
    assert start_words(expected) == [expected.server]
    assert engine_version(expected) == "5.99.1"


def test_two_engines_side_by_side_keep_their_own_lua(tmp_path: Path) -> None:
    both = ("usr/share/luanti/builtin/init.lua", "usr/share/games/minetest/builtin/init.lua")
    old = laid_out(tmp_path, "usr/lib/minetest/minetestserver", *both)
    assert find_installation(str(old)).builtin.endswith("games/minetest/builtin")
    new = laid_out(tmp_path, "usr/libexec/luanti/luantiserver")
    assert find_installation(str(new)).builtin.endswith("share/luanti/builtin")


def test_the_key_goes_before_the_variable_and_both_before_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = laid_out(tmp_path / "one", "bin/luantiserver")
    two = laid_out(tmp_path / "two", "bin/luantiserver")
    monkeypatch.setenv(ENGINE_VARIABLE, str(one))
    assert find_installation().server.startswith(str(one))
    assert find_installation(str(two)).server.startswith(str(two))


def test_a_folder_without_an_engine_is_refused_by_what_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refusal, match=r"no engine in .*, which verifier\.engine names"):
        find_installation(str(tmp_path))
    monkeypatch.setenv(ENGINE_VARIABLE, str(tmp_path / "gone"))
    with pytest.raises(Refusal, match=f"no engine in .*gone, which {ENGINE_VARIABLE} names"):
        find_installation()


def test_without_a_server_the_version_is_the_packages_and_else_says_which_files_they_are(tmp_path: Path) -> None:
    system = laid_out(tmp_path, "usr/share/luanti/builtin/init.lua", "var/lib/dpkg/info/luanti-data.list")
    unpackaged = engine_version(find_installation(str(system)))
    assert unpackaged.startswith("files-")
    (system / "usr/share/luanti/builtin/other.lua").write_text("x = 1")
    records = system / "var/lib/dpkg"
    (records / "info/luanti-data.list").write_text("/.\n/usr/share/luanti\n/usr/share/luanti/builtin\n")
    (records / "status").write_text(
        "Package: a\nVersion: 1\n\nPackage: luanti-data\nSource: l\nVersion: 5.10.0+dfsg-5\n"
    )
    engine_version.cache_clear()
    assert engine_version(find_installation(str(system))) == "5.10.0"
    (records / "info/luanti-data.list").write_text("/.\n/usr/share/other\n")
    engine_version.cache_clear()
    assert engine_version(find_installation(str(system))).startswith("files-")
    assert engine_version(find_installation(str(system))) != unpackaged


def test_an_engine_lacks_exactly_the_functions_that_came_after_it() -> None:
    assert {"urlencode", "bulk_swap_node", "path_exists"} <= set(absent("5.6.1"))
    assert "urlencode" not in absent("5.10.0")
    assert {"get_value_noise", "path_exists"} <= set(absent("5.10.0"))
    assert absent("5.10.0-dev-1a2b") == absent("5.10.0")
    assert absent("9.0.0") == absent("files-12345678") == ()
    assert list(NEWER) == sorted(NEWER)


@pytest.mark.parametrize("version", VALIDATED)
def test_a_validated_version_needs_no_word_and_neither_does_a_patch_of_it(version: str) -> None:
    assert caveat(version) is caveat(f"{version}9") is None


def test_an_engine_that_was_not_validated_is_reported_with_the_run_that_validates_it() -> None:
    newer, other = caveat("5.99.0"), caveat("5.8.0")
    assert newer is not None
    assert other is not None
    assert "this one is newer" in newer.reason
    assert "newer" not in other.reason
    assert "python -m eval.datasets validate" in newer.fix


@pytest.mark.parametrize("name", [pytest.param("builtin", marks=NEEDS_BUILTIN)])
def test_gate_a_warns_of_a_newer_engine_and_suggests_a_validation(tmp_path: Path, cli: Cli, name: str) -> None:
    place = laid_out(tmp_path, "bin/luantiserver")
    shutil.copytree(find_installation().builtin, place / "builtin")
    with open_verifier(verifier_settings(name=name, engine=str(place), workers=1)) as opened:
        assert opened.name == "builtin/5.99.1"
    code, text = cli("doctor", "profile=smoke", f"verifier={name}", f"verifier.engine={place}")
    assert code == 0
    assert "builtin/5.99.1" in text
    assert "python -m eval.datasets validate" in text
    code, text = cli("doctor", "profile=smoke", f"verifier={name}")
    assert "bench validate" not in text
