"""What goes wrong while nobody watches ends in a clear state, for a reason that is measured and not read from a log."""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import subprocess
import sys
import time
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from env.heartbeat import Pulse
from env.machine.oom import OomKills, oom_kills
from env.refusal import Refusal
from gates.c_training.hooks import Hooks
from gates.settings import WatchSection
from runner.advance import supervisor as supervising
from runner.advance.failure import failure_of, unspoken_failure
from runner.advance.memory_advice import lighter_generation, lighter_training, memory_advice
from runner.advance.stall_watch import StallWatch
from runner.advance.supervisor import Ending
from runner.runs.config import compose_experiment
from runner.runs.locations import PROJECT
from tests.support.holding import AT_WORK, advance_until
from tests.support.runs import DEADLINE_S, SMOKE, Cli, events, only_run, pulse, runner, start, wait_until
from training.loss_watch import LossWatch, LossWatchSettings, flat_start, idle_gradient
from training.needs import disk as room
from training.needs.disk import checkpoint_bytes, checkpoints_left, require_room
from training.records import StepRecord, TrainingDiverged

LIMITS = WatchSection(stall_factor=10, stall_min_s=60, stall_first_s=600)
PULSE = Pulse(1, "here", "c", "training", 0, 100, "steps", None, None, 3500.0, "", 0.0, 0.0, "", 0.0)
WATCH = LossWatchSettings(explosion_factor=3.0, explosion_patience_steps=4, idle_gradient_steps=5)


# --- a stall, by the work's own pace


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def paced(step_s: float, steps: int) -> tuple[StallWatch, Clock]:
    """A watch that saw ``steps`` steps of ``step_s`` seconds."""
    clock = Clock()
    watch = StallWatch(LIMITS, clock)
    for done in range(steps + 1):
        watch.saw(replace(PULSE, done=done))
        clock.now_s += step_s
    clock.now_s -= step_s
    return watch, clock


@pytest.mark.parametrize(
    ("step_s", "steps", "limit_s", "basis"),
    [
        (1.0, 20, 60.0, "watch.stall_min_s"),
        (30.0, 20, 300.0, "10 x the usual 30.0 s"),
        (5.0, 2, 600.0, "stall_first_s"),
    ],
)
def test_a_stall_is_a_silence_far_beyond_the_works_own_pace(
    step_s: float, steps: int, limit_s: float, basis: str
) -> None:
    watch, clock = paced(step_s, steps)
    clock.now_s += limit_s
    assert watch.stall() == ""
    clock.now_s += 1
    assert f"stalled at training {steps}/100 steps" in watch.stall()
    assert basis in watch.stall()


def test_a_live_pulse_that_counts_nothing_is_no_progress() -> None:
    watch, clock = paced(1.0, 20)
    for _ in range(100):
        clock.now_s += 1
        watch.saw(replace(PULSE, done=20, idle_s=clock.now_s))
    assert watch.stall() != ""


def test_tokens_inside_a_call_are_progress_however_long_no_sample_is_counted() -> None:
    clock = Clock()
    watch = StallWatch(LIMITS, clock)
    for tokens in range(0, 100_000, 100):
        clock.now_s += 30
        watch.saw(replace(PULSE, phase="sampling", unit="samples", tokens=tokens))
        assert watch.stall() == ""
    clock.now_s += 301
    assert watch.stall() != ""


def test_phases_without_a_count_and_finished_ones_are_not_judged() -> None:
    clock = Clock()
    watch = StallWatch(LIMITS, clock)
    for silent in (replace(PULSE, phase="loading model", total=0), replace(PULSE, done=100)):
        watch.saw(silent)
        clock.now_s += 1e6
        assert watch.stall() == ""


def test_another_phase_has_a_pace_of_its_own() -> None:
    watch, clock = paced(1.0, 20)
    watch.saw(replace(PULSE, phase="sampling", unit="samples"))
    clock.now_s += 599
    assert watch.stall() == ""


def test_a_worker_deaf_to_a_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervising, "GRACE_S", 0.3)
    deaf = (
        "import faulthandler, signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN);"
        "faulthandler.register(signal.SIGUSR1); print('deaf', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        supervising._end_stalled(worker)
        assert worker.returncode == -signal.SIGKILL
        assert worker.stderr is not None
        assert b"most recent call first" in worker.stderr.read(), "it said where it stood"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_stalled_gate_is_ended_named_and_continues(tmp_path: Path) -> None:
    limits = ("watch.stall_first_s=3", "watch.stall_min_s=3", "watch.stall_factor=2")
    runner("new", *SMOKE, "sampling.samples_per_call=10", *limits, results=tmp_path, check=True)
    folder = only_run(tmp_path)
    advance = advance_until(AT_WORK["b"], "--to", "B", results=tmp_path)
    os.kill(advance.worker, signal.SIGSTOP)
    advance.held.let_go()
    output = advance.process.communicate(timeout=DEADLINE_S)[0]
    assert advance.process.returncode == 1, output
    last = events(folder)[-1]
    assert (last["type"], last["data"]["kind"]) == ("gate_crashed", "stalled")
    assert "stalled at sampling" in output
    assert "watch.stall_min_s" in output
    # the limits are in no digest: they change while the gate is under way
    done = runner("advance", "--to", "B", "watch.stall_min_s=1800", "watch.stall_first_s=1800", results=tmp_path)
    assert done.returncode == 0, done.stdout


# --- the loss


def fed(losses: list[float], settings: LossWatchSettings = WATCH) -> tuple[int, str]:
    """The step at which training is called off (0: never), and why."""
    watch = LossWatch(settings)
    for step, loss in enumerate(losses, start=1):
        if why := watch.explosion(loss):
            return step, why
    return 0, ""


def test_a_loss_far_above_its_median_for_long_enough_ends_training() -> None:
    calm = [2.0 - 0.05 * step for step in range(30)]
    step, why = fed([*calm, 9.0, 9.0, 9.0, 9.0])
    assert step == 34
    assert "4 steps in a row above 3 x" in why
    assert "loss 9.000 is 5.1 x the usual 1.775" in why, "the median of the first ten, which is the higher here"


@pytest.mark.parametrize("calm", [1, 2, 8])
def test_a_rate_far_too_high_is_seen_before_there_is_a_median(calm: int) -> None:
    # the losses of the embedded model at a learning rate of 3: 0.05 at first, 6 and more a few steps later
    step, why = fed([0.055] * calm + [7.3, 6.1, 6.1, 5.8, 6.0, 6.3, 6.2, 6.2])
    assert step == max(3, calm) + 4
    assert "x the usual 0.055" in why


@pytest.mark.parametrize(
    "losses",
    [
        [2.0] * 30 + [9.0, 9.0, 9.0, 2.0, 9.0, 9.0, 9.0, 2.0],
        [0.5, 2.0, 1.5, 0.7, 3.1, 2.2, 1.1, 1.4, 2.9, 0.6] * 8,
        [2.0] * 10 + [0.05] * 60 + [0.4] * 20,
    ],
    ids=["spikes", "noise of small batches", "still below the start"],
)
def test_spikes_noise_and_losses_below_the_start_end_nothing(losses: list[float]) -> None:
    assert fed(losses) == (0, "")


def test_the_watch_can_be_off() -> None:
    assert fed([2.0] * 30 + [1e9] * 30, replace(WATCH, explosion_factor=0.0)) == (0, "")


@pytest.mark.parametrize(
    "change", [{"explosion_factor": 0.5}, {"explosion_factor": math.nan}, {"idle_gradient_steps": 0}]
)
def test_a_senseless_watch_is_refused_by_its_key(change: dict[str, Any]) -> None:
    with pytest.raises(Refusal, match=next(iter(change))):
        replace(WATCH, **change)


def record(step: int, loss: float, grad_norm: float = 1.0) -> StepRecord:
    return StepRecord(step, loss, 0.1, grad_norm, 10, 0.1, 0.0)


def hooks(folder: Path) -> Hooks:
    """Gate C's hooks over ``folder``, as one session of training has them."""
    context = SimpleNamespace(
        folder=folder,
        experiment=SimpleNamespace(gate=SimpleNamespace(c=SimpleNamespace(watch=WATCH))),
        on_progress=lambda progress: None,
        on_step=lambda step, values: None,
        log=logging.getLogger("test"),
    )
    return Hooks(context, 100)  # type: ignore[arg-type]


def trained(folder: Path, losses: list[float], sessions: list[tuple[int, int]]) -> None:
    """Train in ``sessions`` of (steps before, last step), each going on from a checkpoint as after a kill."""
    folder.mkdir()
    for before, last in sessions:
        session = hooks(folder)
        for step in range(before, last):
            session.on_step(record(step + 1, losses[step]))


def test_a_resumed_training_is_called_off_at_the_same_step_as_an_undisturbed_one(tmp_path: Path) -> None:
    losses = [2.0] * 30 + [9.0] * 10
    with pytest.raises(TrainingDiverged) as undisturbed:
        trained(tmp_path / "whole", losses, [(0, 40)])
    with pytest.raises(TrainingDiverged) as resumed:
        trained(tmp_path / "parts", losses, [(0, 25), (20, 32), (30, 40)])
    assert undisturbed.value.step == resumed.value.step == 34


def test_an_exploded_training_names_step_loss_and_what_is_safe(tmp_path: Path) -> None:
    folder = tmp_path / "gate_c"
    with pytest.raises(TrainingDiverged, match=r"step 34: loss 9\.000 is 4\.5 x .* no checkpoint was written"):
        trained(folder, [2.0] * 30 + [9.0] * 10, [(0, 40)])
    assert json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])["step"] == 34, "its steps are kept"


def test_a_gradient_of_zero_is_counted_in_a_row() -> None:
    norms = [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    assert idle_gradient([{"grad_norm": norm} for norm in norms]) == 3


def test_a_flat_start_is_seen_and_a_moving_one_is_not() -> None:
    assert flat_start([1.0] * 40) == (1.0, 1.0)
    assert flat_start([1.0 - 0.01 * step for step in range(40)]) is None
    assert flat_start([1.0] * 7) is None, "too few steps to tell"


# --- the disk


def test_room_for_every_checkpoint_still_to_come_is_required_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _: usage(0, 0, 100_000_000))
    each = checkpoint_bytes(10_000_000)
    assert each == 30_200_000
    require_room(tmp_path, each, 3)
    with pytest.raises(Refusal) as refused:
        require_room(tmp_path, each, 4)
    assert "the 4 checkpoints still to come" in refused.value.sentence
    assert "125.8 MB needed, 100.0 MB free" in refused.value.sentence
    assert "Free 25.8 MB" in refused.value.fix


@pytest.mark.parametrize(("start", "left"), [(0, 3), (40, 2), (45, 2), (100, 1), (110, 0)])
def test_checkpoints_left_count_the_last_step_too(start: int, left: int) -> None:
    steps = [step for step in range(start + 1, 111) if step % 40 == 0 or step == 110]
    assert checkpoints_left(start, 110, 40) == len(steps) == left if start < 110 else left == 0


# --- memory


class OutOfMemoryError(RuntimeError):
    __module__ = "torch"


def test_running_out_of_memory_is_distinguished_by_type_from_other_errors() -> None:
    assert failure_of(OutOfMemoryError("tried 1.2 GiB"), PROJECT).kind == "memory"
    assert failure_of(MemoryError(), PROJECT).kind == "memory"
    assert failure_of(RuntimeError("CUDA error: out of memory"), PROJECT).kind == "memory"
    assert failure_of(ValueError("CUDA error: out of memory, says a message"), PROJECT).kind == "crash"


@pytest.mark.parametrize(
    ("overrides", "advice"),
    [
        (["gate.c.train.batch_size=16"], ("gate.c.train.batch_size=8", "gate.c.train.grad_accum=2")),
        (["gate.c.train.batch_size=6", "gate.c.train.grad_accum=3"], ("gate.c.train.batch_size=3", "gate.c.train.grad_accum=6")),
        (["gate.c.train.batch_size=7"], ("gate.c.train.batch_size=1", "gate.c.train.grad_accum=7")),
        (["gate.c.train.batch_size=1"], ("gate.c.train.gradient_checkpointing=true",)),
        (
            ["gate.c.train.batch_size=1", "gate.c.train.gradient_checkpointing=true"],
            ("gate.c.train.max_length=256",),
        ),
    ],
)  # fmt: skip
def test_the_advice_keeps_the_rows_of_a_step_and_can_be_typed(overrides: list[str], advice: tuple[str, ...]) -> None:
    _, config = compose_experiment(overrides)
    assert tuple(lighter_training(config)[0]) == advice
    lighter, _ = compose_experiment([*overrides, *advice])
    before, after = config["gate"]["c"]["train"], lighter.gate.c.train
    assert after.batch_size * after.grad_accum == before["batch_size"] * before["grad_accum"]


def test_generation_first_gives_up_copies_of_the_model_then_rows() -> None:
    _, config = compose_experiment(["model.processes=2", "model.batch_size=64"])
    assert lighter_generation(config)[0] == ("model.processes=1",)
    _, config = compose_experiment(["model.processes=1", "model.batch_size=64"])
    assert lighter_generation(config)[0] == ("model.batch_size=32",)
    _, config = compose_experiment(["model.processes=1", "model.batch_size=1"])
    assert lighter_generation(config) == ((), ""), "nf4 is already there"
    assert "use a smaller model" in memory_advice(Path("x"), config, "b")


def ending(returncode: int, kills: int | None) -> Ending:
    return Ending(returncode, "", OomKills(kills, "this container's cgroup"), PULSE)


def test_the_kernels_own_count_says_whether_a_kill_was_for_memory() -> None:
    by_kernel, by_hand, unknown = (unspoken_failure(ending(-9, kills)) for kills in (1, 0, None))
    assert by_kernel.kind == "memory"
    assert "by the kernel's own count; it last used 3.5 GB" in by_kernel.sentence
    assert by_hand.kind == "killed"
    assert "no out-of-memory kill was recorded" in by_hand.sentence
    assert "often the kernel" in unknown.sentence
    assert "SIGSEGV" in unspoken_failure(ending(-signal.SIGSEGV, 0)).sentence
    assert unspoken_failure(ending(7, 0)).kind == "crash"


def test_memory_kills_are_read_from_the_innermost_counter_there_is(tmp_path: Path) -> None:
    assert oom_kills(tmp_path) == OomKills(None)
    files = {
        "proc/vmstat": "nr_free_pages 1\noom_kill 9\n",
        "proc/self/cgroup": "4:memory:/box\n0::/box\n",
        "sys/fs/cgroup/memory/box/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        "sys/fs/cgroup/box/memory.events": "low 0\noom 4\noom_kill 3\n",
    }
    counts = []
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        counts.append(oom_kills(tmp_path).count)
    assert counts == [9, 9, 2, 3]


# --- the folder under it


@pytest.mark.timeout(600)
def test_a_run_moved_while_it_advances_is_stopped_and_its_new_place_is_named(tmp_path: Path) -> None:
    runner("new", *SMOKE, results=tmp_path, check=True)
    folder = only_run(tmp_path)
    process = start("advance", results=tmp_path)
    wait_until(lambda: bool(pulse(folder)), "a pulse", process)
    worker = pulse(folder)["pid"]
    moved = tmp_path / "elsewhere"
    folder.rename(moved)
    output = process.communicate(timeout=DEADLINE_S)[0]
    assert process.returncode == 2, output
    assert f"was moved to {moved}" in output
    assert f"advance --run {moved}" in output
    wait_until(lambda: not Path(f"/proc/{worker}").exists(), "the worker is dead")
    assert json.loads(runner("status", "--json", "--run", str(moved), results=tmp_path).stdout)["running"] is False
    time.sleep(0.1)
    assert events(moved)[-1]["type"] == "gate_started"


def test_the_watch_of_a_run_is_configured_with_units(cli: Cli) -> None:
    code, text = cli("config", "watch", "--with", "watch.stall_min_s=90")
    assert code == 0
    assert "stall_min_s: 90" in text
    assert cli("config", "--with", "watch.stall_min_s=0")[0] == 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_exploding_training_is_a_no_that_keeps_its_checkpoints_and_can_be_run_again(tmp_path: Path) -> None:
    watch = ("gate.c.watch.explosion_factor=1.5", "gate.c.watch.explosion_patience_steps=3")
    steps = ("gate.c.train.max_steps=40", "gate.c.train.checkpoint_every=10", "gate.c.train.warmup_steps=20")
    runner("new", *SMOKE, *steps, *watch, "gate.c.train.learning_rate=3", results=tmp_path, check=True)
    folder = only_run(tmp_path)
    done = runner("advance", "--to", "C", results=tmp_path)
    assert done.returncode == 3, done.stdout
    last = events(folder)[-1]
    assert (last["type"], last["gate"]) == ("gate_failed", "c")
    assert "diverged at step" in done.stdout
    assert "Lower gate.c.train.learning_rate (now 3)" in done.stdout
    report = json.loads((folder / "gate_c" / "report.json").read_text(encoding="utf-8"))
    assert report["status"] == "failed"
    assert "x the usual" in report["reasons"][0]
    calm = ("gate.c.train.learning_rate=0.001", "gate.c.watch.explosion_factor=3")
    again = runner("advance", "--to", "C", *calm, results=tmp_path)
    assert again.returncode == 0, again.stdout
    assert (folder / "attempts" / "gate_c.1" / "report.json").is_file()
