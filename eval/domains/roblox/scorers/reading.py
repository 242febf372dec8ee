"""What the marks of a Roblox answer rest on: the Luau in it, read once."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from eval.domains.roblox.findings import Finding, Side, findings_in
from eval.domains.roblox.findings.program.inference import infer
from eval.domains.roblox.findings.program.reading import Binding, Reading
from eval.domains.roblox.findings.program.tree import MAX_BYTES, Node, NotRead, read
from eval.domains.roblox.findings.program.value_types import facts
from eval.domains.roblox.items.file_blocks import HEADER, MAX_FILES
from eval.pipeline.scoring.words import distinct_lines

MOST_SENTENCES = 50
_INDEXES = ("dot_index_expression", "method_index_expression")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was read of an answer.

    Attributes:
        statements: of its Luau, and tool calls.
        uses: names of the API outside declarations that nothing reads.
        read: the share of its local variables that something reads; 1 where it has none.
        distinct: the share of its lines, or of its tool calls, that stand there once.
        findings: how many of each kind.
        sentences: the findings as a reader has them, at most 50.
    """

    statements: int
    uses: int
    read: float
    distinct: float
    findings: Counter[str]
    sentences: tuple[str, ...] = ()


@lru_cache(maxsize=4096)
def read_answer(code: str) -> Answer:
    """Return what is read of an answer: of each of its files, or of the code that its tool calls carry.

    An answer that is too long or too deep to be read has no statements. Raises Refusal without tree-sitter-luau.
    """
    calls = _calls(code)
    sources = _sources(code, calls)
    try:
        readings = _readings(sources)
    except NotRead as reason:
        return Answer(0, 0, 0.0, 0.0, Counter(), (f"unread: the program was not read: it is {reason}",))
    unread = [_unread(reading) for reading in readings]
    found = [("", finding) for finding in _unknown_classes(calls)]
    for source, reading in zip(sources, readings, strict=True):
        found += [(source.path, finding) for finding in sorted({*findings_in(reading, source.side)})]
    declared = sum(len(_variables(reading)) for reading in readings)
    return Answer(
        statements=sum(child.kind != "comment" for each in readings for child in each.tree.root.children) + len(calls),
        uses=sum(_uses(*pair) for pair in zip(readings, unread, strict=True)) + len(_passed(calls, "className")),
        read=1 - sum(map(len, unread)) / declared if declared else 1.0,
        distinct=len({*map(str, calls)}) / len(calls) if calls else distinct_lines(code),
        findings=Counter(finding.kind for _, finding in found),
        sentences=tuple(f"{path}: {finding}" if path else str(finding) for path, finding in found[:MOST_SENTENCES]),
    )


def _readings(sources: list[_Source]) -> list[Reading]:
    """Return what is read of each text. Raises NotRead where one of them, or all together, are too much."""
    if len(sources) > MAX_FILES:
        raise NotRead(f"of more than {MAX_FILES} files")
    if sum(len(source.code) for source in sources) > MAX_BYTES:
        raise NotRead(f"longer than {MAX_BYTES // 1024} KB")
    return [infer(read(source.code)) for source in sources]


def _calls(code: str) -> list[Any]:
    """Return the calls of a document of tool calls; [] for a program."""
    if not code.startswith('{"calls"'):
        return []
    try:
        document = json.loads(code)
    except (ValueError, RecursionError):
        return []
    return list(document["calls"]) if isinstance(document.get("calls"), list) else []


@dataclass(frozen=True, slots=True)
class _Source:
    """One text of Luau in an answer: the side that it runs on and the path of its file, as far as they are told."""

    code: str
    side: Side = ""
    path: str = ""


def _sources(code: str, calls: list[Any]) -> list[_Source]:
    """Return the Luau of an answer: the code that calls carry, each file, or the whole."""
    if calls:
        return [_Source(passed) for passed in _passed(calls, "code")]
    headers = list(HEADER.finditer(code))
    if not headers:
        return [_Source(code)]
    ends = [header.start() for header in headers[1:]] + [len(code)]
    pairs = zip(headers, ends, strict=True)
    # without the line break behind the header: a file begins with line 1
    return [
        _Source(code[header.end() + 1 : end], _side_of(header[1].strip()), header[1].strip()) for header, end in pairs
    ]


def _side_of(path: str) -> Side:
    name = path.rpartition("/")[2]
    return "client" if ".client." in name else "server" if ".server." in name else ""


def _passed(calls: list[Any], name: str) -> list[str]:
    """Return the texts that calls pass as their argument ``name``."""
    given = [call.get("arguments") for call in calls if isinstance(call, dict)]
    texts = [each.get(name) for each in given if isinstance(each, dict)]
    # JSON may spell half of a sign, which no file can hold
    return [text.encode("utf-8", "replace").decode() for text in texts if isinstance(text, str)]


def _unknown_classes(calls: list[Any]) -> list[Finding]:
    """Return the classes that calls create and the engine does not have."""
    unknown = [name for name in _passed(calls, "className") if name not in facts().classes]
    return [Finding(1, "api", "unknown-class", f'there is no class "{name}"') for name in dict.fromkeys(unknown)]


def _variables(reading: Reading) -> list[Binding]:
    return [each for each in reading.locals if not each.is_parameter and not each.name.startswith("_")]


def _unread(reading: Reading) -> list[Binding]:
    """Return the local variables that nothing reads; a loop's are not declared to be read."""
    return [each for each in _variables(reading) if len(each.mentions) <= each.writes and each.value is not None]


def _uses(reading: Reading, unread: list[Binding]) -> int:
    """Return how many names of the API stand outside declarations that nothing reads."""
    idle = {each.value for each in unread if each.value is not None and each.value.kind != "function_declaration"}
    indexes = (index for kind in _INDEXES for index in reading.tree.kinds.get(kind, ()))
    return sum(reading.owner(index) is not None and not _is_in(index, idle) for index in indexes)


def _is_in(node: Node, holders: set[Node]) -> bool:
    return node in holders or any(above in holders for above in node.ancestors())
