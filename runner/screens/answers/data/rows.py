"""A file of rows in lines: what it holds, what is wrong with it, and ten of its rows."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TextIO

from env.counts import counted, more_text
from runner.screens.ink import Line, line, write_lines

if TYPE_CHECKING:
    from eval.datasets.contents import Contents, Lengths
    from runner.views.data import DataView

_LABEL = 12
_SHOWN = 12


def print_data(view: DataView, stream: TextIO | None = None) -> None:
    """Write what files of rows hold."""
    write_lines(stream or sys.stdout, [*_head(view), *_counts(view.contents), *_use(view), *_rows(view.contents)])


def _head(view: DataView) -> Iterator[Line]:
    found = view.contents
    yield line((view.path, "bold"), f"  {counted(found.rows, 'row')} in {counted(len(view.kinds), 'file')}")
    for name, what in list(view.kinds.items())[: _SHOWN * 2]:
        yield line(f"  {name}: {what}, {counted(found.files.get(name, 0), 'row')}", hang=4)


def _counts(found: Contents) -> Iterator[Line]:
    yield _labelled("layouts", _counted(found.layouts))
    yield _labelled("families", _counted(found.families))
    calls = f"; {counted(found.calls, 'call')} of tools" if found.calls else ""
    longest = f"; at most {counted(found.longest_chat, 'answer')} a row"
    yield _labelled("turns", f"{_counted(found.roles)}{longest}{calls}")
    for name, lengths in (("questions", found.questions), ("answers", found.answers)):
        if lengths is not None:
            yield _labelled(name, _length(lengths))
    same = found.duplicates
    yield _labelled(
        "duplicates",
        f"{counted(same.rows, 'row')} repeated; {counted(same.questions, 'question')} repeated, in "
        f"{counted(same.question_groups, 'group')}; {counted(same.answers, 'answer')} repeated; "
        f"{counted(same.near_answers, 'near-duplicate answer')} (J ≥ 0.8) among {counted(same.near_of, 'row')}",
    )
    if found.licences:
        yield _labelled("licences", _counted(found.licences))
    if found.keys:
        yield _labelled("other keys", f"{_counted(found.keys)}: kept as metadata")


def _use(view: DataView) -> Iterator[Line]:
    for problem in view.problems:
        yield line(("✗ ", "no"), problem, hang=2)
    if view.refused:
        yield line(("! ", "odd"), f"a run of {view.domain} would refuse them: {view.refused}", hang=2)
    if view.trained is not None:
        yield _labelled("training", f"{counted(view.trained, 'row')} in a run of {view.domain}")
    for remark in view.remarks:
        yield line(("! ", "odd"), f"{remark.subject}: {remark.value}. {remark.reason}", hang=2)
        yield from (line(f"    {text}", hang=4) for text in remark.evidence[:_SHOWN])


def _rows(found: Contents) -> Iterator[Line]:
    for row in found.samples:
        yield line((row.place, "bold"), (f"  {row.layout} {row.family}".rstrip(), "dim"), hang=4)
        yield line(("    asked ", "dim"), row.question, cut=True)
        yield line(("    told  ", "dim"), row.answer, cut=True)


def _labelled(label: str, text: str) -> Line:
    return line((label.ljust(_LABEL), "dim"), text, hang=_LABEL)


def _counted(counts: Mapping[str, int]) -> str:
    shown = [f"{count:,} {name}" for name, count in list(counts.items())[:_SHOWN]]
    return ", ".join(shown) + (f" {more}" if (more := more_text(len(counts) - len(shown))) else "")


def _length(found: Lengths) -> str:
    figures = f"median {found.median:,.0f}, 90% up to {found.p90:,.0f}, longest {found.longest:,}"
    return f"{figures} {found.unit}; {found.total:,} in all"
