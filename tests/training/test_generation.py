"""Samples follow from their own seeds alone, end where they should, and survive too little memory."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from env.refusal import Refusal
from eval.pipeline.sampling import GenerationRequest, SamplingSettings
from tests.support.model_work import REQUESTS, SAMPLING, load_whole, logits
from tests.support.tiny_random import END, LAYOUTS, make_model
from training.backends.local.batched_model import PromptSamples
from training.backends.transformers_peft import model as model_module
from training.backends.transformers_peft.generation import generate_batch as our_loop
from training.backends.unsloth.generating import generate_batch as library_loop

GREEDY = SamplingSettings(temperature=0.0, top_p=1.0, top_k=0, max_new_tokens=24)


@pytest.fixture(scope="module")
def model(llama: Path) -> Any:
    return load_whole(llama)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_batches_orders_and_subsets_change_no_sample(layout: str, tmp_path: Path) -> None:
    folder = make_model(tmp_path, layout)
    whole = load_whole(folder, batch_size=64).generate(REQUESTS, SAMPLING)
    for batch_size in (1, 7) if layout in ("llama", "gpt_oss") else (7,):
        assert load_whole(folder, batch_size=batch_size).generate(REQUESTS, SAMPLING) == whole
    again = load_whole(folder, batch_size=5)
    assert again.generate(REQUESTS[::-1], SAMPLING)[::-1] == whole
    assert again.generate(REQUESTS[2:4], SAMPLING) == whole[2:4]


def test_different_seeds_draw_different_samples(model: Any) -> None:
    (samples,) = model.generate([GenerationRequest("x", tuple(range(8)))], SAMPLING)
    assert len({sample.text for sample in samples}) == 8


@pytest.mark.parametrize("layout", ["llama", "mistral", "gpt_oss"])
def test_greedy_writes_what_the_library_writes(layout: str, tmp_path: Path) -> None:
    ours = load_whole(make_model(tmp_path, layout))
    written = ours.generate([GenerationRequest(request.prompt, (0,)) for request in REQUESTS], GREEDY)
    for request, (sample,) in zip(REQUESTS, written, strict=True):
        ids = torch.tensor([ours._texts.prompt(request.prompt)])
        whole = ours._evaluated.generate(ids, do_sample=False, max_new_tokens=24, pad_token_id=0)
        assert sample.text == ours._texts.text(whole[0, ids.shape[1] :].tolist())


def test_steps_tell_every_token_and_each_sample_once(model: Any) -> None:
    requests = [*REQUESTS, GenerationRequest("none wanted", ())]
    steps = list(model.draw(requests, SAMPLING))
    ended = [one for step in steps for one in step.ended]
    assert len({(one.request, one.sample) for one in ended}) == len(ended) == sum(len(r.seeds) for r in requests)
    assert sum(step.tokens for step in steps) == sum(one.completion.tokens for one in ended)
    assert len(steps) >= SAMPLING.max_new_tokens
    written = model.generate(requests, SAMPLING)
    assert all(written[one.request][one.sample] == one.completion for one in ended)
    assert written[len(REQUESTS)] == []


def test_work_that_is_left_ends_between_two_steps(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leaving = load_whole(llama, batch_size=64)
    network, calls = leaving._evaluated, []
    real = type(network).forward
    monkeypatch.setattr(type(network), "forward", lambda *a, **k: (calls.append(1), real(*a, **k))[1])
    steps = leaving.draw(REQUESTS, SAMPLING)
    next(steps), next(steps)
    steps.close()
    # the prompt, and one more step
    assert len(calls) == 2


def test_memory_that_runs_out_in_mid_batch_keeps_the_samples_that_have_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_model(tmp_path, seed=1, initializer_range=0.001)
    long = SamplingSettings(1.0, 1.0, 0, 120)
    requests = [GenerationRequest("x" * n, tuple(range(10 * n, 10 * n + 5))) for n in (1, 3, 2)]
    whole = load_whole(folder, batch_size=64)
    expected, real, asked = whole.generate(requests, long), model_module.generate_batch, []

    def starving(model: Any, texts: Any, prompts: Any, settings: Any) -> Any:
        rows = sum(len(prompt.seeds) for prompt in prompts)
        asked.append(rows)
        ended = 0
        for step in real(model, texts, prompts, settings):
            yield step
            ended += len(step.ended)
            if rows == 15 and ended >= 2:
                raise torch.OutOfMemoryError("tried to allocate")

    monkeypatch.setattr(model_module, "generate_batch", starving)
    ended = [one for step in whole.draw(requests, long) for one in step.ended]
    assert len(ended) == 15
    assert asked[0] == 15
    assert sum(asked[1:]) <= 13, "what had ended is not drawn again"
    assert all(expected[one.request][one.sample] == one.completion for one in ended)


@pytest.mark.parametrize("stop", [(), ("a", "e")])
def test_the_library_s_own_loop_tells_the_same_samples_step_by_step(stop: tuple[str, ...], tmp_path: Path) -> None:
    ours = load_whole(make_model(tmp_path, seed=1, initializer_range=0.001), batch_size=64)
    settings = SamplingSettings(1.0, 1.0, 0, 60, stop)
    prompts = [PromptSamples(tuple(ours._texts.prompt(r.prompt)), r.seeds) for r in REQUESTS]
    told = [list(loop(ours._evaluated, ours._texts, prompts, settings)) for loop in (library_loop, our_loop)]
    rows = [{row: completion for step in steps for row, completion in step.ended} for steps in told]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 18
    assert [step.tokens for step in told[0]] == [step.tokens for step in told[1]]


def test_the_library_s_own_loop_ends_when_it_is_left_and_says_what_went_wrong(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = [PromptSamples(tuple(model._texts.prompt("local x = ")), (1, 2))]
    steps = library_loop(model._evaluated, model._texts, prompts, SAMPLING)
    assert next(steps).tokens == 2
    began = threading.active_count()
    steps.close()
    assert threading.active_count() == began - 1
    monkeypatch.setattr(type(model._evaluated), "generate", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(library_loop(model._evaluated, model._texts, prompts, SAMPLING))


def test_a_sample_ends_at_the_end_token(tmp_path: Path) -> None:
    ending = load_whole(make_model(tmp_path, seed=1, vocab_size=258, initializer_range=0.001))
    # nearly flat logits: each of 258 tokens at each step, so that many samples end early
    long = SamplingSettings(1.0, 1.0, 0, 200)
    (samples,) = ending.generate([GenerationRequest("x", tuple(range(64)))], long)
    ended = [sample for sample in samples if sample.finish == "stop"]
    assert 5 < len(ended) < 60
    assert all(sample.tokens < 200 for sample in ended)
    assert all(END not in sample.text for sample in samples)
    assert all(sample.tokens == 200 for sample in samples if sample.finish == "length")


def test_finished_rows_leave_without_changing_the_others(tmp_path: Path) -> None:
    folder = make_model(tmp_path, seed=1, initializer_range=0.001)
    long = SamplingSettings(1.0, 1.0, 0, 120)
    requests = [GenerationRequest("x" * n, tuple(range(10 * n, 10 * n + 5))) for n in (1, 3, 2)]
    together = load_whole(folder, batch_size=64).generate(requests, long)
    assert together == load_whole(folder, batch_size=1).generate(requests, long)
    assert any(sample.finish == "stop" for samples in together for sample in samples)


def test_a_stop_string_ends_a_sample_and_is_cut(model: Any) -> None:
    (whole,) = model.generate(REQUESTS[:1], SAMPLING)
    ascii_letters = [letter for sample in whole for letter in sample.text if letter.isascii() and letter.isalnum()]
    stop = ascii_letters[len(ascii_letters) // 2]
    stopping = SamplingSettings(0.8, 0.95, 0, 24, (stop, "never written"))
    (stopped,) = model.generate(REQUESTS[:1], stopping)
    assert [sample.text for sample in stopped] == [sample.text.split(stop)[0] for sample in whole]
    for cut, full in zip(stopped, whole, strict=True):
        assert cut.finish == ("stop" if stop in full.text else full.finish)
        assert (cut.tokens < full.tokens) == (stop in full.text[:-1])


def test_a_prompt_longer_than_the_context_is_refused(model: Any) -> None:
    with pytest.raises(Refusal, match=r"A prompt of 500 tokens .* context of 512"):
        model.generate([GenerationRequest("x" * 500, (1,))], SAMPLING)


def test_running_out_of_memory_halves_the_batch_and_changes_no_sample(
    llama: Path, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    real = model_module.generate_batch

    def small_memory(model: Any, texts: Any, prompts: Any, settings: Any) -> Any:
        rows = sum(len(prompt.seeds) for prompt in prompts)
        sizes.append(rows)
        if rows > 5:
            raise torch.OutOfMemoryError("tried to allocate")
        return real(model, texts, prompts, settings)

    expected = model.generate(REQUESTS, SAMPLING)
    starved = load_whole(llama, batch_size=18)
    monkeypatch.setattr(model_module, "generate_batch", small_memory)
    assert starved.generate(REQUESTS, SAMPLING) == expected
    assert sizes[:4] == [18, 9, 5, 4]
    assert "memory ran out" in starved.choices["batch_size"]


def test_one_row_that_does_not_fit_is_refused(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*arguments: Any) -> Any:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate")

    monkeypatch.setattr(model_module, "generate_batch", no_memory)
    with pytest.raises(Refusal, match="does not fit into memory"):
        load_whole(llama).generate(REQUESTS, SAMPLING)


def test_an_error_that_is_no_memory_error_is_not_swallowed(llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> Any:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(model_module, "generate_batch", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        load_whole(llama).generate(REQUESTS, SAMPLING)


def test_log_prob_adds_up_the_answer_token_by_token(model: Any) -> None:
    scores = logits(model._evaluated, model._texts.prompt("local x = 1")).double().log_softmax(-1)
    tokens = model._texts.answer("= 1")
    expected = sum(float(scores[0, 7 + place, token]) for place, token in enumerate(tokens))
    assert model.log_prob("local x ", "= 1") == pytest.approx(expected, abs=1e-9)
    assert model.log_prob("local x ", "") == 0.0


def test_a_chat_template_is_used_where_there_is_one(model: Any, tmp_path: Path) -> None:
    assert model.apply_chat_template("hello") is None
    assert load_whole(make_model(tmp_path, chat=True)).apply_chat_template("hello") == "<|user|>hello\n<|assistant|>"
