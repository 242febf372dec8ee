"""What is published: every number with its interval, in the hub's own formats; and nothing leaves without a request."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import ModelCard, parse_eval_result_entries

from env.refusal import Refusal
from eval.decision.cells import cell_from_name
from gates.report.results import DecisionResults
from runner.publishing.card import Published, model_card, published
from runner.publishing.publish import push, require_repo, results_yaml
from runner.release.export import Origin
from runner.runs.config import compose_experiment
from runner.runs.folder import Run
from runner.views.artifacts import read_artifacts
from tests.support.run_factory import make_run
from tests.support.runs import Cli
from tests.support.story import Story
from training.exports import RoundTrip

READ_BACK = RoundTrip("peft", 0.0, 5.0, 97, 1.0)


def told(run: Run, *overrides: str, **changes: Any) -> Published:
    found = read_artifacts(run)
    results = found.results(DecisionResults)
    assert results is not None
    cell = results.chosen.cell
    origin = Origin(
        run.id, cell_from_name(cell), run.folder, "0" * 64, results.decision, results.base, (), found.reports
    )
    experiment, _ = compose_experiment(["profile=smoke", "smoke=false", *overrides])
    return replace(published(run, origin, experiment, "adapter", READ_BACK, "mit"), **changes)


def test_the_hub_s_own_reader_finds_the_numbers_with_their_intervals(finished: Run) -> None:
    found = told(finished)
    card = ModelCard(model_card(found))
    verdict = found.data.verdict
    assert verdict is not None
    assert (card.data.license, card.data.library_name) == ("mit", "peft")
    adapter, base = card.data.eval_results
    assert (adapter.metric_type, adapter.metric_value) == (f"pass@{verdict.k}", round(verdict.adapter.value or 0, 2))
    assert (
        f"95% {verdict.adapter.low:.1f} to {verdict.adapter.high:.1f}, {verdict.adapter.n} tasks" in adapter.metric_name
    )
    assert base.metric_value == round(verdict.base.value or 0, 2)
    assert adapter.dataset_revision == found.dataset_digest
    assert verdict.sentence in card.text
    assert all(f"* {limit}" in card.text for limit in found.data.limits)
    for group in found.data.groups:
        assert (f"| {group.gain.label} | {group.gain.n} |" in card.text) == (group.by == "family")


def test_eval_results_are_read_by_the_hub_s_own_parser(finished: Run) -> None:
    import yaml

    found = told(finished)
    [entry] = parse_eval_result_entries(yaml.safe_load(results_yaml(found, "me/bench")))
    verdict = found.data.verdict
    assert verdict is not None
    assert (entry.dataset_id, entry.value) == ("me/bench", round(verdict.adapter.value or 0, 2))
    assert f"{verdict.word}; 95% " in (entry.notes or "")


def test_a_verdict_that_is_not_proceed_stands_in_the_first_line(tmp_path: Path) -> None:
    weak = make_run(tmp_path, Story(dev_tasks=6, test_tasks=18, gain=0.0))
    found = told(weak)
    first = ModelCard(model_card(found)).text.split("\n\n")[1]
    word = found.origin.verdict
    assert word in ("ADJUST", "INCONCLUSIVE")
    assert first == f"**{word}: it is not shown that this adapter makes the model better.**"
    assert word.lower() in ModelCard(model_card(found)).data.tags


def test_a_base_in_four_bits_is_said_to_be_another_model_elsewhere(finished: Run) -> None:
    assert "is another model: measure again" in model_card(told(finished, "model.quantization=nf4"))
    assert "is another model: measure again" not in model_card(told(finished, "model.quantization=none"))


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A hub on loopback that takes small files, and keeps what it was asked; ``status`` is what it answers."""
    from huggingface_hub import constants

    seen = SimpleNamespace(asked=[], status=200, commit="")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            seen.asked.append((self.path.split("?")[0], self.headers.get("authorization")))
            answer: dict[str, Any] = {}
            if self.path.endswith("/repos/create"):
                answer = {"url": f"{seen.url}/me/lua", "error": "no"}
                seen.created = json.loads(body)
            elif "/preupload/" in self.path:
                answer = {
                    "files": [
                        {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                        for f in json.loads(body)["files"]
                    ]
                }
            elif "/commit/" in self.path:
                seen.commit, answer = body, {"commitUrl": f"{seen.url}/me/lua/commit/1", "commitOid": "1" * 40}
            self._answer(seen.status, answer)

        def do_GET(self) -> None:
            seen.asked.append((self.path.split("?")[0], self.headers.get("authorization")))
            self._answer(seen.status, {"id": "me/lua", "sha": "1" * 40, "siblings": []})

        def _answer(self, status: int, data: dict[str, Any]) -> None:
            body = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        seen.url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "ENDPOINT", seen.url)
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield seen
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as it is published."""
    (tmp_path / "pub").mkdir()
    (tmp_path / "pub" / "README.md").write_text("---\nlicense: mit\n---\n\n# x\n")
    (tmp_path / "pub" / "provenance.json").write_text("{}")
    return tmp_path / "pub"


def test_an_upload_makes_exactly_the_expected_requests(hub: SimpleNamespace, folder: Path) -> None:
    assert push(folder, "me/lua", is_private=True) == f"{hub.url}/me/lua"
    asked = [path for path, _ in hub.asked]
    assert asked[0] == "/api/repos/create"
    assert [path for path in asked if "commit" in path] == ["/api/models/me/lua/commit/main"]
    assert set(asked) <= {
        "/api/repos/create",
        "/api/validate-yaml",
        "/api/models/me/lua/preupload/main",
        "/api/models/me/lua/commit/main",
        "/api/models/me/lua/revision/main",
        "/api/models/me/lua",
    }
    assert {who for _, who in hub.asked} == {"Bearer hf_secret"}
    assert "private" in (hub.created.get("visibility"), *[key for key, value in hub.created.items() if value is True])
    sent = [json.loads(line) for line in hub.commit.splitlines()]
    assert sorted(line["value"]["path"] for line in sent if line["key"] == "file") == ["README.md", "provenance.json"]
    assert "hf_secret" not in hub.commit


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_hub_that_refuses_is_one_sentence(hub: SimpleNamespace, folder: Path, status: int) -> None:
    hub.status = status
    with pytest.raises(Refusal, match="me/lua was not uploaded") as refused:
        push(folder, "me/lua", is_private=True)
    assert "hf_secret" not in refused.value.sentence
    assert "is whole: try again" in refused.value.fix


@pytest.mark.parametrize("name", ["lua", "me/lua/x", "me/..", "me lua/x", "me/" + "x" * 97, "-me/lua--x", ""])
def test_what_is_no_repository_is_refused_before_anything_is_written(name: str, cli: Cli, tmp_path: Path) -> None:
    with pytest.raises(Refusal):
        require_repo(name)
    code, text = cli("publish", "--to", str(tmp_path / "out"), "--push", "--repo", name)
    assert code == 2, text
    assert not (tmp_path / "out").exists()
