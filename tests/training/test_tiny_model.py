"""The shipped base models: small, loadable by name alone, and able to copy names they have never seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.dealing.words import DEV_WORDS, TEST_WORDS
from training.tiny.texts import Text, batches, encode, tensors

TINY = Path(__file__).parents[2] / "training" / "tiny"
# folder, domain, and a word of the corpus its tokenizer was learnt from, which is one token
MODELS = {"model": ("luanti", "core"), "roblox_model": ("roblox", "core")}


@pytest.fixture(scope="module", params=MODELS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def folder(name: str) -> Path:
    return TINY / name


@pytest.fixture(scope="module")
def tokenizer(folder: Path):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def model(folder: Path):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder)


def test_the_weights_are_small_enough_for_the_repository(folder):
    assert (folder / "model.safetensors").stat().st_size <= 4_000_000
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 4_200_000


def test_the_folder_holds_what_a_hugging_face_loader_wants(folder):
    wanted = {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}
    assert wanted <= {file.name for file in folder.iterdir()}


def test_the_model_has_about_two_million_parameters_in_16_bit(model):
    import torch

    assert 1_500_000 < sum(weight.numel() for weight in model.parameters()) < 4_000_000
    assert model.dtype == torch.float16


def test_model_and_tokenizer_agree_on_the_end_token(model, tokenizer):
    assert model.config.eos_token_id == tokenizer.eos_token_id == model.generation_config.eos_token_id
    assert model.config.pad_token_id == tokenizer.pad_token_id != tokenizer.eos_token_id


def test_the_tokenizer_has_no_chat_template(tokenizer):
    assert tokenizer.chat_template is None


@pytest.mark.parametrize("word", [*DEV_WORDS, *TEST_WORDS])
def test_a_name_has_the_same_tokens_in_a_prompt_and_in_a_program(tokenizer, word: str):
    alone = tokenizer.tokenize(word)
    around = ("a node {} of", '("{}:x', "x:{} 12", '"x:{}"', "'{}.png'", "\t_x = {},\n", "({})", "{}.")
    for context in around:
        before, after = context.split("{}")
        assert tokenizer.tokenize(before + word + after) == [
            *tokenizer.tokenize(before),
            *alone,
            *tokenizer.tokenize(after),
        ]


def test_digits_are_single_tokens(tokenizer):
    assert tokenizer.tokenize("2048") == ["2", "0", "4", "8"]


@pytest.mark.parametrize(
    "text", ["a\tb\n\n c", "été ☃ 漢字", "", "--- init.lua\n+++ init.lua\n@@ -2 +2 @@\n-\tx\n+\ty,\n"]
)
def test_a_text_survives_encoding(tokenizer, text: str):
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_the_tokenizer_adds_no_token_of_its_own(name, tokenizer):
    _, word = MODELS[name]
    ids = tokenizer(word)["input_ids"]
    assert tokenizer.eos_token_id not in ids
    assert len(ids) == 1


def test_the_card_says_what_the_model_is_not(name, folder):
    domain, _ = MODELS[name]
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "say nothing about real models" in card
    assert f"python -m eval.domains.{domain}.mini corpus" in card
    assert f"--out training/tiny/{name} " in card


def test_the_training_report_names_recipe_and_tokens(folder):
    report = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    assert report["recipe"]["vocabulary"] == 1024
    assert report["tokens"] > 1_000_000


def test_the_loss_weighs_answers_and_end_but_no_padding(tokenizer):
    encoded = encode([Text("ask", "core"), Text("ask ask ask", "core.core")], tokenizer)
    ids, weights = tensors(encoded, tokenizer.pad_token_id, prompt_weight=0.1)
    first = encoded[0]
    assert ids.shape == weights.shape == (2, len(encoded[1].ids))
    assert weights[0, : first.prompt_tokens].tolist() == pytest.approx([0.1] * first.prompt_tokens)
    assert weights[0, first.prompt_tokens : len(first.ids)].tolist() == [1.0] * (len(first.ids) - first.prompt_tokens)
    assert weights[0, len(first.ids) :].sum() == 0
    assert first.ids[-1] == tokenizer.eos_token_id


def test_an_epoch_holds_every_text_once(tokenizer):
    import random

    encoded = encode([Text("ask " * number, "core") for number in range(1, 12)], tokenizer)
    epoch = batches(encoded, 4, random.Random(0))
    assert sorted(map(len, epoch)) == [3, 4, 4]
    assert sorted(text.ids for batch in epoch for text in batch) == sorted(text.ids for text in encoded)
