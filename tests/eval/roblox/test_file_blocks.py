"""An answer of several files is read file by file, or says everything that is wrong with it."""

from __future__ import annotations

import pytest

from eval.domains.roblox.items.file_blocks import MAX_FILES, NoFiles, Place, place_of, read_files

TWO = """-- A counter and what uses it.
-- file: ReplicatedStorage/Shared/Counter.luau
return { count = 0 }

-- File:  `ServerScriptService/Main.server.luau`
local Counter = require(game.ReplicatedStorage.Shared.Counter)
print(Counter.count)
"""


def test_each_file_has_its_path_and_its_source() -> None:
    assert read_files(TWO) == {
        "ReplicatedStorage/Shared/Counter.luau": "return { count = 0 }\n",
        "ServerScriptService/Main.server.luau": (
            "local Counter = require(game.ReplicatedStorage.Shared.Counter)\nprint(Counter.count)\n"
        ),
    }


def test_a_path_says_what_is_made_of_it_and_where() -> None:
    assert place_of("ServerScriptService/Main.server.luau") == Place("Script", ("ServerScriptService", "Main"))
    assert place_of("StarterGui/Hud.client.lua") == Place("LocalScript", ("StarterGui", "Hud"))
    assert place_of("ReplicatedStorage/Shop/init.luau") == Place("ModuleScript", ("ReplicatedStorage", "Shop"))


WRONG = {
    "return 1": "no file begins with a line `-- file: path`",
    "local x = 1\n-- file: A/B.luau\nreturn x": "there is program text before the first",
    "-- file: A/B.luau\nreturn 1\n-- file: a/b.luau\nreturn 2": "a/b.luau: stands there twice",
    "-- file: A/../B.luau\nreturn 1": "A/../B.luau: leads out of the place",
    "-- file: /etc/B.luau\nreturn 1": "leads out of the place",
    "-- file: C:\\B.luau\nreturn 1": "leads out of the place",
    "-- file: A//B.luau\nreturn 1": "A//B.luau: is no path of names",
    "-- file: A/B.txt\nreturn 1": "ends in neither",
    "-- file: B.luau\nreturn 1": "B.luau: lies in no service",
    "-- file:\nreturn 1": "names no path",
    "-- file: A/B.luau\n\n-- file: A/C.luau\nreturn 1": "A/B.luau: is empty",
    "".join(f"-- file: A/B{n}.luau\nreturn 1\n" for n in range(MAX_FILES + 1)): f"at most {MAX_FILES} are read",
}


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_an_answer_that_is_no_set_of_files_says_why(text: str) -> None:
    with pytest.raises(NoFiles) as caught:
        read_files(text)
    assert WRONG[text] in str(caught.value)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(NoFiles) as caught:
        read_files("x = 1\n-- file: B.luau\n-- file: A/B.txt\nreturn 1")
    assert str(caught.value).count(";") == 2
