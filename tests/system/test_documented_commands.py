"""Every command that README.md and RUNBOOK.md show is executed here, in a state in which a reader would type it."""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir

import pytest

from eval.domains.luanti.verify.engine.installation import find_installation
from runner.launch.tmux import session_name
from tests.support.runs import (
    DEADLINE_S,
    PROJECT,
    environment,
    events,
    is_alive,
    only_run,
    pulse,
    runner,
    start,
    wait_until,
)

pytestmark = pytest.mark.timeout(1800)

DOCUMENTS = ("README.md", "RUNBOOK.md")
COMMAND = re.compile(
    r"(nohup |[A-Z_]+=\S+ )?(python -m runner|python -m eval\.|python -m tests\.|python tests/bench/|make|tmux)\b"
)
SPAN = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```.*?\n(.*?)^```", re.MULTILINE | re.DOTALL)
TOO_MUCH_MEMORY, ENOUGH_MEMORY = "gate.a.machine.min_free_ram_gb=100000", "gate.a.machine.min_free_ram_gb=0.1"
DECIDED = (0, 3)  # PROCEED or not: both are answers
REHEARSE = "python -m runner new profile=rtx3090_gpt_oss_20b size=smoke backend=transformers_peft model=tiny_random model.path=tiny_random:gpt_oss"
WAIVE = """python -m runner advance gate.a.waivers.exact_leaks='"measured for comparison only"'"""

# What each runner command ends with where the story below types it: exit codes, and words it prints.
RUNNER: dict[str, tuple[tuple[int, ...], str]] = {
    "python -m runner doctor": ((0, 3), "python"),
    "python -m runner doctor --model": ((0, 3), "adapter round trip"),
    "python -m runner lock": ((0, 3), "core.txt"),
    "python -m runner config rule": ((0,), "margin_pp: 15.0"),
    "python -m runner new profile=smoke seed=3": ((0,), "next: python -m runner advance"),
    WAIVE: ((3,), "memory"),
    "python -m runner retry": ((0,), "gate A starts a new attempt"),
    "python -m runner advance --to B": ((0,), "B baseline"),
    "python -m runner rewind B": ((0,), "next: python -m runner advance"),
    "python -m runner advance": ((143,), "stopped"),
    "python -m runner status": ((0,), "running"),
    "python -m runner status --watch": ((0,), "B baseline"),
    "python -m runner advance model.batch_size=16": (DECIDED, "E decision"),
    "python -m runner runs": ((0,), "_smoke_"),
    "python -m runner status --why": ((0,), "up to date"),
    "python -m runner config --diff": ((0,), "model.batch_size: 256 -> 16"),
    "python -m runner config rule.margin_pp": ((0,), "15.0"),
    "python -m runner report": ((0,), "report.html"),
    "python -m runner samples B --outcome WRONG": ((0,), "outcome WRONG"),
    "python -m runner compare NAME OTHER": ((0,), "what differs"),
    "python -m runner rejudge B": ((0,), "verdicts unchanged"),
    "python -m runner rewind C gate.c.train.learning_rate=0.002": ((0,), "next: python -m runner advance"),
    "python -m runner advance watch.stall_min_s=7200": (DECIDED, "E decision"),
    "python -m runner advance --run NAME": (DECIDED, "E decision"),
    "CUDA_VISIBLE_DEVICES=1 python -m runner advance": (DECIDED, "E decision"),
    "python -m runner new seed=1": ((0,), "seed 0 → 1"),
    "python -m runner new size=full": ((0,), "next: python -m runner advance"),
    "python -m runner new seed=4": ((0,), "seed 1 → 4"),
    "python -m runner new --like NAME seed=2": ((0,), "seed 4 → 2"),
    "python -m runner new --from-defaults": ((0,), "profile tiny"),
    "python -m runner new": ((0,), "created"),
    "python -m runner config profile=cpu_small --diff": ((0,), "profile: 'tiny' -> 'cpu_small'"),
    "python -m runner config --starter mine.yaml": ((0,), "written"),
    "python -m runner new --config mine.yaml size=smoke": ((0,), "like "),
    "python -m runner new --fresh": ((0,), "created"),
    "python -m runner export --to FOLDER --anyway": ((0,), "logits differ by at most"),
    REHEARSE: ((0,), "next: python -m runner advance"),
}
# Commands that take minutes as they stand, with the sizes that make them quick.
MADE_SMALL: dict[str, str] = {
    "python -m eval.datasets validate": "--verifier recorder",
    "python -m eval.datasets validate --dataset robloxbench": "--verifier world",
    "python -m eval.datasets export --format chat --out rows.jsonl": f"--rows 8 --out {gettempdir()}/luagate-rows.jsonl",
    "python -m eval.simulate": "--trials 2 --gains-pp 0 --resamples 1000 --processes 1",
    "python -m eval.simulate plan --margin-pp 15 --base-pct 28 --budget 3000": "--check 2",
    "python tests/bench/bench_generate.py": "--prompts 2 --samples 2 --tokens 8 --single 1 --batch 4 --processes 1 --rounds 1",
    "python tests/bench/bench_train_step.py": "--steps 8 --batch 2",
    "python tests/bench/bench_loss.py": "--vocabulary 64 --hidden 32 --layers 2 --rounds 1",
    "python tests/bench/bench_packing.py": "--steps 2 --rounds 1 --accum 2",
    "python tests/bench/bench_draw.py": "--vocabulary 500 --rounds 1",
    "python tests/bench/bench_verify.py": "--programs 20 --workers 1",
    "python tests/bench/bench_engine.py": "--programs 4",
    "python tests/bench/bench_public_grader.py": "",
}
PUBLIC = PROJECT.parent / "shared" / "data" / "public" / "luanti-fine-tune" / "data"
# Executed in a test of their own, which needs tmux; gates-3f2a stands for the run's session.
TMUX = ("python -m runner tmux", "tmux attach -t gates-3f2a", "tmux kill-session -t gates-3f2a")
NOHUP = "nohup python -m runner advance"
# Executed by tests/faults/test_faults.py, with fewer injections.
FAULTS = "python -m tests.faults"
# What CI runs itself: here only that the Makefile has it.
MAKE = (
    "make demo",
    "make demo DOMAIN=roblox",
    "make demo-real",
    "make quick",
    "make test",
    "make test-full",
    "make test-unsloth",
    "make setup-mlx",
    "make setup-smollm2",
    "make setup",
    "make setup-unsloth",
    "make demo TORCH_INDEX=<index with CPU wheels>",
)


def shown_lines(text: str) -> Iterator[str]:
    """Yield what a document shows as code: lines of blocks, and spans."""
    for block in FENCE.findall(text):
        yield from (line.removeprefix("$ ") for line in block.splitlines())
    yield from SPAN.findall(FENCE.sub("", text))


def commands_in(text: str) -> list[str]:
    """Return the commands a document shows, each once, without the comments behind them."""
    found = (re.split(r"\s+#\s|\s{3,}", line)[0].strip() for line in shown_lines(text) if COMMAND.match(line))
    return list(dict.fromkeys(found))


DOCUMENTED = sorted({c for name in DOCUMENTS for c in commands_in((PROJECT / name).read_text(encoding="utf-8"))})


def test_commands_are_found_in_blocks_and_spans_without_their_comments() -> None:
    text = "`make x` or `advance`\n```sh\n$ python -m runner a   # why\nnext: python -m runner b\ntmux new\n```\n| `tmux ls` |\n"
    assert commands_in(text) == ["python -m runner a", "tmux new", "make x", "tmux ls"]


@pytest.mark.parametrize("command", DOCUMENTED)
def test_a_documented_command_is_executed_by_a_test(command: str) -> None:
    known = {*RUNNER, *MADE_SMALL, *TMUX, NOHUP, FAULTS, *MAKE}
    assert command in known, (
        f"`{command}` stands in {' or '.join(DOCUMENTS)}, but no test executes it: "
        f"correct the document, or give the command its place in {Path(__file__).name}."
    )


def test_no_command_is_kept_here_that_the_documents_no_longer_show() -> None:
    assert sorted({*RUNNER, *MADE_SMALL, *TMUX, NOHUP, FAULTS, *MAKE} - set(DOCUMENTED)) == []


@dataclass(frozen=True, slots=True)
class Told:
    """How an executed command ended."""

    code: int
    text: str


class Story:
    """Types commands into one results folder and keeps how each ended."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self.told: dict[str, Told] = {}

    def type(self, command: str) -> None:
        """Execute a documented command as it stands.

        FOLDER and mine.yaml are beside the results and do not exist yet, NAME the current run's, OTHER that of another one.
        """
        beside = self.results.with_name(f"{self.results.name}-folder")
        stand_for = {"FOLDER": str(beside), "mine.yaml": f"{beside}-mine.yaml"}
        if "NAME" in command:
            stand_for["NAME"] = self.current().name
        if "OTHER" in command:
            others = {path.parent.name for path in self.results.glob("*/run.json")} - {self.current().name}
            stand_for["OTHER"] = min(others)
        before, _, after = command.partition("python -m runner ")
        words = [stand_for.get(word, word) for word in shlex.split(after)]
        variables = dict(word.split("=", 1) for word in before.split())
        done = runner(*words, results=self.results, more=variables)
        self.told[command] = Told(done.returncode, done.stdout + done.stderr)

    def prepare(self, code: int, *words: str) -> None:
        """Bring the run into the state that the next command is documented for."""
        done = runner(*words, results=self.results)
        assert done.returncode == code, done.stdout + done.stderr

    def start(self, command: str) -> subprocess.Popen[str]:
        """Begin a documented command that goes on."""
        return start(*shlex.split(command)[3:], results=self.results)

    def end(self, command: str, process: subprocess.Popen[str], number: signal.Signals) -> None:
        """End it by a signal, as a reader would."""
        os.kill(process.pid, number)
        text = process.communicate(timeout=DEADLINE_S)[0]
        self.told[command] = Told(process.returncode, text)

    def current(self) -> Path:
        """Return the current run's folder."""
        return self.results / (self.results / ".current").read_text(encoding="utf-8").strip()


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    """One experiment, typed as the documents tell it; how every command of it ended."""
    story = Story(tmp_path_factory.mktemp("documented"))
    begin(story)
    interrupt(story)
    look_back(story)
    return story.told


def begin(story: Story) -> None:
    """From nothing to a measured base, with a Gate A that says no on the way."""
    for command in ("doctor", "doctor --model", "lock", "config rule", "new profile=smoke seed=3"):
        story.type(f"python -m runner {command}")
    story.prepare(0, "new", "--from-defaults", "profile=smoke")
    story.prepare(3, "advance", TOO_MUCH_MEMORY)
    story.type(WAIVE)
    story.type("python -m runner retry")
    story.prepare(0, "advance", "--to", "A", ENOUGH_MEMORY)
    story.type("python -m runner advance --to B")
    story.type("python -m runner rewind B")


def interrupt(story: Story) -> None:
    """Watch a running gate, stop it, and go on with a smaller batch to the end."""
    advance, watch = "python -m runner advance", "python -m runner status --watch"
    running = story.start(advance)
    folder = story.current()
    wait_until(
        lambda: pulse(folder).get("phase") == "sampling" and is_alive(pulse(folder)["pid"]), "gate B samples", running
    )
    story.type("python -m runner status")
    watching = story.start(watch)
    time.sleep(1.5)
    assert watching.poll() is None, "a watched status goes on while the run does"
    story.end(watch, watching, signal.SIGINT)
    story.end(advance, running, signal.SIGTERM)
    story.type("python -m runner advance model.batch_size=16")


def look_back(story: Story) -> None:
    """What is typed at a run that has ended, and the changes of mind that follow."""
    for command in ("advance watch.stall_min_s=7200", "advance --run NAME"):
        story.type(f"python -m runner {command}")
    story.type("CUDA_VISIBLE_DEVICES=1 python -m runner advance")
    for command in ("runs", "status --why", "config --diff", "config rule.margin_pp", "report", "rejudge B"):
        story.type(f"python -m runner {command}")
    for command in ("samples B --outcome WRONG", "compare NAME OTHER"):
        story.type(f"python -m runner {command}")
    story.type("python -m runner export --to FOLDER --anyway")
    story.type("python -m runner rewind C gate.c.train.learning_rate=0.002")
    for words in ("", " seed=1", " seed=4", " --like NAME seed=2", " --fresh", " --from-defaults"):
        story.type(f"python -m runner new{words}")
    story.type("python -m runner config profile=cpu_small --diff")
    story.type("python -m runner config --starter mine.yaml")
    story.type("python -m runner new --config mine.yaml size=smoke")
    story.type("python -m runner new size=full")
    story.type(REHEARSE)


@pytest.mark.xdist_group("documented commands")
@pytest.mark.parametrize("command", RUNNER)
def test_a_runner_command_ends_as_documented(told: dict[str, Told], command: str) -> None:
    codes, words = RUNNER[command]
    assert told[command].code in codes, told[command].text
    assert words in told[command].text
    assert "Traceback" not in told[command].text


@pytest.mark.parametrize("command", MADE_SMALL)
def test_a_bench_command_runs_in_small_and_explains_its_options(command: str, tmp_path: Path) -> None:
    if "public" in command and not PUBLIC.is_dir():
        pytest.skip("the public Luanti pair is not beside this checkout")
    if "engine" in command and not find_installation().server:
        pytest.skip("no Luanti engine is installed here")
    words = [sys.executable, *shlex.split(command)[1:]]
    for more in (["--help"], MADE_SMALL[command].split()):
        done = subprocess.run(
            [*words, *more],
            cwd=PROJECT,
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.strip()


@pytest.mark.parametrize("command", MAKE)
def test_a_make_command_names_a_target_and_variables_of_the_makefile(command: str) -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    target, *more = command.removeprefix("make ").split(maxsplit=1)
    assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE)
    for assignment in more:
        assert f"$({assignment.partition('=')[0]})" in makefile


class Terminal:
    """A command on a terminal of its own, as a person has it."""

    def __init__(self, words: Sequence[str], environment: dict[str, str]) -> None:
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.chdir(PROJECT)
            os.execvpe(words[0], list(words), environment)

    def press(self, keys: bytes) -> None:
        """Type keys."""
        os.write(self.descriptor, keys)

    def ended(self) -> bool:
        """Whether the command is over; what it draws is read and dropped, so that it never waits for a reader."""
        while select.select([self.descriptor], [], [], 0)[0]:
            try:
                if not os.read(self.descriptor, 65536):
                    break
            except OSError:  # EIO: the other end is closed
                break
        return os.waitpid(self.pid, os.WNOHANG)[0] != 0


@contextmanager
def tmux_server(folder: Path) -> Iterator[dict[str, str]]:
    """A tmux server whose socket lies in ``folder``; yields the environment in which tmux finds it."""
    surroundings = {**environment(folder / "results"), "TMUX_TMPDIR": str(folder), "TERM": "xterm", "SHELL": "/bin/sh"}
    surroundings.pop("TMUX", None)
    try:
        yield surroundings
    finally:
        subprocess.run(["tmux", "kill-server"], env=surroundings, capture_output=True, check=False)


@pytest.mark.debian
@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed (Debian package tmux)")
def test_a_session_is_begun_left_come_back_to_and_ended_as_documented(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    # a socket's path has at most 107 bytes: pytest's own folders may be longer
    folder = Path(tmp_path_factory.mktemp("t"))
    with tmux_server(folder) as surroundings:
        runner("new", "profile=smoke", results=folder / "results", check=True)
        run = only_run(folder / "results")
        begin, attach, end = (command.replace("gates-3f2a", session_name(run)) for command in TMUX)

        def clients() -> int:
            done = subprocess.run(["tmux", "list-clients"], env=surroundings, capture_output=True, check=False)
            return len(done.stdout.splitlines())

        first = Terminal([sys.executable, *begin.split()[1:]], surroundings)
        wait_until(lambda: not first.ended() and clients() == 1, f"`{begin}` shows the session")
        wait_until(lambda: not first.ended() and bool(pulse(run)), "the run advances in it")
        first.press(b"\x02d")
        wait_until(first.ended, "Ctrl-b d detaches")
        second = Terminal(attach.split(), surroundings)
        wait_until(lambda: not second.ended() and clients() == 1, f"`{attach}` comes back to it")
        assert f"tmux attach -t {session_name(run)}" in runner("status", results=run.parent, more=surroundings).stdout
        subprocess.run(end.split(), env=surroundings, check=True)
        wait_until(second.ended, f"`{end}` ends it")
        wait_until(lambda: not is_alive(pulse(run)["supervisor_pid"]), "the advance ends with its session")
        assert events(run)[-1]["data"].get("signal") == signal.SIGHUP, "stopped as by a hang-up, at a safe point"


def test_what_nohup_started_outlives_a_hang_up_and_still_stops_when_requested(tmp_path: Path) -> None:
    before, python, *after = NOHUP.split()
    assert python == "python"
    process = subprocess.Popen(
        [before, sys.executable, *after, "--to", "A", "profile=smoke"],
        cwd=PROJECT,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_until(lambda: any(tmp_path.glob("*/heartbeat.json")), "its worker works", process)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert process.poll() is None
    process.terminate()
    assert "stopped" in process.communicate(timeout=DEADLINE_S)[0]
    assert process.returncode == 143


SOURCE_FOLDERS = ("env", "eval", "gates", "runner", "training")


def quoted_symptoms() -> list[str]:
    """Return what RUNBOOK.md says that a screen says, cut at each '…'."""
    text = (PROJECT / "RUNBOOK.md").read_text(encoding="utf-8")
    section = text[text.index("## Symptom") : text.index("## Changing a run")]
    cells = [row.split("|")[1] for row in section.splitlines() if row.startswith("| ")]
    spans = (part.strip() for cell in cells for span in SPAN.findall(cell) for part in span.split("…"))
    return sorted({part for part in spans if part})


def test_the_words_that_the_runbook_says_a_screen_says_are_in_the_code() -> None:
    files = (path for name in SOURCE_FOLDERS for path in (PROJECT / name).rglob("*.py"))
    # a sentence that goes on in another literal on the next line is one sentence
    code = re.sub(r'"\s*\n\s*f?"', "", "\n".join(path.read_text(encoding="utf-8") for path in files))
    symptoms = quoted_symptoms()
    assert len(symptoms) > 30
    assert [words for words in symptoms if words not in code] == []
