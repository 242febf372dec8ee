"""A verdict's findings: fields that the API does not know, of the wrong type or out of range, whoever judges."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from env.refusal import Refusal
from eval.domains.luanti.verify.field_facts import CHOICE_SINCE, FIELDS, SINCE
from eval.domains.luanti.verify.findings import MOST_FINDINGS, findings_in
from eval.pipeline.verifier import Job, Verifier
from eval.records import Candidate, Completion, Outcome, Sample, Verdict, sample_from_json
from tests.support.luanti import extract, open_verifier, read_bench
from tests.support.real_registrations import FILE, as_program, rows
from tests.support.settings import verifier_settings

Findings = Callable[[str], tuple[str, ...]]
NODE = 'core.register_node("mymod:lamp", {%s})'

# program -> its findings, as the API's documentation has them
FOUND = {
    NODE % "light_source = 15": ["node mymod:lamp: light_source is 15, outside 0..14"],
    NODE % 'tile_images = {"a.png"}': ['node mymod:lamp: unknown field "tile_images", nearest is "tiles"'],
    NODE % 'drawtype = "nodebx"': ['node mymod:lamp: drawtype is "nodebx", not known, nearest is "nodebox"'],
    NODE % 'walkable = "no", waving = 1.5': [
        "node mymod:lamp: walkable is text, not a boolean",
        "node mymod:lamp: waving is 1.5, not a whole number",
    ],
    NODE % '"tiles"': ['node mymod:lamp: unknown field "[1]"'],
    'core.register_tool("mymod:axe", {groups = "choppy"})': ["tool mymod:axe: groups is text, not a table"],
    'core.register_tool("mymod:axe", {walkable = true})': ['tool mymod:axe: unknown field "walkable"'],
    'core.register_craftitem(":mymod:a", {stack_max = 0})': ["craftitem mymod:a: stack_max is 0, outside 1..65535"],
    'core.register_node("mymod:a", {}) core.override_item("mymod:a", {light_sorce = 3})': [
        'item mymod:a: unknown field "light_sorce", nearest is "light_source"'
    ],
    'core.register_entity("mymod:e", {initial_properties = {visul = "cube", hp_max = "3"}})': [
        "entity mymod:e: initial_properties.hp_max is text, not a number",
        'entity mymod:e: unknown field "visul" in initial_properties, nearest is "visual"',
    ],
    'core.register_entity("mymod:e", {hp_max = 3, on_stp = print})': [
        'entity mymod:e: "hp_max" belongs in initial_properties',
        'entity mymod:e: unknown field "on_stp", nearest is "on_step"',
    ],
    'core.register_abm({label = "melt", nodenames = {"a"}, chanse = 2, chance = -1, action = print})': [
        "abm melt: chance is -1, outside 0..4294967295",
        'abm melt: unknown field "chanse", nearest is "chance"',
    ],
    'core.register_lbm({name = "mymod:x", nodenames = {"a"}, run_at_every_load = 1, action = print})': [
        "lbm mymod:x: run_at_every_load is a number, not a boolean"
    ],
    'core.register_craft({output = "mymod:a 2", recipe = {{"a"}}, cooktime = 3})': [
        'craft mymod:a 2: unknown field "cooktime"'
    ],
    'core.register_craft({type = "fuel", recipe = "a", burn_time = 3})': [
        'craft a: unknown field "burn_time", nearest is "burntime"'
    ],
    'core.register_chatcommand("hi", {privileges = {}, func = print})': [
        'chatcommand hi: unknown field "privileges", nearest is "privs"'
    ],
    'core.register_privilege("fly", {description = 3})': ["privilege fly: description is a number, not text"],
    'core.register_biome({name = "cold", y_max = 40000, node_topp = "a"})': [
        'biome cold: unknown field "node_topp", nearest is "node_top"',
        "biome cold: y_max is 40000, outside -32768..32767",
    ],
    'core.register_ore({ore_type = "scatter", ore = "mymod:a", wherein = "b", clust_size = -1})': [
        "ore mymod:a: clust_size is -1, outside 0..32767"
    ],
    'core.register_decoration({deco_type = "simple", decoration = "a", place_on = "b", sidelen = 0})': [
        "decoration a: sidelen is 0, outside 1..32767"
    ],
}

NOT_FOUND = [
    NODE % "_mine = 1, _doc = {}, light_source = 14, tiles = {}, on_timer = print",
    NODE % "pointable = 'blocking', drop = {}, use_texture_alpha = true",
    'core.register_entity("mymod:e", {driver = 1, fuel = {}, set_speed = print, _x = 1})',
    'core.register_privilege("fly", "may fly")',
    'core.register_node("mymod:a", {}) local copy = table.copy(core.registered_nodes["mymod:a"]) '
    'core.register_node("mymod:b", copy)',
]

HOSTILE = {
    "metatables": "local function no() error('ran') end core.register_node('mymod:a', setmetatable({light_source = 15}, "
    "{__pairs = no, __len = no, __tostring = no, __eq = no}))",
    "a table that holds itself": "local t = {light_source = 15} t.t, t[t] = t, t core.register_node('mymod:a', t)",
    "a huge table": "local t = {} for i = 1, 1e5 do t['k' .. i] = i end core.register_node('mymod:a', t)",
    "many definitions": "for i = 1, 3000 do core.register_craftitem('mymod:a' .. i, {bad = 1}) end",
    "forged lines": "core.register_node('mymod:a', {['x\\ny\\tz'] = 'a\\nnode b\\nsdrawtype\\tq'})",
}


def opened(name: str) -> Verifier:
    """Return the verifier of a name; skip the test where it is not installed."""
    try:
        return open_verifier(verifier_settings(name=name, workers=2))
    except Refusal as refusal:
        pytest.skip(f"{name}: {refusal}")


@pytest.fixture(
    scope="module",
    params=[
        "recorder",
        pytest.param("builtin", marks=[pytest.mark.debian, pytest.mark.xdist_group("builtin")]),
        pytest.param("engine", marks=[pytest.mark.debian, pytest.mark.xdist_group("engine")]),
    ],
)
def verifier(request: pytest.FixtureRequest) -> Iterator[Verifier]:
    with opened(request.param) as running:
        yield running


@pytest.fixture
def find(verifier: Verifier) -> Findings:
    return lambda code: verifier.submit(Job(code)).result(timeout=60).findings


@pytest.mark.parametrize("code", FOUND)
def test_a_definition_is_held_against_the_api(find: Findings, code: str) -> None:
    assert list(find(code)) == FOUND[code]


@pytest.mark.parametrize("code", NOT_FOUND)
def test_what_the_api_takes_or_is_a_mods_own_is_no_finding(find: Findings, code: str) -> None:
    assert find(code) == ()


def test_a_finding_is_not_an_outcome(verifier: Verifier) -> None:
    verdict = verifier.submit(Job(NODE % "light_source = 15, nonsense = 1")).result(timeout=60)
    assert verdict.outcome is Outcome.PASSED
    assert len(verdict.findings) == 2


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_definition_is_looked_at_without_running_it(verifier: Verifier, name: str) -> None:
    first, second = (verifier.submit(Job(HOSTILE[name])).result(timeout=60) for _ in range(2))
    assert first.outcome is Outcome.PASSED
    assert 0 < len(first.findings) <= MOST_FINDINGS
    assert first.findings == second.findings
    assert all(len(finding) < 300 and "\n" not in finding for finding in first.findings)


def test_a_huge_definition_is_one_finding(find: Findings) -> None:
    assert find(HOSTILE["a huge table"]) == ("node mymod:a: more fields than the API has",)


def test_no_reference_of_the_benchmark_has_a_finding() -> None:
    """0 of 264: measured under the recorder and builtin on the benchmark as shipped."""
    with opened("recorder") as running:
        codes = {task.id: extract(task, task.reference).code for task in read_bench()}
        futures = {name: running.submit(Job(code)) for name, code in codes.items() if code is not None}
        found = {name: future.result(timeout=60).findings for name, future in futures.items()}
    assert len(found) > 200
    assert {name: findings for name, findings in found.items() if findings} == {}


@pytest.mark.skipif(not FILE.is_file(), reason="the recorded registrations are not beside this checkout")
def test_few_published_registrations_have_findings() -> None:
    """12 of 438: eight with fields that the API does not have or not there, four whose value a stand-in replaced."""
    with opened("recorder") as running:
        futures = [running.submit(Job(as_program(row))) for row in rows() if row["engine_5_6_1_loads"]]
        found = [future.result(timeout=60).findings for future in futures]
    assert sum(map(bool, found)) == 12
    assert sum("unknown field" in finding for findings in found for finding in findings) == 4


def test_a_field_that_came_after_the_engine_is_a_finding_there_and_nowhere_else() -> None:
    shapes = ["lbm\nmymod:a\nfbulk_action\t", "node\nmymod:b\nsparamtype2\t4dir", "node\nmymod:c\nsdrop\tx"]
    assert findings_in(shapes) == findings_in(shapes, (5, 10)) == ()
    assert findings_in(shapes, (5, 6)) == (
        'lbm mymod:a: "bulk_action" came with Luanti 5.10, this engine is 5.6',
        'node mymod:b: paramtype2 "4dir" came with Luanti 5.7, this engine is 5.6',
    )


def test_every_later_field_is_one_that_the_api_has() -> None:
    known = {key for fields in FIELDS.values() for key in fields}
    assert set(SINCE) <= known
    assert all(choice in FIELDS["node"].get(key, FIELDS["properties"].get(key)).choices for key, choice in CHOICE_SINCE)


def test_no_kind_has_more_fields_than_a_shape_may_hold() -> None:
    most_in_a_shape = 150  # MOST_FIELDS_OF_ONE of shapes.lua
    assert max(map(len, FIELDS.values())) < most_in_a_shape


@pytest.mark.parametrize(
    ("shape", "error"),
    [
        ("one line", ValueError),
        ("no such kind\nname\nsfield\tvalue", KeyError),
        ("node\nname\nno tab", ValueError),
    ],
)
def test_a_text_that_is_no_shape_is_refused(shape: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        findings_in([shape])


def test_a_stored_line_without_findings_is_still_read() -> None:
    verdict = Verdict(Outcome.PASSED, "", 0.1, "recorder", "process", findings=("node a: x",))
    sample = Sample("t", 0, "base", 1, Completion("x", "stop", 1), Candidate("x", "bare"), verdict)
    line = json.loads(json.dumps(sample.to_json()))
    assert sample_from_json(line) == sample
    del line["verdict"]["findings"]
    assert sample_from_json(line).verdict.findings == ()
