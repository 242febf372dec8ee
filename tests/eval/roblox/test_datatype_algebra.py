"""Laws that frames, colours and vectors of Roblox' world hold, for values that nobody chose.

Each law is a Luau program over a list of drawn cases, so that one run of the sandbox' child judges them all.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eval.domains.roblox.verify.verifier import World
from eval.records import Outcome
from tests.support.luau_programs import judged

FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
numbers = st.floats(-100, 100, width=32)
units = st.floats(0, 1, width=32)
angles = st.floats(-1.5, 1.5, width=32)  # Euler angles in these bounds are unique


def cases(*strategies: st.SearchStrategy[float]) -> st.SearchStrategy[list[tuple[float, ...]]]:
    """Draw a list of cases, each a tuple of numbers."""
    return st.lists(st.tuples(*strategies), min_size=1, max_size=20)


def assert_law(world: World, law: str, drawn: list[tuple[float, ...]]) -> None:
    """Fail where ``law``, the body of a Luau function of a case, does not return true."""
    listed = ", ".join("{" + ", ".join(map(repr, case)) + "}" for case in drawn)
    code = f"""
    local function near(a, b, tolerance) return (a - b).Magnitude <= (tolerance or 1e-3) end
    local function law(...) {law} end
    for _, case in {{ {listed} }} do assert(law(unpack(case)), table.concat(case, ", ")) end
    """
    verdict = judged(world, code)
    assert verdict.outcome is Outcome.PASSED, verdict.detail


FRAME = """
    local x, y, z, a, b, c = ...
    local frame, point = CFrame.new(x, y, z) * CFrame.Angles(a, b, c), Vector3.new(z, x, y)
"""


@FEW
@given(cases(numbers, numbers, numbers, angles, angles, angles))
def test_a_frame_times_its_inverse_moves_nothing(world: World, drawn: list[tuple[float, ...]]) -> None:
    assert_law(world, f"{FRAME} return near(frame * frame:Inverse() * point, point)", drawn)


@FEW
@given(cases(numbers, numbers, numbers, angles, angles, angles))
def test_object_space_undoes_world_space(world: World, drawn: list[tuple[float, ...]]) -> None:
    law = f"{FRAME} return near(frame:PointToObjectSpace(frame:PointToWorldSpace(point)), point)"
    assert_law(world, law, drawn)


@FEW
@given(cases(numbers, numbers, numbers, angles, angles, angles))
def test_a_rotation_keeps_lengths_and_right_angles(world: World, drawn: list[tuple[float, ...]]) -> None:
    law = f"""{FRAME}
    local turned = frame:VectorToWorldSpace(point)
    local right = math.abs(frame.RightVector:Dot(frame.UpVector)) < 1e-4
    return right and math.abs(turned.Magnitude - point.Magnitude) < 1e-3
    """
    assert_law(world, law, drawn)


@FEW
@given(cases(angles, angles, angles))
def test_euler_angles_come_back_in_every_order(world: World, drawn: list[tuple[float, ...]]) -> None:
    law = """
    local a, b, c = ...
    for _, order in Enum.RotationOrder:GetEnumItems() do
        local x, y, z = CFrame.fromEulerAngles(a, b, c, order):ToEulerAngles(order)
        local again = CFrame.fromEulerAngles(x, y, z, order)
        if CFrame.fromEulerAngles(a, b, c, order):AngleBetween(again) > 2e-3 then return false end
    end
    return true
    """
    assert_law(world, law, drawn)


@FEW
@given(cases(numbers, numbers, numbers, numbers, numbers, numbers))
def test_looking_at_a_point_faces_it(world: World, drawn: list[tuple[float, ...]]) -> None:
    law = """
    local a, b, c, d, e, f = ...
    local from, to = Vector3.new(a, b, c), Vector3.new(d, e, f)
    if (to - from).Magnitude < 1 then return true end
    local frame = CFrame.lookAt(from, to)
    return near(frame.LookVector, (to - from).Unit) and frame.UpVector.Y > -1e-3
    """
    assert_law(world, law, drawn)


@FEW
@given(cases(angles, angles, angles, units))
def test_a_lerp_turns_by_its_share_of_the_angle(world: World, drawn: list[tuple[float, ...]]) -> None:
    law = """
    local a, b, c, share = ...
    local goal = CFrame.Angles(a, b, c)
    local whole = CFrame.identity:AngleBetween(goal)
    local part = CFrame.identity:AngleBetween(CFrame.identity:Lerp(goal, share))
    return math.abs(part - whole * share) < 5e-3
    """
    assert_law(world, law, drawn)


@FEW
@given(cases(units, units, units))
def test_a_colour_survives_hue_saturation_value_and_hexadecimal(world: World, drawn: list[tuple[float, ...]]) -> None:
    law = """
    local color = Color3.new(...)
    local function apart(other)
        return math.max(math.abs(color.R - other.R), math.abs(color.G - other.G), math.abs(color.B - other.B))
    end
    return apart(Color3.fromHSV(color:ToHSV())) < 1e-5 and apart(Color3.fromHex(color:ToHex())) < 0.0021
    """
    assert_law(world, law, drawn)


@FEW
@given(cases(numbers, numbers, numbers, numbers, numbers, numbers, units))
def test_vectors_add_scale_and_cross_as_vectors_do(world: World, drawn: list[tuple[float, ...]]) -> None:
    law = """
    local a, b, c, d, e, f, share = ...
    local v, w = Vector3.new(a, b, c), Vector3.new(d, e, f)
    local cross = v:Cross(w)
    return v + w == w + v and near(v + w - w, v) and math.abs(cross:Dot(v)) <= 1e-3 * (1 + cross.Magnitude * v.Magnitude)
        and near(v:Lerp(w, share), v * (1 - share) + w * share) and (v:Min(w) + v:Max(w)):FuzzyEq(v + w)
    """
    assert_law(world, law, drawn)


@FEW
@given(cases(units, numbers, units, numbers))
def test_sizes_subtract_what_they_add(world: World, drawn: list[tuple[float, ...]]) -> None:
    law = """
    local a = UDim2.new(...)
    local b = UDim2.new(0.25, 3, 0.5, -4)
    local back = a + b - b
    return math.abs(back.X.Scale - a.X.Scale) < 1e-6 and back.X.Offset == a.X.Offset and back.Y.Offset == a.Y.Offset
    """
    assert_law(world, law, drawn)
