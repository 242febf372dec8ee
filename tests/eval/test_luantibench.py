"""The benchmark is a sound instrument: sizes, splits, references, near misses; and a broken file is named by its line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from env.refusal import Refusal
from eval.datasets.bench_files import split_by_cluster
from eval.pipeline.instrument import validate
from tests.support.luanti import CONSTANTS, open_verifier, read_bench
from tests.support.settings import verifier_settings

GOOD = """\
- id: nodes.scaffold.{name}
  difficulty: 1
  cluster: nodes.{name}
  instruction: Register a node mymod:{name} with light 5.
  reference: |
    core.register_node("mymod:{name}", {{light_source = 5}})
  checks:
    - name: light
      lua: equal(node("mymod:{name}").light_source, 5, "light_source")
  near_misses:
    - why: another light
      answer: core.register_node("mymod:{name}", {{light_source = 6}})
    - why: another name
      answer: core.register_node("mymod:x{name}", {{light_source = 5}})
"""


def bench(folder: Path, text: str, name: str = "nodes/scaffold.yaml") -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return folder


def problem(folder: Path) -> str:
    with pytest.raises(Refusal) as caught:
        read_bench(folder)
    return str(caught.value)


def test_a_sound_file_is_read(tmp_path: Path) -> None:
    [task] = read_bench(bench(tmp_path, GOOD.format(name="lamp")))
    assert (task.family, task.kind, task.answer) == ("scaffold", "nodes", "code")
    assert task.source == "luantibench/nodes/scaffold.yaml:1"


def test_everything_wrong_is_named_at_once_with_file_line_and_id(tmp_path: Path) -> None:
    text = GOOD.format(name="a") + GOOD.format(name="b").replace("difficulty: 1", "dificulty: 1")
    text += GOOD.format(name="c").split("  near_misses")[0]
    said = problem(bench(tmp_path, text))
    assert 'nodes/scaffold.yaml:15 nodes.scaffold.b: unknown key "dificulty". Did you mean "difficulty"?' in said
    assert "nodes/scaffold.yaml:15 nodes.scaffold.b: lacks difficulty" in said
    assert "nodes/scaffold.yaml:29 nodes.scaffold.c: lacks near_misses" in said


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("nodes.scaffold.lamp", "nodes.scaffold.lamp\n  id: x"), "lamp"),
        (("difficulty: 1", "difficulty: 9"), "difficulty 9 is outside 1..5"),
        (("difficulty: 1", "difficulty: true"), "difficulty is True"),
        (("- name: light\n      lua:", "- lua:"), "check 1 has keys"),
        (("instruction: Register a node mymod:lamp with light 5.", "instruction: ''"), "no instruction"),
    ],
)
def test_a_faulty_task_is_refused(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    text = GOOD.format(name="lamp").replace(*change)
    if "\n  id: x" in change[1]:
        text = GOOD.format(name="lamp") + GOOD.format(name="lamp")
        says = "used by 2 tasks"
    assert says in problem(bench(tmp_path, text))


def test_an_unknown_family_is_refused_with_the_nearest(tmp_path: Path) -> None:
    assert 'unknown family "scafold". Did you mean "scaffold"?' in problem(
        bench(tmp_path, GOOD.format(name="lamp"), "nodes/scafold.yaml")
    )


def test_a_file_that_is_not_yaml_is_refused_by_its_line(tmp_path: Path) -> None:
    assert "scaffold.yaml:2: not YAML" in problem(bench(tmp_path, "- id: a\n b: [\n"))


def test_validation_finds_a_wrong_reference_and_a_near_miss_that_passes(tmp_path: Path) -> None:
    wrong_reference = GOOD.format(name="a").replace("{light_source = 5})\n  checks", "{light_source = 4})\n  checks")
    passing_miss = GOOD.format(name="b").replace("light_source = 6", "light_source = 5")
    not_compiling = GOOD.format(name="c").replace("lua: equal(", "lua: equal((")
    tasks = read_bench(bench(tmp_path, wrong_reference + passing_miss + not_compiling))
    with open_verifier(verifier_settings(workers=1)) as verifier:
        faults = "\n".join(validate(tasks, verifier, CONSTANTS).faults)
    assert "nodes.scaffold.a: its reference is WRONG: light" in faults
    assert "nodes.scaffold.b: accepts near miss 1 (another light)" in faults
    assert "nodes.scaffold.c: its reference is HARNESS_ERROR" in faults


def test_a_cluster_is_never_in_both_splits_and_adding_tasks_moves_none_of_another_kind() -> None:
    tasks = read_bench()
    splits: dict[str, set[str]] = {}
    for task in tasks:
        splits.setdefault(task.cluster, set()).add(task.split)
    assert all(len(where) == 1 for where in splits.values())
    kept = [task for task in tasks if task.kind != "nodes"]
    assert {t.id: t.split for t in split_by_cluster(kept)} == {t.id: t.split for t in kept}


def test_the_benchmark_has_the_size_that_a_decision_needs() -> None:
    tasks = read_bench()
    families = Counter(task.family for task in tasks)
    assert len(tasks) >= 240
    assert min(families[name] for name in ("scaffold", "repair", "doc", "refactor")) >= 55
    assert len({task.cluster for task in tasks if task.split == "dev"}) >= 72
    assert len({task.cluster for task in tasks if task.split == "test"}) >= 144
    assert all(len(task.near_misses) >= 2 for task in tasks)


def test_every_reference_passes_and_every_near_miss_and_constant_fails_under_the_recorder() -> None:
    with open_verifier(verifier_settings(workers=2)) as verifier:
        found = validate(read_bench(), verifier, CONSTANTS)
    assert not found.faults, "\n".join(found.faults)
    assert found.judged > 240 * 6 - 6 * len(found.skipped)
