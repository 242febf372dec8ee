"""The public JSON-lines format: rows of ``instruction, input, output, family``, read with every problem at once.

A row may be a chat instead: ``messages`` in place of the first three (see eval/datasets/chat_format.py). ``kind`` and
``cluster`` may be added to a row; any other key is refused, since it would silently change nothing.
Blank lines are skipped, and a byte-order mark is tolerated.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from env.files import digest, sha256_file
from env.refusal import Refusal, choices_hint
from eval.datasets.chat_format import flattened
from eval.datasets.public_tasks import build_tasks
from eval.domains import Domain
from eval.records import Dataset, Row

REQUIRED_KEYS = ("instruction", "input", "output", "family")
OPTIONAL_KEYS = ("kind", "cluster")
_SHOWN = 20
# a change in how items become tasks must change the dataset's digest
_READER_VERSION = 2


class _Pairs(list[tuple[str, Any]]):
    """The members of one JSON object in order, repeated keys included."""


def read_public(eval_path: Path, train_path: Path, seed: int, domain: Domain) -> Dataset:
    """Return the items of ``eval_path`` as tasks and those of ``train_path`` as rows.

    The same files and seed give the same dataset. ``notes`` says which items have no checks (they are left out), which
    have a reference that cannot pass, and how the tasks were split.

    Raises:
        Refusal: a file is missing, empty or has broken rows, or no item gives a task.
    """
    items, rows = read_rows(eval_path, domain.families), read_rows(train_path, domain.families)
    tasks, notes = build_tasks(items, seed, eval_path.name, domain)
    if not tasks:
        raise Refusal(f"{eval_path}: no item registers anything, so none can be checked by execution.")
    content = {
        "reader": _READER_VERSION,
        "seed": seed,
        "eval": sha256_file(eval_path),
        "train": sha256_file(train_path),
    }
    return Dataset(eval_path.stem, tasks, rows, digest(content), notes)


def read_rows(path: Path, families: Collection[str]) -> tuple[Row, ...]:
    """Return the rows of a JSON-lines file, each with its 1-based line.

    Raises Refusal when the file cannot be read or holds no row, or naming every broken line (the first 20 in full).
    """
    data = _read_bytes(path)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Refusal(f"{path}: is UTF-16, not UTF-8.", "Save it as UTF-8.")
    rows: list[Row] = []
    problems: list[str] = []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        row, wrong = _read_row(line, number, families)
        problems += [f"line {number}: {sentence}" for sentence in wrong]
        if row is not None:
            rows.append(row)
    if problems:
        raise _broken(path, problems)
    if not rows:
        keys = ", ".join(REQUIRED_KEYS)
        raise Refusal(f"{path}: holds no rows.", f"Each line must be a JSON object with the keys {keys}.")
    return tuple(rows)


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise Refusal(f"{path}: no such file.", "Set the dataset's path to a JSON-lines file.") from None
    except OSError as error:
        raise Refusal(f"{path}: cannot be read ({error.strerror}).", "Set the dataset's path to a file.") from None


def _broken(path: Path, problems: Sequence[str]) -> Refusal:
    listed = "".join(f"\n  {problem}" for problem in problems[:_SHOWN])
    more = f"\n  ... and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    return Refusal(f"{path}: {count}:{listed}{more}", "Correct these lines; nothing was read.")


def _read_row(line: bytes, number: int, families: Collection[str]) -> tuple[Row | None, list[str]]:
    """Return the row of one line, or None and what is wrong with it."""
    try:
        pairs = json.loads(line.decode("utf-8"), object_pairs_hook=_Pairs)
    except UnicodeDecodeError as error:
        return None, [f"not UTF-8 at byte {error.start}"]
    except json.JSONDecodeError as error:
        return None, [f"not JSON: {error.msg.removesuffix(' at')} at column {error.colno}"]
    except RecursionError:
        return None, ["not a row: nested too deeply"]
    if not isinstance(pairs, _Pairs):
        return None, [f"must be a JSON object, not {_json_type(pairs)}"]
    if "messages" in dict(pairs):
        values, problems = flattened({key: _plain(value) for key, value in pairs})
        if not problems:
            problems = _row_problems(list(values.items()), families, doubled=len(dict(pairs)) < len(pairs))
    else:
        values = dict(pairs)
        problems = _row_problems(pairs, families, doubled=len(values) < len(pairs))
    return (None, problems) if problems else (Row(**values, line=number), [])


def _plain(value: Any) -> Any:
    """Return a value with its objects as dicts."""
    if isinstance(value, _Pairs):
        return {key: _plain(part) for key, part in value}
    return [_plain(part) for part in value] if isinstance(value, list) else value


def _row_problems(pairs: list[tuple[str, Any]], families: Collection[str], doubled: bool) -> list[str]:
    values = dict(pairs)
    known = (*REQUIRED_KEYS, *OPTIONAL_KEYS)
    problems = [f'missing key "{key}"' for key in REQUIRED_KEYS if key not in values]
    problems += [f'unknown key "{key}". {choices_hint(key, known)}' for key in values if key not in known]
    if doubled:
        problems.append("a key appears twice")
    for key in known:
        value = values.get(key, "")
        if not isinstance(value, str):
            problems.append(f'"{key}" must be text, not {_json_type(value)}')
        elif key in ("instruction", "output") and key in values and not value.strip():
            problems.append(f'"{key}" is empty')
    family = values.get("family")
    if isinstance(family, str) and family not in families:
        problems.append(f'unknown family "{family}". {choices_hint(family, families)}')
    return problems


def _json_type(value: object) -> str:
    if value is None:
        return "null"
    names: dict[type, str] = {bool: "boolean", int: "number", float: "number", str: "text", list: "list"}
    return names.get(type(value), "object")
