"""What is asked of a server, how many at a time, and what becomes a sample."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest

from env.refusal import Refusal
from eval.pipeline.sampling import GenerationRequest
from tests.support.fake_server import END, Fake, Words, serving
from tests.support.settings import sampling_settings
from tests.training.backends.endpoint.conftest import Open
from training.backends.base import NoLogProbs
from training.backends.endpoint.answers import Answer
from training.backends.endpoint.model import as_completion
from training.backends.endpoint.servers import SERVERS, Draw

SAMPLING = sampling_settings(0.8, 0.95, 20, 40, ("\n###",))
DRAW = Draw(0.8, 0.95, 0, 40, 5, ("\n###",), (1, 2))


def test_every_seed_is_a_request_of_its_own_and_says_all_that_shapes_a_sample(fake: Fake, opened: Open) -> None:
    model = opened(fake)
    fake.seen.clear()
    seeds = (2**62 + 5, 6)
    first, second = model.generate([GenerationRequest("ask", seeds), GenerationRequest("again", (7,))], SAMPLING)
    assert [len(first), len(second)] == [2, 1]
    assert first[0].text != first[1].text
    asked = {body["seed"]: body for body in fake.seen}
    assert asked.keys() == {5, 6, 7}
    assert asked[5] == {
        "model": "base", "prompt": [ord(one) for one in "ask"], "max_tokens": 40, "seed": 5, "temperature": 0.8,
        "top_p": 0.95, "top_k": 20, "min_p": 0.0, "stop": ["\n###"], "stop_token_ids": [END],
        "repetition_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0, "add_special_tokens": False,
        "return_token_ids": True,
    }  # fmt: skip
    assert [[one] for one in first] + [second] == model.generate(
        [GenerationRequest("ask", (seed,)) for seed in seeds] + [GenerationRequest("again", (7,))], SAMPLING
    )


def test_no_more_requests_wait_than_the_key_allows_and_they_wait_together(fake: Fake, opened: Open) -> None:
    model = opened(fake, concurrency=3)
    fake.opened.clear()
    fake.most_at_once = 0
    drawing = model.draw([GenerationRequest("ask", tuple(range(12)))], SAMPLING)
    # nothing is answered: what is yielded is that a while has passed
    while fake.most_at_once < 3:
        assert next(drawing).ended == ()
    fake.opened.set()
    ended = [one for step in drawing for one in step.ended]
    assert sorted(one.sample for one in ended) == list(range(12))
    assert fake.most_at_once == 3


def test_a_stop_ends_the_requests_that_still_wait(fake: Fake, opened: Open) -> None:
    model = opened(fake, concurrency=2)
    fake.opened.clear()
    fake.seen.clear()
    drawing = model.draw([GenerationRequest("ask", tuple(range(50)))], SAMPLING)
    next(drawing)
    drawing.close()
    model.close()
    fake.opened.set()
    assert len(fake.seen) <= 2
    assert not [thread for thread in threading.enumerate() if thread.name == "requests"]


def test_two_servers_share_the_samples_and_give_those_of_one(fake: Fake, opened: Open) -> None:
    requests = [GenerationRequest("ask", tuple(range(8)))]
    with serving() as other:
        alone = opened(fake).generate(requests, SAMPLING)
        both = opened(fake, urls=(fake.url, other.url))
        fake.seen.clear()
        other.seen.clear()
        assert both.generate(requests, SAMPLING) == alone
        assert (len(fake.seen), len(other.seen)) == (4, 4)


def test_servers_of_one_run_must_be_the_same(fake: Fake, opened: Open) -> None:
    with serving(Fake(version="0.9.0")) as other, pytest.raises(Refusal, match=r"differs from .* in version: 0\.9\.0"):
        opened(fake, urls=(fake.url, other.url))


def test_transformers_is_told_to_sample_which_it_does_not_by_itself() -> None:
    asked = SERVERS["transformers"].fields(DRAW)
    assert json.loads(asked["generation_config"])["do_sample"] is True
    assert json.loads(asked["generation_config"])["eos_token_id"] == [1, 2]
    greedy = SERVERS["transformers"].fields(Draw(0.0, 1.0, 0, 40, 5, (), (1,)))
    assert json.loads(greedy["generation_config"])["do_sample"] is False


def test_llama_cpp_draws_in_our_order_and_without_its_own_cuts() -> None:
    asked = SERVERS["llama_cpp"].fields(DRAW)
    assert (asked["samplers"], asked["min_p"], asked["top_k"]) == (["temperature", "top_k", "top_p"], 0.0, 0)


def test_top_k_is_refused_where_the_protocol_does_not_know_it(opened: Open) -> None:
    with serving(Fake(software="other")) as fake:
        model = opened(fake)
        with pytest.raises(Refusal, match=r"sampling\.top_k = 20: OpenAI's protocol does not know it"):
            model.generate([GenerationRequest("ask", (1,))], SAMPLING)


def test_a_thought_with_a_budget_is_refused_at_a_server(fake: Fake, opened: Open) -> None:
    model = opened(fake)
    thinking = replace(SAMPLING, thinking=replace(SAMPLING.thinking, max_tokens=9))
    with pytest.raises(Refusal, match=r"sampling\.thinking\.max_tokens = 9: servers hold no budget for a thought"):
        model.generate([GenerationRequest("ask", (1,))], thinking)


@pytest.mark.parametrize(
    ("answer", "text", "finish", "tokens"),
    [
        (Answer("return 1", "stop", 3, 9, None), "return 1", "stop", 9),
        (Answer("return 1\n### more", "length", 3, 17, None), "return 1", "stop", 17),
        (Answer("as it was sent", "stop", 3, 3, (104, 105, END)), "hi", "stop", 3),
        (Answer("as it was sent", "length", 3, 2, (104, 105)), "hi", "length", 2),
        (Answer("uncounted", "stop", None, None, None), "uncounted", "stop", 10),
        (Answer("uncounted", "length", None, None, None), "uncounted", "length", 9),
    ],
)
def test_an_answer_becomes_what_our_own_backends_return(answer: Answer, text: str, finish: str, tokens: int) -> None:
    found = as_completion(answer, Words(), SAMPLING)  # type: ignore[arg-type]
    assert (found.text, found.finish, found.tokens) == (text, finish, tokens)


def test_log_probabilities_are_the_servers_or_said_to_be_none(fake: Fake, opened: Open) -> None:
    assert opened(fake).log_prob("ask", "four") == -4.0
    fake.scores = False
    silent = opened(fake)
    assert silent.choices["log-probabilities"].startswith("none")
    with pytest.raises(NoLogProbs):
        silent.log_prob("ask", "four")


def test_log_probabilities_are_read_from_an_echo_too(fake: Fake, opened: Open) -> None:
    fake.scores = False

    def echo(answer: dict[str, object]) -> None:
        if fake.seen[-1].get("echo"):
            length = len(fake.seen[-1]["prompt"])
            answer["choices"][0]["logprobs"] = {"token_logprobs": [None, *[-2.0] * (length - 1), -9.0]}  # type: ignore[index]

    fake.edit = echo
    assert opened(fake).log_prob("ask", "four") == -8.0


def test_a_prompt_goes_as_text_where_tokens_are_not_taken(opened: Open) -> None:
    with serving(Fake(software="mlx_lm")) as fake:
        model = opened(fake)
        model.generate([GenerationRequest("ask", (1,))], sampling_settings(0.8, 0.95, 0, 40))
        assert fake.seen[-1]["prompt"] == "ask"
        assert model.choices["prompts"].startswith("text: ")
        assert model.choices["sampling order"].startswith("top_p before temperature")


def test_a_server_with_another_tokenizer_is_refused(fake: Fake, opened: Open) -> None:
    fake.edit = lambda answer: answer["usage"].update(prompt_tokens=12)
    with pytest.raises(Refusal, match="reads 12 tokens in a prompt in which our tokenizer has 9"):
        opened(fake)
