"""The answer inside an assistant's turn: what follows its thoughts and precedes the next turn, without template tokens.

A thought that was cut off leaves no answer, also where it holds a draft. Tokens inside a program's strings and comments
are the program's own and stay. Not covered: a thought in plain prose that no tag opens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from eval.pipeline.language import Language
from eval.pipeline.lua_text import Quoted
from eval.pipeline.prose import is_code_line, program_lines

# Tags between which models think: Qwen, DeepSeek; Seed-OSS; Mistral's Magistral; Cohere; Kimi; Gemma 4.
_PAIRS = (
    *((f"<{tag}>", f"</{tag}>") for tag in ("think", "thinking", "thought", "reasoning", "seed:think")),
    ("[THINK]", "[/THINK]"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("\u25c1think\u25b7", "\u25c1/think\u25b7"),
    ("<|channel>thought", "<channel|>"),
)
_CLOSER = dict(_PAIRS)
# OpenAI's harmony: the thought is a channel of its own, and only the channel "final" is the answer.
_ANALYSIS = re.compile(r"<\|channel\|>\s*(?:analysis|commentary)\b[^\n]*?<\|message\|>")
_FINAL = re.compile(r"<\|channel\|>\s*final\b[^\n]*?<\|message\|>")
_OPENERS = re.compile("|".join([*(re.escape(opener) for opener, _ in _PAIRS), _ANALYSIS.pattern]))
_CLOSERS = re.compile("|".join(re.escape(closer) for _, closer in _PAIRS))
_LEFT_OPEN = re.compile(rf"(?:{_OPENERS.pattern})\s*\Z")
_CHANNEL_TOKEN = "<|channel|>"
_CHANNEL = re.compile(re.escape(_CHANNEL_TOKEN))
_FORCED_FINAL = "<|end|><|start|>assistant<|channel|>final<|message|>"
# Harmony with its special tokens left out in decoding: "analysisWe need ...assistantfinal...", "final```lua".
_BARE_FINAL = re.compile(r"\Aanalysis.*?assistantfinal", re.DOTALL)
_BARE_ANALYSIS = re.compile(r"\A(?:analysis|commentary)(?=[A-Z\"'*\d])")
_BARE_ANSWER = re.compile(r"\Afinal(?=```|~~~|--|(?:core|minetest|local|function|return|for|if|while|game)\b)")

_END_OF_TURN = re.compile(
    r"<\|(?:im_end|return|end|endoftext|eot_id|eom_id|end_of_text|call|END_OF_TURN_TOKEN|END_RESPONSE)\|>|</s>"
    r"|<end_of_turn>|<turn\|>|<eos>|<\uff5cend\u2581of\u2581sentence\uff5c>"
    r"|<\|(?:im_start|start)\|>\s*(?:user|system|tool|developer)\b|<(?:start_of_turn>|\|turn>)user\b"
)
# A token that opens what follows it, with the role it names: only at the start of a line.
_OPENING_TOKEN = re.compile(
    r"^(?:[ \t]*(?:(?:<\|[A-Za-z_]{1,30}\|>|<start_of_turn>|<\|turn>)(?:(?:assistant|model)\b\n?)?|\[/?INST\]|<s>))+",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class AnswerPart:
    """The answer ("" when there is none) and what led to it: "think", "harmony", or "" when nothing did."""

    text: str
    opening: str


@dataclass(frozen=True, slots=True)
class Marks:
    """The texts of one family's thoughts.

    Attributes:
        opens: what a completion that thinks begins with; "" where the prompt has opened the thought.
        closes: what the answer follows on; ``forced`` closes a thought in the model's place.
    """

    opens: str
    closes: str
    forced: str


def thought_marks(prompt: str, prefix: str, source: str) -> Marks | None:
    """Return how a model marks its thoughts; None where nothing shows that it has any.

    Args:
        prompt: one that lets the model think.
        prefix: what the chat template writes between a prompt and an answer without a thought.
        source: the chat template.
    """
    opened = left_open(prompt).strip()
    if opened.startswith(_CHANNEL_TOKEN) or (_CHANNEL_TOKEN in source and "final" in source):
        return Marks("" if opened else _CHANNEL_TOKEN, f"{_CHANNEL_TOKEN}final", _FORCED_FINAL)
    shown = opened or next((own for own, closer in _PAIRS if own in prefix + source or closer in prefix), "")
    if not shown:
        return None
    closes = _CLOSER[shown]
    _, found, blank = prefix.partition(closes)
    blank = blank if found and not blank.strip() else "\n\n" if closes.startswith("</") else ""
    return Marks("" if opened else shown, closes, f"\n{closes}{blank}")


def left_open(prompt: str) -> str:
    """Return the tag, with the white space after it, that ``prompt`` ends with and that opens a thought; else ""."""
    match = _LEFT_OPEN.search(prompt)
    return match[0] if match else ""


def answer_part(text: str, language: Language) -> AnswerPart:
    """Return the part of an assistant's turn that is its answer."""
    start, opening = _answer_start(text, language)
    if start is None:
        return AnswerPart("", opening)
    answer = _until(_END_OF_TURN, text[start:])
    before_thought = _until(_OPENERS, answer)
    if before_thought == answer:
        return AnswerPart(_without_tokens(answer), opening)
    # a thought after the answer is no part of it; after mere words it was cut off before the answer came
    has_program = any(program_lines(before_thought, language, wants_diff) for wants_diff in (False, True))
    return AnswerPart(_without_tokens(before_thought) if has_program else "", "think")


def _answer_start(text: str, language: Language) -> tuple[int | None, str]:
    """Return where the answer starts (None when its thought was cut off) and what led to it."""
    quoted = Quoted(text)
    finals = [match for match in _FINAL.finditer(text) if not quoted.kind_at(match.start())]
    if finals:
        return finals[-1].end(), "harmony"
    if bare := _BARE_FINAL.match(text) or _BARE_ANSWER.match(text):
        return bare.end(), "harmony"
    is_analysis = _BARE_ANALYSIS.match(text) and not is_code_line(text.split("\n")[0], language)
    if is_analysis or _first_free(_CHANNEL, text, quoted):
        return None, "harmony"
    return _start_after_tags(text, quoted)


def _start_after_tags(text: str, quoted: Quoted) -> tuple[int | None, str]:
    """Return the same for thoughts between tags, the first of which the prompt may have opened."""
    position, opening = 0, ""
    while opener := _OPENERS.match(text, len(text) - len(text[position:].lstrip())):
        closer = text.find(_CLOSER[opener[0]], opener.end())
        if closer < 0:
            return None, "think"
        position, opening = closer + len(_CLOSER[opener[0]]), "think"
    if opening:
        return position, opening
    turn = len(_until(_END_OF_TURN, text))
    closers = [match for match in _CLOSERS.finditer(text, 0, turn) if not quoted.kind_at(match.start())]
    return (closers[-1].end(), "think") if closers else (0, "")


def _first_free(pattern: re.Pattern[str], text: str, quoted: Quoted) -> re.Match[str] | None:
    """Return the first match that lies in no string and in no comment."""
    return next((match for match in pattern.finditer(text) if not quoted.kind_at(match.start())), None)


def _until(pattern: re.Pattern[str], text: str) -> str:
    """Return ``text`` before the first match outside its strings and comments; all of it without one."""
    match = _first_free(pattern, text, Quoted(text))
    return text[: match.start()] if match else text


def _without_tokens(answer: str) -> str:
    quoted = Quoted(answer)
    return _OPENING_TOKEN.sub(lambda match: match[0] if quoted.kind_at(match.start()) else "", answer)
