"""The entries of the user's task files with their places, and what is wrong with each by itself."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

import yaml

from env.refusal import BadSettings, Refusal, choices_hint
from eval.datasets.bench_files import Entry, Shape, entry_problems
from eval.datasets.files.byte_lines import beginning
from eval.datasets.files.folders import LINES, YAML, task_files
from eval.datasets.files.opening import open_rows
from eval.records import SPLITS

OWN = Shape(
    required=("id", "instruction", "reference", "checks"),
    optional=(
        *("difficulty", "cluster", "near_misses", "input", "answer", "worlds"),
        *("family", "kind", "split", "mod_name", "system", "domain"),
    ),
    fewest_misses=0,
)
_TEXTS = ("family", "kind", "mod_name", "system", "domain")
# a hundred times the largest file of the benchmarks
_LARGEST_BYTES = 32 * 1024**2
_DOMAIN = re.compile(r"^(?:- )?\s*domain:\s*[\"']?(\w+)", re.MULTILINE)
_JSON_DOMAIN = re.compile(r'"domain"\s*:\s*"(\w+)"')


def said_domain(path: Path) -> str:
    """Return the domain that the first task file that names one says.

    Raises:
        BadSettings: none does, or there is no such file.
    """
    for file in task_files(path):
        if not file.is_file():
            raise BadSettings(f"dataset.eval: {file} is not a file.", "Give a task file, or a folder of them.")
        head = file.read_bytes()[:_LARGEST_BYTES].decode("utf-8", "replace")
        found = (_DOMAIN if file.suffix in YAML else _JSON_DOMAIN).search(head)
        if found:
            return found[1]
    raise BadSettings(
        f"{path}: no task file says what it is about.",
        "Write `domain: luanti` or `domain: roblox` at the head of one, or give dataset.domain=NAME.",
    )


def are_tasks(path: Path) -> bool:
    """Whether a file or folder holds tasks with checks, told by their endings, of JSON lines by the first line."""
    if path.is_dir():
        return any(file.suffix in YAML for file in path.rglob("*"))
    if path.suffix in YAML:
        return True
    if path.suffix not in LINES:
        return False
    first = next(iter(open_rows(path).lines), None)
    return first is not None and ("checks" in first.values or first.values.get("schema") == "luagate-tasks")


def read_entries(file: Path) -> Iterator[Entry]:
    """Yield the entries of one file with their lines; what its head says of all of them is in each.

    Raises:
        Refusal: the file cannot be read, is not YAML, or holds no list of tasks.
    """
    if file.suffix in LINES:
        yield from _of_lines(file)
        return
    node = _composed(file)
    common: dict[str, Any] = {}
    if isinstance(node, yaml.MappingNode):
        common, node = _head(file, node)
    if not isinstance(node, yaml.SequenceNode):
        raise Refusal(f"{file}: not a list of tasks.", "Each task begins with `- id:`; or write them below `tasks:`.")
    for item in node.value:
        line = item.start_mark.line + 1
        value = _value(file, item)
        yield Entry(file, line, {**common, **value} if isinstance(value, dict) else value)


def _of_lines(file: Path) -> Iterator[Entry]:
    for line in open_rows(file).lines:
        if line.wrong:
            raise Refusal(f"{file}:{line.number}: {line.wrong}.", "Correct that line.")
        yield Entry(file, line.number, line.values)


def _composed(file: Path) -> yaml.Node | None:
    beginning(file)
    if file.stat().st_size > _LARGEST_BYTES:
        raise Refusal(f"{file}: more than {_LARGEST_BYTES // 1024**2} MB of YAML.", "Write the tasks as JSON lines.")
    try:
        text = file.read_bytes().decode("utf-8-sig")
        return yaml.compose(text, Loader=yaml.CSafeLoader)
    except UnicodeDecodeError as error:
        raise Refusal(f"{file}: not UTF-8 at byte {error.start}.", "Save it as UTF-8.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark else ""
        said = getattr(error, "problem", None) or getattr(error, "reason", error)
        raise Refusal(f"{file}{where}: not YAML ({said}).", "Correct that line.") from None
    except RecursionError:
        raise Refusal(f"{file}: nested too deeply.", "Correct it.") from None


def _head(file: Path, node: yaml.MappingNode) -> tuple[dict[str, Any], yaml.Node | None]:
    """Return what a file's head says of all its tasks, and the node of their list."""
    tasks = [value for key, value in node.value if key.value == "tasks"]
    if not tasks:
        return {}, None
    _require_distinct(file, node)
    rest = yaml.MappingNode(node.tag, [pair for pair in node.value if pair[0].value != "tasks"], node.start_mark)
    common = _value(file, rest)
    strange = [key for key in common if key not in OWN.optional]
    if strange:
        raise Refusal(f'{file}: unknown key "{strange[0]}" at its head. {choices_hint(str(strange[0]), OWN.optional)}')
    return common, tasks[0]


def _value(file: Path, node: yaml.Node) -> Any:
    """Return what a node stands for. Raises Refusal where a mapping in it repeats a key."""
    _require_distinct(file, node)
    loader = yaml.CSafeLoader("")
    try:
        return loader.construct_document(node)
    except (yaml.YAMLError, ValueError) as error:
        said = getattr(error, "problem", None) or error
        raise Refusal(f"{file}:{node.start_mark.line + 1}: cannot be read ({said}).", "Correct that entry.") from None


def _require_distinct(
    file: Path, node: yaml.Node, within: frozenset[int] = frozenset(), seen: set[int] | None = None
) -> None:
    """Raise Refusal where a mapping repeats a key, or a part holds itself; what aliases share is looked at once."""
    seen = set() if seen is None else seen
    line = node.start_mark.line + 1
    if id(node) in within:
        raise Refusal(f"{file}:{line}: holds itself, by an alias.", "Write it out.")
    if id(node) in seen or not isinstance(node, yaml.CollectionNode):
        return
    seen.add(id(node))
    inside = within | {id(node)}
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = next((key for place, key in enumerate(keys) if key in keys[:place]), None)
        if twice is not None:
            again = [key for key, _ in node.value if key.value == twice][1]
            raise Refusal(f'{file}:{again.start_mark.line + 1}: the key "{twice}" appears twice.', "Remove one.")
    for part in node.value:
        _require_distinct(file, part[1] if isinstance(part, tuple) else part, inside, seen)


def own_problems(entry: Entry, family: str, families: Mapping[str, str], domain: str) -> list[str]:
    """Return what is wrong with one entry by itself; ``family`` is the one it says, or its file's name."""
    found = entry_problems(entry, families, OWN, family)
    if not isinstance(entry.data, dict):
        return found
    data = entry.data
    found += [f"{key} is {shortened(data[key])}, not text" for key in _TEXTS if not isinstance(data.get(key, ""), str)]
    if "split" in data and data["split"] not in SPLITS:
        found.append(f"split is {shortened(data['split'])}; choices: {', '.join(SPLITS)}")
    if data.get("domain", domain) != domain:
        found.append(f'is of the domain "{data["domain"]}"; the others are of {domain}')
    return found


def family_of(entry: Entry, families: Collection[str], given: str) -> str:
    """Return an entry's family: its own, else its file's name where that is one, else the ``given`` one."""
    own = entry.data.get("family") if isinstance(entry.data, dict) else None
    stem = entry.file.stem
    return str(own or (stem if stem in families else given or stem))
