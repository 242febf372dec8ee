-- The checker: a trusted mod, loaded before the candidate's. It reads the job from stdin, runs the judging program
-- around the candidate and writes the answer to descriptor 3; the process is ended from outside.
-- Frames are those of eval/sandbox/wire.py; texts in them are base64.

local insecure = core.request_insecure_environment()
local io, coroutine = insecure.io, insecure.coroutine
local rawset, setfenv, type, tostring, next, unpack, select = insecure.rawset, insecure.setfenv, insecure.type,
	insecure.tostring, insecure.next, insecure.unpack, insecure.select
local byte, char, concat, format, find = insecure.string.byte, insecure.string.char, insecure.table.concat,
	insecure.string.format, insecure.string.find
local floor = insecure.math.floor
local parse_json, encode_base64, decode_base64 = core.parse_json, core.encode_base64, core.decode_base64

local input, output = io.stdin, insecure.assert(io.open("/proc/self/fd/3", "w"))
local MOST_JOB_BYTES = 67108864
local MAP_BYTES = 134217728 -- what the engine itself may need for the land that a program touches

-- ---------------------------------------- frames
local function send(body)
	local n = #body
	output:write(char(floor(n / 16777216) % 256, floor(n / 65536) % 256, floor(n / 256) % 256, n % 256), body)
	output:flush()
end

local function receive()
	local head = input:read(4)
	if not head or #head < 4 then return nil end
	local a, b, c, d = byte(head, 1, 4)
	local length = ((a * 256 + b) * 256 + c) * 256 + d
	local body = length <= MOST_JOB_BYTES and input:read(length)
	return body and parse_json(body)
end

local function field(value)
	if type(value) == "number" then return format("%.14g", value) end
	return '"' .. encode_base64(value) .. '"'
end

-- Nothing runs after an answer: the reader ends this process, or has ended itself.
local function hold()
	while input:read(1) do end
	insecure.os.exit(0)
end

local function answer(status, ...)
	local fields = {}
	for i = 1, select("#", ...) do fields[i] = field((select(i, ...))) end
	send('{"status":"' .. status .. '","fields":[' .. concat(fields, ",") .. "]}")
	hold()
end

-- ---------------------------------------- the judging program
local P = { marker = "luagate:marker", on_demand = nil, world_is_open = false,
	engine = { core = core, globals = _G, lua = insecure, insecure = insecure } }
core.register_entity(":" .. P.marker, { initial_properties = { static_save = true } })

local judge_globals = {}
for name, value in next, insecure do judge_globals[name] = value end
for _, library in insecure.ipairs({ "string", "table", "math" }) do -- with what builtin adds to them
	judge_globals[library] = {}
	for name, value in next, insecure[library] do judge_globals[library][name] = value end
	for name, value in next, _G[library] do judge_globals[library][name] = value end
end
judge_globals._G = judge_globals
local TOKEN = {}
function P.pause(why, value) coroutine.yield(TOKEN, why, value) end

local program = insecure.assert(insecure.loadfile(core.get_modpath("luagate_checker") .. "/program.lua"))
setfenv(program, judge_globals)
program(P)

local stage
local function enter(name)
	stage = name
	send('{"stage":"' .. name .. '"}')
end

local function settle(ok, ...)
	P.unlimit_memory()
	if coroutine.status(P.thread) == "dead" then
		if ok then answer("done", ...) end
		local problem = tostring((...))
		if find(problem, "not enough memory", 1, true) then answer("memory") end
		answer("fault", problem)
	end
	local token, why, value = ...
	if token ~= TOKEN then answer("fault", "the judgement was suspended from elsewhere") end
	return why, value
end

-- The string metatable is one for all: while the judgement is suspended the engine sees its own.
local string_metatable, aside = insecure.debug.getmetatable(""), nil
local function show(fields)
	local shown = {}
	for key, value in next, string_metatable do shown[key] = value end
	for key in next, shown do rawset(string_metatable, key, nil) end
	for key, value in next, fields do rawset(string_metatable, key, value) end
	return shown
end

local job
local function go(...)
	if aside then show(aside) end
	local why, value = settle(coroutine.resume(P.thread, ...))
	aside = show({ __index = _G.string })
	return why, value
end

-- The candidate can reach the engine's lists of callbacks, and the checker's own among them.
local function is_called_by_candidate()
	return coroutine.status(P.thread) ~= "suspended"
end

-- ---------------------------------------- a server's life
send('{"stage":"ready","engine":' .. field(core.get_version().string) .. ',"luajit":' .. field(insecure.jit
	and insecure.jit.version or "") .. ',"limits":"' .. tostring(P.limits_hold) .. '","builtin":'
	.. field(core.get_builtin_path()) .. "}")
job = receive()
if not job then hold() end
local arguments = {}
for i = 1, #job.arguments do arguments[i] = decode_base64(job.arguments[i]) end
P.output_cap_bytes = job.output_bytes
local memory_bytes = job.memory_bytes + MAP_BYTES
P.thread = coroutine.create(P.judge)

-- The mod of the candidate calls this once, so that what it registers is registered by that mod.
rawset(_G, "luagate_candidate", function()
	P.limit_cpu(job.cpu_s)
	P.limit_memory(memory_bytes)
	go(unpack(arguments))
	for i = 4, #arguments, 2 do P.register_others(arguments[i]) end -- the texts of the checks
	enter("registered")
end)

-- An error in a step ends the server, but another step may begin before it does: nothing is checked in that one.
-- The first and the last globalstep tell whether a step came to its end.
local begun, ended = 0, 0
local function first_in_step()
	if is_called_by_candidate() then return end
	if begun ~= ended and (stage == "registered" or stage == "running") then
		P.unlimit_memory()
		answer("stopped")
	end
	begun = begun + 1
end
local function last_in_step()
	if not is_called_by_candidate() then ended = begun end
end

core.register_on_mods_loaded(function()
	if is_called_by_candidate() then return end
	enter("loaded")
	P.limit_memory(memory_bytes)
	go()
	core.register_globalstep(last_in_step)
	enter("registered")
end)

local left_s
function P.own_step(dtime)
	if is_called_by_candidate() then return end
	if stage == "registered" then
		enter("opening")
		P.open_entities()
		P.world_is_open = true
	elseif left_s then
		left_s = left_s - dtime
		if left_s > 0 then return end
	end
	enter("checking")
	P.limit_memory(memory_bytes)
	local why, seconds = go()
	if why == "steps" then
		left_s = seconds
		enter("running")
	end
end
core.register_globalstep(first_in_step)
insecure.table.insert(core.registered_globalsteps, 1, insecure.table.remove(core.registered_globalsteps))
core.register_globalstep(P.own_step)
P.own_steps = { [first_in_step] = true, [P.own_step] = true, [last_in_step] = true }
