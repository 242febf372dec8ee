"""Every request to a judge and its reply, appended before and after: a cache by content, and the account of all costs.

A line "asking" is on the disk before its request leaves, and costs what the request may cost at most, until a line
"answered" or "failed" of the same number says what it did cost. So a kill loses at most the requests that waited, and
the account never says less than was spent. Which run, round or arm asked is not in it: equal questions are asked once.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from env.files import append_lines, read_lines
from env.locking import LockHeld, RunLock
from env.refusal import Refusal

# Beside the runs of a results folder.
FOLDER, FILE = "judge", "asked.jsonl"


@dataclass(frozen=True, slots=True)
class Spent:
    """Requests that were made, and what they cost, in the currency of the prices."""

    calls: int
    cost: float


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply: its text, who says it wrote it, tokens as the server counts them (None: it does not), and its cost."""

    text: str
    model: str
    prompt_tokens: int | None
    completion_tokens: int | None
    cost: float


class Ledger:
    """The records of one results folder, held for writing: a context manager. Several threads may write.

    Raises:
        Refusal: another process holds it, or a complete line is no record.
    """

    def __init__(self, results: Path) -> None:
        self.path = results / FOLDER / FILE
        self._lock = RunLock(results / FOLDER / "judge.lock")
        self._turn = threading.Lock()
        self._costs: dict[int, float] = {}
        self._answers: dict[str, Answered] = {}

    @classmethod
    def looked_at(cls, results: Path) -> Self:
        """Return the records as they are now, to read alone; nothing is held or written. Raises as the class."""
        found = cls(results)
        found._read()
        return found

    def __enter__(self) -> Self:
        try:
            self._lock.acquire()
        except LockHeld as held:
            raise Refusal(f"A judge is being asked by {held.holder}.", "Wait until it has ended.") from None
        try:
            self._read()
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    @property
    def spent(self) -> Spent:
        """Everything that was recorded; requests whose end is unknown count with what they may have cost at most."""
        with self._turn:
            return Spent(len(self._costs), math.fsum(self._costs.values()))

    def answer(self, key: str) -> Answered | None:
        """Return the reply to the request of this name; None where there is none yet."""
        return self._answers.get(key)

    def asking(self, key: str, model: str, messages: Sequence[Mapping[str, str]], at_most: float) -> int:
        """Record, before it is made, that a request may cost ``at_most``; return its number."""
        with self._turn:
            number = len(self._costs) + 1
            self._append(kind="asking", number=number, key=key, model=model, messages=list(messages), cost=at_most)
            self._costs[number] = at_most
            return number

    def answered(self, number: int, key: str, answer: Answered) -> None:
        """Record the reply to request ``number``."""
        with self._turn:
            self._append(
                kind="answered",
                number=number,
                key=key,
                text=answer.text,
                model=answer.model,
                prompt_tokens=answer.prompt_tokens,
                completion_tokens=answer.completion_tokens,
                cost=answer.cost,
            )
            self._costs[number], self._answers[key] = answer.cost, answer

    def failed(self, number: int, key: str, why: str, cost: float) -> None:
        """Record that request ``number`` got no reply that can be read; it is asked again another time."""
        with self._turn:
            self._append(kind="failed", number=number, key=key, why=why, cost=cost)
            self._costs[number] = cost

    def _append(self, **record: Any) -> None:
        append_lines(self.path, [json.dumps(record, ensure_ascii=True, allow_nan=False)])

    def _read(self) -> None:
        for number, line in enumerate(read_lines(self.path), start=1):
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise Refusal(
                    f"{self.path}, line {number}: not a record of a judge's requests ({error!r}).",
                    "Restore the file, or move it away: its replies are then asked for, and paid, again.",
                ) from None

    def _take(self, record: dict[str, Any]) -> None:
        number, kind = int(record["number"]), record["kind"]
        if kind not in ("asking", "answered", "failed") or (kind != "asking" and number not in self._costs):
            raise ValueError(f"{kind} of request {number}, which was not asked")
        self._costs[number] = float(record["cost"])
        if kind == "answered":
            self._answers[str(record["key"])] = Answered(
                str(record["text"]),
                str(record["model"]),
                record["prompt_tokens"],
                record["completion_tokens"],
                self._costs[number],
            )
