"""What goes wrong between us and a server: what may pass is tried again, the rest is refused in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from env.refusal import BadSettings, Refusal
from env.servers.waiting import delay_s, may_pass
from eval.pipeline.sampling import GenerationRequest
from tests.support.fake_server import Fake, Handler, serving
from tests.support.settings import composed, sampling_settings
from tests.training.backends.endpoint.conftest import Open

SAMPLING = sampling_settings(0.8, 0.95, 0, 40)
REQUESTS = [GenerationRequest("ask", (1, 2, 3))]


def status(code: int, headers: dict[str, str] | None = None, said: str = "busy") -> Callable[[Handler, Any], bool]:
    def fault(handler: Handler, _body: Any) -> bool:
        handler.send_json({"error": {"message": said}}, code, headers)
        return True

    return fault


def dropped(handler: Handler, _body: Any) -> bool:
    handler.drop()
    return True


def half(handler: Handler, _body: Any) -> bool:
    handler.send_bytes(b'{"model": "base", "choices": [{"te', 200, {"Content-Type": "application/json"})
    return True


def page(handler: Handler, _body: Any) -> bool:
    handler.send_bytes(b"<html>Sign in</html>", 200, {"Content-Type": "text/html"})
    return True


@pytest.mark.parametrize("fault", [status(429, {"Retry-After": "0"}), status(503, {"Retry-After": "0"})])
def test_what_passes_is_tried_again_and_gives_the_samples_of_a_calm_server(
    fake: Fake, opened: Open, fault: Callable[[Handler, Any], bool]
) -> None:
    calm = opened(fake).generate(REQUESTS, SAMPLING)
    model = opened(fake, retry_s=60.0)
    fake.seen.clear()
    fake.faults = [fault, fault]
    assert model.generate(REQUESTS, SAMPLING) == calm
    assert len(fake.seen) == 5
    assert model.choices["retries"] == "2: requests repeated"


def test_a_connection_that_ends_in_mid_answer_is_made_again(fake: Fake, opened: Open) -> None:
    calm = opened(fake).generate(REQUESTS, SAMPLING)
    model = opened(fake, retry_s=60.0)
    fake.faults = [dropped]
    assert model.generate(REQUESTS, SAMPLING) == calm


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (status(429, {"Retry-After": "9999"}), "answered 429: busy; sampler.retry_s is over."),
        (status(503), "answered 503: busy; sampler.retry_s is over."),
        (dropped, "ended the connection before its answer was complete"),
        (half, "answered what is not JSON: it ends after 34 bytes with"),
        (page, "The server answered no JSON object: <html>Sign in</html>."),
        (status(400, said="prompt too long"), "refused a request (400): prompt too long"),
        (status(401, said="no key"), "refused a request (401): no key"),
    ],
)
def test_what_does_not_pass_is_named(
    fake: Fake, opened: Open, fault: Callable[[Handler, Any], bool], sentence: str
) -> None:
    model = opened(fake)
    fake.every = fault
    with pytest.raises(Refusal) as refused:
        model.generate(REQUESTS, SAMPLING)
    assert sentence in refused.value.sentence
    assert refused.value.fix


def choice(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda answer: answer["choices"][0].update(changes)


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda a: a.update(choices=[]), "The server returned 0 completions where 1 was asked for."),
        (lambda a: a["choices"].append(a["choices"][0]), "The server returned 2 completions where 1 was asked for."),
        (lambda a: a.pop("choices"), "The server's answer has no choices."),
        (lambda a: a.update(model="other"), "The server answered with the model 'other'; 'base' was asked."),
        (lambda a: a.update(error="out of memory"), "answered an error as if it were a completion: out of memory."),
        (choice(finish_reason="abort"), "ended a completion by 'abort', which is neither stop nor length."),
        (choice(finish_reason=None), "ended a completion by None"),
        (choice(text=None), "The server's completion has no text"),
        (lambda a: a["usage"].update(completion_tokens=41), "The server wrote 41 tokens where max_tokens is 40."),
        (lambda a: a["usage"].update(prompt_tokens=2), "read a prompt of 2 tokens where ours has 3."),
    ],
)
def test_an_answer_that_is_no_sample_of_this_model_is_named(
    fake: Fake, opened: Open, edit: Callable[[dict[str, Any]], None], sentence: str
) -> None:
    model = opened(fake)
    fake.edit = edit
    with pytest.raises(Refusal) as refused:
        model.generate(REQUESTS, SAMPLING)
    assert sentence in refused.value.sentence


def test_what_was_answered_before_a_refusal_is_yielded_first(fake: Fake, opened: Open) -> None:
    model = opened(fake, concurrency=1)

    def third(handler: Handler, body: dict[str, Any]) -> bool:
        return body["seed"] == 3 and status(400)(handler, body)

    fake.every = third
    steps = model.draw([GenerationRequest("ask", (1, 2, 3, 4))], SAMPLING)
    ended: list[int] = []
    with pytest.raises(Refusal, match="refused a request"):
        ended.extend(one.sample for step in steps for one in step.ended)
    assert ended == [0, 1]


def test_a_server_that_is_not_there_is_named(opened: Open) -> None:
    with serving() as fake:
        gone = Fake(url=fake.url)
    with pytest.raises(Refusal, match=r"/v1/models cannot be reached; sampler\.retry_s is over"):
        opened(gone)


def test_a_model_that_is_not_served_is_refused_with_the_nearest_name(fake: Fake, opened: Open) -> None:
    with pytest.raises(Refusal, match=r"sampler\.model = 'bas': .* does not serve it") as refused:
        opened(fake, model="bas")
    assert refused.value.fix == 'Did you mean "base"?'


def test_the_key_is_sent_and_never_told(fake: Fake, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refusal, match=r"sampler\.api_key_env = 'OUR_KEY': that environment variable is not set"):
        opened(fake, api_key_env="OUR_KEY")
    monkeypatch.setenv("OUR_KEY", "sk-secret")
    model = opened(fake, api_key_env="OUR_KEY")
    assert {headers["Authorization"] for headers in fake.headers} == {"Bearer sk-secret"}
    fake.every = status(401, said="wrong key sk-secret")
    with pytest.raises(Refusal) as refused:
        model.generate(REQUESTS, SAMPLING)
    assert "wrong key ***" in refused.value.sentence
    assert "secret" not in str(refused.value) + repr(model.choices) + repr(model.facts)


def test_without_a_key_none_is_sent(fake: Fake, opened: Open) -> None:
    opened(fake)
    assert not [headers for headers in fake.headers if "Authorization" in headers]


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("127.0.0.1:8000", "'127.0.0.1:8000' must be an address such as http://127.0.0.1:8000"),
        ("ftp://host", "'ftp://host' must be an address"),
        ("http://host:99999", "'http://host:99999' is not an address"),
        ("http://me:hush@host", "the address of host holds a name or a key; use sampler.api_key_env"),
        ("http://host?key=hush", "the address of host holds a name or a key; use sampler.api_key_env"),
    ],
)
def test_an_address_that_is_none_or_holds_a_key_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(Refusal) as refused:
        composed("sampler=endpoint", f"sampler.urls=['{url}']")
    assert sentence in refused.value.sentence
    assert "hush" not in str(refused.value)


def test_an_endpoint_needs_an_address() -> None:
    with pytest.raises((Refusal, BadSettings), match=r"sampler\.urls = \[\]: must name a server"):
        composed("sampler=endpoint", "sampler.urls=[]")


def test_waits_double_with_jitter_up_to_a_bound_and_obey_the_server() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert [delay_s(n, None, now, 0.0) for n in (1, 2, 3, 50)] == [0.25, 0.5, 1.0, 10.0]
    assert delay_s(2, None, now, 0.999) == pytest.approx(1.0, abs=0.001)
    assert delay_s(1, "17", now, 0.0) == 17.0
    assert delay_s(1, "Thu, 01 Jan 2026 00:00:30 GMT", now, 0.0) == 30.0
    assert delay_s(1, "Wed, 31 Dec 2025 00:00:00 GMT", now, 0.0) == 0.0
    assert delay_s(1, "soon", now, 0.0) == 0.25


def test_only_what_may_pass_is_tried_again() -> None:
    assert [code for code in (200, 400, 401, 404, 408, 422, 429, 500, 501, 502, 503, 504) if may_pass(code)] == [
        408, 429, 500, 502, 503, 504,
    ]  # fmt: skip
