"""A run: one experiment and its folder; its files, and how a run is created, found and repaired."""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from env.files import make_folder, move, remove_leftovers, write_atomic
from env.locking import RunLock
from env.refusal import Refusal, choices_hint
from env.reserve import keep_reserve
from runner.runs.journal import EventType, Journal
from runner.runs.locations import expanded, usual_results
from runner.runs.overrides import PROFILE, as_kept, in_present_spelling, kept_in, own_profile
from runner.runs.state_machine import FINISHED, GATES, RunMachine, attempts, replay

SCHEMA_VERSION = 1
RUN_FILE = "run.json"


@dataclass(frozen=True, slots=True)
class RunInfo:
    """run.json: what a run is, written once when it is created.

    Attributes:
        argv: the overrides it was created with.
        git: commit and whether the tree was dirty, as the probe reports it; "" outside a checkout.
    """

    schema_version: int
    id: str
    created_at: str
    profile: str
    git: str
    argv: tuple[str, ...]


class Run:
    """An opened run folder: its facts, its journal, and the state that follows from the journal."""

    def __init__(self, folder: Path, info: RunInfo, journal: Journal) -> None:
        self.folder = folder
        self.info = info
        self.journal = journal
        self.machine: RunMachine = replay(journal.events, str(journal.path))

    @classmethod
    def open(cls, folder: Path) -> Run:
        """Open a run folder. Raises Refusal when it is not one, or has another schema version."""
        info = read_info(folder)
        run = cls(folder, info, Journal.read(folder / "events.jsonl"))
        if not run.journal.events:
            raise Refusal(
                f"{folder / 'events.jsonl'} is empty: the run's creation was interrupted, or its journal was deleted.",
                "Start a new run with `python -m runner new`.",
            )
        return run

    @classmethod
    @contextmanager
    def held(cls, folder: Path) -> Iterator[tuple[Run, RunLock]]:
        """Open a run and hold its lock in the block, as everything that writes to it must.

        Raises:
            LockHeld: another process holds it.
            Refusal: it is not a run that this version reads; then nothing is written, not even the lock file.
        """
        cls.open(folder)
        with RunLock(folder / "run.lock") as lock:
            yield cls.open(folder), lock

    @property
    def id(self) -> str:
        """The run's name, as --run takes it: its folder's (run.json has the one it was created with)."""
        return self.folder.name

    @property
    def attempts(self) -> dict[str, int]:
        """Each gate's current attempt."""
        return attempts(self.journal.events)

    def record(self, kind: EventType, gate: str = "", /, **data: Any) -> None:
        """Move the machine by an event, then write it. Raises ImpossibleMove before anything is written."""
        if not self.machine.allows(kind, gate):
            raise Refusal(f"{kind} {gate} is not possible in state {self.machine.state}.")
        event = self.journal.append(kind, gate, **data)
        self.machine.apply(event)

    def has_begun(self, gate: str) -> bool:
        """Whether the gate's current attempt was ever started."""
        return self.machine.phase != "ready" if gate == self.machine.gate else self.has_concluded(gate)

    def has_concluded(self, gate: str) -> bool:
        """Whether the gate's current attempt concluded: it passed or said no."""
        here = self.machine.gate
        if gate == here:
            return self.machine.phase == "failed"
        return self.machine.state == FINISHED or (bool(here) and GATES.index(gate) < GATES.index(here))

    def gate_folder(self, gate: str) -> Path:
        """Return the folder of the gate's current attempt."""
        return self.folder / f"gate_{gate}"

    def file(self, name: str) -> Path:
        """Return a file directly in the run folder."""
        return self.folder / name

    def overrides(self) -> list[str]:
        """Return the overrides the current config was composed from. Raises Refusal when the file cannot be read."""
        return read_overrides(self.folder)


def read_overrides(folder: Path) -> list[str]:
    """Return the overrides that a run's current config was composed from, its own profile named by its place now.

    Raises:
        Refusal: the file cannot be read.
    """
    path = folder / "overrides.txt"
    try:
        stored = [text for text in path.read_text(encoding="utf-8").split("\n") if text]
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(
            f"{path} cannot be read ({error}): the overrides of the configuration are unknown.",
            "Restore it; run.json holds the overrides the run was created with.",
        ) from None
    return in_present_spelling(kept_in(folder, stored))


def read_info(folder: Path) -> RunInfo:
    """Return what run.json says.

    Raises:
        Refusal: no such run, not a run, or written by another version of luagate.
    """
    path = folder / RUN_FILE
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if _looks_like_run(folder):
            raise Refusal(
                f"{path} is missing: cannot tell which run this is.",
                "Restore it (id, profile and git are informational: copy another run's file and edit it), "
                "or start a new run with `python -m runner new`.",
            ) from None
        raise Refusal(f"{folder} is not a run: it holds no {RUN_FILE}.", "See `python -m runner runs`.") from None
    except (ValueError, OSError) as error:
        raise Refusal(f"{path} cannot be read ({error}).", "Restore it or start a new run.") from None
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if version != SCHEMA_VERSION:
        raise Refusal(
            f"{path}: schema_version: this run has {version!r}, this luagate reads {SCHEMA_VERSION}.",
            "Read it with the version that wrote it (see its `git` entry), or start a new run.",
        )
    try:
        return RunInfo(**{**raw, "argv": tuple(raw["argv"])})
    except (TypeError, KeyError) as error:
        raise Refusal(f"{path}: not a run description ({error}).", "Restore it or start a new run.") from None


def create_run(
    results: Path,
    profile: str,
    config_text: str,
    overrides: list[str],
    git: str,
    fresh: bool = False,
    origin: Mapping[str, Any] | None = None,
) -> Run:
    """Create a run folder and its first event; a ``fresh`` run reuses no gate of another.

    ``origin`` is what its first event records besides: which run it is like, and what differs.

    The folder is filled under a hidden name and renamed into place, so an incomplete run is never visible.
    """
    moment = datetime.now().astimezone()
    name = f"{moment:%Y-%m-%d}_{re.sub(r'[^A-Za-z0-9._-]+', '-', profile)}_{secrets.token_hex(2)}"
    info = RunInfo(SCHEMA_VERSION, name, moment.isoformat(timespec="seconds"), profile, git, tuple(overrides))
    hidden = results / f".{name}.new"
    try:
        make_folder(hidden)
        write_atomic(hidden / "config.yaml", config_text)
        write_atomic(hidden / "config.1.yaml", config_text)
        _store_overrides(hidden, overrides)
        write_atomic(hidden / RUN_FILE, json.dumps(asdict(info), indent=2) + "\n")
        wish = {"fresh": True} if fresh else {}
        Journal(hidden / "events.jsonl", []).append(EventType.RUN_CREATED, profile=profile, **wish, **(origin or {}))
        keep_reserve(hidden)
        move(hidden, results / name)
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        raise
    remember_current(results, name)
    return Run.open(results / name)


def _store_overrides(folder: Path, overrides: Sequence[str]) -> None:
    """Store a run's overrides, with a copy of the profile where that is a file of the user's."""
    profile = own_profile(overrides)
    if profile is not None:
        make_folder(folder / PROFILE)
        write_atomic(folder / PROFILE / profile.name, profile.read_bytes())
    write_atomic(folder / "overrides.txt", "".join(f"{line}\n" for line in as_kept(overrides)))


def remember_current(results: Path, name: str) -> None:
    """Make ``name`` the run that commands without a run name refer to."""
    write_atomic(results / ".current", f"{name}\n")


def run_folders(results: Path) -> list[Path]:
    """Return the run folders under ``results``, oldest first."""
    if not results.is_dir():
        return []
    folders = [p for p in results.iterdir() if not p.name.startswith(".") and _looks_like_run(p)]
    return sorted(folders, key=lambda folder: (_created_at(folder), folder.name))


def _created_at(folder: Path) -> datetime:
    """Return when a run was created; long ago where its run.json does not say."""
    try:
        return datetime.fromisoformat(read_info(folder).created_at).astimezone(UTC)
    except (Refusal, ValueError, TypeError):
        return datetime.min.replace(tzinfo=UTC)


def find_run(results: Path, name: str | None) -> Path | None:
    """Return the folder of the run called ``name`` (a path, its full name, or an unambiguous part of it).

    Without a name: the current run, or the newest where none was remembered; None where there is no run.

    Raises:
        Refusal: no run is called so, or several are; the current run was deleted or moved away.
    """
    if name is None:
        return _current(results)
    if _looks_like_run(expanded(name)):
        return expanded(name).resolve()
    if _is_run_of(results, name):
        return results / name
    folders = run_folders(results)
    hits = [p for p in folders if name in p.name]
    if len(hits) == 1:
        return hits[0]
    if hits:
        raise Refusal(
            f'"{name}" names {len(hits)} runs: ' + ", ".join(p.name for p in hits) + ".",
            "Use a longer part of the name.",
        )
    raise Refusal(f'No run is called "{name}" in {results}.', choices_hint(name, [p.name for p in folders]))


def _is_run_of(results: Path, name: str) -> bool:
    """Whether a run of exactly this name is in ``results``; looks at no other run."""
    is_plain = bool(name) and Path(name).name == name and not name.startswith(".")
    return is_plain and _looks_like_run(results / name)


def _looks_like_run(folder: Path) -> bool:
    """Whether a folder is a run, or was one before its run.json or its journal was lost."""
    # unlike Path.is_file, this returns False for a name too long for the file system
    return os.path.isfile(folder / RUN_FILE) or os.path.isfile(folder / "events.jsonl")


def current_name(results: Path) -> str:
    """Return the name of the current run; "" where there is none, or it is gone."""
    try:
        folder = _current(results)
    except Refusal:
        return ""
    return folder.name if folder is not None else ""


def _current(results: Path) -> Path | None:
    try:
        name = (results / ".current").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        name = ""
    if _is_run_of(results, name):
        return results / name
    folders = run_folders(results)
    if not folders or not name:
        return folders[-1] if folders else None
    raise Refusal(
        f"The current run, {name}, is no longer in {results}.",
        "`python -m runner advance --run NAME` continues another (see `python -m runner runs`), "
        "`python -m runner new --from-defaults` starts one.",
    )


def command(folder: Path, verb: str) -> str:
    """Return the command that does ``verb`` to this run: with --run where it would otherwise refer to another run."""
    results = usual_results()
    if folder.resolve().parent != results:
        return f"python -m runner {verb} --run {shlex.quote(str(folder))}"
    try:
        is_current = find_run(results, None) == results / folder.name
    except Refusal:
        is_current = False
    return f"python -m runner {verb}" + ("" if is_current else f" --run {shlex.quote(folder.name)}")


def new_command(folder: Path, overrides: Sequence[str]) -> str:
    """Return the command that begins another run like this one, with ``overrides`` on top."""
    words = shlex.join(["new", *overrides])
    like = command(folder, "").partition("--run ")[2]
    elsewhere = f" --results {shlex.quote(str(folder.resolve().parent))}" if "/" in like else ""
    return f"python -m runner {words}" + (f" --like {like}{elsewhere}" if like else "")


def remove_temporary_files(run: Run) -> None:
    """Delete temporary files that killed processes left behind. The caller holds the run's lock."""
    for folder in (run.folder, *(run.gate_folder(gate) for gate in GATES)):
        remove_leftovers(folder)


def archive_old_attempts(run: Run) -> list[Path]:
    """Move gate folders of earlier attempts to attempts/gate_x.N; idempotent, so a crash in between is repaired.

    A folder's inputs.json, its first file, says to which attempt it belongs.

    Raises:
        Refusal: the inputs.json of a started gate is lost or damaged, or the old attempt's place is taken.
    """
    moved = []
    for gate, attempt in run.attempts.items():
        folder = run.gate_folder(gate)
        if not folder.is_dir():
            continue
        found = _folder_attempt(folder)
        if found == attempt:
            continue
        if found is None and run.has_begun(gate):
            raise Refusal(
                f"{folder / 'inputs.json'} is missing or damaged: the inputs of gate {gate.upper()} are unknown.",
                f"Restore it, or `{command(run.folder, f'rewind {gate.upper()}')}`.",
            )
        target = _free_place(run.folder / "attempts" / f"gate_{gate}.{found or 'unknown'}", folder, found)
        move(folder, target)
        moved.append(target)
    return moved


def _free_place(target: Path, folder: Path, attempt: int | None) -> Path:
    """Return where an old attempt goes. Raises Refusal when another folder claims to be the same attempt."""
    if not target.exists():
        return target
    if attempt is not None:
        raise Refusal(f"{target} already exists: {folder} cannot be kept beside it.", "Move one of them away.")
    number = 2
    while (place := target.with_name(f"{target.name}-{number}")).exists():
        number += 1
    return place


def _folder_attempt(folder: Path) -> int | None:
    try:
        return int(json.loads((folder / "inputs.json").read_text(encoding="utf-8"))["attempt"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def stored_config(run: Run) -> Path:
    """Return the copy of the configuration as of the journal's last event: config.1.yaml, then one for each change."""
    number = 1 + sum(1 for event in run.journal.events if event.type == EventType.CONFIG_CHANGED)
    return run.file(f"config.{number}.yaml")


def replace_config(run: Run, config_text: str, overrides: list[str], changed: list[str], by_hand: bool = False) -> None:
    """Store a changed configuration; the previous one is kept beside it as config.N.yaml.

    The event comes last: a crash before it leaves a config without its event, which then counts as an edit by hand.
    """
    former = stored_config(run)
    if not former.exists():
        write_atomic(former, run.file("config.yaml").read_bytes())
    number = int(former.name.split(".")[1])
    write_atomic(run.file(f"config.{number + 1}.yaml"), config_text)
    write_atomic(run.file("config.yaml"), config_text)
    _store_overrides(run.folder, overrides)
    run.record(EventType.CONFIG_CHANGED, changed=changed, former=former.name, **({"by_hand": True} if by_hand else {}))
