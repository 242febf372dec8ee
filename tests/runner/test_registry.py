"""Claims about the registry: only what the rule allows becomes latest, nothing is lost, and every byte is proven."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from env.files import sha256_file, write_atomic
from env.locking import RunLock
from env.refusal import Refusal
from runner.registry import promoting
from runner.registry.ledger import Registry
from runner.registry.promoting import Promotion, latest_export, look, promote, roll_back
from runner.registry.rule import PromotionRule, read_rule
from runner.registry.stock import point
from runner.release.export import PROVENANCE, find_origin
from runner.runs.folder import Run
from tests.support.run_edits import edit_json
from tests.support.run_factory import make_run
from tests.support.runs import Cli
from tests.support.story import Story

STORY = Story(dev_tasks=9, test_tasks=36)
RULE = PromotionRule(non_inferiority_pp=3.0, alpha=0.05)


@pytest.fixture(autouse=True)
def written_exports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write an export's files without a model: what is in them follows from the run alone."""

    def export_cell(run: Path, experiment: Any, cell: str, form: str, to: Path, anyway: bool) -> Any:
        assert not anyway
        to.mkdir()
        (to / "adapter_model.safetensors").write_text(f"{run.name} {form}")
        (to / "README.md").write_text(f"card of {run.name}")
        files = {path.name: sha256_file(path) for path in to.iterdir()}
        write_atomic(to / PROVENANCE, json.dumps({"files": files}))
        origin = type("Origin", (), {"cell": type("Cell", (), {"name": "step-000120_x1.00"})})
        return origin, None

    monkeypatch.setattr(promoting, "export_cell", export_cell)
    monkeypatch.setattr(promoting, "read_older_config", lambda path: None)


def run_of(results: Path, **story: Any) -> Run:
    return make_run(results, replace(STORY, **story))


def promoted(results: Path, run: Run, reason: str = "") -> Promotion:
    return promote(results, run.folder, "adapter", RULE, reason)


def answers(done: Promotion) -> dict[str, str]:
    return {one.name.removeprefix("the ").split(" ")[0]: one.answer for one in done.answers}


def test_the_first_adapter_needs_proceed_alone(results: Path) -> None:
    run = run_of(results)
    done = promoted(results, run)
    assert done.entry is not None
    assert (done.entry.number, done.entry.replaced, done.is_new) == (1, "", True)
    assert {one.answer for one in done.answers} == {"yes"}
    assert Registry.of(results).link.resolve() == latest_export(results)
    assert (Registry.of(results).link / "adapter_model.safetensors").read_text() == f"{run.id} adapter"


def test_what_is_not_to_proceed_never_becomes_latest(results: Path) -> None:
    weak = run_of(results, gain=0.0)
    done = promoted(results, weak, reason="I want it")
    assert done.entry is None
    assert answers(done)["verdict"] == "no"
    assert not Registry.of(results).link.exists()


def test_the_same_adapter_again_adds_nothing(results: Path) -> None:
    run = run_of(results)
    promoted(results, run)
    again = promoted(results, run)
    assert (again.is_new, len(Registry.of(results).entries())) == (False, 1)
    assert len(list(Registry.of(results).exports.iterdir())) == 1


def test_a_better_adapter_on_the_same_tasks_replaces_it(results: Path) -> None:
    first, better = run_of(results, gain=0.15), run_of(results, gain=0.8)
    promoted(results, first)
    done = promoted(results, better)
    assert done.entry is not None, done.answers
    assert done.entry.replaced.startswith(first.id)
    assert done.entry.rule["digest"] == RULE.digest
    assert [name for name, _, _ in done.entry.checks][-2:] == [
        "pass@k is not more than 3 pp below that of latest",
        "no family of tasks is harmed or missing",
    ]


def test_an_adapter_that_may_be_worse_than_latest_is_refused_whatever_the_reason(results: Path) -> None:
    best, lower = run_of(results, gain=0.8), run_of(results, gain=0.15)
    promoted(results, best)
    done = promoted(results, lower, reason="it is newer")
    assert done.entry is None
    assert next(one.found for one in done.answers if one.answer == "no").startswith("difference -")
    assert latest_export(results).name.startswith(best.id)


def test_other_data_needs_a_reason_which_the_entry_keeps(results: Path) -> None:
    first, other = run_of(results), run_of(results, test_tasks=30)
    promoted(results, first)
    refused = promoted(results, other)
    assert refused.entry is None
    assert any("cannot be told" in one.found for one in refused.answers)
    done = promoted(results, other, reason="the benchmark lost six tasks")
    assert done.entry is not None
    assert "waived" in {answer for _, answer, _ in done.entry.checks}
    assert done.entry.reason == "the benchmark lost six tasks"


def test_a_family_that_latest_was_measured_on_must_be_measured(results: Path) -> None:
    from runner.registry.rule import ask
    from runner.views.artifacts import read_artifacts

    first, better = run_of(results, gain=0.15), run_of(results, gain=0.8)

    def without_doc(report: Any) -> None:
        for score in report["results"]["arms"]["cell"]["scores"]:
            if score["family"] == "doc":
                score.update(n=0, c=0, missing=6)

    edit_json(better.gate_folder("e") / "report.json", without_doc)
    found = ask(read_artifacts(Run.open(better.folder)), read_artifacts(first), RULE, "")
    assert found[-1].answer == "no"
    assert found[-1].found == "not measured: doc"


def test_a_damaged_run_is_not_promoted(results: Path) -> None:
    run = run_of(results)
    with (run.gate_folder("e") / "samples.jsonl").open("ab") as file:
        file.write(b" ")
    done = promoted(results, Run.open(run.folder))
    assert done.entry is None
    assert answers(done)["run"] == "no"


def test_a_rollback_proves_the_bytes_first(results: Path) -> None:
    first, better = run_of(results, gain=0.15), run_of(results, gain=0.8)
    promoted(results, first)
    promoted(results, better)
    entry = roll_back(results, 0, "it writes too much")
    assert (entry.number, entry.kind, entry.run) == (3, "rollback", first.id)
    assert Registry.of(results).link.resolve().name == entry.export
    target = Registry.of(results).exports / Registry.of(results).entries()[1].export
    (target / "adapter_model.safetensors").write_text("other bytes")
    with pytest.raises(Refusal, match=r"is damaged: adapter_model\.safetensors has other bytes"):
        roll_back(results, 2, "back again")
    assert latest_export(results).name == entry.export
    assert len(Registry.of(results).entries()) == 3


@pytest.mark.parametrize("number", [1, 7])
def test_a_rollback_to_nowhere_is_refused(results: Path, number: int) -> None:
    with pytest.raises(Refusal, match="Nothing was promoted yet"):
        roll_back(results, number, "x")
    promoted(results, run_of(results))
    with pytest.raises(Refusal):
        roll_back(results, number, "x")
    with pytest.raises(Refusal, match="nothing to go back to"):
        roll_back(results, 0, "x")


@pytest.mark.parametrize("step", ["move", "append", "point"])
def test_a_kill_at_any_step_leaves_a_registry_that_the_next_promotion_completes(
    results: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    first, better = run_of(results, gain=0.15), run_of(results, gain=0.8)
    promoted(results, first)
    whole, killed = latest_export(results), KeyboardInterrupt()

    def die(*_: object) -> None:
        raise killed

    owner = Registry if step == "append" else promoting
    with monkeypatch.context() as patched:
        patched.setattr(owner, step, die)
        with pytest.raises(KeyboardInterrupt):
            promoted(results, better)
    assert Registry.of(results).link.resolve() == whole, "a reader still finds the old one"
    stock = look(results)
    assert all(wrong == "" for wrong in stock.exports.values())
    done = promoted(results, better)
    assert done.entry is not None
    assert (len(Registry.of(results).entries()), done.entry.number) == (2, 2)
    assert look(results).link_problem == ""
    assert Registry.of(results).link.resolve().name == done.entry.export


def test_a_link_that_does_not_follow_the_ledger_is_told_and_repaired(results: Path, cli: Cli) -> None:
    promoted(results, run_of(results))
    Registry.of(results).link.unlink()
    code, text = cli("registry")
    assert (code, "the link latest leads to nothing" in text) == (5, True), text
    assert cli("registry", "--repair")[0] == 0
    assert Registry.of(results).link.resolve() == latest_export(results)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda export: (export / "adapter_model.safetensors").unlink(), "adapter_model.safetensors is missing"),
        (lambda export: (export / "more.bin").write_text("x"), "more.bin was not exported"),
        (lambda export: (export / PROVENANCE).unlink(), "provenance.json is missing or cannot be read"),
        (lambda export: export.rename(export.with_name("moved")), "its folder is gone"),
    ],
)
def test_damage_of_an_export_is_named(results: Path, cli: Cli, damage: Any, said: str) -> None:
    promoted(results, run_of(results))
    damage(latest_export(results))
    code, text = cli("registry")
    assert (code, said in text) == (5, True), text
    with pytest.raises(Refusal, match="is damaged"):
        latest_export(results)


def test_a_reader_always_finds_an_export_while_latest_changes(tmp_path: Path) -> None:
    targets = [tmp_path / "exports" / name for name in ("one", "two")]
    for target in targets:
        target.mkdir(parents=True)
        (target / "file").write_text(target.name)
    link, ended, failed, reads = tmp_path / "latest", threading.Event(), [], 0
    point(link, targets[0])

    def read() -> None:
        nonlocal reads
        while not ended.is_set():
            try:
                assert (link / "file").read_text() in ("one", "two")
            except (OSError, AssertionError) as error:
                failed.append(error)
            reads += 1

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(3000):
        point(link, targets[number % 2])
    ended.set()
    reader.join()
    assert (failed, reads > 0) == ([], True)
    assert sorted(os.listdir(tmp_path)) == ["exports", "latest"]


def test_two_at_once_are_refused_with_who_holds(results: Path, cli: Cli) -> None:
    run = run_of(results)
    with RunLock(Registry.of(results).lock):
        code, text = cli("promote", "--run", run.id)
    assert (code, "The registry is being changed by" in text) == (4, True), text


def test_an_edited_ledger_is_refused_by_its_line(results: Path, cli: Cli) -> None:
    promoted(results, run_of(results))
    ledger = Registry.of(results).folder / "ledger.jsonl"
    ledger.write_text(ledger.read_text().replace('"number": 1', '"number": 2'))
    code, text = cli("history")
    assert (code, "line 1: is entry 2, not 1" in text) == (2, True), text
    ledger.write_text("{}\n")
    assert cli("registry")[0] == 2


def test_the_commands_say_what_happened_and_end_with_the_right_code(results: Path, cli: Cli) -> None:
    first, weak, better = run_of(results, gain=0.15), run_of(results, gain=0.0), run_of(results, gain=0.8)
    assert "nothing was promoted yet" in cli("registry")[1]
    assert cli("promote", "--run", first.id)[0] == 0
    code, text = cli("promote", "--run", weak.id)
    assert (code, "not promoted" in text) == (3, True), text
    assert cli("promote", "--run", better.id)[0] == 0
    assert cli("rollback")[0] == 2, "a reason is required"
    assert cli("rollback", "--reason", " ")[0] == 2
    code, text = cli("rollback", "--reason", "slower in play")
    assert (code, "reason: slower in play" in text) == (0, True), text
    told = json.loads(cli("history", "--json")[1])
    assert [(entry["kind"], entry["run"]) for entry in told] == [
        ("promote", first.id),
        ("promote", better.id),
        ("rollback", first.id),
    ]
    assert cli("registry")[0] == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("non_inferiority_pp: -1\nalpha: 0.05", "must be 0 to 100"),
        ("non_inferiority_pp: 3\nalpha: 0.9", "must be above 0 and below 0.5"),
        ("non_inferiority_pp: 3", "holds no promotion rule"),
        ("non_inferiority_pp: three\nalpha: 0.05", "holds no promotion rule"),
        ("[", "cannot be read"),
    ],
)
def test_a_wrong_rule_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "promotion.yaml").write_text(text)
    with pytest.raises(Refusal, match=said):
        read_rule(tmp_path / "promotion.yaml")


def test_a_run_without_a_trained_adapter_says_so(results: Path) -> None:
    with pytest.raises(Refusal, match="has no trained adapter"):
        find_origin(run_of(results, gates="ab").folder, "")
