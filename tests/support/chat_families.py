"""Chat templates with the structure of the released families' ones, in small and in our own words, with their tokens.

Each says what the format must be found to be: answer prefix, end token, and how a thought is marked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from training.backends.local.texts import Texts

_CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_NO_THOUGHT = "<think>\n\n</think>\n\n"


@dataclass(frozen=True)
class Family:
    """One family's template and tokens, and what is to be found in them.

    Attributes:
        special, plain: added tokens that count as special, and such that do not.
        eos: what the tokenizer names as its end; ``end`` is the token that the template writes after an answer.
        prefix: between a prompt and an answer; ``thought`` is (opens, closes, forced), None where the family has none.
        said: what a completion holds before, between and after a thought and an answer, its tokens by name.
        dated: whether the template prints the day.
        arguments: names that it reads.
    """

    template: str
    special: tuple[str, ...]
    eos: str
    end: str
    prefix: str = ""
    thought: tuple[str, str, str] | None = None
    said: tuple[str, str] = ("<think>", "</think>\n\n")
    plain: tuple[str, ...] = ()
    bos: str = ""
    dated: bool = False
    has_system: bool = True
    arguments: tuple[str, ...] = ()
    more_ends: tuple[str, ...] = field(default=())

    @property
    def texts(self) -> Texts:
        """The tokenizer of bytes with the family's tokens, as backends load it."""
        tokenizer = tokenizer_of(self)
        named = [self.eos, *self.more_ends]
        return Texts(tokenizer, tuple(tokenizer.convert_tokens_to_ids(named)))


def tokenizer_of(family: Family) -> Any:
    """Return a tokenizer whose tokens are bytes and what the family adds."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = {token: number for number, token in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(letters, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in family.special])
    tokenizer.add_tokens([AddedToken(token, special=False) for token in family.plain])
    named = {"bos_token": family.bos} if family.bos else {}
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=family.eos, clean_up_tokenization_spaces=False, **named
    )
    made.chat_template = family.template
    return made


_IM = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")

FAMILIES: dict[str, Family] = {
    "gpt-oss": Family(
        template=(
            "<|start|>system<|message|>Current date: {{ strftime_now('%Y-%m-%d') }}\n"
            "Reasoning: {{ reasoning_effort | default('medium') }}\n# Valid channels: analysis, commentary, final.<|end|>"
            "{% for m in messages %}{% if m.role == 'assistant' %}"
            "<|start|>assistant<|channel|>final<|message|>{{ m.content }}"
            "{{ '<|return|>' if loop.last and not add_generation_prompt else '<|end|>' }}"
            "{% else %}<|start|>{{ 'developer' if m.role == 'system' else m.role }}<|message|>{{ m.content }}<|end|>"
            "{% endif %}{% endfor %}{% if add_generation_prompt %}<|start|>assistant{% endif %}"
        ),
        special=(
            "<|start|>",
            "<|message|>",
            "<|channel|>",
            "<|constrain|>",
            "<|return|>",
            "<|end|>",
            "<|call|>",
            "<|endoftext|>",
        ),
        eos="<|return|>",
        more_ends=("<|endoftext|>", "<|call|>"),
        end="<|return|>",
        prefix="<|channel|>final<|message|>",
        thought=("<|channel|>", "<|channel|>final", "<|end|><|start|>assistant<|channel|>final<|message|>"),
        said=("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
        dated=True,
        arguments=("reasoning_effort",),
    ),
    "Qwen3, hybrid": Family(
        template=(
            "{% for m in messages %}<|im_start|>{{ m.role }}\n"
            f"{{% if m.role == 'assistant' %}}{_NO_THOUGHT}{{% endif %}}"
            "{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n"
            f"{{% if enable_thinking is defined and enable_thinking is false %}}{_NO_THOUGHT}{{% endif %}}{{% endif %}}"
        ),
        special=_IM,
        plain=("<think>", "</think>"),
        eos="<|im_end|>",
        end="<|im_end|>",
        prefix=_NO_THOUGHT,
        thought=("<think>", "</think>", "\n</think>\n\n"),
        arguments=("enable_thinking",),
    ),
    "Qwen3, thinking only": Family(
        template=(
            "{% for m in messages %}<|im_start|>{{ m.role }}\n"
            f"{{% if m.role == 'assistant' %}}{_NO_THOUGHT}{{% endif %}}"
            "{{ m.content }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
        ),
        special=_IM,
        plain=("<think>", "</think>"),
        eos="<|im_end|>",
        end="<|im_end|>",
        prefix="\n</think>\n\n",
        thought=("", "</think>", "\n</think>\n\n"),
        said=("", "</think>\n\n"),
    ),
    "Qwen2.5": Family(template=_CHATML, special=_IM, eos="<|im_end|>", end="<|im_end|>"),
    "Gemma 3": Family(
        template=(
            "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}"
            "{% endif %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content | trim }}"
            "<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
        ),
        special=("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"),
        bos="<bos>",
        eos="<eos>",
        end="<end_of_turn>",
        has_system=False,
    ),
    "Gemma 4": Family(
        template=(
            "{{ bos_token }}{% for m in messages %}<|turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
            "{% if enable_thinking is defined and enable_thinking and m.role == 'system' %}<|think|>{% endif %}"
            "{{ m.content }}<turn|>\n{% endfor %}{% if add_generation_prompt %}<|turn>model\n{% endif %}"
            "{# a thought is written as <|channel>thought ... <channel|> #}"
        ),
        special=("<bos>", "<eos>", "<|turn>", "<turn|>", "<|channel>", "<channel|>", "<|think|>"),
        bos="<bos>",
        eos="<eos>",
        end="<turn|>",
        thought=("<|channel>thought", "<channel|>", "\n<channel|>"),
        said=("<|channel>thought\n", "<channel|>"),
        arguments=("enable_thinking",),
    ),
    "Llama 3": Family(
        template=(
            "{{ bos_token }}<|start_header_id|>system<|end_header_id|>\n\nToday: {{ strftime_now('%d %b %Y') }}\n\n"
            "{% if messages[0].role == 'system' %}{{ messages[0].content }}{% endif %}<|eot_id|>"
            "{% for m in messages if m.role != 'system' %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n"
            "{{ m.content | trim }}<|eot_id|>{% endfor %}"
            "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
        ),
        special=("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        bos="<|begin_of_text|>",
        eos="<|end_of_text|>",
        end="<|eot_id|>",
        dated=True,
    ),
    "Mistral 7B": Family(
        template=(
            "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }}[/INST]"
            "{% elif m.role == 'assistant' %} {{ m.content | trim }}{{ eos_token }}"
            "{% else %}{{ raise_exception('Only user and assistant roles are supported') }}{% endif %}{% endfor %}"
        ),
        special=("<s>", "</s>", "[INST]", "[/INST]"),
        bos="<s>",
        eos="</s>",
        end="</s>",
        has_system=False,
    ),
    "Magistral": Family(
        template=(
            "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}[SYSTEM_PROMPT]{{ m.content }}"
            "[/SYSTEM_PROMPT]{% elif m.role == 'user' %}[INST]{{ m.content }}[/INST]{% else %}{{ m.content }}"
            "{{ eos_token }}{% endif %}{% endfor %}{# thoughts stand in [THINK]...[/THINK] #}"
        ),
        special=("<s>", "</s>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[THINK]", "[/THINK]"),
        bos="<s>",
        eos="</s>",
        end="</s>",
        thought=("[THINK]", "[/THINK]", "\n[/THINK]"),
        said=("[THINK]", "[/THINK]"),
    ),
    "DeepSeek-R1": Family(
        template=(
            "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}"
            "{% elif m.role == 'user' %}<\uff5cUser\uff5c>{{ m.content }}"
            "{% else %}<\uff5cAssistant\uff5c>{{ m.content.split('</think>')[-1] }}{{ eos_token }}{% endif %}{% endfor %}"
            "{% if add_generation_prompt %}<\uff5cAssistant\uff5c><think>\n{% endif %}"
        ),
        special=("<\uff5cbegin\uff5c>", "<\uff5cend\u2581of\u2581sentence\uff5c>"),
        plain=("<\uff5cUser\uff5c>", "<\uff5cAssistant\uff5c>", "<think>", "</think>"),
        bos="<\uff5cbegin\uff5c>",
        eos="<\uff5cend\u2581of\u2581sentence\uff5c>",
        end="<\uff5cend\u2581of\u2581sentence\uff5c>",
        prefix="\n</think>\n\n",
        thought=("", "</think>", "\n</think>\n\n"),
        said=("", "</think>\n\n"),
    ),
    "SmolLM3": Family(
        template=(
            "{% set thinks = enable_thinking | default(true) %}<|im_start|>system\nToday: {{ strftime_now('%d %B %Y') }}\n"
            "Mode: {{ '/think' if thinks else '/no_think' }}\n"
            "{% if messages[0].role == 'system' %}{{ messages[0].content }}{% endif %}<|im_end|>\n"
            "{% for m in messages if m.role != 'system' %}<|im_start|>{{ m.role }}\n"
            f"{{% if m.role == 'assistant' and not thinks %}}{_NO_THOUGHT}{{% endif %}}"
            "{{ m.content }}<|im_end|>\n{% endfor %}"
            f"{{% if add_generation_prompt %}}<|im_start|>assistant\n{{% if not thinks %}}{_NO_THOUGHT}{{% endif %}}{{% endif %}}"
        ),
        special=_IM,
        plain=("<think>", "</think>"),
        eos="<|im_end|>",
        end="<|im_end|>",
        thought=("<think>", "</think>", "\n</think>\n\n"),
        dated=True,
        arguments=("enable_thinking",),
    ),
    "Phi-4": Family(
        template=(
            "{% for m in messages %}{{ '<|im_start|>' + m.role + '<|im_sep|>' + m.content + '<|im_end|>' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant<|im_sep|>' }}{% endif %}"
        ),
        special=(*_IM, "<|im_sep|>"),
        eos="<|endoftext|>",
        end="<|im_end|>",
    ),
    "Phi-3": Family(
        template=(
            "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
        ),
        special=("<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
        eos="<|endoftext|>",
        end="<|end|>",
    ),
    "Seed-OSS": Family(
        template=(
            "{% for m in messages %}{{ bos_token }}{{ m.role }}\n{{ m.content }}{{ eos_token }}{% endfor %}"
            "{% if add_generation_prompt %}{{ bos_token }}assistant\n"
            "{% if thinking_budget is defined and thinking_budget == 0 %}<seed:think></seed:think>{% endif %}{% endif %}"
        ),
        special=("<seed:bos>", "<seed:eos>", "<seed:think>", "</seed:think>"),
        bos="<seed:bos>",
        eos="<seed:eos>",
        end="<seed:eos>",
        thought=("<seed:think>", "</seed:think>", "\n</seed:think>\n\n"),
        said=("<seed:think>", "</seed:think>"),
        arguments=("thinking_budget",),
    ),
}
