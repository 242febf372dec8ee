"""Files of rows ``instruction, input, output, family``, read with every problem at once; other layouts become these.

A row may be a chat instead: ``messages`` in place of the first three (see eval/datasets/chat_format.py). ``input`` may
be missing or null; ``kind`` and ``cluster`` may be added. Other keys are named once and not used. A row of another
public layout (layouts.py) is read in our keys; where rows name no family, the domain's fields or ``RowRules`` do. A
folder is all of its files.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

from env.counts import counted, listed_text
from env.refusal import Refusal, choices_hint
from eval.datasets.chat_format import flattened
from eval.datasets.files.json_lines import Line, json_type
from eval.datasets.files.opening import open_rows
from eval.datasets.formats.dialogues import rows_of_turns, takes_every_turn, with_thoughts
from eval.datasets.formats.folders import ReadRows, read_folder
from eval.datasets.formats.foreign import read_foreign, reader_of
from eval.datasets.formats.layouts import Layout, layout_named, layout_of, shared_layout
from eval.datasets.formats.messages import NoTurns
from eval.datasets.formats.rules import AS_THEY_ARE, RowRules, Thoughts
from eval.datasets.problem_groups import LINES_SHOWN, Problem, refusal
from eval.domains import Domain, Foreign
from eval.records import Remark, Row

REQUIRED_KEYS = ("instruction", "output", "family")
OPTIONAL_KEYS = ("input", "kind", "cluster")
KNOWN_KEYS = ("instruction", "input", "output", "family", "kind", "cluster")
# so like a known key that it is one misspelt
_MISSPELT = 0.8
# what templates use for tokens; written in a row they are text
_TEMPLATE_TOKEN = re.compile(r"<\|[A-Za-z_]{1,30}\|>|</?s>|<(?:start|end)_of_turn>|\[/?INST\]")
# Layouts that always were a row of ours: of them nothing is said.
_OUR_LAYOUTS = ("instruction", "chat", "prompt")


def read_source(path: Path, domain: Domain, waived: Collection[str] = (), rules: RowRules = AS_THEY_ARE) -> ReadRows:
    """Return the rows of a file, or of a folder's data files in the order of their names.

    Of a folder the lines are counted through: a remark says which of them are whose. Rows whose licence does not allow
    training are left out unless ``waived`` names their source.

    Raises:
        Refusal: there is no such file, or its lines cannot be read.
    """
    if rules.family and rules.family not in domain.families:
        raise Refusal(
            f'dataset.family: the domain {domain.name} has no family "{rules.family}".',
            choices_hint(rules.family, domain.families),
        )
    foreign: Foreign | None = import_module(domain.foreign) if domain.foreign else None  # type: ignore[assignment]
    if not path.is_dir():
        return read_rows(path, domain.families, foreign, waived, rules)
    return read_folder(path, lambda file: read_rows(file, domain.families, foreign, waived, rules))


def read_rows(
    path: Path,
    families: Collection[str],
    foreign: Foreign | None = None,
    waived: Collection[str] = (),
    rules: RowRules = AS_THEY_ARE,
) -> ReadRows:
    """Return the rows of a file; ``foreign`` says what rows without a family mean.

    Raises:
        Refusal: the file cannot be read or holds no row, or naming what is wrong with its lines, equal problems once.
    """
    opened = open_rows(path)
    given = list(opened.lines)
    if not given:
        keys = ", ".join(REQUIRED_KEYS)
        raise Refusal(f"{path}: holds no rows.", f"Each line must be a JSON object with the keys {keys}.")
    layouts = _layouts(path, given, rules)
    lines = [_in_our_keys(line, layout) for line, layout in zip(given, layouts, strict=True)]
    reader = reader_of(lines) if foreign is not None else None
    if reader is not None and foreign is not None:
        read = read_foreign(path, lines, reader, foreign, waived, rules)
    else:
        _refuse_foreign(path, given, families, rules)
        read = _read_own(path, lines, layouts, families, rules)
    ruled = _under_thoughts(read, path, rules.thoughts)
    return replace(ruled, last_line=given[-1].number, notes=_read_as(path, opened.what, layouts))


def _under_thoughts(read: ReadRows, path: Path, rule: Thoughts) -> ReadRows:
    kept, left_out = with_thoughts(read.rows, rule)
    if not left_out:
        return replace(read, rows=kept)
    remark = Remark(
        "thoughts",
        f"{path.name}: {len(left_out)} of {len(read.rows)} rows are not used: "
        + ("they have no thought" if rule == "required" else "nothing is left of them without their thought"),
        f"dataset.thoughts={rule}.",
        "dataset.thoughts=kept uses every row as it is.",
        (f"lines {listed_text(dict.fromkeys(left_out), LINES_SHOWN)}",),
    )
    return replace(read, rows=kept, remarks=(*read.remarks, remark))


def _read_as(path: Path, what: str, layouts: Sequence[Layout | None]) -> tuple[str, ...]:
    """Return what a file was read as, where that is not JSON lines of our own layouts."""
    counts = Counter(layout for layout in layouts if layout is not None)
    if what == "JSON lines" and all(layout.name in _OUR_LAYOUTS for layout in counts):
        return ()
    told = ", ".join(f"{counted(count, 'row')} of {layout.title}" for layout, count in counts.most_common())
    return (f"{path.name}: {what}: {told}",)


def _layouts(path: Path, lines: Sequence[Line], rules: RowRules) -> list[Layout | None]:
    """Return each line's layout, None where it has none. Raises Refusal where a line lacks the requested one."""
    wanted = layout_named(rules.layout)
    if wanted is None:
        return [None if line.wrong else layout_of(line.values) for line in lines]
    strange = [line for line in lines if not line.wrong and not wanted.matches(line.values)]
    if strange:
        sentence = f"lacks the keys of dataset.format={wanted.name} ({wanted.title})"
        raise refusal(path, [Problem(line.number, sentence) for line in strange], len(lines))
    return [None if line.wrong else wanted for line in lines]


def _in_our_keys(line: Line, layout: Layout | None) -> Line:
    """Return a line with our keys; a prompt alone stays as it is, since only a domain knows what it asks for."""
    if layout is None or layout.ours is None or layout.name == "prompt":
        return line
    return replace(line, values=layout.ours(line.values))


def _read_own(
    path: Path,
    lines: Sequence[Line],
    layouts: Sequence[Layout | None],
    families: Collection[str],
    rules: RowRules,
) -> ReadRows:
    """Return rows whose family is known: each names its own, or ``rules`` do."""
    rows: list[Row] = []
    problems: list[Problem] = []
    for line, layout in zip(lines, layouts, strict=True):
        found, wrong = _read_row(line, layout, families, rules)
        problems += [Problem(line.number, sentence) for sentence in wrong]
        rows += found
    if problems:
        raise refusal(path, problems, len(lines))
    remarks = [*_extra_remark(path, lines), *_token_remark(path, rows)]
    return ReadRows(tuple(rows), tuple(remarks))


def _refuse_foreign(path: Path, lines: Sequence[Line], families: Collection[str], rules: RowRules) -> None:
    """Raise Refusal where every row has the layout of another format that cannot be read as it is."""
    form = None if any(line.wrong for line in lines) else shared_layout([line.values for line in lines])
    if form is None or (form.ours is not None and (rules.family or any("family" in line.values for line in lines))):
        return
    looks = "its one row looks" if len(lines) == 1 else f"all {len(lines)} rows look"
    without = " without family" if form.ours is not None else ""
    told = f"{path}: {looks} like {form.title}{without}; rows need instruction, output and family"
    remedy = form.remedy or f"dataset.family=FAMILY gives one to rows without any: {', '.join(families)}"
    raise Refusal(f"{told} ({', '.join(families)}).", f"To use it, {remedy} (docs/your-model-and-data.md).")


def _read_row(
    line: Line, layout: Layout | None, families: Collection[str], rules: RowRules
) -> tuple[tuple[Row, ...], list[str]]:
    """Return the rows of one line (() where something is wrong), and what is wrong."""
    if line.wrong:
        return (), [line.wrong]
    values, system = line.values, ""
    if rules.family and not values.get("family"):
        values = {**values, "family": rules.family}
    if "messages" in values and takes_every_turn(values["messages"], rules.turns):
        return _read_turns(line.number, values, families)
    if "messages" in values:
        flat = flattened(values)
        if flat.wrong:
            return (), [flat.wrong]
        values, system = flat.values, flat.system
    given = {key: value for key, value in values.items() if value is not None or key in REQUIRED_KEYS}
    problems = _row_problems(given, families, () if layout is None else layout.may_lack)
    if problems:
        return (), problems
    known = {"input": "", "instruction": ""} | {key: given[key] for key in KNOWN_KEYS if key in given}
    return (Row(**known, line=line.number, system=system.strip()),), []


def _read_turns(number: int, values: dict[str, Any], families: Collection[str]) -> tuple[tuple[Row, ...], list[str]]:
    family = values.get("family")
    if not isinstance(family, str) or family not in families:
        choices = ", ".join(families)
        named = f'missing key "family"; choices: {choices}' if family is None else f'unknown family "{family}". '
        return (), [named if family is None else named + choices_hint(str(family), families)]
    try:
        return rows_of_turns(values, family, number), []
    except NoTurns as error:
        return (), [str(error)]


def _row_problems(values: dict[str, Any], families: Collection[str], may_lack: Collection[str]) -> list[str]:
    choices = f"; choices: {', '.join(families)}"
    problems = [
        f'missing key "{key}"{choices if key == "family" else ""}'
        for key in REQUIRED_KEYS
        if key not in values and key not in may_lack
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
