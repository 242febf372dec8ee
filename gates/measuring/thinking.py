"""How a model's thoughts are recognised while it generates: by the texts in its chat template, or as configured."""

from __future__ import annotations

from dataclasses import asdict, replace

from env.refusal import Refusal
from eval.pipeline.prompts import PromptForm
from eval.pipeline.sampling import AUTO, ThinkingSettings
from eval.pipeline.thoughts import Marks, thought_marks
from training.backends.base import Generates


def marks_of(model: Generates, form: PromptForm) -> Marks | None:
    """Return the texts that mark a thought of ``model``; None where its chat template shows none, or there is none."""
    facts = model.chat_facts(form)
    prompt = model.apply_chat_template("Hello.", replace(form, thinks=True))
    return None if facts is None or prompt is None else thought_marks(prompt, facts.prefix, facts.source)


def marked_thinking(settings: ThinkingSettings, model: Generates, form: PromptForm) -> ThinkingSettings:
    """Return ``settings`` with every text that is left to the chat template.

    Raises:
        Refusal: a thought is allowed, and the template does not show how it is marked.
    """
    if not settings.max_tokens:
        return settings
    open_keys = [name for name in ("opens", "closes", "forced") if getattr(settings, name) == AUTO]
    if not open_keys:
        return settings
    marks = marks_of(model, form)
    if marks is None:
        raise Refusal(
            f"sampling.thinking.max_tokens = {settings.max_tokens}, but the model's chat template shows no thought.",
            "Set it to 0, or name the texts that mark one: sampling.thinking.opens, closes and forced.",
        )
    found = asdict(marks)
    return replace(settings, **{name: found[name] for name in open_keys})
