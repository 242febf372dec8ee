-- Registration of everything else: blocks and entities, commands, mapgen, and callbacks by event.

local api, core = P.api, P.core
local type, tostring, tonumber, pairs, ipairs, error, assert = type, tostring, tonumber, pairs, ipairs, error, assert
local rawset, next, match, insert = rawset, next, string.match, table.insert
local note, define, own_name, log, before_the_world = P.note, P.define, P.own_name, P.registered, P.before_the_world

local function check_node_list(list, field)
	if type(list) == "table" then
		for _, name in pairs(list) do
			assert(type(name) == "string", "Field '" .. field .. "' contains non-string entry")
		end
	elseif type(list) ~= "string" and list ~= nil then
		error("Field '" .. field .. "' has invalid type " .. type(list), 3)
	end
end

local function append(list_name, entry)
	local list = core[list_name]
	list[#list + 1] = entry
end
core.registered_abms, core.registered_lbms, core.registered_entities = {}, {}, {}

define("register_abm", function(def)
	before_the_world("ABM", def.name)
	check_node_list(def.nodenames, "nodenames")
	check_node_list(def.neighbors, "neighbors")
	assert(type(def.action) == "function", "Required field 'action' of type function")
	def.mod_origin = P.mod_name
	append("registered_abms", def)
	note("abm", def.label, { name = def.label, def = def })
end)

define("register_lbm", function(def)
	before_the_world("LBM", def.name)
	own_name(def.name)
	check_node_list(def.nodenames, "nodenames")
	assert(def.action == nil or type(def.action) == "function", "Field 'action' must be a function")
	assert(def.bulk_action == nil or type(def.bulk_action) == "function", "Field 'bulk_action' must be a function")
	assert((def.action ~= nil) ~= (def.bulk_action ~= nil), "Either 'action' or 'bulk_action' must be present")
	def.mod_origin = P.mod_name
	append("registered_lbms", def)
	note("lbm", def.name, { name = def.name, def = def })
end)

define("register_entity", function(name, def)
	name = own_name(name)
	def.name, def.__index, def.mod_origin = name, def, P.mod_name
	core.registered_entities[name] = def
	note("entity", name, { name = name, def = def })
end)

-- ---------------------------------------- commands, privileges
core.registered_chatcommands, core.registered_privileges = {}, {}

define("register_chatcommand", function(name, def)
	def = def or {}
	def.params, def.description, def.privs = def.params or "", def.description or "", def.privs or {}
	def.mod_origin = P.mod_name
	core.registered_chatcommands[name] = def
	note("chatcommand", name, { name = name, def = def })
end)

function api.unregister_chatcommand(name) core.registered_chatcommands[name] = nil end

function api.override_chatcommand(name, changes)
	local def = core.registered_chatcommands[name]
	assert(def, "Attempt to override non-existent chatcommand " .. tostring(name))
	for key, value in pairs(changes) do rawset(def, key, value) end
end

local function privilege(param)
	local def = type(param) == "table" and param or { description = param }
	if def.give_to_singleplayer == nil then def.give_to_singleplayer = true end
	if def.give_to_admin == nil then def.give_to_admin = def.give_to_singleplayer end
	if def.description == nil then def.description = "(no description)" end
	return def
end

for name, granted in pairs({ interact = true, shout = true, basic_privs = true, privs = true, teleport = false,
	bring = false, settime = false, server = false, protection_bypass = false, ban = false, kick = false, give = false,
	password = false, fly = false, fast = false, noclip = false, rollback = false, debug = false }) do
	core.registered_privileges[name] = privilege({ description = name, give_to_singleplayer = granted })
end

define("register_privilege", function(name, param)
	local def = privilege(param)
	core.registered_privileges[name] = def
	note("privilege", name, { name = name, def = def })
end)

-- ---------------------------------------- mapgen
local ORES = { scatter = true, sheet = true, puff = true, blob = true, vein = true, stratum = true }

local function mapgen_register(kind, check)
	local list = {}
	core["registered_" .. kind .. "s"] = list
	define("register_" .. kind, function(def)
		if type(def) ~= "table" then
			error("bad argument #1 to 'register_" .. kind .. "' (table expected, got " .. type(def) .. ")", 2)
		end
		before_the_world(kind, def.name)
		if check then check(def) end
		local id = #(log[kind] or {}) + 1
		list[def.name or id] = def
		note(kind, def.name or (type(def.ore) == "string" and def.ore), { name = def.name, def = def })
		return id
	end)
	api["clear_registered_" .. kind .. "s"] = function()
		if P.in_world then error("clear_registered_" .. kind .. "s is not possible after load time", 2) end
		for key in pairs(list) do list[key] = nil end
	end
end
mapgen_register("biome")
mapgen_register("decoration", function(def)
	local offset = tonumber(def.check_offset) or -1
	if offset < -1 or offset > 1 then error("register_decoration: check_offset out of range!", 3) end
end)
mapgen_register("ore", function(def)
	if not ORES[def.ore_type] then error('register_ore: unknown oretype "' .. tostring(def.ore_type) .. '"', 3) end
end)
mapgen_register("schematic")
function api.unregister_biome(name) core.registered_biomes[name] = nil end

-- ---------------------------------------- callbacks
-- kind -> name of the public list; most are "registered_<kind>s", a few are not.
local CALLBACKS = { on_protection_violation = "registered_on_protection_violation",
	on_priv_grant = "registered_on_priv_grant", on_priv_revoke = "registered_on_priv_revoke",
	can_bypass_userlimit = "registered_can_bypass_userlimit",
	on_modchannel_message = "registered_on_modchannel_message",
	on_liquid_transformed = "registered_on_liquid_transformed",
	on_mapblocks_changed = "registered_on_mapblocks_changed", on_chat_message = true, on_chatcommand = true,
	globalstep = true, playerevent = true, on_mods_loaded = true, on_shutdown = true, on_punchnode = true,
	on_placenode = true, on_dignode = true, on_generated = true, on_newplayer = true, on_dieplayer = true,
	on_respawnplayer = true, on_prejoinplayer = true, on_joinplayer = true, on_leaveplayer = true,
	on_player_receive_fields = true, on_cheat = true, on_craft = true, craft_predict = true, on_item_eat = true,
	on_item_pickup = true, on_punchplayer = true, on_authplayer = true, on_player_inventory_action = true,
	allow_player_inventory_action = true, on_rightclickplayer = true }
local KIND_OF_LIST = {}
for kind, list_name in next, CALLBACKS do
	if list_name ~= true then KIND_OF_LIST[list_name] = kind end
end

local events = {}
P.events = events

-- Returns the callbacks of an event in order; nil when there is no such event.
function P.event_list(kind)
	if not events[kind] and CALLBACKS[kind] then events[kind] = {} end
	return events[kind]
end

-- The register functions and public lists are made when they are first asked for.
local function register_function(kind)
	local list = P.event_list(kind)
	return function(f)
		if kind == "on_player_receive_fields" then insert(list, 1, f) else list[#list + 1] = f end
		note(kind, nil, { f })
	end
end

function P.callback_member(name)
	local kind = match(name, "^register_(.*)$")
	if kind and CALLBACKS[kind] then return register_function(kind) end
	kind = KIND_OF_LIST[name] or match(name, "^registered_(.*)s$")
	return kind and CALLBACKS[kind] and P.event_list(kind) or nil
end

local hp_modifiers, hp_loggers = {}, {}
core.registered_on_player_hpchanges = { modifiers = hp_modifiers, loggers = hp_loggers }
define("register_on_player_hpchange", function(f, is_modifier)
	local list = is_modifier and hp_modifiers or hp_loggers
	list[#list + 1] = f
	note("on_player_hpchange", nil, { f, is_modifier })
end)
events.on_player_hpchange = hp_loggers

define("register_on_auth_fail", function(f) note("on_auth_fail", nil, { f }) end)
define("register_on_mapgen_init", function(f)
	note("on_mapgen_init", nil, { f })
	f({ mgname = "singlenode", seed = 0, chunksize = 5, water_level = 1, flags = "" })
end)
for _, name in ipairs({ "async_dofile", "mapgen_script" }) do -- a program is one file
	define("register_" .. name, function(path)
		error("Mod security: Blocked attempted read from " .. tostring(path), 2)
	end)
end
for _, name in ipairs({ "authentication_handler", "async_metatable", "portable_metatable" }) do
	define("register_" .. name, function(...) note(name, nil, { ... }) end)
end

-- Runs every callback of an event in order and returns the last true result; an error in one is the caller's error.
function P.run_event(kind, ...)
	local result
	for _, f in ipairs(P.event_list(kind)) do result = f(...) or result end
	return result
end

-- What the engine does between a mod's loading and the first check: on_mods_loaded, a world, its first step.
function P.enter_world()
	P.is_loading = false
	P.run_event("on_mods_loaded")
	events.on_mods_loaded = {} -- it happens once
	P.in_world = true
	if P.run_due then P.run_due() end
end

-- Returns the health change that is left after the modifiers.
function P.change_hp(player, change, reason)
	for i = #hp_modifiers, 1, -1 do
		local last
		change, last = hp_modifiers[i](player, change, reason)
		if type(change) ~= "number" then error("The register_on_hp_changes function has to return a number", 2) end
		if last then break end
	end
	for _, f in ipairs(hp_loggers) do f(player, change, reason) end
	return change
end
