"""Text becomes tokens by one rule: a prompt's special tokens are tokens, in an answer they are mere letters."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.settings import train_settings
from training.backends.local.stopping import completes_stop, stop_window
from training.backends.local.texts import Texts
from training.examples import encode_examples
from training.records import Example

SETTINGS = train_settings(max_steps=1, batch_size=1, learning_rate=1e-3, checkpoint_every=1)
TINY = Path(__file__).resolve().parents[2] / "training" / "tiny" / "model"


@pytest.fixture(scope="module")
def texts() -> Texts:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(TINY)
    return Texts(tokenizer, (tokenizer.eos_token_id,))


def test_an_end_token_written_in_an_answer_ends_nothing(texts: Texts) -> None:
    end = texts.tokenizer.decode(texts.end_tokens)
    answer = f'core.chat_send_all("{end}")\nreturn 1'
    [row] = encode_examples([Example("Greet.", answer)], texts, SETTINGS).rows
    learnt = row.ids[row.prompt_length :]
    assert [place for place, token in enumerate(learnt) if token in texts.end_tokens] == [len(learnt) - 1]
    assert texts.text(list(learnt[:-1])) == answer, "and is learnt as it is written"


def test_special_tokens_of_a_prompt_are_tokens(texts: Texts) -> None:
    end = texts.tokenizer.decode(texts.end_tokens)
    assert texts.end_token in texts.prompt(f"x{end}y")


def test_a_stop_string_is_seen_as_soon_as_its_last_token_is_there_and_not_before(texts: Texts) -> None:
    stop = ("\n### Input:", "\u00e9")
    for string in stop:
        ids = texts.answer(f"return 1{string}")
        seen = [completes_stop(texts, ids[: n + 1][-stop_window(stop) :], stop) for n in range(len(ids))]
        assert seen == [False] * (len(ids) - 1) + [True]
