"""A program runs as the mod whose names it registers, under every verifier alike, unless its task names the mod."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from eval.domains.luanti.mod_names import CHECKER_MOD, DEFAULT_MOD, mod_name_of, mod_of
from eval.pipeline.verifier import Job
from eval.records import Outcome
from tests.support.engine_claims import NEEDS_BUILTIN, NEEDS_ENGINE, Judge, judging

GARDEN = 'core.register_node("garden:apple", {tiles = {"apple.png"}})'


@pytest.fixture(
    scope="module",
    params=[
        "recorder",
        pytest.param("builtin", marks=list(NEEDS_BUILTIN)),
        pytest.param("engine", marks=list(NEEDS_ENGINE)),
    ],
)
def judge(request: pytest.FixtureRequest) -> Iterator[Judge]:
    with judging(request.param) as run:
        yield run


def test_a_program_of_any_mod_runs_as_that_mod(judge: Judge) -> None:
    for name in ("garden", "orchard", "garden"):
        code = GARDEN.replace("garden", name)
        verdict = judge(code, f'expect(node("{name}:apple"), "none")', mod_name="")
        assert (verdict.outcome, verdict.detail) == (Outcome.PASSED, "")


def test_a_program_sees_the_mods_name_and_path_while_it_loads(judge: Judge) -> None:
    code = (
        f'{GARDEN} assert(core.get_current_modname() == "garden") assert(core.get_modpath("garden"))'
        'assert(not core.get_modpath("mymod")) assert(core.registered_nodes["garden:apple"].mod_origin == "garden")'
    )
    assert judge(code, mod_name="").detail == ""


def test_a_task_that_names_the_mod_refuses_names_of_another(judge: Judge) -> None:
    verdict = judge(GARDEN, mod_name="orchard")
    assert verdict.outcome is Outcome.RUNTIME_ERROR
    assert 'Name garden:apple does not follow naming conventions: "orchard:"' in verdict.detail
    assert judge(GARDEN, mod_name="garden").outcome is Outcome.PASSED


def test_names_of_two_mods_in_one_program_are_still_an_error(judge: Judge) -> None:
    both = f'{GARDEN} core.register_node("garden:pear", {{}}) core.register_node("orchard:plum", {{}})'
    verdict = judge(both, mod_name="")
    assert verdict.outcome is Outcome.RUNTIME_ERROR
    assert 'Name orchard:plum does not follow naming conventions: "garden:"' in verdict.detail


def test_no_program_passes_for_the_mod_that_judges(judge: Judge) -> None:
    verdict = judge(f'core.register_node("{CHECKER_MOD}:a", {{}}) core.request_insecure_environment()', mod_name="")
    assert verdict.outcome is Outcome.RUNTIME_ERROR
    assert f'"{DEFAULT_MOD}:"' in verdict.detail


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (GARDEN, "garden"),
        ("minetest.register_craftitem('x_farm:seed', {})", "x_farm"),
        ('core.register_lbm({label = "grow", name = "garden:grow", nodenames = {"default:dirt"}})', "garden"),
        ('core.register_entity "garden:bee"', "garden"),
        ('local register = 1\ncore.register_tool(\n\t"garden:spade", {})', "garden"),
        ('core.register_node(":default:stone", {})', ""),
        ('core.override_item("default:stone", {})', ""),
        ('core.register_craft({output = "default:stone"})', ""),
        ('-- core.register_node("other:a", {})\ncore.register_node("garden:a", {})', "garden"),
        ('core.register_node("a:x", {}) core.register_node("b:x", {}) core.register_node("b:y", {})', "b"),
        ('core.register_node("a:x", {}) core.register_node("b:x", {})', "a"),
        ('core.register_node("Not A Mod:x", {})', ""),
        ("core.register_node(core.get_current_modname() .. ':x', {})", ""),
        ("return 1", ""),
    ],
)
def test_the_mods_name_is_read_from_the_names_that_a_program_registers(code: str, name: str) -> None:
    assert mod_name_of(code) == name
    assert mod_of(Job(code)) == (name or DEFAULT_MOD)
    assert mod_of(Job(code, mod_name="named")) == "named"
