"""The training loop: answer-only loss on the quantised base, checkpoints that resume to the same bytes.

An own loop, not the library's Trainer, whose import alone costs six seconds and whose state hides more than it needs:
batches, learning rate and random numbers here depend on the step's number alone, so a step is a complete data position.
Not covered: kernels that add in changing order (some CUDA ones) make two runs differ in the last bits.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from env.files import make_folder
from env.refusal import Refusal
from training.backends.adapter_folder import require_exact_adapter
from training.backends.training_call import Status
from training.backends.transformers_peft.lora import load_adapter, save_adapter
from training.checkpoints import ADAPTER_WEIGHTS, remove_checkpoint, save_checkpoint
from training.examples import EncodedExamples, TokenRow, step_batches
from training.hooks import TrainHooks
from training.records import AdapterCheckpoint, LoraSettings, StepRecord, TrainingDiverged, TrainSettings
from training.room import checkpoint_bytes, checkpoints_left, require_room
from training.schedule import learning_rate, lora_facts, settings_facts

OPTIMIZER_FILE = "optimizer.safetensors"
STATE_FILE = "trainer_state.json"


@dataclass(frozen=True, slots=True)
class Fit:
    """One training run: what is trained, on what, how, and where its checkpoints go."""

    model: Any
    data: EncodedExamples
    lora: LoraSettings
    settings: TrainSettings
    base_digest: str
    folder: Path
    hooks: TrainHooks
    targets: tuple[str, ...]
    loss: Callable[[Any, Sequence[TokenRow]], tuple[Tensor, int]]

    @property
    def facts(self) -> dict[str, Any]:
        """What a checkpoint must share with the run that resumes it."""
        return {
            "base": self.base_digest,
            "lora": lora_facts(self.lora),
            "train": settings_facts(self.settings),
            "examples": self.data.digest,
        }


def fit(run: Fit, known: Sequence[AdapterCheckpoint]) -> tuple[Status, int, list[AdapterCheckpoint]]:
    """Train to ``max_steps`` or until a hook asks to stop; return status, last step and all checkpoints.

    Args:
        known: verified checkpoints by step; training goes on from the last.

    Raises:
        TrainingDiverged: a loss or gradient was not finite.
        Refusal: an adapter file exceeds ``max_adapter_mb`` or holds more than was asked, or the disk is full.
    """
    make_folder(run.folder)
    parameters = [parameter for parameter in run.model.parameters() if parameter.requires_grad]
    adapter_bytes = sum(parameter.numel() * parameter.element_size() for parameter in parameters)
    _require_small(adapter_bytes, run.settings)
    optimizer = torch.optim.AdamW(parameters, lr=0.0, weight_decay=run.settings.weight_decay, fused=_can_fuse(run))
    checkpoints = list(known)
    start = checkpoints[-1].step if checkpoints else 0
    left = checkpoints_left(start, run.settings.max_steps, run.settings.checkpoint_every)
    require_room(run.folder, checkpoint_bytes(adapter_bytes), left)
    if checkpoints:
        _resume(run, optimizer, checkpoints[-1].folder)
    lengths = [len(row.ids) for row in run.data.rows]
    batches = step_batches(lengths, run.settings, start + 1)
    run.model.train()
    devices = [run.model.device] if run.model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        for step in range(start + 1, run.settings.max_steps + 1):
            epoch, indices = next(batches)
            record = _step(run, optimizer, step, epoch, indices, checkpoints)
            run.hooks.on_step(record)
            stop = run.hooks.should_stop()
            scheduled = step % run.settings.checkpoint_every == 0 or step == run.settings.max_steps
            if scheduled or stop:
                require_room(run.folder, checkpoint_bytes(adapter_bytes), 1)
                checkpoints = _save(run, optimizer, record, scheduled, checkpoints)
            if stop and step < run.settings.max_steps:
                return "stopped", step, checkpoints
    return "finished", run.settings.max_steps, checkpoints


def batch_loss(model: Any, rows: Sequence[TokenRow]) -> tuple[Tensor, int]:
    """Return the summed negative log-likelihood (nats) of the rows' answers, and how many tokens these are.

    Rows are padded on the right, where a causal model's answer positions cannot see it: no mask is needed. Logits are
    computed only from the first position that predicts an answer token.
    """
    width = max(len(row.ids) for row in rows)
    first = min(row.prompt_length for row in rows) - 1
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    labels = torch.full((len(rows), width), -100)
    for number, row in enumerate(rows):
        ids[number, : len(row.ids)] = torch.tensor(row.ids)
        labels[number, row.prompt_length : len(row.ids)] = ids[number, row.prompt_length : len(row.ids)]
    positions = torch.arange(first, width - 1, device=model.device)
    logits = model(input_ids=ids.to(model.device), use_cache=False, logits_to_keep=positions).logits
    targets = labels[:, first + 1 :].to(model.device)
    loss = cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=-100, reduction="sum")
    return loss, answer_tokens(rows)


def answer_tokens(rows: Sequence[TokenRow]) -> int:
    """Return how many tokens of ``rows`` are learnt."""
    return sum(len(row.ids) - row.prompt_length for row in rows)


def _step(
    run: Fit,
    optimizer: torch.optim.Optimizer,
    step: int,
    epoch: float,
    batches: Sequence[Sequence[int]],
    checkpoints: Sequence[AdapterCheckpoint],
) -> StepRecord:
    """Make one optimizer step over ``batches`` (row indices), accumulated as one batch of all their answer tokens."""
    started = time.perf_counter()
    last_good = checkpoints[-1] if checkpoints else None
    rate = learning_rate(step, run.settings)
    for group in optimizer.param_groups:
        group["lr"] = rate
    rows = [[run.data.rows[index] for index in batch] for batch in batches]
    scale = first_loss_scale(run.model.dtype)
    while True:
        loss, norm = _gradients(run, optimizer, step, rows, scale)
        if not math.isfinite(loss):
            raise TrainingDiverged(step, loss, last_good)
        if math.isfinite(norm):
            break
        if scale <= 1:
            raise TrainingDiverged(step, norm, last_good)
        scale /= 2
    optimizer.step()
    tokens = sum(len(row.ids) for part in rows for row in part)
    return StepRecord(step, loss, rate, norm, tokens, time.perf_counter() - started, epoch)


def first_loss_scale(dtype: torch.dtype) -> float:
    """Return the factor on the loss that a step tries first: it keeps small float16 gradients from becoming 0.

    Each step tries it anew, and half of it as often as a gradient overflows (Micikevicius et al. 2018,
    arXiv:1710.03740, keep it between steps): a step then depends on nothing that a checkpoint would have to hold.
    """
    return 2.0**12 if dtype == torch.float16 else 1.0


def _gradients(
    run: Fit, optimizer: torch.optim.Optimizer, step: int, rows: Sequence[Sequence[TokenRow]], scale: float
) -> tuple[float, float]:
    """Fill the clipped gradients of one step; return its loss and their L2 norm before clipping, both unscaled."""
    torch.manual_seed((run.settings.seed * 1_000_003 + step) % 2**63)
    optimizer.zero_grad(set_to_none=True)
    total = sum(answer_tokens(part) for part in rows)
    loss = 0.0
    for part in rows:
        summed, _ = run.loss(run.model, part)
        # the raw value, before any averaging could hide it
        loss += float(summed.detach()) / total
        if not math.isfinite(loss):
            return loss, math.nan
        (summed / (total / scale)).backward()  # type: ignore[no-untyped-call]
    parameters = optimizer.param_groups[0]["params"]
    if scale != 1:
        for parameter in parameters:
            parameter.grad.div_(scale)
    return loss, float(torch.nn.utils.clip_grad_norm_(parameters, run.settings.max_grad_norm or math.inf))


def _save(
    run: Fit,
    optimizer: torch.optim.Optimizer,
    record: StepRecord,
    scheduled: bool,
    before: Sequence[AdapterCheckpoint],
) -> list[AdapterCheckpoint]:
    """Save a checkpoint; return all of them, without earlier unscheduled ones once this one is a scheduled one."""

    def write_files(folder: Path) -> None:
        save_adapter(run.model, folder)
        _save_optimizer(run.model, optimizer, folder / OPTIMIZER_FILE)
        state = {
            "step": record.step,
            "data_position": "batches follow from the step and the seed",
            "random_numbers": "seeded at each step by the seed and the step",
        }
        (folder / STATE_FILE).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
        require_exact_adapter(folder, run.targets)
        _require_small((folder / ADAPTER_WEIGHTS).stat().st_size, run.settings)

    saved = save_checkpoint(run.folder, record.step, write_files, {"loss": record.loss, **run.facts}, scheduled)
    kept = list(before)
    if scheduled:
        for old in [found for found in kept if not found.scheduled]:
            remove_checkpoint(old)
            kept.remove(old)
    run.hooks.on_checkpoint(saved)
    return [*kept, saved]


def _save_optimizer(model: Any, optimizer: torch.optim.Optimizer, path: Path) -> None:
    """Write AdamW's state as safetensors (no pickle), named "field:parameter"."""
    from safetensors.torch import save

    state = {
        f"{field}:{name}": value.detach().cpu().contiguous()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
        for field, value in optimizer.state[parameter].items()
    }
    path.write_bytes(save(state))


def _resume(run: Fit, optimizer: torch.optim.Optimizer, folder: Path) -> None:
    """Set adapter and optimizer to those of ``folder``, bit for bit."""
    from safetensors.torch import load_file

    load_adapter(run.model, folder)
    saved = load_file(folder / OPTIMIZER_FILE)
    for name, parameter in run.model.named_parameters():
        if parameter.requires_grad:
            fields = {key.split(":", 1)[0]: value for key, value in saved.items() if key.split(":", 1)[1] == name}
            optimizer.state[parameter] = {field: value.to(parameter.device) for field, value in fields.items()}


def _require_small(size_bytes: int, settings: TrainSettings) -> None:
    if settings.max_adapter_mb and size_bytes > settings.max_adapter_mb * 1e6:
        raise Refusal(
            f"The adapter takes {size_bytes / 1e6:.2f} MB, train.max_adapter_mb is {settings.max_adapter_mb:g}.",
            "Lower lora.r, adapt fewer modules or layers, or raise train.max_adapter_mb.",
        )


def _can_fuse(run: Fit) -> bool:
    return run.model.device.type in ("cpu", "cuda")
