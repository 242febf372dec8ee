"""Asking again over real tasks and the real pipeline: the gate's numbers first, its files untouched, resumable anywhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from eval.datasets.formats.rows import read_rows
from eval.decision.cells import Cell
from eval.domains.luanti.domain import DOMAIN
from eval.pipeline.prompts import PromptForm
from eval.pipeline.result import evaluate
from eval.pipeline.sampling import GenerationRequest, SamplingSettings
from eval.records import Dataset
from gates.context import GateContext
from gates.correcting import correct as correcting
from gates.correcting.request import Correction, Request, require_allowed
from gates.correcting.sources import BASE, Begun, Source
from gates.e_decision.openings import read_openings
from gates.measuring.bench import Bench, dataset_of
from runner.runs.config import compose_experiment
from runner.views.corrections import read_correction
from tests.support.contexts import gate_context
from tests.support.luanti import open_verifier
from tests.support.settings import prompt_form
from tests.support.written import steps_of
from training.backends.base import Completion, DrawStep

SMALL = [
    "profile=smoke",
    "dataset.dev_tasks=6",
    "dataset.test_tasks=6",
    "sampling.samples_per_call=8",
    "verifier.workers=1",
]
WEIGHTS = {"syntax": 0.25, "api": 0.25, "bugs": 0.25, "quality": 0.25}
CELL = Cell(2, 1.0)


@dataclass
class Scripted:
    """A language model that writes a reference now and then, more often once it is told that its answer was wrong."""

    answers: dict[str, str]
    calls: int = 0
    fail_after: int = 10**9
    template: Refusal | None = None
    longest: int = 10**9
    prompts: list[str] = field(default_factory=list)
    choices: dict[str, str] = field(default_factory=dict)
    is_batch_exact: bool = True

    def draw(
        self, requests: Sequence[GenerationRequest], settings: SamplingSettings
    ) -> Generator[DrawStep, None, None]:
        self.prompts += [request.prompt for request in requests]
        for step in steps_of(requests, self._write):
            self.calls += 1
            if self.calls > self.fail_after:
                raise KeyboardInterrupt
            yield step

    def _write(self, prompt: str, seed: int) -> Completion:
        luck = hashlib.sha256(str(seed).encode()).digest()[0] / 256
        reference = next(text for start, text in self.answers.items() if prompt.startswith(start))
        text = reference if luck < (0.5 if "corrected" in prompt else 0.2) else f"-- no idea {luck}"
        return Completion(text, "stop", 3 + seed % 3)

    @contextmanager
    def adapter(self, folder: Path, scale: float) -> Iterator[None]:
        yield

    def apply_chat_template(self, user: str, form: PromptForm) -> None:
        return None

    def apply_chat_turns(self, turns: Sequence[str], form: PromptForm) -> None:
        if self.template is not None:
            raise self.template

    def fits(self, prompt: str, settings: Any) -> bool:
        return len(prompt) <= self.longest


@dataclass
class Stand:
    """A run folder whose answers to one split are stored, and the model that is asked again."""

    folder: Path
    context: GateContext
    dataset: Dataset
    model: Scripted
    split: str

    @property
    def file(self) -> Path:
        """The base's answers."""
        return self.folder / "gate_b" / "samples.jsonl"

    def ask(self, **changes: Any) -> Correction:
        """Carry out a request."""
        request = Request("b" if self.split == "dev" else "e", 2, None, "runtime")
        return correcting.correct(self.context, replace(request, **changes), WEIGHTS)

    def stored(self) -> dict[str, list[dict[str, Any]]]:
        """Return every line of every turn, without the time that judging took."""
        found = {}
        for path in sorted(self.folder.glob("repair/*/turn_*/*/samples.jsonl")):
            lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            for line in lines:
                del line["verdict"]["seconds"]
            found[path.relative_to(self.folder).as_posix()] = lines
        return found


def stand(folder: Path, monkeypatch: pytest.MonkeyPatch, split: str = "dev") -> Stand:
    context = gate_context(folder, compose_experiment(SMALL)[0], "b")
    dataset = dataset_of(context.experiment)
    model = Scripted({})

    @contextmanager
    def opened(_context: GateContext) -> Iterator[Bench]:
        with open_verifier(context.experiment.verifier) as verifier:
            bench = Bench(context, model, verifier, dataset, prompt_form(), {})  # type: ignore[arg-type]
            model.answers = {bench.prompt(task): task.reference for task in dataset.tasks}
            yield bench

    with opened(context) as bench:
        for arm in (BASE, CELL.name):
            bench.measure(arm, split, folder / "gate_b" / "samples.jsonl", "", 0, 0)
    model.prompts.clear()
    model.calls = 0
    found = Stand(folder, context, dataset, model, split)
    tasks = tuple(task for task in dataset.tasks if task.split == split)
    sources = (Source(BASE, None, found.file), Source(CELL.name, CELL, found.file))
    monkeypatch.setattr(correcting, "begun", lambda *_: Begun(split, tasks, sources))
    monkeypatch.setattr(correcting, "open_bench", opened)
    monkeypatch.setattr(correcting, "require_same_base", lambda *_: None)
    monkeypatch.setattr(correcting, "verified_checkpoints", lambda _: {CELL.checkpoint: folder})
    monkeypatch.setattr(GateContext, "earlier", lambda *_: None)
    return found


def test_turn_0_is_what_the_gate_reports_and_needs_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = stand(tmp_path, monkeypatch)
    found = here.ask(turns=0)
    samples = [sample for sample in correcting.read_samples(here.file) if sample.arm == BASE]
    measured = evaluate(samples, here.dataset.tasks, BASE, "dev", (1,))
    assert found.arms[0].turns[0].pass_1 == measured.metrics[0]
    assert here.model.prompts == []


def test_turns_ask_again_for_what_failed_alone_and_leave_the_gates_file_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = stand(tmp_path, monkeypatch)
    before = here.file.read_bytes()
    base, adapter = here.ask().arms
    assert here.file.read_bytes() == before
    for arm in (base, adapter):
        zero, one, two = arm.turns
        assert one.asked == zero.answers - zero.passed
        assert two.asked == one.answers - one.passed
        assert (one.broke, one.fixed) == (0, one.passed - zero.passed)
        assert one.fixed > 0
        assert one.tokens_so_far > zero.tokens
    # base and adapter draw from the same streams
    assert [row.passed for row in base.turns] == [row.passed for row in adapter.turns]
    assert all("corrected" in prompt for prompt in here.model.prompts)
    told = read_correction(next(tmp_path.glob("repair/*/report.json")))
    assert [arm.arm for arm in told.arms] == [BASE, CELL.name]
    assert told.arms[0].turns[1].pass_1 == f"{base.turns[1].pass_1.value:.1f}"


@pytest.mark.parametrize("fail_after", [2, 12])
def test_a_killed_correction_ends_with_the_lines_of_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fail_after: int
) -> None:
    whole = stand(tmp_path / "whole", monkeypatch)
    report = whole.ask()
    cut = stand(tmp_path / "cut", monkeypatch)
    cut.model.fail_after = fail_after
    with pytest.raises(KeyboardInterrupt):
        cut.ask()
    assert not list((tmp_path / "cut").glob("repair/*/report.json"))
    cut.model.fail_after = 10**9
    assert cut.ask() == report
    assert cut.stored() == whole.stored()
    asked = len(cut.model.prompts)
    assert cut.ask() == report
    assert len(cut.model.prompts) == asked, "what is stored is not generated again"


def test_one_more_turn_goes_on_from_the_stored_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = stand(tmp_path, monkeypatch)
    first = here.ask(turns=1)
    asked = len(here.model.prompts)
    second = here.ask(turns=2)
    assert second.arms[0].turns[:2] == first.arms[0].turns
    assert len(here.model.prompts) - asked == sum(arm.turns[2].asked for arm in second.arms)


def test_answers_that_changed_since_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = stand(tmp_path, monkeypatch)
    here.ask(turns=1)
    lines = here.file.read_text(encoding="utf-8").splitlines()
    here.file.write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8")
    with pytest.raises(Refusal, match="begun with other answers"):
        here.ask(turns=1)


def test_looking_at_test_tasks_is_an_opening_once_for_each_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = stand(tmp_path, monkeypatch, "test")
    here.ask(turns=0)
    assert read_openings(tmp_path) == [], "reading what is stored opens nothing"
    here.model.fail_after = 2
    with pytest.raises(KeyboardInterrupt):
        here.ask(turns=1)
    assert len(read_openings(tmp_path)) == 1, "recorded before the first sample"
    here.model.fail_after = 10**9
    assert here.ask(turns=1).openings == 1
    assert here.ask(turns=2).openings == 2
    assert here.ask(turns=2).openings == 2


def test_dev_tasks_are_no_opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stand(tmp_path, monkeypatch).ask(turns=1).openings is None
    assert read_openings(tmp_path) == []


def test_a_family_whose_template_refuses_a_second_turn_is_refused_by_name_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = stand(tmp_path, monkeypatch)
    here.model.template = Refusal("The chat template cannot be rendered.", "Use another.")
    with pytest.raises(Refusal, match=f"{here.context.experiment.model.path} cannot be asked again"):
        here.ask()
    assert here.model.prompts == []


def test_what_no_context_holds_stays_as_it_is_and_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = stand(tmp_path, monkeypatch)
    here.model.longest = 10
    base = here.ask(turns=1).arms[0]
    assert (base.turns[1].asked, base.turns[1].too_long) == (0, base.turns[0].answers - base.turns[0].passed)
    assert base.turns[1].pass_1 == base.turns[0].pass_1


def test_rows_are_made_of_training_tasks_and_can_be_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = stand(tmp_path, monkeypatch)
    monkeypatch.setattr(here, "split", "dev")
    found = here.ask(gate="c", level="checks")
    [path] = tmp_path.glob("repair/*/rows.jsonl")
    rows = read_rows(path, DOMAIN.families).rows
    assert found.rows == len(rows)
    assert 0 < len(rows) <= sum(turn.fixed for arm in found.arms for turn in arm.turns)
    references = {task.reference for task in here.dataset.tasks}
    assert {row.output for row in rows} <= {text.strip() for text in references}
    assert all("What was said of it:" in row.input for row in rows)


@pytest.mark.parametrize("gate", ["b", "d", "e"])
@pytest.mark.parametrize(
    ("changes", "rows", "why"),
    [({"level": "checks"}, False, "checked for"), ({}, True, "must not train"), ({"tasks": 5}, False, "training pool")],
)
def test_what_training_tasks_allow_is_refused_on_tasks_that_measure(
    gate: str, changes: dict[str, Any], rows: bool, why: str
) -> None:
    request = replace(Request(gate, 1, None, "runtime"), **changes)
    with pytest.raises(Refusal, match=why):
        require_allowed(request, rows)
    require_allowed(replace(request, gate="c"), rows)


def test_a_gate_without_answers_is_refused_with_those_that_have_some() -> None:
    with pytest.raises(Refusal, match="stores no answers") as refused:
        require_allowed(Request("a", 1, None, "runtime"))
    assert "B, D, E" in refused.value.fix
