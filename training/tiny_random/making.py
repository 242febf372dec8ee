"""Writing a random model's folder: the library's own layout on disk, every tensor drawn from its own random stream."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.tiny_random.architectures import SMALL, Architecture

TOKENIZER = Path(__file__).resolve().parent.parent / "tiny" / "model" / "tokenizer.json"
END, PAD = "<|end|>", "<|pad|>"
# wide enough that logits differ clearly from token to token
_SPREAD = 0.2


def make_model(folder: Path, kind: Architecture, seed: int, sizes: dict[str, Any] | None = None) -> None:
    """Write configuration, weights (bfloat16, as most are released) and tokenizer of a random ``kind`` into ``folder``.

    The weights follow from ``seed`` and the tensors' names and shapes alone, whatever the library's version.

    Args:
        sizes: configuration values that replace those of ``kind``.
    """
    vocabulary = write_tokenizer(folder, kind)
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig
    from transformers.utils import logging as library_logging

    library_logging.set_verbosity_error()
    library_logging.disable_progress_bar()
    ends = [vocabulary[token] for token in kind.ends]
    settings = {
        **SMALL,
        "vocab_size": len(vocabulary),
        "bos_token_id": vocabulary[kind.start_token] if kind.start_token else None,
        "eos_token_id": ends[0],
        "pad_token_id": vocabulary[PAD],
        **kind.sizes,
        **(sizes or {}),
    }
    config = AutoConfig.for_model(kind.model_type, **settings)
    model = AutoModelForCausalLM.from_config(config)
    _draw(model, seed)
    model.to(torch.bfloat16)
    model.generation_config = GenerationConfig(
        bos_token_id=settings["bos_token_id"], eos_token_id=ends, pad_token_id=vocabulary[PAD]
    )
    model.save_pretrained(folder)


def write_tokenizer(folder: Path, kind: Architecture) -> dict[str, int]:
    """Write the embedded model's tokenizer with the special tokens of ``kind``; return its vocabulary."""
    from tokenizers import Tokenizer, processors

    tokenizer = Tokenizer.from_file(str(TOKENIZER))
    tokenizer.add_special_tokens(list(kind.tokens))
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    if kind.start_token:
        start = kind.start_token
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{start} $A",
            pair=f"{start} $A {start} $B",
            special_tokens=[(start, vocabulary[start])],
        )
    tokenizer.save(str(folder / "tokenizer.json"))
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": kind.ends[0],
        "pad_token": PAD,
        "clean_up_tokenization_spaces": False,
        "model_max_length": SMALL["max_position_embeddings"],
    }
    if kind.start_token:
        config["bos_token"] = kind.start_token
    if kind.chat_template:
        config["chat_template"] = kind.chat_template
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return vocabulary


@torch.no_grad()
def _draw(model: Any, seed: int) -> None:
    """Fill every matrix with normal numbers of its own stream, and every vector of a bias or sink with small ones."""
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2 and not name.endswith(("bias", "sinks")):
            continue
        key = int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:8], "big")
        numbers = np.random.Generator(np.random.Philox(key=key)).standard_normal(tuple(parameter.shape))
        spread = _SPREAD if parameter.ndim >= 2 else _SPREAD / 10
        parameter.copy_(torch.from_numpy(numbers * spread))
