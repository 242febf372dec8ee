"""Asks a judge about pairs of programs: what was asked before is looked up, the rest is asked within the budget."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from env.counts import counted
from env.files import digest
from env.refusal import Refusal
from env.servers.waiting import delay_s
from env.silence import reach, turn_to
from eval.chat.client import Client, Reply, Trouble
from eval.judge.answers import Grades, Pair, averaged
from eval.judge.budget import BudgetReached, Estimate, cost_of, estimate, fits, require_affordable
from eval.judge.ledger import Answered, Ledger
from eval.judge.rubric import Prompt, grades_in
from eval.judge.settings import JudgeSettings

# So many requests in a row without a reply: the server is gone, and the rest is not tried.
HOPELESS_IN_A_ROW = 3


@dataclass(frozen=True, slots=True)
class Request:
    """One conversation to be answered; ``key`` follows from all that a reply depends on, and from nothing else."""

    key: str
    messages: list[dict[str, str]]
    seed: int


class Judge:
    """A judge for one domain, its replies in ``ledger``.

    Args:
        expected: the names by which the server may say that it answered; none: any, as long as it is calibrated.
    """

    def __init__(
        self, settings: JudgeSettings, prompt: Prompt, ledger: Ledger, expected: frozenset[str] = frozenset()
    ) -> None:
        self.settings, self.prompt, self.ledger, self._expected = settings, prompt, ledger, expected
        self.answered_by: set[str] = set()
        self.troubles: list[str] = []
        self._turn, self._ended = threading.Lock(), threading.Event()
        self._in_a_row = 0
        self._has_asked = False

    def grades(self, pairs: Sequence[Pair], repeat: int = 0) -> dict[Pair, Grades | None]:
        """Return the grades of pairs, both orders averaged; None where the judge gave no usable replies.

        Args:
            repeat: 0 is the grade that counts; a higher number asks once more, to see whether it stays.

        Raises:
            Refusal: what is not recorded yet exceeds the budget (and this judge has asked nothing yet), the server
                cannot be asked, or another model answers than the one that was calibrated.
            BudgetReached: the budget was used up on the way.
        """
        requests = {each: self._requests(each, repeat) for each in pairs}
        self._ask_all(self._unanswered(requests.values()))
        found = {each: averaged([self._grades(request) for request in asked]) for each, asked in requests.items()}
        self._require_expected()
        return found

    def agreeing(self, pairs: Sequence[Pair]) -> list[bool]:
        """Return of each pair with replies in both orders whether both prefer the same program, or neither."""
        shown = [[self._grades(request) for request in self._requests(each, 0)] for each in pairs]
        both = [(one, other) for one, other in shown if one is not None and other is not None]
        return [_sign(one[0] - one[1]) == _sign(other[1] - other[0]) for one, other in both]

    def needs(self, pairs: Sequence[Pair], repeats: Sequence[Pair] = ()) -> Estimate:
        """Return what asking about ``pairs``, and once more about ``repeats``, would need now at most."""
        requests = [self._requests(each, 0) for each in pairs] + [self._requests(each, 1) for each in repeats]
        return estimate([request.messages for request in self._unanswered(requests)], self.settings)

    def _requests(self, each: Pair, repeat: int) -> tuple[Request, Request]:
        straight, turned = (self._request(self.prompt.messages(*order), repeat) for order in each.orders)
        return straight, turned

    def _request(self, messages: list[dict[str, str]], repeat: int) -> Request:
        parts = {
            "model": self.settings.model,
            "prompt": self.prompt.digest,
            "messages": messages,
            "sampling": self.settings.sampling,
            "repeat": repeat,
        }
        return Request(digest(parts), messages, self.settings.seed + repeat)

    def _unanswered(self, requests: Iterable[Sequence[Request]]) -> list[Request]:
        """Return what has to be asked, in the order of the keys: no task or arm comes before another."""
        wanted = {request.key: request for asked in requests for request in asked}
        return [wanted[key] for key in sorted(wanted) if self.ledger.answer(key) is None]

    def _grades(self, request: Request) -> Grades | None:
        answer = self.ledger.answer(request.key)
        if answer is None:
            return None
        self.answered_by.add(answer.model)
        return grades_in(answer.text)

    def _require_expected(self) -> None:
        strange = sorted(self.answered_by - self._expected) if self._expected else []
        if strange:
            raise Refusal(
                f"The judge answers as {strange[0] or 'nobody'}; what was calibrated answered as "
                f"{', '.join(sorted(self._expected))}.",
                "Another model is another judge: name it by a name that stays, and calibrate it.",
            )

    def _ask_all(self, wanted: Sequence[Request]) -> None:
        if not wanted:
            return
        if not self._has_asked:
            # later the limits themselves end it, request by request
            needs = estimate([request.messages for request in wanted], self.settings)
            require_affordable(self.ledger.spent, needs, self.settings)
        self._has_asked = True
        turn_to(f"asking the judge {self.settings.model}")
        self._in_a_row = 0
        self._ended.clear()
        client = Client(self.settings.server)
        pool = ThreadPoolExecutor(self.settings.concurrency) if self.settings.concurrency > 1 else None
        try:
            asked = (pool.map if pool else map)(lambda request: self._ask(client, request), wanted)
            for done, _ in enumerate(asked, start=1):
                reach(done, len(wanted), "replies")
        finally:
            # ends the requests that still wait, so that a stop is not held up by them
            self._ended.set()
            client.close()
            if pool:
                pool.shutdown(cancel_futures=True)

    def _ask(self, client: Client, request: Request) -> None:
        """Ask until there is a reply, or none is to be had within ``retry_s``: then the request stays unanswered."""
        began_s, failed = time.monotonic(), 0
        most = estimate([request.messages], self.settings)
        while True:
            number = self._begin(request, most)
            try:
                found = client.ask(request.messages, request.seed)
            except Refusal as refusal:
                self.ledger.failed(number, request.key, refusal.sentence, 0.0)
                raise
            if isinstance(found, Reply):
                self._in_a_row = 0
                self.ledger.answered(number, request.key, self._priced(found, most))
                return
            self.ledger.failed(number, request.key, found.why, most.cost if found.may_cost else 0.0)
            failed += 1
            wait_s = delay_s(failed, found.retry_after, datetime.now(UTC), random.random())
            if not found.passing or time.monotonic() - began_s + wait_s > self.settings.retry_s:
                self._lost(found)
                return
            if self._ended.wait(wait_s):
                return

    def _begin(self, request: Request, most: Estimate) -> int:
        with self._turn:
            if not fits(self.ledger.spent, most, self.settings):
                raise BudgetReached(self.ledger.spent, self.settings)
            return self.ledger.asking(request.key, self.settings.model, request.messages, most.cost)

    def _priced(self, reply: Reply, most: Estimate) -> Answered:
        """Return the reply with its cost; tokens that the server does not count are counted as estimated."""
        tokens = (
            most.prompt_tokens if reply.prompt_tokens is None else reply.prompt_tokens,
            most.completion_tokens if reply.completion_tokens is None else reply.completion_tokens,
        )
        cost = cost_of(*tokens, self.settings)
        return Answered(reply.text, reply.model, reply.prompt_tokens, reply.completion_tokens, cost)

    def _lost(self, found: Trouble) -> None:
        with self._turn:
            self.troubles.append(found.why)
            self._in_a_row += 1
            if self._in_a_row >= HOPELESS_IN_A_ROW:
                raise Refusal(
                    f"The judge at {self.settings.url} gave no reply to {counted(self._in_a_row, 'request')} in a row: "
                    f"it {found.why}.",
                    "What was answered is stored. When the server is back, the same command asks for the rest.",
                )


def judge_id(settings: JudgeSettings, prompt: Prompt) -> Mapping[str, object]:
    """Return what a calibration is bound to: the model's name, the prompt, and how replies are drawn."""
    return {"model": settings.model, "prompt": prompt.digest, "sampling": settings.sampling}


def _sign(difference: float) -> int:
    return (difference > 0) - (difference < 0)
