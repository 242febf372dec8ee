"""Who grades, how it is asked, and what that may cost: the frozen settings of a judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt

from env.refusal import BadSettings
from env.servers.access import address_problem
from eval.chat.client import ChatServer


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """A judge behind a server of the OpenAI chat protocol. Raises Refusal on a bad value, naming the key.

    Attributes:
        name: "none", or "endpoint".
        url: the server's address, such as http://127.0.0.1:8000.
        model: its name at the server; whoever asks requires one.
        api_key_env: the environment variable that holds the key; "" is none. The key is never stored or printed.
        rubric: a file with what the judge is told; "" is the one of the dataset's domain.
        temperature, seed, max_tokens: of a reply.
        concurrency: requests that wait for a reply at the same time; a kill costs at most so many.
        timeout_s: of one request; one that fails in a way that may pass is repeated for ``retry_s``.
        price_prompt, price_completion: of a million tokens, in any currency; 0 counts calls alone.
        max_calls, max_cost: of all requests that a results folder has recorded.
        candidates: known answers of a calibration; ``repeats`` pairs of them are asked once more.
        programs: of a task and an arm that are graded at most, the first by content.
        waiver: why scores of an uncalibrated judge are used all the same; "" is not at all.
    """

    name: Literal["none", "endpoint"]
    url: str
    model: str
    api_key_env: str
    rubric: str
    temperature: Annotated[float, Ge(0)]
    seed: int
    max_tokens: Annotated[int, Ge(1)]
    concurrency: Annotated[int, Ge(1)]
    timeout_s: Annotated[float, Gt(0)]
    retry_s: Annotated[float, Ge(0)]
    price_prompt: Annotated[float, Ge(0)]
    price_completion: Annotated[float, Ge(0)]
    max_calls: Annotated[int, Ge(0)]
    max_cost: Annotated[float, Ge(0)]
    candidates: Annotated[int, Ge(200)]
    repeats: Annotated[int, Ge(0)]
    programs: Annotated[int, Ge(1)]
    waiver: str

    def __post_init__(self) -> None:
        if self.name == "none":
            return
        if problem := address_problem("judge.url", self.url, "judge.api_key_env"):
            raise BadSettings(f"{problem}.")

    @property
    def server(self) -> ChatServer:
        """Where it is asked."""
        return ChatServer("judge", "judge", self.url, self.model, self.api_key_env, self.timeout_s, self.sampling)

    @property
    def sampling(self) -> dict[str, float | int]:
        """How a reply is drawn: part of what a cached reply is called."""
        return {"temperature": self.temperature, "seed": self.seed, "max_tokens": self.max_tokens}
