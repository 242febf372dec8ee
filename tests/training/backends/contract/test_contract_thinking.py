"""Every backend: a thought has its own budget, is closed by force, and changes no other sample's tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from eval.pipeline.sampling import GenerationRequest, ThinkingSettings
from tests.support.model_work import REQUESTS
from tests.support.settings import sampling_settings

BUDGET, ANSWER = 9, 14
# nearly flat logits: every token is drawn now and then, the end token too
FLAT = sampling_settings(30.0, 1.0, 0, ANSWER, thinking=ThinkingSettings(BUDGET, "", "</t>", "\n</t>\n"))
NONE = replace(FLAT, thinking=replace(FLAT.thinking, max_tokens=0))
MANY = [GenerationRequest(request.prompt, tuple(range(n, n + 16))) for n, request in enumerate(REQUESTS[:3])]


def flat(samples: list[list[Any]]) -> list[Any]:
    return [one for own in samples for one in own]


def test_a_thought_out_of_budget_is_closed_and_its_answer_follows(model: Any) -> None:
    forced = len(model._texts.control("\n</t>\n")) if hasattr(model, "_texts") else None
    samples = flat(model.generate(MANY, FLAT))
    cut = [one for one in samples if one.thought.cut]
    assert cut
    assert {one.text.count("\n</t>\n") for one in cut} == {1}
    for one in cut:
        assert forced is None or one.thought.tokens == BUDGET + forced
        assert one.tokens - one.thought.tokens <= ANSWER
        assert (one.tokens - one.thought.tokens == ANSWER) >= (one.finish == "length")
    over = [one for one in samples if not one.thought.cut]
    assert all(one.finish == "stop" and one.tokens == one.thought.tokens <= BUDGET for one in over)


def test_batches_orders_and_subsets_change_no_sample_that_thinks(load: Any) -> None:
    whole = load(batch_size=64).generate(MANY, FLAT)
    again = load(batch_size=7)
    assert again.generate(MANY[::-1], FLAT)[::-1] == whole
    few = [GenerationRequest(request.prompt, request.seeds[3:5]) for request in MANY]
    assert again.generate(few, FLAT) == [own[3:5] for own in whole]


def test_until_it_is_closed_a_thought_draws_what_an_answer_would(model: Any) -> None:
    thinking, plain = (flat(model.generate(MANY, settings)) for settings in (FLAT, NONE))
    longer = [(one, other) for one, other in zip(thinking, plain, strict=True) if other.tokens > BUDGET]
    assert longer
    assert all(one.text.split("\n</t>\n")[0] == other.text[: one.text.index("\n</t>\n")] for one, other in longer)
    assert all(one.thought is None for one in plain)


def test_every_step_of_a_thought_is_reported(model: Any) -> None:
    steps = list(model.draw(MANY, FLAT))
    ended = [one.completion for step in steps for one in step.ended]
    assert sum(step.tokens for step in steps) == sum(one.tokens for one in ended)
    assert len(ended) == sum(len(request.seeds) for request in MANY)


def test_what_does_not_begin_a_thought_is_an_answer_at_once(model: Any) -> None:
    direct = replace(FLAT, thinking=replace(FLAT.thinking, opens="<never written>"))
    assert model.generate(MANY, direct) == model.generate(MANY, NONE)


@pytest.mark.slow
def test_processes_change_no_sample_that_thinks(load: Any, backend: Any) -> None:
    if backend.name == "unsloth":
        pytest.skip("it runs in one process")
    with load(processes=2, batch_size=8) as sharded:
        assert sharded.generate(MANY, FLAT) == load(batch_size=8).generate(MANY, FLAT)
