-- AreaStore: boxes of whole positions with a text each, found by position or by another box.

local implemented, class, state, vector = P.implemented, P.class, P.state, P.vector
local type, tonumber, error, next, ipairs = type, tonumber, error, next, ipairs
local floor, min, max = math.floor, math.min, math.max
local byte, char, sub = string.byte, string.char, string.sub
local concat, sort = table.concat, table.sort
local rounded = P.rounded

local store = {}
local MOST_AREAS, MOST_BYTES = 65535, 65535

local function sorted_ids(s)
	local ids = {}
	for id in next, s.areas do ids[#ids + 1] = id end
	sort(ids)
	return ids
end

local function free_id(s)
	local id = 0
	while s.areas[id] do id = id + 1 end
	return id
end

-- What is told of an area: its corners unless they are not wanted, its data where they are; true where neither is.
local function shown(found, with_corners, with_data)
	if with_corners == false and not with_data then return true end
	local out = {}
	if with_corners ~= false then
		out.min = vector(found.low.x, found.low.y, found.low.z)
		out.max = vector(found.high.x, found.high.y, found.high.z)
	end
	if with_data then out.data = found.data end
	return out
end

function store.get_area(self, id, with_corners, with_data)
	local found = state[self].areas[tonumber(id)]
	return found and shown(found, with_corners, with_data)
end

local function each(self, wanted, with_corners, with_data)
	local out = {}
	for id, one in next, state[self].areas do
		if wanted(one.low, one.high) then out[id] = shown(one, with_corners, with_data) end
	end
	return out
end

local function inside(p, low, high)
	return p.x >= low.x and p.y >= low.y and p.z >= low.z and p.x <= high.x and p.y <= high.y and p.z <= high.z
end

function store.get_areas_for_pos(self, pos, with_corners, with_data)
	local at = rounded(pos)
	return each(self, function(low, high) return inside(at, low, high) end, with_corners, with_data)
end

local function corners(one, other)
	one, other = rounded(one), rounded(other)
	return vector(min(one.x, other.x), min(one.y, other.y), min(one.z, other.z)),
		vector(max(one.x, other.x), max(one.y, other.y), max(one.z, other.z))
end

function store.get_areas_in_area(self, one, other, is_overlap_enough, with_corners, with_data)
	local from, to = corners(one, other)
	return each(self, function(low, high)
		if not is_overlap_enough then return inside(low, from, to) and inside(high, from, to) end
		return low.x <= to.x and low.y <= to.y and low.z <= to.z and high.x >= from.x and high.y >= from.y
			and high.z >= from.z
	end, with_corners, with_data)
end

function store.insert_area(self, one, other, data, id)
	local s = state[self]
	local low, high = corners(one, other)
	if type(data) ~= "string" and type(data) ~= "number" then
		error("bad argument #3 to 'insert_area' (string expected, got " .. type(data) .. ")", 2)
	end
	id = tonumber(id) and floor(tonumber(id)) or free_id(s)
	if s.areas[id] then return nil end
	s.areas[id] = { low = low, high = high, data = data .. "" }
	return id
end

function store.remove_area(self, id)
	local areas = state[self].areas
	local existed = areas[tonumber(id)] ~= nil
	areas[tonumber(id)] = nil
	return existed
end

function store.reserve() end
function store.set_cache_params() end

-- ---------------------------------------- as bytes (src/util/areastore.cpp)
local function unsigned_16(value)
	value = value % 65536
	return char(floor(value / 256), value % 256)
end
local function unsigned_32(value) return unsigned_16(floor(value / 65536)) .. unsigned_16(value) end
local function position_bytes(p) return unsigned_16(p.x) .. unsigned_16(p.y) .. unsigned_16(p.z) end

function store.to_string(self)
	local areas, ids = state[self].areas, sorted_ids(state[self])
	if #ids > MOST_AREAS then error("The store holds more areas than can be written", 2) end
	local parts, ending = { "\0" .. unsigned_16(#ids) }, {}
	for _, id in ipairs(ids) do
		local one = areas[id]
		if #one.data > MOST_BYTES then error("String too long for serializeString16", 2) end
		parts[#parts + 1] = position_bytes(one.low) .. position_bytes(one.high) .. unsigned_16(#one.data) .. one.data
		ending[#ending + 1] = unsigned_32(id)
	end
	return concat(parts) .. concat(ending)
end

local function reader(text)
	local at = 1
	return function(count)
		local part = sub(text, at, at + count - 1)
		if #part < count then return nil end
		at = at + count
		return part
	end
end
local function number_of(part)
	local value = 0
	for i = 1, #part do value = value * 256 + byte(part, i) end
	return value
end
local function position_of(part)
	local function signed(i)
		local value = number_of(sub(part, i, i + 1))
		return value > 32767 and value - 65536 or value
	end
	return vector(signed(1), signed(3), signed(5))
end

function store.from_string(self, text)
	local s = state[self]
	if type(text) ~= "string" then error("bad argument #1 to 'from_string' (string expected)", 2) end
	local take, read, taken = reader(text), {}, {}
	if take(1) ~= "\0" then return false, "Unknown AreaStore serialization version!" end
	local count = take(2)
	for i = 1, count and number_of(count) or 0 do
		local low, high, length = take(6), take(6), take(2)
		local data = length and take(number_of(length))
		if not data then return false, "The text ends inside an area." end
		read[i] = { low = position_of(low), high = position_of(high), data = data }
	end
	s.areas = {}
	for i, one in ipairs(read) do
		local id = take(4)
		taken[i] = id and number_of(id) or free_id(s)
		s.areas[taken[i]] = one
	end
	return true
end

-- Files are not to be had here.
function store.to_file() return false, "could not be written" end
function store.from_file() return false, "could not be opened" end

local new_store = class(store)
function implemented.AreaStore() return new_store({ areas = {} }) end
