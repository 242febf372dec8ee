"""Configuration: one place for defaults, every error at once and by its key, nothing unknown."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from env.refusal import Refusal
from gates.measuring.prompting import form_of
from runner.runs.config import compose_experiment, groups, read_config, read_older_config
from runner.runs.locations import CONF
from runner.runs.overrides import in_present_spelling, merge_overrides
from runner.runs.plain_config import dump_config, leaves
from tests.support.runs import PROJECT

CHOICES = [(group, choice) for group, choices in groups().items() for choice in choices]
PROFILES = sorted(path.stem for path in (CONF / "profile").glob("*.yaml"))


def refusal(*overrides: str) -> str:
    with pytest.raises(Refusal) as caught:
        compose_experiment(list(overrides))
    return str(caught.value)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_composes_and_says_what_it_promises_and_costs(profile: str) -> None:
    own_model = ["model.path=somewhere"] if profile == "local" else []
    experiment, _ = compose_experiment([f"profile={profile}", *own_model])
    assert experiment.profile == profile
    lines = (CONF / "profile" / f"{profile}.yaml").read_text(encoding="utf-8").splitlines()
    header = [line for line in lines if line.startswith("#")]
    assert header[0] == "# @package _global_"
    assert header[1].startswith(f"# {profile}: ")
    assert header[-1].startswith("# Cost: ")


def test_the_default_profile_is_tiny() -> None:
    assert compose_experiment([])[0].profile == "tiny"


def test_the_command_line_wins_over_the_profile_and_the_profile_over_the_groups() -> None:
    assert compose_experiment([])[0].gate.c.train.max_steps != 6
    assert compose_experiment(["profile=smoke"])[0].gate.c.train.max_steps == 6
    assert compose_experiment(["profile=smoke", "gate.c.train.max_steps=9"])[0].gate.c.train.max_steps == 9


def test_lora_without_quantisation_measures_the_same_unquantised_base() -> None:
    assert compose_experiment([])[0].model.quantization == "nf4"
    assert compose_experiment(["model.quantization=none"])[0].model.quantization == "none"


def test_a_misspelt_key_is_refused_with_the_nearest_one() -> None:
    assert 'gate.c.lora.rslra: no such key. Did you mean "gate.c.lora.rslora"?' in refusal("gate.c.lora.rslra=true")
    assert 'sede: no such key. Did you mean "seed"?' in refusal("sede=1")


def test_all_errors_come_at_once() -> None:
    text = refusal("sede=1", "seed=x", "sampling.top_p=2")
    assert "sede: no such key" in text
    assert "seed: must be a valid integer" in text
    assert "sampling.top_p: must be less than or equal to 1" in text


@pytest.mark.parametrize(
    ("group", "wrong", "near"),
    [
        ("profile", "tinny", "tiny"),
        ("backend", "mlxx", "mlx"),
        ("dataset", "luanti_mimi", "luanti_mini"),
        ("model", "tiny_randm", "tiny_random"),
    ],
)
def test_an_unknown_choice_is_refused_with_the_nearest_one(group: str, wrong: str, near: str) -> None:
    assert f'{group}={wrong}: no such choice. Did you mean "{near}"?' in refusal(f"{group}={wrong}")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("gate/c=lora", "model.quantization=none"),
        ("gate/c=qlora", "model.quantization=nf4"),
        ("gate/c=qlora_mlx", "model.quantization=q4"),
        ("model=tiny_random_qwen3_moe", "model=tiny_random model.path=tiny_random:qwen3_moe"),
    ],
)
def test_a_choice_of_an_earlier_version_is_refused_with_its_present_spelling(old: str, new: str) -> None:
    assert f"{old}: it is {new} now." in refusal(old)
    compose_experiment(new.split())


def test_overrides_of_an_earlier_version_are_read_as_this_one_writes_them() -> None:
    old = ["profile=smoke", "gate/c=lora", "model=tiny_random_mistral", "seed=3"]
    new = ["profile=smoke", "model.quantization=none", "model=tiny_random", "model.path=tiny_random:mistral", "seed=3"]
    assert in_present_spelling(old) == new
    assert in_present_spelling(new) == new
    assert in_present_spelling(["model.quantization=q4", "gate/c=lora"]) == ["model.quantization=q4"]
    experiment, _ = compose_experiment(in_present_spelling(old))
    assert (experiment.model.quantization, experiment.model.path) == ("none", "tiny_random:mistral")


def test_a_random_model_without_an_architecture_is_refused_by_its_key() -> None:
    for choice in ("tiny_random", "local"):
        assert "model.path: not set; add model.path=FOLDER" in refusal(f"model={choice}")


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("+new.key=1", '"+new.key=1": keys cannot be added or removed'),
        ("~seed", '"~seed": keys cannot be added or removed'),
        ("seed", '"seed" is not of the form key=value'),
        ("=3", '"=3" is not of the form key=value'),
    ],
)
def test_what_is_not_a_plain_override_is_refused(override: str, says: str) -> None:
    assert says in refusal(override)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_number_that_is_not_finite_is_refused(value: str) -> None:
    assert "rule.margin_pp" in refusal(f"rule.margin_pp={value}")


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("gate.c.lora.r=0", "gate.c.lora.r"),
        ("gate.c.train.checkpoint_every=1000", "checkpoint_every"),
        ("gate.d.scales=[]", "gate.d.scales"),
        ("gate.d.scales=[1.0,1.0]", "gate.d.scales"),
        ("gate.d.scales=[-0.5]", "gate.d.scales"),
        ("sampling.samples_dev=3", "rule.k=5 needs at least as many samples"),
        (
            "dataset=jsonl",
            "dataset.eval, dataset.train: not set. dataset=jsonl needs dataset.eval=FILE dataset.train=FILE",
        ),
        ("dataset.domain=roblox", "dataset.domain=roblox: luanti_mini is of the domain luanti"),
    ],
)
def test_values_that_cannot_work_are_refused_by_their_key(override: str, key: str) -> None:
    assert key in refusal(override)


OWN_FILES = ("dataset=jsonl", "dataset.eval=a.jsonl", "dataset.train=b.jsonl")


def test_files_of_ones_own_are_of_the_domain_that_conf_names_until_one_says_otherwise() -> None:
    assert compose_experiment(OWN_FILES)[0].dataset.domain == "luanti"
    assert "dataset.domain: not set. dataset=jsonl needs dataset.domain=NAME" in refusal(
        *OWN_FILES, "dataset.domain=null"
    )
    assert 'dataset.domain: no domain "luantj". Did you mean "luanti"?' in refusal(*OWN_FILES, "dataset.domain=luantj")


def said_by(group: str, choice: str) -> dict[str, object]:
    """Return the dotted keys and values that a choice's file names itself, whatever else it includes or refers to."""
    text = (CONF / group / f"{choice}.yaml").read_text(encoding="utf-8")
    said = {key: value for key, value in yaml.safe_load(text).items() if key != "defaults"}
    if not text.startswith("# @package _global_"):
        for section in reversed(group.split("/")):
            said = {section: said}
    return {key: value for key, value in leaves(said).items() if not str(value).startswith("${")}


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_every_group_choice_composes(group: str, choice: str) -> None:
    files = {
        "dataset=jsonl": {"dataset.eval": "a.jsonl", "dataset.train": "b.jsonl"},
        "dataset=tasks": {"dataset.eval": "a.yaml", "dataset.train": "b.jsonl", "dataset.domain": "luanti"},
        "model=local": {"model.path": "somewhere"},
        "profile=local": {"model.path": "somewhere"},
        "model=tiny_random": {"model.path": "tiny_random:mistral"},
    }.get(f"{group}={choice}", {})
    composed = leaves(compose_experiment([f"{group}={choice}", *(f"{key}={value}" for key, value in files.items())])[1])
    expected = said_by(group, choice) | files
    if group == "model":
        # the embedded model is found from any folder
        expected["model.path"] = str(expected["model.path"]).replace("training/", f"{PROJECT}/training/")
    assert {key: composed[key] for key in expected} == expected


def test_a_resolved_config_reads_back_as_the_same_experiment(tmp_path: Path) -> None:
    experiment, config = compose_experiment(["seed=7"])
    path = tmp_path / "config.yaml"
    path.write_text(dump_config(config), encoding="utf-8")
    assert read_config(path) == (experiment, config)


def test_a_config_file_with_an_unknown_key_is_refused_by_its_name(tmp_path: Path) -> None:
    _, config = compose_experiment([])
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**config, "extra": 1}), encoding="utf-8")
    with pytest.raises(Refusal, match="extra: no such key"):
        read_config(path)


def test_yaml_that_is_none_is_refused_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("seed: 0\nmodel: {path\n", encoding="utf-8")
    with pytest.raises(Refusal, match=r"config.yaml, line \d+: not YAML"):
        read_config(path)


def test_a_later_override_of_a_key_replaces_the_earlier_one() -> None:
    assert merge_overrides(["seed=1", "profile=smoke"], ["seed=2"]) == ["seed=2", "profile=smoke"]


def test_no_yaml_in_conf_names_python_code() -> None:
    assert not [path for path in CONF.rglob("*.yaml") if "_target_" in path.read_text(encoding="utf-8")]


def test_leaves_are_dotted() -> None:
    assert leaves({"a": {"b": 1, "c": {"d": [2]}}, "e": None}) == {"a.b": 1, "a.c.d": [2], "e": None}


def test_bad_values_of_one_section_and_of_several_come_at_once_and_in_our_words() -> None:
    lora, train = ("gate.c.lora.r=0", "gate.c.lora.dropout=1.5"), ("gate.c.train.batch_size=0",)
    text = refusal(*lora, *train, "gate.d.scales=[]", "gate.c.lora.layers=all")
    assert "gate.d.scales: must hold at least 1 value" in text
    assert "gate.c.lora.layers: must be a list" in text
    text = refusal(*lora, *train, "model.threads=-1", "gate.c.lora.target_modules=[]")
    for part in ("lora.r = 0", "lora.dropout = 1.5", "train.batch_size = 0", "lora.target_modules = []"):
        assert f"gate.c.{part}: must be" in text
    assert "model.threads = -1: must be" in text


def test_a_list_whose_value_is_refused_is_not_also_called_empty() -> None:
    text = refusal("gate.d.scales=[nan]")
    assert "gate.d.scales.0: must be a finite number (got nan)" in text
    assert "at least" not in text


def repeated(group: str, choice: str) -> dict[str, object]:
    """Return what a choice's file says although config.yaml, or the choice it builds on, says the same."""
    text = yaml.safe_load((CONF / group / f"{choice}.yaml").read_text(encoding="utf-8"))
    below = leaves(yaml.safe_load((CONF / "config.yaml").read_text(encoding="utf-8")))
    for parent in text.get("defaults", []):
        below |= said_by(group, parent) if parent != "_self_" else {}
    return {key: value for key, value in said_by(group, choice).items() if key in below and below[key] == value}


@pytest.mark.parametrize(("group", "choice"), [pair for pair in CHOICES if pair[0] not in ("profile", "size")])
def test_a_choice_says_only_what_differs_from_what_it_builds_on(group: str, choice: str) -> None:
    assert repeated(group, choice) == {}


def test_a_file_of_conf_that_is_damaged_is_named_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = shutil.copytree(CONF, tmp_path / "conf")
    monkeypatch.setattr("runner.runs.config.CONF", conf)
    config = conf / "config.yaml"
    text = config.read_text(encoding="utf-8")
    for damage, said in (("seed: 1\n", "found duplicate key seed"), ("seed: [1\n", "expected")):
        config.write_text(text + damage, encoding="utf-8")
        assert re.search(rf"config\.yaml, line \d+: .*{said}", refusal())


def test_no_file_of_conf_names_a_key_twice() -> None:
    assert compose_experiment([])[0].profile == "tiny"


def test_arguments_of_a_chat_template_are_open_and_everything_else_stays_closed() -> None:
    words = ["profile=h200", "prompt.template_arguments={enable_thinking: false}", "prompt.template_arguments.level=3"]
    experiment, plain = compose_experiment(words)
    given = {"reasoning_effort": "low", "enable_thinking": False, "level": 3}
    assert experiment.prompt.template_arguments == given == plain["prompt"]["template_arguments"]
    without = compose_experiment([*words, "prompt.template_arguments.reasoning_effort=null"])[0]
    assert "reasoning_effort" not in form_of(without, datetime(2026, 1, 1, tzinfo=UTC)).arguments
    with pytest.raises(Refusal, match=r"prompt\.template_argument: no such key"):
        compose_experiment(["prompt.template_argument={x: 1}"])
    with pytest.raises(Refusal, match=r"prompt\.template_arguments\.x"):
        compose_experiment(["prompt.template_arguments={x: [1, 2]}"])
    with pytest.raises(Refusal, match=r"prompt\.template_arguments"):
        compose_experiment(["prompt.template_arguments=low"])


def test_keys_that_an_older_version_lacked_have_defaults_for_a_look_and_are_refused_for_a_run(tmp_path: Path) -> None:
    config = compose_experiment(["profile=smoke", "gate.c.lora.r=2"])[1]
    del config["gate"]["c"]["train"]["logit_chunk"], config["sampler"], config["prompt"]["answer_prefix"]
    path = tmp_path / "config.yaml"
    path.write_text(dump_config(config))
    with pytest.raises(Refusal, match=r"logit_chunk"):
        read_config(path)
    assert read_older_config(path) == compose_experiment(["profile=smoke", "gate.c.lora.r=2"])[0]
    config["gate"]["c"]["train"]["learning_rat"] = 1.0
    path.write_text(dump_config(config))
    with pytest.raises(Refusal, match=r"learning_rat"):
        read_older_config(path)
