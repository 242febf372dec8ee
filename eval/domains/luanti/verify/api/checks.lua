-- The check library: what a task's checks may call. They run after the candidate, in an environment it cannot reach.

local env, private_envs, registered, describe = P.env, P.private_envs, P.registered, P.describe
local type, ipairs, next, error, tostring, rawget = type, ipairs, next, error, tostring, rawget
local abs, concat, find, match = math.abs, table.concat, string.find, string.match

-- Failures travel as private tables, so that no error of the candidate can pass for one.
local FAILED, RAISED = {}, {}
P.FAILED, P.RAISED = FAILED, RAISED

local function fail(message)
	error({ kind = FAILED, message = tostring(message) }, 0)
end

local checks = {}
P.check_env = checks
private_envs[checks] = true

checks.fail = fail

function checks.expect(condition, message)
	if not condition then fail(message or "an expectation did not hold") end
	return condition
end

function checks.equal(actual, expected, label)
	local found = P.difference(actual, expected, label or "value")
	if found then fail(found) end
end

function checks.near(actual, expected, tolerance, label)
	if type(actual) ~= "number" or not (abs(actual - expected) <= tolerance) then
		fail((label or "value") .. ": expected " .. describe(expected) .. " within " .. describe(tolerance) .. ", got "
			.. describe(actual))
	end
end

function checks.contains(whole, needle, label)
	label = label or "value"
	if type(whole) == "string" then
		if not find(whole, needle, 1, true) then
			fail(label .. ": expected text with " .. describe(needle) .. ", got " .. describe(whole))
		end
	elseif type(whole) == "table" then
		for _, value in next, whole do
			if P.difference(value, needle, "") == nil then return end
		end
		fail(label .. ": expected " .. describe(needle) .. " among " .. describe(whole))
	else
		fail(label .. ": expected a list or text, got " .. describe(whole))
	end
end

-- ---------------------------------------- what was registered
local function listing()
	local names = {}
	for i, text in ipairs(P.registered_order) do
		if i > 8 then
			names[i] = "..."
			break
		end
		names[i] = text
	end
	return #names > 0 and concat(names, ", ") or "nothing"
end

-- The public tables hold overrides too; but whoever only writes into them has registered nothing.
local TABLES = { node = P.registered_nodes, tool = P.registered_tools, craftitem = P.registered_craftitems }
local before = {} -- table -> what the engine itself registered
for _, t in next, TABLES do
	before[t] = {}
	for name in next, t do before[t][name] = true end
end

local function is_registered(kind, name)
	if before[TABLES[kind]][name] then return true end
	for _, entry in ipairs(registered[kind] or {}) do
		if entry.name == name then return true end
	end
	return false
end

local function lookup(what, name, ...)
	for _, kind in ipairs({ ... }) do
		local def = rawget(TABLES[kind], name)
		if def ~= nil and is_registered(kind, name) then return def end
	end
	fail("no " .. what .. " " .. describe(name) .. " was registered (registered: " .. listing() .. ")")
end

function checks.node(name) return lookup("node", name, "node") end
function checks.tool(name) return lookup("tool", name, "tool") end
function checks.craftitem(name) return lookup("craftitem", name, "craftitem") end
function checks.item(name) return lookup("item", name, "node", "tool", "craftitem") end

-- Only what the candidate registered counts, so these read the log and not the public tables; the last one stands.
local function logged(kind, name)
	local list = registered[kind] or {}
	for i = #list, 1, -1 do
		if list[i].name == name then return list[i].def end
	end
	fail("no " .. kind .. " " .. describe(name) .. " was registered (registered: " .. listing() .. ")")
end
function checks.entity(name) return logged("entity", name) end
function checks.command(name) return logged("chatcommand", name) end
function checks.privilege(name) return logged("privilege", name) end

function checks.all(kind)
	local out = {}
	for i, entry in ipairs(registered[kind] or {}) do out[i] = entry end
	return out
end

function checks.craft(output)
	for _, entry in ipairs(registered.craft or {}) do
		local name = type(entry.def.output) == "string" and match(entry.def.output, "^%s*(%S+)")
		if name == output then return entry.def end
	end
	fail("no recipe gives " .. describe(output) .. " (registered: " .. listing() .. ")")
end

function checks.calls(name)
	local out = {}
	for i, arguments in ipairs(P.calls[name] or {}) do out[i] = arguments end
	return out
end

function checks.global(name)
	local value = rawget(env, name)
	if value == nil then fail("no global " .. describe(name) .. " was defined") end
	return value
end

checks.output = P.printed

-- ---------------------------------------- making things happen
local function results(ok, ...)
	if not ok then error({ kind = RAISED, message = P.error_text((...)), problem = (...) }, 0) end
	return ...
end

function checks.run(f, ...)
	if type(f) ~= "function" then fail("expected a function to run, got " .. describe(f)) end
	return results(P.call(f, ...))
end

function checks.fire(event, ...)
	local list = P.event_list(event)
	if not list then fail("there is no event " .. describe(event)) end
	for _, f in ipairs(P.copy(list)) do results(P.call(f, ...)) end
end

-- Everything below stands on the world, which is loaded when it is first asked for.
local function later(name)
	return function(...)
		P.demand()
		return P[name](...)
	end
end
checks.player, checks.stack, checks.vector = later("player"), later("make_stack"), later("vector")
function checks.advance(seconds)
	P.demand()
	results(P.call(P.advance, seconds))
end

local function in_world(name)
	return function(...)
		P.demand()
		return results(P.call(P.api[name], ...))
	end
end
local get_node, set_node = in_world("get_node"), in_world("set_node")
checks.world = {
	get = function(pos) return get_node(pos).name end,
	set = function(pos, node) set_node(pos, type(node) == "table" and node or { name = node }) end,
	get_node = get_node,
	set_node = set_node,
	dig = in_world("dig_node"),
	meta = in_world("get_meta"),
	timer = in_world("get_node_timer"),
}

-- ---------------------------------------- plain Lua
for _, name in ipairs({ "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget",
	"rawset", "select", "tonumber", "tostring", "type", "unpack" }) do
	checks[name] = _G[name]
end
checks.string, checks.table, checks.math = P.copy(string), P.copy(table), P.copy(math)
