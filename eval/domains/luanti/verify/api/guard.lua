-- What the candidate may touch: an environment of copies, built before it runs; the originals stay here.
-- The candidate has no debug library, no bytecode, no way to the real globals, and no Python object.

jit.off()
python = nil
package.loaded.python = nil

-- Locals of this program only: nothing a candidate changes is read through these again.
local xpcall, error, type, tostring, select = xpcall, error, type, tostring, select
local rawset, next = rawset, next
local raw_getfenv, raw_setfenv, loadstring = getfenv, setfenv, loadstring
local byte, find, sub, concat = string.byte, string.find, string.sub, table.concat
local real_globals = _G
local string_metatable = getmetatable("")

local function copy(t)
	local out = {}
	for key, value in next, t do out[key] = value end
	return out
end
P.copy = copy

-- ---------------------------------------- environments
local env = {}
local private_envs = { [real_globals] = true } -- getfenv never returns one of these
P.env, P.private_envs = env, private_envs

for _, name in next, {
	"assert", "collectgarbage", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget",
	"rawset", "select", "setmetatable", "tonumber", "tostring", "type", "unpack", "xpcall", "_VERSION",
} do
	env[name] = real_globals[name]
end
env._G = env
env.DIR_DELIM, env.PLATFORM, env.INIT = "/", "Linux", "game"
env.string, env.table, env.math = copy(string), copy(table), copy(math)
env.bit, env.coroutine = copy(bit), copy(coroutine)
env.string.dump = nil
env.jit = { arch = jit.arch, os = jit.os, version = jit.version, version_num = jit.version_num,
	on = function() end, off = function() end, flush = function() end, status = function() return false end }
env.os = { clock = os.clock, date = os.date, difftime = os.difftime, time = os.time, getenv = function() end }

-- Strings only: with its function and message arguments the real one could show the judging program's frames.
local traceback = debug.traceback
env.debug = { traceback = function(message)
	if message ~= nil and type(message) ~= "string" then return message end
	return traceback(message or "", 2)
end }

-- ---------------------------------------- loading code
local function refuse_bytecode(text)
	return byte(text, 1) == 27
end

function env.loadstring(text, name)
	if type(text) ~= "string" then error("bad argument #1 to 'loadstring' (string expected)", 2) end
	if refuse_bytecode(text) then return nil, "Bytecode prohibited" end
	local chunk, message = loadstring(text, name)
	if chunk then raw_setfenv(chunk, env) end
	return chunk, message
end

function env.load(text, name, _, chunk_env)
	if type(text) == "function" then
		local parts = {}
		while true do
			local piece = text()
			if piece == nil or piece == "" then break end
			if type(piece) ~= "string" then return nil, "reader function must return a string" end
			parts[#parts + 1] = piece
		end
		text = concat(parts)
	end
	local chunk, message = env.loadstring(text, name)
	if chunk and chunk_env ~= nil then raw_setfenv(chunk, chunk_env) end
	return chunk, message
end

function env.loadfile(path)
	return nil, "cannot open " .. tostring(path)
end

function env.dofile(path)
	error("cannot open " .. tostring(path), 2)
end

function env.require()
	error("require() is disabled when mod security is on.", 2)
end

function env.getfenv(target)
	if target == nil then target = 1 end
	if type(target) == "number" then
		if target <= 0 then return env end
		target = target + 1
	end
	local found = raw_getfenv(target)
	return private_envs[found] and env or found
end

function env.setfenv(target, wanted)
	if type(target) == "number" then
		if target <= 0 then error("'setfenv' cannot change environment of given object", 2) end
		target = target + 1
	end
	if private_envs[raw_getfenv(target)] then error("'setfenv' cannot change environment of given object", 2) end
	-- no tail call: that would take this function's level away, and the next one's environment would be set
	local changed = raw_setfenv(target, wanted)
	return changed
end

-- ---------------------------------------- output
-- What is printed goes to a buffer and no further; beyond the cap it is dropped, not an error.
local printed, printed_bytes = {}, 0

local function write(text)
	if printed_bytes < P.output_cap_bytes then
		text = sub(text, 1, P.output_cap_bytes - printed_bytes)
		printed[#printed + 1] = text
		printed_bytes = printed_bytes + #text
	end
end

function env.print(...)
	local parts = {}
	for i = 1, select("#", ...) do parts[i] = tostring((select(i, ...))) end
	write(concat(parts, "\t") .. "\n")
end

function P.printed()
	return concat(printed)
end

local no_file = function(path) return nil, tostring(path) .. ": Permission denied", 13 end
env.io = {
	open = no_file, lines = function(path) error(tostring(path) .. ": Permission denied", 2) end,
	write = function(...) for i = 1, select("#", ...) do write(tostring((select(i, ...)))) end end,
	read = function() end, flush = function() end, close = function() end,
	type = function() end,
}

-- ---------------------------------------- crossing over
-- The string metatable is one per runtime. While judging code runs it is the pristine one; while the candidate runs it
-- is whatever the candidate made of it.
local pristine_string = copy(string)
local candidate_view = { __index = env.string }
local in_candidate = false

local function show(fields)
	for key in next, string_metatable do rawset(string_metatable, key, nil) end
	for key, value in next, fields do rawset(string_metatable, key, value) end
end

local function back(...)
	candidate_view = copy(string_metatable)
	in_candidate = false
	show({ __index = pristine_string })
	return ...
end

-- An error raised in this program's code gets the line of the candidate that called it, as the engine's errors have.
local getinfo = debug.getinfo
local function locate(problem)
	local last = type(problem) == "string" and select(2, find(problem, "^engine:%d+: "))
	if not last then return problem end
	for level = 2, 50 do
		local frame = getinfo(level, "Sl")
		if not frame then break end
		if frame.source == "=init.lua" then
			return "init.lua:" .. frame.currentline .. ": " .. sub(problem, last + 1)
		end
	end
	return sub(problem, last + 1)
end

-- Calls a function of the candidate, protected; returns like pcall. Re-entrant.
function P.call(f, ...)
	if in_candidate then return xpcall(f, locate, ...) end
	in_candidate = true
	show(candidate_view)
	return back(xpcall(f, locate, ...))
end

show({ __index = pristine_string })
