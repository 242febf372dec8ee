"""Every check that can stop Gate A has a key of gate.a.waivers, and its fix tells that key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from env.checks import Check
from gates.a_environment.waiving import NOT_WAIVABLE, waive, waiver_key
from tests.support.settings import composed

PROJECT = Path(__file__).resolve().parents[2]
# The first argument of judged(...), and its second where that can be "block".
BLOCKING = re.compile(r'judged\(\s*(?:name|f?"(?P<name>[^"]+)"),\s*(?:"block"|level|"warn" if|"block" if)')
# Where their names come from: _optional(name, ...), and the tiers of leaks.
BY_VARIABLE = ("engine", "bubblewrap", "exact leaks", "near leaks", "partial leaks")


def stopping() -> set[str]:
    """Return the names of the checks that can stop Gate A, as the code spells them."""
    files = [PROJECT / "env" / "requirements.py", *(PROJECT / "gates" / "a_environment").glob("*.py")]
    found = {match["name"] for file in files for match in BLOCKING.finditer(file.read_text(encoding="utf-8"))}
    return {*(name for name in found if name), *BY_VARIABLE}


def test_every_check_that_can_stop_has_a_waiver_key() -> None:
    keys = composed().gate.a.waivers
    names = stopping()
    assert {"python", "gpu memory", "model memory", "near misses", "torch build"} <= names
    assert sorted(name for name in names - NOT_WAIVABLE if waiver_key(name) not in keys) == []
    assert {waiver_key(name) for name in names} >= set(keys)


@pytest.mark.parametrize(
    ("name", "key"), [("model memory", "model_memory"), ("package torch", "packages"), ("package", "package")]
)
def test_a_check_s_key_is_its_name(name: str, key: str) -> None:
    assert waiver_key(name) == key


def test_a_fix_tells_the_waiver_and_a_waiver_lets_the_check_pass() -> None:
    failed = Check("model memory", "block", False, "30.4 GB", fix="Lower model.batch_size.")
    [told] = waive([failed], {"model_memory": None})
    assert told.blocks
    assert told.fix == "Lower model.batch_size. Or waive: gate.a.waivers.model_memory='<reason>'."
    [waived] = waive([failed], {"model_memory": "it was measured"})
    assert not waived.blocks
    assert waived.waived == "it was measured"
    assert waive([told], {"model_memory": None}) == [told]


def test_what_nothing_can_be_done_without_is_not_waived() -> None:
    for name in NOT_WAIVABLE:
        failed = Check(name, "block", False, "x", fix="Do it.")
        assert waive([failed], {waiver_key(name): "no"}) == [failed]
