"""What must not be lost by a fault, and what must be equal in the end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# these tell when and how often, not what
_UNTIMED_STEP = ("step", "loss", "learning_rate", "grad_norm", "tokens", "epoch")
_UNTIMED_REPORT = ("status", "headline", "reasons", "metrics", "choices")


def stored_units(folder: Path) -> dict[str, str]:
    """Return a digest of every unit of work that stands complete in a run: name -> SHA-256.

    Units are journal lines, sample lines, openings of the test tasks, trained steps, scheduled checkpoints and reports
    of concluded gates. What stands once must stand, byte for byte, after whatever happens.
    """
    found: dict[str, str] = {}
    for path in sorted(folder.glob("**/*.jsonl")):
        data = path.read_bytes()
        for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), start=1):
            found[f"{path.relative_to(folder)}:{number}"] = _sha(line)
    for manifest in sorted(folder.glob("gate_c/**/checkpoints/step-*/CHECKPOINT.json")):
        if json.loads(manifest.read_bytes())["scheduled"]:
            for path in sorted(manifest.parent.iterdir()):
                found[str(path.relative_to(folder))] = _sha(path.read_bytes())
    for gate in concluded_gates(folder):
        report = folder / f"gate_{gate}" / "report.json"
        found[f"gate_{gate}/report.json"] = _sha(report.read_bytes()) if report.exists() else "missing"
    return found


def lost_units(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return the units that stood before and are gone or different."""
    return [name for name, digest in before.items() if after.get(name) != digest]


def concluded_gates(folder: Path) -> list[str]:
    """Return the gates that the journal says passed or said no."""
    return [e["gate"] for e in journal(folder) if e["type"] in ("gate_passed", "gate_failed")]


def journal(folder: Path) -> list[dict[str, Any]]:
    """Return the complete lines of a run's journal."""
    path = folder / "events.jsonl"
    data = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]


def steps_again(folder: Path) -> int:
    """Return how many training steps were done more than once."""
    path = folder / "gate_c" / "metrics.jsonl"
    steps = [json.loads(line)["step"] for line in path.read_bytes().splitlines()] if path.exists() else []
    return len(steps) - len(set(steps))


def differing_bytes(folder: Path, reference: Path) -> dict[str, int]:
    """Return, for every result that is not that of the undisturbed run, in how many bytes it differs."""
    ours, theirs = dict(_results(folder)), dict(_results(reference))
    counts = {name: _differing(ours.get(name, b""), theirs.get(name, b"")) for name in sorted({*ours, *theirs})}
    return {name: count for name, count in counts.items() if count}


def _results(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of everything that must not depend on interruptions, timings left out."""
    draws = folder.glob("gate_c/rounds/*/draws.jsonl")
    for path in sorted([*folder.glob("gate_*/**/samples.jsonl"), *draws]):
        yield _name(path, folder), b"\n".join(_untimed_sample(line) for line in path.read_bytes().splitlines())
    for path in sorted(folder.glob("gate_c/**/checkpoints/step-*/*.safetensors")):
        yield _name(path, folder), path.read_bytes()
    for name in ("inputs.json", "scores.jsonl", "selected.jsonl", "round.json"):
        for path in sorted(folder.glob(f"gate_c/rounds/*/{name}")):
            yield _name(path, folder), path.read_bytes()
    for name in ("gate_a/rule.json", "gate_e/decision.json"):
        if (folder / name).exists():
            yield name, (folder / name).read_bytes()
    metrics = folder / "gate_c" / "metrics.jsonl"
    if metrics.exists():
        steps = {row["step"]: row for row in map(json.loads, metrics.read_bytes().splitlines())}
        rows = [{key: steps[step][key] for key in _UNTIMED_STEP} for step in sorted(steps)]
        yield "gate_c/metrics.jsonl", json.dumps(rows).encode()
    for path in sorted(folder.glob("gate_*/report.json")):
        report = json.loads(path.read_bytes())
        yield _name(path, folder), json.dumps({key: report[key] for key in _UNTIMED_REPORT}).encode()


def _untimed_sample(line: bytes) -> bytes:
    sample = json.loads(line)
    del sample["verdict"]["seconds"]
    return json.dumps(sample).encode()


def _differing(ours: bytes, theirs: bytes) -> int:
    return sum(a != b for a, b in zip(ours, theirs, strict=False)) + abs(len(ours) - len(theirs))


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
