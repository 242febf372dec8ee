"""Random numbers, noise, voxels, areas and rays: the models give what engine 5.6.1 gave, to the digit where it has one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from eval.records import Outcome
from tests.support.engine_claims import NEEDS_BUILTIN, NEEDS_ENGINE, NODE, Judge, judging

ALL_THREE = [
    pytest.param("engine", marks=NEEDS_ENGINE),
    pytest.param("builtin", marks=NEEDS_BUILTIN),
    pytest.param("recorder"),
]
# Puts its arguments into the list that the check compares.
PUT = "out = {} local function put(...) for i = 1, select('#', ...) do out[#out + 1] = select(i, ...) end end\n"
# What needs a map is called by the check, when there is one.
ACT = NODE % "" + ' core.register_node("mymod:b", {}) %s ' + PUT + "function act() %s end"

LOADED = {
    "PCG, with its range and its normal distribution": (
        "local r = PcgRandom(42) put(r:next(), r:next(1, 6), r:next(-5, 100), r:rand_normal_dist(1, 10)) "
        "r = PcgRandom(-7, 5) put(r:next(), r:next(0, 2147483647)) put(PcgRandom(1e12):next(), PcgRandom(2 ^ 53):next())",
        "{-248486166, 3, 9, 6, 1233293201, 984417275, -1600189443, 320898019}",
    ),
    "the old generator, for seeds of either sign": (
        "for _, s in ipairs({0, 12345, -99, 4294967295}) do local p = PseudoRandom(s) put(p:next(), p:next(1, 10), p:next(0, 6000)) end",
        "{0, 10, 3988, 21469, 10, 4115, 4176, 6, 304, 15930, 10, 3861}",
    ),
    "ranges that are none": (
        "put((pcall(PcgRandom(1).next, PcgRandom(1), 5, 1)), (pcall(PseudoRandom(1).next, PseudoRandom(1), 0, 10000)), (pcall(PcgRandom)))",
        "{false, false, false}",
    ),
    "bytes that nobody can predict": (
        "put(#SecureRandom():next_bytes(), #SecureRandom():next_bytes(5000))",
        "{1, 2048}",
    ),
    "indices of an area": (
        "local a = VoxelArea:new({MinEdge = vector.new(1, 2, 3), MaxEdge = vector.new(4, 6, 8)}) "
        "put(a:index(2, 3, 4), a:indexp(vector.new(4, 6, 8)), a:getVolume(), a.ystride, a.zstride, a:contains(1, 2, 3), a:containsi(0)) "
        "local p = a:position(37) put(p.x, p.y, p.z) for i in a:iter(1, 2, 3, 2, 3, 3) do put(i) end",
        "{26, 120, 120, 4, 20, true, false, 1, 6, 4, 1, 2, 5, 6}",
    ),
    "areas with their corners, data and bytes": (
        'local s = AreaStore() put(s:insert_area(vector.new(0, 0, 0), vector.new(5, 5, 5), "one"), '
        's:insert_area({x = 3, y = 9, z = -3}, {x = -3, y = -9, z = 3}, "two"), s:insert_area({x = 1, y = 1, z = 1}, {x = 1, y = 1, z = 1}, "x", 7)) '
        "put(s:get_area(1, true, true), s:get_area(1, false, false), s:get_areas_for_pos({x = -1, y = 1, z = 1}, false, true), "
        "s:get_areas_in_area({x = 0, y = 0, z = 0}, {x = 2, y = 2, z = 2}, false, false), s:remove_area(0), s:remove_area(0)) "
        "local t = AreaStore() put(t:from_string(s:to_string())) put(t:get_area(7, false, true), t:get_area(0) == nil, #s:to_string())",
        '{0, 1, 7, {min = {x = -3, y = -9, z = -3}, max = {x = 3, y = 9, z = 3}, data = "two"}, true, {{data = "two"}}, {[7] = true}, '
        'true, false, true, {data = "x"}, true, 43}',
    ),
    "JSON is written as the engine writes it": (
        'put(core.write_json({1, 2.5, -3, 1 / 3, true, "a", {}}), core.write_json({b = "é\\n/", a = {x = 1}}), core.write_json({1, nil, 3})) '
        "put(core.write_json({a = 1, b = {1, {2}}}, true)) "
        "for _, wrong in ipairs({{1, a = 2}, {[0] = 1}, {[1.5] = 1}, {a = print}}) do put((select(2, core.write_json(wrong)))) end",
        r"""{'[1.0,2.5,-3.0,0.33333333333333331,true,"a",null]', '{"a":{"x":1.0},"b":"\\u00e9\\n/"}', "[1.0,null,3.0]", """
        r"""'{\n\t"a" : 1.0,\n\t"b" : \n\t[\n\t\t1.0,\n\t\t[\n\t\t\t2.0\n\t\t]\n\t]\n}\n', "Can't mix array and object values in JSON", """
        """"Can't use zero-based or negative indexes in JSON", "Can't use indexes with a fractional part in JSON", """
        '"Can only store booleans, numbers, strings, objects, arrays, and null in JSON"}',
    ),
    "JSON is read as the engine reads it": (
        """put(core.parse_json('[1, 2.5e1, true, null, "\\\\u00e9\\\\n"]', 0), core.parse_json('{"a": {}, "1": [2,],} x'), core.parse_json("// c\\n3")) """
        """put(core.parse_json("{a: 1}") == nil, core.parse_json("[1 2]") == nil, core.parse_json("") == nil, core.parse_json("null", 7))""",
        r"""{{1, 25, true, 0, "é\n"}, {a = {}, ["1"] = {2}}, 3, true, true, true, 7}""",
    ),
    "base64, hashes, packed bytes and colours": (
        'put(core.encode_base64("ab"), core.decode_base64("YWI"), core.decode_base64("a-b") == nil, core.sha1("abc"), #core.sha1("abc", true)) '
        'put(core.decompress(core.compress("hello", "deflate"), "deflate"), (pcall(core.decompress, "garbage"))) '
        'for _, c in ipairs({"red", "#f00", "RebeccaPurple#80", "nope", 0x80ff0102, {r = 1, g = 2, b = 3}}) do put(core.colorspec_to_colorstring(c) or "none") end '
        'put(core.colorspec_to_bytes("#41424344"))',
        '{"YWI", "ab", true, "a9993e364706816aba3e25717850c26c9cd0d89d", 20, "hello", false, '
        '"#FF0000FF", "#FF0000FF", "#66339980", "none", "#FF010280", "#010203FF", "ABCD"}',
    ),
    "relative coordinates, and the wear of a tool": (
        'local p = core.parse_coordinates("~1", "~", "3", {x = 1, y = 2, z = 3}) put(p.x, p.y, p.z, core.parse_relative_number("~-5", 3)) '
        "put(core.get_tool_wear_after_use(100), core.get_tool_wear_after_use(100, 60000), core.get_tool_wear_after_use(3))",
        "{2, 2, 3, -2, 655, 656, 21845}",
    ),
    "what Lua 5.3 has and LuaJIT has not": (
        "put(string.pack == nil, utf8 == nil, math.type == nil)",
        "{true, true, true}",
    ),
}
# (call, what the engine gives): it computes in single precision.
ROUGH = "{offset = 0, scale = 1, spread = {x = 100, y = 100, z = 100}, seed = 5, octaves = 3, persist = 0.6, lacunarity = 2}"
SMOOTH = '{offset = 2, scale = 5, spread = {x = 250, y = 350, z = 70}, seed = -5, octaves = 5, persistence = 0.5, lacunarity = 1.9, flags = "eased,absvalue"}'
NOISE = (
    (f"PerlinNoise({ROUGH}):get_2d({{x = 13, y = 77}})", -0.285259902),
    (f"PerlinNoise({ROUGH}):get_3d({{x = 13, y = -77, z = 1000}})", -0.133642241),
    (f"PerlinNoise({ROUGH}):get_2d({{x = 30013.5, y = -17777}})", -0.935162425),
    (f"PerlinNoise({SMOOTH}):get_3d({{x = 13, y = -77, z = 1000}})", 4.56029892),
    (f"PerlinNoise({SMOOTH}):get_2d({{x = 13, y = 77}})", 5.46720123),
    (
        'PerlinNoise({offset = 2, scale = 5, spread = {x = 250, y = 350, z = 70}, seed = -5, octaves = 5, persistence = 0.5, lacunarity = 1.9, flags = "noeased"}):get_2d({x = 13, y = 77})',
        2.27264357,
    ),
    ("PerlinNoise(7, 3, 0.5, 80):get_3d({x = 13, y = -77, z = 1000})", -0.156111673),
    (f"PerlinNoiseMap({ROUGH}, {{x = 3, y = 2, z = 2}}):get_2d_map({{x = 5, y = -9}})[2][3]", -1.19792891),
    (f"PerlinNoiseMap({ROUGH}, {{x = 3, y = 2, z = 2}}):get_3d_map_flat({{x = 1, y = 2, z = 3}})[12]", -0.991886973),
)

IN_WORLD = {
    "voxels are read by whole blocks, and written without callbacks": (
        "called = 0",
        'core.set_node({x = 1, y = 2, z = 3}, {name = "mymod:a", param2 = 3}) local vm = core.get_voxel_manip() '
        "local low, high = vm:read_from_map({x = 0, y = 0, z = 0}, {x = 3, y = 3, z = 3}) "
        "local area, data = VoxelArea:new({MinEdge = low, MaxEdge = high}), vm:get_data() put(low.x, high.x, #data) "
        'put(data[area:index(1, 2, 3)] == core.get_content_id("mymod:a"), data[1] == core.CONTENT_AIR, vm:get_param2_data()[area:index(1, 2, 3)]) '
        'for i in area:iter(5, 5, 5, 6, 6, 6) do data[i] = core.get_content_id("mymod:b") end vm:set_data(data) '
        "put(core.get_node({x = 5, y = 5, z = 5}).name) vm:write_to_map() vm:update_map() "
        "for _, x in ipairs({5, 6, 7}) do put(core.get_node({x = x, y = 6, z = 6}).name) end put(core.get_node({x = 1, y = 2, z = 3}).param2)",
        '{0, 15, 4096, true, true, 3, "air", "mymod:b", "mymod:b", "air", 3}',
    ),
    "single voxels, inside and outside of what was read": (
        "",
        "local vm = VoxelManip({x = -1, y = 0, z = 0}, {x = 17, y = 3, z = 3}) local low, high = vm:get_emerged_area() put(low.x, high.x) "
        "local p = {x = 5, y = 5, z = 5} put(vm:get_node_at(p).name, vm:get_node_at({x = 500, y = 5, z = 5}).name) "
        'vm:set_node_at(p, {name = "mymod:a", param2 = 2}) put(vm:get_node_at(p).name, core.get_node(p).name) '
        "vm:write_to_map() put(core.get_node(p).name, core.get_node(p).param2)",
        '{-16, 31, "air", "ignore", "mymod:a", "air", "mymod:a", 2}',
    ),
    "metadata outlasts a voxel": (
        "",
        'local p = {x = 3, y = 0, z = 0} core.set_node(p, {name = "mymod:a"}) core.get_meta(p):set_string("k", "v") '
        "local vm = VoxelManip(p, p) local data = vm:get_data() for i = 1, #data do data[i] = core.CONTENT_AIR end vm:set_data(data) "
        'vm:write_to_map() put(core.get_node(p).name, core.get_meta(p):get_string("k"))',
        '{"air", "v"}',
    ),
    "a ray meets nodes in order, with the side that it enters": (
        "",
        'core.set_node({x = 3, y = 0, z = 0}, {name = "mymod:a"}) core.set_node({x = 5, y = 0, z = 0}, {name = "mymod:b"}) '
        "for met in Raycast({x = 0, y = 0, z = 0}, {x = 10, y = 0, z = 0}, false, false) do "
        "put(met.type, met.under.x, met.above.x, met.intersection_point.x, met.intersection_normal.x) end",
        '{"node", 3, 2, 2.5, -1, "node", 5, 4, 4.5, -1}',
    ),
    "a ray meets objects, and liquids only when asked": (
        'core.register_entity("mymod:e", {initial_properties = {physical = false}}) core.register_node("mymod:w", '
        '{liquidtype = "source", liquid_alternative_source = "mymod:w", liquid_alternative_flowing = "mymod:w", pointable = false})',
        'local e = core.add_entity({x = 4, y = 0, z = 0}, "mymod:e") local from, to = {x = 0, y = 0, z = 0}, {x = 10, y = 0, z = 0} '
        "local met = Raycast(from, to):next() put(met.type, met.ref == e, met.intersection_point.x) "
        'core.set_node({x = 2, y = 0, z = 0}, {name = "mymod:w"}) put(core.raycast(from, to, false):next() == nil, core.raycast(from, to, false, true):next().type)',
        '{"object", true, 3.5, true, "node"}',
    ),
    "positions at half a node are rounded away from zero": (
        "",
        'core.set_node({x = -0.5, y = 1.5, z = 2.4}, {name = "mymod:a"}) put(core.get_node({x = -1, y = 2, z = 2}).name, core.get_node({x = 0, y = 2, z = 2}).name)',
        '{"mymod:a", "air"}',
    ),
    "noise of the world": (
        "",
        "local n = core.get_perlin({offset = 0, scale = 1, spread = {x = 20, y = 20, z = 20}, seed = 5, octaves = 2, persist = 0.6}) "
        "put(n:get_2d({x = 1, y = 1}) == n:get_2d({x = 1, y = 1}), math.abs(n:get_2d({x = 1, y = 1})) < 2) "
        "put(#core.get_perlin_map({offset = 0, scale = 1, spread = {x = 20, y = 20, z = 20}, seed = 5, octaves = 2, persist = 0.6}, "
        "{x = 4, y = 3, z = 1}):get_2d_map_flat({x = 0, y = 0}))",
        "{true, true, 12}",
    ),
}


@pytest.fixture(scope="module", params=ALL_THREE)
def each(request: pytest.FixtureRequest) -> Iterator[Judge]:
    with judging(request.param) as run:
        yield run


@pytest.mark.parametrize("name", LOADED)
def test_while_mods_load_a_model_gives_what_the_engine_gives(each: Judge, name: str) -> None:
    code, expected = LOADED[name]
    verdict = each(PUT + code, f'equal(global("out"), {expected}, "out")')
    assert verdict.outcome is Outcome.PASSED, verdict.detail


@pytest.mark.parametrize(("call", "value"), NOISE)
def test_noise_is_the_engines_but_for_the_last_digits(each: Judge, call: str, value: float) -> None:
    verdict = each(f"out = {call}", f'near(global("out"), {value!r}, 1e-6, "noise")')
    assert verdict.outcome is Outcome.PASSED, verdict.detail


@pytest.mark.parametrize("name", IN_WORLD)
def test_in_a_world_a_model_does_what_the_engine_does(each: Judge, name: str) -> None:
    before, act, expected = IN_WORLD[name]
    verdict = each(ACT % (before, act), f'run(global("act")) equal(global("out"), {expected}, "out")')
    assert verdict.outcome is Outcome.PASSED, verdict.detail


def test_without_a_map_there_are_no_voxels(each: Judge) -> None:
    verdict = each(
        "vm, other = VoxelManip(), core.get_voxel_manip() out = {vm == nil, other == nil}",
        'equal(global("out"), {true, true}, "out")',
    )
    assert verdict.outcome is Outcome.PASSED, verdict.detail
