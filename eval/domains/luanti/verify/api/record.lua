-- The core table: functions come from P.api, every call is written down, and a name the engine does not have is nil.

local api, env = P.api, P.env
local type, select, rawget, rawset, setmetatable, pairs, ipairs = type, select, rawget, rawset, setmetatable, pairs,
	ipairs
local snapshot = P.snapshot

local KEPT_CALLS = 1000 -- of one function; a loop that calls a million times is counted, not stored
local calls, call_names = {}, {}
P.calls, P.call_names = calls, call_names

function P.record(name, ...)
	local list = calls[name]
	if not list then
		list = {}
		calls[name] = list
		call_names[#call_names + 1] = name
	end
	if #list < KEPT_CALLS then
		local arguments = { ... }
		for i = 1, select("#", ...) do arguments[i] = snapshot(arguments[i]) end
		list[#list + 1] = arguments
	end
end

local record = P.record
local registers = {} -- register functions keep lists of their own
P.registers = registers

local function recorded(name, f)
	if registers[name] then return f end
	return function(...)
		record(name, ...)
		return f(...)
	end
end

-- Functions of the engine whose effect no check needs: they can be called and return nothing. ``fields`` are the values
-- of core that are no functions, ``implemented`` what the libraries of the candidate delegate to.
local inert, fields, implemented = {}, {}, {}
P.inert, P.fields, P.implemented = inert, fields, implemented
local function nothing() end

-- Most programs only register: what else the engine offers is loaded when it is first asked for (half of the cost).
local on_demand = P.on_demand
local load_bytecode = loadstring

local function demand()
	if on_demand then
		local bytecode = on_demand
		on_demand = nil
		load_bytecode(bytecode, "=engine")(P)
	end
end
P.demand = demand

local function late(name)
	return function(...)
		demand()
		return implemented[name](...)
	end
end

for library, names in pairs({
	string = { "split", "trim" },
	table = { "copy", "copy_with_metatables", "indexof", "keyof", "insert_all", "key_value_swap", "shuffle" },
	math = { "sign", "hypot", "factorial", "round", "isfinite" },
}) do
	for _, name in ipairs(names) do env[library][name] = late(library .. "." .. name) end
end
local late_globals = { "dump", "dump2", "ItemStack", "Settings", "PseudoRandom", "PcgRandom", "SecureRandom", "AreaStore",
	"Raycast", "VoxelManip", "PerlinNoise", "PerlinNoiseMap", "ValueNoise", "ValueNoiseMap" }
P.late_globals = late_globals
for i = 1, #late_globals do env[late_globals[i]] = late(late_globals[i]) end

local function load_area()
	demand()
	P.load_further() -- fills the table and gives it another metatable
end
P.voxel_area = setmetatable({}, { __metatable = false,
	__index = function(area, name)
		load_area()
		return rawget(area, name)
	end,
	__call = function(area, ...)
		load_area()
		return area(...)
	end })
env.VoxelArea = P.voxel_area

env.vector = setmetatable({}, { __metatable = false, __index = function(vector, name)
	demand() -- fills the table and takes this metatable off
	return rawget(vector, name)
end })
P.vector_table = env.vector

local function resolve(core, name)
	local f = api[name] or (inert[name] and nothing)
	if f then f = P.looking(name, recorded(name, f)) else f = fields[name] end
	if f == nil and type(name) == "string" then f = P.callback_member(name) end
	if f ~= nil then rawset(core, name, f) end
	return f
end

local core = setmetatable({}, {
	__metatable = false,
	__index = function(core, name)
		local found = resolve(core, name)
		if found == nil and on_demand then
			demand()
			found = resolve(core, name)
		end
		return found
	end,
})
P.core = core
env.core, env.minetest = core, core
