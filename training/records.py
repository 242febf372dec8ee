"""The records of training: which model, which adapter, which schedule, and the result."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from env.refusal import BadSettings, choices_hint

Quantization = Literal["nf4", "q4", "q8", "none"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Evaluation = Literal["auto", "dequantized", "quantized"]
Scheduler = Literal["cosine", "linear", "constant"]
TooLong = Literal["drop", "error"]


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Which base model, and how it is held and run. Raises Refusal on a bad value, naming the key.

    Attributes:
        path: a local folder, or a hub id such as "org/name".
        revision: of a hub id: a commit, tag or branch; "" is its main branch.
        quantization: "nf4" holds the linear layers in 4 bits (Dettmers et al. 2023, arXiv:2305.14314); "q4" and "q8"
            are mlx's own 4 and 8 bits, affine in groups of 64.
        double_quantization: hold NF4's own scales in 8 bits too: 0.4 bits a parameter less.
        threads: CPU threads of one process; 0 chooses, with a reason.
        batch_size: rows that generate together, halved for good when memory runs out; of several numbers Gate A times
            each and keeps the fastest.
        processes: processes that generate together; each loads the model once.
        evaluation: whether generation runs on dequantised copies of NF4 weights (bit-equal logits, more memory).
    """

    path: str
    revision: str
    quantization: Quantization
    dtype: Dtype
    device: Device
    threads: int
    batch_size: int | tuple[int, ...]
    processes: int
    evaluation: Evaluation
    double_quantization: bool

    def __post_init__(self) -> None:
        _refuse(
            _wrong(bool(self.path.strip()), "model.path", self.path, "a folder or a hub id"),
            _unknown("model.quantization", self.quantization, Quantization),
            _unknown("model.dtype", self.dtype, Dtype),
            _unknown("model.device", self.device, Device),
            _unknown("model.evaluation", self.evaluation, Evaluation),
            _wrong(0 <= self.threads <= 1024, "model.threads", self.threads, "0 (choose) or a count up to 1024"),
            _wrong(
                bool(self.batch_sizes) and self.batch_sizes[0] >= 1,
                "model.batch_size",
                self.batch_size,
                "at least 1, or a list of such numbers",
            ),
            _wrong(1 <= self.processes <= 256, "model.processes", self.processes, "1 to 256"),
        )

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """The numbers of ``batch_size``, rising."""
        return (self.batch_size,) if isinstance(self.batch_size, int) else tuple(sorted(set(self.batch_size)))


@dataclass(frozen=True, slots=True)
class LoraSettings:
    """Which adapter is trained (Hu et al. 2021, arXiv:2106.09685). Raises Refusal on a bad value, naming the key.

    Attributes:
        r: rank.
        alpha: the trained scale is alpha / r, or alpha / sqrt(r) with ``rslora`` (arXiv:2312.03732).
        target_modules: last names of the linear modules that get an adapter.
        layers: decoder layers that get one; negative numbers count from the last; empty means all of them.
        dora: also learn each output's magnitude (arXiv:2402.09353).
    """

    r: int
    alpha: float
    target_modules: tuple[str, ...]
    dropout: float
    layers: tuple[int, ...]
    rslora: bool
    dora: bool

    def __post_init__(self) -> None:
        names, layers = self.target_modules, self.layers
        _refuse(
            _wrong(self.r >= 1, "gate.c.lora.r", self.r, "at least 1"),
            _wrong(
                math.isfinite(self.alpha) and self.alpha > 0, "gate.c.lora.alpha", self.alpha, "a finite number above 0"
            ),
            _wrong(0 <= self.dropout < 1, "gate.c.lora.dropout", self.dropout, "in [0, 1)"),
            _wrong(bool(names), "gate.c.lora.target_modules", list(names), "at least one module name"),
            _wrong(len(set(names)) == len(names), "gate.c.lora.target_modules", list(names), "distinct names"),
            _wrong(len(set(layers)) == len(layers), "gate.c.lora.layers", list(layers), "distinct layer numbers"),
        )


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """Length and speed of training. Raises Refusal on a bad value, naming the key.

    Attributes:
        max_steps: optimizer steps; 0 where ``epochs`` says how long.
        epochs: passes over the rows given; 0 where ``max_steps`` says how long.
        batch_size: rows of one forward and backward; ``grad_accum`` of them make one optimizer step.
        scheduler: how the learning rate falls from its peak after ``warmup_steps`` to ``max_steps``.
        checkpoint_every: steps between two checkpoints; 0 makes three, evenly over the schedule.
        max_grad_norm: gradients are scaled down to this L2 norm; 0 is off.
        max_length: tokens of prompt, answer and end token together; longer rows follow ``on_too_long``.
        max_adapter_mb: a checkpoint whose adapter file is larger is refused (1 MB = 1e6 bytes); 0 is off.
        group_by_length: batches hold rows of similar length, in random order.
        packing: short rows stand side by side in one of at most ``max_length`` tokens, which counts once.
        logit_chunk: answer tokens whose logits exist at once; 0: all of a batch.
    """

    max_steps: int
    batch_size: int
    learning_rate: float
    checkpoint_every: int
    epochs: float
    grad_accum: int
    scheduler: Scheduler
    warmup_steps: int
    weight_decay: float
    max_grad_norm: float
    seed: int
    max_length: int
    on_too_long: TooLong
    max_adapter_mb: float
    gradient_checkpointing: bool
    group_by_length: bool
    packing: bool
    logit_chunk: int

    def __post_init__(self) -> None:
        counts = [
            _wrong(getattr(self, key) >= 1, f"gate.c.train.{key}", getattr(self, key), "at least 1")
            for key in ("batch_size", "grad_accum")
        ]
        amounts = [
            _wrong(math.isfinite(value) and value >= 0, f"gate.c.train.{key}", value, "a finite number, not negative")
            for key in ("epochs", "learning_rate", "weight_decay", "max_grad_norm", "max_adapter_mb")
            for value in [getattr(self, key)]
        ]
        _refuse(
            *counts,
            *amounts,
            _wrong(self.checkpoint_every >= 0, "gate.c.train.checkpoint_every", self.checkpoint_every, "0 or a count"),
            _wrong(self.learning_rate != 0, "gate.c.train.learning_rate", self.learning_rate, "above 0"),
            _wrong(
                self.max_steps >= 0 and (self.max_steps > 0) != (self.epochs > 0),
                "gate.c.train.max_steps",
                self.max_steps,
                f"above 0 where gate.c.train.epochs is 0, and 0 where it is not (it is {self.epochs:g})",
            ),
            _wrong(
                0 <= self.warmup_steps <= (self.max_steps or math.inf),
                "gate.c.train.warmup_steps",
                self.warmup_steps,
                f"between 0 and gate.c.train.max_steps ({self.max_steps})",
            ),
            _wrong(self.logit_chunk >= 0, "gate.c.train.logit_chunk", self.logit_chunk, "0 or a count of tokens"),
            _wrong(0 <= self.seed < 2**63, "gate.c.train.seed", self.seed, "in [0, 2^63)"),
            _wrong(self.max_length >= 2, "gate.c.train.max_length", self.max_length, "at least 2 tokens"),
            _unknown("gate.c.train.scheduler", self.scheduler, Scheduler),
            _unknown("gate.c.train.on_too_long", self.on_too_long, TooLong),
        )


@dataclass(frozen=True, slots=True)
class Example:
    """One training row: what the model reads, what it should write, and a name for messages.

    Attributes:
        prompt: "" begins a document, of which all is learnt.
        is_written: the answer holds tokens of the chat template, by their names; else it is text alone.
        is_ended: the answer ends in a token of its own, and no end token follows.
    """

    prompt: str
    answer: str
    id: str = ""
    is_written: bool = False
    is_ended: bool = False


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One optimizer step.

    Attributes:
        step: counted from 1.
        loss: mean negative log-likelihood per answer token (nats), before the update.
        learning_rate: used in this step's update.
        grad_norm: L2 norm before clipping.
        tokens: prompt and answer tokens read, padding left out.
        seconds: wall time of the step.
        epoch: passes over the examples so far, counted in rows.
    """

    step: int
    loss: float
    learning_rate: float
    grad_norm: float
    tokens: int
    seconds: float
    epoch: float


@dataclass(frozen=True, slots=True)
class AdapterCheckpoint:
    """One verified checkpoint on disk.

    Attributes:
        digest: SHA-256 over the adapter's weights and configuration; names the adapter in reports and digests.
        loss: the loss of its step.
        scheduled: False for the extra checkpoint a stop leaves; it goes once a later scheduled one is safe.
    """

    step: int
    folder: Path
    digest: str
    loss: float = math.nan
    scheduled: bool = True


@dataclass(frozen=True, slots=True)
class TrainResult:
    """How training ended: "finished" at ``max_steps``, or "stopped" because a hook requested it.

    Attributes:
        checkpoints: every verified checkpoint by step; after a stop, the last is the extra one it left.
        examples: rows trained on; ``dropped`` were longer than ``max_length``, and ``dropped_rows`` names them.
        trainable: parameters that trained; ``targets`` modules carry them.
        patterns: the same parameters by name pattern, layers folded.
        resumed_from: the step this call resumed from; 0 for a fresh start.
    """

    status: Literal["finished", "stopped"]
    step: int
    checkpoints: tuple[AdapterCheckpoint, ...]
    examples: int = 0
    dropped: int = 0
    trainable: int = 0
    targets: int = 0
    resumed_from: int = 0
    quarantined: tuple[str, ...] = ()
    dropped_rows: tuple[str, ...] = ()
    patterns: dict[str, int] = field(default_factory=dict)


class TrainingDiverged(Exception):
    """A raw loss or gradient was NaN or infinite, or the loss exploded (``why``); the last good checkpoint stays."""

    def __init__(self, step: int, loss: float, last_good: AdapterCheckpoint | None, why: str = "") -> None:
        safe = f"checkpoint step-{last_good.step:06d} is good" if last_good else "no checkpoint was written before"
        super().__init__(f"training diverged at step {step}: {why or f'loss {loss}'}; {safe}.")
        self.step = step
        self.loss = loss
        self.last_good = last_good


def _refuse(*problems: str) -> None:
    """Raise BadSettings when a problem is not ""."""
    found = [problem for problem in problems if problem]
    if found:
        raise BadSettings("; ".join(found) + ("" if found[-1].endswith(("?", ".")) else "."))


def _wrong(ok: bool, key: str, value: object, expected: str) -> str:
    return "" if ok else f"{key} = {value!r}: must be {expected}"


def _unknown(key: str, value: str, choices: object) -> str:
    names = get_args(choices)
    return "" if value in names else f"{key} = {value!r} is unknown. {choices_hint(str(value), names)}"
