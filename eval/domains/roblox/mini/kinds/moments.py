"""Coding problems about time and tags: something happens later, again and again, or when a tag appears."""

from __future__ import annotations

from eval.dealing.pools import Draw
from eval.dealing.problem import Kind, Problem
from eval.domains.roblox.mini.luau import attribute_equals, handler, pascal, service
from eval.domains.roblox.mini.phrases import events_phrases as phrases
from eval.records import NearMiss, TaskCheck

LONGEST_S = 60
TAGS = service("CollectionService")


def tagged(draw: Draw) -> Problem:
    """A handler for instances that get a tag; careless code invents an event or connects to a list."""
    tag, attribute, number = pascal(draw), pascal(draw), draw.number(2, 999)
    mark = f'part:SetAttribute("{attribute}", {number})'
    return Problem(
        slots={"tag": tag, "attribute": attribute, "number": str(number)},
        answer=handler(f'{TAGS}:GetInstanceAddedSignal("{tag}")', "part", mark),
        outdated=(
            NearMiss(handler(f"{TAGS}.TagAdded", "part", mark), "that event names tags, not parts"),
            NearMiss(handler(f'{TAGS}:GetTagged("{tag}")', "part", mark), "a list has no Connect"),
        ),
        slips=(NearMiss(handler(f'{TAGS}:GetInstanceRemovedSignal("{tag}")', "part", mark), "when it is taken away"),),
        checks=(
            TaskCheck(
                "tagged",
                'local part = Instance.new("Part")\npart.Parent = workspace\nstep(0.1)\n'
                f'{attribute_equals("part", attribute, "nil", " before")}part:AddTag("{tag}")\nstep(0.1)\n'
                f"{attribute_equals('part', attribute, number)}",
            ),
        ),
    )


def delay(draw: Draw) -> Problem:
    """An attribute that is set later; careless code mixes up the arguments or calls at once."""
    name, number, seconds = pascal(draw), draw.number(2, 999), draw.number(2, LONGEST_S)
    mark = f'workspace:SetAttribute("{name}", {number})'
    function = f"function()\n\t{mark}\nend"
    return Problem(
        slots={"attribute": name, "number": str(number), "seconds": str(seconds)},
        answer=f"task.delay({seconds}, {function})\n",
        outdated=(
            NearMiss(f"task.delay({function}, {seconds})\n", "the arguments are mixed up"),
            NearMiss(f"task.delay({seconds}, {mark})\n", "set at once"),
        ),
        slips=(NearMiss(f"{mark}\n", "no delay"),),
        checks=(
            TaskCheck(
                "delayed",
                f"step({seconds} - 0.5)\n{attribute_equals('workspace', name, 'nil', ' before')}"
                f"step(1)\n{attribute_equals('workspace', name, number, ' after')}",
            ),
        ),
    )


def countdown(draw: Draw) -> Problem:
    """A countdown, one a second; careless code forgets the step or invents a way to sleep."""
    name, count = pascal(draw), draw.number(4, LONGEST_S)

    def loop(limits: str, pause: str) -> str:
        return f'for left = {limits} do\n\tworkspace:SetAttribute("{name}", left)\n\t{pause}\nend\n'

    return Problem(
        slots={"attribute": name, "count": str(count)},
        answer=loop(f"{count}, 1, -1", "task.wait(1)"),
        outdated=(
            NearMiss(loop(f"{count}, 1", "task.wait(1)"), "without a step it never runs"),
            NearMiss(loop(f"{count}, 1, -1", "task.sleep(1)"), "there is no task.sleep"),
        ),
        slips=(NearMiss(loop(f"1, {count}", "task.wait(1)"), "counts up"),),
        checks=(
            TaskCheck(
                "counting",
                f"step(0.5)\n{attribute_equals('workspace', name, count, ' at the start')}"
                f"step(2)\n{attribute_equals('workspace', name, count - 2, ' two seconds later')}"
                f"step({count})\n{attribute_equals('workspace', name, 1, ' in the end')}",
            ),
        ),
    )


KINDS = (
    Kind("coding", "tagged", 3, phrases.TAGGED, tagged),
    Kind("coding", "delay", 2, phrases.DELAY, delay),
    Kind("coding", "countdown", 2, phrases.COUNTDOWN, countdown),
)
