"""A base at a server is held against our own load and against Gate A's record; what is not proven is said."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from env.refusal import Refusal
from eval.decision.guards import AnswersMoved, Canary, canary_guard
from eval.domains.luanti.domain import LUA
from eval.pipeline.loop import Arm, Unit, measure
from eval.pipeline.stored_samples import read_samples
from eval.pipeline.verifier import Job
from eval.records import Outcome, Task, Verdict
from gates.a_environment.speed import call_size
from gates.e_decision.canary import measure_canary
from gates.measuring import meeting, served
from gates.measuring.meeting import Meeting, meet
from gates.measuring.served import met_again, recognised, seeds_statement, usage_choices
from gates.report.results import BaseFacts, EnvironmentResults, SamplerFacts
from runner.validity.equivalence import Installation, difference
from runner.validity.freshness import gate_inputs
from tests.support.contexts import gate_context
from tests.support.fake_server import Fake, Handler, Words, serving
from tests.support.gate_results import BASE, model_probe
from tests.support.settings import composed, prompt_form, sampling_settings
from training.backends.base import Completion, ModelIdentity
from training.backends.endpoint import open_server
from training.sampler import Reference, SamplerSettings

TASKS = [
    Task(f"t{number}", "scaffold", "node", f"c{number}", "dev", f"write {number}", "", "code", "return 1", ())
    for number in range(6)
]
FORM = prompt_form()
SAMPLING = sampling_settings(0.8, 0.95, 0, 40)
FACTS = BaseFacts(digest="digest", parts={"weights": "w"}, parameters=7)


class Own:
    """Our own load: the fake server's base, off by ``off`` nats a token; what it writes follows from the prompt."""

    def __init__(self, off: float = 0.0, text: str = "") -> None:
        self.off, self._text = off, text

    def log_prob(self, prompt: str, answer: str) -> float:
        return (-1.0 + self.off) * len(answer)

    def generate(self, requests: Sequence[Any], settings: Any) -> list[list[Completion]]:
        return [[Completion(self._text, "stop", 1)] for _ in requests]

    def apply_chat_template(self, user: str, form: object) -> str | None:
        return None


def experiment(fake: Fake, folder: Path, *more: str) -> Any:
    return composed(
        "profile=smoke", "model.quantization=none", "sampler=endpoint", f"sampler.urls=[{fake.url}]",
        "sampler.retry_s=0", f"sampler.adapters_folder={folder}", *more,
    )  # fmt: skip


def opened_by_words(
    _backend: str,
    _model: Any,
    sampler: SamplerSettings,
    identity: ModelIdentity,
    parameters: int,
    references: Sequence[Reference],
    least_nats: float,
) -> Any:
    """Open as ``training.models.open_server`` does, with a tokenizer that needs no library."""
    return open_server(sampler, Words(), lambda *_: None, identity, parameters, references, least_nats)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def by_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "open_server", opened_by_words)


@pytest.fixture
def fake() -> Iterator[Fake]:
    with serving() as one:
        yield one


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def first_meeting(fake: Fake, folder: Path, stack: ExitStack, own: Own, *more: str) -> Meeting:
    found = meet(experiment(fake, folder, *more), FACTS, own, TASKS, FORM, stack, lambda _: None)  # type: ignore[arg-type]
    assert found is not None
    return found


def test_the_same_base_is_stated_with_what_was_compared(fake: Fake, tmp_path: Path, stack: ExitStack) -> None:
    met = first_meeting(fake, tmp_path, stack, Own(off=0.01))
    assert met.facts.facts == {
        "server": "vLLM", "version": "0.32.0", "model": "base", "root": "org/base", "prompts": "tokens",
        "log-probabilities": "prompt_logprobs",
    }  # fmt: skip
    assert met.facts.choices["same base"] == (
        "the same within the tolerance: log-probabilities of 4 reference answers differ by at most 0.01 nats a token; "
        "the bytes of its weights were not seen"
    )
    assert [one.own_nats for one in met.facts.references] == pytest.approx([-0.99 * len("return 1")] * 4)
    assert met.facts.choices["seeds"].startswith("honoured: ")


def test_another_base_is_refused(fake: Fake, tmp_path: Path, stack: ExitStack) -> None:
    with pytest.raises(Refusal, match=r"does not hold the base that is trained here: .* by at most 0\.2 nats a token"):
        first_meeting(fake, tmp_path, stack, Own(off=0.2))


def test_a_base_that_scores_nan_is_refused(fake: Fake, tmp_path: Path, stack: ExitStack) -> None:
    with pytest.raises(Refusal, match="t0 has the log-probability nan by our own load"):
        first_meeting(fake, tmp_path, stack, Own(off=float("nan")))


def test_without_log_probabilities_the_same_base_is_not_proven_and_said_so(
    fake: Fake, tmp_path: Path, stack: ExitStack
) -> None:
    fake.scores = False
    fake.edit = lambda answer: answer["choices"][0].update(text=f"return one {fake.seen[-1].get('seed')}")
    met = first_meeting(fake, tmp_path, stack, Own(text="return one 0"))
    assert met.facts.choices["same base"] == (
        "not proven: the server tells no log-probabilities; 4 of 4 greedy answers are equal, and 100% of their "
        "beginnings agree, which a relative of the model may do too"
    )
    with pytest.raises(Refusal, match="0 of 4 greedy answers are equal, and 0% of their beginnings agree"):
        first_meeting(fake, tmp_path, stack, Own(text="what else"))


def test_seeds_that_are_not_honoured_are_said(fake: Fake, tmp_path: Path, stack: ExitStack) -> None:
    met = first_meeting(fake, tmp_path, stack, Own())
    fake.honours_seeds = False
    told = seeds_statement(met.served, SAMPLING, 16)
    assert told.startswith("not honoured: 0 of 12 samples were equal when drawn again among 16 at once (nor alone).")
    assert "does not end with the bytes of an undisturbed one" in told


def test_seeds_that_are_honoured_only_one_at_a_time_are_said(fake: Fake, tmp_path: Path, stack: ExitStack) -> None:
    met = first_meeting(fake, tmp_path, stack, Own())

    def race(answer: dict[str, Any]) -> None:
        if fake.most_at_once > 1:
            answer["choices"][0]["text"] += str(len(fake.seen))

    fake.edit, fake.most_at_once = race, 0
    asked = met.served.repeat

    def repeat(seeds: Sequence[int], settings: Any, at_once: bool) -> list[str]:
        fake.most_at_once = 2 if at_once else 0
        return asked(seeds, settings, at_once)

    met.served.repeat = repeat  # type: ignore[method-assign]
    assert "one request at a time they are: sampler.concurrency=1" in seeds_statement(met.served, SAMPLING, 16)


def test_a_server_that_gives_every_seed_one_text_is_refused(fake: Fake, tmp_path: Path, stack: ExitStack) -> None:
    met = first_meeting(fake, tmp_path, stack, Own())
    fake.edit = lambda answer: answer["choices"][0].update(text="return 0")
    with pytest.raises(Refusal, match=r"one text for 4 seeds at temperature 1\.5"):
        seeds_statement(met.served, SAMPLING, 16)
    assert seeds_statement(met.served, replace(SAMPLING, temperature=0.0), 16).startswith("not needed")


def test_a_server_that_loads_no_adapter_while_it_runs_is_met_all_the_same(
    fake: Fake, tmp_path: Path, stack: ExitStack
) -> None:
    fake.loads = False
    met = first_meeting(fake, tmp_path, stack, Own())
    met.try_adapter(Own(), trained(tmp_path))  # type: ignore[arg-type]
    assert met.facts.adapter == ()
    assert "loads none while it runs. Gate D asks again" in met.facts.adapter_note


def test_an_adapter_that_computes_something_else_there_is_refused(fake: Fake, tmp_path: Path, stack: ExitStack) -> None:
    met = first_meeting(fake, tmp_path, stack, Own())

    class Worn(Own):
        def adapter(self, folder: Path, scale: float) -> ExitStack:
            return ExitStack()

    met.try_adapter(Worn(off=0.5), trained(tmp_path))  # type: ignore[arg-type]
    assert met.facts.choices["adapter of one step"].startswith("the same as here within the tolerance")
    with pytest.raises(Refusal, match="does not hold the adapter of one step that was trained here"):
        met.try_adapter(Worn(off=0.0), trained(tmp_path))  # type: ignore[arg-type]


def trained(folder: Path) -> Path:
    """Return an adapter's folder."""
    import numpy as np
    from safetensors.numpy import save_file

    to = folder / "step-000001"
    to.mkdir(exist_ok=True)
    save_file({f"m.lora_{side}.weight": np.ones((2, 2), np.float32) for side in "AB"}, to / "adapter_model.safetensors")
    (to / "adapter_config.json").write_text("{}")
    return to


def later_gate(
    fake: Fake, folder: Path, facts: SamplerFacts | None, monkeypatch: pytest.MonkeyPatch, *more: str
) -> Any:
    """Return the context of Gate B in a run whose Gate A met a server."""
    context = gate_context(folder, experiment(fake, folder, *more), "b")
    probe = model_probe().model_copy(update={"sampler": facts})
    results = EnvironmentResults.model_construct(probe=probe)
    monkeypatch.setattr(type(context), "earlier", lambda _self, _kind: results)
    monkeypatch.setattr(served, "read_prompts", lambda _run: {task.id: _prompt(task) for task in TASKS})
    return context


def _prompt(task: Task) -> str:
    return f"### Instruction:\n{task.instruction}\n\n### Response:\n"


def test_a_later_gate_meets_the_same_server_again_at_another_address(
    fake: Fake, tmp_path: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = first_meeting(fake, tmp_path, stack, Own()).facts
    with serving() as moved:
        context = later_gate(moved, tmp_path, facts, monkeypatch)
        model = met_again(context, TASKS)
        stack.callback(model.close)
        notes = recognised(context, model)
    assert notes["same server"].startswith("as in Gate A: log-probabilities of 4 reference answers differ by at most 0")
    assert notes["same base"] == facts.choices["same base"]
    assert model.identity.digest == BASE.digest


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"version": "0.33.0"}, "version was 0.32.0, now 0.33.0"),
        ({"root": "org/other"}, "root was org/base, now org/other"),
        ({"scores": False}, "log-probabilities was prompt_logprobs, now none"),
        ({"base_nats": -1.1}, "does not hold the base that Gate A met: .* by at most 0.1 nats a token"),
    ],
)
def test_a_later_gate_refuses_a_server_that_changed(
    fake: Fake,
    tmp_path: Path,
    stack: ExitStack,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, Any],
    sentence: str,
) -> None:
    facts = first_meeting(fake, tmp_path, stack, Own()).facts
    for name, value in change.items():
        setattr(fake, name, value)
    context = later_gate(fake, tmp_path, facts, monkeypatch)
    model = met_again(context, TASKS)
    stack.callback(model.close)
    with pytest.raises(Refusal, match=sentence):
        recognised(context, model)


def test_a_gate_after_an_a_without_a_server_is_refused(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refusal, match="Gate A of this run looked at no server"):
        met_again(later_gate(fake, tmp_path, None, monkeypatch), TASKS)


class Judge:
    name, isolation, language = "counting", "none", LUA

    def submit(self, job: Job) -> Future[Verdict]:
        passed = hashlib.sha256(job.code.encode()).digest()[0] % 2
        done: Future[Verdict] = Future()
        done.set_result(Verdict(Outcome.PASSED if passed else Outcome.WRONG, "", 0.0, "counting", "none"))
        return done


def drawn(model: Any, path: Path) -> None:
    arm = Arm("base", 3, replace(SAMPLING, samples_per_call=4))
    measure([Unit(t, 2) for t in TASKS], arm, model, _prompt, Judge(), path, lambda _: None, lambda: None)  # type: ignore[arg-type]


def test_a_server_that_dies_in_mid_run_loses_nothing_and_the_rest_makes_the_same_file(
    fake: Fake, tmp_path: Path, stack: ExitStack
) -> None:
    model = first_meeting(fake, tmp_path, stack, Own(), "sampler.concurrency=2").served
    drawn(model, tmp_path / "undisturbed.jsonl")
    fake.seen.clear()

    def gone(handler: Handler, _body: Any) -> bool:
        if len(fake.seen) <= 7:
            return False
        handler.close_connection = True
        return True

    fake.every = gone
    path = tmp_path / "samples.jsonl"
    with pytest.raises(Refusal, match="ended the connection before its answer was complete"):
        drawn(model, path)
    stored = list(read_samples(path))
    assert 4 <= len(stored) <= 7
    fake.every = None
    fake.seen.clear()
    drawn(model, path)
    assert len(fake.seen) == 12 - len(stored)
    assert _untimed(path) == _untimed(tmp_path / "undisturbed.jsonl")
    usage = usage_choices(
        model, experiment(fake, tmp_path, "sampler.price_prompt=2", "sampler.price_completion=10"), [path],
        {task.id: _prompt(task) for task in TASKS},
    )  # fmt: skip
    asked = 2 * sum(len(_prompt(task)) for task in TASKS)
    tokens = sum(sample.completion.tokens for sample in read_samples(path))
    cost = (2 * asked + 10 * tokens) / 1e6
    assert usage["tokens"] == (
        f"{asked:,} of prompts and {tokens:,} of completions, {cost:.4f} at the configured prices: of 12 samples"
    )
    assert usage_choices(Own(), composed(), [path], {}) == {}  # type: ignore[arg-type]


def _untimed(path: Path) -> list[Any]:
    return [replace(sample, verdict=replace(sample.verdict, seconds=0.0)) for sample in read_samples(path)]


def test_the_canary_counts_answers_where_no_log_probabilities_are_told(
    fake: Fake, tmp_path: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    from eval.decision.cells import Cell
    from gates.e_decision import canary as module

    monkeypatch.setattr(module, "verified_checkpoints", lambda _context: {"step-000003": trained(tmp_path)})
    fake.scores = False
    context = gate_context(tmp_path, experiment(fake, tmp_path), "e")
    model = opened_by_words(
        "", None, context.experiment.sampler, ModelIdentity("d"), 1, [Reference("t0", "write", "return 1")], 0.001
    )
    stack.callback(model.close)
    bench = SimpleNamespace(model=model, prompt=_prompt, scored_prompt=_prompt, tasks=lambda _split: TASKS)
    found = measure_canary(context, bench, [Cell(3, 0.5), Cell(3, 1.0)])  # type: ignore[arg-type]
    assert found == Canary(0.0, 0.0, 6, AnswersMoved(6, 0))


@pytest.mark.parametrize(("moved", "zero", "fired"), [(1, 0, False), (0, 0, True), (5, 1, True)])
def test_the_answers_guard_blocks_an_adapter_that_changes_nothing_or_stays(moved: int, zero: int, fired: bool) -> None:
    guard = canary_guard(Canary(0.0, 0.0, 8, AnswersMoved(moved, zero)), None)  # type: ignore[arg-type]
    assert (guard.level, guard.fired) == ("block", fired)
    assert f"changes {moved} (at least 1 expected) and at scale 0 {zero} (none allowed)" in guard.sentence


def test_where_servers_are_does_not_matter_and_what_they_are_called_does() -> None:
    own = _digests("sampler=own")
    assert not [name for gate in own.values() for name in gate if "sampler" in name]
    here, moved = _digests("sampler.urls=[http://a]"), _digests("sampler.urls=[http://b]", "sampler.concurrency=3")
    assert here == moved
    renamed = _digests("sampler.urls=[http://a]", "sampler.model=x")
    differing = {gate for gate in here if here[gate].get("config.sampler") != renamed[gate].get("config.sampler")}
    assert differing == {"a", "b", "d", "e"}
    assert "config.sampler" not in here["c"]


def _digests(*overrides: str) -> dict[str, dict[str, str]]:
    from types import SimpleNamespace

    from runner.runs.config import compose_experiment

    group = () if overrides == ("sampler=own",) else ("sampler=endpoint",)
    config = compose_experiment([*group, *overrides])[1]
    run = SimpleNamespace(gate_folder=lambda gate: Path("/nowhere") / gate)
    return {gate: gate_inputs(run, config, gate).digests for gate in "abcde"}  # type: ignore[arg-type]


def test_a_generation_call_is_sized_by_the_requests_that_wait_together(fake: Fake, tmp_path: Path) -> None:
    sized = call_size(experiment(fake, tmp_path, "sampling.samples_per_call=0", "sampler.concurrency=7"), 7, 1.0, 60.0)
    assert sized[0] == 7


def test_what_was_sampled_at_a_server_is_not_reused() -> None:
    from types import SimpleNamespace

    report = SimpleNamespace(
        source_files={"gates/b_baseline.py": "x"},
        versions={},
        results=SimpleNamespace(base=BASE),
        choices={"server": "v"},
    )
    own = SimpleNamespace(results=SimpleNamespace(base=BASE), checks=())
    here = Installation(Path("/nowhere"), {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runner.validity.equivalence.differences", lambda *_: [])
        assert difference(report, own, here) == "it was sampled at a server, which may have changed since"  # type: ignore[arg-type]


def test_the_look_at_a_model_without_a_server_meets_none(tmp_path: Path, stack: ExitStack) -> None:
    assert meeting.meet(composed(), FACTS, Own(), TASKS, FORM, stack, lambda _: None) is None  # type: ignore[arg-type]
