"""From conf/ and overrides to one frozen Experiment; every configuration error at once, by dotted key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from env.refusal import Refusal, choices_hint
from gates.settings import Experiment
from runner.runs.locations import CONF, PROJECT

# Keys that name files: made absolute when a run is created, so that it resumes from any folder.
PATH_KEYS = (("model", "path"), ("dataset", "eval"), ("dataset", "train"))
# The adapter's settings were once a file for each way to hold the base.
_QUANTIZATION_GROUPS = {
    "lora": "model.quantization=none",
    "qlora": "model.quantization=nf4",
    "qlora_mlx": "model.quantization=q4",
}


@contextmanager
def _hydra() -> Iterator[None]:
    GlobalHydra.instance().clear()
    with initialize_config_dir(config_dir=str(CONF)):
        yield


def groups() -> dict[str, list[str]]:
    """Return every config group ("gate/c") with its choices, as the folders of conf/ hold them."""
    found: dict[str, list[str]] = {}
    for file in sorted(CONF.rglob("*.yaml")):
        group = file.parent.relative_to(CONF).as_posix()
        if group != ".":
            found.setdefault(group, []).append(file.stem)
    return found


def flatten(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return dotted keys of all leaves and of all sections, so that both can be overridden and suggested."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        dotted = f"{prefix}{key}"
        flat[dotted] = value
        if isinstance(value, dict):
            flat.update(flatten(value, f"{dotted}."))
    return flat


def leaves(config: dict[str, Any]) -> dict[str, Any]:
    """Return dotted keys of the leaves alone."""
    return {key: value for key, value in flatten(config).items() if not isinstance(value, dict)}


def _parse(overrides: Sequence[str]) -> list[Override]:
    parser = OverridesParser.create()
    parsed, problems = [], []
    for text in overrides:
        if not text.isprintable():
            problems.append(f"{text!r} is not one line of text")
            continue
        if text.startswith("="):
            problems.append(f'"{text}" is not of the form key=value')
            continue
        try:
            parsed.append(parser.parse_override(text))
        except (OverrideParseException, HydraException):
            problems.append(f'"{text}" is not of the form key=value')
    if problems:
        raise Refusal("; ".join(problems) + ".", "Quote values with spaces: 'key=\"some words\"'.")
    return parsed


def _compose_dict(overrides: Sequence[str]) -> dict[str, Any]:
    try:
        with _hydra():
            composed = compose(config_name="config", overrides=list(overrides))
            plain = OmegaConf.to_container(composed, resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        sentence = " ".join(str(error).split("\n")[0].split())
        raise Refusal(f"The configuration does not compose: {sentence}.", "See conf/ for groups and keys.") from None
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


def _unknown_choice(override: Override, known_groups: dict[str, list[str]]) -> str:
    """Return what is wrong with a group override such as "profile=tinny"; "" when nothing is."""
    group, choice = override.key_or_group, str(override.value())
    choices = known_groups.get(group)
    if choices is None or choice in choices:
        return ""
    if (present := present_spelling(group, choice)) is not None:
        return f"{group}={choice}: it is {present} now"
    return f"{group}={choice}: no such choice. {choices_hint(choice, choices)}"


def present_spelling(group: str, choice: str) -> str | None:
    """Return how to write what an earlier version chose by ``group=choice``; None where it never did."""
    architecture = choice.removeprefix("tiny_random_")
    if group == "model" and architecture != choice:
        return f"model=tiny_random model.path=tiny_random:{architecture}"
    return _QUANTIZATION_GROUPS.get(choice) if group == "gate/c" else None


def _unknown_key(override: Override, known: Sequence[str]) -> str:
    """Return what is wrong with the key of an override; "" when nothing is."""
    if override.is_add() or override.is_delete():
        return f'"{override.input_line}": keys cannot be added or removed; the configuration is closed'
    if override.key_or_group in known:
        return ""
    return f"{override.key_or_group}: no such key. {key_hint(override.key_or_group, known)}"


def key_hint(key: str, known: Iterable[str]) -> str:
    """Return the nearest known key, else the keys of the deepest section of ``key`` that there is."""
    names = set(known)
    if get_close_matches(key, names, n=1):
        return choices_hint(key, names)
    section = key.rpartition(".")[0]
    while section and section not in names:
        section = section.rpartition(".")[0]
    return choices_hint(key, {name for name in names if name.rpartition(".")[0] == section})


def _absolute_paths(config: dict[str, Any]) -> None:
    """Make path values absolute: against the working folder, else against the project, else left (a hub name)."""
    for section, key in PATH_KEYS:
        value = config.get(section, {}).get(key)
        if not isinstance(value, str) or not value:
            continue
        for base in (Path.cwd(), PROJECT):
            if (base / value).exists():
                config[section][key] = str((base / value).resolve())
                break


def _sentence(error: Any, config: dict[str, Any]) -> str:
    key = ".".join(str(part) for part in error["loc"])
    raised = error.get("ctx", {}).get("error")
    if isinstance(raised, Refusal):
        return str(raised).rstrip(".")
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        known = [name for name in flatten(config) if name != key]
        return f"{key}: no such key. {key_hint(key, known)}"
    given = "" if error["type"] == "missing" or isinstance(error["input"], dict) else f" (got {error['input']!r})"
    message = _in_our_words(error)
    return f"{key}: {message}{given}" if key else f"{message}{given}"


def _in_our_words(error: Any) -> str:
    """Return a validator's message without the names of its Python types."""
    if error["type"] == "too_short":
        return f"must hold at least {error['ctx']['min_length']} value"
    if error["type"] in ("tuple_type", "list_type"):
        return "must be a list, such as [one,two]"
    return str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "must be", 1)


def _whole_key(sentence: str, config: dict[str, Any]) -> str:
    """Return a sentence of a lower layer, whose key is "lora.r", with the key as the user writes it."""
    short, space, rest = sentence.partition(" ")
    whole = [key for key in flatten(config) if key.endswith(f".{short}")]
    return f"{whole[0]}{space}{rest}" if len(whole) == 1 else sentence


def faults(config: dict[str, Any]) -> list[str]:
    """Return one sentence per error of a plain config, each by its dotted key; [] when it is an experiment."""
    try:
        Experiment.model_validate(config)
    except ValidationError as error:
        found = error.errors()
        inner = {item["loc"][:-1] for item in found}
        # a list whose value is refused is also reported to lack one
        return [_sentence(item, config) for item in found if item["type"] != "too_short" or item["loc"] not in inner]
    except Refusal as refusal:
        return [_whole_key(str(refusal).rstrip("."), config)]
    return []


def validate(config: dict[str, Any]) -> Experiment:
    """Return the frozen experiment of a plain config. Raises Refusal with every error, each by its dotted key."""
    _refuse(faults(config))
    return Experiment.model_validate(config)


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        sentence = "; ".join(problem.rstrip(".") for problem in problems)
        raise Refusal(
            sentence if sentence.endswith("?") else f"{sentence}.",
            "See `python -m runner config` for the keys and their values.",
        )


def compose_experiment(overrides: Sequence[str]) -> tuple[Experiment, dict[str, Any]]:
    """Compose conf/ with ``overrides`` and validate it.

    Returns:
        the frozen experiment, and the plain resolved dictionary it came from (what config.yaml stores).

    Raises:
        Refusal: all problems in one sentence each, with the key and the nearest match.
    """
    parsed = _parse(overrides)
    known_groups = groups()
    wrong_choices = [sentence for o in parsed if (sentence := _unknown_choice(o, known_groups))]
    _refuse(wrong_choices)
    chosen = [str(o.input_line) for o in parsed if o.key_or_group in known_groups]
    known = [*flatten(_compose_dict(chosen)), *known_groups]
    wrong_keys = {str(o.input_line): sentence for o in parsed if (sentence := _unknown_key(o, known))}
    config = _compose_dict([text for text in overrides if text not in wrong_keys])
    _absolute_paths(config)
    # what conf/ leaves open, as OmegaConf writes it
    unset = [f"{key}: not set; add {key}=VALUE" for key, value in leaves(config).items() if value == "???"]
    _refuse([*wrong_keys.values(), *unset, *faults(config)])
    return Experiment.model_validate(config), config


def require_data_files(config: dict[str, Any]) -> None:
    """Raise Refusal when a dataset file of a plain config is missing: no run starts without its data."""
    for key in ("eval", "train"):
        value = config["dataset"].get(key)
        if value and not Path(value).is_file():
            raise Refusal(f"dataset.{key}: {value} is not a file.", "Give the path of a JSONL file.")


def merge_overrides(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """Return ``old`` with ``new`` on top: a later override of the same key replaces the earlier one in place."""
    merged = {text.partition("=")[0]: text for text in old}
    merged.update({text.partition("=")[0]: text for text in new})
    return list(merged.values())


def read_config(path: Path) -> tuple[Experiment, dict[str, Any]]:
    """Read a run's resolved config.yaml.

    Raises:
        Refusal: the file is missing, is not YAML, or does not describe an experiment of this version.
    """
    plain = read_plain(path)
    problems = faults(plain)
    if problems:
        raise Refusal(
            f"{path}: " + "; ".join(problem.rstrip(".?") for problem in problems) + ".",
            "If you edited it by hand, correct it. If another version of luagate wrote it, "
            "`python -m runner rewind A` converts it to this version's keys; or use that version (see run.json).",
        )
    return Experiment.model_validate(plain), plain


def read_plain(path: Path) -> dict[str, Any]:
    """Return a run's config.yaml as plain data, of whatever version. Raises Refusal when it is missing or not YAML."""
    try:
        plain = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Refusal(
            f"{path} is missing: this is not a complete run folder.",
            "Restore it: the newest config.N.yaml beside it is a copy; or start a new run.",
        ) from None
    except OSError as error:
        raise Refusal(f"{path} cannot be read: {error.strerror}.", "Restore it or start a new run.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise Refusal(
            f"{path}{line}: not YAML.",
            "It was edited by hand; restore it (the newest config.N.yaml beside it is a copy) or start a new run.",
        ) from None
    if not isinstance(plain, dict):
        raise Refusal(f"{path}: not a configuration.", "Restore it or start a new run.")
    return plain


def dump_config(config: dict[str, Any]) -> str:
    """Return a resolved config as YAML, keys in conf/'s order."""
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=110)
