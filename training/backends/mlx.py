"""The place of the mlx backend (mlx-lm on Apple silicon): it refuses until that backend exists."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, NoReturn

from env.refusal import Refusal

if TYPE_CHECKING:
    from training.records import ModelSettings


def load(settings: ModelSettings) -> NoReturn:
    """Refuse. Raises Refusal: the library is missing, or it is there and this version cannot use it yet."""
    if find_spec("mlx_lm") is None:
        raise Refusal("backend = 'mlx' needs a library that is not installed.", "pip install 'luagate[mlx]'")
    raise Refusal(
        "backend = 'mlx' is not yet available in this version of luagate.",
        "Set backend to transformers_peft.",
    )
