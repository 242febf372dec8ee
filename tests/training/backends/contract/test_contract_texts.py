"""What of tokenizer, template and configuration cannot be right is refused in one sentence, before a weight is read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from tests.support.settings import prompt_form

TURNS = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\n{% endfor %}"
CUE = "{% if add_generation_prompt %}<|assistant|>{% endif %}"
MOMENT = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)


def with_template(folder: Path, template: str) -> Path:
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder


def changed(folder: Path, name: str, **keys: Any) -> Path:
    path = folder / name
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.write_text(json.dumps({**found, **keys}), encoding="utf-8")
    return folder


@pytest.fixture
def unread(copied: Path) -> Path:
    """A folder whose weights cannot be read: what is refused without naming them was refused before."""
    (copied / "model.safetensors").write_bytes(b"not tensors")
    return copied


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{% for m in messages %}{% for part in m.content %}{{ part.text }}{% endfor %}{% endfor %}A:", "two tasks the same"),
        ("{% for m in messages if m.role == 'system' %}{{ m.content }}{% endfor %}A:", "two tasks the same prompt: 'A:'"),
        ("{% for m in messages %}{{ m.content | length }} {{ m.content[7:11] }}{% endfor %}A:", "leaves the task out"),
        (TURNS, "ignores add_generation_prompt: a prompt ends before the assistant's turn"),
        ("{{ raise_exception('only tools') }}", "cannot be rendered: TemplateError: only tools"),
        ("{% for m in %}", "cannot be rendered: TemplateSyntaxError"),
        ("{{ messages[0].content.nothing.there }}", "cannot be rendered: UndefinedError"),
        ("{{ messages[0].content + 1 }}", "cannot be rendered: TypeError"),
    ],
)  # fmt: skip
def test_a_template_that_cannot_ask_a_task_is_refused(load: Any, unread: Path, template: str, says: str) -> None:
    with pytest.raises(Refusal, match="The chat template") as refused:
        load(with_template(unread, template))
    assert says in refused.value.sentence
    assert "chat_template" in refused.value.fix


@pytest.mark.parametrize(
    ("template", "prompt", "choice"),
    [
        (TURNS + CUE, "<|system|>Lua.\n<|user|>hello\n<|assistant|>", "a turn of its own"),
        # the answer follows the user's turn: nothing is lacking, though add_generation_prompt changes nothing
        (
            "{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]{% elif m.role == 'system' %}"
            "{{ raise_exception('no system turn') }}{% else %} {{ m.content }}</s>{% endif %}{% endfor %}",
            "[INST] Lua.\n\nhello [/INST]",
            "before the task, in the user's turn",
        ),
        (
            "{% for m in messages if m.role != 'system' %}<|{{ m.role }}|>{{ m.content }}{% endfor %}" + CUE,
            "<|user|>Lua.\n\nhello<|assistant|>",
            "before the task, in the user's turn",
        ),
    ],
)
def test_a_system_text_reaches_the_model_whatever_its_template_knows(
    load: Any, copied: Path, template: str, prompt: str, choice: str
) -> None:
    model = load(with_template(copied, template))
    assert model.apply_chat_template("hello", prompt_form("Lua.", MOMENT)) == prompt
    assert model.choices["system text"].startswith(choice)
    assert "Lua." not in model.apply_chat_template("hello", prompt_form("", MOMENT))


def test_without_a_template_there_is_no_system_turn_and_it_says_so(model: Any) -> None:
    assert model.apply_chat_template("hello", prompt_form("Lua.", MOMENT)) is None
    assert model.choices["system text"].startswith("none: without a chat template")


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_template_that_prints_the_time_prints_the_recorded_one(
    load: Any, copied: Path, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    model = load(with_template(copied, "{{ strftime_now('%d %b %Y %H:%M:%S') }}\n" + TURNS + CUE))
    asked = model.apply_chat_template("hello", prompt_form("", MOMENT))
    assert asked == "03 Feb 2026 04:05:06\n<|user|>hello\n<|assistant|>"


def test_a_library_whose_clock_cannot_be_held_is_refused(
    load: Any, unread: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import PreTrainedTokenizerBase

    real = PreTrainedTokenizerBase.apply_chat_template

    def by_another_clock(self: Any, *arguments: Any, **options: Any) -> Any:
        return real(self, *arguments, **options).replace("2024208", f"{datetime.now():%Y%j}")

    monkeypatch.setattr(PreTrainedTokenizerBase, "apply_chat_template", by_another_clock)
    with pytest.raises(Refusal, match="prints the date"):
        load(with_template(unread, "{{ strftime_now('%Y') }}" + TURNS + CUE))


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("generation_config.json", "", r"generation_config\.json: cannot be loaded: JSONDecodeError"),
        ("generation_config.json", "[]", r"generation_config\.json: cannot be loaded"),
        ("generation_config.json", '{"eos_token_id": "</s>"}', r"eos_token_id = '</s>' is not the number of a token"),
        (
            "generation_config.json",
            '{"eos_token_id": [1, 99999]}',
            r"end token 99999 is beyond the model's 1,025 tokens",
        ),
        ("tokenizer_config.json", "{", "tokenizer cannot be loaded"),
    ],
)
def test_an_end_token_that_cannot_be_is_refused(load: Any, unread: Path, name: str, content: str, says: str) -> None:
    (unread / name).write_text(content, encoding="utf-8")
    with pytest.raises(Refusal, match=says) as refused:
        load(unread)
    assert str(unread) in refused.value.sentence


def test_an_end_token_given_as_text_is_answered_with_its_number(load: Any, unread: Path) -> None:
    known = json.loads((unread / "tokenizer_config.json").read_text(encoding="utf-8"))["eos_token"]
    with pytest.raises(Refusal, match="is not the number of a token") as refused:
        load(changed(unread, "generation_config.json", eos_token_id=known))
    assert refused.value.fix == "Write 1 instead."


def add_token(folder: Path, text: str) -> int:
    """Add a token that no embedding stands for; return its number."""
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    number = json.loads((folder / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    tokenizer["added_tokens"].append(
        {"id": number, "content": text, "special": True, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False}
    )  # fmt: skip
    path.write_text(json.dumps(tokenizer), encoding="utf-8")
    return number


def test_a_token_beyond_the_vocabulary_is_refused_where_the_template_writes_it(load: Any, unread: Path) -> None:
    number = add_token(unread, "<|beyond|>")
    with pytest.raises(Refusal, match=rf"Token {number} \('<\|beyond\|>'\).* beyond the model's {number:,} tokens"):
        load(with_template(unread, TURNS + "<|beyond|>" + CUE))


def test_a_token_beyond_the_vocabulary_is_refused_where_a_text_holds_it_and_nowhere_else(
    load: Any, copied: Path
) -> None:
    number = add_token(copied, "<|beyond|>")
    model = load(copied)
    assert model.log_prob("local x ", "= 1") < 0
    with pytest.raises(Refusal, match=f"Token {number}"):
        model.log_prob("local <|beyond|>", "= 1")


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"model_type": "t5", "is_encoder_decoder": True}, "t5 is an encoder-decoder model|t5 not supported"),
        (
            {"model_type": "ours", "auto_map": {"AutoConfig": "configuring.Ours"}},
            "needs code of its own|ours not supported",
        ),
    ],
)
def test_a_model_that_is_none_of_ours_is_refused_and_none_of_its_code_runs(
    load: Any, unread: Path, keys: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (unread / "configuring.py").write_text("open('ran', 'w').close()\n", encoding="utf-8")
    monkeypatch.chdir(unread)
    # a "y" typed at the library's question would run it
    monkeypatch.setattr("builtins.input", lambda _: "y")
    with pytest.raises(Refusal, match=says):
        load(changed(unread, "config.json", **keys))
    assert not (unread / "ran").exists()
