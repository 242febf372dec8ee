"""From what a model wrote to the program to execute, with the rule that found it.

Rules, from the outside in: the final channel or what follows the thinking ("harmony", "think"), the text before the
first end of the turn, then a fenced block ("fence", "fence-longest", "fence-open" without its end, "fence-end" without
its start), else the text itself ("bare") or its part between sentences ("prose"). Of several blocks the longest counts,
unless each begins a file of its own ("fence-files"). Not covered: a program spread over several blocks.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from eval.pipeline.fences import Block, fenced_blocks
from eval.pipeline.forms.calls import MalformedCalls, NoCalls, find_calls
from eval.pipeline.forms.patching import PatchRejected, apply_patch
from eval.pipeline.language import Language
from eval.pipeline.prose import is_code_line, is_sentence, without_sentences
from eval.pipeline.thoughts import answer_part
from eval.records import Candidate, Outcome, Task

DIFF_LABELS = ("diff", "patch")


@dataclass(frozen=True, slots=True)
class _Found:
    text: str
    rule: str


def extract(task: Task, text: str, language: Language) -> Candidate:
    """Return the program in ``text``: the code itself, the task's input with the diff applied, or the calls as JSON.

    ``language`` distinguishes programs from prose. A whole program where a diff was requested is PATCH_REJECTED (rule
    "whole-file"): the task is to write the diff.
    """
    answer = answer_part(text, language)
    if not answer.text.strip():
        why = _why_empty(text, answer.opening)
        return Candidate(None, answer.opening or "empty", outcome=Outcome.NO_CODE, detail=why)
    if task.answer == "calls":
        return _called(answer.text, answer.opening)
    found = _find(answer.text, language, wants_diff=task.answer == "diff")
    rule = "+".join(part for part in (answer.opening, found.rule) if part)
    if not found.text.strip():
        return Candidate(None, rule, outcome=Outcome.NO_CODE, detail="the fenced block is empty")
    if task.answer == "diff":
        return _patched(task.input, found.text, rule, language)
    return Candidate(found.text, rule)


def _called(text: str, opening: str) -> Candidate:
    """Return the calls of an answer as a JSON document."""
    try:
        found = find_calls(text)
    except NoCalls as error:
        return Candidate(None, opening or "calls", outcome=Outcome.NO_CODE, detail=str(error))
    except MalformedCalls as error:
        return Candidate(None, opening or "calls", outcome=Outcome.SYNTAX_ERROR, detail=str(error))
    return Candidate(found.document(), "+".join(part for part in (opening, f"calls-{found.rule}") if part))


def _patched(source: str, diff: str, rule: str, language: Language) -> Candidate:
    if not looks_like_diff(diff, language):
        detail = "the answer holds no diff; a unified diff was requested"
        return Candidate(None, "whole-file", outcome=Outcome.PATCH_REJECTED, detail=detail)
    try:
        patched = apply_patch(source, diff)
    except PatchRejected as error:
        return Candidate(None, rule, outcome=Outcome.PATCH_REJECTED, detail=str(error))
    return Candidate(patched.text, rule, patch_level=patched.level)


def looks_like_diff(text: str, language: Language) -> bool:
    """Whether ``text`` has hunks or file headers, or lines marked + or - that are not comments."""
    lines = text.split("\n")
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith(("@@", "diff --git ", "+")) or (line.startswith("--- ") and following.startswith("+++ ")):
            return True
        if line.startswith("-") and not line.startswith(language.comment):
            return True
    return False


def _why_empty(text: str, opening: str) -> str:
    if not text.strip():
        return "the model wrote nothing"
    if opening:
        return "the model never reached its answer"
    return "the model wrote no code"


def _find(text: str, language: Language, wants_diff: bool) -> _Found:
    blocks = fenced_blocks(text, language, wants_diff)
    if blocks:
        return _choose(blocks, language, wants_diff)
    trimmed = _diff_in(text, language) if wants_diff else without_sentences(text, language)
    return _Found(trimmed, "bare" if trimmed.strip() == text.strip() else "prose")


def _choose(blocks: list[Block], language: Language, wants_diff: bool) -> _Found:
    """Prefer blocks of the requested kind; among several the longest, among equals the last."""
    labels = DIFF_LABELS if wants_diff else language.labels
    labelled = [block for block in blocks if block.label in labels]
    unlabelled = [block for block in blocks if not block.label]
    if wants_diff:
        labelled = labelled or [b for b in blocks if looks_like_diff(textwrap.dedent(b.text), language)]
    pool = labelled or unlabelled or blocks
    files = [block.text.strip("\n") for block in pool if _is_file(block, language)]
    if len(files) > 1 and not wants_diff:
        return _Found("\n\n".join(files), "fence-files")
    best = max(enumerate(pool), key=lambda item: (len(item[1].text.strip()), item[0]))[1]
    return _Found(_diff_in(best.text, language) if wants_diff else best.text, _fence_rule(best, len(pool)))


def _is_file(block: Block, language: Language) -> bool:
    return language.file_header is not None and language.file_header.match(block.text.lstrip()) is not None


def _fence_rule(block: Block, rivals: int) -> str:
    if not block.is_closed:
        return "fence-open"
    if not block.is_opened:
        return "fence-end"
    return "fence-longest" if rivals > 1 else "fence"


def _diff_in(text: str, language: Language) -> str:
    """Return the diff in ``text`` without the sentences before and after it, and without a list's indentation."""
    if not looks_like_diff(text, language) and looks_like_diff(textwrap.dedent(text), language):
        text = textwrap.dedent(text)
    lines = text.split("\n")
    first = next((number for number in range(len(lines)) if _starts_diff(lines, number)), 0)
    last = len(lines)
    while last > first + 1 and (not lines[last - 1].strip() or _is_remark(lines[last - 1], language)):
        last -= 1
    return "\n".join(lines[first:last])


def _starts_diff(lines: list[str], number: int) -> bool:
    line, following = lines[number], lines[number + 1] if number + 1 < len(lines) else ""
    return line.startswith(("@@", "diff --git ")) or (line.startswith("--- ") and following.startswith("+++ "))


def _is_remark(line: str, language: Language) -> bool:
    return is_sentence(line) and not is_code_line(line, language)
