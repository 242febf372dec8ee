-- Raycast: the nodes of the small world that a line meets, as full cubes, and the objects near it, nearest first.

local implemented, class, state, vector = P.implemented, P.class, P.state, P.vector
local type, ipairs, next, error = type, ipairs, next, error
local huge = math.huge
local sort = table.sort
local AXES = { "x", "y", "z" }

-- Returns where from 0 to 1 the line enters a box, and the side's normal; nothing where it misses. Inside it: at 0.
local function entry(from, along, low, high)
	local enters, leaves, axis_in = -huge, huge, nil
	for _, axis in ipairs(AXES) do
		local start, step = from[axis], along[axis]
		if step == 0 then
			if start < low[axis] or start > high[axis] then return nil end
		else
			local one, other = (low[axis] - start) / step, (high[axis] - start) / step
			if one > other then one, other = other, one end
			if one > enters then enters, axis_in = one, axis end
			if other < leaves then leaves = other end
		end
	end
	if enters > leaves or leaves < 0 or enters > 1 then return nil end
	local normal = vector(0, 0, 0)
	if enters < 0 then return 0, normal end
	normal[axis_in] = along[axis_in] > 0 and -1 or 1
	return enters, normal
end

local function around(pos, half)
	return vector(pos.x - half, pos.y - half, pos.z - half), vector(pos.x + half, pos.y + half, pos.z + half)
end

local function is_met(name, with_liquids)
	local def = P.registered_nodes[name]
	if name == "air" or name == "ignore" then return false end
	if not def or def.pointable ~= false then return true end
	return with_liquids and def.liquidtype ~= nil and def.liquidtype ~= "none"
end

local function copied(p) return vector(p.x, p.y, p.z) end

local function things(s)
	local from, to = s.from, s.to
	local along = vector(to.x - from.x, to.y - from.y, to.z - from.z)
	local found = {}
	local function meet(low, high, make)
		local at, normal = entry(from, along, low, high)
		if not at then return end
		local point = vector(from.x + along.x * at, from.y + along.y * at, from.z + along.z * at)
		local thing = make(normal)
		thing.intersection_point, thing.intersection_normal, thing.box_id = point, normal, 1
		found[#found + 1] = { at = at, thing = thing }
	end
	for _, node in next, P.map do
		if is_met(node.name, s.with_liquids) then
			local low, high = around(node.pos, 0.5)
			meet(low, high, function(normal)
				return { type = "node", under = copied(node.pos), above = vector(node.pos.x + normal.x,
					node.pos.y + normal.y, node.pos.z + normal.z) }
			end)
		end
	end
	if s.with_objects then
		for _, object in ipairs(P.objects_in_world()) do
			local low, high = around(object:get_pos(), 0.5)
			meet(low, high, function() return { type = "object", ref = object } end)
		end
	end
	sort(found, function(a, b) return a.at < b.at end)
	return found
end

local ray = {}
function ray.next(self)
	local s = state[self]
	if not P.in_world then return nil end
	s.found = s.found or things(s)
	s.place = s.place + 1
	return s.found[s.place] and s.found[s.place].thing
end
local new_ray, metatable = class(ray)
metatable.__call = ray.next

local function place(pos, position)
	if type(pos) ~= "table" or not (pos.x and pos.y and pos.z) then
		error("bad argument #" .. position .. " to 'Raycast' (table with coordinates expected, got " .. type(pos) .. ")", 4)
	end
	return copied(pos)
end

local function cast(from, to, with_objects, with_liquids)
	return new_ray({ from = place(from, 1), to = place(to, 2), with_objects = with_objects ~= false,
		with_liquids = with_liquids == true, place = 0 })
end
function implemented.Raycast(...) return cast(...) end
function P.model.raycast(...) return cast(...) end
