"""The table of backends: plain data that everything about a backend is read from."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import pytest
import yaml

from env.pins import find_lock, read_pins
from env.refusal import Refusal
from tests.support.runs import PROJECT
from training.backends import BACKENDS, Backend, require_installed, require_quantization, require_trainer

ROWS = pytest.mark.parametrize("backend", BACKENDS.values(), ids=lambda backend: backend.name)


def test_listing_the_backends_imports_none_of_them() -> None:
    heavy = ("torch", "transformers", "mlx", "unsloth", "numpy")
    code = f"import sys, training.backends; sys.exit(any(m in sys.modules for m in {heavy!r}))"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=False).returncode == 0


@ROWS
def test_a_row_names_what_is_there(backend: Backend) -> None:
    assert find_spec(backend.module) is not None
    pins = {pin.name for lock in backend.locks for pin in read_pins(find_lock(lock))}
    assert set(backend.packages) & pins, "a lock pins none of the packages that its numbers depend on"
    group = "sampler" if backend.serves else "backend"
    config = yaml.safe_load((PROJECT / "conf" / group / f"{backend.name}.yaml").read_text())
    assert config.get("backend", config)["name"] == backend.name


def test_the_table_in_the_readme_is_this_table() -> None:
    def told(backend: Backend) -> str:
        abilities = [("no", "yes")[can] for can in (backend.trains, backend.exports)]
        cells = [f"`{backend.name}`", ", ".join(backend.quantizations), *abilities, backend.install]
        return f"| {' | '.join(cells)} |"

    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    table = "\n".join(told(backend) for backend in BACKENDS.values())
    assert f"|---|---|---|---|---|\n{table}\n\n" in readme


@ROWS
def test_a_missing_library_is_refused_with_its_install_line(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.backends.find_spec", lambda name: None)
    with pytest.raises(Refusal, match="not installed") as refused:
        require_installed(backend.name)
    assert refused.value.fix == f"Install it: {backend.install}."


@ROWS
def test_a_quantization_of_another_backend_is_refused_with_who_can_hold_it(backend: Backend) -> None:
    for other in BACKENDS.values():
        for quantization in set(other.quantizations) - set(backend.quantizations):
            with pytest.raises(Refusal, match=f"backend {backend.name} cannot hold it") as refused:
                require_quantization(backend.name, quantization)
            assert other.name in refused.value.fix


def test_a_backend_that_cannot_train_is_refused_with_those_that_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKENDS, "served", replace(BACKENDS["mlx"], name="served", trains=False))
    with pytest.raises(Refusal, match="'served' cannot train") as refused:
        require_trainer("served")
    assert "transformers_peft" in refused.value.fix
    assert "served" not in refused.value.fix
