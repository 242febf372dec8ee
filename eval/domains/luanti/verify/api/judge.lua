-- One candidate from source to result: compile, load, run the checks, and say it all in plain strings.
-- Arguments: the source, the mod it runs as, then name and Lua text of each check. Results: outcome, detail, the number of checks, for each
-- "passed", "failed" or "skipped" and its detail; then three lists, each after its length: registrations, calls, shapes
-- of definitions (see shapes.lua).

local loadstring, setfenv, pcall, type, select, unpack = loadstring, setfenv, pcall, type, select, unpack
local byte, sub, find = string.byte, string.sub, string.find
local rawget, sort = rawget, table.sort
local CHUNK = "=init.lua"
local DETAIL_CHARACTERS, LISTED = 500, 50

-- What the program uses and this VM lacks (see eval/sandbox/languages): whatever came of it says nothing about the program.
local function beyond_vm()
	if not P.lacks then return nil end
	return "HARNESS_ERROR", "Lua 5.1 judges here and lacks what the program uses: " .. P.lacks
end

local function is_memory(problem)
	return type(problem) == "string" and find(problem, "not enough memory", 1, true) ~= nil
end

local function load_candidate(source)
	if byte(source, 1) == 27 then return "SYNTAX_ERROR", "bytecode is not a program" end
	local chunk, message = loadstring(source, CHUNK)
	if P.lacks then return beyond_vm() end
	if not chunk then return is_memory(message) and "MEMORY" or "SYNTAX_ERROR", P.error_text(message) end
	setfenv(chunk, P.env)
	local ok, problem = P.call(chunk)
	if ok then ok, problem = P.call(P.enter_world) end
	if ok or P.lacks then return beyond_vm() end
	return is_memory(problem) and "MEMORY" or "RUNTIME_ERROR", P.error_text(problem)
end

-- Returns state, detail and, for a failure, the outcome it makes.
local function run_check(name, text)
	local chunk, message = loadstring(text, "=check")
	if not chunk then return "failed", message, "HARNESS_ERROR" end
	setfenv(chunk, P.check_env)
	local ok, problem = pcall(chunk)
	if P.lacks then return "failed", select(2, beyond_vm()), "HARNESS_ERROR" end
	if ok then return "passed", "" end
	local kind = type(problem) == "table" and rawget(problem, "kind")
	if kind == P.FAILED then return "failed", problem.message, "WRONG" end
	if kind == P.RAISED then
		return "failed", problem.message, is_memory(problem.problem) and "MEMORY" or "RUNTIME_ERROR"
	end
	return "failed", P.error_text(problem), is_memory(problem) and "MEMORY" or "WRONG"
end

local function add_list(out, list)
	local count = #list < LISTED and #list or LISTED
	out[#out + 1] = count
	for i = 1, count do out[#out + 1] = sub(list[i], 1, 120) end
end

function P.judge(source, mod_name, ...)
	local arguments = { ... }
	P.mod_name = mod_name
	local outcome, detail = load_candidate(source)
	local stop = outcome ~= nil
	local out = { "", "", #arguments / 2 }
	for i = 1, #arguments, 2 do
		local state, why, made = "skipped", "", nil
		if not stop then state, why, made = run_check(arguments[i], arguments[i + 1]) end
		-- The first failure is the outcome; a check that does not compile says nothing about the candidate.
		if made and (not outcome or made == "HARNESS_ERROR") then
			outcome, detail = made, arguments[i] .. ": " .. why
		end
		stop = stop or made == "MEMORY" or made == "HARNESS_ERROR"
		out[#out + 1] = state
		out[#out + 1] = sub(why, 1, DETAIL_CHARACTERS)
	end
	out[1], out[2] = outcome or "PASSED", sub(detail or "", 1, DETAIL_CHARACTERS)
	add_list(out, P.registered_order)
	sort(P.call_names)
	add_list(out, P.call_names)
	out[#out + 1] = #P.shapes
	for i = 1, #P.shapes do out[#out + 1] = P.shapes[i] end
	return unpack(out)
end
