"""The decision rule, frozen and hashed before any model is loaded, so that no result can choose its own yardstick."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_origin, get_type_hints

from annotated_types import Ge, Gt, Lt

from env.files import digest, write_atomic
from env.limits import beyond_limits
from env.refusal import Refusal, choices_hint

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSettings:
    """The decision rule as it is configured, before the tasks are known.

    Attributes:
        selection: "split" selects on dev and decides on test; "max-t" does both on the dev tasks, when no test split
            is possible, and pays for the number of cells; "auto" lets Gate A split unless there are too few clusters.
        k: the metric is pass@k.
        margin_pp: the gain worth acting on, in percentage points.
        alpha: error rate of each one-sided bound; ``power`` is that of planning figures.
        noninferiority_pp: a family not shown to lose less than this warns.
        max_missing_pct: more unjudged or undrawn samples than this in an arm block; ``max_missing_gap_pp`` is the
            largest difference between the arms.
        canary_min_nats: an adapter must move some log-probability by at least this.
        canary_max_zero_nats: at scale 0 no log-probability may move by more than this.
        resamples: of the cluster bootstrap; fewer than 1000 cannot carry a 5% bound.
    """

    selection: Literal["auto", "split", "max-t"]
    k: Annotated[int, Ge(1)]
    margin_pp: Annotated[float, Gt(0), Lt(100)]
    alpha: Annotated[float, Gt(0), Lt(0.5)]
    power: Annotated[float, Ge(0.5), Lt(1)]
    noninferiority_pp: Annotated[float, Gt(0)]
    max_missing_pct: Annotated[float, Ge(0), Lt(100)]
    max_missing_gap_pp: Annotated[float, Ge(0), Lt(100)]
    canary_min_nats: Annotated[float, Gt(0)]
    canary_max_zero_nats: Annotated[float, Ge(0)]
    resamples: Annotated[int, Ge(1000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRule(RuleSettings):
    """Everything the verdict depends on besides the scores.

    Attributes:
        selection: "split" or "max-t", whichever Gate A chose.
        dev_tasks, dev_clusters, dev_samples: size of dev; samples are per task and arm. Likewise for test (0 tasks
            and clusters under "max-t").
        families: the families that the harm guard watches.
        seed: of the cluster bootstrap.
        splits_digest: digest of which task is in which split and cluster.
    """

    selection: Literal["split", "max-t"]
    dev_tasks: int
    dev_clusters: int
    dev_samples: int
    test_tasks: int
    test_clusters: int
    test_samples: int
    families: tuple[str, ...]
    seed: Annotated[int, Ge(0)]
    splits_digest: str

    def __post_init__(self) -> None:
        """Raises Refusal naming every field that contradicts itself or another."""
        wrong = [*beyond_limits(self), *(sentence for holds, sentence in _expectations(self) if not holds)]
        if wrong:
            raise Refusal(f"The decision rule contradicts itself: {'; '.join(wrong)}.", "Correct the gate's config.")

    @property
    def margin(self) -> float:
        """Return the margin as a fraction."""
        return self.margin_pp / 100.0

    @property
    def digest(self) -> str:
        """Return the hex SHA-256 of the rule as canonical JSON."""
        return digest(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Return plain data; ``rule_from_json`` is its inverse."""
        return {**asdict(self), "families": list(self.families)}


def _expectations(rule: DecisionRule) -> list[tuple[bool, str]]:
    split = rule.selection == "split"
    return [
        (rule.selection in ("split", "max-t"), f'selection is "{rule.selection}", not "split" or "max-t"'),
        (rule.dev_samples >= rule.k, f"dev_samples {rule.dev_samples} is fewer than k {rule.k}"),
        (not split or rule.test_samples >= rule.k, f"test_samples {rule.test_samples} is fewer than k {rule.k}"),
        (1 <= rule.dev_clusters <= rule.dev_tasks, f"{rule.dev_clusters} dev clusters of {rule.dev_tasks} tasks"),
        (
            1 <= rule.test_clusters <= rule.test_tasks if split else rule.test_tasks == rule.test_clusters == 0,
            f'{rule.test_clusters} test clusters of {rule.test_tasks} tasks under selection "{rule.selection}"',
        ),
    ]


def rule_from_json(data: dict[str, Any]) -> DecisionRule:
    """Rebuild a rule from ``DecisionRule.to_json``.

    Raises:
        Refusal: a field is missing, unknown, of another type, or contradicts another.
    """
    kinds = get_type_hints(DecisionRule)
    unknown, absent = sorted(data.keys() - kinds.keys()), sorted(kinds.keys() - data.keys())
    fix = "It was written by another version or edited by hand: `rewind` gate a."
    if unknown:
        raise Refusal(f'The decision rule has no field "{unknown[0]}".', choices_hint(unknown[0], kinds))
    if absent:
        raise Refusal(f"The decision rule lacks {', '.join(absent)}.", fix)
    for name, kind in kinds.items():
        if not _has_kind(data[name], kind):
            raise Refusal(f"The decision rule's {name} is {data[name]!r}, not {getattr(kind, '__name__', kind)}.", fix)
    return DecisionRule(**{**data, "families": tuple(data["families"])})


def _has_kind(value: object, kind: Any) -> bool:
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if get_origin(kind) is tuple:
        return isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)
    return isinstance(value, str)


def write_rule(path: Path, rule: DecisionRule) -> str:
    """Freeze ``rule`` as decision.json, atomically and durably; return its digest, which the file holds too."""
    document = {"schema_version": SCHEMA_VERSION, "digest": rule.digest, "rule": rule.to_json()}
    write_atomic(path, json.dumps(document, indent=2, allow_nan=False) + "\n")
    return rule.digest


def read_rule(path: Path) -> DecisionRule:
    """Return the rule frozen at ``path``.

    Raises:
        Refusal: no rule is frozen there, it is of another schema, or it was edited after it was frozen.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refusal(f"{path}: no decision rule is frozen there.", "Gate A freezes it: run `advance`.") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("rule"), dict):
        raise Refusal(f"{path}: not a decision rule.", "Restore the file, or `rewind` gate a.")
    if document.get("schema_version") != SCHEMA_VERSION:
        raise Refusal(
            f"{path}: schema {document.get('schema_version')!r}, but this version reads {SCHEMA_VERSION}.",
            "Read the run with the version that wrote it.",
        )
    rule = rule_from_json(document["rule"])
    if rule.digest != document.get("digest"):
        raise Refusal(f"{path}: the rule was edited after it was frozen.", "Restore it, or `rewind` gate a.")
    return rule
