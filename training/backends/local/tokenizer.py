"""A model's tokenizer with its end tokens, by one rule for every backend; its faults are known before weights load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from env.refusal import Refusal
from training.backends.local.texts import Texts

_GENERATION = "generation_config.json"


def load_texts(folder: Path, configured_ends: Any, vocabulary: int | None) -> Texts:
    """Return the tokenizer in ``folder`` with every token that ends an answer.

    Args:
        configured_ends: ``eos_token_id`` of config.json: a number, several, or None.
        vocabulary: how many tokens the model knows; None is unknown.

    Raises:
        Refusal: tokenizer or template cannot be used, a token is beyond the vocabulary, or nothing ends an answer.
    """
    tokenizer = _read_tokenizer(folder)
    named = {
        "tokenizer": tokenizer.eos_token_id,
        "config.json": configured_ends,
        _GENERATION: _generation_ends(folder),
    }
    ends = [token for source, found in named.items() for token in _numbers(folder / source, found, tokenizer)]
    for token in ends:
        if vocabulary is not None and token >= vocabulary:
            raise Refusal(
                f"{folder}: end token {token} is beyond the model's {vocabulary:,} tokens.",
                "Name an end token that the model knows, or give the folder that this tokenizer belongs to.",
            )
    texts = Texts(tokenizer, tuple(ends), vocabulary)
    if not texts.end_tokens:
        raise Refusal(f"{folder}: neither tokenizer nor configuration names an end token.", "Set eos_token.")
    return texts


def _read_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        # tokenizers raises whatever its parser met, by no class of its own
        said = " ".join(str(error).split())[:200]
        if "trust_remote_code" in said:
            raise needs_own_code(folder, "tokenizer") from error
        raise Refusal(
            f"{folder}: tokenizer cannot be loaded: {type(error).__name__}: {said}",
            "Restore the file, or download the model again.",
        ) from error


def needs_own_code(folder: Path, part: str) -> Refusal:
    """Return the refusal of a model whose ``part`` only works by code in its folder, which is never run."""
    return Refusal(
        f"{folder}: its {part} needs code of its own (auto_map), which is never run.",
        "Use a model whose architecture is part of the installed library.",
    )


def _generation_ends(folder: Path) -> Any:
    path = folder / _GENERATION
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("eos_token_id")
    except (OSError, ValueError, AttributeError) as error:
        raise Refusal(
            f"{path}: cannot be loaded: {type(error).__name__}: {error}", "Restore the file, or remove it."
        ) from error


def _numbers(source: Path, found: Any, tokenizer: Any) -> list[int]:
    """Return ``eos_token_id`` as a list of numbers. Raises Refusal where it is none."""
    tokens = found if isinstance(found, list) else [] if found is None else [found]
    for token in tokens:
        if not isinstance(token, int) or isinstance(token, bool) or token < 0:
            number = tokenizer.convert_tokens_to_ids(token) if isinstance(token, str) else None
            fix = f"Write {number} instead." if isinstance(number, int) else "Write the number of a token."
            raise Refusal(f"{source}: eos_token_id = {token!r} is not the number of a token.", fix)
    return tokens
