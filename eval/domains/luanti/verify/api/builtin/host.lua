-- Runs the engine's own builtin on the model of its C side, and puts the model's players into its accounts.

local api, core, globals, implemented, fields = P.api, P.core, P.engine.globals, P.implemented, P.fields
local next, ipairs, rawget = next, ipairs, rawget
local type, error, gmatch, find = type, error, string.gmatch, string.find
local copy, nothing = P.copy, function() end

for name in next, P.inert do core[name] = nothing end
for name, value in next, fields do core[name] = value end
for name, f in next, api do core[name] = f end
for name in gmatch(P.absent, "%S+") do core[name] = nil end -- what this version's C side does not have
if not core.get_node_raw then core.get_node = core.get_node_or_nil end -- nothing, while there is no map
for _, name in ipairs(P.late_globals) do
	if find(name, "^dump") == nil then
		globals[name] = (P.engine_series >= 512 or not find(name, "^Value")) and implemented[name] or nil
	end
end
P.voxel_area = nil -- builtin brings its own

core.settings:set("default_privs", "interact, shout")
function core.get_builtin_path() return P.builtin_folder end
function core.get_user_path() return "/user" end
function core.set_http_api_lua() end
function core.do_async_callback() return 1 end -- promised, and never run here
function core.get_version()
	local version = api.get_version()
	version.string, version.project = P.engine_version, P.engine_project
	return version
end
function core.get_password_hash() return "" end
function core.get_translated_string(_, text) return text end

-- Strict where the C side reads definitions strictly.
function core.register_item_raw(def) P.read_strictly(def) end
core.unregister_item_raw, core.register_alias_raw = nothing, function(name, target)
	if type(name) == "string" and type(target) == "string" then return end
	error("bad argument to 'register_alias_raw' (string expected)", 3)
end

function core.create_detached_inventory_raw(name) return api.create_detached_inventory(name) end
function core.remove_detached_inventory_raw(name) return api.remove_detached_inventory(name) end

-- ---------------------------------------- accounts
local accounts = {}
core.auth = {
	read = function(name) return accounts[name] end,
	create = function(entry)
		accounts[entry.name] = { name = entry.name, password = entry.password, last_login = entry.last_login,
			privileges = copy(entry.privileges) }
		return accounts[entry.name]
	end,
	save = function(entry) accounts[entry.name] = entry return true end,
	delete = function(name)
		local existed = accounts[name] ~= nil
		accounts[name] = nil
		return existed
	end,
	list_names = function()
		local names = {}
		for name in next, accounts do names[#names + 1] = name end
		return names
	end,
	reload = nothing,
}
-- There are no accounts before there is a world; older engines say so.
local is_silent = P.engine_series >= 514
for name, f in next, copy(core.auth) do
	core.auth[name] = function(...)
		if P.in_world then return f(...) end
		if is_silent then return nil end
		error("Attempt to access an auth function but the auth system is yet not initialized. This causes bugs.", 2)
	end
end
function core.disconnect_player()
	if P.in_world or is_silent then return true end
	error("Can't kick player before server has started up", 2)
end

local modname = core.get_current_modname
function core.get_current_modname() return "*builtin*" end
globals.dofile(P.builtin_folder .. "init.lua")
core.get_current_modname = modname

function core.get_player_privs(name) -- C in the engine, and asks the accounts
	local account = core.get_auth_handler().get_auth(name)
	return account and account.privileges or {}
end

P.unknown_item = rawget(core.registered_items, "unknown")

function P.change_hp(player, change, reason)
	return core.registered_on_player_hpchange(player, change, reason)
end

local join = P.player
function P.player(name)
	local player, auth = join(name), core.get_auth_handler()
	if not auth.get_auth(name) then auth.create_auth(name, "") end
	return player
end
