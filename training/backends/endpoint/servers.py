"""The servers that are spoken to, as plain data: how each is known, what each is asked, and how adapters reach it.

Every server fills what a request leaves out by defaults of its own (the model's generation_config, llama.cpp's top_k 40
and min_p 0.05). So a request says everything that shapes a sample.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Way = Literal["loaded", "by path", "whole models", "scaled", "listed"]
Written = Literal["peft", "adapter", "merged"]

WAYS: Mapping[Way, str] = {
    "loaded": "loaded by a request, scale baked in",
    "by path": "named by their folder in each request, scale baked in",
    "whole models": "merged into whole models, scale baked in",
    "scaled": "loaded when the server starts, scale set by each request",
    "listed": "loaded when the server starts, scale baked in",
}
COMPLETIONS = "/v1/completions"


@dataclass(frozen=True, slots=True)
class Draw:
    """How one completion is drawn: sampling as everywhere, the seed, and the tokens that end it."""

    temperature: float
    top_p: float
    top_k: int
    max_tokens: int
    seed: int
    stop: tuple[str, ...]
    ends: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Server:
    """One kind of server.

    Attributes:
        title: as in reports.
        sign: (path, key): GET there answers an object with that key.
        version: (path, key) of its version; None where it tells none.
        takes_tokens: whether a prompt may be a list of tokens; else it is text.
        fields: the part of a request that says how to draw.
        order: in which order temperature, top_k and top_p act, where it is not that of our own sampling.
        way: how adapters reach it. "loaded": by a request; "by path": a folder named in each request; "whole models":
            merged, each a model of its own; "scaled": loaded at its start, the scale in each request; "listed": loaded
            at its start with the scale baked in.
        form: what is written for it: "peft" files, what the training backend exports as an "adapter", or "merged".
        load: path of the request that loads an adapter, and of the one that removes it.
        lists_all: whether /v1/models lists every model that it answers for.
        start: the command that starts it with adapters.
    """

    title: str
    sign: tuple[str, str] | None
    version: tuple[str, str] | None
    takes_tokens: bool
    fields: Callable[[Draw], dict[str, Any]]
    order: str
    way: Way
    form: Written
    load: tuple[str, str] | None
    lists_all: bool
    start: str


def _common(draw: Draw) -> dict[str, Any]:
    """Return what OpenAI's protocol knows."""
    found: dict[str, Any] = {"max_tokens": draw.max_tokens, "seed": draw.seed}
    found |= {"temperature": draw.temperature, "top_p": draw.top_p}
    return found | ({"stop": list(draw.stop)} if draw.stop else {})


def _vllm(draw: Draw) -> dict[str, Any]:
    return {
        **_common(draw),
        # before 0.10 vLLM knew -1 alone as "off"
        "top_k": draw.top_k or -1,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "stop_token_ids": list(draw.ends),
        "add_special_tokens": False,
        "return_token_ids": True,
    }


def _sglang(draw: Draw) -> dict[str, Any]:
    return {
        **_common(draw),
        "top_k": draw.top_k or -1,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "stop_token_ids": list(draw.ends),
    }


def _llama_cpp(draw: Draw) -> dict[str, Any]:
    return {
        **_common(draw),
        "top_k": draw.top_k,
        "min_p": 0.0,
        "typical_p": 1.0,
        "repeat_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        # its own order ends with the temperature
        "samplers": ["temperature", "top_k", "top_p"],
    }


def _mlx_lm(draw: Draw) -> dict[str, Any]:
    return {**_common(draw), "top_k": draw.top_k, "min_p": 0.0, "repetition_penalty": 0.0, "xtc_probability": 0.0}


def _transformers(draw: Draw) -> dict[str, Any]:
    """Return its few fields; without ``do_sample`` it would be greedy, whatever the temperature."""
    config: dict[str, Any] = {"do_sample": draw.temperature > 0, "top_k": draw.top_k, "max_new_tokens": draw.max_tokens}
    config |= {"temperature": draw.temperature or 1.0, "top_p": draw.top_p, "eos_token_id": list(draw.ends)}
    config |= {"pad_token_id": draw.ends[0], "repetition_penalty": 1.0}
    found: dict[str, Any] = {"max_tokens": draw.max_tokens, "seed": draw.seed, "generation_config": json.dumps(config)}
    return found | ({"stop": list(draw.stop)} if draw.stop else {})


SERVERS: Mapping[str, Server] = {
    "vllm": Server(
        title="vLLM",
        sign=("/version", "version"),
        version=("/version", "version"),
        takes_tokens=True,
        fields=_vllm,
        order="",
        way="loaded",
        form="peft",
        load=("/v1/load_lora_adapter", "/v1/unload_lora_adapter"),
        lists_all=True,
        start="vllm serve {base} --enable-lora --max-lora-rank {rank} --lora-modules {modules}",
    ),
    "sglang": Server(
        title="SGLang",
        sign=("/get_model_info", "model_path"),
        version=("/get_server_info", "version"),
        takes_tokens=True,
        fields=_sglang,
        order="",
        way="loaded",
        form="peft",
        load=("/load_lora_adapter", "/unload_lora_adapter"),
        lists_all=True,
        start="python -m sglang.launch_server --model-path {base} --enable-lora --lora-paths {modules}",
    ),
    "llama_cpp": Server(
        title="llama.cpp",
        sign=("/props", "default_generation_settings"),
        version=("/props", "build_info"),
        takes_tokens=True,
        fields=_llama_cpp,
        order="",
        way="scaled",
        form="adapter",
        load=None,
        lists_all=True,
        start="llama-server -m {base}.gguf --lora-init-without-apply {ggufs}",
    ),
    "mlx_lm": Server(
        title="mlx_lm.server",
        sign=None,
        version=None,
        takes_tokens=False,
        fields=_mlx_lm,
        order="top_p before temperature",
        way="by path",
        form="adapter",
        load=None,
        lists_all=False,
        start="mlx_lm.server --model {base}",
    ),
    "transformers": Server(
        title="transformers serve",
        sign=None,
        version=None,
        takes_tokens=False,
        fields=_transformers,
        order="",
        way="whole models",
        form="merged",
        load=None,
        lists_all=False,
        start="transformers serve",
    ),
    "other": Server(
        title="a server of OpenAI's protocol",
        sign=None,
        version=None,
        takes_tokens=True,
        fields=_common,
        order="",
        way="listed",
        form="peft",
        load=None,
        lists_all=True,
        start="",
    ),
}
