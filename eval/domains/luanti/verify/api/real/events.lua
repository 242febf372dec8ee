-- Callbacks by event and the passing of time, on the engine's own lists and builtin's own timers.

local real = P.engine.core
local type, ipairs, next, unpack = type, ipairs, next, unpack
local sub, floor = string.sub, math.floor
local getinfo = debug.getinfo
local copy = P.copy

-- builtin's and the checker's functions come from files or from stripped bytecode; a candidate's never do.
local function is_native(f)
	local source = getinfo(f, "S").source
	return sub(source, 1, 1) == "@" or source == "=engine"
end

local function public_list(kind)
	if kind == "on_player_hpchange" then return real.registered_on_player_hpchanges.loggers end
	local list = real["registered_" .. kind .. "s"]
	if type(list) ~= "table" then list = real["registered_" .. kind] end
	return type(list) == "table" and type(real["register_" .. kind]) == "function" and list or nil
end

-- Returns the candidate's callbacks of an event in order; nil when the engine has no such event.
function P.event_list(kind)
	local list = type(kind) == "string" and public_list(kind)
	if not list then return nil end
	local out = {}
	for _, f in ipairs(list) do
		if type(f) == "function" and not is_native(f) then out[#out + 1] = f end
	end
	return out
end

-- Runs every callback of an event in order and returns the last true result; an error in one is the caller's error.
function P.run_event(kind, ...)
	local result
	for _, f in ipairs(P.event_list(kind) or {}) do result = f(...) or result end
	return result
end

-- A server runs its own callbacks of on_mods_loaded itself; those of the candidate here, where an error is its own.
function P.enter_world()
	P.pause("mods_loaded")
	local list = real.registered_on_mods_loaded
	for i, f in ipairs(copy(list)) do
		if P.runs_natives or not is_native(f) then
			list[i] = P.nothing
			f()
		end
	end
	P.pause("world")
end
function P.nothing() end

-- ---------------------------------------- time
local passed_s, timers = 0, {} -- positions whose timer was asked for

local get_node_timer = real.get_node_timer
function real.get_node_timer(pos)
	local timer = get_node_timer(pos)
	timers[real.hash_node_position({ x = floor(pos.x + 0.5), y = floor(pos.y + 0.5), z = floor(pos.z + 0.5) })] = pos
	return timer
end

for name, unit in next, { get_us_time = 1e6, get_server_uptime = 1, get_gametime = 1 } do
	local now = real[name]
	real[name] = function()
		local value = now()
		return value and value + floor(passed_s * unit) or floor(passed_s * unit)
	end
end

local function run_timer(pos, seconds)
	local timer = get_node_timer(pos)
	if not timer:is_started() then return end
	local timeout, elapsed = timer:get_timeout(), timer:get_elapsed() + seconds
	if elapsed < timeout then return timer:set(timeout, elapsed) end
	timer:stop()
	local def = real.registered_nodes[real.get_node(pos).name]
	if def and def.on_timer and def.on_timer(pos, elapsed) then get_node_timer(pos):start(timeout) end
end

-- Runs builtin's own global steps: they run what core.after promised.
function P.step_builtin(seconds)
	for _, f in ipairs(copy(real.registered_globalsteps)) do
		if is_native(f) and not (P.own_steps and P.own_steps[f]) then f(seconds) end
	end
end

-- Lets time pass at once: builtin's due core.after jobs, the candidate's global steps, then node timers.
function P.advance(seconds)
	passed_s = passed_s + seconds
	P.step_builtin(seconds)
	P.run_event("globalstep", seconds)
	for _, pos in next, copy(timers) do run_timer(pos, seconds) end
end
