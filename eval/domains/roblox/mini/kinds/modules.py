"""Problems answered by a module script or a rewritten call: functions, types with contracts, the task library."""

from __future__ import annotations

from eval.dealing.pools import Draw
from eval.dealing.problem import Kind, Problem
from eval.domains.roblox.mini.luau import attribute_equals, module, pascal
from eval.domains.roblox.mini.phrases import modules_phrases as phrases
from eval.records import NearMiss, TaskCheck

LONGEST_S = 60
STRICT = "--!strict\n"
OLD_CALLS = (
    ("delay({seconds}, function()\n\t{mark}\nend)\n", "delay"),
    ("wait({seconds})\n{mark}\n", "wait"),
    ("spawn(function()\n\ttask.wait({seconds})\n\t{mark}\nend)\n", "spawn"),
)


def product(name: str, number: int) -> str:
    """Return the lines of a check: the module's function ``name`` multiplies by ``number``."""
    return f'for _, x in {{0, 1, 3}} do\n\tequal(module().{name}(x), x * {number}, "result")\nend\n'


def function(draw: Draw) -> Problem:
    """A module with a function; careless code returns nothing or leaves the module empty."""
    name, number = draw.word(), draw.number(2, 999)
    body = (f"\treturn x * {number}", "end")
    return Problem(
        slots={"function": name, "number": str(number)},
        answer=module(f"function module.{name}(x)", *body),
        outdated=(
            NearMiss(module(f"function module.{name}(x)", *body, returned=""), "returns no module"),
            NearMiss(module(f"local function {name}(x)", *body), "the module is empty"),
        ),
        slips=(NearMiss(module(f"function module.{name}(x)", f"\treturn x + {number}", "end"), "adds"),),
        checks=(TaskCheck("product", product(name, number)),),
    )


def contract(draw: Draw) -> Problem:
    """A typed function that refuses text; careless code trusts the annotation, which does nothing at run time."""
    name, number = draw.word(), draw.number(2, 999)

    def typed(*guard: str) -> str:
        head = f"function module.{name}(x: number): number"
        return module(head, *guard, f"\treturn x * {number}", "end", head=STRICT)

    return Problem(
        slots={"function": name, "number": str(number)},
        answer=typed('\tassert(type(x) == "number")'),
        outdated=(
            NearMiss(typed(), "text that looks like a number is multiplied"),
            NearMiss(typed("\tassert(type(x) == number)"), "the type's name is not quoted"),
        ),
        slips=(NearMiss(typed('\tassert(type(x) == "string")'), "another type"),),
        checks=(
            TaskCheck("product", product(name, number)),
            TaskCheck(
                "contract",
                f'local ok = pcall(module().{name}, "3")\nequal(ok, false, "whether text is accepted")',
            ),
        ),
    )


def default(draw: Draw) -> Problem:
    """A typed function with a default; careless code writes it as other languages do or forgets it."""
    name, number = draw.word(), draw.number(2, 999)

    def typed(parameter: str, result: str) -> str:
        head = f"function module.{name}({parameter}): number"
        return module(head, f"\treturn {result}", "end", head=STRICT)

    return Problem(
        slots={"function": name, "number": str(number)},
        answer=typed("x: number?", f"x or {number}"),
        outdated=(
            NearMiss(typed(f"x: number = {number}", "x"), "Luau has no such defaults"),
            NearMiss(typed("x: number?", f"x and {number}"), "the number replaces every argument"),
        ),
        slips=(NearMiss(typed("x: number?", str(number)), "the argument is ignored"),),
        checks=(
            TaskCheck("default", f'equal(module().{name}(), {number}, "result without an argument")'),
            TaskCheck("argument", f'equal(module().{name}(7), 7, "result of 7")'),
        ),
    )


def scheduler(draw: Draw) -> Problem:
    """A call of a deprecated global; careless code leaves it or invents a function of the task library."""
    attribute, number, seconds = pascal(draw), draw.number(2, 999), draw.number(2, LONGEST_S)
    template, old = draw.stream.choice(OLD_CALLS)
    mark = f'workspace:SetAttribute("{attribute}", {number})'
    given = template.format(seconds=seconds, mark=mark)
    invented = {"delay": "task.after", "wait": "task.sleep", "spawn": "task.start"}[old]
    return Problem(
        slots={},
        input=given.rstrip("\n"),
        answer=given.replace(f"{old}(", f"task.{old}(", 1),
        outdated=(
            NearMiss(given, "still deprecated"),
            NearMiss(given.replace(f"{old}(", f"{invented}(", 1), "there is no such function"),
        ),
        slips=(NearMiss(f"{mark}\n", "no delay"),),
        checks=(
            TaskCheck(
                "same behaviour",
                f"step({seconds} - 0.5)\n{attribute_equals('workspace', attribute, 'nil', ' before')}"
                f"step(1)\n{attribute_equals('workspace', attribute, number, ' after')}",
            ),
            TaskCheck(
                "task library",
                'for _, finding in findings() do expect(not finding:find("^deprecated"), finding) end',
            ),
        ),
    )


KINDS = (
    Kind("coding", "function", 1, phrases.FUNCTION, function),
    Kind("typing", "contract", 3, phrases.CONTRACT, contract),
    Kind("typing", "default", 2, phrases.DEFAULT, default),
    Kind("refactor", "scheduler", 2, phrases.SCHEDULER, scheduler),
)
