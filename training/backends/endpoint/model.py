"""A base model at a server: it generates, applies adapters and scores there; its prompts are rendered here."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from env.refusal import Refusal
from training.backends.base import (
    ChatFacts,
    Completion,
    Drawn,
    DrawStep,
    ModelIdentity,
    NoLogProbs,
    RenderedTurn,
    Request,
    Sampling,
)
from training.backends.base import PromptForm as PromptSettings
from training.backends.endpoint.adapters import Wardrobe, Worn
from training.backends.endpoint.answers import Answer, prompt_log_probs, read_answer, the_choice
from training.backends.endpoint.asking import Found
from training.backends.endpoint.calls import Calls
from training.backends.endpoint.prompting import PromptForm, find_prompt_form
from training.backends.endpoint.servers import COMPLETIONS, WAYS, Draw
from training.backends.local.batched_model import DrawnModel
from training.backends.local.texts import Texts
from training.sampler import Reference, SamplerSettings, Scored

_LOG = logging.getLogger(__name__)
# Servers hold seeds in 32 or 64 bits, signed or not; what fits them all tells the samples of a task apart.
_SEED_BITS = 31
# Of the greedy answer by which a model is recognised where the server tells no log-probabilities.
CANARY_TOKENS = 48
# How log-probabilities of a given text are asked for; the first way that is answered is taken.
_SCORING: dict[str, dict[str, Any]] = {
    "prompt_logprobs": {"prompt_logprobs": 0, "max_tokens": 1},
    "echo": {"echo": True, "logprobs": 1, "max_tokens": 1},
}


class EndpointModel(DrawnModel):
    """See ``training.backends.base.Serves`` for what each method promises.

    Args:
        identity: of the base that the training backend trains, which the server is held against.
        parameters: of that base.
        references: by which base and adapters are recognised; at least one.
        least_nats: an adapter must move some log-probability by so much.
    """

    def __init__(
        self,
        calls: Calls,
        found: Found,
        texts: Texts,
        wardrobe: Wardrobe,
        settings: SamplerSettings,
        identity: ModelIdentity,
        parameters: int,
        references: Sequence[Reference],
        least_nats: float,
    ) -> None:
        self.identity, self.parameters = identity, parameters
        self._calls, self._found, self._texts, self._settings = calls, found, texts, settings
        self._wardrobe, self._references, self._least_nats = wardrobe, tuple(references), least_nats
        self._worn: Worn = wardrobe.bare
        self._base_scores: tuple[Scored, ...] | None = None
        self._shown: set[tuple[str, float]] = set()
        self._form: PromptForm = find_prompt_form(self._count_prompt, found.server, texts, references[0].prompt)
        self._scoring = self._find_scoring()

    # each sample is a request of its own: what is stored is never asked for again
    is_batch_exact = True

    @property
    def facts(self) -> dict[str, str]:
        """What must stay the same in a run."""
        return {**self._found.facts, "prompts": self._form.name, "log-probabilities": self._scoring or "none"}

    @property
    def choices(self) -> dict[str, str]:
        """What was found at the server: name -> "value: reason"."""
        server, facts = self._found.server, self._found.facts
        named = f"{facts['server']} {facts['version']}".strip()
        source = f", loaded from {facts['root']}" if facts["root"] else ""
        scored = "the way that the server answered" if self._scoring else "the server tells none of a given text"
        return {
            "server": f"{named}: model {facts['model']}{source}, as it says itself",
            "prompts": f"{self._form.name}: {self._form.reason}",
            "log-probabilities": f"{self._scoring or 'none'}: {scored}",
            "adapters": f"{WAYS[server.way]}: what {server.title} offers",
            **({"sampling order": f"{server.order}: as {server.title} does it"} if server.order else {}),
            **({"retries": f"{self._calls.retries}: requests repeated"} if self._calls.retries else {}),
        }

    def draw(self, requests: Sequence[Request], settings: Sampling) -> Generator[DrawStep, None, None]:
        """Yield the samples as the server ends them, and an empty step where a while passes without one.

        Raises:
            Refusal: the server cannot be reached, refuses a request, or answers what is no completion of this model.
        """
        if settings.thinking.max_tokens:
            raise Refusal(
                f"sampling.thinking.max_tokens = {settings.thinking.max_tokens}: servers hold no budget for a thought.",
                "Set it to 0, or let the training backend sample: sampler=own.",
            )
        samples = [(number, sample) for number, request in enumerate(requests) for sample in range(len(request.seeds))]
        ids = [self._texts.prompt(request.prompt) for request in requests]
        bodies = [
            self._body(requests[number].prompt, ids[number], self._drawing(settings, requests[number].seeds[sample]))
            for number, sample in samples
        ]
        with closing(self._calls.answers(COMPLETIONS, bodies)) as arriving:
            for arrived in arriving:
                ended = tuple(
                    Drawn(*samples[place], self._completion(data, len(ids[samples[place][0]]), settings))
                    for place, data in arrived
                )
                yield DrawStep(sum(one.completion.tokens for one in ended), ended)

    @contextmanager
    def adapter(self, folder: Path, scale: float) -> Iterator[None]:
        """Apply the adapter in ``folder`` at ``scale`` at the server; 0 asks for the base itself.

        Raises:
            Refusal: the server has it not and cannot load it, or answers with it as the base does.
        """
        if self._worn != self._wardrobe.bare:
            raise RuntimeError("an adapter is already applied: leave its block first")
        base = self.recognise() if scale else ()
        with self._wardrobe.worn(folder, scale) as worn:
            self._worn = worn
            try:
                if scale:
                    self._require_applied(folder, scale, base)
                yield
            finally:
                self._worn = self._wardrobe.bare

    def log_prob(self, prompt: str, answer: str) -> float:
        """Return the natural-log probability of ``answer`` after ``prompt``. Raises NoLogProbs where there are none."""
        if not self._scoring:
            raise NoLogProbs(f"{self._found.server.title} tells no log-probabilities of a given text")
        found = self._scored(prompt, answer, self._scoring)
        if found is None:
            raise Refusal("The server told log-probabilities before, and now it does not.", "Look at its log.")
        return found

    def recognise(self) -> tuple[Scored, ...]:
        """Return what the base at the server makes of each reference, asked for once."""
        if self._base_scores is None:
            self._base_scores = self._scores()
        return self._base_scores

    def with_adapter(self, folder: Path, scale: float) -> tuple[Scored, ...]:
        """Return the same with an adapter, whether or not it shows; it is removed again.

        Raises:
            Refusal: the server has it not and cannot load it.
        """
        with self._wardrobe.worn(folder, scale) as worn:
            self._worn = worn
            try:
                return self._scores()
            finally:
                self._worn = self._wardrobe.bare

    def announce(self, adapters: Sequence[tuple[Path, float]]) -> None:
        """Remember which adapters will be applied, so that a refusal names all that are missing."""
        self._wardrobe.announce(adapters)

    def repeat(self, seeds: Sequence[int], settings: Sampling, at_once: bool) -> list[str]:
        """Return the texts of the first reference's prompt drawn with ``seeds``, all at once or one after the other."""
        prompt = self._references[0].prompt
        ids = self._texts.prompt(prompt)
        bodies = [self._body(prompt, ids, self._drawing(settings, seed)) for seed in seeds]
        found: dict[int, str] = {}
        for group in [bodies] if at_once else [[body] for body in bodies]:
            start = len(found)
            for arrived in self._calls.answers(COMPLETIONS, group):
                for place, data in arrived:
                    found[start + place] = self._completion(data, len(ids), settings).text
        return [found[place] for place in range(len(seeds))]

    def apply_chat_template(self, user: str, form: PromptSettings) -> str | None:
        """Return the prompt for one user message; None when the tokenizer has no chat template."""
        return self._texts.chat(user, form)

    def chat_facts(self, form: PromptSettings) -> ChatFacts | None:
        """Return what the chat template writes around an answer; None without one."""
        return self._texts.chat_facts(form)

    def chat_turn(
        self,
        before: Sequence[Mapping[str, Any]],
        answer: Mapping[str, Any],
        tools: Sequence[Mapping[str, Any]],
        form: PromptSettings,
    ) -> RenderedTurn | None:
        """Return one turn of a conversation by the chat template; None where there is none."""
        return self._texts.chat_turn(before, answer, tools, form)

    def answer_tokens(self, text: str) -> int:
        """Return how many tokens ``text`` takes as an answer, its end token included."""
        return len(self._texts.answer(text)) + 1

    def prompt_tokens(self, prompt: str) -> int:
        """Return how many tokens ``prompt`` is."""
        return len(self._texts.prompt(prompt))

    def close(self) -> None:
        """End the requests; adapters that were loaded are removed when their block ends."""
        self._calls.close()

    def _require_applied(self, folder: Path, scale: float, base: Sequence[Scored]) -> None:
        """Raise Refusal unless the adapter shows on some reference; looked at once for each."""
        key = (str(folder), scale)
        if key in self._shown:
            return
        moved, how = shows(base, self._scores(), self._least_nats)
        if not moved:
            raise Refusal(
                f"The server answers with {folder.name} at scale {scale:g} as it does without: {how}. The adapter is "
                "not applied.",
                "Check that the server loads it (its log). An adapter that moves little shows on more prompts: "
                "sampler.canary_prompts.",
            )
        self._shown.add(key)

    def _scores(self) -> tuple[Scored, ...]:
        """Return what the model as it is now makes of each reference; one at a time, so that nothing shares a batch."""
        greedy = _Greedy(CANARY_TOKENS)
        found = []
        for one in self._references:
            nats = self._scored(one.prompt, one.answer, self._scoring) if self._scoring else None
            text = "" if nats is not None else self._greedy(one.prompt, greedy)
            found.append(Scored(nats, len(self._texts.answer(one.answer)), text))
        return tuple(found)

    def _greedy(self, prompt: str, settings: Sampling) -> str:
        ids = self._texts.prompt(prompt)
        data = self._calls.post(0, COMPLETIONS, self._body(prompt, ids, self._drawing(settings, 0)))
        return self._completion(data, len(ids), settings).text

    def _scored(self, prompt: str, answer: str, scoring: str) -> float | None:
        """Return the log-probability of ``answer``, by one way of asking; None where it is not answered."""
        start = self._texts.prompt(prompt)
        ids = [*start, *self._texts.answer(answer)]
        # the base's own part of every request, without what shapes a sample
        body = {**self._worn.fields, "prompt": ids, "temperature": 1.0, "top_p": 1.0, **_SCORING[scoring]}
        reply = self._calls.tried(0, COMPLETIONS, body)
        if reply.status != 200:
            return None
        found = prompt_log_probs(the_choice(reply.data, self._worn.names), ids, len(start))
        return None if found is None else sum(found)

    def _find_scoring(self) -> str:
        if not self._found.server.takes_tokens or not self._form.is_tokens:
            return ""
        first = self._references[0]
        return next((way for way in _SCORING if self._scored(first.prompt, first.answer, way) is not None), "")

    def _count_prompt(self, prompt: Any) -> int | None:
        """Return how many tokens the server counts in ``prompt``, None where it counts none; -1 where it refuses it."""
        draw = self._found.server.fields(self._drawing(_Greedy(1), 0))
        reply = self._calls.tried(0, COMPLETIONS, {**self._worn.fields, **draw, "prompt": prompt})
        if reply.status == 200:
            return read_answer(reply.data, self._worn.names, 1).prompt_tokens
        _LOG.warning("%s refused a prompt of type %s: %s", self._calls.urls[0], type(prompt).__name__, reply.data)
        return -1

    def _drawing(self, settings: Sampling, seed: int) -> Draw:
        if settings.top_k and self._found.name == "other":
            raise Refusal(
                f"sampling.top_k = {settings.top_k}: OpenAI's protocol does not know it.",
                "Set sampling.top_k=0, or sampler.server to the software that it is.",
            )
        return Draw(
            temperature=settings.temperature,
            top_p=settings.top_p,
            top_k=settings.top_k,
            max_tokens=settings.max_new_tokens,
            seed=seed % 2**_SEED_BITS,
            stop=settings.stop,
            ends=self._texts.end_tokens,
        )

    def _body(self, prompt: str, ids: list[int], draw: Draw) -> dict[str, Any]:
        return {**self._found.server.fields(draw), **self._worn.fields, "prompt": self._form.of(prompt, ids)}

    def _completion(self, data: Any, asked: int, settings: Sampling) -> Completion:
        """Return an answer as a completion, decoded and cut as everywhere. Raises Refusal when it cannot be one."""
        answer = read_answer(data, self._worn.names, settings.max_new_tokens)
        if answer.prompt_tokens not in (None, asked):
            raise Refusal(
                f"The server read a prompt of {answer.prompt_tokens} tokens where ours has {asked}.",
                "It shortened the prompt, or its tokenizer is another one.",
            )
        return as_completion(answer, self._texts, settings)


class _NoThought:
    """The answer follows at once."""

    max_tokens, opens, closes, forced = 0, "", "", ""


class _Greedy:
    """The most probable tokens, so many of them."""

    thinking = _NoThought()

    temperature, top_p, top_k = 0.0, 1.0, 0
    stop: tuple[str, ...] = ()

    def __init__(self, max_new_tokens: int) -> None:
        self.max_new_tokens = max_new_tokens


def as_completion(answer: Answer, texts: Texts, settings: Sampling) -> Completion:
    """Return a server's answer as our own backends would return it.

    Its tokens are decoded here where the server returns them; its text is cut at the first stop string, which some
    servers leave in, or do not know.
    """
    text = answer.text
    if answer.ids is not None:
        ended = answer.ids[-1] in texts.end_tokens
        text = texts.text(list(answer.ids[:-1] if ended else answer.ids))
    cuts = [text.find(stop) for stop in settings.stop if stop in text]
    cut = text[: min(cuts)] if cuts else text
    finish = "stop" if cuts else answer.finish
    # a server that counts nothing: the stop token counts too
    tokens = answer.tokens if answer.tokens is not None else len(texts.answer(text)) + (finish == "stop")
    return Completion(cut, finish, tokens)  # type: ignore[arg-type]


def shows(base: Sequence[Scored], now: Sequence[Scored], least_nats: float) -> tuple[bool, str]:
    """Return (whether an adapter shows, by what it was looked for): on log-probabilities, else on greedy answers."""
    pairs = [(a.nats, b.nats) for a, b in zip(base, now, strict=True)]
    scored = [abs(a - b) for a, b in pairs if a is not None and b is not None]
    if len(scored) == len(pairs):
        most = max(scored)
        return most >= least_nats, f"the log-probability of no reference answer moves by {least_nats:g} nats"
    changed = sum(a.text != b.text for a, b in zip(base, now, strict=True))
    return changed > 0, f"the greedy answers to {len(pairs)} prompts are the same"
