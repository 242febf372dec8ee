"""Whether a gate's stored results still describe the present configuration and data, by content alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from env.files import digest, sha256_file, write_atomic
from env.refusal import Refusal
from eval.datasets.files.folders import TASKS, content_of
from eval.datasets.files.hub import located
from gates import GATES as GATE_RECORDS
from gates.report import GateReport, read_report
from runner.runs.folder import Run
from runner.runs.plain_config import leaves
from runner.runs.state_machine import GATES

SCHEMA_VERSION = 1
# Above this a model's weight file is identified by name and size here; its bytes are hashed when it is loaded.
HASHED_WHOLE_BYTES = 64_000_000
# These change speed, not results: a sample depends only on its own random stream, whatever shares its batch.
SPEED_KEYS = {
    "model": {"batch_size", "processes"},
    "verifier": {"workers"},
    "sampling": {"samples_per_call"},
    # where servers are and how they are asked; what they are is held against Gate A's record
    "sampler": {
        "urls", "api_key_env", "concurrency", "timeout_s", "retry_s", "adapters_folder", "server_folder",
        "price_prompt", "price_completion",
    },
    # a judge is its model, its prompt and its sampling
    "judge": {
        "url", "api_key_env", "concurrency", "timeout_s", "retry_s", "price_prompt", "price_completion", "max_calls",
        "max_cost", "candidates", "repeats", "programs", "waiver",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything a gate depends on: digests by name, and the config keys behind them (to name what changed)."""

    digests: dict[str, str]
    config: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Freshness:
    """Whether a gate's results are up to date; ``reasons`` name each difference.

    ``damage``: a sentence for each file of the gate that changed after it was written (see intactness.py).
    """

    gate: str
    fresh: bool
    reasons: tuple[str, ...] = ()
    damage: tuple[str, ...] = ()


def gate_inputs(run: Run, config: dict[str, Any], gate: str) -> Inputs:
    """Return what ``gate`` would depend on if it ran now.

    Raises:
        Refusal: a file it needs is missing.
    """
    record = GATE_RECORDS[gate]
    uses = record.uses_under(config)
    shared = {name: _that_matters(config, name) for name in uses if _is_in_use(config, name)}
    sections = {f"gate.{gate}": record.own_keys(config), **shared}
    digests = {f"config.{name}": digest(section) for name, section in sections.items()}
    digests.update(_file_digests(config, uses))
    for earlier in record.needs:
        report = read_report(run.gate_folder(earlier) / "report.json")
        digests[f"gate_{earlier}"] = "none" if report is None else report_digest(report)
    return Inputs(digests, leaves(sections))


def _is_in_use(config: dict[str, Any], section: str) -> bool:
    """Whether the results depend on a section: where the training backend samples, not on who else might."""
    return section != "sampler" or bool(config["sampler"]["name"])


def _that_matters(config: dict[str, Any], section: str) -> Any:
    value = config[section]
    return {k: v for k, v in value.items() if k not in SPEED_KEYS[section]} if section in SPEED_KEYS else value


def _file_digests(config: dict[str, Any], uses: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    if "dataset" in uses:
        for key in ("eval", "train"):
            if config["dataset"].get(key):
                path = located(config["dataset"][key], is_offline=True)
                if not path.exists():
                    raise Refusal(f"dataset.{key}: {path} is not a file.", "Give the path of a JSONL file.")
                are_tasks = key == "eval" and config["dataset"]["name"] == TASKS
                content = content_of(path, are_tasks)
                found[f"file.dataset.{key}"] = digest(content) if path.is_dir() else content
    if "judge" in uses and config["judge"]["rubric"]:
        found["file.judge.rubric"] = sha256_file(Path(config["judge"]["rubric"]))
    folder = Path(config["model"]["path"]) if "model" in uses else None
    if folder is not None and folder.is_dir():
        found["file.model"] = digest(
            {p.name: _model_file(p) for p in sorted(folder.iterdir()) if p.is_file() and p.suffix != ".md"}
        )
    return found


def _model_file(path: Path) -> str | int:
    size = path.stat().st_size
    return size if size > HASHED_WHOLE_BYTES else sha256_file(path)


def report_digest(report: GateReport) -> str:
    """Return what later gates depend on in a report: its inputs and the bytes of what it produced, no times."""
    return digest({"inputs": report.inputs, "artifacts": {item.path: item.sha256 for item in report.artifacts}})


def write_inputs(run: Run, gate: str, inputs: Inputs, folder: Path | None = None) -> None:
    """Write inputs.json, the first file of a gate's folder (or of the ``folder`` that becomes it)."""
    record = {
        "schema_version": SCHEMA_VERSION,
        "gate": gate,
        "attempt": run.attempts[gate],
        "digests": inputs.digests,
        "config": inputs.config,
    }
    write_atomic((folder or run.gate_folder(gate)) / "inputs.json", json.dumps(record, indent=2) + "\n")


def read_inputs(run: Run, gate: str) -> Inputs | None:
    """Return what the gate's stored work depends on; None before it started. Raises Refusal on an invalid file."""
    path = run.gate_folder(gate) / "inputs.json"
    try:
        return parse_inputs(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refusal(f"{path} cannot be read: {error.strerror}.", "Restore it, or move it away.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(f"{path}: not a gate's inputs ({error}).", f"`python -m runner rewind {gate.upper()}`.") from None


def parse_inputs(raw: Any) -> Inputs:
    """Return the inputs in the plain data of an inputs.json. Raises ValueError, KeyError or TypeError if invalid."""
    if raw["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"schema_version {raw['schema_version']!r}, expected {SCHEMA_VERSION}")
    return Inputs(dict(raw["digests"]), dict(raw["config"]))


def compare(gate: str, stored: Inputs, present: Inputs) -> Freshness:
    """Compare the inputs of ``stored`` work with ``present``, naming every config key, file or gate that differs."""
    reasons: list[str] = []
    for name in sorted({*stored.digests, *present.digests}):
        before, after = stored.digests.get(name), present.digests.get(name)
        if before == after:
            continue
        if name.startswith("config."):
            reasons.extend(_changed_keys(name.removeprefix("config."), stored.config, present.config))
        elif name.startswith("file."):
            reasons.append(f"{name.removeprefix('file.')}: {_file_difference(before, after)}")
        else:
            reasons.append(f"{name}: gate {name[-1].upper()} has other results now")
    return Freshness(gate, not reasons, tuple(reasons))


def _file_difference(before: str | None, after: str | None) -> str:
    if before is None or after is None:
        return "it no longer exists" if after is None else "it did not exist before"
    return f"its content changed (digest {before[:12]} became {after[:12]})"


def _changed_keys(section: str, stored: dict[str, Any], present: dict[str, Any]) -> list[str]:
    keys = sorted(key for key in {*stored, *present} if key == section or key.startswith(f"{section}."))
    return [
        f"{key}: {stored.get(key)!r} became {present.get(key)!r}" for key in keys if stored.get(key) != present.get(key)
    ]


def examine(run: Run, config: dict[str, Any], gates: Sequence[str] = GATES) -> list[Freshness]:
    """Return the freshness of every gate of ``gates`` that has started, in order."""
    found = []
    for gate in gates:
        stored = read_inputs(run, gate)
        if stored is not None:
            found.append(compare(gate, stored, gate_inputs(run, config, gate)))
        elif run.has_begun(gate):
            found.append(Freshness(gate, False, ("its inputs.json is missing: its inputs are unknown",)))
    return found
