"""Fitting an adapter in torch, step by step: answer-only loss on the base as it is held, AdamW, both kept exactly."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from training.backends.local.training_loop import OPTIMIZER_FILE, Learner
from training.backends.transformers_peft.lora import load_adapter, save_adapter, trainable
from training.backends.transformers_peft.loss.laying_out import kept_apart, padded
from training.backends.transformers_peft.loss.packable import require_packable
from training.examples import TokenRow, answer_tokens
from training.needs.disk import checkpoint_bytes
from training.records import LoraSettings, TrainSettings

Loss = Callable[[Any, Sequence[TokenRow]], Tensor]
"""Model and rows to the summed negative log-likelihood (nats) of the rows' answers."""


@contextmanager
def learning(adapted: AbstractContextManager[Any], settings: TrainSettings, loss: Loss) -> Iterator[Learner]:
    """Yield the learner of the PEFT model that ``adapted`` yields; torch's random numbers are left as they were.

    Raises:
        Refusal: ``settings`` ask for packed rows and the model lets one example see another.
    """
    with adapted as model:
        if settings.packing:
            require_packable(model)
        devices = [model.device] if model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            yield TorchLearner(model, settings, loss)


@contextmanager
def trainable_here(model: Any, lora: LoraSettings, settings: TrainSettings) -> Iterator[Any]:
    """Yield ``model`` with a fresh adapter, and gradient checkpointing if configured. Raises as ``lora.trainable``."""
    with trainable(model, lora, settings.seed) as wrapped:
        if not settings.gradient_checkpointing:
            yield wrapped
            return
        # transformers renames these two; the old names serve every version we allow
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            model.gradient_checkpointing_enable({"use_reentrant": False})
            try:
                yield wrapped
            finally:
                model.gradient_checkpointing_disable()


class TorchLearner:
    """A PEFT model whose adapter trains; see ``training_loop.Learner`` for what each method promises."""

    def __init__(self, model: Any, settings: TrainSettings, loss: Loss) -> None:
        self._model = model
        self._loss = loss
        self._max_grad_norm = settings.max_grad_norm or math.inf
        self._trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
        self._optimizer = torch.optim.AdamW(
            list(self._trained.values()),
            lr=0.0,
            weight_decay=settings.weight_decay,
            fused=model.device.type in ("cpu", "cuda"),
        )
        self.adapter_bytes = sum(value.numel() * value.element_size() for value in self._trained.values())
        self.checkpoint_bytes = checkpoint_bytes(self.adapter_bytes)
        model.train()

    def train_step(self, batches: Sequence[Sequence[TokenRow]], learning_rate: float, seed: int) -> tuple[float, float]:
        """Make one optimizer step; a loss or gradient that is not finite changes nothing."""
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        scale = first_loss_scale(self._model.dtype)
        while True:
            loss, norm = self._gradients(batches, seed, scale)
            if math.isfinite(norm):
                self._optimizer.step()
                return loss, norm
            if not math.isfinite(loss) or scale <= 1:
                return loss, norm
            scale /= 2

    def probe(self, rows: Sequence[TokenRow]) -> tuple[float, list[str]]:
        """Return the loss of one forward and backward, and the trainable parameters without gradient."""
        summed = self._loss(self._model, rows)
        summed.backward()  # type: ignore[no-untyped-call]
        idle = [name for name, parameter in self._trained.items() if parameter.grad is None]
        return float(summed.detach()) / answer_tokens(rows), idle

    def save(self, folder: Path) -> None:
        """Write the adapter, and AdamW's state as safetensors (no pickle), named "field:parameter"."""
        from safetensors.torch import save

        save_adapter(self._model, folder)
        state = {
            f"{field}:{name}": value.detach().cpu().contiguous()
            for name, parameter in self._trained.items()
            for field, value in self._optimizer.state[parameter].items()
        }
        (folder / OPTIMIZER_FILE).write_bytes(save(state))

    def load(self, folder: Path) -> None:
        """Set adapter and optimizer to those in ``folder``, bit for bit."""
        from safetensors.torch import load_file

        load_adapter(self._model, folder)
        saved = load_file(folder / OPTIMIZER_FILE)
        for name, parameter in self._trained.items():
            fields = {key.split(":", 1)[0]: value for key, value in saved.items() if key.split(":", 1)[1] == name}
            self._optimizer.state[parameter] = {field: value.to(parameter.device) for field, value in fields.items()}

    def _gradients(self, batches: Sequence[Sequence[TokenRow]], seed: int, scale: float) -> tuple[float, float]:
        """Fill the clipped gradients of one step; return its loss and their L2 norm before clipping, both unscaled."""
        torch.manual_seed(seed)
        self._optimizer.zero_grad(set_to_none=True)
        total = sum(answer_tokens(rows) for rows in batches)
        loss = 0.0
        for rows in batches:
            summed = self._loss(self._model, rows)
            # the raw value, before any averaging could hide it
            loss += float(summed.detach()) / total
            if not math.isfinite(loss):
                return loss, math.nan
            (summed / (total / scale)).backward()  # type: ignore[no-untyped-call]
        parameters = list(self._trained.values())
        if scale != 1:
            for parameter in parameters:
                assert parameter.grad is not None
                parameter.grad.div_(scale)
        return loss, float(torch.nn.utils.clip_grad_norm_(parameters, self._max_grad_norm))


def batch_loss(model: Any, rows: Sequence[TokenRow]) -> Tensor:
    """Return the summed negative log-likelihood (nats) of the rows' answers.

    Padding on the right needs no mask: a causal model's answer positions cannot see it. Logits are computed only from
    the first position that predicts an answer token.
    """
    ids, labels = padded(rows, model.device)
    first = min(row.prompt_length for row in rows) - 1
    kept = torch.arange(first, ids.shape[1] - 1, device=model.device)
    logits = model(input_ids=ids, use_cache=False, logits_to_keep=kept, **kept_apart(model, rows)).logits
    targets = labels[:, first + 1 :]
    return cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=-100, reduction="sum")


def first_loss_scale(dtype: torch.dtype) -> float:
    """Return the factor on the loss that a step tries first: it keeps small float16 gradients from becoming 0.

    Each step tries it again, and half of it as often as a gradient overflows (Micikevicius et al. 2018,
    arXiv:1710.03740, keep it between steps): a step then depends on nothing that a checkpoint would have to hold.
    """
    return 2.0**12 if dtype == torch.float16 else 1.0
