"""What a gate wrote and did not flush before the journal said that it had concluded, by the order of its calls."""

from __future__ import annotations

from collections.abc import Iterable

# these tell people where a gate is; nothing is concluded from them
NOT_EVIDENCE = ("logs/", "heartbeat.json", "run.lock", "plans.json", "failure.json")
JOURNAL = "events.jsonl"
Call = tuple[str, str, str]


def unflushed(calls: Iterable[Call]) -> list[str]:
    """Return every file whose bytes, or whose name in its folder, were not flushed when the last event was written.

    A file's own fsync covers its bytes, its folder's fsync the names in it.
    """
    calls = list(calls)
    last_event = max(number for number, call in enumerate(calls) if call[1:] == ("write", JOURNAL))
    bytes_left: set[str] = set()
    names_left: set[str] = set()
    seen: set[str] = set()
    for _, call, path in calls[:last_event]:
        if call == "write":
            bytes_left.add(path)
        elif call == "fsync":
            bytes_left.discard(path)
            names_left = {name for name in names_left if _folder(name) != path}
        elif call in ("rename", "replace"):
            bytes_left = {_renamed(name, path) for name in bytes_left}
            names_left = {_renamed(name, path) for name in names_left} | {path}
        elif call == "mkdir" or (call == "open" and path not in seen):
            names_left.add(path)
        seen.add(path)
    return sorted(name for name in bytes_left | names_left if not name.startswith(NOT_EVIDENCE))


def _folder(path: str) -> str:
    return path.rpartition("/")[0] or "."


def _renamed(name: str, target: str) -> str:
    """Return ``name`` after ``target``~ has become ``target``."""
    source = f"{target}~"
    return target + name[len(source) :] if name == source or name.startswith(f"{source}/") else name
