-- The ground that the engine's builtin stands on: a plain core table and the globals it is loaded into.
-- P.builtin_files holds its files as functions, by their path under the builtin folder.

local env, copy = P.env, P.copy
local setmetatable, next, sub, error = setmetatable, next, string.sub, error
local getinfo, traceback, setfenv = debug.getinfo, debug.traceback, setfenv
local FOLDER = "/builtin/"

local core, globals = {}, {}
P.core, P.engine = core, { core = core, globals = globals, lua = _G }
P.runs_natives = true
-- Nothing has to be waited for here: what a server does of itself between the stages is done at once.
function P.pause(stage)
	if stage == "mods_loaded" then
		P.is_loading = false
	elseif stage == "world" then
		P.in_world = true
		P.step_builtin(0)
	end
end

for name, value in next, env do globals[name] = value end
for _, library in next, { "string", "table", "math", "coroutine", "bit" } do globals[library] = copy(_G[library]) end
globals.string = getmetatable("").__index -- what methods of strings are looked up in while no candidate runs
globals._G, globals.core, globals.INIT = globals, core, "game"
globals.setfenv, globals.getfenv, globals.getmetatable = setfenv, getfenv, getmetatable
globals.debug = { getinfo = getinfo, traceback = traceback }
globals.vector = { metatable = {} } -- newer engines make this in C

local loaded = {}
local function load_file(path)
	local f = sub(path, 1, #FOLDER) == FOLDER and P.builtin_files[sub(path, #FOLDER + 1)]
	if not f then return nil, "cannot open " .. path end
	return setfenv(f, globals)
end
globals.loadfile = load_file

-- Each file once: the model of the C side below already stands on builtin's vectors.
function globals.dofile(path)
	if loaded[path] then return end
	loaded[path] = true
	local f, problem = load_file(path)
	if not f then error(problem, 2) end
	return f()
end
P.builtin_folder = FOLDER

globals.dofile(FOLDER .. "common/vector.lua")
P.vector_table, P.vector = globals.vector, globals.vector.new
