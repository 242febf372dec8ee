-- Perlin's gradient noise as the engine computes it (src/noise.cpp): equal but for the rounding of 32-bit floats.

local implemented, api, class, state, vector = P.implemented, P.model, P.class, P.state, P.vector
local type, tonumber, error, next = type, tonumber, error, next
local floor, abs, frexp, ldexp = math.floor, math.abs, math.frexp, math.ldexp
local gmatch, match = string.gmatch, string.match
local bxor, rshift = bit.bxor, bit.rshift

local MAGIC_X, MAGIC_Y, MAGIC_Z, MAGIC_SEED = 1619, 31337, 52591, 1013
local TWO_31, TWO_32 = 2147483648, 4294967296

-- Returns the nearest 32-bit float: far from the origin coordinates in it decide where in its cell a point lies.
local function float(x)
	if x == 0 or x ~= x or abs(x) == math.huge then return x end
	local mantissa, exponent = frexp(x)
	return ldexp(floor(mantissa * 16777216 + 0.5) / 16777216, exponent)
end

local function product(a, b)
	return (floor(a / 65536) * b % 65536 * 65536 + a % 65536 * b) % TWO_32
end

-- Returns the value of a whole point, -1 to 1; ``n`` is its coordinates times their magic numbers.
local function at_point(n)
	n = n % TWO_31
	n = bxor(rshift(n, 13), n)
	local inner = (product(n, product(n, 60493)) + 19990303) % TWO_32
	n = (product(n, inner) + 1376312589) % TWO_31
	return 1 - n / 1073741824
end

local function ease(t) return t * t * t * (t * (6 * t - 15) + 10) end
local function between(a, b, t) return a + (b - a) * t end

local function noise_2d(x, y, seed, eased)
	local x0, y0 = floor(x), floor(y)
	local u, v = x - x0, y - y0
	if eased then u, v = ease(u), ease(v) end
	local n = MAGIC_X * x0 + MAGIC_Y * y0 + MAGIC_SEED * seed
	return between(between(at_point(n), at_point(n + MAGIC_X), u),
		between(at_point(n + MAGIC_Y), at_point(n + MAGIC_X + MAGIC_Y), u), v)
end

local function noise_3d(x, y, z, seed, eased)
	local x0, y0, z0 = floor(x), floor(y), floor(z)
	local u, v, w = x - x0, y - y0, z - z0
	if eased then u, v, w = ease(u), ease(v), ease(w) end
	local n = MAGIC_X * x0 + MAGIC_Y * y0 + MAGIC_Z * z0 + MAGIC_SEED * seed
	local function layer(m)
		return between(between(at_point(m), at_point(m + MAGIC_X), u),
			between(at_point(m + MAGIC_Y), at_point(m + MAGIC_X + MAGIC_Y), u), v)
	end
	return between(layer(n), layer(n + MAGIC_Z), w)
end

local function summed(params, one)
	local sum, frequency, weight = 0, 1, 1
	for octave = 0, params.octaves - 1 do
		local value = one(frequency, params.seed + octave)
		if params.absvalue then value = abs(value) end
		sum, frequency, weight = sum + weight * value, frequency * params.lacunarity, weight * params.persist
	end
	return params.offset + sum * params.scale
end

-- Noise of two dimensions is eased unless told otherwise, that of three is not.
local function value_2d(params, x, y)
	x, y = float(float(x) / params.spread.x), float(float(y) / params.spread.y)
	local eased = params.eased ~= false
	return summed(params, function(f, seed) return noise_2d(float(x * f), float(y * f), seed, eased) end)
end

local function value_3d(params, x, y, z)
	local spread = params.spread
	x, y, z = float(float(x) / spread.x), float(float(y) / spread.y), float(float(z) / spread.z)
	local eased = params.eased == true
	return summed(params, function(f, seed) return noise_3d(float(x * f), float(y * f), float(z * f), seed, eased) end)
end

-- ---------------------------------------- parameters
local function flags_of(given)
	local found = {}
	if type(given) == "string" then
		for flag in gmatch(given, "[^%s,]+") do
			local off = match(flag, "^no(.+)")
			if off == "eased" or off == "absvalue" then found[off] = false else found[flag] = true end
		end
	elseif type(given) == "table" then
		for flag, is_on in next, given do found[flag] = is_on and true or false end
	end
	return found
end

local function params_of(given)
	local spread, flags = given.spread, flags_of(given.flags)
	if type(spread) ~= "table" then error("Invalid vector (expected table got " .. type(spread) .. ").", 4) end
	return { offset = given.offset or 0, scale = given.scale or 1, spread = spread, seed = given.seed or 12345,
		octaves = given.octaves or 3, persist = given.persist or given.persistence or 0.6,
		lacunarity = given.lacunarity or 2, eased = flags.eased, absvalue = flags.absvalue }
end

local function point(pos, name)
	if type(pos) ~= "table" or not tonumber(pos.x) or not tonumber(pos.y) then
		error("bad argument #1 to '" .. name .. "' (table with coordinates expected, got " .. type(pos) .. ")", 3)
	end
	return tonumber(pos.x), tonumber(pos.y), tonumber(pos.z)
end

-- ---------------------------------------- one value
local noise = {}
function noise.get_2d(self, pos)
	local x, y = point(pos, "get_2d")
	return value_2d(state[self], x, y)
end
function noise.get_3d(self, pos)
	local x, y, z = point(pos, "get_3d")
	if not z then error("bad argument #1 to 'get_3d' (table with coordinates expected)", 2) end
	return value_3d(state[self], x, y, z)
end
noise.get2d, noise.get3d = noise.get_2d, noise.get_3d
local new_noise = class(noise)

local function make_noise(first, octaves, persistence, spread)
	if type(first) == "table" then return new_noise(params_of(first)) end
	if not tonumber(first) then
		error("bad argument #1 to 'PerlinNoise' (number expected, got " .. type(first) .. ")", 3)
	end
	local one = tonumber(spread) or 1
	return new_noise(params_of({ seed = first, octaves = octaves, persist = persistence,
		spread = vector(one, one, one) }))
end
function implemented.PerlinNoise(...) return make_noise(...) end

-- ---------------------------------------- a map of values
local map = {}

local function filled(buffer)
	return type(buffer) == "table" and buffer or {}
end

local function flat_2d(s, pos, out)
	local x, y = point(pos, "get_2d_map_flat")
	local i = 0
	for dy = 0, s.size.y - 1 do
		for dx = 0, s.size.x - 1 do
			i = i + 1
			out[i] = value_2d(s.params, x + dx, y + dy)
		end
	end
	return out
end

local function flat_3d(s, pos, out)
	local x, y, z = point(pos, "get_3d_map_flat")
	if not z or not s.size.z or s.size.z <= 1 then return nil end
	local i = 0
	for dz = 0, s.size.z - 1 do
		for dy = 0, s.size.y - 1 do
			for dx = 0, s.size.x - 1 do
				i = i + 1
				out[i] = value_3d(s.params, x + dx, y + dy, z + dz)
			end
		end
	end
	return out
end

-- Cuts a flat list into rows of ``width``.
local function rows(flat, width)
	local out = {}
	for i = 1, #flat do
		local row = floor((i - 1) / width) + 1
		out[row] = out[row] or {}
		out[row][(i - 1) % width + 1] = flat[i]
	end
	return out
end

function map.get_2d_map_flat(self, pos, buffer) return flat_2d(state[self], pos, filled(buffer)) end
function map.get_3d_map_flat(self, pos, buffer) return flat_3d(state[self], pos, filled(buffer)) end
function map.get_2d_map(self, pos) return rows(flat_2d(state[self], pos, {}), state[self].size.x) end
function map.get_3d_map(self, pos)
	local flat = flat_3d(state[self], pos, {})
	return flat and rows(rows(flat, state[self].size.x), state[self].size.y)
end
function map.calc_2d_map(self, pos)
	local s = state[self]
	s.result, s.shape = flat_2d(s, pos, {}), vector(s.size.x, s.size.y, 1)
end
function map.calc_3d_map(self, pos)
	local s = state[self]
	s.result, s.shape = flat_3d(s, pos, {}), s.size
end
function map.get_map_slice(self, offset, size, buffer)
	local s, out = state[self], filled(buffer)
	if not s.result then return out end
	local low, reach, i = offset or {}, size or {}, 0
	local x0, y0, z0 = low.x or 1, low.y or 1, low.z or 1
	for z = z0, z0 + (reach.z or s.shape.z) - 1 do
		for y = y0, y0 + (reach.y or s.shape.y) - 1 do
			for x = x0, x0 + (reach.x or s.shape.x) - 1 do
				i = i + 1
				out[i] = s.result[(z - 1) * s.shape.x * s.shape.y + (y - 1) * s.shape.x + x]
			end
		end
	end
	return out
end
for old, name in next, { get2dMap = "get_2d_map", get3dMap = "get_3d_map", get2dMap_flat = "get_2d_map_flat",
	get3dMap_flat = "get_3d_map_flat", calc2dMap = "calc_2d_map", calc3dMap = "calc_3d_map",
	getMapSlice = "get_map_slice" } do
	map[old] = map[name]
end
local new_map = class(map)

local function make_map(params, size)
	if type(params) ~= "table" then
		error("bad argument #1 to 'PerlinNoiseMap' (table expected, got " .. type(params) .. ")", 3)
	end
	local x, y = point(size, "PerlinNoiseMap")
	return new_map({ params = params_of(params), size = vector(x, y, tonumber(size.z) or 1) })
end
function implemented.PerlinNoiseMap(...) return make_map(...) end

implemented.ValueNoise, implemented.ValueNoiseMap = implemented.PerlinNoise, implemented.PerlinNoiseMap
-- Of the world: its seed, which differs from world to world, is 0 here.
function api.get_perlin(...) return P.in_world and make_noise(...) or nil end
function api.get_perlin_map(...) return P.in_world and make_map(...) or nil end
api.get_value_noise, api.get_value_noise_map = api.get_perlin, api.get_perlin_map
