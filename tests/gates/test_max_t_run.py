"""A run without a test split: every task chooses and judges, no test task is opened, and the report says so."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from eval.datasets.loading import load_dataset
from eval.datasets.splits import all_dev, choose_selection
from eval.records import Dataset, Task
from gates.a_environment.data_checks import inspect_data
from gates.a_environment.decision_plan import plan_decision, planning_checks
from gates.e_decision.openings import FILE
from gates.measuring.bench import dataset_of
from runner.runs.config import compose_experiment
from tests.support.runs import SMOKE, only_run, runner
from tests.support.settings import dataset_settings

SMALL = (
    *SMOKE, "rule.selection=auto", "dataset.dev_tasks=6", "dataset.test_tasks=6", "dataset.rows=32",
    "sampling.samples_per_call=100",
)  # fmt: skip


def tasks_in(dev_clusters: int, test_clusters: int) -> list[Task]:
    def task(split: str, number: int) -> Task:
        return Task(f"{split}{number}", "doc", "node", f"{split}-{number}", split, "?", "", "code", "x = 1", ())  # type: ignore[arg-type]

    return [task("dev", i) for i in range(dev_clusters)] + [task("test", i) for i in range(test_clusters)]


@pytest.mark.parametrize(
    ("dev", "test", "selection", "words"),
    [
        (2, 20, "split", "20 clusters, at least 20"),
        (30, 19, "max-t", "form 19 clusters, and with fewer than 20"),
        (1, 40, "max-t", "form 1 cluster, and a choice needs at least 2"),
        (0, 40, "max-t", "form 0 clusters"),
        (40, 0, "max-t", "form 0 clusters"),
    ],
)
def test_a_test_split_needs_twenty_clusters_and_the_reason_is_reported(dev, test, selection, words):
    chosen, reason = choose_selection("auto", tasks_in(dev, test))
    assert chosen == selection
    assert words in reason


def test_what_is_requested_is_not_overruled():
    assert choose_selection("split", tasks_in(2, 2)) == ("split", "rule.selection=split")
    assert choose_selection("max-t", tasks_in(90, 90)) == ("max-t", "rule.selection=max-t")


def one_split(split: str) -> Dataset:
    """A real dataset that only has tasks of one split."""
    dataset = dataset_of(compose_experiment(["profile=smoke"])[0])
    return replace(dataset, tasks=tuple(task for task in dataset.tasks if task.split == split))


@pytest.mark.parametrize("split", ["dev", "test"])
def test_an_eval_file_of_one_split_alone_is_decided_by_max_t(split):
    experiment = compose_experiment(["profile=smoke", "rule.selection=auto"])[0]
    findings = inspect_data(experiment, one_split(split))
    planned = plan_decision(experiment, findings)
    assert (findings.selection, planned.rule.selection) == ("max-t", "max-t")
    assert (planned.rule.dev_tasks, planned.rule.test_tasks) == (12, 0)
    assert {task.split for task in findings.usable.tasks} == {"dev"}
    told = {check.name: check for check in planning_checks(planned, findings)}
    assert told["selection"].value == "max-t"
    assert "all tasks serve for selection and decision" in told["selection"].reason
    # the base and four cells on 12 tasks, five samples each; nothing is drawn to decide
    assert told["generations"].value == "300 in total"
    assert "E 0 of the chosen one" in told["generations"].reason


def test_an_eval_file_of_one_split_is_refused_where_a_split_is_requested():
    experiment = compose_experiment(["profile=smoke", "rule.selection=split"])[0]
    with pytest.raises(Refusal, match="The test split of luanti_mini has 0 usable tasks") as refusal:
        inspect_data(experiment, one_split("dev"))
    assert "rule.selection=auto" in refusal.value.fix


def test_one_cluster_alone_decides_nothing_by_any_rule():
    experiment = compose_experiment(["profile=smoke", "rule.selection=auto"])[0]
    whole = one_split("dev")
    alone = replace(whole, tasks=tuple(replace(task, cluster="one") for task in whole.tasks))
    with pytest.raises(Refusal, match="at least 2 clusters are needed"):
        inspect_data(experiment, alone)


def test_without_a_test_split_the_same_tasks_are_there_and_all_of_them_are_dev():
    dataset = load_dataset(replace_settings())
    merged = all_dev(dataset)
    assert [task.id for task in merged.tasks] == [task.id for task in dataset.tasks]
    assert {task.split for task in merged.tasks} == {"dev"}
    assert merged.digest == dataset.digest


def replace_settings() -> Any:

    return dataset_settings(dev_tasks=4, test_tasks=4, rows=4)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    results = tmp_path_factory.mktemp("max-t")
    done = runner("advance", *SMALL, results=results)
    assert done.returncode in (0, 3), done.stdout + done.stderr
    return only_run(results), done.stdout


def report_of(folder: Path, gate: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((folder / f"gate_{gate}" / "report.json").read_text(encoding="utf-8"))
    return report


@pytest.mark.xdist_group("max-t run")
@pytest.mark.timeout(600)
def test_a_run_of_few_clusters_goes_from_a_to_e_by_max_t_and_opens_no_test(finished):
    folder, printed = finished
    rule = json.loads((folder / "gate_a" / "rule.json").read_text(encoding="utf-8"))["rule"]
    assert (rule["selection"], rule["dev_tasks"], rule["test_tasks"]) == ("max-t", 12, 0)
    assert report_of(folder, "b")["results"]["splits"].keys() == {"dev"}
    search = report_of(folder, "d")["results"]["search"]
    assert (search["method"], search["samples"]) == ("grid", 4 * 12 * 5)
    assert search["reason"].startswith("without a test split")
    last = report_of(folder, "e")["results"]
    assert (last["split"], last["openings"]) == ("dev", [])
    assert not (folder / FILE).exists()
    assert not (folder / "gate_e" / "samples.jsonl").exists()
    assert last["decision"]["method"] == "max-t over 4 cells"
    assert last["decision"]["cell"] == report_of(folder, "d")["results"]["chosen"]["cell"]
    assert last["decision"]["gain"]["n"] == 12
    assert any("No separate test split" in reason for reason in last["decision"]["reasons"])
    assert "No separate test split" in printed


@pytest.mark.xdist_group("max-t run")
@pytest.mark.timeout(600)
def test_its_report_says_that_the_choice_was_corrected_for(finished):
    folder, _ = finished
    done = runner("report", results=folder.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "corrected for the number of cells (max-T)" in text
    assert "No separate test split" in text
    assert "Traceback" not in done.stdout + done.stderr
