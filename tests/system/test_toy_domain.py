"""A second domain is a row of the table and a module: nothing generic is edited, from configuration to report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from env.refusal import Refusal
from eval.domains import DOMAINS, domain_named, open_verifier
from eval.pipeline.instrument import validate
from runner.runs.config import compose_experiment
from tests.support.runs import PROJECT, SMOKE, only_run, runner
from tests.support.settings import verifier_settings

HOOK = {"PYTHONPATH": str(PROJECT / "tests" / "support" / "toy_hook")}
TOY = ("dataset.name=toy_mini", "verifier.name=adder")


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DOMAINS, "toy", "tests.support.toy_domain")


@pytest.mark.usefixtures("toy")
def test_a_domain_without_mods_needs_no_word_of_them() -> None:
    files = ["dataset=jsonl", "dataset.eval=a.jsonl", "dataset.train=b.jsonl", "dataset.domain=toy"]
    assert compose_experiment([*files, "verifier.name=adder"])[0].dataset.domain == "toy"
    with pytest.raises(Refusal, match=r"dataset\.mod_name=garden: programs of the domain toy run in no mod"):
        compose_experiment([*files, "verifier.name=adder", "dataset.mod_name=garden"])


@pytest.mark.usefixtures("toy")
def test_the_instrument_is_tested_as_in_any_domain() -> None:
    from tests.support.toy_domain import tasks

    domain = domain_named("toy")
    with open_verifier(domain, verifier_settings(name="adder")) as verifier:
        found = validate(tasks("dev", 12, 0), verifier, domain.constant_answers)
        broken = validate(tasks("dev", 12, 0), verifier, ("100",))
    assert (found.faults, found.judged) == ((), 12 * (1 + 1 + 3))
    assert len(broken.faults) == 1, "the task whose total is 100 accepts it"


def test_a_run_of_another_domain_goes_from_a_to_e(tmp_path: Path) -> None:
    done = runner("new", *SMOKE, *TOY, results=tmp_path, more=HOOK)
    assert done.returncode == 0, done.stdout + done.stderr
    done = runner("advance", results=tmp_path, more=HOOK)
    # the embedded model writes Lua, not sums: the decision is honest, whatever it is
    assert done.returncode in (0, 3), done.stdout + done.stderr
    run = only_run(tmp_path)
    samples = [json.loads(line) for line in (run / "gate_b" / "samples.jsonl").read_text().splitlines()]
    assert {sample["verdict"]["verifier"] for sample in samples} <= {"adder", "extraction"}
    assert runner("report", results=tmp_path, more=HOOK).returncode == 0
    assert "toy_mini" in (run / "report.md").read_text()


def test_a_verifier_of_another_domain_is_refused_with_the_choices(tmp_path: Path) -> None:
    done = runner("new", *SMOKE, "verifier.name=adder", results=tmp_path, more=HOOK)
    done = runner("advance", "--to", "A", results=tmp_path, more=HOOK) if done.returncode == 0 else done
    assert done.returncode == 2
    assert 'Luanti mods have no verifier "adder"' in done.stdout + done.stderr
