"""A token is drawn from what the settings keep, with its probability, by its own sample's stream."""

from __future__ import annotations

import pytest
import torch

from training.backends.transformers_peft.drawing import draw, uniform_numbers


def test_tokens_are_drawn_with_their_probabilities() -> None:
    scores = torch.tensor([[2.0, 0.5, 1.0, -1.0, 0.0]])
    drawn = draw(scores.expand(20000, -1), uniform_numbers(range(20000), 1)[:, 0], 0.7, 0, 1.0)
    counts = torch.bincount(drawn, minlength=5).double()
    expected = (scores[0].double() / 0.7).softmax(0) * 20000
    # 18.47 is the 0.999 quantile of chi-square with 4 degrees of freedom (scipy.stats.chi2.ppf)
    assert float(((counts - expected) ** 2 / expected).sum()) < 18.47


@pytest.mark.parametrize(
    ("top_k", "top_p", "kept"),
    [(0, 0.5, {0}), (0, 0.8, {0, 1}), (2, 1.0, {0, 1}), (3, 0.99, {0, 1, 2}), (0, 1.0, {0, 1, 2, 3}), (9, 0.7, {0, 1})],
)
def test_only_kept_tokens_are_drawn_and_all_of_them(top_k: int, top_p: float, kept: set[int]) -> None:
    scores = torch.tensor([0.6, 0.3, 0.08, 0.02]).log().expand(4000, -1)
    drawn = draw(scores, uniform_numbers(range(4000), 1)[:, 0], 1.0, top_k, top_p)
    assert set(drawn.tolist()) == kept


def test_a_nucleus_wider_than_the_candidates_is_drawn_whole() -> None:
    flat = torch.zeros(3000, 200)
    drawn = draw(flat, uniform_numbers(range(3000), 1)[:, 0], 1.0, 0, 0.95)
    assert len(set(drawn.tolist())) == 190


def test_a_narrow_row_draws_the_same_beside_a_wide_one() -> None:
    scores = torch.stack([torch.zeros(200), torch.linspace(0, 60, 200)])
    numbers = uniform_numbers([1, 2], 1)[:, 0]
    assert draw(scores, numbers, 1.0, 0, 0.95)[1] == draw(scores[1:], numbers[1:], 1.0, 0, 0.95)[0]


def test_two_nearly_equal_tokens_that_swap_places_draw_the_same() -> None:
    numbers = uniform_numbers(range(500), 1)[:, 0]
    one = draw(torch.tensor([1.0, 1.0 + 1e-6, 0.5]).expand(500, -1), numbers, 1.0, 0, 0.99)
    other = draw(torch.tensor([1.0 + 1e-6, 1.0, 0.5]).expand(500, -1), numbers, 1.0, 0, 0.99)
    assert torch.equal(one, other)


@pytest.mark.parametrize("number", [0.0, 1.0 - 2.0**-53])
def test_the_ends_of_the_unit_interval_draw_kept_tokens(number: float) -> None:
    scores = torch.tensor([[0.0, 40.0, 39.0, 0.0]])
    assert int(draw(scores, torch.tensor([number], dtype=torch.float64), 1.0, 0, 0.9)[0]) in (1, 2)


def test_float32_candidates_draw_what_float64_over_the_whole_vocabulary_draws() -> None:
    noise = torch.Generator().manual_seed(1)
    scores = torch.randn(4000, 300, generator=noise) * torch.linspace(1, 9, 4000)[:, None]
    numbers = torch.rand(4000, generator=noise, dtype=torch.float64)
    chances, ids = (scores.double() / 0.8).softmax(-1).sort(descending=True)
    nucleus = torch.zeros(4000, 300, dtype=torch.float64)
    nucleus.scatter_(1, ids, chances * (chances.cumsum(-1) - chances < 0.95))
    mass = nucleus.cumsum(-1)
    expected = (mass <= (numbers * mass[:, -1])[:, None]).sum(-1)
    assert torch.equal(draw(scores, numbers, 0.8, 0, 0.95), expected)


def test_a_mass_too_near_to_top_p_for_float32_is_summed_in_float64() -> None:
    # 0.95 is reached by the first two tokens, in float64 only just: float32 cannot tell
    scores = torch.tensor([[0.5, 0.45 + 1e-8, 0.05 - 1e-8]], dtype=torch.float64).log().expand(400, -1)
    numbers = uniform_numbers(range(400), 1)[:, 0]
    assert set(draw(scores, numbers, 1.0, 0, 0.95).tolist()) == {0, 1}
    scores = torch.tensor([[0.5, 0.45 - 1e-8, 0.05 + 1e-8]], dtype=torch.float64).log().expand(400, -1)
    assert set(draw(scores, numbers, 1.0, 0, 0.95).tolist()) == {0, 1, 2}


PHILOX_5 = [0.7337459554446363, 0.5905206445727093]


def test_a_stream_belongs_to_its_seed() -> None:
    first = uniform_numbers([5, 6], 4)
    assert torch.equal(first[1], uniform_numbers([9, 8, 6], 4)[2])
    assert torch.equal(first, uniform_numbers([5, 6], 9)[:, :4])
    # numpy 2.4: np.random.Generator(np.random.Philox(key=5)).random(2)
    assert first[0, :2].tolist() == pytest.approx(PHILOX_5)
