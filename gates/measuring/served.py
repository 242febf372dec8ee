"""A base model at a server, met again by a gate: it must be the one that Gate A met, by all that can be measured.

Nothing at a server is proven by bytes. What can be is measured: log-probabilities of reference answers, or greedy
answers where the server tells none; samples drawn twice with the same seeds. The rest is said in plain words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from env.refusal import Refusal
from eval.pipeline.sampling import GenerationRequest, SamplingSettings, ThinkingSettings
from eval.pipeline.stored_samples import read_samples
from eval.records import Task
from gates.context import GateContext, Progress
from gates.measuring.prompting import read_prompts
from gates.report.results import BaseFacts, EnvironmentResults, ReferenceFacts, SamplerFacts
from gates.settings import Experiment
from training.backends.base import Generates, ModelIdentity, Serves
from training.models import open_server
from training.sampler import Reference

# Greedy answers of the same model part where two tokens are nearly equal; so much of their beginning must agree.
_SAME_SHARE = 0.5
# A text is drawn this warm to see seeds at work: no distribution is then so narrow that all seeds give one text.
_WARM, _TOKENS = 1.5, 24


def open_served(experiment: Experiment, base: BaseFacts, references: Sequence[Reference]) -> Serves:
    """Return the base at the servers of the configuration. Raises Refusal when they cannot be used."""
    return open_server(
        experiment.backend.name,
        experiment.model,
        experiment.sampler,
        ModelIdentity(base.digest, dict(base.parts)),
        base.parameters,
        references,
        experiment.rule.canary_min_nats,
    )


def greedy(model: Generates, prompts: Sequence[str]) -> list[str]:
    """Return the most probable continuation of each prompt, as far as models are recognised by it."""
    drawn = model.generate([GenerationRequest(prompt, (0,)) for prompt in prompts], _greedy_settings())
    return [completion.text for [completion] in drawn]


def furthest_nats(facts: Sequence[ReferenceFacts]) -> float | None:
    """Return the largest difference of a log-probability, per token; None where the server tells none."""
    found = [
        abs(one.own_nats - one.served_nats) / max(1, one.tokens)
        for one in facts
        if one.own_nats is not None and one.served_nats is not None
    ]
    return max(found) if found else None


def same_share(facts: Sequence[ReferenceFacts]) -> float:
    """Return the mean share of the greedy answers that agrees from their beginning, in [0, 1]."""
    return sum(_agreement(one.own_text, one.served_text) for one in facts) / len(facts)


def require_same(facts: Sequence[ReferenceFacts], tolerance_nats: float, what: str) -> str:
    """Return the sentence that says how far two sides agree. Raises Refusal where they are not ``what``."""
    furthest = furthest_nats(facts)
    if furthest is not None:
        sentence = f"log-probabilities of {len(facts)} reference answers differ by at most {furthest:.2g} nats a token"
        if not furthest <= tolerance_nats:
            raise Refusal(
                f"The server does not hold {what}: {sentence} (sampler.tolerance_nats = {tolerance_nats:g}).",
                "Serve the same model in a similar number format, or raise the tolerance where 4 bits explain it.",
            )
        return sentence
    share = same_share(facts)
    equal = sum(one.own_text == one.served_text for one in facts)
    sentence = f"{equal} of {len(facts)} greedy answers are equal, and {100 * share:.0f}% of their beginnings agree"
    if share < _SAME_SHARE:
        raise Refusal(f"The server does not hold {what}: {sentence}.", "Serve the same model.")
    return sentence


def seeds_statement(served: Serves, sampling: SamplingSettings, concurrency: int) -> str:
    """Return whether a sample depends on its seed alone, as "value: reason", measured by drawing samples twice.

    Raises:
        Refusal: different seeds give one and the same text: samples would not be independent.
    """
    if sampling.temperature == 0:
        return "not needed: the most probable token is taken"
    warm = replace(
        sampling, temperature=max(_WARM, sampling.temperature), top_p=1.0, top_k=0, max_new_tokens=_TOKENS, stop=()
    )
    seeds = [1 + number % 4 for number in range(max(16, min(32, concurrency)))]
    together = served.repeat(seeds, warm, at_once=True)
    if len(set(together)) == 1:
        raise Refusal(
            f"The server gives one text for {len(set(seeds))} seeds at temperature {warm.temperature:g}.",
            "It ignores the temperature, or draws everything with one seed: start it without a fixed seed.",
        )
    equal, pairs = _equal_pairs(seeds, together)
    if equal == pairs:
        return f"honoured: {pairs} of {pairs} samples were equal when drawn again among {len(seeds)} at once"
    alone = served.repeat(seeds[:8], warm, at_once=False)
    one_by_one = _equal_pairs(seeds[:8], alone)
    again = "one request at a time they are: sampler.concurrency=1" if one_by_one[0] == one_by_one[1] else "nor alone"
    return (
        f"not honoured: {equal} of {pairs} samples were equal when drawn again among {len(seeds)} at once ({again}). "
        "Samples are valid; a run that is interrupted does not end with the bytes of an undisturbed one"
    )


def require_recorded(served: Serves, recorded: SamplerFacts | None, tolerance_nats: float) -> str:
    """Return how far the base at the server is the one that Gate A met, in a sentence.

    Raises:
        Refusal: software, version, model or answers changed since.
    """
    if recorded is None:
        raise Refusal("Gate A of this run looked at no server.", "`python -m runner rewind A`, then advance.")
    for key, before in recorded.facts.items():
        now = served.facts.get(key, "")
        if now != before:
            raise Refusal(
                f"The server is not the one that Gate A met: {key} was {before or 'unknown'}, now {now or 'unknown'}.",
                "Start it as it was, or `python -m runner rewind A`: everything is then measured with this one.",
            )
    pairs = zip(recorded.references, served.recognise(), strict=True)
    facts = [
        one.model_copy(
            update={
                "own_nats": one.served_nats,
                "own_text": one.served_text,
                "served_nats": now.nats,
                "served_text": now.text,
            }
        )
        for one, now in pairs
    ]
    return require_same(facts, tolerance_nats, "the base that Gate A met")


def met_again(context: GateContext, tasks: Sequence[Task]) -> Serves:
    """Return the base at the servers of the configuration, as Gate A met it. Raises Refusal when it cannot be used."""
    probe = context.earlier(EnvironmentResults).probe
    if probe is None or probe.sampler is None:
        raise Refusal("Gate A of this run looked at no server.", "`python -m runner rewind A`, then advance.")
    prompts, answers = read_prompts(context.run_dir), {task.id: task.reference for task in tasks}
    references = [
        Reference(one.task_id, prompts[one.task_id], answers[one.task_id]) for one in probe.sampler.references
    ]
    return open_served(context.experiment, probe.base, references)


def recognised(context: GateContext, model: Generates) -> dict[str, str]:
    """Return what was found at the server, name -> "value: reason"; {} where the model is in our own memory.

    Raises:
        Refusal: it is not the server, or not the base, that Gate A met; or it draws every sample with one seed.
    """
    if not isinstance(model, Serves):
        return {}
    context.on_progress(Progress("asking the server", 0, 0, "", "the base that Gate A met"))
    probe, experiment = context.earlier(EnvironmentResults).probe, context.experiment
    recorded = None if probe is None else probe.sampler
    sentence = require_recorded(model, recorded, experiment.sampler.tolerance_nats)
    told = {} if recorded is None else {"same base": recorded.choices["same base"]}
    return {
        **told,
        "same server": f"as in Gate A: {sentence}",
        "seeds": seeds_statement(model, experiment.sampling, experiment.sampler.concurrency),
    }


def announce(model: Generates, adapters: Sequence[tuple[Path, float]]) -> None:
    """Tell a server's model which adapters will be applied; models in our own memory need not know."""
    if isinstance(model, Serves):
        model.announce(adapters)


def usage_choices(
    model: Generates, experiment: Experiment, files: Sequence[Path], prompts: dict[str, str]
) -> dict[str, str]:
    """Return the tokens that the samples in ``files`` took at a server, and their price; {} for other models.

    Counted from what is stored, so a run that was resumed counts every sample once. Requests that were repeated, and
    those that recognise models, are left out.
    """
    if not isinstance(model, Serves):
        return {}
    samples = [sample for file in files for sample in read_samples(file)]
    lengths = {sample.task_id: model.prompt_tokens(prompts[sample.task_id]) for sample in samples}
    asked, drawn = sum(lengths[s.task_id] for s in samples), sum(s.completion.tokens for s in samples)
    prices = experiment.sampler
    cost = (asked * prices.price_prompt + drawn * prices.price_completion) / 1e6
    told = f"{asked:,} of prompts and {drawn:,} of completions"
    return {"tokens": f"{told}{f', {cost:.4f} at the configured prices' if cost else ''}: of {len(samples):,} samples"}


def _greedy_settings() -> SamplingSettings:
    return SamplingSettings(
        temperature=0.0,
        top_p=1.0,
        top_k=0,
        max_new_tokens=48,
        thinking=ThinkingSettings(max_tokens=0, opens="", closes="-", forced="-"),
        stop=(),
        samples_dev=1,
        samples_test=1,
        samples_per_call=0,
    )


def _agreement(a: str, b: str) -> float:
    """Return the length of the common beginning, as a share of the longer text; 1.0 for two empty ones."""
    same = next((place for place, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return same / max(len(a), len(b)) if a or b else 1.0


def _equal_pairs(seeds: Sequence[int], texts: Sequence[str]) -> tuple[int, int]:
    """Return (texts equal to the first of their seed, texts that have such a first)."""
    first: dict[int, str] = {}
    equal = pairs = 0
    for seed, text in zip(seeds, texts, strict=True):
        if seed in first:
            pairs, equal = pairs + 1, equal + (text == first[seed])
        first.setdefault(seed, text)
    return equal, pairs
