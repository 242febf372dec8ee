"""The prompts of a run: rendered and stored once by Gate A, and the same, to the last character, in every later gate.

What a model reads depends on its template, the system text, the library that renders and, in some templates, on the
date. All of that is in the stored text: another text is another experiment.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from env.files import digest, read_lines, write_atomic
from env.refusal import Refusal
from eval.pipeline.prompts import PromptForm, render
from eval.records import Dialogue, Row, Task, Turn
from gates.context import GateContext, PlanContext
from gates.report.results import EnvironmentResults, PromptFacts
from gates.settings import Experiment
from training.backends.base import Generates
from training.records import Example


def prompts_file(context: PlanContext) -> Path:
    """Return where Gate A keeps the prompts of all tasks."""
    return context.gate_folder("a") / "prompts.jsonl"


def prompt_of(task: Task, model: Generates, form: PromptForm) -> str:
    """Return the text of a task's prompt."""
    return render(task.instruction, task.input, model.apply_chat_template, _under(task.system, form))


def _under(system: str, form: PromptForm) -> PromptForm:
    """Return the form with a row's or a task's own system turn, where it has one."""
    return replace(form, system=system or form.system)


def form_of(experiment: Experiment, moment: datetime) -> PromptForm:
    """Return the form of the experiment's prompts, which print ``moment`` where they print a time."""
    return PromptForm(
        system=experiment.prompt.system,
        moment=moment,
        arguments={name: value for name, value in experiment.prompt.template_arguments.items() if value is not None},
        answer_prefix=experiment.prompt.answer_prefix,
        thinks=experiment.sampling.thinking.max_tokens > 0,
    )


def answering(form: PromptForm) -> PromptForm:
    """Return the form in which an answer follows at once: what trains and scores it."""
    return replace(form, thinks=False)


def examples_of(rows: Sequence[Row], model: Generates, form: PromptForm) -> list[Example]:
    """Return training rows as the model reads them, by the same prompt function as in measuring; none thinks.

    Raises:
        Refusal: a row is one turn of a conversation, and the chat template cannot write it as it is asked for.
    """
    named = [(row, f"line {row.line}" if row.line else f"row {number}") for number, row in enumerate(rows, start=1)]
    return [_example(row, name, model, _under(row.system, answering(form))) for row, name in named]


def _example(row: Row, name: str, model: Generates, form: PromptForm) -> Example:
    if row.dialogue is not None:
        return _turn_example(row.dialogue, name, model, form)
    if not row.instruction and not row.input:
        return Example("", row.output, name)
    return Example(render(row.instruction, row.input, model.apply_chat_template, form), row.output, name)


def _turn_example(dialogue: Dialogue, name: str, model: Generates, form: PromptForm) -> Example:
    *before, answer = _messages((*dialogue.before, dialogue.answer))
    try:
        turn = model.chat_turn(before, answer, dialogue.tools, form)
    except Refusal as refusal:
        raise Refusal(f"Training {name}: {refusal.sentence}", refusal.fix) from refusal
    if turn is None:
        raise Refusal(
            f"Training {name} is one turn of a conversation, and the model has no chat template to write it in.",
            "Give a model with a chat template, or set dataset.turns=joined.",
        )
    return Example(turn.prompt, turn.answer, name, turn.is_written, turn.is_ended)


def _messages(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """Return turns as chat templates read them: arguments are objects, and each result names the call it answers."""
    # nine signs, as Mistral's templates ask for
    numbers = (f"call{number:05d}" for number in count(1))
    waiting: deque[str] = deque()
    return [_message(turn, numbers, waiting) for turn in turns]


def _message(turn: Turn, numbers: Iterator[str], waiting: deque[str]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": turn.role, "content": turn.text}
    if turn.name:
        message["name"] = turn.name
    if turn.role == "tool" and waiting:
        message["tool_call_id"] = waiting.popleft()
    if turn.calls:
        named = list(zip(turn.calls, numbers, strict=False))
        waiting.extend(number for _, number in named)
        message["tool_calls"] = [
            {"type": "function", "id": number, "function": {"name": call.name, "arguments": call.arguments}}
            for call, number in named
        ]
    return message


def store_prompts(
    path: Path, tasks: Sequence[Task], examples: Sequence[Example], model: Generates, form: PromptForm
) -> PromptFacts:
    """Write the prompt of every task into ``path``, and return what identifies these and the training prompts."""
    prompts = _prompts(tasks, model, form)
    rows = _rows_digest(examples)
    lines = [{"task_id": task_id, "prompt": text} for task_id, text in prompts.items()]
    # training prompts are as many as rows: their digest stands for them
    ending = {"training_prompts": len(examples), "digest": rows}
    write_atomic(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in [*lines, ending]))
    return PromptFacts(
        system=form.system,
        moment=form.moment.isoformat(timespec="seconds"),
        digest=digest(prompts),
        training_digest=rows,
    )


def read_prompts(run_dir: Path) -> dict[str, str]:
    """Return the stored prompt of each task by its id; {} where Gate A of the run has stored none.

    Raises:
        Refusal: the file is damaged.
    """
    path = run_dir / "gate_a" / "prompts.jsonl"
    if not path.is_file():
        return {}
    try:
        lines = [json.loads(line) for line in read_lines(path)]
        if not all(isinstance(line, dict) for line in lines):
            raise TypeError("a line is not an object")
        return {line["task_id"]: line["prompt"] for line in lines if "task_id" in line}
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(
            f"{path}: not the prompts of a run ({error!r}).", "`python -m runner rewind A` writes it anew."
        ) from None


def recorded_form(context: GateContext) -> PromptForm:
    """Return the form of this run's prompts, with the moment that Gate A recorded. Raises Refusal where it has none."""
    facts = _recorded(context)
    return replace(form_of(context.experiment, datetime.fromisoformat(facts.moment)), system=facts.system)


def require_same_prompts(context: GateContext, tasks: Sequence[Task], model: Generates, form: PromptForm) -> None:
    """Raise Refusal unless the tasks' prompts are those that Gate A stored."""
    stored, now = read_prompts(context.run_dir), _prompts(tasks, model, form)
    differing = [task_id for task_id, text in now.items() if stored.get(task_id) != text]
    if differing:
        raise _other_prompts(f"the prompt of {differing[0]}")


def require_same_training_prompts(context: GateContext, examples: Sequence[Example]) -> None:
    """Raise Refusal unless the training prompts are those that Gate A rendered."""
    if _rows_digest(examples) != _recorded(context).training_digest:
        raise _other_prompts("a training prompt")


def _other_prompts(which: str) -> Refusal:
    return Refusal(
        f"{which[0].upper()}{which[1:]} is no longer the text that Gate A stored: template or library changed.",
        "Restore them, or `python -m runner rewind A` and advance: everything is then measured with the present ones.",
    )


def _prompts(tasks: Sequence[Task], model: Generates, form: PromptForm) -> dict[str, str]:
    return {task.id: prompt_of(task, model, form) for task in sorted(tasks, key=lambda task: task.id)}


def _rows_digest(examples: Sequence[Example]) -> str:
    return digest([example.prompt for example in examples])


def _recorded(context: GateContext) -> PromptFacts:
    probe = context.earlier(EnvironmentResults).probe
    if probe is None or probe.prompts is None:
        raise Refusal(
            "Gate A of this run stored no prompts: another version wrote it.",
            "`python -m runner rewind A`, then advance.",
        )
    return probe.prompts
