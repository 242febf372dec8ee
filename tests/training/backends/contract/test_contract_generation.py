"""Every backend: samples follow from their own seeds alone, end where they should, and survive too little memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from eval.pipeline.sampling import GenerationRequest
from tests.support.model_work import REQUESTS, SAMPLING
from tests.support.settings import prompt_form, sampling_settings
from training.backends.local.batched_model import RowStep

# nearly flat logits: every token is drawn now and then, the end token too
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
FLAT = sampling_settings(temperature=30.0, top_p=1.0, top_k=0, max_new_tokens=120)
FEW = [GenerationRequest("x" * n, tuple(range(10 * n, 10 * n + 5))) for n in (1, 3, 2)]


def test_batches_orders_and_subsets_change_no_sample(load: Any) -> None:
    whole = load(batch_size=64).generate(REQUESTS, SAMPLING)
    for batch_size in (1, 7):
        assert load(batch_size=batch_size).generate(REQUESTS, SAMPLING) == whole
    again = load(batch_size=5)
    assert again.generate(REQUESTS[::-1], SAMPLING)[::-1] == whole
    assert again.generate(REQUESTS[2:4], SAMPLING) == whole[2:4]


def test_different_seeds_draw_different_samples(model: Any) -> None:
    (samples,) = model.generate([GenerationRequest("x", tuple(range(8)))], SAMPLING)
    assert len({sample.text for sample in samples}) == 8


def test_steps_report_every_token_and_each_sample_once(model: Any) -> None:
    requests = [*REQUESTS, GenerationRequest("none wanted", ())]
    steps = list(model.draw(requests, SAMPLING))
    ended = [one for step in steps for one in step.ended]
    assert len({(one.request, one.sample) for one in ended}) == len(ended) == sum(len(r.seeds) for r in requests)
    assert sum(step.tokens for step in steps) == sum(one.completion.tokens for one in ended)
    assert len(steps) >= SAMPLING.max_new_tokens
    written = model.generate(requests, SAMPLING)
    assert all(written[one.request][one.sample] == one.completion for one in ended)
    assert written[len(REQUESTS)] == []


def test_a_call_after_one_that_was_left_is_whole(model: Any) -> None:
    expected = model.generate(REQUESTS, SAMPLING)
    steps = model.draw(REQUESTS, SAMPLING)
    next(steps), next(steps)
    steps.close()
    assert model.generate(REQUESTS, SAMPLING) == expected


def test_rows_that_ended_leave_without_changing_the_others(load: Any) -> None:
    together = load(batch_size=64).generate(FEW, FLAT)
    assert together == load(batch_size=3).generate(FEW, FLAT)
    samples = [sample for samples in together for sample in samples]
    assert {sample.finish for sample in samples} == {"stop", "length"}
    assert all((sample.tokens == 120) >= (sample.finish == "length") for sample in samples)
    assert all("<|end|>" not in sample.text for sample in samples)


def test_a_stop_string_ends_a_sample_and_is_cut(model: Any) -> None:
    (whole,) = model.generate(REQUESTS[:1], SAMPLING)
    letters = [letter for sample in whole for letter in sample.text if letter.isascii() and letter.isalnum()]
    stop = letters[len(letters) // 2]
    (stopped,) = model.generate(REQUESTS[:1], sampling_settings(0.8, 0.95, 0, 24, (stop, "never written")))
    assert [sample.text for sample in stopped] == [sample.text.split(stop)[0] for sample in whole]
    for cut, full in zip(stopped, whole, strict=True):
        assert cut.finish == ("stop" if stop in full.text else full.finish)
        assert cut.tokens <= full.tokens


def test_a_prompt_longer_than_the_context_is_refused(load: Any, copied: Path) -> None:
    path = copied / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "max_position_embeddings": 64}))
    with pytest.raises(Refusal, match=r"max_new_tokens = 24 exceed the model's context of 64"):
        load(copied).generate([GenerationRequest("x " * 60, (1,))], SAMPLING)


def starving(model: Any, fails: Callable[[int, int], bool], sizes: list[int]) -> Callable[..., Iterator[RowStep]]:
    """The model's own drawing, out of memory when ``fails`` says so of (rows of the batch, how many of them ended)."""
    real = model._generate_together

    def draw(prompts: Any, settings: Any) -> Iterator[RowStep]:
        rows, ended = sum(len(prompt.seeds) for prompt in prompts), 0
        sizes.append(rows)
        if fails(rows, 0):
            raise MemoryError
        for step in real(prompts, settings):
            yield step
            ended += len(step.ended)
            if ended and fails(rows, ended):
                raise MemoryError

    return draw


def test_running_out_of_memory_halves_the_batch_and_changes_no_sample(
    load: Any, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    starved, sizes = load(batch_size=18), []
    monkeypatch.setattr(starved, "_generate_together", starving(starved, lambda rows, _: rows > 5, sizes))
    assert starved.generate(REQUESTS, SAMPLING) == model.generate(REQUESTS, SAMPLING)
    assert sizes[:4] == [18, 9, 5, 4]
    assert "memory ran out" in starved.choices["batch_size"]


@pytest.mark.parametrize("ended_before", [2, 8, 14, 15])
def test_memory_that_runs_out_in_mid_batch_keeps_the_samples_that_have_ended(
    load: Any, monkeypatch: pytest.MonkeyPatch, ended_before: int
) -> None:
    starved, sizes = load(batch_size=64), []
    # a common letter ends one sample after the other
    ending = sampling_settings(30.0, 1.0, 0, 120, ("a", "e"))
    expected = starved.generate(FEW, ending)
    fails = starving(starved, lambda rows, ended: rows == 15 and ended >= ended_before, sizes)
    monkeypatch.setattr(starved, "_generate_together", fails)
    ended = [one for step in starved.draw(FEW, ending) for one in step.ended]
    assert len(ended) == 15
    assert sizes[0] == 15
    assert 0 <= 15 - ended_before - sum(sizes[1:]) <= 3, "what had ended is not drawn again, and all else is"
    assert all(expected[one.request][one.sample] == one.completion for one in ended)


def test_one_row_that_does_not_fit_is_refused(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    starved = load()
    monkeypatch.setattr(starved, "_generate_together", starving(starved, lambda rows, _: True, []))
    with pytest.raises(Refusal, match="does not fit into memory"):
        starved.generate(REQUESTS, SAMPLING)


def test_an_error_that_is_no_memory_error_is_not_swallowed(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> Any:
        raise RuntimeError("shapes do not match")

    wrong = load()
    monkeypatch.setattr(wrong, "_generate_together", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        wrong.generate(REQUESTS, SAMPLING)


def test_an_empty_answer_is_certain_and_a_longer_one_less_likely(model: Any) -> None:
    assert model.log_prob("local x ", "") == 0.0
    assert model.log_prob("local x ", "= 1 + 2") < model.log_prob("local x ", "= 1") < 0.0


def test_a_chat_template_is_used_where_there_is_one(load: Any, model: Any) -> None:
    assert model.apply_chat_template("hello", prompt_form()) is None
    asked = "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n"
    hybrid = load("tiny_random:qwen3")
    assert hybrid.apply_chat_template("hello", prompt_form()) == f"{asked}<think>\n\n</think>\n\n"
    assert hybrid.apply_chat_template("hello", prompt_form(thinks=True)) == asked
    assert hybrid.answer_tokens("return 1") == len(hybrid._texts.answer("return 1")) + 1
