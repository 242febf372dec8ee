"""Checks for a program that makes named instances: what its reference sets of them, where the prompt states the value.

Read is what the reference does at its top, outside functions and loops: ``Instance.new``, its ``Name``, properties and
attributes with literal values, and the service that is its parent. What only the reference knows is free, so that
another right answer passes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from eval.domains.roblox.findings.program.inference import infer, values_of
from eval.domains.roblox.findings.program.reading import Binding, Reading, arguments
from eval.domains.roblox.findings.program.tree import LOOPS, Node, NotRead, read
from eval.domains.roblox.findings.program.value_types import facts
from eval.records import TaskCheck

_NUMBERS = r"-?[\d.]+(?:\s*,\s*-?[\d.]+)*"
_LITERAL = re.compile(
    rf"""(?P<near>{_NUMBERS}|(?:Vector3|Vector2|Color3|UDim2|CFrame)\.\w+\({_NUMBERS}\))
    |(?P<text>"[^"\\\n]*"|'[^'\\\n]*')|(?P<truth>true|false)|Enum\.\w+\.(?P<item>\w+)|service\("(?P<service>\w+)"\)""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?!\w|\.\d)")


@dataclass(slots=True)
class Made:
    """One instance: its class, and property or "@attribute" to the Luau of its value."""

    class_name: str
    values: dict[str, str] = field(default_factory=dict)


def checks_for(prompt: str, program: str) -> tuple[TaskCheck, ...]:
    """Return a check for each stated value of each instance whose name the prompt states; none where it states none."""
    try:
        reading = infer(read(program))
    except NotRead:
        return ()
    found: dict[str, TaskCheck] = {}
    for made in instances(reading):
        name = made.values.pop("Name", "")
        if name and states(prompt, "Name", name):
            found |= {check.name: check for check in _checks(prompt, made, name[1:-1])}
    return tuple(found.values())


def instances(reading: Reading) -> list[Made]:
    """Return what a program makes at its top, each with the literal values that are set once."""
    made: dict[int, Made] = {}
    twice: set[tuple[int, str]] = set()
    for binding, key, value in _settings(reading):
        class_name = _class_of(reading, binding)
        if not class_name:
            continue
        one = made.setdefault(id(binding), Made(class_name))
        if key in one.values:
            twice.add((id(binding), key))
        one.values[key] = _service(reading, value) if key == "Parent" else reading.tree.text(value)
    for identity, key in twice:
        del made[identity].values[key]
    return list(made.values())


def _settings(reading: Reading) -> Iterator[tuple[Binding, str, Node]]:
    """Yield (variable, property or "@attribute", value) of what is set at the top of the program."""
    for statement in reading.tree.kinds.get("assignment_statement", ()):
        targets = statement.first("variable_list")
        for target, value in zip(targets.children if targets else (), values_of(statement), strict=False):
            binding = reading.bindings.get(target.parts.get("table", target))
            if target.kind == "dot_index_expression" and binding is not None and _is_at_top(statement):
                yield binding, reading.tree.name(target, "field"), value
    for call in reading.tree.kinds.get("function_call", ()):
        name, passed = call.parts.get("name"), arguments(call)
        if name is None or reading.called(call) != "SetAttribute" or len(passed) != 2 or not _is_at_top(call):
            continue
        binding = reading.bindings.get(name.parts.get("table", name))
        attribute = reading.tree.string(passed[0])
        if binding is not None and attribute:
            yield binding, f"@{attribute}", passed[1]


def _service(reading: Reading, value: Node) -> str:
    """Return how a check names the service that an expression is; "" for another parent."""
    found = reading.types.get(value)
    known = facts().classes.get(found.name) if found is not None and found.shape == "instance" else None
    return f'service("{known.name}")' if known is not None and known.is_service else ""


def _is_at_top(node: Node) -> bool:
    return node.function() is None and not any(above.kind in LOOPS for above in node.ancestors())


def _class_of(reading: Reading, binding: Binding) -> str:
    """Return the class that a variable's ``Instance.new`` names; "" for another value."""
    call = binding.value
    if call is None or call.kind != "function_call" or reading.path(call.parts.get("name")) != "Instance.new":
        return ""
    passed = arguments(call)
    return (reading.tree.string(passed[0]) or "") if passed and _is_at_top(call) else ""


def states(prompt: str, key: str, value: str) -> bool:
    """Whether ``prompt`` states a literal: its numbers, its text, its item; of true and false it or its property."""
    found = _LITERAL.fullmatch(value)
    if found is None:
        return False
    if found["near"]:
        return set(_NUMBER.findall(found["near"])) <= set(_NUMBER.findall(prompt))
    words = (
        [value[1:-1]]
        if found["text"]
        else [found["item"] or found["service"] or key.removeprefix("@"), found["truth"] or ""]
    )
    return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", prompt, re.IGNORECASE) for word in words if word)


def _checks(prompt: str, made: Made, name: str) -> Iterator[TaskCheck]:
    quoted = json.dumps(name, ensure_ascii=False)
    found = (
        f"local found = nil\nfor _, each in game:GetDescendants() do\n"
        f'\tif each.ClassName == "{made.class_name}" and each.Name == {quoted} then found = each break end\nend\n'
        f'expect(found, "there is no {made.class_name} named " .. {quoted})\n'
    )
    yield TaskCheck(f"{made.class_name} {name}", found)
    for key, value in made.values.items():
        if states(prompt, key, value):
            actual = f'found:GetAttribute("{key[1:]}")' if key.startswith("@") else f"found.{key}"
            how = "near({}, {}, 0.001, {})" if "near" in _kinds(value) else "equal({}, {}, {})"
            label = json.dumps(key.removeprefix("@"))
            what = f"attribute {key[1:]}" if key.startswith("@") else key
            yield TaskCheck(f"{what} of {name}", found + how.format(actual, value, label) + "\n")


def _kinds(value: str) -> set[str]:
    found = _LITERAL.fullmatch(value)
    return {kind for kind, text in found.groupdict().items() if text} if found else set()
