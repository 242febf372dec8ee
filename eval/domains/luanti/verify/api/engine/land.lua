-- A map that is there wherever one looks: a block of air is made when a function first touches its place.
-- A server without players has no blocks, and generating them takes other threads; an entity put somewhere makes one.

local real = P.engine.core
local type, ipairs, getmetatable = type, ipairs, getmetatable
local floor, min, max = math.floor, math.min, math.max

local BLOCK, MARGIN = 16, 1
local SEARCHED_NODES = 64000 -- of an area; a wider search finds only what was set, which is what searches are for
local NODES, DAYLIGHT = BLOCK * BLOCK * BLOCK, 15
local made, air, light = {}, nil, nil
local add_entity, get_voxel_manip = real.add_entity, real.get_voxel_manip

local function make_block(bx, by, bz)
	local low = { x = bx * BLOCK, y = by * BLOCK, z = bz * BLOCK }
	local marker = add_entity({ x = low.x + 8, y = low.y + 8, z = low.z + 8 }, P.marker)
	if not air then
		air, light = {}, {}
		for i = 1, NODES do air[i], light[i] = real.CONTENT_AIR, DAYLIGHT end
	end
	local manip = get_voxel_manip(low, { x = low.x + BLOCK - 1, y = low.y + BLOCK - 1, z = low.z + BLOCK - 1 })
	manip:set_data(air)
	manip:set_light_data(light)
	manip:write_to_map(false)
	if marker then P.discard(marker) end
end

local function ensure(low, high, margin)
	for bx = floor((low.x - margin) / BLOCK), floor((high.x + margin) / BLOCK) do
		for by = floor((low.y - margin) / BLOCK), floor((high.y + margin) / BLOCK) do
			for bz = floor((low.z - margin) / BLOCK), floor((high.z + margin) / BLOCK) do
				local key = (bx + 4096) + (by + 4096) * 8192 + (bz + 4096) * 67108864
				if not made[key] then
					made[key] = true
					make_block(bx, by, bz)
				end
			end
		end
	end
end

local function is_place(pos)
	return type(pos) == "table" and type(pos.x) == "number" and type(pos.y) == "number" and type(pos.z) == "number"
		and max(pos.x, pos.y, pos.z) < 31000 and min(pos.x, pos.y, pos.z) > -31000
end

-- Makes the land around a position; what is no position is left to the engine to refuse.
function P.make_land(pos, margin)
	if P.world_is_open and is_place(pos) then ensure(pos, pos, margin or MARGIN) end
end

for _, name in ipairs({ "get_node", "get_node_or_nil", "set_node", "add_node", "swap_node", "remove_node", "get_meta",
	"get_node_timer", "add_node_level", "get_node_level", "set_node_level", "get_node_light", "get_natural_light",
	"add_entity", "add_item", "spawn_item", "spawn_falling_node", "check_for_falling", "check_single_for_falling",
	"get_node_max_level", "spawn_tree" }) do
	local f = real[name]
	if f then
		real[name] = function(pos, ...)
			P.make_land(pos)
			return f(pos, ...)
		end
	end
end

for _, name in ipairs({ "bulk_set_node", "bulk_swap_node" }) do
	local f = real[name]
	real[name] = f and function(positions, ...)
		for _, pos in ipairs(type(positions) == "table" and positions or {}) do P.make_land(pos) end
		return f(positions, ...)
	end
end

local function make_area(a, b)
	if not (P.world_is_open and is_place(a) and is_place(b)) then return end
	local low = { x = min(a.x, b.x), y = min(a.y, b.y), z = min(a.z, b.z) }
	local high = { x = max(a.x, b.x), y = max(a.y, b.y), z = max(a.z, b.z) }
	local nodes = (high.x - low.x + 1) * (high.y - low.y + 1) * (high.z - low.z + 1)
	if nodes <= SEARCHED_NODES then ensure(low, high, MARGIN) end
end

for _, name in ipairs({ "find_nodes_in_area", "find_nodes_in_area_under_air", "find_nodes_with_meta",
	"line_of_sight", "delete_area", "fix_light" }) do
	local f = real[name]
	real[name] = f and function(a, b, ...)
		make_area(a, b)
		return f(a, b, ...)
	end
end

-- A VoxelManip reads what is there, by whichever of its three ways; its methods can be seen when there is one.
local methods
local function with_land(make)
	return function(a, b)
		make_area(a, b)
		local manip = make(a, b)
		if manip and not methods then
			methods = getmetatable(manip)
			local read = type(methods) == "table" and methods.read_from_map
			if not read then return manip end
			function methods.read_from_map(self, from, to)
				make_area(from, to)
				return read(self, from, to)
			end
		end
		return manip
	end
end
real.get_voxel_manip = with_land(get_voxel_manip)
P.env.VoxelManip = with_land(P.engine.globals.VoxelManip)

local find_node_near = real.find_node_near
function real.find_node_near(pos, radius, ...)
	P.make_land(pos, type(radius) == "number" and radius <= 16 and radius or nil)
	return find_node_near(pos, radius, ...)
end
