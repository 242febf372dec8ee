"""Samples follow from their own seeds alone, end where they should, and survive too little memory."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from eval.pipeline.sampling import GenerationRequest
from tests.support.model_work import REQUESTS, SAMPLING, load_whole, logits
from tests.support.settings import sampling_settings
from tests.support.tiny_random import LAYOUTS, make_model
from training.backends.local.batched_model import PromptSamples
from training.backends.transformers_peft.generation import generate_batch as our_loop
from training.backends.unsloth.generating import generate_batch as library_loop

GREEDY = sampling_settings(temperature=0.0, top_p=1.0, top_k=0, max_new_tokens=24)


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


@pytest.mark.parametrize("layout", ["llama", "mistral", "gpt_oss"])
def test_greedy_writes_what_the_library_writes(layout: str, tmp_path: Path) -> None:
    ours = load_whole(make_model(tmp_path, layout))
    written = ours.generate([GenerationRequest(request.prompt, (0,)) for request in REQUESTS], GREEDY)
    for request, (sample,) in zip(REQUESTS, written, strict=True):
        ids = torch.tensor([ours._texts.prompt(request.prompt)])
        whole = ours._evaluated.generate(ids, do_sample=False, max_new_tokens=24, pad_token_id=0)
        assert sample.text == ours._texts.text(whole[0, ids.shape[1] :].tolist())


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


@pytest.mark.parametrize("stop", [(), ("a", "e")])
def test_the_library_s_own_loop_reports_the_same_samples_step_by_step(stop: tuple[str, ...], tmp_path: Path) -> None:
    ours = load_whole(make_model(tmp_path, seed=1, initializer_range=0.001), batch_size=64)
    settings = sampling_settings(1.0, 1.0, 0, 60, stop)
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


def test_log_prob_adds_up_the_answer_token_by_token(model: Any) -> None:
    scores = logits(model._evaluated, model._texts.prompt("local x = 1")).double().log_softmax(-1)
    tokens = model._texts.answer("= 1")
    expected = sum(float(scores[0, 7 + place, token]) for place, token in enumerate(tokens))
    assert model.log_prob("local x ", "= 1") == pytest.approx(expected, abs=1e-9)
    assert model.log_prob("local x ", "") == 0.0
