"""Documentation in Markdown: each block of code with the heading and the words before it is a row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eval.curation.recipe import Source, Templates
from eval.curation.records import CuratedRow
from eval.curation.sources.file_licences import licences_of
from eval.curation.sources.found import Found, nothing_at, place_id
from eval.curation.sources.trees import NotRead, read_tree
from eval.domains import Domain

_DOCUMENTS = (".md", ".markdown")
_FENCE = re.compile(r"^[ ]{0,3}(`{3,}|~{3,})[ \t]*([\w+-]*)")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$")


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """A fenced block: its label, its text, the line of its fence, the last heading, and the paragraph before it."""

    label: str
    text: str
    line: int
    heading: str
    before: str


def collect(name: str, source: Source, templates: Templates, domain: Domain) -> Iterator[Found]:
    """Yield a row for each block of the domain's language in the documents of a folder or an archive."""
    texts: dict[str, str] = {}
    for member in read_tree(Path(source.path)):
        if isinstance(member, NotRead):
            yield nothing_at(name, member.name, 0, "not read", member.why)
        else:
            texts[member.name] = member.data.decode("utf-8-sig", "replace").replace("\r\n", "\n")
    licences = licences_of({file: text for file, text in texts.items() if not file.endswith(_DOCUMENTS)})
    for file, text in texts.items():
        if not file.lower().endswith(_DOCUMENTS):
            continue
        said = licences.of(file, text, source.licence)
        if said.wrong:
            yield nothing_at(name, file, 1, "licence not clear", said.wrong)
            continue
        for block in blocks_of(text):
            if block.label not in domain.language.labels:
                yield nothing_at(name, file, block.line, "block of another language", block.label or "without a label")
            elif not (block.heading or block.before) or not block.text.strip():
                yield nothing_at(name, file, block.line, "block without words before it")
            else:
                yield CuratedRow(
                    id=place_id(name, file, block.line),
                    source=name,
                    file=file,
                    line=block.line,
                    instruction=templates.document.format(name=block.heading or "this"),
                    input=block.before,
                    output=block.text,
                    family=source.family or templates.family,
                    part=source.part,
                    kind="document",
                    commit=source.commit,
                    licence=said.licence,
                    attribution=said.holders or f"the authors of {name}",
                    made="template: document",
                    cluster=f"{file}#{block.heading}",
                )


def blocks_of(text: str) -> Iterator[CodeBlock]:
    """Yield the closed fenced blocks of a document in order."""
    heading, closing, label, start = "", "", "", 0
    paragraph: list[str] = []
    inside: list[str] = []
    before = ""
    for number, line in enumerate(text.split("\n"), start=1):
        fence = _FENCE.match(line)
        if closing:
            if fence and fence[1].startswith(closing) and not fence[2]:
                yield CodeBlock(label, "\n".join(inside).strip("\n"), start, heading, " ".join(paragraph))
                closing, paragraph = "", []
            else:
                inside.append(line)
        elif fence:
            closing, label, start, inside = fence[1], fence[2].lower(), number, []
        elif match := _HEADING.match(line):
            heading, paragraph = match[1], []
        elif line.strip():
            paragraph = [*paragraph, line.strip()] if before.strip() else [line.strip()]
        before = line
