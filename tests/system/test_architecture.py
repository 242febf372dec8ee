"""The layers and rooms of docs/architecture.md, enforced by reading imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from runner.runs.folder import Run

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
    "jinja2": ["runner/report", "training/backends/local/template"],
    "lupa": ["eval/sandbox", "eval/domains/luanti/verify"],
    "torch": ["training/backends", "training/tiny", "training/packaged/converting.py"],
    "transformers": ["training/backends", "training/tiny", "training/packaged/converting.py"],
    "peft": ["training/backends"],
    "bitsandbytes": ["training/backends"],
    "mlx": ["training/backends/mlx"],
    "mlx_lm": ["training/backends/mlx"],
    "httpx2": ["training/backends/endpoint", "eval/chat"],
    "luaparser": ["eval/domains/luanti/items/structure.py"],
    "tree_sitter": ["eval/domains/roblox/findings"],
    "tree_sitter_luau": ["eval/domains/roblox/findings"],
    "jsonschema": ["eval/domains/roblox/studio"],
    "mcp": ["runner/assisting"],
}
STDLIB = set(sys.stdlib_module_names)
BANNED_NAMES = {"utils", "util", "common", "helpers", "helper", "core", "manager", "misc"}


# The rooms of each layer, lowest first: a room imports rooms of its own line or of lines above it, and no circle closes.
# A module that lies beside the rooms is a room of its own.
ROOMS: dict[str, tuple[tuple[str, ...], ...]] = {
    "env": (
        ("refusal", "checks", "space", "cache", "estimates", "counts", "silence"),
        ("files", "servers"),
        ("reserve", "locking", "logs", "pins", "installed"),
        ("machine",),
        ("heartbeat", "requirements"),
    ),
    "eval": (
        ("records", "sandbox", "chat"),
        ("estimation", "overlap"),
        ("pipeline",),
        ("dealing",),
        ("domains", "decision", "judge", "correcting"),
        ("datasets", "simulate", "rejection"),
        ("interop", "curation"),
    ),
    "training": (
        ("records", "sampler", "loss_watch", "exports", "tiny", "tiny_random", "packaged"),
        ("hooks", "schedule", "checkpoints", "examples", "packing", "needs"),
        ("backends",),
        ("models",),
    ),
    "gates": (
        ("report",),
        ("recipe_settings",),
        ("settings", "versions"),
        ("context",),
        ("measuring",),
        (
            "plans",
            "rejudging",
            "correcting",
            "known_answers",
            "judging",
            "outside_completions",
            "a_environment",
            "b_baseline",
            "c_training",
            "d_sweep",
            "e_decision",
        ),
    ),
    "runner": (
        ("runs",),
        ("release", "launch", "validity"),
        ("views", "changing"),
        ("report", "advance", "repairing", "registry", "assisting"),
        ("screens", "publishing"),
        ("cli",),
        ("__main__",),
    ),
}
FULL_FOLDER = 14


@cache
def modules(layer: str) -> list[Path]:
    return sorted((PROJECT / layer).rglob("*.py"))


def dotted(path: Path) -> str:
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imported(path: Path) -> set[str]:
    """Top-level names of every import in a file, also of those inside functions and under TYPE_CHECKING."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


@cache
def arrows() -> dict[str, frozenset[str]]:
    """Return each of our modules with those it imports: at its head, in a function or under TYPE_CHECKING alike."""
    ours = {dotted(path): path for layer in LAYERS for path in modules(layer)}
    return {name: frozenset(_ours_in(path, ours) - {name}) for name, path in ours.items()}


def _ours_in(path: Path, ours: dict[str, Path]) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names if alias.name in ours)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.update({whole} if whole in ours else {node.module} & ours.keys())
    return found


def circles(graph: Mapping[str, Collection[str]]) -> list[tuple[str, ...]]:
    """Return a circle through each group of nodes that reach one another; [] where there is none."""
    sorter = TopologicalSorter(graph)
    try:
        sorter.prepare()
    except CycleError as error:
        return [tuple(error.args[1])]
    return []


def room_of(module: str) -> str:
    """Return "pipeline" for "eval.pipeline.loop" and "" for "eval" itself."""
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_only_the_layers_below_it(layer: str) -> None:
    allowed = OURS[layer] | {layer}
    crossings = {
        path.relative_to(PROJECT).as_posix(): sorted(crossing)
        for path in modules(layer)
        if (crossing := (imported(path) & set(LAYERS)) - allowed)
    }
    assert not crossings


def test_no_module_imports_itself_by_a_circle() -> None:
    assert not circles(arrows())


@pytest.mark.parametrize("layer", LAYERS)
def test_every_room_has_its_place(layer: str) -> None:
    there = {room_of(name) for name in arrows() if name.startswith(f"{layer}.")}
    planned = {room for line in ROOMS[layer] for room in line}
    assert there <= planned, "give a new room its line in ROOMS"


@pytest.mark.parametrize("layer", LAYERS)
def test_no_arrow_runs_from_a_lower_room_to_a_higher_one(layer: str) -> None:
    height = {room: line for line, rooms in enumerate(ROOMS[layer]) for room in rooms} | {"": -1}
    upward = [
        f"{name} imports {other}"
        for name, others in arrows().items()
        if name.split(".")[0] == layer
        for other in others
        if other.split(".")[0] == layer and height[room_of(other)] > height[room_of(name)]
    ]
    assert not upward


@pytest.mark.parametrize("layer", LAYERS)
def test_no_room_imports_itself_by_a_circle(layer: str) -> None:
    graph: dict[str, set[str]] = {}
    for name, others in arrows().items():
        if name.split(".")[0] == layer and room_of(name):
            own = {room_of(other) for other in others if other.split(".")[0] == layer}
            graph.setdefault(room_of(name), set()).update(own - {room_of(name), ""})
    assert not circles(graph)


def test_an_upward_arrow_and_a_circle_would_be_seen() -> None:
    assert circles({"a": ["b"], "b": ["c"], "c": ["a"]})
    assert not circles({"a": ["b", "c"], "b": ["c"]})


def test_no_two_test_files_share_a_name() -> None:
    names = Counter(path.name for path in (PROJECT / "tests").rglob("test_*.py"))
    assert not [name for name, count in names.items() if count > 1], "pytest imports a test file by its bare name"


def test_a_folder_holds_what_a_reader_can_overlook() -> None:
    full = {
        folder.relative_to(PROJECT).as_posix(): len(files)
        for layer in LAYERS
        for folder in {path.parent for path in modules(layer)}
        if len(files := [file for file in folder.glob("*.py") if file.stem not in ("__init__", "__main__")])
        > FULL_FOLDER
    }
    assert not full


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


# Libraries and rooms that take a tenth of a second or more to import; typer itself imports pydantic where options are read.
SLOW_TO_IMPORT = (
    *("torch", "transformers", "lupa", "hydra", "omegaconf", "numpy", "rich", "jinja2", "jsonschema"),
    *("gates.settings", "gates.report", "eval.datasets", "eval.domains"),
)


@pytest.mark.parametrize("arguments", [["status"], ["status", "--json"], ["--help"], ["runs"]])
def test_reading_commands_never_load_torch(arguments: list[str], finished: Run) -> None:
    never = (*SLOW_TO_IMPORT, "pydantic", "yaml") if arguments == ["--help"] else SLOW_TO_IMPORT
    code = (
        "import sys; from runner.cli import main; sys.argv = ['runner', *sys.argv[1:]]; code = main();"
        f"sys.exit(code or ', '.join(name for name in {never} if name in sys.modules) or 0)"
    )
    extra = [] if arguments == ["--help"] else ["--results", str(finished.folder.parent)]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments, *extra], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
