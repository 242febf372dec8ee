"""Every key of an experiment is one field of one record, and conf/ alone says what it is when nobody says anything."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import pytest
from pydantic import BaseModel

from env.limits import beyond_limits
from env.refusal import BadSettings
from eval.decision.racing import Schedule
from gates.settings import Experiment
from runner.runs.config import compose_experiment


def records_in(kind: Any) -> Iterator[type]:
    """Yield every record that a type is made of, itself first."""
    if isinstance(kind, type) and (issubclass(kind, BaseModel) or dataclasses.is_dataclass(kind)):
        yield kind
        for inner in get_type_hints(kind).values():
            yield from records_in(inner)
    for argument in get_args(kind):
        yield from records_in(argument)


RECORDS = list(dict.fromkeys(records_in(Experiment)))


def fields_of(record: type) -> dict[str, bool]:
    """Return the fields of a record and whether each has a default."""
    if issubclass(record, BaseModel):
        return {name: not field.is_required() for name, field in record.model_fields.items()}
    missing = dataclasses.MISSING
    return {
        field.name: not (field.default is missing and field.default_factory is missing)
        for field in dataclasses.fields(record)
    }


def test_the_records_of_an_experiment_are_all_looked_at() -> None:
    assert {"Experiment", "TrainSettings", "EnvironmentRules", "Schedule", "RuleSettings"} <= {
        r.__name__ for r in RECORDS
    }


@pytest.mark.parametrize("record", RECORDS, ids=[record.__name__ for record in RECORDS])
def test_no_setting_has_a_default_outside_conf(record: type) -> None:
    assert [name for name, has_default in fields_of(record).items() if has_default] == []


def test_no_two_records_hold_the_same_settings() -> None:
    """A record whose fields are all in another one says the same thing twice."""
    names = {record.__name__: frozenset(fields_of(record)) for record in RECORDS}
    assert max(Counter(names.values()).values()) == 1
    inside = [(a, b) for a in names for b in names if a != b and len(names[a]) > 1 and names[a] <= names[b]]
    assert inside == []


def test_settings_made_by_hand_keep_to_the_limits_that_configured_ones_keep_to() -> None:
    schedule = compose_experiment([])[0].gate.d.race
    assert beyond_limits(schedule) == []
    with pytest.raises(BadSettings) as refused:
        Schedule(task_pct=(), min_tasks=0, keep_pct=100.0, finalists=2)
    assert (
        refused.value.sentence
        == "task_pct is (), not of at least 1 values; min_tasks is 0, not at least 1; keep_pct is 100.0, not below 100."
    )
