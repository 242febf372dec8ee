"""Claims about generation: samples follow from their own seeds, adapters leave no trace, memory runs out gracefully."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_random import END, LAYOUTS, make_model

from env.refusal import Refusal
from eval.sampling import GenerationRequest, SamplingSettings
from training.backends import load_model
from training.backends.batching import balanced_rows, halves, plan_batches
from training.backends.sharding import Shard
from training.backends.transformers_peft import model as model_module
from training.backends.transformers_peft.drawing import draw, uniform_numbers
from training.hooks import NoHooks
from training.records import Example, LoraSettings, ModelSettings, TrainSettings

SAMPLING = SamplingSettings(temperature=0.8, top_p=0.95, top_k=0, max_new_tokens=24)
GREEDY = SamplingSettings(temperature=0.0, top_p=1.0, top_k=0, max_new_tokens=24)
REQUESTS = [GenerationRequest("local x = " * n, (n, n + 100, n + 200)) for n in (3, 1, 6, 2, 4, 5)]


def load(folder: Path, **options: Any) -> Any:
    options = {"quantization": "none", "device": "cpu", "threads": 1, **options}
    return load_model("transformers_peft", ModelSettings(str(folder), **options))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return load(folder)


@pytest.fixture(scope="module")
def quantized(folder: Path) -> Any:
    return load(folder, quantization="nf4")


@pytest.fixture(scope="module")
def adapter_folder(quantized: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(quantized, tmp_path_factory.mktemp("adapter"))


def trained(model: Any, folder: Path, **lora: Any) -> Path:
    examples = [Example(f"square of {n}: ", str(n * n)) for n in range(20)]
    chosen = LoraSettings(r=4, alpha=8.0, target_modules=("q_proj", "down_proj"), layers=(-2, -1), **lora)
    steps = TrainSettings(max_steps=3, batch_size=4, learning_rate=3e-2, checkpoint_every=3)
    return Path(model.train(examples, chosen, steps, folder, NoHooks()).checkpoints[-1].folder)


def logits(model: Any, text: str = "local x = 1") -> torch.Tensor:
    with torch.inference_mode():
        return model._evaluated(input_ids=torch.tensor([model._texts.prompt(text)])).logits


# --- which samples generate together


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 9)), max_size=20), st.integers(1, 16), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_every_sample_is_planned_once_and_no_batch_is_too_large(
    asked: list[tuple[int, int]], batch_size: int, processes: int
) -> None:
    lengths, counts = [length for length, _ in asked], [count for _, count in asked]
    rows = balanced_rows(sum(counts), batch_size, processes)
    batches = plan_batches(lengths, counts, rows)
    planned = [(share.request, sample) for batch in batches for share in batch.shares for sample in share.samples]
    assert sorted(planned) == [(request, sample) for request, count in enumerate(counts) for sample in range(count)]
    assert all(0 < batch.rows <= rows <= batch_size for batch in batches)


def test_halves_hold_the_same_samples() -> None:
    (batch,) = plan_batches([5, 3], [3, 4], 7)
    first, second = halves(batch)
    assert (first.rows, second.rows) == (4, 3)
    samples = {(share.request, sample) for half in (first, second) for share in half.shares for sample in share.samples}
    assert len(samples) == 7


# --- drawing one token


def test_tokens_are_drawn_with_their_probabilities() -> None:
    scores = torch.tensor([[2.0, 0.5, 1.0, -1.0, 0.0]])
    drawn = draw(scores.expand(20000, -1), uniform_numbers(range(20000), 1)[:, 0], 0.7, 0, 1.0)
    counts = torch.bincount(drawn, minlength=5).double()
    expected = (scores[0].double() / 0.7).softmax(0) * 20000
    # 18.47 is the 0.999 quantile of chi-square with 4 degrees of freedom (scipy.stats.chi2.ppf)
    assert float(((counts - expected) ** 2 / expected).sum()) < 18.47


@pytest.mark.parametrize(
    ("top_k", "top_p", "kept"),
    [(0, 0.5, {0}), (0, 0.8, {0, 1}), (2, 1.0, {0, 1}), (3, 0.99, {0, 1, 2}), (0, 1.0, {0, 1, 2, 3}), (9, 0.7, {0, 1})],
)
def test_only_kept_tokens_are_drawn_and_all_of_them(top_k: int, top_p: float, kept: set[int]) -> None:
    scores = torch.tensor([0.6, 0.3, 0.08, 0.02]).log().expand(4000, -1)
    drawn = draw(scores, uniform_numbers(range(4000), 1)[:, 0], 1.0, top_k, top_p)
    assert set(drawn.tolist()) == kept


def test_a_nucleus_wider_than_the_candidates_is_drawn_whole() -> None:
    flat = torch.zeros(3000, 200)
    drawn = draw(flat, uniform_numbers(range(3000), 1)[:, 0], 1.0, 0, 0.95)
    assert len(set(drawn.tolist())) == 190


def test_a_narrow_row_draws_the_same_beside_a_wide_one() -> None:
    scores = torch.stack([torch.zeros(200), torch.linspace(0, 60, 200)])
    numbers = uniform_numbers([1, 2], 1)[:, 0]
    assert draw(scores, numbers, 1.0, 0, 0.95)[1] == draw(scores[1:], numbers[1:], 1.0, 0, 0.95)[0]


def test_two_nearly_equal_tokens_that_swap_places_draw_the_same() -> None:
    numbers = uniform_numbers(range(500), 1)[:, 0]
    one = draw(torch.tensor([1.0, 1.0 + 1e-6, 0.5]).expand(500, -1), numbers, 1.0, 0, 0.99)
    other = draw(torch.tensor([1.0 + 1e-6, 1.0, 0.5]).expand(500, -1), numbers, 1.0, 0, 0.99)
    assert torch.equal(one, other)


@pytest.mark.parametrize("number", [0.0, 1.0 - 2.0**-53])
def test_the_ends_of_the_unit_interval_draw_kept_tokens(number: float) -> None:
    scores = torch.tensor([[0.0, 40.0, 39.0, 0.0]])
    assert int(draw(scores, torch.tensor([number], dtype=torch.float64), 1.0, 0, 0.9)[0]) in (1, 2)


def test_a_stream_belongs_to_its_seed() -> None:
    first = uniform_numbers([5, 6], 4)
    assert torch.equal(first[1], uniform_numbers([9, 8, 6], 4)[2])
    assert torch.equal(first, uniform_numbers([5, 6], 9)[:, :4])
    # numpy 2.4: np.random.Generator(np.random.Philox(key=5)).random(2)
    assert first[0, :2].tolist() == pytest.approx(PHILOX_5)


PHILOX_5 = [0.7337459554446363, 0.5905206445727093]

# --- generating


@pytest.mark.parametrize("layout", LAYOUTS)
def test_batches_orders_and_subsets_change_no_sample(layout: str, tmp_path: Path) -> None:
    folder = make_model(tmp_path, layout)
    whole = load(folder, batch_size=64).generate(REQUESTS, SAMPLING)
    for batch_size in (1, 7) if layout in ("llama", "gpt_oss") else (7,):
        assert load(folder, batch_size=batch_size).generate(REQUESTS, SAMPLING) == whole
    again = load(folder, batch_size=5)
    assert again.generate(REQUESTS[::-1], SAMPLING)[::-1] == whole
    assert again.generate(REQUESTS[2:4], SAMPLING) == whole[2:4]


def test_different_seeds_draw_different_samples(model: Any) -> None:
    (samples,) = model.generate([GenerationRequest("x", tuple(range(8)))], SAMPLING)
    assert len({sample.text for sample in samples}) == 8


@pytest.mark.parametrize("layout", ["llama", "mistral", "gpt_oss"])
def test_greedy_writes_what_the_library_writes(layout: str, tmp_path: Path) -> None:
    ours = load(make_model(tmp_path, layout))
    written = ours.generate([GenerationRequest(request.prompt, (0,)) for request in REQUESTS], GREEDY)
    for request, (sample,) in zip(REQUESTS, written, strict=True):
        ids = torch.tensor([ours._texts.prompt(request.prompt)])
        whole = ours._evaluated.generate(ids, do_sample=False, max_new_tokens=24, pad_token_id=0)
        assert sample.text == ours._texts.text(whole[0, ids.shape[1] :].tolist())


def test_a_stream_yields_each_request_once_with_the_same_samples(model: Any) -> None:
    requests = [*REQUESTS, GenerationRequest("none wanted", ())]
    streamed = dict(model.stream(requests, SAMPLING))
    assert [streamed[number] for number in range(len(requests))] == model.generate(requests, SAMPLING)
    assert streamed[len(REQUESTS)] == []


def test_a_sample_ends_at_the_end_token(folder: Path, tmp_path: Path) -> None:
    ending = load(make_model(tmp_path, seed=1, vocab_size=258, initializer_range=0.001))
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
    together = load(folder, batch_size=64).generate(requests, long)
    assert together == load(folder, batch_size=1).generate(requests, long)
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
    folder: Path, model: Any, monkeypatch: pytest.MonkeyPatch
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
    starved = load(folder, batch_size=18)
    monkeypatch.setattr(model_module, "generate_batch", small_memory)
    assert starved.generate(REQUESTS, SAMPLING) == expected
    assert sizes[:4] == [18, 9, 5, 4]
    assert "memory ran out" in starved.choices["batch_size"]


def test_one_row_that_does_not_fit_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*arguments: Any) -> Any:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate")

    monkeypatch.setattr(model_module, "generate_batch", no_memory)
    with pytest.raises(Refusal, match="does not fit into memory"):
        load(folder).generate(REQUESTS, SAMPLING)


def test_an_error_that_is_no_memory_error_is_not_swallowed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> Any:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(model_module, "generate_batch", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        load(folder).generate(REQUESTS, SAMPLING)


def test_log_prob_adds_up_the_answer_token_by_token(model: Any) -> None:
    scores = logits(model, "local x = 1").double().log_softmax(-1)
    tokens = model._texts.answer("= 1")
    expected = sum(float(scores[0, 7 + place, token]) for place, token in enumerate(tokens))
    assert model.log_prob("local x ", "= 1") == pytest.approx(expected, abs=1e-9)
    assert model.log_prob("local x ", "") == 0.0


def test_a_chat_template_is_used_where_there_is_one(model: Any, tmp_path: Path) -> None:
    assert model.apply_chat_template("hello") is None
    assert load(make_model(tmp_path, chat=True)).apply_chat_template("hello") == "<|user|>hello\n<|assistant|>"


# --- wearing an adapter


def test_an_adapter_changes_the_model_and_leaves_the_base_bit_for_bit(quantized: Any, adapter_folder: Path) -> None:
    before = logits(quantized)
    with quantized.adapter(adapter_folder, 1.0):
        assert not torch.equal(logits(quantized), before)
    assert torch.equal(logits(quantized), before)
    with quantized.adapter(adapter_folder, 0.0):
        assert torch.equal(logits(quantized), before)


def test_the_base_is_restored_after_an_error(quantized: Any, adapter_folder: Path) -> None:
    before = logits(quantized)
    with pytest.raises(KeyError), quantized.adapter(adapter_folder, 0.5):
        raise KeyError("anything")
    assert torch.equal(logits(quantized), before)
    with quantized.adapter(adapter_folder, 0.0):
        pass


@pytest.mark.parametrize("kind", [{}, {"rslora": True}, {"dora": True}])
@pytest.mark.parametrize("evaluation", ["dequantized", "quantized"])
def test_an_adapter_computes_what_peft_computes(
    folder: Path, kind: dict[str, bool], evaluation: str, tmp_path: Path
) -> None:
    from peft import PeftModel
    from peft.helpers import rescale_adapter_scale

    model = load(folder, quantization="nf4", evaluation=evaluation)
    adapter = trained(model, tmp_path, **kind)
    if kind.get("dora") and evaluation == "quantized":
        with pytest.raises(Refusal, match="DoRA"), model.adapter(adapter, 1.0):
            pass
        return
    for scale in (1.0,) if kind.get("dora") else (1.0, 0.5):
        with model.adapter(adapter, scale):
            ours = logits(model)
        theirs = PeftModel.from_pretrained(model._loaded.model, adapter).eval()
        with torch.inference_mode(), rescale_adapter_scale(theirs, scale):
            expected = theirs(input_ids=torch.tensor([model._texts.prompt("local x = 1")])).logits
        theirs.unload()
        assert torch.allclose(ours, expected, atol=2e-4)
        assert not torch.allclose(logits(model), expected, atol=1e-2)


def test_half_scale_is_half_the_change_of_the_weights(quantized: Any, adapter_folder: Path) -> None:
    weight = quantized._evaluated.get_submodule("model.layers.2.mlp.down_proj")
    base = weight.weight.data.clone()
    with quantized.adapter(adapter_folder, 1.0):
        full = weight.weight.data - base
    with quantized.adapter(adapter_folder, 0.5):
        half = weight.weight.data - base
    assert torch.allclose(half, full / 2, atol=1e-6)
    assert float(full.abs().max()) > 1e-3


def test_two_adapters_at_once_are_an_error(quantized: Any, adapter_folder: Path) -> None:
    with (
        quantized.adapter(adapter_folder, 1.0),
        pytest.raises(RuntimeError, match="worn already"),
        quantized.adapter(adapter_folder, 1.0),
    ):
        pass


def test_an_adapter_of_another_base_is_refused(adapter_folder: Path, tmp_path: Path) -> None:
    other = load(make_model(tmp_path, seed=5), quantization="nf4")
    with pytest.raises(Refusal, match="another base model"), other.adapter(adapter_folder, 1.0):
        pass


def test_an_adapter_of_another_shape_is_refused_without_a_manifest(adapter_folder: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(adapter_folder, tmp_path / "bare", ignore=shutil.ignore_patterns("CHECKPOINT.json"))
    other = load(make_model(tmp_path / "wide", hidden_size=128))
    with pytest.raises(Refusal, match=r"is \(\d+, \d+\) in the adapter"), other.adapter(bare, 1.0):
        pass
    shallow = load(make_model(tmp_path / "shallow", num_hidden_layers=1))
    with pytest.raises(Refusal, match="no linear module"), shallow.adapter(bare, 1.0):
        pass


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda folder: (folder / "adapter_model.safetensors").unlink(), "no adapter folder"),
        (lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"x"), "SHA-256 differs"),
        (lambda folder: (folder / "adapter_config.json").write_text("{}"), "SHA-256 differs"),
    ],
)
def test_a_damaged_adapter_is_refused(
    quantized: Any, adapter_folder: Path, tmp_path: Path, damage: Any, says: str
) -> None:
    copy = shutil.copytree(adapter_folder, tmp_path / adapter_folder.name)
    damage(copy)
    with pytest.raises(Refusal, match=says), quantized.adapter(copy, 1.0):
        pass


# --- several processes


@pytest.fixture(scope="module")
def two_processes(folder: Path) -> Iterator[Any]:
    with load(folder, quantization="nf4", batch_size=4, processes=2) as sharded:
        yield sharded


def test_two_processes_generate_what_one_does(two_processes: Any, quantized: Any) -> None:
    assert two_processes.generate(REQUESTS, SAMPLING) == quantized.generate(REQUESTS, SAMPLING)
    assert dict(two_processes.stream(REQUESTS, SAMPLING)) == dict(quantized.stream(REQUESTS, SAMPLING))


def test_an_adapter_is_worn_in_every_process(two_processes: Any, quantized: Any, adapter_folder: Path) -> None:
    with quantized.adapter(adapter_folder, 0.5):
        expected = quantized.generate(REQUESTS, SAMPLING)
    with two_processes.adapter(adapter_folder, 0.5):
        assert two_processes.generate(REQUESTS, SAMPLING) == expected
    assert two_processes.generate(REQUESTS, SAMPLING) == quantized.generate(REQUESTS, SAMPLING) != expected


def test_a_process_that_died_is_an_error_and_not_a_missing_sample(folder: Path) -> None:
    shard = Shard("training.backends.transformers_peft", ModelSettings(str(folder)))
    shard._process.kill()
    with pytest.raises(RuntimeError, match="ended with exit status -9"):
        shard.ask("bare")
    shard.close()


def test_a_process_that_fails_or_refuses_says_why(folder: Path) -> None:
    shard = Shard("training.backends.no_such_backend", ModelSettings(str(folder)))
    with pytest.raises(RuntimeError, match="ModuleNotFoundError"):
        shard.ask("bare")
    shard.close()
    shard = Shard("training.backends.unsloth", ModelSettings(str(folder)))
    with pytest.raises(Refusal, match="backend = 'unsloth'"):
        shard.ask("bare")
    shard.close()
