"""How the model is asked, and whether it can answer: prompt format, template arguments, thoughts, and answer length."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from env.checks import Check, fact, judged
from env.counts import counted, listed_text
from env.refusal import choices_hint
from eval.pipeline.prompts import PromptForm, user_message
from eval.records import Dataset, Task
from gates.measuring.bench import sampling_settings
from gates.measuring.prompting import prompt_of
from gates.measuring.thinking import marks_of
from gates.report.results import PromptFacts
from gates.settings import Experiment
from training.backends.base import ChatFacts, LoadedModel

# A length is told that is enough for so many references, besides the one that is enough for all.
_NEARLY_ALL = 0.98
_DIGEST_SHOWN = 12
# By which templates turn thoughts on and off.
_SWITCHES = ("enable_thinking", "thinking")
_OTHER_TEMPLATE = "Correct chat_template in the model's folder (chat_template.jinja or tokenizer_config.json)."


def prompt_checks(
    experiment: Experiment, dataset: Dataset, model: LoadedModel, form: PromptForm, stored: PromptFacts
) -> list[Check]:
    """Return what is known of prompts and answers once the tokenizer is there.

    Raises:
        Refusal: the model should think, and nothing shows how it marks a thought.
    """
    facts = model.chat_facts(form)
    lengths = {task.id: model.answer_tokens(task.reference) for task in dataset.tasks}
    return [
        _prefix_fact(facts),
        *_argument_checks(experiment, facts),
        _thought_check(experiment, model, form, facts),
        _distinct_check(dataset.tasks, {task.id: prompt_of(task, model, form) for task in dataset.tasks}),
        _prompts_fact(stored, len(dataset.tasks), len(dataset.rows)),
        reference_length_check(dataset.tasks, lengths, experiment.sampling.max_new_tokens),
    ]


def _prefix_fact(facts: ChatFacts | None) -> Check:
    if facts is None:
        return fact("answer prefix", "none", "without a chat template the answer follows the plain prompt")
    return fact("answer prefix", repr(facts.prefix) if facts.prefix else "none", facts.reason)


def _argument_checks(experiment: Experiment, facts: ChatFacts | None) -> list[Check]:
    given = {name: value for name, value in experiment.prompt.template_arguments.items() if value is not None}
    if not given:
        return []
    idle = tuple(given) if facts is None else facts.idle_arguments
    known = () if facts is None else facts.known_arguments
    return [
        judged(
            "template arguments",
            "warn",
            not idle,
            ", ".join(f"{name}={value}{' (changes nothing)' if name in idle else ''}" for name, value in given.items()),
            "each changes what the chat template writes",
            reason="An argument that the chat template does not read has no effect on any prompt.",
            fix=f"Remove it from prompt.template_arguments. {choices_hint(next(iter(idle), ''), known)}"
            if known
            else "Remove it from prompt.template_arguments: the template takes none.",
        )
    ]


def _thought_check(experiment: Experiment, model: LoadedModel, form: PromptForm, facts: ChatFacts | None) -> Check:
    """Check that thoughts are either allowed, and how they are told, or closed before the answer."""
    switch = next((name for name in _SWITCHES if facts and name in facts.known_arguments), "")
    if form.thinks:
        thinking = sampling_settings(experiment, model, form).thinking
        how = f"up to {counted(thinking.max_tokens, 'token')}, to {thinking.closes!r}, by force {thinking.forced!r}"
        return judged(
            "thinking",
            "warn",
            not switch or _is_same(model, form, switch, True),
            f"before the answer, {how}; training and scoring read no thought",
            "a chat template that lets the model think",
            reason="The chat template tells the model not to think unless an argument says so.",
            fix=f"Set prompt.template_arguments={{{switch}: true}}, or sampling.thinking.max_tokens=0.",
        )
    prompt, marks = model.apply_chat_template("Hello.", form), marks_of(model, form)
    return judged(
        "thinking",
        "warn",
        marks is None
        or _is_closed(prompt or "", marks.closes)
        or bool(switch and _is_same(model, form, switch, False)),
        "no thought in this chat template" if marks is None else f"prompts end in {(prompt or '')[-30:]!r}",
        "a thought, where the chat template knows one, is closed before the answer",
        reason="The model may begin its answer with a thought, which max_new_tokens then cuts.",
        fix=(f"Set prompt.template_arguments={{{switch}: false}}; or " if switch else "Set ")
        + "sampling.thinking.max_tokens to what a thought may take, or prompt.answer_prefix.",
    )


def _is_same(model: LoadedModel, form: PromptForm, switch: str, value: bool) -> bool:
    """Whether a prompt is what it would be with the argument ``switch`` set to ``value``."""
    switched = replace(form, arguments={**form.arguments, switch: value})
    return model.apply_chat_template("Hello.", switched) == model.apply_chat_template("Hello.", form)


def _is_closed(prompt: str, closes: str) -> bool:
    return prompt.rstrip().endswith((closes, f"{closes}<|message|>"))


def _distinct_check(tasks: Sequence[Task], prompts: Mapping[str, str]) -> Check:
    """Check that tasks which ask different things read differently."""
    asked: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for task in tasks:
        words = " ".join(user_message(task.instruction, task.input).split())
        asked[prompts[task.id]].setdefault(words, task.id)
    alike = [list(ids.values()) for ids in asked.values() if len(ids) > 1]
    return judged(
        "distinct prompts",
        "block",
        not alike,
        f"{sum(map(len, alike))} of {counted(len(tasks), 'task')} read like another one"
        if alike
        else f"{counted(len(tasks), 'task')} in {counted(len(asked), 'prompt')}",
        "different tasks have different prompts",
        reason="The chat template leaves out what distinguishes these tasks: the model cannot know what is asked.",
        fix=_OTHER_TEMPLATE,
        evidence=[listed_text(ids, 5) for ids in alike],
    )


def _prompts_fact(stored: PromptFacts, tasks: int, rows: int) -> Check:
    texts = f"of {counted(tasks, 'task')} {stored.digest[:_DIGEST_SHOWN]}"
    trained = f"of {counted(rows, 'training row')} {stored.training_digest[:_DIGEST_SHOWN]}"
    reason = f"rendered once, and read in every gate; a template that prints the time prints {stored.moment}"
    return fact("prompts", f"digest {texts}, {trained}", reason)


def reference_length_check(tasks: Sequence[Task], lengths: Mapping[str, int], limit: int) -> Check:
    """Check that every reference fits ``limit`` tokens under the model's tokenizer, family by family.

    Args:
        lengths: tokens of each task's reference, its end token included, by id.
    """
    families: defaultdict[str, list[int]] = defaultdict(list)
    for task in tasks:
        families[task.family].append(lengths[task.id])
    total, long = sorted(lengths.values()), sum(length > limit for length in lengths.values())
    nearly = total[max(0, round(_NEARLY_ALL * len(total)) - 1)]
    enough = f"{total[-1]}, which is enough for all" + (
        f" ({nearly} for {100 * _NEARLY_ALL:g}%)" if limit < nearly < total[-1] else ""
    )
    return judged(
        "references fit",
        "warn",
        not long,
        f"{long} of {counted(len(tasks), 'reference')} exceed {counted(limit, 'token')}"
        if long
        else f"the longest takes {total[-1]} of {counted(limit, 'token')}",
        "every reference within sampling.max_new_tokens",
        reason="A right answer to these tasks would be cut and count as wrong, whatever the model knows.",
        fix=f"Raise sampling.max_new_tokens to {enough}, and leave room for the words that a model adds.",
        evidence=[
            f"{family}: {sum(length > limit for length in own)} of {len(own)}, "
            f"median {sorted(own)[len(own) // 2]}, longest {max(own)}"
            for family, own in sorted(families.items())
        ],
    )
