"""A wrong task file is refused or named as a whole: by file, line and id, with every problem at once."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from env.refusal import Refusal
from eval.datasets.bench_files import read_bench
from eval.domains import domain_named, open_verifier
from eval.pipeline.instrument import validate
from eval.records import Task
from eval.sandbox.web.installation import find_installation
from tests.support.settings import verifier_settings

DOMAIN = domain_named("roblox")
GOOD = """- id: lamps.coding.{name}
  difficulty: 1
  cluster: lamps.{name}
  instruction: Set the attribute {name} of Workspace to 3.
  reference: {reference}
  checks:
    - name: set
      lua: {check}
  near_misses:
    - why: another number
      answer: {miss}
    - why: another attribute
      answer: workspace:SetAttribute("Other", 3)
"""
SETS = 'workspace:SetAttribute("{name}", {value})'


def task_text(name: str, reference: str = "", check: str = "", miss: str = "") -> str:
    """Return a task that is right but for what is given."""
    return GOOD.format(
        name=name,
        reference=reference or SETS.format(name=name, value=3),
        check=check or f'equal(workspace:GetAttribute("{name}"), 3, "{name}")',
        miss=miss or SETS.format(name=name, value=4),
    )


def tasks_of(folder: Path, *texts: str) -> tuple[Task, ...]:
    """Return the tasks of one file with these texts."""
    (folder / "lamps").mkdir()
    (folder / "lamps" / "coding.yaml").write_text("".join(texts), encoding="utf-8")
    return read_bench("robloxbench", folder, DOMAIN.families, "", import_module(DOMAIN.worlds))


@pytest.mark.parametrize("name", sorted(DOMAIN.verifiers))
def test_a_right_task_has_no_fault_under_any_verifier(name: str, tmp_path: Path) -> None:
    if name == "world_web" and isinstance(missing := find_installation(), str):
        pytest.skip(missing)
    tasks = tasks_of(tmp_path, task_text("One"))
    with open_verifier(DOMAIN, verifier_settings(name=name, workers=1)) as verifier:
        assert validate(tasks, verifier, DOMAIN.constant_answers).faults == ()


def test_every_wrong_task_is_named_with_its_file_line_and_reason(tmp_path: Path) -> None:
    tasks = tasks_of(
        tmp_path,
        task_text("Service", check='equal(service("Clouds9").Name, 3)'),
        task_text("Check", check="equal(1, 2"),
        task_text(
            "Placeholder",
            reference='game:GetService("GenerationService"):GenerateModelAsync({}, {})',
            check="expect(true)",
        ),
        task_text("Passes", miss='workspace:SetAttribute("Passes", 3) print(1)'),
        task_text("Studio", reference="workspace.Terrain:Clear()"),
    )
    with open_verifier(DOMAIN, verifier_settings(name="conditions", workers=2)) as verifier:
        faults = validate(tasks, verifier, ()).faults
    expected = {
        ":1 lamps.coding.Service": 'its reference is WRONG: set: there is no service "Clouds9"',
        ":14 lamps.coding.Check": "its reference is HARNESS_ERROR: set: check:1: Expected ')'",
        ":27 lamps.coding.Placeholder": "its reference is NEEDS_STUDIO: depends on a placeholder: unmodelled: GenerationService",
        ":40 lamps.coding.Passes": "accepts near miss 1 (another number)",
        ":53 lamps.coding.Studio": "its reference is NEEDS_STUDIO: Terrain:Clear needs Roblox Studio",
    }
    for place, says in expected.items():
        assert any(f"lamps/coding.yaml{place}: {says}" in fault for fault in faults), (place, faults)


def test_a_file_with_wrong_fields_is_refused_with_all_of_them(tmp_path: Path) -> None:
    broken = task_text("One").replace("difficulty: 1", "difficulty: hard").replace("  cluster: lamps.One\n", "")
    with pytest.raises(Refusal) as refused:
        tasks_of(tmp_path, broken, task_text("Two").replace("near_misses", "near_mises"))
    text = str(refused.value)
    for part in (
        "lamps/coding.yaml:1 lamps.coding.One",
        "lacks cluster",
        "not a number",
        "lamps.coding.Two",
        "near_mises",
    ):
        assert part in text
