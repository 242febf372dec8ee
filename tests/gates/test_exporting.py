"""Claims about exports: what is written computes what was measured, says where it comes from, and overwrites nothing."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from env.files import sha256_file
from env.refusal import Refusal
from gates.report import GateReport, write_report
from gates.report.results import AnyResults, BaseFacts
from gates.settings import Experiment
from runner.release import export as exporting
from runner.release.export import CARD, PROVENANCE, export_cell
from runner.runs.config import compose_experiment
from runner.runs.plain_config import dump_config
from tests.support.gate_results import decision_results, sweep_results, training_results
from tests.support.runs import Cli
from tests.support.settings import lora_settings, train_settings
from training.backends.transformers_peft.exporting import compared
from training.checkpoints import ADAPTER_WEIGHTS
from training.exports import ExportRequest, require_close
from training.hooks import NoHooks
from training.models import export_adapter, load_model
from training.records import Example, LoraSettings

EXAMPLES = [Example(f"square of {n}: ", str(n * n)) for n in range(8)]
TRAIN = train_settings(max_steps=2, batch_size=4, learning_rate=3e-2, checkpoint_every=2)
TEXTS = ("local x = 1", "core.register_node")


def lora(name: str, **kind: bool) -> LoraSettings:
    modules = ("q_proj", "o_proj") if name == "mixtral" else ("q_proj", "down_proj")
    return lora_settings(r=4, alpha=8.0, target_modules=modules, layers=(-2, -1), **kind)


def experiment(name: str, quantization: str = "nf4") -> Experiment:
    return compose_experiment(
        [
            "model=tiny_random",
            f"model.path=tiny_random:{name}",
            "profile=smoke",
            f"model.quantization={quantization}",
            "model.device=cpu",
        ]
    )[0]


def trained(name: str, folder: Path, quantization: str = "nf4", **kind: bool) -> Path:
    with load_model("transformers_peft", experiment(name, quantization).model) as model:
        result = model.train(EXAMPLES, lora(name, **kind), TRAIN, folder, NoHooks())
        return Path(result.checkpoints[-1].folder)


def report(results: AnyResults) -> GateReport:
    when = "2026-11-20T10:00:00+00:00"
    return GateReport(
        gate=results.gate, title=results.gate, status="passed", headline="", started_at=when, finished_at=when,
        seconds=1.0, inputs={"config.seed": "0" * 64}, results=results,
    )  # fmt: skip


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained("llama", tmp_path_factory.mktemp("trained") / "checkpoints")


@pytest.fixture
def run(adapter: Path, tmp_path: Path) -> Path:
    """A run whose Gate E says PROCEED on step 2 at half scale."""
    folder = tmp_path / "2026-11-20_smoke_0001"
    shutil.copytree(adapter.parent, folder / "gate_c" / "checkpoints")
    manifest = json.loads((adapter / "CHECKPOINT.json").read_text())
    base = BaseFacts(digest=manifest["base"], parts={"quantization": "nf4 in float32"}, parameters=1)
    write_report(folder / "gate_c" / "report.json", report(training_results({2: manifest["digest"]}, base)))
    write_report(folder / "gate_d" / "report.json", report(sweep_results("step-000002_x0.50")))
    decide(folder, "PROCEED")
    return folder


def decide(run: Path, verdict: str) -> None:
    results = decision_results(verdict, "step-000002_x0.50", ["Register a node."])
    write_report(run / "gate_e" / "report.json", report(results))


def export(run: Path, to: Path, form: Any = "adapter", cell: str = "", anyway: bool = False) -> Any:
    return export_cell(run, experiment("llama"), cell, form, to, anyway)


# --- what is written computes what was measured


@pytest.mark.parametrize(
    ("name", "quantization", "kind", "form", "scale"),
    [
        ("llama", "nf4", {}, "adapter", 0.5),
        ("llama", "nf4", {}, "merged", 0.5),
        ("llama", "none", {"rslora": True}, "adapter", 2.0),
        ("llama", "none", {"rslora": True}, "merged", 2.0),
        ("mixtral", "nf4", {"dora": True}, "adapter", 1.0),
        ("mixtral", "nf4", {"dora": True}, "merged", 0.25),
    ],
)
def test_an_export_read_back_computes_what_was_measured(
    name: str, quantization: str, kind: dict[str, bool], form: Any, scale: float, tmp_path: Path
) -> None:
    folder = trained(name, tmp_path / "out", quantization, **kind)
    to = tmp_path / "export"
    to.mkdir()
    found = export_adapter(
        "transformers_peft", experiment(name, quantization).model, ExportRequest(folder, scale, form, to, TEXTS)
    )
    # a merged model is stored in the base's bfloat16, an adapter in float32
    assert found.max_difference < (0.1 if form == "merged" else 1e-4) * found.spread
    assert found.stored == ("bfloat16" if form == "merged" else "")
    assert found.loaded_by == ("transformers" if form == "merged" else "peft")
    assert found.same_choice == 1.0
    assert found.positions >= 5


def test_a_merged_model_is_loaded_measured_and_trained_like_any_other(run: Path, tmp_path: Path) -> None:
    export(run, tmp_path / "merged", "merged")
    settings = experiment("llama", "none").model
    with load_model("transformers_peft", replace(settings, path=str(tmp_path / "merged"))) as merged:
        assert merged.identity.parts["quantization"] == "none in float32"
        again = merged.train(EXAMPLES, lora("llama"), TRAIN, tmp_path / "again", NoHooks())
        merged_log_prob = merged.log_prob("square of 3: ", "9")
    with load_model("transformers_peft", experiment("llama").model) as base:
        unmoved = base.log_prob("square of 3: ", "9")
        with base.adapter(run / "gate_c" / "checkpoints" / "step-000002", 0.5):
            worn = base.log_prob("square of 3: ", "9")
    assert again.status == "finished"
    assert abs(merged_log_prob - worn) < 0.05 < abs(unmoved - worn)


def test_a_deep_model_that_rounding_would_change_is_merged_in_the_format_it_was_measured_in(tmp_path: Path) -> None:
    folder = trained("qwen2", tmp_path / "out")
    to = tmp_path / "export"
    to.mkdir()
    long = (Path(__file__).read_text(encoding="utf-8")[:2000],)
    request = ExportRequest(folder, 1.0, "merged", to, long)
    found = export_adapter("transformers_peft", experiment("qwen2").model, request)
    # 24 layers of wide random weights: bfloat16 moves their logits by most of a spread
    assert found.stored.startswith("float32: rounding to bfloat16 would move a logit by ")
    assert found.max_difference < 1e-4 * found.spread
    assert json.loads((to / "config.json").read_text())["dtype"] == "float32"


@pytest.mark.parametrize(("form", "needed"), [("adapter", "20.0 MB"), ("merged", "20.[4-9] MB")])
def test_a_full_disk_is_refused_before_a_weight_is_read(
    form: Any, needed: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10_000_000))
    monkeypatch.setattr("training.models.export_adapter", lambda *_: pytest.fail("loaded"))
    with pytest.raises(Refusal, match=rf"no space left on its disk: 10\.0 MB free, {needed} needed for the export"):
        export(run, tmp_path / "out", form)
    assert not (tmp_path / "out").exists()


def test_a_disk_that_fills_while_a_library_writes_is_named_as_one(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ForeignError(Exception): ...

    def full(*_: object) -> None:
        raise ForeignError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("training.backends.transformers_peft.exporting.write_baked", full)
    (tmp_path / "exports").mkdir()
    with pytest.raises(Refusal, match="no space left on its disk"):
        export(run, tmp_path / "exports" / "out")
    assert not list((tmp_path / "exports").iterdir())


def test_a_scaled_dora_adapter_has_no_adapter_form(tmp_path: Path) -> None:
    folder = trained("llama", tmp_path / "out", "nf4", dora=True)
    request = ExportRequest(folder, 0.5, "adapter", tmp_path, TEXTS)
    with pytest.raises(Refusal, match="its magnitudes do not scale"):
        export_adapter("transformers_peft", experiment("llama").model, request)


def test_a_comparison_that_is_off_is_refused() -> None:
    measured = [torch.tensor([[0.0, 1.0], [2.0, 0.0]])]
    found = compared(measured, [torch.tensor([[0.0, 1.5], [0.0, 2.0]])], "peft")
    assert (found.max_difference, found.same_choice, found.positions) == (2.0, 0.5, 2)
    with pytest.raises(Refusal, match="does not compute what was measured"):
        require_close(found, 0.001, Path("x"))
    require_close(compared(measured, measured, "peft"), 0.0, Path("x"))
    broken = compared(measured, [torch.full((2, 2), float("nan"))], "peft")
    with pytest.raises(Refusal):
        require_close(broken, 0.001, Path("x"))


def test_a_backend_that_cannot_export_says_so() -> None:
    request = ExportRequest(Path("a"), 1.0, "adapter", Path("b"), TEXTS)
    with pytest.raises(Refusal, match="'endpoint' cannot export"):
        export_adapter("endpoint", experiment("llama").model, request)


# --- what may be exported, and what it says


def test_an_export_leads_back_to_its_run(run: Path, tmp_path: Path) -> None:
    to = tmp_path / "deep" / "adapter"
    origin, found = export(run, to)
    told = json.loads((to / PROVENANCE).read_text())
    assert (told["run"], told["cell"], told["verdict"], told["verdict_is_on_this_cell"]) == (
        "2026-11-20_smoke_0001",
        "step-000002_x0.50",
        "PROCEED",
        True,
    )
    assert told["base"]["name"] == "tiny_random:llama"
    assert told["adapter"] == origin.adapter_digest
    assert told["files"][ADAPTER_WEIGHTS] == sha256_file(to / ADAPTER_WEIGHTS)
    assert told["round_trip"]["max_difference"] == found.max_difference
    card = (to / CARD).read_text(encoding="utf-8")
    assert "PROCEED: pass@5 30% → 60%" in card
    assert "anyway" not in card
    assert json.loads((to / "adapter_config.json").read_text())["base_model_name_or_path"] == "tiny_random:llama"
    assert sorted(path.name for path in to.parent.iterdir()) == ["adapter"]


@pytest.mark.parametrize("form", ["adapter", "merged"])
def test_the_lines_on_the_card_load_the_export_without_this_project(
    run: Path, tmp_path: Path, form: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    to = tmp_path / "out"
    export(run, to, form)
    [lines] = re.findall(r"```python\n(.*?)```", (to / CARD).read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(to)
    loaded: dict[str, Any] = {}
    exec(lines, loaded)
    assert not {"luagate", "runner", "gates"} & set(re.findall(r"\w+", lines.partition("\n\n")[0]))
    tokens = loaded["tokenizer"]("local mod = {}", return_tensors="pt")
    assert loaded["model"](input_ids=tokens["input_ids"]).logits.shape[1] == tokens["input_ids"].shape[1]


def test_the_command_writes_says_how_near_it_is_and_refuses_by_exit_code(run: Path, tmp_path: Path, cli: Cli) -> None:
    overrides = ["model=tiny_random", "model.path=tiny_random:llama", "profile=smoke", "model.device=cpu"]
    (run / "run.json").write_text("{}")
    (run / "config.yaml").write_text(dump_config(compose_experiment(overrides)[1]))
    code, printed = cli("export", "--run", str(run), "--to", str(tmp_path / "out"))
    assert code == 0
    assert "verdict PROCEED" in printed
    assert "logits differ by at most" in printed
    assert (tmp_path / "out" / ADAPTER_WEIGHTS).is_file()
    code, printed = cli("export", "--run", str(run), "--to", str(tmp_path / "out"))
    assert (code, "already exists" in printed, "Traceback" in printed) == (2, True, False)


@pytest.mark.parametrize("form", ["adapter", "merged"])
def test_nothing_is_overwritten(run: Path, tmp_path: Path, form: Any) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(Refusal, match="already exists"):
        export(run, tmp_path / "there", form)
    assert not list((tmp_path / "there").iterdir())


@pytest.mark.parametrize("verdict", ["ADJUST", "INCONCLUSIVE"])
def test_a_run_that_is_not_to_proceed_is_exported_only_with_a_word_on_the_card(
    run: Path, tmp_path: Path, verdict: str
) -> None:
    decide(run, verdict)
    with pytest.raises(Refusal, match=verdict) as refused:
        export(run, tmp_path / "out")
    assert "--anyway" in refused.value.fix
    assert not (tmp_path / "out").exists()
    export(run, tmp_path / "out", anyway=True)
    assert f"**Exported with --anyway: the verdict on it is {verdict}.**" in (tmp_path / "out" / CARD).read_text()


def test_the_form_for_llama_cpp_is_the_adapter_with_one_file_more(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    export(run, tmp_path / "out", "gguf")
    assert "--lora adapter.gguf" in (tmp_path / "out" / CARD).read_text()
    files = json.loads((tmp_path / "out" / PROVENANCE).read_text())["files"]
    assert {ADAPTER_WEIGHTS, "adapter.gguf"} <= files.keys()
    assert files["adapter.gguf"] == sha256_file(tmp_path / "out" / "adapter.gguf")


def test_a_verdict_speaks_for_its_own_cell_alone(run: Path, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"UNDECIDED: gate E decided on step-000002_x0\.50 \(PROCEED\)"):
        export(run, tmp_path / "out", cell="step-000002_x1.00")


def test_a_run_without_a_decision_is_undecided(run: Path, tmp_path: Path) -> None:
    (run / "gate_e" / "report.json").unlink()
    with pytest.raises(Refusal, match="UNDECIDED: gate E has not decided on it"):
        export(run, tmp_path / "out")


def test_a_checkpoint_that_is_not_there_is_answered_with_those_that_are(run: Path, tmp_path: Path) -> None:
    with pytest.raises(Refusal) as refused:
        export(run, tmp_path / "out", cell="step-000004_x1.00", anyway=True)
    assert refused.value.fix == "Checkpoints: step-000002."


def test_an_adapter_that_was_touched_is_not_exported(run: Path, tmp_path: Path) -> None:
    path = run / "gate_c" / "checkpoints" / "step-000002" / ADAPTER_WEIGHTS
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\1\0")
    with pytest.raises(Refusal, match="is not what was saved"):
        export(run, tmp_path / "out")


def test_a_failed_export_leaves_nothing(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "training.backends.transformers_peft.exporting.write_baked",
        lambda *arguments: (_ for _ in ()).throw(Refusal("the disk is full.")),
    )
    (tmp_path / "exports").mkdir()
    with pytest.raises(Refusal, match="the disk is full"):
        export(run, tmp_path / "exports" / "out")
    assert not list((tmp_path / "exports").iterdir())
