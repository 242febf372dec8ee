"""Claims about the training records: bad settings are refused by key, schedules and batches are pure functions."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from tests.support.settings import lora_settings, model_settings, train_settings
from training.examples import encode_examples, epoch_batches, step_batches
from training.models import load_model
from training.records import Example
from training.schedule import checkpoint_count, learning_rate, require_same_run, settings_facts, with_steps

MODEL = model_settings("somewhere")
LORA = lora_settings(r=4, alpha=8.0, target_modules=("q_proj",))
TRAIN = train_settings(max_steps=10, batch_size=4, learning_rate=1e-3, checkpoint_every=5)


class Letters:
    """One token a letter; a prompt gets a start token."""

    end_token = 0

    def prompt(self, text: str) -> list[int]:
        return [1, *map(ord, text)] if text else []

    def answer(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]

    def control(self, text: str) -> list[int]:
        return [7 if letter == "#" else ord(letter) for letter in text]


@pytest.mark.parametrize(
    ("record", "key", "value"),
    [
        (MODEL, "path", " "),
        (MODEL, "quantization", "int8"),
        (MODEL, "dtype", "float8"),
        (MODEL, "device", "tpu"),
        (MODEL, "threads", -1),
        (MODEL, "batch_size", 0),
        (MODEL, "processes", 0),
        (LORA, "r", 0),
        (LORA, "alpha", math.nan),
        (LORA, "alpha", -1.0),
        (LORA, "dropout", 1.0),
        (LORA, "target_modules", ()),
        (LORA, "target_modules", ("q_proj", "q_proj")),
        (LORA, "layers", (1, 1)),
        (TRAIN, "max_steps", -5),
        (TRAIN, "grad_accum", 0),
        (TRAIN, "learning_rate", math.inf),
        (TRAIN, "learning_rate", 0.0),
        (TRAIN, "warmup_steps", 11),
        (TRAIN, "max_grad_norm", math.nan),
        (TRAIN, "seed", -1),
        (TRAIN, "max_length", 1),
        (TRAIN, "scheduler", "cosin"),
        (TRAIN, "on_too_long", "cut"),
    ],
)
def test_a_bad_setting_is_refused_by_its_key(record: Any, key: str, value: object) -> None:
    with pytest.raises(Refusal, match=rf"\.{key} = "):
        replace(record, **{key: value})


def test_a_misspelt_choice_is_answered_with_the_nearest() -> None:
    with pytest.raises(Refusal) as refused:
        replace(TRAIN, scheduler="cosin")
    assert refused.value.sentence.endswith('Did you mean "cosine"?')


def test_an_unknown_backend_is_answered_with_the_nearest() -> None:
    with pytest.raises(Refusal) as refused:
        load_model("transformer_peft", MODEL)
    assert refused.value.fix == 'Did you mean "transformers_peft"?'


def test_a_backend_that_is_not_installed_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.backends.find_spec", lambda name: None)
    with pytest.raises(Refusal, match="not installed") as refused:
        load_model("mlx", MODEL)
    assert refused.value.fix == "Install it: `make setup-mlx`, or the extra `mlx`."


@pytest.mark.parametrize(
    ("rows", "epochs", "batch_size", "grad_accum", "steps"),
    [(800, 2, 1, 8, 200), (800, 3, 2, 8, 150), (801, 1, 4, 1, 201), (10, 0.5, 4, 1, 2), (7, 1, 4, 8, 1)],
)
def test_epochs_become_steps(rows: int, epochs: float, batch_size: int, grad_accum: int, steps: int) -> None:
    asked = replace(TRAIN, max_steps=0, epochs=epochs, batch_size=batch_size, grad_accum=grad_accum, checkpoint_every=1)
    counted = with_steps(asked, rows)
    assert (counted.max_steps, counted.epochs) == (steps, 0)
    assert with_steps(counted, 5) == counted
    # the batches of that many steps are that many passes over the rows, up to the last step
    lengths = [1] * rows
    assert 0 <= list(islice(step_batches(lengths, counted, 1), steps))[-1][0] - epochs < grad_accum / 1


def test_steps_and_epochs_are_not_given_together_or_left_out_together() -> None:
    for change in ({"epochs": 1.0}, {"max_steps": 0}, {"max_steps": 0, "epochs": math.nan}):
        with pytest.raises(Refusal, match=r"train\.(max_steps|epochs) = "):
            replace(TRAIN, **change)


def test_epochs_too_short_for_a_checkpoint_or_the_warm_up_are_refused() -> None:
    short = replace(TRAIN, max_steps=0, epochs=1.0)
    with pytest.raises(Refusal, match=r"checkpoint_every = 5 exceeds the 2 steps"):
        with_steps(short, 8)
    with pytest.raises(Refusal, match=r"train\.warmup_steps = 9"):
        with_steps(replace(short, warmup_steps=9), 24)


@pytest.mark.parametrize(("steps", "every", "count"), [(120, 40, 3), (100, 40, 3), (6, 3, 2), (5, 5, 1)])
def test_the_last_step_is_a_checkpoint_too(steps: int, every: int, count: int) -> None:
    assert checkpoint_count(replace(TRAIN, max_steps=steps, checkpoint_every=every)) == count


@pytest.mark.parametrize(("steps", "every"), [(120, 40), (100, 34), (4, 2), (1, 1)])
def test_a_schedule_that_does_not_say_how_often_leaves_three_checkpoints_however_short_it_is(
    steps: int, every: int
) -> None:
    counted = with_steps(replace(TRAIN, max_steps=steps, checkpoint_every=0, warmup_steps=0), 5)
    assert counted.checkpoint_every == every
    assert checkpoint_count(counted) == min(steps, 3) if steps != 4 else 2
    by_epochs = replace(TRAIN, max_steps=0, epochs=1.0, batch_size=1, checkpoint_every=0)
    assert with_steps(by_epochs, steps) == replace(by_epochs, max_steps=steps, epochs=0.0, checkpoint_every=every)


def test_every_row_trains_once_an_epoch() -> None:
    lengths = [(7 * n) % 31 for n in range(101)]
    for grouped in (True, False):
        batches = epoch_batches(lengths, 8, seed=3, epoch=2, grouped=grouped)
        assert sorted(row for batch in batches for row in batch) == list(range(101))
        assert max(map(len, batches)) == 8


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    lengths = [5] * 64
    orders = [epoch_batches(lengths, 8, seed, epoch, True) for seed in (0, 1) for epoch in (0, 1)]
    assert len({str(order) for order in orders}) == 4


def test_grouping_by_length_pads_less() -> None:
    lengths = [(37 * n) % 101 + 1 for n in range(256)]

    def padded(grouped: bool) -> int:
        batches = epoch_batches(lengths, 8, 0, 0, grouped)
        return sum(len(batch) * max(lengths[row] for row in batch) for batch in batches)

    # 1.87 x the real tokens shuffled, 1.11 x grouped (computed by this test's own formula)
    assert padded(True) < 1.2 * sum(lengths) < 1.7 * sum(lengths) < padded(False)


@pytest.mark.parametrize("grad_accum", [1, 3])
def test_skipping_to_a_step_gives_the_batches_of_an_undisturbed_run(grad_accum: int) -> None:
    settings = replace(TRAIN, grad_accum=grad_accum)
    lengths = [n % 9 + 1 for n in range(29)]
    whole = list(islice(step_batches(lengths, settings, 1), 40))
    for first in (1, 2, 9, 33):
        assert list(islice(step_batches(lengths, settings, first), 3)) == whole[first - 1 : first + 2]


def test_an_answer_ends_with_the_end_token_and_the_prompt_is_not_learned() -> None:
    (row,) = encode_examples([Example("ab", "xyz")], Letters(), TRAIN).rows
    assert row.ids == (1, 97, 98, 120, 121, 122, 0)
    assert row.prompt_length == 3


def test_an_answer_as_the_template_writes_it_holds_its_tokens_and_may_have_its_own_end() -> None:
    examples = [Example("ab", "x#", is_written=True), Example("ab", "x#", is_written=True, is_ended=True)]
    ended, own = encode_examples(examples, Letters(), TRAIN).rows
    assert (ended.ids, own.ids) == ((1, 97, 98, 120, 7, 0), (1, 97, 98, 120, 7))
    written, spelled = (
        encode_examples([Example("ab", "x#", is_written=is_w)], Letters(), TRAIN) for is_w in (True, False)
    )
    assert written.digest != spelled.digest


def test_a_text_without_a_prompt_is_learnt_whole_behind_what_ends_another() -> None:
    (row,) = encode_examples([Example("", "xyz")], Letters(), TRAIN).rows
    assert (row.ids, row.prompt_length) == ((0, 120, 121, 122, 0), 1)


def test_rows_too_long_are_dropped_and_named() -> None:
    examples = [Example("p", "a" * size, f"row {size}") for size in (3, 30, 4)]
    encoded = encode_examples(examples, Letters(), replace(TRAIN, max_length=10))
    assert (len(encoded.rows), encoded.dropped) == (2, ("row 30",))


def test_a_row_too_long_is_an_error_when_requested() -> None:
    settings = replace(TRAIN, max_length=10, on_too_long="error")
    with pytest.raises(Refusal, match=r"row 30 has 33 tokens, more than gate\.c\.train\.max_length = 10"):
        encode_examples([Example("p", "a" * 30, "row 30")], Letters(), settings)


@pytest.mark.parametrize(
    ("examples", "says"),
    [([], "no training example"), ([Example("p", "")], "answer is empty"), ([Example("p", "a" * 99)], "All 1")],
)
def test_examples_nothing_can_be_learned_from_are_refused(examples: list[Example], says: str) -> None:
    with pytest.raises(Refusal, match=says):
        encode_examples(examples, Letters(), replace(TRAIN, max_length=10))


def test_warm_up_is_linear_and_the_last_step_still_learns() -> None:
    settings = replace(TRAIN, warmup_steps=4, scheduler="linear", learning_rate=0.7)
    rates = [learning_rate(step, settings) for step in range(1, 11)]
    assert rates == pytest.approx([0.175, 0.35, 0.525, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1])


@pytest.mark.parametrize(("scheduler", "middle"), [("cosine", 0.5), ("linear", 0.5), ("constant", 1.0)])
def test_without_warm_up_the_first_step_has_the_peak(scheduler: Any, middle: float) -> None:
    settings = replace(TRAIN, scheduler=scheduler, learning_rate=1.0)
    assert learning_rate(1, settings) == 1.0
    assert learning_rate(6, settings) == pytest.approx(middle)


def test_a_checkpoint_of_other_settings_is_refused_by_key() -> None:
    facts = {"base": "b", "examples": "e", "lora": {"r": 4}, "train": settings_facts(TRAIN)}
    other = {**facts, "train": settings_facts(replace(TRAIN, learning_rate=2e-3))}
    with pytest.raises(Refusal, match=r"train\.learning_rate = 0\.002, now it is 0\.001"):
        require_same_run(other, facts, Path("step-000005"))
    with pytest.raises(Refusal, match="another base model"):
        require_same_run({**facts, "base": "c"}, facts, Path("step-000005"))


def test_saving_more_often_does_not_make_another_run() -> None:
    assert settings_facts(replace(TRAIN, checkpoint_every=1)) == settings_facts(TRAIN)
