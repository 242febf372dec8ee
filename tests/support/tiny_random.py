"""Model folders with random weights and a byte-level tokenizer, for tests: right in layout, fast, and useless."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

END = "<|end|>"
START = "<|start|>"
CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
LAYOUTS = ("llama", "mistral", "qwen2", "mixtral", "gpt_oss")

_SMALL = {
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "max_position_embeddings": 512,
}


def make_model(folder: Path, layout: str = "llama", seed: int = 0, chat: bool = False, **config: Any) -> Path:
    """Write a model of ``layout`` with its tokenizer into ``folder``; ``config`` overrides the small sizes."""
    import torch
    from transformers import AutoModelForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = make_tokenizer(folder, chat=chat)
    torch.manual_seed(seed)
    settings = {**_SMALL, "vocab_size": vocabulary, "bos_token_id": None, "eos_token_id": 0, "pad_token_id": 0}
    # wide enough that the logits differ from token to token
    settings |= {"initializer_range": 0.2, **_extra(layout), **config}
    model = AutoModelForCausalLM.from_config(_config(layout, settings))
    model.save_pretrained(folder)
    return folder


def make_tokenizer(folder: Path, chat: bool = False) -> int:
    """Write a byte-level tokenizer without merges into ``folder``; return its vocabulary size."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([END, START, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([END, START])
    tokenizer.save(str(folder / "tokenizer.json"))
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 512,
    }
    if chat:
        config["chat_template"] = CHAT_TEMPLATE
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return len(vocabulary)


def _config(layout: str, settings: dict[str, Any]) -> Any:
    from transformers import AutoConfig

    return AutoConfig.for_model(layout, **settings)


def _extra(layout: str) -> dict[str, Any]:
    if layout == "mistral":
        return {"sliding_window": 16}
    if layout == "mixtral":
        return {"num_local_experts": 4, "num_experts_per_tok": 2}
    if layout == "gpt_oss":
        return {
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "head_dim": 16,
            "sliding_window": 8,
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        }
    return {}
