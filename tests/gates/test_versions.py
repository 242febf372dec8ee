"""The versions that a gate's numbers depend on: those of its own backend, all of them."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from eval.domains import domain_named
from gates.report import GateReport
from gates.versions import versions_of
from runner.validity.equivalence import Installation, difference
from training.backends import BACKENDS, Backend

OTHER = "computed with other versions"
LUANTI = domain_named("luanti")
ROWS = pytest.mark.parametrize("backend", BACKENDS.values(), ids=lambda backend: backend.name)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Versions that packages seem to have here; what is not named is not installed."""
    versions: dict[str, str] = {}

    def version(name: str) -> str:
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr("gates.versions.metadata.version", version)
    return versions


def reason(before: dict[str, str], now: dict[str, str], folder: Path) -> str:
    """Why a gate computed with versions ``before`` is not reused ``now``, all else equal."""
    (folder / "judge.lua").write_text("")
    (folder / "report.json").write_text("")
    report = GateReport(
        gate="b",
        title="",
        status="passed",
        headline="",
        started_at="",
        finished_at="",
        seconds=1.0,
        inputs={},
        versions=before,
        source_files={"judge.lua": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    )
    return difference(report, report, Installation(folder, now))


@ROWS
def test_another_version_of_any_package_of_the_backend_stops_reuse(
    backend: Backend, installed: dict[str, str], tmp_path: Path
) -> None:
    installed.update(dict.fromkeys(backend.packages, "1.0"))
    before = versions_of(backend, LUANTI)
    assert OTHER not in reason(before, versions_of(backend, LUANTI), tmp_path)
    for name in backend.packages:
        installed[name] = "2.0"
        assert f"{name} 1.0, now 2.0" in reason(before, versions_of(backend, LUANTI), tmp_path)
        del installed[name]
        assert f"{name} 1.0, now none" in reason(before, versions_of(backend, LUANTI), tmp_path)
        installed[name] = "1.0"


@ROWS
def test_another_version_of_another_backend_s_package_stops_none(
    backend: Backend, installed: dict[str, str], tmp_path: Path
) -> None:
    others = {name for other in BACKENDS.values() for name in other.packages} - set(backend.packages)
    assert others
    installed.update(dict.fromkeys(backend.packages, "1.0"))
    before = versions_of(backend, LUANTI)
    installed.update(dict.fromkeys(others, "9.9"))
    assert OTHER not in reason(before, versions_of(backend, LUANTI), tmp_path)


def test_another_version_of_what_the_domain_judges_with_stops_reuse(installed: dict[str, str], tmp_path: Path) -> None:
    assert "lupa" in LUANTI.packages
    installed.update(dict.fromkeys(LUANTI.packages, "1.0"))
    before = versions_of(BACKENDS["mlx"], LUANTI)
    for name in LUANTI.packages:
        installed[name] = "2.0"
        assert f"{name} 1.0, now 2.0" in reason(before, versions_of(BACKENDS["mlx"], LUANTI), tmp_path)
        installed[name] = "1.0"


def test_what_is_installed_here_is_reported_with_python() -> None:
    found = versions_of(BACKENDS["transformers_peft"], LUANTI)
    assert {"python", "numpy", "lupa", "torch", "transformers", "peft", "jinja2"} <= found.keys()
