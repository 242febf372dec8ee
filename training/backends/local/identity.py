"""Which base model this is, by content: the digest that results, checkpoints and staleness are tied to."""

from __future__ import annotations

import re
from pathlib import Path

from env.files import digest, sha256_file
from training.backends.base import ModelIdentity
from training.needs.weight_headers import weight_files

_HUB_BLOB = re.compile(r"[0-9a-f]{64}$")
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
)


def model_identity(
    folder: Path, quantization: str, chat_template: str | None, end_tokens: tuple[int, ...] = ()
) -> ModelIdentity:
    """Return the identity of the model in ``folder``.

    Args:
        quantization: how weights are held and computed with, such as "nf4 in float32".
        chat_template: the template's text; None when there is none.
        end_tokens: the tokens that end an answer.
    """
    parts = {
        "weights": digest([[path.name, _file_digest(path)] for path in weight_files(folder)]),
        "config": _file_digest(folder / "config.json"),
        "quantization": quantization,
        "tokenizer": digest(
            [[name, _file_digest(folder / name)] for name in _TOKENIZER_FILES if (folder / name).is_file()]
        ),
        "chat_template": digest(chat_template) if chat_template else "",
        "end_tokens": " ".join(map(str, end_tokens)),
    }
    return ModelIdentity(digest(parts), parts)


def _file_digest(path: Path) -> str:
    """Return the file's SHA-256; the hub's cache already names large files by it, which saves reading 40 GB."""
    target = path.resolve()
    if target.parent.name == "blobs" and _HUB_BLOB.match(target.name):
        return target.name
    return sha256_file(path)
