"""Nothing is measured with a wrong instrument, on data that Gate A did not approve, or on another base."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from env.refusal import Refusal
from eval.pipeline.instrument import judge_known_answers
from eval.pipeline.prompts import render
from eval.pipeline.verifier import Verifier
from eval.records import Task, TaskCheck
from gates.context import GateContext
from gates.measuring.bench import (
    approved_dataset,
    dataset_of,
    require_right_instrument,
    require_same_base,
    require_same_judge,
    sampling_settings,
)
from gates.report import read_report
from runner.runs.config import compose_experiment
from tests.support.contexts import gate_context
from tests.support.gate_results import BASE
from tests.support.luanti import CONSTANTS, open_verifier
from tests.support.run_edits import edit_json
from tests.support.run_factory import make_run
from tests.support.settings import prompt_form, verifier_settings
from tests.support.story import Story

LAMP = 'core.register_node("mymod:lamp", {light_source = 7})'
IS_LAMP = TaskCheck("lamp", 'equal(node("mymod:lamp").light_source, 7, "light_source")')
NOTHING_ASKED = TaskCheck("nothing", "expect(true)")


def task(name: str, reference: str, check: TaskCheck) -> Task:
    return Task(name, "scaffold", "node", name, "dev", "Make a lamp.", "", "code", reference, (check,))


@pytest.fixture(scope="module")
def verifier() -> Iterator[Verifier]:
    with open_verifier(verifier_settings(workers=1)) as opened:
        yield opened


def test_a_right_instrument_is_let_through(verifier: Verifier) -> None:
    tasks = [task("lamp", LAMP, IS_LAMP)]
    require_right_instrument(tasks, verifier, CONSTANTS)


def test_a_reference_that_fails_its_own_checks_stops_everything(verifier: Verifier) -> None:
    tasks = [task("lamp", LAMP, IS_LAMP), task("dark", LAMP.replace("7", "3"), IS_LAMP)]
    with pytest.raises(Refusal, match=r"1 known answer\(s\): dark: its reference is WRONG: lamp: light_source"):
        require_right_instrument(tasks, verifier, CONSTANTS)


def test_a_task_that_accepts_a_fixed_text_stops_everything(verifier: Verifier) -> None:
    tasks = [task("lamp", LAMP, IS_LAMP), task("lenient", LAMP, NOTHING_ASKED)]
    # the empty answer holds no program and passes nothing
    assert [str(answer) for answer in judge_known_answers(tasks, verifier, CONSTANTS) if answer.fault] == [
        "lenient: accepts the constant answer 'return true'",
        "lenient: accepts the constant answer 'local mod = {}\\nreturn mod'",
    ]
    with pytest.raises(Refusal, match="The verifier is wrong about 2"):
        require_right_instrument(tasks, verifier, CONSTANTS)


def approved(results: Path, selection: str = "split", **dataset: Any) -> GateContext:
    """Return Gate B's context in a run whose Gate A approved the present data, but for what ``dataset`` says."""
    experiment = compose_experiment(["profile=smoke"])[0]
    run = make_run(results, Story(gates="a"))
    table = {"digest": dataset_of(experiment).digest, "excluded": [], **dataset}

    def approve(report: Any) -> None:
        report["results"]["dataset"].update(table)
        without_test = {"test_tasks": 0, "test_clusters": 0} if selection == "max-t" else {}
        report["results"]["frozen"]["rule"].update(selection=selection, **without_test)

    edit_json(run.gate_folder("a") / "report.json", approve)
    return gate_context(run.folder, experiment, "b")


def test_data_that_gate_a_did_not_look_at_is_refused(tmp_path: Path) -> None:
    assert approved_dataset(context := approved(tmp_path)) == dataset_of(context.experiment)
    with pytest.raises(Refusal, match="not the one that Gate A approved"):
        approved_dataset(approved(tmp_path, digest="00" * 32))


def test_tasks_that_gate_a_excluded_are_not_measured(tmp_path: Path) -> None:
    whole = dataset_of(compose_experiment(["profile=smoke"])[0])
    excluded = [whole.tasks[0].id, whole.tasks[-1].id]
    kept = approved_dataset(approved(tmp_path, excluded=excluded))
    assert [task.id for task in kept.tasks] == [task.id for task in whole.tasks[1:-1]]


def test_under_max_t_every_task_is_a_dev_task(tmp_path: Path) -> None:
    assert {task.split for task in approved_dataset(approved(tmp_path)).tasks} == {"dev", "test"}
    assert {task.split for task in approved_dataset(approved(tmp_path, selection="max-t")).tasks} == {"dev"}


def test_another_base_is_refused_by_the_part_that_differs(tmp_path: Path) -> None:
    run = make_run(tmp_path, Story(gates="ab", dev_tasks=6, test_tasks=6))
    report = read_report(run.gate_folder("b") / "report.json")
    assert report is not None
    assert report.results is not None
    parts = dict(BASE.parts)
    require_same_base(SimpleNamespace(identity=SimpleNamespace(parts=parts)), report.results)
    for other in (parts | {"weights": "44" * 32}, {key: parts[key] for key in ("config", "tokenizer")}):
        with pytest.raises(Refusal, match="differs from the one Gate B loaded: weights"):
            require_same_base(SimpleNamespace(identity=SimpleNamespace(parts=other)), report.results)


@pytest.mark.parametrize(("template", "ends"), [(None, True), ("<user>{}<assistant>", False)])
def test_what_a_base_without_chat_template_invents_after_its_answer_ends_the_completion(
    template: str | None, ends: bool
) -> None:
    experiment = compose_experiment(["profile=smoke", "sampling.stop=[END]"])[0]
    model = SimpleNamespace(apply_chat_template=lambda user, form: template and template.format(user))
    stop = sampling_settings(experiment, model, prompt_form()).stop
    assert "END" in stop
    prompt = render("Make a lamp.", "x = 1", model.apply_chat_template, prompt_form())
    written = "return 1\n" + prompt.replace("lamp", "pump")
    assert any(heading in written for heading in stop) == ends
    if ends:  # every heading of the prompt's own template
        assert {line for line in prompt.split("\n") if line.startswith("###")} <= {s.strip("\n") for s in stop}


def test_a_gate_is_not_judged_by_another_verifier_than_gate_a_tested() -> None:
    checks = [SimpleNamespace(name="isolation", value="bwrap"), SimpleNamespace(name="verifier", value="luau/0.686")]
    tested, other = SimpleNamespace(name="luau/0.686"), SimpleNamespace(name="luau-web/1.4.0")
    context: Any = SimpleNamespace(report=lambda _gate: SimpleNamespace(checks=checks))
    require_same_judge(context, tested)
    with pytest.raises(Refusal, match=r"tested the verifier luau/0\.686, and the one here is luau-web/1\.4\.0"):
        require_same_judge(context, other)
    unknown: Any = SimpleNamespace(report=lambda _gate: None)
    require_same_judge(unknown, other)
