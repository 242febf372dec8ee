"""A measurement cut off anywhere goes on to the same file: nothing stored is judged again, little is drawn again."""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from env.refusal import Refusal
from env.space import DiskFull
from eval.domains.luanti.domain import LUA
from eval.pipeline import loop
from eval.pipeline.language import Language
from eval.pipeline.loop import CHUNKS_IN_FLIGHT, Arm, Reached, Unit, measure
from eval.pipeline.loop import judge as judge_answers
from eval.pipeline.sampling import GenerationRequest, SamplingSettings
from eval.pipeline.stored_samples import read_samples
from eval.pipeline.verifier import Job
from eval.records import Outcome, Task, Verdict
from tests.support.settings import sampling_settings
from tests.support.written import steps_of
from training.backends.base import Completion, DrawStep

PROJECT = Path(__file__).resolve().parents[2]
TASKS = [
    Task(f"t{number}", "scaffold", "node", f"c{number}", "dev", "x" * number, "", "code", "return 1", ())
    for number in range(7)
]
UNITS = [Unit(task, 3) for task in TASKS]
ARM = Arm("base", 5, sampling_settings(0.8, 0.95, 0, 16, samples_per_call=6))
SAMPLES = 21


@dataclass
class Model:
    """Writes text that follows from the seed, of one to four tokens; remembers how many samples it drew to the end."""

    drawn: int = 0
    is_batch_exact: bool = False

    def draw(
        self, requests: Sequence[GenerationRequest], settings: SamplingSettings
    ) -> Generator[DrawStep, None, None]:
        for step in steps_of(requests, lambda _, seed: Completion(f"return {seed}", "stop", 1 + seed % 4)):
            self.drawn += len(step.ended)
            yield step


@dataclass
class Judge:
    """Passes about half of the programs; remembers every one it was asked about."""

    name: str = "counting"
    isolation: str = "none"
    language: Language = LUA
    judged: list[str] = field(default_factory=list)

    def submit(self, job: Job) -> Future[Verdict]:
        self.judged.append(job.code)
        passed = hashlib.sha256(job.code.encode()).digest()[0] % 2
        done: Future[Verdict] = Future()
        done.set_result(Verdict(Outcome.PASSED if passed else Outcome.WRONG, "", 0.001, self.name, self.isolation))
        return done


@dataclass
class SlowJudge(Judge):
    """Gives its verdict only to someone who waits for it, as a program that takes ten seconds does."""

    waiting: int = 0
    most_waiting: int = 0

    def submit(self, job: Job) -> Future[Verdict]:
        ready, late = super().submit(job), Future[Verdict]()
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)

        def waited_for(timeout: float | None = None) -> Verdict:
            self.waiting -= 1
            return ready.result()

        late.result = waited_for  # type: ignore[method-assign]
        return late


def go(
    path: Path,
    model: Model,
    judge: Judge,
    safe_point: Callable[[], None] = lambda: None,
    on_progress: Callable[[Reached], None] = lambda _: None,
) -> None:
    measure(UNITS, ARM, model, lambda task: task.instruction, judge, path, on_progress, safe_point)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("undisturbed") / "samples.jsonl"
    judge = Judge()
    go(path, Model(), judge)
    assert len(judge.judged) == len(set(judge.judged)) == SAMPLES
    return path.read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(share=st.floats(0, 1), exact=st.booleans())
def test_cut_at_any_byte_it_ends_with_the_same_bytes_and_judges_only_what_is_missing(
    tmp_path: Path, undisturbed: bytes, share: float, exact: bool
) -> None:
    path = tmp_path / "samples.jsonl"
    cut = undisturbed[: round(share * len(undisturbed))]
    path.write_bytes(cut)
    missing = SAMPLES - cut.count(b"\n")
    model, judge = Model(is_batch_exact=exact), Judge()
    go(path, model, judge)
    assert path.read_bytes() == undisturbed
    assert len(judge.judged) == len(set(judge.judged)) == missing
    # where samples depend on each other, at most the stored part of one chunk is drawn again
    assert missing <= model.drawn < missing + (1 if exact else ARM.sampling.samples_per_call)


# each of four calls asks before its first step and after each of its three or four
@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("looks", range(1, 19))
def test_a_stop_between_any_two_decoding_steps_stores_every_sample_that_has_ended(
    tmp_path: Path, undisturbed: bytes, looks: int, exact: bool
) -> None:
    path = tmp_path / "samples.jsonl"
    first, calls = Model(), iter(range(1, 100))

    def stop() -> None:
        if next(calls) == looks:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(path, first, Judge(), stop)
    stored = path.read_bytes().count(b"\n") if path.exists() else 0
    assert stored == first.drawn
    second, judge = Model(is_batch_exact=exact), Judge()
    go(path, second, judge)
    assert path.read_bytes() == undisturbed, "in the order of the plan, too"
    assert len(judge.judged) == SAMPLES - stored
    # where samples depend on each other, at most the ended part of one unfinished call is drawn again
    assert SAMPLES - stored <= second.drawn < SAMPLES - stored + (1 if exact else ARM.sampling.samples_per_call)


def test_inside_a_long_call_what_is_judged_is_stored_and_the_file_ends_as_any_other(
    tmp_path: Path, undisturbed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "STORE_EVERY_S", 0.0)
    path, stored = tmp_path / "samples.jsonl", []
    go(path, Model(), Judge(), on_progress=lambda reached: stored.append(reached.stored))
    # of four calls with three or four steps each
    assert len(set(stored)) > 8
    assert stored == sorted(stored)
    assert path.read_bytes() == undisturbed


def test_verdicts_that_come_late_bound_what_waits_and_change_no_order(tmp_path: Path, undisturbed: bytes) -> None:
    judge = SlowJudge()
    go(tmp_path / "samples.jsonl", Model(), judge)
    assert (tmp_path / "samples.jsonl").read_bytes() == undisturbed
    assert judge.most_waiting <= CHUNKS_IN_FLIGHT * ARM.sampling.samples_per_call


def test_a_stop_inside_a_call_keeps_the_samples_of_that_call_that_have_ended(tmp_path: Path) -> None:
    path, calls = tmp_path / "samples.jsonl", iter(range(1, 100))

    def stop() -> None:
        if next(calls) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(path, Model(), Judge(), stop)
    # two steps of the first call: its samples of one or two tokens, and no other
    assert 0 < len(read_samples(path)) < ARM.sampling.samples_per_call
    assert {sample.completion.tokens for sample in read_samples(path)} <= {1, 2}


def test_tokens_and_what_is_left_are_reported_inside_a_call_before_a_sample_is_stored(tmp_path: Path) -> None:
    told: list[Reached] = []
    go(tmp_path / "samples.jsonl", Model(), Judge(), on_progress=told.append)
    inside = [reached for reached in told if reached.stored == 0]
    assert [reached.tokens for reached in inside][:2] == [0, ARM.sampling.samples_per_call]
    assert told[0].tokens_left == SAMPLES * ARM.sampling.max_new_tokens
    drawn = sum(sample.completion.tokens for sample in read_samples(tmp_path / "samples.jsonl"))
    assert (told[-1].stored, told[-1].tokens, told[-1].tokens_left) == (SAMPLES, drawn, 0)
    middle = told[len(told) // 2]
    assert middle.tokens_left == pytest.approx(drawn - middle.tokens, rel=0.35)


def test_a_kill_costs_at_most_the_chunks_in_flight(tmp_path: Path, undisturbed: bytes) -> None:
    """A real kill, in the middle of a write of the third chunk's lines."""
    path = tmp_path / "samples.jsonl"
    code = f"""
import os, signal, sys
sys.path.insert(0, {str(PROJECT)!r})
from pathlib import Path
from tests.eval.test_pipeline_resume import Judge, Model, go
write, count = os.write, iter(range(100))
def torn(descriptor, data):
    if next(count) == 2:
        write(descriptor, data[: len(data) // 2])
        print(model.drawn, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return write(descriptor, data)
os.write, model = torn, Model()
go(Path({str(path)!r}), model, Judge())
"""
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert killed.returncode == -9, killed.stderr
    drawn, stored = int(killed.stdout), path.read_bytes().count(b"\n")
    assert 0 < drawn - stored <= CHUNKS_IN_FLIGHT * ARM.sampling.samples_per_call
    judge = Judge()
    go(path, Model(), judge)
    assert path.read_bytes() == undisturbed
    assert len(judge.judged) == SAMPLES - stored


def test_a_full_disk_names_what_the_missing_samples_need_and_continuing_needs_no_repair(
    tmp_path: Path, undisturbed: bytes
) -> None:
    """RLIMIT_FSIZE gives real short writes, as a full disk does."""
    path = tmp_path / "samples.jsonl"
    room = len(undisturbed) // 2
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        with pytest.raises(DiskFull, match=r"needed for the \d+ samples still to be stored") as full:
            go(path, Model(), Judge())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    stored = path.read_bytes()
    assert undisturbed.startswith(stored)
    assert stored.endswith(b"\n")
    # an estimate by the lines at hand, all of nearly the same length
    assert full.value.needed_bytes == pytest.approx(max(4096, len(undisturbed) - len(stored)), rel=0.1)
    assert f"under {tmp_path}" in full.value.fix
    go(path, Model(), Judge())
    assert path.read_bytes() == undisturbed


def test_a_stored_line_that_was_damaged_is_refused_and_not_drawn_again(tmp_path: Path, undisturbed: bytes) -> None:
    path = tmp_path / "samples.jsonl"
    lines = undisturbed.splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], lines[1][:20] + b"\n", *lines[2:]]))
    model = Model()
    with pytest.raises(Refusal, match=r"samples\.jsonl, line 2"):
        go(path, model, Judge())
    assert model.drawn == 0
    assert os.listdir(tmp_path) == ["samples.jsonl"]


@dataclass
class Thinker(Model):
    """Writes a draft inside a thought that it never ends."""

    def draw(
        self, requests: Sequence[GenerationRequest], settings: SamplingSettings
    ) -> Generator[DrawStep, None, None]:
        yield from steps_of(requests, lambda _, seed: Completion("Okay.\n```lua\nreturn 1\n```\nwait", "length", 9))


def test_a_draft_in_a_thought_that_the_prompt_opened_is_not_judged_now_or_later(tmp_path: Path) -> None:
    judge, opened = Judge(), "<|im_start|>assistant\n<think>\n"
    samples = measure(UNITS[:1], ARM, Thinker(), lambda _: opened, judge, tmp_path / "s", lambda _: None, lambda: None)
    assert {sample.verdict.outcome for sample in samples} == {Outcome.NO_CODE}
    again = judge_answers([(TASKS[0], sample.completion.text) for sample in read_samples(tmp_path / "s")], judge)
    assert {verdict.outcome for _, verdict in again} == {Outcome.NO_CODE}
    assert judge.judged == []
