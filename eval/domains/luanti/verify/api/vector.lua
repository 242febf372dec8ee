-- The vector library: x, y, z tables with arithmetic, also indexable by 1, 2, 3.

local api, implemented = P.api, P.implemented
local type, tonumber, error, setmetatable, getmetatable = type, tonumber, error, setmetatable, getmetatable
local rawget, rawset, rawequal = rawget, rawset, rawequal
local floor, ceil, sqrt, abs, cos, sin, atan2 = math.floor, math.ceil, math.sqrt, math.abs, math.cos, math.sin, math.atan2
local pi, random = math.pi, math.random
local format, match = string.format, string.match

local vector = P.vector_table
debug.setmetatable(vector, nil)
local number_names = { "x", "y", "z" }
local metatable = {}
vector.metatable = metatable

function metatable.__index(v, key)
	local axis = number_names[key]
	if axis then return rawget(v, axis) end
	return vector[key]
end

function metatable.__newindex(v, key, value)
	rawset(v, number_names[key] or key, value)
end

local function make(x, y, z)
	return setmetatable({ x = x, y = y, z = z }, metatable)
end
P.vector = make

function vector.new(a, b, c)
	if a and b and c then return make(a, b, c) end
	if type(a) == "table" then -- deprecated in the engine, still accepted
		if not (a.x and a.y and a.z) then error("Invalid vector passed to vector.new()", 2) end
		return make(a.x, a.y, a.z)
	end
	if a ~= nil then error("Invalid arguments for vector.new()", 2) end
	return make(0, 0, 0)
end

function vector.zero() return make(0, 0, 0) end
function vector.copy(v) return make(v.x, v.y, v.z) end

function vector.from_string(text, init)
	local x, y, z, after = match(text, "^%s*%(%s*([^%s,]+)%s*[,%s]%s*([^%s,]+)%s*[,%s]%s*([^%s,]+)%s*[,%s]?%s*%)()", init)
	x, y, z = tonumber(x), tonumber(y), tonumber(z)
	if not (x and y and z) then return nil end
	return make(x, y, z), after
end

function vector.to_string(v) return format("(%g, %g, %g)", v.x, v.y, v.z) end
function vector.equals(a, b) return a.x == b.x and a.y == b.y and a.z == b.z end

function vector.apply(v, f, ...) return make(f(v.x, ...), f(v.y, ...), f(v.z, ...)) end
function vector.combine(a, b, f) return make(f(a.x, b.x), f(a.y, b.y), f(a.z, b.z)) end
function vector.floor(v) return vector.apply(v, floor) end
function vector.ceil(v) return vector.apply(v, ceil) end
function vector.abs(v) return vector.apply(v, abs) end
function vector.round(v) return vector.apply(v, implemented["math.round"]) end
function vector.sign(v, tolerance) return vector.apply(v, implemented["math.sign"], tolerance) end

function vector.dot(a, b) return a.x * b.x + a.y * b.y + a.z * b.z end
function vector.length(v) return sqrt(vector.dot(v, v)) end

function vector.cross(a, b)
	return make(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x)
end

local function arithmetic(f)
	return function(a, b)
		if type(b) == "table" then return make(f(a.x, b.x), f(a.y, b.y), f(a.z, b.z)) end
		return make(f(a.x, b), f(a.y, b), f(a.z, b))
	end
end

vector.add = arithmetic(function(a, b) return a + b end)
vector.subtract = arithmetic(function(a, b) return a - b end)
vector.multiply = arithmetic(function(a, b) return a * b end)
vector.divide = arithmetic(function(a, b) return a / b end)

function vector.offset(v, x, y, z) return make(v.x + x, v.y + y, v.z + z) end
function vector.distance(a, b) return vector.length(vector.subtract(b, a)) end
function vector.direction(from, to) return vector.normalize(vector.subtract(to, from)) end

function vector.normalize(v)
	local length = vector.length(v)
	if length == 0 then return make(0, 0, 0) end
	return vector.divide(v, length)
end

function vector.angle(a, b)
	return atan2(vector.length(vector.cross(a, b)), vector.dot(a, b))
end

function vector.sort(a, b)
	local min, max = math.min, math.max
	return make(min(a.x, b.x), min(a.y, b.y), min(a.z, b.z)), make(max(a.x, b.x), max(a.y, b.y), max(a.z, b.z))
end

function vector.check(v) return rawequal(getmetatable(v), metatable) end

function vector.in_area(p, low, high)
	return p.x >= low.x and p.x <= high.x and p.y >= low.y and p.y <= high.y and p.z >= low.z and p.z <= high.z
end

function vector.random_in_area(low, high)
	return make(random(low.x, high.x), random(low.y, high.y), random(low.z, high.z))
end

function vector.random_direction()
	local z, turn = 2 * random() - 1, 2 * pi * random()
	local radius = sqrt(1 - z * z)
	return make(radius * cos(turn), radius * sin(turn), z)
end

-- Rodrigues' rotation formula.
function vector.rotate_around_axis(v, axis, angle)
	axis = vector.normalize(axis)
	local c, s = cos(angle), sin(angle)
	local along, across = vector.dot(axis, v) * (1 - c), vector.cross(axis, v)
	return make(v.x * c + across.x * s + axis.x * along, v.y * c + across.y * s + axis.y * along,
		v.z * c + across.z * s + axis.z * along)
end

metatable.__tostring = vector.to_string
metatable.__eq = vector.equals
function metatable.__unm(v) return make(-v.x, -v.y, -v.z) end
function metatable.__add(a, b) return make(a.x + b.x, a.y + b.y, a.z + b.z) end
function metatable.__sub(a, b) return make(a.x - b.x, a.y - b.y, a.z - b.z) end

function metatable.__mul(a, b)
	if type(a) == "number" then return make(a * b.x, a * b.y, a * b.z) end
	return make(a.x * b, a.y * b, a.z * b)
end

function metatable.__div(a, b)
	return make(a.x / b, a.y / b, a.z / b)
end

-- ---------------------------------------- directions
function api.yaw_to_dir(yaw) return make(-sin(yaw), 0, cos(yaw)) end
function api.dir_to_yaw(dir) return -atan2(dir.x, dir.z) end

local facedir_dirs = { [0] = { 0, 0, 1 }, { 1, 0, 0 }, { 0, 0, -1 }, { -1, 0, 0 }, { 0, -1, 0 }, { 0, 1, 0 } }
-- For each of the 24 facedirs: the index above of the direction its back points to.
local facedir_backs = { [0] = 0, 1, 2, 3, 4, 1, 5, 3, 5, 1, 4, 3, 0, 4, 2, 5, 0, 5, 2, 4, 0, 3, 2, 1 }

function api.facedir_to_dir(facedir)
	local d = facedir_dirs[facedir_backs[facedir % 32] or 0]
	return make(d[1], d[2], d[3])
end

-- facedirs of a node attached to a ceiling (dir.y > 0) or a floor, by the horizontal direction it looks to
local tilted = { up = { 8, 17, 6, 15 }, down = { 4, 13, 10, 19 } }

function api.dir_to_facedir(dir, six_ways)
	if six_ways and abs(dir.y) > abs(dir.x) and abs(dir.y) > abs(dir.z) then
		return tilted[dir.y < 0 and "down" or "up"][api.dir_to_facedir(dir) + 1]
	end
	if abs(dir.x) > abs(dir.z) then return dir.x < 0 and 3 or 1 end
	return dir.z < 0 and 2 or 0
end

function api.fourdir_to_dir(fourdir) return api.facedir_to_dir(fourdir % 4) end
function api.dir_to_fourdir(dir) return api.dir_to_facedir(dir) end

local wall_dirs = { [0] = { 0, 1, 0 }, { 0, -1, 0 }, { 1, 0, 0 }, { -1, 0, 0 }, { 0, 0, 1 }, { 0, 0, -1 } }

function api.wallmounted_to_dir(wallmounted)
	local d = wall_dirs[wallmounted % 8] or wall_dirs[0]
	return make(d[1], d[2], d[3])
end

function api.dir_to_wallmounted(dir)
	local x, y, z = abs(dir.x), abs(dir.y), abs(dir.z)
	if y > x and y > z then return dir.y < 0 and 1 or 0 end
	if x > z then return dir.x < 0 and 3 or 2 end
	return dir.z < 0 and 5 or 4
end

function api.hash_node_position(pos)
	local x, y, z = floor(pos.x + 0.5) + 32768, floor(pos.y + 0.5) + 32768, floor(pos.z + 0.5) + 32768
	return z * 65536 * 65536 + y * 65536 + x
end

function api.get_position_from_hash(hash)
	return make(hash % 65536 - 32768, floor(hash / 65536) % 65536 - 32768, floor(hash / 4294967296) - 32768)
end
