-- The rest of the API that generated code commonly calls, and the names of what exists but has no effect here.

local api, core, env, inert, fields = P.api, P.core, P.env, P.inert, P.fields
local type, tonumber, tostring, pairs, ipairs, next, error = type, tonumber, tostring, pairs, ipairs, next, error
local rawget, setmetatable = rawget, setmetatable
local gmatch, match, sub = string.gmatch, string.match, string.sub
local node_at = P.api.get_node

local function need_text(value, position, name)
	if type(value) ~= "string" and type(value) ~= "number" then
		error("bad argument #" .. position .. " to '" .. name .. "' (string expected, got " .. type(value) .. ")", 3)
	end
end

-- ---------------------------------------- the mod itself
function api.get_current_modname() return P.is_loading and P.mod_name or nil end
function api.get_modpath(name) return name == P.mod_name and "/mods/" .. name or nil end
function api.get_modnames() return { P.mod_name } end
function api.get_worldpath() return "/world" end
function api.get_mod_data_path() return "/mod_data/" .. P.mod_name end
function api.global_exists(name)
	if type(name) ~= "string" then error("core.global_exists: " .. tostring(name) .. " is not a string", 2) end
	return rawget(env, name) ~= nil
end
function api.get_version()
	return { project = "Luanti", string = "5.14.0", proto_min = 37, proto_max = 48, is_dev = false }
end
function api.get_game_info() return { id = "minimal", title = "Minimal", author = "", path = "/game" } end
function api.is_singleplayer() return false end
function api.get_us_time() return os.clock() * 1e6 end
function api.get_timeofday() return 0.5 end
function api.get_day_count() return 0 end
function api.get_server_status() return "" end
function api.get_dir_list() return {} end
function api.path_exists() return false end
function api.safe_file_write() return false end
function api.mkdir() return false end
function api.request_http_api() return nil end
function api.request_insecure_environment() return nil end
function api.has_feature() return true, {} end
fields.features = setmetatable({}, { __index = function() return true end, __metatable = false })

local storage = P.new_meta()
function api.get_mod_storage() return P.is_loading and storage or nil end

-- ---------------------------------------- settings
local settings = {}
function settings.get(self, name) return P.state[self][name] end
function settings.set(self, name, value) P.state[self][name] = tostring(value) end
function settings.set_bool(self, name, value) P.state[self][name] = value and "true" or "false" end
function settings.get_bool(self, name, default)
	local value = P.state[self][name]
	if value == nil then return default end
	return api.is_yes(value)
end
function settings.has(self, name) return P.state[self][name] ~= nil end
function settings.remove(self, name) P.state[self][name] = nil return true end
function settings.get_pos(self, name) return api.string_to_pos(P.state[self][name]) end
function settings.set_pos(self, name, pos) P.state[self][name] = api.pos_to_string(pos) end
function settings.get_names(self) return settings.to_table(self, true) end
function settings.to_table(self, names_only)
	local out = {}
	for name, value in next, P.state[self] do
		if names_only then out[#out + 1] = name else out[name] = value end
	end
	return out
end
function settings.write() return false end
function settings.get_np_group() return nil end
function settings.get_flags() return nil end
local new_settings = P.class(settings)
fields.settings = new_settings({})
function P.implemented.Settings() return new_settings({}) end
function api.setting_get(name) return fields.settings:get(name) end
function api.setting_getbool(name) return fields.settings:get_bool(name) end
function api.setting_set(name, value) fields.settings:set(name, value) end
function api.setting_setbool(name, value) fields.settings:set_bool(name, value) end
function api.setting_get_pos(name) return fields.settings:get_pos(name) end

-- ---------------------------------------- chat, formspecs, effects
function api.chat_send_player(name, text)
	need_text(name, 1, "chat_send_player")
	need_text(text, 2, "chat_send_player")
end
function api.chat_send_all(text) need_text(text, 1, "chat_send_all") end
function api.log(level, text) need_text(text == nil and level or text, 1, "log") end
function api.show_formspec(name, form, spec)
	need_text(name, 1, "show_formspec")
	need_text(form, 2, "show_formspec")
	need_text(spec, 3, "show_formspec")
end
function api.close_formspec(name, form) return core.show_formspec(name, form, "") end
function api.format_chat_message(name, message) return "<" .. name .. "> " .. message end
local handle = 0
local function new_handle()
	handle = handle + 1
	return handle
end
function api.sound_play(spec)
	if type(spec) ~= "string" and type(spec) ~= "table" then error("bad argument #1 to 'sound_play'", 2) end
	return new_handle()
end
function api.add_particle(def)
	if def == nil then error("bad argument #1 to 'add_particle'", 2) end
end
function api.add_particlespawner(def)
	if type(def) ~= "table" and type(def) ~= "number" then error("bad argument #1 to 'add_particlespawner'", 2) end
	return new_handle()
end

-- ---------------------------------------- players, privileges
local granted = {} -- name -> set
function api.is_player(value)
	local kind = type(value)
	if kind ~= "userdata" and kind ~= "table" then return false end
	return type(value.is_player) == "function" and value:is_player()
end
function api.player_exists(name) return api.get_player_by_name(name) ~= nil end
function api.get_player_privs(name)
	granted[name] = granted[name] or { interact = true, shout = true }
	return P.copy(granted[name])
end
function api.set_player_privs(name, privileges)
	granted[name] = {}
	for privilege, held in pairs(privileges) do granted[name][privilege] = held or nil end
end
function api.change_player_privs(name, changes)
	local all = api.get_player_privs(name)
	for privilege, held in pairs(changes) do all[privilege] = held or nil end
	granted[name] = all
end
function api.check_player_privs(name, ...)
	if api.is_player(name) then
		name = name:get_player_name()
	elseif type(name) ~= "string" then
		error("core.check_player_privs expects a player or playername as argument.", 2)
	end
	local held, missing, wanted = api.get_player_privs(name), {}, { ... }
	if type(wanted[1]) == "table" then
		local names = {}
		for privilege, needed in pairs(wanted[1]) do
			if needed then names[#names + 1] = privilege end
		end
		wanted = names
	end
	for _, privilege in ipairs(wanted) do
		if not held[privilege] then missing[#missing + 1] = privilege end
	end
	if #missing > 0 then return false, missing end
	return true, ""
end
-- Accounts: whoever was mentioned has one.
local accounts = {}
function accounts.get_auth(name)
	if not P.in_world or not (granted[name] or api.get_player_by_name(name)) then return nil end
	return { password = "", privileges = api.get_player_privs(name), last_login = -1 }
end
function accounts.create_auth(name) granted[name] = granted[name] or { interact = true, shout = true } end
function accounts.set_privileges(name, privileges) api.set_player_privs(name, privileges) end
function accounts.delete_auth(name)
	local existed = granted[name] ~= nil
	granted[name] = nil
	return existed
end
function accounts.iterate() return pairs(P.copy(granted)) end
function accounts.set_password() end
function accounts.record_login() end
function accounts.reload() return true end
function api.get_auth_handler() return accounts end
function api.is_protected() return false end
function api.is_area_protected() return false end
function api.is_creative_enabled() return false end
function api.get_player_information() return nil end
function api.get_player_ip() return "127.0.0.1" end
function api.record_protection_violation(pos, name) P.run_event("on_protection_violation", pos, name) end
function api.kick_player() return true end
function api.dynamic_add_media(_, callback)
	if callback ~= nil and not P.in_world then error("must be called without callback at load-time", 2) end
	return true
end
function api.get_mapgen_object() error("Must only be called in a mapgen thread!", 2) end
function api.get_async_threading_capacity() return 1 end
function api.get_ban_list() return "" end

-- ---------------------------------------- items and recipes
function api.create_detached_inventory(name)
	P.detached[name] = P.new_inventory({ type = "detached", name = name })
	return P.detached[name]
end
function api.remove_detached_inventory(name)
	local existed = P.detached[name] ~= nil
	P.detached[name] = nil
	return existed
end

local function recipes_of(name)
	local out = {}
	for _, entry in ipairs(P.registered.craft or {}) do
		local output = type(entry.def.output) == "string" and match(entry.def.output, "^%S+")
		if output == name then
			local items = {}
			local recipe = entry.def.recipe
			for _, row in ipairs(type(recipe) == "table" and recipe or { recipe }) do
				for _, item in ipairs(type(row) == "table" and row or { row }) do items[#items + 1] = item end
			end
			local shaped = (entry.def.type or "shaped") == "shaped"
			out[#out + 1] = { method = entry.def.type == "cooking" and "cooking" or "normal", items = items,
				width = shaped and type(recipe) == "table" and #recipe[1] or 0, output = entry.def.output }
		end
	end
	return out
end
function api.get_craft_recipe(name) return recipes_of(name)[1] or { width = 0 } end
function api.get_all_craft_recipes(name)
	local all = recipes_of(name)
	return #all > 0 and all or nil
end
function api.clear_craft() return true end
function api.get_pointed_thing_position(pointed, above)
	if pointed.type == "node" then return above and pointed.above or pointed.under end
	return pointed.type == "object" and pointed.ref and pointed.ref:get_pos() or nil
end
function api.itemstring_with_palette(item) return P.make_stack(item):to_string() end
function api.itemstring_with_color(item) return P.make_stack(item):to_string() end
function api.strip_param2_color() return nil end
function api.is_colored_paramtype(kind) return type(kind) == "string" and sub(kind, 1, 5) == "color" end
function api.raillike_group() return 1 end
function api.get_dig_params() return { diggable = true, time = 1, wear = 0 } end
function api.get_hit_params() return { hp = 1, wear = 0 } end

-- Content ids: one per name, from 1; 125 to 127 are the engine's own.
local id_of = { unknown = 125, air = 126, ignore = 127 }
local name_of = { [125] = "unknown", [126] = "air", [127] = "ignore" }
local last_id = 0
local function content_id(name)
	local id = id_of[name]
	if not id then
		last_id = last_id + 1
		if last_id == 125 then last_id = 128 end
		id = last_id
		id_of[name], name_of[id] = id, name
	end
	return id
end
function api.get_content_id(name)
	if not P.registered_nodes[name] then error("Unknown node: " .. tostring(name), 2) end
	return content_id(name)
end
function api.get_name_from_content_id(id)
	if type(id) ~= "number" then
		error("bad argument #1 to 'get_name_from_content_id' (number expected, got " .. type(id) .. ")", 2)
	end
	return name_of[id] or "unknown"
end

-- Newer engines give builtin this in place of get_node.
function api.get_node_raw(x, y, z)
	local node = node_at({ x = x, y = y, z = z })
	return content_id(node.name), node.param1, node.param2, true
end

-- ---------------------------------------- seldom used
-- What few programs use is compiled when the first of them does: random numbers, noise, voxels, areas,
-- rays, JSON, and other texts that stand for data.
local source = P.further_source
P.model = api -- P.api will be the sealed copy of an engine's own Lua
function P.load_further()
	local text = source
	source = nil
	-- stripped of its lines, so that an error in it names the candidate's line
	if text then loadstring(string.dump(loadstring(text, "=engine"), true))(P) end
end
local function later(functions, name)
	functions[name] = function(...)
		P.load_further()
		return functions[name](...)
	end
end
for name in gmatch("PcgRandom PseudoRandom SecureRandom AreaStore Raycast VoxelManip PerlinNoise PerlinNoiseMap ValueNoise "
	.. "ValueNoiseMap", "%S+") do
	later(P.implemented, name)
end
for name in gmatch("get_voxel_manip get_perlin get_perlin_map get_value_noise get_value_noise_map raycast write_json "
	.. "parse_json encode_base64 decode_base64 sha1 sha256 compress decompress colorspec_to_colorstring colorspec_to_bytes "
	.. "colorspec_to_table parse_relative_number parse_coordinates get_tool_wear_after_use", "%S+") do
	later(api, name)
end
P.content_id = content_id

-- ---------------------------------------- constants, facades
for name, value in pairs({ CONTENT_UNKNOWN = 125, CONTENT_AIR = 126, CONTENT_IGNORE = 127, EMERGE_CANCELLED = 0,
	EMERGE_ERRORED = 1,
	EMERGE_FROM_MEMORY = 2, EMERGE_FROM_DISK = 3, EMERGE_GENERATED = 4, MAP_BLOCKSIZE = 16,
	PLAYER_MAX_HP_DEFAULT = 20, PLAYER_MAX_BREATH_DEFAULT = 10, LIGHT_MAX = 14 }) do
	fields[name] = value
end
fields.object_refs, fields.luaentities, fields.objects_by_guid, fields.callback_origins = {}, {}, {}, {}
-- Deprecated since 0.4, and still there: core.env:f(...) is core.f(...).
fields.env = setmetatable({}, { __metatable = false, __index = function(_, name)
	local f = core[name]
	return type(f) == "function" and function(_, ...) return f(...) end or nil
end })

for name in gmatch([[
	add_node_level auth_reload ban_player calculate_knockback cancel_async_callback cancel_shutdown_requests
	check_password_entry check_single_for_falling clear_objects 
	compare_block_status cpdir create_schematic debug delete_area
	delete_particlespawner disconnect_player emerge_area encode_png find_nodes_with_meta find_path
	fix_light forceload_block forceload_free_block generate_decorations generate_ores get_active_blocks
	get_ban_description get_biome_data get_biome_id get_biome_name
	get_craft_result get_decoration_id get_gen_notify get_heat get_humidity get_last_run_mod get_loadable_blocks
	get_loaded_blocks get_mapgen_chunksize get_mapgen_edges get_mapgen_params get_mapgen_setting
	get_mapgen_setting_noiseparams get_node_boxes get_node_level get_node_max_level get_noiseparams
	get_password_hash get_player_radius_area get_player_window_information
	get_server_max_lag get_spawn_level 
	handle_async hud_replace_builtin ipc_cas ipc_get ipc_poll ipc_set is_valid_player_name item_place_object load_area
	mod_channel_join mvdir notify_authentication_modified on_craft craft_predict override_chatcommand
	place_schematic place_schematic_on_vmanip
	pointed_thing_to_face_pos read_schematic remove_player remove_player_auth request_shutdown rmdir
	rollback_get_last_node_actor rollback_get_node_actions rollback_revert_actions_by rotate_and_place rotate_node
	save_gen_notify send_join_message send_leave_message serialize_schematic set_gen_notify set_last_run_mod
	set_mapgen_params set_mapgen_setting set_mapgen_setting_noiseparams set_node_level set_noiseparams
	set_player_password set_timeofday show_death_screen sound_fade sound_stop
	spawn_tree spawn_tree_on_vmanip time_to_day_night_ratio transforming_liquid_add unban_player_or_ip
	clear_registered_schematics
]], "%S+") do
	inert[name] = true
end

-- ---------------------------------------- before there is a world
-- While mods load there is no environment: what asks it gives nothing, and get_node cannot even say nothing.
for name in gmatch([[
	get_node_raw get_node_or_nil set_node add_node swap_node remove_node bulk_set_node bulk_swap_node get_meta
	get_node_timer find_nodes_in_area find_nodes_in_area_under_air find_node_near get_node_light get_natural_light
	line_of_sight get_timeofday get_day_count get_gametime add_entity add_item spawn_item get_player_by_name
	get_objects_inside_radius get_objects_in_area objects_inside_radius objects_in_area place_node get_player_information get_player_ip
]], "%S+") do
	local f = api[name]
	api[name] = function(...)
		if P.in_world then return f(...) end
	end
end
local function nothing() end
for name in gmatch("get_node dig_node punch_node check_for_falling spawn_falling_node set_player_privs", "%S+") do
	local f = api[name] or nothing
	api[name] = function(...)
		if not P.in_world then error("core." .. name .. ": there is no world while mods load", 2) end
		return f(...)
	end
end
