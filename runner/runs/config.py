"""From conf/ and overrides to one frozen Experiment; every configuration error at once, by dotted key."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import ValidationError

from env.refusal import Refusal, choices_hint
from eval.datasets.files.folders import TASKS
from eval.datasets.own_tasks.task_entries import said_domain
from gates.settings import Experiment
from runner.runs.locations import CONF, PROJECT, RECIPES, expanded
from runner.runs.overrides import (
    PROFILE,
    Override,
    grammar_text,
    is_profile_file,
    merge_overrides,
    own_profile,
    plain_text,
    present_spelling,
    split,
)
from runner.runs.own_profile import missing_package_line, read_own_profile, yielding
from runner.runs.plain_config import flatten, leaves, read_plain

# Keys that name files: made absolute when a run is created, so that it resumes from any folder.
PATH_KEYS = ("model.path", "dataset.eval", "dataset.train", "judge.rubric")
# What the value of a key that conf/ leaves open is.
_MEANT = {"model.path": "FOLDER", "dataset.eval": "FILE", "dataset.train": "FILE"}
# Sections whose keys are the user's own: what a model's chat template reads, nobody here knows.
OPEN_SECTIONS = ("prompt.template_arguments",)
# The name under which Hydra composes a profile that is a file of the user's.
_OWN = "_own"
_KEY = re.compile(r"[A-Za-z_][^=\s]*=")
_FORM = "Write KEY=VALUE, as in seed=1; in a shell, put single quotes around what holds spaces or quotes."


def groups() -> dict[str, list[str]]:
    """Return every config group ("gate/c") with its choices, as the folders of conf/ hold them."""
    found: dict[str, list[str]] = {}
    for file in sorted(CONF.rglob("*.yaml")):
        group = file.parent.relative_to(CONF).as_posix()
        # recipes of curation are composed by themselves (recipes.py)
        if group not in (".", RECIPES.name):
            found.setdefault(group, []).append(file.stem)
    return found


def chosen_groups(overrides: Sequence[str]) -> dict[str, str]:
    """Return every group's choice under overrides that compose: {"model": "tiny", ...}, the profile's among them."""
    profile = own_profile(overrides)
    return _composed(_choices(_read(overrides)), profile)[1]


def _choices(read: Sequence[Override]) -> list[str]:
    """Return the choices of groups among overrides, in Hydra's grammar."""
    known = groups()
    return [
        f"{o.key}={_OWN if o.key == PROFILE and is_profile_file(str(plain_text(o.value))) else plain_text(o.value)}"
        for o in read
        if o.key in known
    ]


def _read(overrides: Sequence[str]) -> list[Override]:
    """Return the overrides, the last of each key. Raises Refusal with every text that is none."""
    problems = []
    for text in overrides:
        if not text.isprintable():
            problems.append(f"{text!r} is not one line of text")
        elif text.startswith(("+", "~")):
            problems.append(f'"{text}": keys cannot be added or removed; the configuration is closed')
        elif not _KEY.match(text):
            problems.append(f'"{text}" is not of the form key=value')
    if problems:
        raise Refusal("; ".join(problems) + ".", _FORM)
    return [split(text) for text in merge_overrides([], overrides)]


def _composed(words: Sequence[str], profile: Path | None) -> tuple[dict[str, Any], dict[str, str]]:
    """Return conf/ with overrides in Hydra's grammar and the user's own profile, and what each group is then."""
    known = groups()
    typed = {word.key: word.value for word in map(split, words) if word.key in known}
    own = yielding(read_own_profile(profile), typed) if profile is not None else None
    GlobalHydra.instance().clear()
    store = ConfigStore.instance()
    try:
        if own is not None:
            store.store(group=PROFILE, name=_OWN, node=own, package="_global_")
        with initialize_config_dir(config_dir=str(CONF)):
            composed = compose(config_name="config", overrides=list(words), return_hydra_config=True)
            chosen = {str(group): str(choice) for group, choice in composed.hydra.runtime.choices.items()}
            ours = OmegaConf.masked_copy(composed, [key for key in composed if key != "hydra"])
            plain = OmegaConf.to_container(ours, resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        sentence = " ".join(str(error).split("\n")[0].split()).replace(f"{PROFILE}/{_OWN}", str(profile)).rstrip(".")
        raise Refusal(f"The configuration does not compose: {sentence}.", "See conf/ for groups and keys.") from None
    except yaml.MarkedYAMLError as error:
        mark, problem = error.problem_mark, error.problem or "not YAML"
        where = f"{mark.name}, line {mark.line + 1}" if mark else str(CONF)
        raise Refusal(f"{where}: {problem}.", "Correct that file of conf/.") from None
    finally:
        store.repo.pop(PROFILE, None)
    assert isinstance(plain, dict)
    own_groups = {group: choice for group, choice in chosen.items() if not group.startswith("hydra/")}
    return {str(key): value for key, value in plain.items()}, own_groups


def _unknown_choice(choice: Override, known_groups: dict[str, list[str]]) -> str:
    """Return what is wrong with the choice of a group, such as "profile=tinny"; "" when nothing is."""
    name = str(plain_text(choice.value))
    if name in known_groups[choice.key] or (choice.key == PROFILE and is_profile_file(name)):
        return ""
    if present := present_spelling(choice.key, name):
        return f"{choice.key}={name}: it is {' '.join(present)} now"
    return f"{choice.key}={name}: no such choice. {choices_hint(name, known_groups[choice.key])}"


def key_hint(key: str, known: Iterable[str]) -> str:
    """Return the nearest known key, else the keys of the deepest section of ``key`` that there is."""
    names = set(known)
    if get_close_matches(key, names, n=1):
        return choices_hint(key, names)
    section = key.rpartition(".")[0]
    while section and section not in names:
        section = section.rpartition(".")[0]
    return choices_hint(key, {name for name in names if name.rpartition(".")[0] == section})


def _absolute_paths(config: dict[str, Any], typed: Iterable[str], profile: Path | None) -> None:
    """Make path values absolute: against the working folder where they were typed, else against the file's folder.

    What is in neither place, such as a hub name, stays as it is.
    """
    for dotted in PATH_KEYS:
        section, _, key = dotted.partition(".")
        value = config.get(section, {}).get(key)
        if not isinstance(value, str) or not value:
            continue
        folders = [Path.cwd()] if dotted in typed else [profile.parent] if profile is not None else []
        places = (folder / expanded(value) for folder in (*folders, PROJECT))
        config[section][key] = next((str(place.resolve()) for place in places if place.exists()), value)


def _say_domain(config: dict[str, Any]) -> None:
    """Give tasks of the user's own the domain that their files say, where no key does: the run then keeps it."""
    dataset = config.get("dataset", {})
    if dataset.get("name") == TASKS and isinstance(dataset.get("eval"), str) and not dataset.get("domain"):
        dataset["domain"] = said_domain(Path(dataset["eval"]))


def _sentence(error: Any, config: dict[str, Any]) -> str:
    # a validator of "a number or a list" reports each of the two, by the name of its Python type
    kinds = [place for place, part in enumerate(error["loc"]) if part in ("int", "tuple[int, ...]")]
    if kinds:
        return f"{'.'.join(map(str, error['loc'][: kinds[0]]))}: must be a whole number, or a list of them"
    key = ".".join(str(part) for part in error["loc"])
    raised = error.get("ctx", {}).get("error")
    if isinstance(raised, Refusal):
        return _whole_key(str(raised).rstrip("."), config)
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
    if error["type"] == "string_too_short":
        return "must not be empty"
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
    # what conf/ leaves open, as OmegaConf writes it
    if unset := [key for key, value in leaves(config).items() if value == "???"]:
        return [f"{key}: not set; add {key}={_MEANT.get(key, 'VALUE')}" for key in unset]
    return faults_by(Experiment.model_validate, config)


def faults_by(validator: Callable[[dict[str, Any]], Any], config: dict[str, Any]) -> list[str]:
    """Return one sentence per error that ``validator`` finds in a plain config, each by its dotted key."""
    try:
        validator(config)
    except ValidationError as error:
        found = error.errors()
        inner = {item["loc"][:-1] for item in found}
        # a list whose value is refused is also reported to lack one
        told = [_sentence(item, config) for item in found if item["type"] != "too_short" or item["loc"] not in inner]
        return list(dict.fromkeys(told))
    except Refusal as refusal:
        return [_whole_key(str(refusal).rstrip("."), config)]
    return []


def composed_in(folder: Path, name: str) -> dict[str, Any]:
    """Return the configuration ``name`` of a folder with its defaults. Raises Refusal where it does not compose."""
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(config_dir=str(folder)):
            plain = OmegaConf.to_container(compose(config_name=name), resolve=True)
    except (HydraException, OmegaConfBaseException, yaml.MarkedYAMLError) as error:
        told = " ".join(str(error).split()).rstrip(".")
        raise Refusal(f"{folder / name}.yaml does not compose: {told}.", "Correct that file.") from None
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


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
    read, known_groups, profile = _read(overrides), groups(), own_profile(overrides)
    choices = [override for override in read if override.key in known_groups]
    _refuse([sentence for choice in choices if (sentence := _unknown_choice(choice, known_groups))])
    _refuse([sentence for choice in choices if (sentence := missing_package_line(choice))])
    chosen = _choices(choices)
    config = _composed(chosen, profile)[0]
    known = flatten(config)
    texts, words, problems = {}, [], []
    for override in read:
        if override.key in known_groups:
            continue
        if override.key not in known and not _is_open(override.key):
            problems.append(f"{override.key}: no such key. {key_hint(override.key, [*known, *known_groups])}")
        elif _takes_text(override, known.get(override.key, "")):
            texts[override.key] = plain_text(override.value)
        elif _is_readable(override):
            # Hydra adds a key only where it is told to
            words.append(f"{'++' if _is_open(override.key) else ''}{override.key}={grammar_text(override.value)}")
        else:
            problems.append(f"{override.key}: the value {override.value} cannot be read")
    if words:
        config = _composed([*chosen, *words], profile)[0]
    for key, text in texts.items():
        _put(config, key, text)
    _absolute_paths(config, texts, profile)
    _say_domain(config)
    _refuse([*problems, *faults(config)])
    return Experiment.model_validate(config), config


def _is_open(key: str) -> bool:
    return any(key == section or key.startswith(f"{section}.") for section in OPEN_SECTIONS)


def _takes_text(override: Override, default: Any) -> bool:
    """Whether the value is the text that was typed: of a path always, of another text where it is no single value."""
    return override.key in PATH_KEYS or (isinstance(default, str | None) and not _is_readable(override))


def _is_readable(override: Override) -> bool:
    """Whether Hydra's grammar reads the value, as one value and not as several to try."""
    try:
        parsed = OverridesParser.create().parse_override(f"{override.key}={grammar_text(override.value)}")
        return not parsed.is_sweep_override()
    except HydraException:
        return False


def _put(config: dict[str, Any], dotted: str, value: Any) -> None:
    *sections, key = dotted.split(".")
    for section in sections:
        config = config[section]
    config[key] = value


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


def read_older_config(path: Path) -> Experiment:
    """Read a run's config.yaml for a look at what it stored: keys that its version lacked have this version's defaults.

    Raises:
        Refusal: as ``read_config``, missing keys aside.
    """
    plain = read_plain(path)
    if not faults(plain):
        return Experiment.model_validate(plain)
    _, defaults = compose_experiment([])
    filled = _filled(plain, defaults)
    return read_config(path)[0] if faults(filled) else Experiment.model_validate(filled)


def _filled(given: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """Return ``given`` with each key that it lacks from ``defaults``, section by section."""
    sections = {
        key: _filled(value, defaults[key])
        for key, value in given.items()
        if isinstance(value, dict) and isinstance(defaults.get(key), dict)
    }
    return {**defaults, **given, **sections}
