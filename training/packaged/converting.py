"""Unpacking a GGUF into an ordinary model's folder: weights in bfloat16, the format the model was released in.

The same file gives the same bytes; what names the converting library's version is left out of the folder. Runs as a
process of its own: ``python -m training.packaged.converting FILE FOLDER``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

# Which library wrote the folder, and how it was called: no part of the model.
_NOT_THE_MODEL = {
    "config.json": ("transformers_version", "_model_name_or_path"),
    "generation_config.json": ("transformers_version", "_from_model_config"),
    "tokenizer_config.json": ("is_local", "local_files_only"),
}


def convert(file: Path, folder: Path) -> None:
    """Write configuration, weights and tokenizer of the GGUF ``file`` into the existing ``folder``.

    Not covered: Q4_1 has rounded the released weights, and bfloat16 rounds the unpacked ones again (by 2^-9 of their
    value, where 4 bits left some percent); they are near the released weights, never equal to them.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from transformers.utils import logging as library_logging

    library_logging.set_verbosity_error()
    library_logging.disable_progress_bar()
    place = {"gguf_file": file.name, "local_files_only": True}
    AutoTokenizer.from_pretrained(file.parent, **place).save_pretrained(folder)
    unpacked = AutoModelForCausalLM.from_pretrained(
        file.parent, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32, **place
    )
    unpacked.to(torch.bfloat16).save_pretrained(folder)
    for name, keys in _NOT_THE_MODEL.items():
        path = folder / name
        kept = {key: value for key, value in json.loads(path.read_text(encoding="utf-8")).items() if key not in keys}
        path.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
