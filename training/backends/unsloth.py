"""The place of the unsloth backend (unsloth's patched kernels on NVIDIA GPUs): it refuses until that backend exists."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, NoReturn

from env.refusal import Refusal

if TYPE_CHECKING:
    from training.records import ModelSettings


def load(settings: ModelSettings) -> NoReturn:
    """Refuse. Raises Refusal: the library is missing, or it is there and this version cannot use it yet."""
    if find_spec("unsloth") is None:
        raise Refusal("backend = 'unsloth' needs a library that is not installed.", "pip install 'luagate[unsloth]'")
    raise Refusal(
        "backend = 'unsloth' is not yet available in this version of luagate.",
        "Set backend to transformers_peft.",
    )
