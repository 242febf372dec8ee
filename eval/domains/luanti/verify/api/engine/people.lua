-- Players on a server that nobody has joined: fake ones, with the engine's own inventories, stacks and metadata.

local real, globals = P.engine.core, P.engine.globals
local type, pairs, ipairs = type, pairs, ipairs
local insert = table.insert
local distance = globals.vector.distance
local ItemStack = globals.ItemStack

P.make_stack = ItemStack
local kept = {} -- a stack must outlive the metadata taken from it

function P.new_meta()
	local stack = ItemStack("unknown")
	kept[#kept + 1] = stack
	return stack:get_meta()
end

function P.new_inventory(location, sizes)
	local inv = real.create_detached_inventory("luagate:" .. location.type .. ":" .. location.name, {})
	for name, size in pairs(sizes) do inv:set_size(name, size) end
	return inv
end

function P.change_hp(player, change, reason)
	return real.registered_on_player_hpchange(player, change, reason)
end

-- ---------------------------------------- who is there
local players, order = {}, {}

-- Returns the fake player of that name; it joins the world, with the default privileges, on first mention.
function P.player(name)
	if not players[name] then
		players[name] = P.new_player(name)
		insert(order, players[name])
		local auth = real.get_auth_handler()
		if not auth.get_auth(name) then auth.create_auth(name, "") end
	end
	return players[name]
end

local get_player_by_name = real.get_player_by_name
function real.get_player_by_name(name)
	return players[name] or get_player_by_name(name)
end

function real.get_connected_players() return P.copy(order) end
function real.player_exists(name) return players[name] ~= nil or real.get_auth_handler().get_auth(name) ~= nil end

local get_inventory = real.get_inventory
function real.get_inventory(location)
	if type(location) == "table" and location.type == "player" and players[location.name] then
		return players[location.name]:get_inventory()
	end
	return get_inventory(location)
end

local function with_players(f, is_near)
	return function(a, b)
		local out = f(a, b)
		for i, player in ipairs(order) do
			if is_near(player:get_pos(), a, b) then insert(out, i, player) end
		end
		return out
	end
end
real.get_objects_inside_radius = with_players(real.get_objects_inside_radius, function(pos, center, radius)
	return distance(pos, center) <= radius
end)
real.get_objects_in_area = with_players(real.get_objects_in_area, function(pos, low, high)
	return pos.x >= low.x and pos.x <= high.x and pos.y >= low.y and pos.y <= high.y and pos.z >= low.z
		and pos.z <= high.z
end)

-- ---------------------------------------- what is said and heard
-- The engine's C side takes only objects of its own, and gives nobody's sound no handle.
local function without(field, params)
	if type(params) ~= "table" or P.state[params[field]] == nil then return params end
	local out = P.copy(params)
	out[field] = nil
	return out
end

local last_handle, sound_play = 0, real.sound_play
function real.sound_play(spec, params, ephemeral)
	local handle = sound_play(spec, without("object", params), ephemeral)
	if handle == nil then return nil end
	last_handle = last_handle + 1
	return last_handle
end

local add_particlespawner = real.add_particlespawner
function real.add_particlespawner(params, ...)
	return add_particlespawner(without("attached", params), ...)
end

-- Nobody listens: what is said, logged or asked of the server is written down by the proxy and goes no further.
function real.request_shutdown() end
local log = real.log
function real.log(level, text)
	if type(level) ~= "string" and type(level) ~= "number" then return log(level, text) end
	if text ~= nil and type(text) ~= "string" and type(text) ~= "number" then return log(level, text) end
end
