"""The layer table of the design, enforced by reading imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
LAYERS = ("env", "eval", "training", "gates", "runner")
OURS = {
    "env": set(),
    "eval": {"env"},
    "training": {"env"},
    "gates": {"env", "eval", "training"},
    "runner": {"env", "eval", "training", "gates"},
}
NEVER = {
    "env": set(),
    "eval": {"torch", "hydra", "rich", "typer"},
    "training": {"hydra", "rich", "typer"},
    "gates": {"hydra", "rich", "typer", "transitions"},
    "runner": {"torch", "mlx", "lupa"},
}
HOMES = {
    "hydra": ["runner/runs/config.py"],
    "transitions": ["runner/runs/state_machine.py"],
    "typer": ["runner/cli"],
    "rich": ["runner/screens"],
    "jinja2": ["runner/report"],
    "lupa": ["eval/sandbox", "eval/domains/luanti/verify"],
    "torch": ["training/backends", "training/tiny"],
    "transformers": ["training/backends", "training/tiny"],
    "peft": ["training/backends"],
    "bitsandbytes": ["training/backends"],
    "mlx": ["training/backends/mlx"],
    "mlx_lm": ["training/backends/mlx"],
    "luaparser": ["eval/domains/luanti/items/structure.py"],
}
STDLIB = set(sys.stdlib_module_names)
BANNED_NAMES = {"utils", "util", "common", "helpers", "helper", "core", "manager", "misc"}


def modules(layer: str) -> list[Path]:
    return sorted((PROJECT / layer).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Top-level names of every import in a file, also of those inside functions and under TYPE_CHECKING."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_only_the_layers_below_it(layer: str) -> None:
    allowed = OURS[layer] | {layer}
    crossings = {
        path.relative_to(PROJECT).as_posix(): sorted(crossing)
        for path in modules(layer)
        if (crossing := (imported(path) & set(LAYERS)) - allowed)
    }
    assert not crossings


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_stays_free_of_the_libraries_it_must_not_know(layer: str) -> None:
    found = {
        path.relative_to(PROJECT).as_posix(): sorted(bad)
        for path in modules(layer)
        if (bad := imported(path) & NEVER[layer])
    }
    assert not found


@pytest.mark.parametrize("library", sorted(HOMES))
def test_a_heavy_library_has_one_home(library: str) -> None:
    strays = [
        name
        for layer in LAYERS
        for path in modules(layer)
        if library in imported(path)
        and not (name := path.relative_to(PROJECT).as_posix()).startswith(tuple(HOMES[library]))
    ]
    assert not strays


def test_no_module_is_named_like_one_of_the_standard_library_or_like_a_drawer() -> None:
    names = {path.stem for layer in LAYERS for path in modules(layer)} - {"__init__", "__main__"}
    assert not names & BANNED_NAMES
    # records.py and sampling.py are ours; a top-level clash is what shadows, but a reader should not have to wonder
    assert not names & (STDLIB - {"platform"})


@pytest.mark.parametrize("layer", LAYERS)
def test_every_module_says_in_its_docstring_what_it_is(layer: str) -> None:
    silent = [
        path.relative_to(PROJECT).as_posix()
        for path in modules(layer)
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not silent


@pytest.mark.parametrize("arguments", [["status"], ["--help"], ["runs"]])
def test_reading_commands_never_load_torch(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys; from runner.cli import main; sys.argv = ['runner', *sys.argv[1:]]; main();"
        "sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'lupa', 'hydra')))"
    )
    extra = [] if arguments == ["--help"] else ["--results", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, *extra], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
