"""The builtin verifier names the installed engine, is taken where no server is, and is refused without its files."""

from __future__ import annotations

import pytest

from env.refusal import Refusal
from eval.domains.luanti.verify import builtin
from eval.domains.luanti.verify.automatic import choose
from eval.domains.luanti.verify.engine.installation import Installation
from tests.support.engine_claims import NEEDS_BUILTIN, NODE, judging
from tests.support.luanti import open_verifier
from tests.support.settings import verifier_settings


@pytest.mark.parametrize("name", [pytest.param("builtin", marks=NEEDS_BUILTIN)])
def test_the_verdict_names_the_installed_version(name: str) -> None:
    with judging(name) as judge:
        verdict = judge(NODE % "", 'fail("x")')
    assert verdict.verifier.startswith("builtin/")
    assert verdict.verifier.split("/")[1][0].isdigit()
    assert verdict.detail == "c1: x"


def test_without_its_files_builtin_is_refused_with_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtin, "find_installation", lambda _: Installation("", ""))
    with pytest.raises(Refusal, match="minetest-server"):
        open_verifier(verifier_settings(name="builtin", workers=1))


@pytest.mark.parametrize(
    ("server", "folder", "name"),
    [("/s", "/b", "engine"), ("/s", "", "engine"), ("", "/b", "builtin"), ("", "", "recorder")],
)
def test_auto_takes_the_most_faithful_verifier_that_is_installed(server: str, folder: str, name: str) -> None:
    chosen, reason = choose(Installation(server, folder))
    assert chosen == name
    assert "engine" in reason


def test_auto_says_what_it_chose_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eval.domains.luanti.verify.automatic.find_installation", lambda _: Installation("", ""))
    with open_verifier(verifier_settings(name="auto", workers=1)) as opened:
        assert opened.choice == "recorder: the engine is not installed"
        assert opened.name.startswith("recorder/")
