"""Gate A names what a prompt format does to the tasks, and whether a right answer could be given at all."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from env.checks import Check
from env.refusal import Refusal
from eval.records import Dataset, Task
from gates.a_environment.prompt_checks import prompt_checks, reference_length_check
from gates.measuring.prompting import form_of
from gates.report.results import PromptFacts
from tests.support.chat_families import FAMILIES, Family
from tests.support.settings import composed, prompt_form

TASKS = tuple(
    Task(name, "scaffold", "node", name, "dev", f"Make a {name}.", "", "code", "x" * 20, ())
    for name in ("lamp", "door")
)
STORED = PromptFacts(system="", moment="2026-01-01T00:00:00", digest="ab" * 32, training_digest="cd" * 32)


def checks_of(family: Family | None, *overrides: str, tasks: tuple[Task, ...] = TASKS) -> dict[str, Check]:
    """What Gate A says of a family's model, or of one without a chat template."""
    texts = family.texts if family else None
    model: Any = SimpleNamespace(
        apply_chat_template=texts.chat if texts else lambda user, form: None,
        chat_facts=texts.chat_facts if texts else lambda form: None,
        answer_tokens=lambda text: len(text) + 1,
    )
    experiment = composed("profile=smoke", *overrides)
    form = form_of(experiment, prompt_form().moment)
    found = prompt_checks(experiment, Dataset("d", tasks, (), "00"), model, form, STORED)
    return {check.name: check for check in found}


def test_the_answer_prefix_is_a_choice_with_its_reason() -> None:
    assert checks_of(FAMILIES["gpt-oss"])["answer prefix"].value == "'<|channel|>final<|message|>'"
    assert checks_of(FAMILIES["Qwen2.5"])["answer prefix"].reason.startswith("the chat template writes an answer dir")
    assert checks_of(None)["answer prefix"].reason.startswith("without a chat template")
    assert "digest of 2 tasks abababababab" in checks_of(None)["prompts"].value


@pytest.mark.parametrize(
    ("name", "overrides", "fix"),
    [
        ("gpt-oss", (), ""),
        ("gpt-oss", ("prompt.answer_prefix=none",), "Set sampling.thinking.max_tokens"),
        ("Qwen3, hybrid", (), ""),
        (
            "Qwen3, hybrid",
            ("prompt.answer_prefix=none",),
            "Set prompt.template_arguments={enable_thinking: false}; or ",
        ),
        ("Qwen3, hybrid", ("prompt.template_arguments={enable_thinking: false}",), ""),
        ("SmolLM3", (), "Set prompt.template_arguments={enable_thinking: false}; or "),
        ("SmolLM3", ("prompt.template_arguments={enable_thinking: false}",), ""),
        ("SmolLM3", ("sampling.thinking.max_tokens=100",), ""),
        # it thinks only when it is told to
        ("Gemma 4", (), ""),
        ("Gemma 4", ("sampling.thinking.max_tokens=100",), "Set prompt.template_arguments={enable_thinking: true}"),
        ("Magistral", (), "Set sampling.thinking.max_tokens"),
        ("DeepSeek-R1", (), ""),
        ("Qwen2.5", (), ""),
        (None, (), ""),
    ],
)
def test_a_thought_is_either_allowed_or_closed_or_it_is_told(name: str, overrides: tuple[str, ...], fix: str) -> None:
    found = checks_of(FAMILIES[name] if name else None, *overrides)["thinking"]
    assert found.ok == (not fix)
    assert found.fix.startswith(fix)


def test_an_argument_that_changes_nothing_is_told_with_the_nearest_that_does() -> None:
    wrong = checks_of(FAMILIES["gpt-oss"], "prompt.template_arguments={resoning_effort: low}")["template arguments"]
    assert not wrong.ok
    assert wrong.value == "resoning_effort=low (changes nothing)"
    assert 'Did you mean "reasoning_effort"?' in wrong.fix
    assert checks_of(FAMILIES["gpt-oss"], "prompt.template_arguments={reasoning_effort: low}")["template arguments"].ok
    assert not checks_of(None, "prompt.template_arguments={reasoning_effort: low}")["template arguments"].ok
    assert "template arguments" not in checks_of(None)


def test_a_template_that_asks_two_tasks_the_same_blocks_and_names_them() -> None:
    short = replace(FAMILIES["Qwen2.5"], template=FAMILIES["Qwen2.5"].template.replace("m.content", "m.content[:30]"))
    long = tuple(replace(task, instruction=f"In the mod of the village, {task.instruction}") for task in TASKS)
    found = checks_of(short, tasks=long)["distinct prompts"]
    assert found.blocks
    assert (found.value, found.evidence) == ("2 of 2 tasks read like another one", ("lamp, door",))
    # the same question twice is no fault of the template
    twice = (TASKS[0], replace(TASKS[0], id="again"))
    assert checks_of(FAMILIES["Qwen2.5"], tasks=twice)["distinct prompts"].ok


def test_a_model_that_cannot_think_is_refused_before_anything_is_generated() -> None:
    with pytest.raises(Refusal, match="shows no thought"):
        checks_of(FAMILIES["Qwen2.5"], "sampling.thinking.max_tokens=100")


def test_references_that_do_not_fit_are_told_by_family_with_the_length_that_is_enough() -> None:
    families = ["doc"] * 50 + ["refactor"] * 50
    tasks = [replace(TASKS[0], id=f"t{n:03d}", family=family) for n, family in enumerate(families)]
    lengths = {task.id: 100 + n for n, task in enumerate(tasks)}
    found = reference_length_check(tasks, lengths, 150)
    assert (found.ok, found.level) == (False, "warn")
    assert found.value == "49 of 100 references exceed 150 tokens"
    assert "sampling.max_new_tokens to 199, which is enough for all (197 for 98%)" in found.fix
    assert found.evidence == ("doc: 0 of 50, median 125, longest 149", "refactor: 49 of 50, median 175, longest 199")
    assert reference_length_check(tasks, lengths, 199).ok
    assert "(197" not in reference_length_check(tasks, lengths, 197).fix
