"""From what a model wrote to the program to execute, with the rule that found it.

Rules, from the outside in: the final channel or what follows the thinking ("harmony", "think"), the text before the
first end-of-turn token, then a fenced block ("fence", "fence-longest", "fence-open"), else the text itself ("bare")
or its part between sentences ("prose"). Not covered: a program spread over several blocks; the longest block counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from eval.pipeline.language import Language
from eval.pipeline.patching import PatchRejected, apply_patch
from eval.records import Candidate, Outcome, Task

END_OF_TURN = re.compile(
    r"<\|(?:im_end|return|end|endoftext|eot_id|end_of_text|call)\|>|</s>|<end_of_turn>|<eos>|<\uff5cend\u2581of\u2581sentence\uff5c>"
)
OTHER_TOKEN = re.compile(r"<\|[a-z_]{1,30}\|>|<start_of_turn>(?:model)?|\[/?INST\]|<s>")
FINAL_CHANNEL = re.compile(r"<\|channel\|>\s*final\b[^\n]*?<\|message\|>")
# The same with special tokens left out in decoding: "analysis...assistantfinal...".
BARE_FINAL = re.compile(r"\Aanalysis.*?assistantfinal", re.DOTALL)
FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+.-]*)[^\n]*$", re.MULTILINE)
PROSE_LINE = re.compile(r"\s*(?:[#*>-]\s+)?[A-Z][\w'`,]*(?:\s+\S+)+.*[.:!?]\s*\Z")
DIFF_LABELS = ("diff", "patch")


@dataclass(frozen=True, slots=True)
class _Found:
    text: str
    rule: str


def extract(task: Task, text: str, language: Language) -> Candidate:
    """Return the program in ``text``: the code itself, or the task's input with the diff applied.

    ``language`` tells a program from prose. A whole program where a diff was requested is PATCH_REJECTED (rule
    "whole-file"): the task is to write the diff.
    """
    answer, opening = _answer_part(text)
    if not answer.strip():
        return Candidate(None, opening or "empty", outcome=Outcome.NO_CODE, detail=_why_empty(text, opening))
    found = _find(answer, language, wants_diff=task.answer == "diff")
    rule = "+".join(part for part in (opening, found.rule) if part)
    if not found.text.strip():
        return Candidate(None, rule, outcome=Outcome.NO_CODE, detail="the fenced block is empty")
    if task.answer == "diff":
        return _patched(task.input, found.text, rule, language)
    return Candidate(found.text, rule)


def _patched(source: str, diff: str, rule: str, language: Language) -> Candidate:
    if not looks_like_diff(diff, language):
        detail = "the answer is a whole program; a unified diff was requested"
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


def _answer_part(text: str) -> tuple[str, str]:
    """Return the part of ``text`` that is the answer, without template tokens, and which rule opened it."""
    opening = ""
    final = list(FINAL_CHANNEL.finditer(text))
    bare = BARE_FINAL.match(text)
    if final:
        text, opening = text[final[-1].end() :], "harmony"
    elif "<|channel|>" in text:
        return "", "harmony"
    elif bare:
        text, opening = text[bare.end() :], "harmony"
    elif "</think>" in text:
        text, opening = text.rpartition("</think>")[2], "think"
    elif "<think>" in text:
        text, opening = text.partition("<think>")[0], "think"
    end = END_OF_TURN.search(text.lstrip())
    text = text.lstrip()[: end.start()] if end else text
    return OTHER_TOKEN.sub("", text), opening


def _why_empty(text: str, opening: str) -> str:
    if not text.strip():
        return "the model wrote nothing"
    if opening:
        return "the model never reached its answer"
    return "the model wrote no code"


def _find(text: str, language: Language, wants_diff: bool) -> _Found:
    blocks = _fenced_blocks(text)
    if blocks:
        return _choose(blocks, language, wants_diff)
    if wants_diff:
        return _bare_diff(text)
    return _bare_code(text, language)


@dataclass(frozen=True, slots=True)
class _Block:
    label: str
    text: str
    closed: bool


def _fenced_blocks(text: str) -> list[_Block]:
    """Return the fenced blocks in order; the last may lack its closing fence."""
    blocks: list[_Block] = []
    opened: re.Match[str] | None = None
    for match in FENCE.finditer(text):
        if opened is None:
            opened = match
        elif match[1].startswith(opened[1]) and not match[2]:
            blocks.append(_Block(opened[2].lower(), text[opened.end() + 1 : match.start()], True))
            opened = None
    if opened is not None:
        blocks.append(_Block(opened[2].lower(), text[opened.end() + 1 :], False))
    return blocks


def _choose(blocks: list[_Block], language: Language, wants_diff: bool) -> _Found:
    """Prefer blocks of the requested kind; among several the longest, among equals the last."""
    labels = DIFF_LABELS if wants_diff else language.labels
    labelled = [block for block in blocks if block.label in labels]
    unlabelled = [block for block in blocks if not block.label]
    if wants_diff:
        labelled = labelled or [block for block in blocks if looks_like_diff(block.text, language)]
    pool = labelled or unlabelled or blocks
    best = max(enumerate(pool), key=lambda item: (len(item[1].text.strip()), item[0]))[1]
    rule = "fence-longest" if len(pool) > 1 else "fence"
    return _Found(best.text, rule if best.closed else "fence-open")


def _bare_diff(text: str) -> _Found:
    """Return the text from its first diff line on; sentences before it are left out."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        starts = line.startswith(("@@", "diff --git ")) or (line.startswith("--- ") and following.startswith("+++ "))
        if starts:
            return _Found("\n".join(lines[number:]), "prose" if "".join(lines[:number]).strip() else "bare")
    return _Found(text, "bare")


def _bare_code(text: str, language: Language) -> _Found:
    """Return the text without leading and trailing sentences; all of it when no line looks like a sentence."""
    lines = text.split("\n")
    is_code = language.code_line.match
    code = [number for number, line in enumerate(lines) if is_code(line) and not PROSE_LINE.match(line)]
    if not code:
        return _Found(text, "bare")
    first, last = code[0], code[-1]
    before = "\n".join(lines[:first])
    after = lines[last + 1 :]
    cut_before = any(PROSE_LINE.match(line) for line in lines[:first]) or not before.strip()
    cut_after = any(PROSE_LINE.match(line) for line in after) or not "".join(after).strip()
    kept = lines[first if cut_before else 0 : last + 1 if cut_after else len(lines)]
    trimmed = (cut_before and before.strip()) or (cut_after and "".join(after).strip())
    if not trimmed:
        return _Found(text, "bare")
    return _Found("\n".join(kept), "prose")
