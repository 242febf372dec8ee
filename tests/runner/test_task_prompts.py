"""A task is shown as a model reads it, and lengths are told in its tokens: by its own tokenizer, without its weights."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from eval.datasets.own_tasks.skeletons import skeleton
from eval.pipeline.prompts import render
from gates.measuring.prompting import form_of
from runner.runs.config import compose_experiment
from tests.support.runs import PROJECT, Cli
from training.models import texts_of

TINY = PROJECT / "training" / "tiny" / "model"


def test_a_task_is_shown_as_the_model_reads_it(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "garden.yaml"
    path.write_text(skeleton("luanti"), encoding="utf-8")
    code, text = cli("tasks", "show", str(path), "garden.repair.fence", "model=local", f"model.path={TINY}")
    assert code == 0, text
    assert "answer: diff" in text
    assert "  · walkable" in text
    shown = json.loads(cli("tasks", "show", str(path), "garden.repair.fence", "--json")[1])
    experiment = compose_experiment([])[0]
    form = form_of(experiment, datetime.now(UTC))
    read = texts_of(experiment.backend.name, experiment.model).chat
    assert shown["prompt"] == render(shown["task"]["instruction"], shown["task"]["input"], read, form)
    assert shown["prompt"].startswith("### Instruction:\nThe fence should be walkable")
    code, text = cli("tasks", "show", str(path), "garden.repair.fense")
    assert code == 2
    assert 'Did you mean "garden.repair.fence"?' in text


def test_lengths_are_told_in_the_tokens_of_a_model_s_folder(tmp_path: Path, cli: Cli) -> None:
    program = "core.register_node()"
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"instruction": "Dig.", "output": program}) + "\n", encoding="utf-8")
    code, text = cli("data", "show", str(path), "--tokenizer", str(TINY), "--json")
    assert code == 0, text
    answers = json.loads(text)["contents"]["answers"]
    texts = texts_of("transformers_peft", compose_experiment(["model=local", f"model.path={TINY}"])[0].model)
    assert (answers["unit"], answers["longest"]) == ("tokens", len(texts.answer(program)))
