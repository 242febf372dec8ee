-- The candidate's core table: the engine's own one behind a proxy that writes down what is called and registered.
-- Needs P.engine: ``core``, ``globals`` (its global table) and ``lua`` (the standard library alone).

local real, globals, lua = P.engine.core, P.engine.globals, P.engine.lua
local env, private_envs, record, copy = P.env, P.private_envs, P.record, P.copy
local type, next, rawget, select, error = type, next, rawget, select, error
local setmetatable, getmetatable = setmetatable, getmetatable

private_envs[globals] = true

-- ---------------------------------------- globals
-- What the engine adds to plain Lua; tables are copied, so that nothing of the candidate reaches builtin's.
for name, value in next, globals do
	if lua[name] == nil and name ~= "core" and name ~= "minetest" then
		env[name] = type(value) == "table" and setmetatable(copy(value), getmetatable(value)) or value
	end
end
for _, name in next, P.late_globals do -- what record.lua knows of newer engines
	if globals[name] == nil then env[name] = nil end
end
for _, library in next, { "string", "table", "math" } do -- record.lua put its own in
	for name, value in next, globals[library] do env[library][name] = value end
end
env.string.dump = nil
env.vector = copy(globals.vector)
P.vector_table, P.vector = globals.vector, globals.vector.new

-- Userdata show their method table as their metatable: writing there would change them for the checks too.
function env.getmetatable(value)
	if type(value) == "userdata" then return false end
	return getmetatable(value)
end

function real.global_exists(name)
	if type(name) ~= "string" then error("core.global_exists: the name of a global is a string", 2) end
	return rawget(env, name) ~= nil
end

-- ---------------------------------------- coroutines
-- The whole judgement runs in one coroutine; for the candidate it is the main program.
local running, yield = coroutine.running, coroutine.yield
function env.coroutine.yield(...)
	if running() == P.thread then error("attempt to yield from outside a coroutine", 2) end
	return yield(...)
end
function env.coroutine.running()
	local thread = running()
	return thread ~= P.thread and thread or nil
end

-- ---------------------------------------- core
local own, wrappers = {}, {} -- what the candidate put into core; name -> the real function and its wrapper

local function recorded(name, f)
	return function(...)
		record(name, ...)
		return f(...)
	end
end

local function wrapper(name, f)
	local known = wrappers[name]
	if not known or known.of ~= f then
		known = { of = f, f = P.looking(name, P.registration(name, f) or recorded(name, f)) }
		wrappers[name] = known
	end
	return known.f
end

local proxy = setmetatable({}, {
	__metatable = false,
	__index = function(_, name)
		local value = real[name]
		if type(value) ~= "function" or own[name] == value then return value end
		return wrapper(name, value)
	end,
	-- builtin looks its functions up in the real table, so that an override of the candidate's is what it calls.
	__newindex = function(_, name, value)
		own[name] = value
		real[name] = value
	end,
})
P.core = proxy
env.core, env.minetest = proxy, proxy
