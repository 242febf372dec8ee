"""Threads and number format follow from cores, limits, other programs, the processor and the model's size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from env.machine.hardware import Processor, bfloat16_unit
from runner.runs.config import compose_experiment
from tests.support.settings import model_settings
from training.backends.transformers_peft import choosing
from training.backends.transformers_peft.choosing import choose_dtype, choose_threads

LARGE, SMALL = 500_000_000, 2_000_000


@pytest.mark.parametrize(
    ("usable", "limited_by", "busy", "omp", "settings", "parameters", "threads", "reason"),
    [
        (8.0, "", 0.0, "", {}, LARGE, 8, "8 usable cores"),
        (2.5, "cgroup CPU quota", 0.1, "", {}, LARGE, 2, "2.5 usable cores (cgroup CPU quota)"),
        (8.0, "", 5.2, "", {}, LARGE, 3, "5.2 of them busy with other programs"),
        (2.0, "", 2.0, "", {}, LARGE, 1, "2.0 of them busy"),
        (8.0, "", 0.0, "", {"processes": 4}, LARGE, 2, "for 4 processes"),
        (8.0, "", 0.0, "3", {}, LARGE, 3, "OMP_NUM_THREADS; without it 8"),
        (2.0, "", 0.0, "16", {}, LARGE, 2, "2 usable cores"),
        (2.0, "", 0.0, "4,2", {}, LARGE, 2, "2 usable cores"),
        (64.0, "", 0.0, "", {}, SMALL, 1, "2.0 M parameters are too few"),
        (8.0, "", 8.0, "1", {"threads": 5}, LARGE, 5, "requested"),
    ],
)
def test_threads_never_exceed_what_is_free_or_what_the_user_set(
    usable: float,
    limited_by: str,
    busy: float,
    omp: str,
    settings: dict[str, int],
    parameters: int,
    threads: int,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choosing, "processor", lambda: Processor("", 64, usable, limited_by))
    monkeypatch.setattr(choosing, "busy_cores", lambda: busy)
    monkeypatch.setenv("OMP_NUM_THREADS", omp)
    count, why = choose_threads(model_settings("model", **settings), parameters)
    assert (count, reason in why) == (threads, True), why


@pytest.mark.parametrize(
    ("unit", "parameters", "settings", "dtype"),
    [
        ("avx512_bf16", LARGE, {"quantization": "none"}, "bfloat16"),
        ("amx_bf16", LARGE, {"quantization": "none"}, "bfloat16"),
        ("", LARGE, {"quantization": "none"}, "float32"),
        ("avx512_bf16", SMALL, {"quantization": "none"}, "float32"),
        ("avx512_bf16", LARGE, {"quantization": "nf4"}, "float32"),
        ("avx512_bf16", LARGE, {"quantization": "none", "dtype": "float32"}, "float32"),
    ],
)
def test_a_processor_computes_in_bfloat16_where_that_was_measured_to_pay(
    unit: str, parameters: int, settings: dict[str, Any], dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "bfloat16_unit", lambda: unit)
    chosen, reason = choose_dtype(model_settings("model", **settings), "cpu", parameters)
    assert str(chosen) == f"torch.{dtype}"
    assert reason


def test_the_embedded_model_computes_in_float32_on_every_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "bfloat16_unit", lambda: "amx_bf16")
    settings = compose_experiment(["profile=tiny"])[0].model
    assert choose_dtype(settings, "cpu", LARGE)[1] == "requested"
    assert choose_dtype(settings, "cpu", LARGE)[0].is_floating_point
    assert str(choose_dtype(settings, "cpu", LARGE)[0]) == "torch.float32"


@pytest.mark.parametrize(
    ("flags", "unit"),
    [("fpu avx512_bf16 amx_bf16", "amx_bf16"), ("fpu avx512_bf16 amx_tile", "avx512_bf16"), ("fpu avx2", "")],
)
def test_the_bfloat16_unit_is_read_from_the_processor_s_flags(flags: str, unit: str, tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(f"model name : X\nflags : {flags}\n")
    assert bfloat16_unit(tmp_path) == unit
    assert bfloat16_unit(tmp_path / "none") == ""
