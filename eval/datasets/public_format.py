"""Files of rows ``instruction, input, output, family``, one JSON object a line, read with every problem at once.

A row may be a chat instead: ``messages`` in place of the first three (see eval/datasets/chat_format.py). ``input`` may
be missing or null; ``kind`` and ``cluster`` may be added. Other keys are named once and not used. A file whose rows
name no family is read where the domain knows its layout (see eval/datasets/formats); a folder is all of its files.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from difflib import get_close_matches
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

from env.counts import counted, listed_text
from env.files import digest
from env.refusal import Refusal, choices_hint
from eval.datasets.chat_format import flattened
from eval.datasets.formats.folders import ReadRows, content_of, read_folder
from eval.datasets.formats.foreign import read_foreign, reader_of
from eval.datasets.formats.system_turns import File, settle
from eval.datasets.json_lines import Line, json_type, read_objects
from eval.datasets.problem_groups import LINES_SHOWN, Problem, refusal
from eval.datasets.public_tasks import Wanted, build_tasks
from eval.datasets.row_formats import recognised
from eval.domains import Domain, Foreign
from eval.overlap.contamination import Status, survey
from eval.records import Dataset, Remark, Row, Task

REQUIRED_KEYS = ("instruction", "output", "family")
OPTIONAL_KEYS = ("input", "kind", "cluster")
KNOWN_KEYS = ("instruction", "input", "output", "family", "kind", "cluster")
# a change in how items become tasks must change the dataset's digest
_READER_VERSION = 4
# so like a known key that it is one misspelt
_MISSPELT = 0.8
# what templates use for tokens; written in a row they are text
_TEMPLATE_TOKEN = re.compile(r"<\|[A-Za-z_]{1,30}\|>|</?s>|<(?:start|end)_of_turn>|\[/?INST\]")


def read_public(eval_path: Path, train_path: Path, wanted: Wanted, n_train: int, domain: Domain) -> Dataset:
    """Return the items of ``eval_path`` as tasks and those of ``train_path`` (``n_train`` of them; 0: all) as rows.

    The same files and numbers give the same dataset. ``notes`` say which items have a reference that cannot pass, and
    how the tasks were split; ``remarks`` what was left out.

    Raises:
        Refusal: a file is missing, empty or has broken rows, no item gives a task, or a source is waived in vain.
    """
    items, trained = (read_source(path, domain, wanted.waived) for path in (eval_path, train_path))
    _require_known(wanted.waived, trained.unlicensed)
    settled = settle(File(eval_path, items.rows), File(train_path, trained.rows), wanted.system_turns)
    built = build_tasks(settled.items, wanted, eval_path.name, domain)
    if not built.tasks:
        why = f" {built.remarks[0].value}." if built.remarks else ""
        raise Refusal(f"{eval_path}: no item can be checked by execution.{why}", "Give items that show something.")
    content = {
        "reader": _READER_VERSION,
        "seed": wanted.seed,
        "eval": content_of(eval_path),
        "train": content_of(train_path),
        "sizes": [wanted.dev_tasks, wanted.test_tasks, n_train],
        "mod": wanted.mod_name,
        **({"waived": wanted.waived} if wanted.waived else {}),
        **({"system_turns": wanted.system_turns} if wanted.system_turns != "auto" else {}),
    }
    rows = _part(settled.rows, n_train)
    # a file beside itself leaks whole, which Gate A says; a look at eval items alone has no other training file
    leaks = _leaked_remark(built.unmeasured, rows) if eval_path != train_path else []
    of_files = (*items.remarks, *trained.remarks, *settled.remarks)
    remarks = dict.fromkeys((*of_files, *built.remarks, *leaks, *_unused_rows(trained.rows, rows)))
    notes = (*settled.notes, *built.notes)
    return Dataset(eval_path.stem, built.tasks, rows, digest(content), notes, tuple(remarks))


def _part(rows: Sequence[Row], count: int) -> tuple[Row, ...]:
    """Return ``count`` rows in the file's order (0: all), by the SHA-256 of their lines."""
    chosen = sorted(rows, key=lambda row: sha256(str(row.line).encode()).digest())[: count or len(rows)]
    return tuple(sorted(chosen, key=lambda row: row.line))


def _unused_rows(rows: Sequence[Row], used: Sequence[Row]) -> list[Remark]:
    if len(used) == len(rows):
        return []
    value = f"dataset.rows={len(used)}: {len(used)} of {len(rows)} training rows are used"
    return [Remark("rows used", value, "The others are not trained on.", "dataset.rows=0 uses every row.")]


def _require_known(waived: Sequence[str], unlicensed: Sequence[str]) -> None:
    """Raise Refusal where a source is waived that no training row needs a waiver for: its name may be misspelt."""
    unknown = [name for name in waived if name not in unlicensed]
    if unknown:
        told = ", ".join(unknown)
        raise Refusal(
            f"dataset.waived: no training row comes from {told} without a licence.",
            choices_hint(unknown[0], unlicensed) if unlicensed else "Waive nothing: dataset.waived=[].",
        )


def _leaked_remark(unmeasured: Sequence[Task], rows: Sequence[Row]) -> list[Remark]:
    """Name what training repeats of the items that are no tasks: Gate A looks for leaks of tasks alone."""
    found = survey(unmeasured, rows)
    leaked = found.ids(Status.CONTAMINATED)
    if not leaked:
        return []
    return [
        Remark(
            "left-out items in training",
            f"{len(leaked)} of {len(unmeasured)} items that are not measured stand in the training rows",
            "The training rows repeat this benchmark: figures that others report on it after such training say little.",
            "Leave those rows out, where the whole benchmark is to stay unseen.",
            tuple(str(overlap) for overlap in found.overlaps if overlap.tier == "T1"),
        )
    ]


def read_source(path: Path, domain: Domain, waived: Collection[str] = ()) -> ReadRows:
    """Return the rows of a file, or of a folder's ``*.jsonl`` files in the order of their names.

    Of a folder the lines are counted through: a remark says which of them are whose. Rows whose licence does not allow
    training are left out unless ``waived`` names their source.

    Raises:
        Refusal: there is no such file, or its lines cannot be read.
    """
    foreign: Foreign | None = import_module(domain.foreign) if domain.foreign else None  # type: ignore[assignment]
    if not path.is_dir():
        return read_rows(path, domain.families, foreign, waived)
    return read_folder(path, lambda file: read_rows(file, domain.families, foreign, waived))


def read_rows(
    path: Path, families: Collection[str], foreign: Foreign | None = None, waived: Collection[str] = ()
) -> ReadRows:
    """Return the rows of a JSON-lines file; ``foreign`` says what rows without a family mean.

    Raises:
        Refusal: the file cannot be read or holds no row, or naming what is wrong with its lines, equal problems once.
    """
    lines = read_objects(path)
    if not lines:
        keys = ", ".join(REQUIRED_KEYS)
        raise Refusal(f"{path}: holds no rows.", f"Each line must be a JSON object with the keys {keys}.")
    reader = reader_of(lines) if foreign is not None else None
    if reader is not None and foreign is not None:
        return read_foreign(path, lines, reader, foreign, waived)
    _refuse_foreign(path, lines, families)
    rows: list[Row] = []
    problems: list[Problem] = []
    for line in lines:
        row, wrong = _read_row(line, families)
        problems += [Problem(line.number, sentence) for sentence in wrong]
        if row is not None:
            rows.append(row)
    if problems:
        raise refusal(path, problems, len(lines))
    remarks = [*_extra_remark(path, lines), *_token_remark(path, rows)]
    return ReadRows(tuple(rows), tuple(remarks))


def _refuse_foreign(path: Path, lines: Sequence[Line], families: Collection[str]) -> None:
    """Raise Refusal where every row has the layout of another format."""
    form = None if any(line.wrong for line in lines) else recognised([line.values for line in lines])
    if form is not None:
        wanted = f"instruction, output and family ({', '.join(families)})"
        raise Refusal(
            f"{path}: {'its one row looks' if len(lines) == 1 else f'all {len(lines)} rows look'} like {form.name}; "
            f"rows need {wanted}.",
            f"To use it, {form.remedy} (docs/your-model-and-data.md).",
        )


def _read_row(line: Line, families: Collection[str]) -> tuple[Row | None, list[str]]:
    """Return the row of one line (None where something is wrong), and what is wrong."""
    if line.wrong:
        return None, [line.wrong]
    values, system = line.values, ""
    if "messages" in values:
        flat = flattened(values)
        if flat.wrong:
            return None, [flat.wrong]
        values, system = flat.values, flat.system
    given = {key: value for key, value in values.items() if value is not None or key in REQUIRED_KEYS}
    problems = _row_problems(given, families)
    if problems:
        return None, problems
    known = {"input": ""} | {key: given[key] for key in KNOWN_KEYS if key in given}
    return Row(**known, line=line.number, system=system.strip()), []


def _row_problems(values: dict[str, Any], families: Collection[str]) -> list[str]:
    choices = f"; choices: {', '.join(families)}"
    problems = [
        f'missing key "{key}"{choices if key == "family" else ""}' for key in REQUIRED_KEYS if key not in values
    ]
    problems += [f'unknown key "{key}". {choices_hint(key, KNOWN_KEYS)}' for key in values if _is_misspelt(key, values)]
    for key in KNOWN_KEYS:
        value = values.get(key, "")
        if not isinstance(value, str):
            problems.append(f'"{key}" must be text, not {json_type(value)}')
        elif key in ("instruction", "output") and key in values and not value.strip():
            problems.append(f'"{key}" is empty')
    family = values.get("family")
    if isinstance(family, str) and family not in families:
        problems.append(f'unknown family "{family}". {choices_hint(family, families)}')
    return problems


def _is_misspelt(key: str, values: Collection[str]) -> bool:
    """Whether ``key`` is nearly a key that we know and that the row does not have."""
    lacking = [known for known in KNOWN_KEYS if known not in values]
    return key not in KNOWN_KEYS and bool(get_close_matches(key.lower(), lacking, 1, _MISSPELT))


def _extra_remark(path: Path, lines: Sequence[Line]) -> Iterator[Remark]:
    extra = Counter(key for line in lines for key in line.values if key not in (*KNOWN_KEYS, "messages"))
    if extra:
        told = ", ".join(f'"{key}" in {counted(count, "row")}' for key, count in extra.most_common())
        yield Remark("extra keys", f"{path.name}: {told}", "These keys are not used.", "Nothing, if that is meant.")


def _token_remark(path: Path, rows: Sequence[Row]) -> Iterator[Remark]:
    places: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        for token in sorted(set(_TEMPLATE_TOKEN.findall(row.output))):
            places[token].append(row.line)
    if places:
        yield Remark(
            "template tokens",
            f"{path.name}: {len({line for lines in places.values() for line in lines})} answers hold tokens of chat "
            f"templates ({', '.join(places)})",
            "They are trained on as plain text, never as the tokens that end or begin a turn.",
            "Remove them where they are left over from a template.",
            tuple(f"{token}: lines {listed_text(lines, LINES_SHOWN)}" for token, lines in places.items()),
        )
