-- VoxelManip over the nodes of the small world, and VoxelArea, which counts its indices.

local implemented, api, class, state, vector = P.implemented, P.model, P.class, P.state, P.vector
local type, tonumber, error, next, setmetatable = type, tonumber, error, next, setmetatable
local floor, min, max = math.floor, math.min, math.max
local rounded = P.rounded

local BLOCK, MOST_NODES = 16, 4096000
local AIR, IGNORE = 126, 127

-- ---------------------------------------- the nodes in reach
local function volume_of(s)
	local low, high = s.low, s.high
	if not low then return 0, 0, 0 end
	local x, y, z = high.x - low.x + 1, high.y - low.y + 1, high.z - low.z + 1
	return x * y * z, x, x * y
end

local function index_in(s, x, y, z)
	local low, high = s.low, s.high
	if not low or x < low.x or y < low.y or z < low.z or x > high.x or y > high.y or z > high.z then return nil end
	local _, ystride, zstride = volume_of(s)
	return (z - low.z) * zstride + (y - low.y) * ystride + x - low.x + 1
end

local function blocks(pos, corner)
	local function edge(v) return floor(v / BLOCK) * BLOCK + corner end
	return vector(edge(pos.x), edge(pos.y), edge(pos.z))
end

-- Reads whole blocks, as the engine does; what is not air is kept by its index.
local function read(s, one, other)
	one, other = rounded(one), rounded(other)
	local low = vector(min(one.x, other.x), min(one.y, other.y), min(one.z, other.z))
	local high = vector(max(one.x, other.x), max(one.y, other.y), max(one.z, other.z))
	s.low, s.high = blocks(low, 0), blocks(high, BLOCK - 1)
	local volume = volume_of(s)
	if volume > MOST_NODES then
		s.low = nil
		error("VoxelManip: an area of " .. volume .. " nodes is larger than " .. MOST_NODES, 3)
	end
	s.content, s.light, s.param2 = {}, {}, {}
	for _, node in next, P.map do
		local i = index_in(s, node.pos.x, node.pos.y, node.pos.z)
		if i then s.content[i], s.light[i], s.param2[i] = P.content_id(node.name), node.param1, node.param2 end
	end
	s.before = P.copy(s.content)
	s.before_param2 = P.copy(s.param2)
	return s.low, s.high
end

local function listed(s, values, default, buffer)
	local out = type(buffer) == "table" and buffer or {}
	for i = 1, (volume_of(s)) do out[i] = values[i] or default end
	return out
end

local function taken(s, values, default, name)
	if type(values) ~= "table" then
		error("VoxelManip:" .. name .. " called with missing parameter", 3)
	end
	local out = {}
	for i = 1, (volume_of(s)) do
		local value = tonumber(values[i]) or 0
		if value ~= default then out[i] = value end
	end
	return out
end

-- ---------------------------------------- its methods
local voxels = {}
function voxels.read_from_map(self, one, other)
	local low, high = read(state[self], one, other)
	return vector(low.x, low.y, low.z), vector(high.x, high.y, high.z)
end
function voxels.get_emerged_area(self)
	local s = state[self]
	if not s.low then return vector(1, 1, 1), vector(0, 0, 0) end
	return vector(s.low.x, s.low.y, s.low.z), vector(s.high.x, s.high.y, s.high.z)
end
function voxels.get_data(self, buffer) return listed(state[self], state[self].content, AIR, buffer) end
function voxels.set_data(self, data)
	local s = state[self]
	s.content = taken(s, data, AIR, "set_data")
end
function voxels.get_light_data(self, buffer) return listed(state[self], state[self].light, 0, buffer) end
function voxels.set_light_data(self, data)
	local s = state[self]
	s.light = taken(s, data, 0, "set_light_data")
end
function voxels.get_param2_data(self, buffer) return listed(state[self], state[self].param2, 0, buffer) end
function voxels.set_param2_data(self, data)
	local s = state[self]
	s.param2 = taken(s, data, 0, "set_param2_data")
end
function voxels.get_node_at(self, pos)
	local s, at = state[self], rounded(pos)
	local i = index_in(s, at.x, at.y, at.z)
	if not i then return { name = "ignore", param1 = 0, param2 = 0 } end
	return { name = api.get_name_from_content_id(s.content[i] or AIR), param1 = s.light[i] or 0,
		param2 = s.param2[i] or 0 }
end
function voxels.set_node_at(self, pos, node)
	local s, at = state[self], rounded(pos)
	if type(node) ~= "table" or type(node.name) ~= "string" then error("invalid node (table with a name expected)", 2) end
	local i = index_in(s, at.x, at.y, at.z)
	if i then
		s.content[i] = P.content_id(P.registered_aliases[node.name] or node.name)
		s.light[i], s.param2[i] = tonumber(node.param1) or 0, tonumber(node.param2) or 0
	end
end

-- Writes what changed. No callback of a node runs, and its metadata stays: as in the engine.
function voxels.write_to_map(self)
	local s = state[self]
	local _, ystride, zstride = volume_of(s)
	local changed = {}
	for _, list in next, { s.content, s.before, s.param2, s.before_param2 } do
		for i in next, list do changed[i] = true end
	end
	for i in next, changed do
		local id = s.content[i] or AIR
		if id ~= IGNORE and (id ~= (s.before[i] or AIR) or s.param2[i] ~= s.before_param2[i]) then
			local z = floor((i - 1) / zstride)
			local y = floor((i - 1 - z * zstride) / ystride)
			local pos = vector(s.low.x + i - 1 - z * zstride - y * ystride, s.low.y + y, s.low.z + z)
			P.store_node(pos, { name = api.get_name_from_content_id(id), param1 = s.light[i], param2 = s.param2[i] })
		end
	end
	s.before, s.before_param2 = P.copy(s.content), P.copy(s.param2)
end
function voxels.was_modified() return false end
for _, name in next, { "update_map", "set_lighting", "calc_lighting", "update_liquids" } do
	voxels[name] = function() end
end
local new_voxels = class(voxels)

-- Nothing while mods load: there is no map to read.
local function make(one, other)
	if not P.in_world then return nil end
	local s = { content = {}, light = {}, param2 = {}, before = {}, before_param2 = {} }
	if one ~= nil and other ~= nil then read(s, one, other) end
	return new_voxels(s)
end
function implemented.VoxelManip(one, other) return make(one, other) end
function api.get_voxel_manip(one, other) return make(one, other) end

-- ---------------------------------------- indices
local area = P.voxel_area -- absent where the engine's own Lua brings it
if not area then return end
area.__index = area
area.MinEdge, area.MaxEdge, area.ystride, area.zstride = vector(1, 1, 1), vector(0, 0, 0), 0, 0

function area.new(self, o)
	o = setmetatable(o or {}, self)
	self.__index = self
	local e = o:getExtent()
	o.ystride, o.zstride = e.x, e.x * e.y
	return o
end
function area.getExtent(self)
	local low, high = self.MinEdge, self.MaxEdge
	return vector(high.x - low.x + 1, high.y - low.y + 1, high.z - low.z + 1)
end
function area.getVolume(self)
	local e = self:getExtent()
	return e.x * e.y * e.z
end
function area.index(self, x, y, z)
	local low = self.MinEdge
	return floor((z - low.z) * self.zstride + (y - low.y) * self.ystride + (x - low.x) + 1)
end
function area.indexp(self, p) return self:index(p.x, p.y, p.z) end
function area.position(self, i)
	i = i - 1
	local z = floor(i / self.zstride)
	i = i % self.zstride
	local y = floor(i / self.ystride)
	return vector(floor(i % self.ystride) + self.MinEdge.x, y + self.MinEdge.y, z + self.MinEdge.z)
end
function area.contains(self, x, y, z)
	local low, high = self.MinEdge, self.MaxEdge
	return x >= low.x and x <= high.x and y >= low.y and y <= high.y and z >= low.z and z <= high.z
end
function area.containsp(self, p) return self:contains(p.x, p.y, p.z) end
function area.containsi(self, i) return i >= 1 and i <= self:getVolume() end
function area.iter(self, x0, y0, z0, x1, y1, z1)
	local x, y, z = x0 - 1, y0, z0
	return function()
		x = x + 1
		if x > x1 then x, y = x0, y + 1 end
		if y > y1 then y, z = y0, z + 1 end
		if x1 < x0 or y1 < y0 or z > z1 then return nil end
		return self:index(x, y, z)
	end
end
function area.iterp(self, low, high) return self:iter(low.x, low.y, low.z, high.x, high.y, high.z) end
debug.setmetatable(area, { __call = function(self, low, high) return self:new({ MinEdge = low, MaxEdge = high }) end })
