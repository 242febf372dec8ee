"""Who samples where the training backend does not: the settings of a server that holds the same base."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt

from env.refusal import BadSettings
from env.servers.access import address_problem

Software = Literal["auto", "vllm", "sglang", "llama_cpp", "mlx_lm", "transformers", "other"]


@dataclass(frozen=True, slots=True)
class SamplerSettings:
    """Which backend samples in B, D and E. Raises Refusal on a bad value, naming the key.

    Attributes:
        name: a backend that generates for another one; "" is the training backend itself.
        urls: one address per server, such as http://127.0.0.1:8000; all must serve the same model.
        server: the servers' software; "auto" asks them.
        model: the base's name at the server; "" is the only one that it lists.
        api_key_env: the environment variable that holds the key; "" is none. The key is never stored or printed.
        concurrency: requests that wait for an answer at the same time, over all servers.
        timeout_s: of one request.
        retry_s: a request that fails in a way that may pass is repeated for so long.
        canary_prompts: reference answers by which base and adapters are recognised.
        tolerance_nats: by so much, per token, may the server's log-probability of a reference differ from our own.
        adapters_folder: where adapters are written for the server; "" is luagate's folder in the user's cache.
        server_folder: the same folder as the server sees it; "" where it sees the same path.
        price_prompt, price_completion: of a million tokens, in any currency; 0 counts tokens alone.
    """

    name: str
    urls: tuple[str, ...]
    server: Software
    model: str
    api_key_env: str
    concurrency: Annotated[int, Ge(1)]
    timeout_s: Annotated[float, Gt(0)]
    retry_s: Annotated[float, Ge(0)]
    canary_prompts: Annotated[int, Ge(1)]
    tolerance_nats: Annotated[float, Gt(0)]
    adapters_folder: str
    server_folder: str
    price_prompt: Annotated[float, Ge(0)]
    price_completion: Annotated[float, Ge(0)]

    def __post_init__(self) -> None:
        found = [address_problem("sampler.urls", url, "sampler.api_key_env") for url in self.urls]
        problems = [problem for problem in found if problem]
        if self.name and not self.urls:
            problems.append("sampler.urls = []: must name a server, such as [http://127.0.0.1:8000]")
        if problems:
            raise BadSettings("; ".join(problems) + ".")


@dataclass(frozen=True, slots=True)
class Reference:
    """A prompt and its reference answer, by which a model is recognised."""

    task_id: str
    prompt: str
    answer: str


@dataclass(frozen=True, slots=True)
class Scored:
    """What a model makes of a ``Reference``.

    Attributes:
        nats: natural-log probability of the answer after the prompt; None where the server tells none.
        tokens: of the answer.
        text: what the model itself writes there, greedily.
    """

    nats: float | None
    tokens: int
    text: str
