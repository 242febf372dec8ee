"""A program on request: generated, run in the sandbox, marked, and corrected by its own model until it is good."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import yaml

from env.counts import listed_text
from env.refusal import BadSettings, Refusal
from env.servers.access import address_problem
from env.silence import turn_to
from eval.chat.client import ChatServer, Reply, Trouble
from eval.correcting.feedback import feedback, shown_answer
from eval.domains import Domain, scorer_of
from eval.pipeline.loop import judge
from eval.pipeline.prompts import user_message
from eval.pipeline.scoring import Answered, Scores, ScoreWeights, scores_of, weighted
from eval.pipeline.verifier import Verifier
from eval.records import Completion, Outcome, Sample, Task
from runner.runs.locations import CONF

FILE_VARIABLE = "LUAGATE_ASSISTANT"
_SECTION = "assistant"


@dataclass(frozen=True, slots=True)
class AssistantSettings:
    """What conf/assistant.yaml says; its comments explain each key. Raises BadSettings naming every wrong value."""

    url: str
    model: str
    api_key_env: str
    temperature: float
    max_tokens: int
    seed: int
    timeout_s: float
    turns: int
    below: float

    def __post_init__(self) -> None:
        problems = [address_problem(f"{_SECTION}.url", self.url, f"{_SECTION}.api_key_env")]
        problems += [
            f"{_SECTION}.{key} = {getattr(self, key)}: must be {low:g} to {high:g}"
            for key, low, high in (
                ("temperature", 0, 5),
                ("max_tokens", 1, 1_000_000),
                ("timeout_s", 1, 86_400),
                ("turns", 0, 20),
                ("below", 0, 1),
            )
            if not low <= getattr(self, key) <= high
        ]
        if told := [problem for problem in problems if problem]:
            raise BadSettings(f"{'; '.join(told)}.")

    @property
    def server(self) -> ChatServer:
        """Where the model is asked. Raises Refusal where no model is named."""
        if not self.model:
            raise Refusal(f"{_SECTION}.model: not set.", f"Name the model that {self.url} serves: --model NAME.")
        sampling = {"temperature": self.temperature, "max_tokens": self.max_tokens}
        return ChatServer(_SECTION, "ask", self.url, self.model, self.api_key_env, self.timeout_s, sampling)


def read_settings(path: Path | None = None, **typed: Any) -> AssistantSettings:
    """Return the settings of ``path``, else of the file that $LUAGATE_ASSISTANT names, else of conf/assistant.yaml.

    Args:
        typed: values that come first; None is not typed.

    Raises:
        Refusal: the file cannot be read, lacks a key, has another one, or a value has the wrong type.
    """
    path = path or Path(os.environ.get(FILE_VARIABLE) or CONF / "assistant.yaml")
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise Refusal(f"{path} cannot be read: {error}.", f"Restore it, or unset {FILE_VARIABLE}.") from None
    kinds: dict[str, Any] = {"int": int, "float": (int, float), "str": str}
    known = {each.name: kinds[str(each.type)] for each in fields(AssistantSettings)}
    if not isinstance(given, dict) or {*given} != {*known}:
        raise Refusal(f"{path}: needs exactly the keys {listed_text(known, 9)}.", "conf/assistant.yaml explains them.")
    given |= {key: value for key, value in typed.items() if value is not None}
    wrong = [key for key, kind in known.items() if isinstance(given[key], bool) or not isinstance(given[key], kind)]
    if wrong:
        raise Refusal(
            f"{path}: {wrong[0]} = {given[wrong[0]]!r} has the wrong type.", "conf/assistant.yaml explains it."
        )
    return AssistantSettings(**given)


class Asks(Protocol):
    """A server that is asked (``eval.chat.client.Client``)."""

    def ask(self, messages: Sequence[Mapping[str, str]], seed: int) -> Reply | Trouble:
        """Return what the model says to a conversation."""
        ...


@dataclass(frozen=True, slots=True)
class Attempt:
    """One answer: its sample, its marks with their weighted total (None where it could not be judged), its findings."""

    sample: Sample
    marks: Scores | None
    total: float
    findings: tuple[str, ...]

    @property
    def has_passed(self) -> bool:
        """Whether it ran without an error."""
        return self.sample.verdict.outcome is Outcome.PASSED

    @property
    def code(self) -> str:
        """The program; "" where the answer holds none."""
        return self.sample.candidate.code or ""

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "code": self.code,
            "verdict": asdict(self.sample.verdict),
            "marks": None if self.marks is None else asdict(self.marks),
            "total": self.total,
            "findings": self.findings,
        }


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: the words, the code that they are about ("" none), and what judges and marks the answer."""

    words: str
    source: str
    domain: Domain
    weights: ScoreWeights
    mod_name: str = ""

    @property
    def task(self) -> Task:
        """The request as a task without checks: that it runs is all that can be told."""
        family = next(name for name, form in self.domain.families.items() if form == "code")
        asked = {"instruction": self.words, "input": self.source, "answer": "code", "reference": "", "checks": ()}
        return Task(id="ask", family=family, kind="", cluster="", split="dev", mod_name=self.mod_name, **asked)  # type: ignore[arg-type]


def ask(request: Request, settings: AssistantSettings, server: Asks, verifier: Verifier) -> tuple[Attempt, ...]:
    """Return every answer in order: the first, and one more for each correction.

    It is corrected while it does not run, or its marks come to less than ``settings.below``, at most ``settings.turns``
    times. What the model is told is what a user could see: the error, and what reading the program finds.

    Raises:
        Refusal: the request is empty, or the server does not answer.
    """
    if not request.words.strip():
        raise Refusal("The request is empty.", 'Say what is wanted: ask "a lamp that glows".')
    language, task = request.domain.language, request.task
    told = f"You write {request.domain.title} in {language.name}. Answer with one whole program in one code block."
    messages = [
        {"role": "system", "content": told},
        {"role": "user", "content": user_message(request.words, _fenced(request))},
    ]
    attempts: list[Attempt] = []
    for turn in range(settings.turns + 1):
        turn_to(f"asking {settings.model}" + (f" again, correction {turn} of {settings.turns}" if turn else ""))
        attempts.append(_attempt(request, _reply(server, messages, settings, turn), turn, verifier))
        last = attempts[-1]
        if last.marks is None or (last.has_passed and last.total >= settings.below):
            break
        said = feedback(task, last.sample, "runtime", request.domain)
        messages += [
            {"role": "assistant", "content": shown_answer(last.sample, language)},
            {"role": "user", "content": said},
        ]
    return tuple(attempts)


def best(attempts: Sequence[Attempt]) -> Attempt:
    """Return the answer to use: one that runs, of these the best marked, of equals the first."""
    return max(attempts, key=lambda attempt: (attempt.has_passed, attempt.total))


def _fenced(request: Request) -> str:
    return f"```{request.domain.language.labels[0]}\n{request.source.rstrip()}\n```" if request.source else ""


def _reply(server: Asks, messages: Sequence[Mapping[str, str]], settings: AssistantSettings, turn: int) -> Reply:
    found = server.ask(messages, settings.seed + turn)
    if isinstance(found, Trouble):
        raise Refusal(f"{settings.url} {found.why}.", "Start the server, or name another with --url; then ask again.")
    return found


def _attempt(request: Request, reply: Reply, turn: int, verifier: Verifier) -> Attempt:
    turn_to("running the answer")
    task, completion = request.task, Completion(reply.text, "stop", reply.completion_tokens or 0)
    [(candidate, verdict)] = judge([(task, reply.text)], verifier)
    scorer = scorer_of(request.domain)
    marks = scores_of(Answered(request.source, candidate, verdict), scorer)
    read = scorer.findings(candidate.code) if candidate.code and verdict.outcome is not Outcome.SYNTAX_ERROR else ()
    return Attempt(
        Sample(task.id, turn, reply.model, 0, completion, candidate, verdict),
        marks,
        0.0 if marks is None else weighted(marks, request.weights),
        tuple(dict.fromkeys((*verdict.findings, *read))),
    )


def changed_lines(before: str, after: str, name: str) -> Iterator[str]:
    """Yield a unified diff of a file's text and what it would become."""
    from difflib import unified_diff

    yield from unified_diff(before.splitlines(), after.splitlines(), name, name, lineterm="")
