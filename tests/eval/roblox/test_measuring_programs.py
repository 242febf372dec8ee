"""What is measured on real programs: prints against their comments, and why a program does not pass alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.domains.roblox.findings.measuring.programs import programs_in
from eval.domains.roblox.verify.verifier import World
from eval.pipeline.verifier import Job
from tests.support.documented_prints import agreements, checks_of, marked
from tests.support.luau_failures import kind_of, undefined_names
from tests.support.luau_programs import judged

DOCUMENTED = """print(1 + 1) --> 2
print("a", 2) -- a, 2
print(math.pi) -- Output: 3.1415926535898
print(#{1}) -- 1 (one element)
print(nil) -- the value of nothing
print(5) -- 6
for _, name in { "x", "y" } do
	print(name) --> x, y
end
if false then print(7) end --> 7
if false then
	print(8) --> 8
end
for i = 1, 3 do
	print(i)
	task.wait(1)
end
--[[ Resulting output:
1
2
4
]]
print("end") --> end
"""


def test_a_documented_line_is_compared_where_it_was_reached(world: World) -> None:
    code, lines = marked(DOCUMENTED)
    verdict = world.submit(Job(code, checks_of(lines, 5))).result()
    compared = list(agreements(lines, [check.detail for check in verdict.checks[1:]]))
    assert {line.text: agrees for agrees, line, _ in compared} == {
        "2": True,
        "a, 2": True,
        "3.1415926535898": True,
        "1 (one element)": True,
        "the value of nothing": False,
        "6": False,
        "x, y": True,
        "1": True,
        "4": False,
        "end": True,
    }
    assert [said for _, line, said in compared if line.text == "4"] == ["3"]
    assert len(code.split("\n")) == len(DOCUMENTED.split("\n"))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("workspace.Door:Destroy()", "it names parts of a place that is not there"),
        ("helper.open()", "it reads names that the text around it defines, or nobody"),
        ('local d = workspace:FindFirstChild("D")\nd:Destroy()', "it uses what a place or a module would have given: nil here"),
        ("local = 3", "it does not compile"),
        ("workspace.Terrain:Clear()", "it needs Studio"),
        ('error("mine")', 'RUNTIME_ERROR ServerScriptService.Script:1: mine'),
    ],
)  # fmt: skip
def test_a_failure_is_told_by_what_the_program_lacks(world: World, code: str, kind: str) -> None:
    assert kind_of(code, judged(world, code)) == kind


def test_names_that_a_program_defines_or_the_engine_has_are_no_undefined_ones() -> None:
    code = "local a = { k = x }\nfunction f(p: Player) return p.Name, a.k, game, script:Foo(y) end\nb = 1\nprint(b, f)"
    assert sorted(undefined_names(code)) == ["x", "y"]


def test_a_program_knows_whose_message_it_stands_in(tmp_path: Path) -> None:
    messages = [{"role": role, "content": f"```luau\nprint('{role}')\n```"} for role in ("user", "assistant")]
    (tmp_path / "a.jsonl").write_text(json.dumps({"messages": messages}) + "\n")
    assert [(each.role, each.code) for each in programs_in(tmp_path)] == [
        ("user", "print('user')\n"),
        ("assistant", "print('assistant')\n"),
    ]
