"""The frozen rule: it cannot contradict itself, and an edit after freezing is seen."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from env.refusal import Refusal
from eval.decision.rule import DecisionRule, read_rule, rule_from_json, write_rule

RULE = DecisionRule(
    k=5,
    margin_pp=15.0,
    alpha=0.05,
    power=0.8,
    selection="split",
    dev_tasks=60,
    dev_clusters=30,
    dev_samples=5,
    test_tasks=120,
    test_clusters=60,
    test_samples=10,
    families=("scaffold", "repair", "doc", "refactor"),
    noninferiority_pp=10.0,
    max_missing_pct=1.0,
    max_missing_gap_pp=1.0,
    canary_min_nats=1e-3,
    canary_max_zero_nats=1e-3,
    seed=20261120,
    resamples=10_000,
    splits_digest="ab" * 32,
)


def test_a_frozen_rule_reads_back_equal(tmp_path):
    digest = write_rule(tmp_path / "decision.json", RULE)
    assert read_rule(tmp_path / "decision.json") == RULE
    assert digest == RULE.digest


@pytest.mark.parametrize(
    ("field", "value"),
    [("margin_pp", 10.0), ("k", 1), ("test_samples", 20), ("splits_digest", "cd" * 32), ("seed", 1), ("alpha", 0.1)],
)
def test_every_change_of_the_rule_changes_its_digest(field, value):
    assert replace(RULE, **{field: value}).digest != RULE.digest


def test_an_edited_rule_is_refused(tmp_path):
    path = tmp_path / "decision.json"
    write_rule(path, RULE)
    document = json.loads(path.read_text())
    document["rule"]["margin_pp"] = 5.0
    path.write_text(json.dumps(document))
    with pytest.raises(Refusal, match="edited after it was frozen"):
        read_rule(path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("{", "not a decision rule"), ("[]", "not a decision rule"), ('{"schema_version": 2, "rule": {}}', "schema 2")],
)
def test_another_file_is_refused_by_name(tmp_path, text, sentence):
    path = tmp_path / "decision.json"
    path.write_text(text)
    with pytest.raises(Refusal, match=sentence) as refusal:
        read_rule(path)
    assert str(path) in refusal.value.sentence


def test_no_rule_yet_is_a_refusal_with_the_next_command(tmp_path):
    with pytest.raises(Refusal, match="no decision rule is frozen") as refusal:
        read_rule(tmp_path / "decision.json")
    assert "advance" in refusal.value.fix


def test_an_unknown_field_is_refused_with_the_nearest_one():
    with pytest.raises(Refusal) as refusal:
        rule_from_json({**RULE.to_json(), "margn_pp": 15.0})
    assert 'Did you mean "margin_pp"' in refusal.value.fix


@pytest.mark.parametrize(("field", "value"), [("k", 5.5), ("k", True), ("margin_pp", "15"), ("families", "doc")])
def test_a_field_of_another_type_is_refused_by_name(field, value):
    with pytest.raises(Refusal, match=field):
        rule_from_json({**RULE.to_json(), field: value})


def test_a_missing_field_is_refused_by_name():
    data = RULE.to_json()
    del data["margin_pp"]
    with pytest.raises(Refusal, match="lacks margin_pp"):
        rule_from_json(data)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"k": 0}, "k is 0"),
        ({"margin_pp": 0.0}, "margin_pp is 0"),
        ({"margin_pp": float("nan")}, "margin_pp is nan"),
        ({"alpha": 0.5}, "alpha is 0.5"),
        ({"dev_samples": 4}, "dev_samples 4 is fewer than k 5"),
        ({"test_samples": 4}, "test_samples 4 is fewer than k 5"),
        ({"test_clusters": 121}, "121 test clusters of 120 tasks"),
        ({"test_tasks": 0, "test_clusters": 0}, "0 test clusters of 0 tasks"),
        ({"selection": "max-t"}, "60 test clusters of 120 tasks under selection"),
        ({"selection": "best"}, 'selection is "best"'),
        ({"resamples": 100}, "resamples is 100"),
        ({"canary_min_nats": 0.0}, "canary_min_nats is 0"),
    ],
)
def test_a_rule_that_contradicts_itself_is_refused_naming_the_field(change, sentence):
    with pytest.raises(Refusal, match=sentence):
        replace(RULE, **change)


def test_all_contradictions_are_named_at_once():
    with pytest.raises(Refusal, match=r"k is 0.*margin_pp is -1.*resamples is 1"):
        replace(RULE, k=0, margin_pp=-1.0, resamples=1)


def test_a_rule_without_a_test_split_is_possible_under_max_t():
    rule = replace(RULE, selection="max-t", test_tasks=0, test_clusters=0)
    assert rule_from_json(rule.to_json()) == rule
