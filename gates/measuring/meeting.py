"""The first meeting with a server, in Gate A: its base held against our own load, an adapter tried, seeds measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from env.refusal import Refusal
from eval.pipeline.prompts import PromptForm
from eval.records import Task
from gates.measuring.prompting import prompt_of
from gates.measuring.served import furthest_nats, greedy, open_served, require_same, seeds_statement
from gates.report.results import BaseFacts, ReferenceFacts, SamplerFacts
from gates.settings import Experiment
from training.backends.base import Generates, Serves
from training.sampler import Reference, Scored

NOT_TRIED = "not tried: no adapter was trained"


class Meeting:
    """A server that was met: ``served`` is the base there, ``facts`` what was found."""

    def __init__(
        self, served: Serves, references: Sequence[Reference], facts: SamplerFacts, tolerance_nats: float
    ) -> None:
        self.served, self.facts = served, facts
        self._references, self._tolerance_nats = references, tolerance_nats

    def try_adapter(self, model: Generates, folder: Path) -> None:
        """Hold an adapter at the server against the same one on our own ``model``.

        A server that loads no adapter while it runs is told of in the facts: Gate D asks it again.

        Raises:
            Refusal: the adapter computes something else there.
        """
        try:
            there = self.served.with_adapter(folder, 1.0)
        except Refusal as refusal:
            self._note((), f"not tried: {refusal.sentence} Gate D asks again")
            return
        with model.adapter(folder, 1.0):
            here = own_scores(model, self._references, there)
        found = compared(self._references, here, there)
        if furthest_nats(found) is None:
            # one step moves too little for greedy answers to tell
            equal = sum(one.own_text == one.served_text for one in found)
            self._note(found, f"loaded: {equal} of {len(found)} greedy answers equal those of our own load with it")
            return
        sentence = require_same(found, self._tolerance_nats, "the adapter of one step that was trained here")
        self._note(found, f"the same as here within the tolerance: with it, {sentence}")

    def _note(self, found: tuple[ReferenceFacts, ...], note: str) -> None:
        choices = {**self.facts.choices, "adapter of one step": note}
        self.facts = self.facts.model_copy(update={"adapter": found, "adapter_note": note, "choices": choices})


def meet(
    experiment: Experiment,
    base: BaseFacts,
    model: Generates,
    tasks: Sequence[Task],
    form: PromptForm,
    opened: ExitStack,
    tell: Callable[[str], None],
) -> Meeting | None:
    """Return the server of the configuration, held against our own ``model``; None where the model itself samples.

    Args:
        base: facts of ``model``.
        opened: closes the server at its end.
        tell: takes what is done next, in words.

    Raises:
        Refusal: the server cannot be used, or holds another base.
    """
    sampler = experiment.sampler
    if not sampler.name:
        return None
    tell("asking the server what it is")
    references = references_of(tasks, model, form, sampler.canary_prompts)
    served = open_served(experiment, base, references)
    opened.callback(served.close)
    tell("reference answers at the server and here")
    there = served.recognise()
    found = compared(references, own_scores(model, references, there), there)
    sentence = require_same(found, sampler.tolerance_nats, "the base that is trained here")
    tell("samples drawn twice at the server")
    choices = {
        **served.choices,
        "same base": same_base_statement(sentence, furthest_nats(found) is not None),
        "seeds": seeds_statement(served, experiment.sampling, sampler.concurrency),
    }
    facts = SamplerFacts(facts=served.facts, choices=choices, references=found, adapter=(), adapter_note=NOT_TRIED)
    return Meeting(served, references, facts, sampler.tolerance_nats)


def references_of(tasks: Sequence[Task], model: Generates, form: PromptForm, count: int) -> tuple[Reference, ...]:
    """Return the reference answers of the first dev tasks, by which a model is recognised."""
    dev = [task for task in tasks if task.split == "dev"][:count]
    return tuple(Reference(task.id, prompt_of(task, model, form), task.reference) for task in dev)


def own_scores(model: Generates, references: Sequence[Reference], served: Sequence[Scored]) -> tuple[Scored, ...]:
    """Return what our own ``model`` makes of the references, in the way in which the server told it."""
    if served[0].nats is not None:
        pairs = zip(references, served, strict=True)
        return tuple(Scored(model.log_prob(one.prompt, one.answer), told.tokens, "") for one, told in pairs)
    return tuple(
        Scored(None, told.tokens, text)
        for told, text in zip(served, greedy(model, [one.prompt for one in references]), strict=True)
    )


def compared(
    references: Sequence[Reference], own: Sequence[Scored], served: Sequence[Scored]
) -> tuple[ReferenceFacts, ...]:
    """Return both sides of every reference. Raises Refusal where a log-probability is no finite number."""
    for one, here, there in zip(references, own, served, strict=True):
        for who, nats in (("our own load", here.nats), ("the server", there.nats)):
            if nats is not None and not math.isfinite(nats):
                raise Refusal(
                    f"The reference answer of {one.task_id} has the log-probability {nats} by {who}.",
                    "Try model.dtype=float32, or another number format at the server.",
                )
    return tuple(
        ReferenceFacts(
            task_id=one.task_id,
            tokens=here.tokens,
            own_nats=here.nats,
            served_nats=there.nats,
            own_text=here.text,
            served_text=there.text,
        )
        for one, here, there in zip(references, own, served, strict=True)
    )


def same_base_statement(sentence: str, is_scored: bool) -> str:
    """Return what was proven of the base at the server, and what was not, as "value: reason"."""
    if is_scored:
        return f"the same within the tolerance: {sentence}; the bytes of its weights were not seen"
    return f"not proven: the server tells no log-probabilities; {sentence}, which a relative of the model may do too"
