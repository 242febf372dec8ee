"""What generic code knows of a gate, it reads from the gate's record: none compares a letter."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from gates import GATES, LAST, gates_that_store, stores
from runner.advance.memory_advice import memory_advice
from runner.runs.config import compose_experiment
from tests.support.runs import PROJECT

LETTERS = frozenset("".join(GATES) + "".join(GATES).upper())


def compared_letters(source: str) -> Iterator[int]:
    """Yield the line of every comparison with a gate's letter, with a collection of them or with a string of them."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            sides = [node.value]
        else:
            continue
        if any(_names_gates(side) for side in sides):
            yield node.lineno


def _names_gates(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(_names_gates(element) for element in node.elts)
    value = node.value if isinstance(node, ast.Constant) else None
    return isinstance(value, str) and value != "" and set(value) <= LETTERS and len(set(value)) == len(value)


@pytest.mark.parametrize("layer", ["gates", "runner"])
def test_no_module_compares_a_letter(layer: str) -> None:
    found = [
        f"{path.relative_to(PROJECT)}:{line}"
        for path in sorted(Path(PROJECT / layer).rglob("*.py"))
        for line in compared_letters(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source", ['gate == "c"', 'gate != "D"', 'gate in ("a", "c")', 'gate in "bde"', 'match gate:\n case "e": pass']
)
def test_a_comparison_of_a_letter_would_be_seen(source: str) -> None:
    assert list(compared_letters(source))
    assert not list(compared_letters('gate == first and state in ("passed", "") and "checkpoints" in stored'))


def test_a_gate_needs_only_gates_before_it_and_its_letter_is_its_key() -> None:
    order = list(GATES)
    assert [gate.letter for gate in GATES.values()] == order
    for gate in GATES.values():
        assert all(order.index(earlier) < order.index(gate.letter) for earlier in gate.needs)
    assert (order[-1], gates_that_store("decision")) == (LAST, (LAST,))


def test_nothing_is_kept_by_no_gate() -> None:
    assert not any(stores("", what) for gate in GATES.values() for what in gate.stores)


@pytest.mark.parametrize("gate", GATES)
def test_what_saves_memory_follows_from_what_the_gate_computes(gate: str, tmp_path: Path) -> None:
    config = compose_experiment([])[1]
    advice = memory_advice(tmp_path, config, gate)
    assert ("gate.c.train." in advice) == (GATES[gate].heaviest == "training step")
    assert ("retry" in advice) == (GATES[gate].heaviest == "training step")
