"""A conversation goes on by the model's own template, or its family is refused: no turn is lost or rewritten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from env.refusal import Refusal
from eval.pipeline.prompts import plain_template, render, render_again
from tests.support.chat_families import FAMILIES
from tests.support.settings import prompt_form

FORM = prompt_form("You write Lua.")
SAID = ("core.register_node('mymod:lamp', {})", "It is wrong. Write it again.")
WITH_SYSTEM = sorted(name for name, family in FAMILIES.items() if family.has_system)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_asks_again_in_its_own_format(name: str) -> None:
    texts = FAMILIES[name].texts
    first = render("Make a lamp.", "", texts.chat, FORM)
    again = render_again("Make a lamp.", "", SAID, texts.conversation, FORM)
    places = [again.index(text) for text in ("You write Lua.", "Make a lamp.", *SAID)]
    assert places == sorted(places)
    assert again.endswith(FAMILIES[name].prefix)
    assert again.count("Make a lamp.") == 1
    assert len(again) > len(first)


def test_without_a_chat_template_the_plain_one_goes_on_where_the_first_prompt_ends() -> None:
    again = render_again("Make a lamp.", "x = 1", SAID, lambda turns, form: None, FORM)
    assert again == plain_template("Make a lamp.", "x = 1") + f"{SAID[0]}\n\n" + plain_template(SAID[1], "")


@pytest.mark.parametrize(
    "template",
    [
        # refuses a second user turn
        "{% for m in messages %}{% if loop.index > 3 %}{{ raise_exception('one turn only') }}{% endif %}"
        "<{{ m.role }}>{{ m.content }}{% endfor %}{% if add_generation_prompt %}<answer>{% endif %}",
        # leaves the model's own turn out
        "{% for m in messages %}{% if m.role != 'assistant' %}<{{ m.role }}>{{ m.content }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<answer>{% endif %}",
        # shows the last turn alone
        "{% set m = messages[-1] %}<{{ m.role }}>{{ m.content }}{% if add_generation_prompt %}<answer>{% endif %}",
    ],
)
def test_a_template_that_loses_a_turn_is_refused(template: str) -> None:
    texts = replace(FAMILIES[WITH_SYSTEM[0]], template=template).texts
    assert texts.chat("Make a lamp.", prompt_form()) is not None
    with pytest.raises(Refusal, match=r"conversation|cannot be rendered"):
        texts.conversation(("Make a lamp.", *SAID), FORM)
