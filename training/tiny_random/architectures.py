"""The architectures of the random models: their sizes, the modules that distinguish them, and their chat templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from env.refusal import Refusal, choices_hint

# ChatML, as Qwen2.5's tokenizers write it (default system message left out)
_CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# Mistral's instruction format: no system turn, and the template writes the start token, which the tokenizer adds too
_INST = (
    "<s>{% for message in messages %}{% if message['role'] == 'user' %}[INST] {{ message['content'] }} [/INST]"
    "{% elif message['role'] == 'assistant' %} {{ message['content'] }}<|end|>"
    "{% else %}{{ raise_exception('Only user and assistant roles are supported') }}{% endif %}{% endfor %}"
)
# ChatML of the hybrid Qwen3: the model thinks unless it is told not to, and conversations hold a thought of nothing
_HYBRID = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['role'] == 'assistant' %}<think>\n\n</think>\n\n{% endif %}{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
# gpt-oss's harmony format: the system text is the developer's, prompts end before the channel, answers are in "final".
# Its date is left out, so that runs of two days are equal.
_HARMONY = (
    "<|start|>system<|message|>Reasoning: {{ reasoning_effort | default('medium') }}\n"
    "# Valid channels: analysis, commentary, final.<|end|>"
    "{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "<|start|>assistant<|channel|>final<|message|>{{ message['content'] }}"
    "{{ '<|return|>' if loop.last and not add_generation_prompt else '<|end|>' }}"
    "{% else %}<|start|>{{ 'developer' if message['role'] == 'system' else message['role'] }}<|message|>"
    "{{ '# Instructions\n\n' if message['role'] == 'system' }}{{ message['content'] }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Architecture:
    """One architecture in small.

    Attributes:
        model_type: its name in transformers.
        sizes: configuration values over the common small ones.
        chat_template: "" where models of this family are shipped without one.
        start_token: put before every text by the tokenizer; "" where the family's tokenizers put none.
        tokens: special tokens besides the end and padding tokens, each one token of the vocabulary.
        ends: tokens that end an answer, the one that training writes first.
    """

    model_type: str
    sizes: Mapping[str, Any] = field(default_factory=dict)
    chat_template: str = ""
    start_token: str = ""
    tokens: tuple[str, ...] = ()
    ends: tuple[str, ...] = ("<|end|>",)


SMALL: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 128,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": False,
}
_CHATML_TOKENS = ("<|im_start|>", "<|im_end|>")
_CHATML_ENDS = ("<|im_end|>", "<|end|>")
_HYBRID_TOKENS = (*_CHATML_TOKENS, "<think>", "</think>")

ARCHITECTURES: dict[str, Architecture] = {
    "llama": Architecture("llama", start_token="<s>", tokens=("<s>",)),
    "mistral": Architecture("mistral", {"sliding_window": None}, _INST, "<s>", ("<s>",)),
    # 24 layers, as Qwen2.5-Coder-0.5B has: settings that name its last 8 mean the same ones here
    "qwen2": Architecture(
        "qwen2", {"num_hidden_layers": 24, "use_sliding_window": False}, _CHATML, "", _CHATML_TOKENS, _CHATML_ENDS
    ),
    "qwen3": Architecture("qwen3", {"use_sliding_window": False}, _HYBRID, "", _HYBRID_TOKENS, _CHATML_ENDS),
    "mixtral": Architecture(
        "mixtral", {"num_local_experts": 4, "num_experts_per_tok": 2}, start_token="<s>", tokens=("<s>",)
    ),
    "qwen3_moe": Architecture(
        "qwen3_moe",
        {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64, "mlp_only_layers": [0]},
        _HYBRID,
        "",
        _HYBRID_TOKENS,
        _CHATML_ENDS,
    ),
    # 24 layers, as gpt-oss-20b has: settings that name layers 19 to 23 mean the same ones here
    "gpt_oss": Architecture(
        "gpt_oss",
        {
            "num_hidden_layers": 24,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "sliding_window": 128,
            # what its rotary scaling (32 times 4,096 positions) implies
            "max_position_embeddings": 131072,
        },
        _HARMONY,
        "",
        ("<|start|>", "<|message|>", "<|channel|>", "<|return|>"),
        ("<|return|>",),
    ),
    # its attention compresses keys and values: of q, k, v, o only o_proj is a module here
    "deepseek_v3": Architecture(
        "deepseek_v3",
        {
            "num_key_value_heads": 4,
            "q_lora_rank": 32,
            "kv_lora_rank": 16,
            "qk_nope_head_dim": 16,
            "qk_rope_head_dim": 16,
            "v_head_dim": 16,
            "first_k_dense_replace": 1,
            "n_routed_experts": 4,
            "n_shared_experts": 1,
            "num_experts_per_tok": 2,
            "n_group": 1,
            "topk_group": 1,
            "moe_intermediate_size": 64,
        },
    ),
}


def architecture(name: str) -> Architecture:
    """Return the architecture of that name. Raises Refusal with the nearest name when there is none."""
    if name not in ARCHITECTURES:
        raise Refusal(f"{name!r} is not an architecture of the random models.", choices_hint(name, ARCHITECTURES))
    return ARCHITECTURES[name]
