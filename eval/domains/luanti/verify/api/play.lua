-- What players do in the world: digging, placing, using and dropping things; and who is in it.

local api, core, vectors = P.api, P.core, P.vector_table
local type, ipairs, next, error, setmetatable = type, ipairs, next, error, setmetatable
local sub, find, insert, random = string.sub, string.find, table.insert, math.random
local vector, make_stack, nodes = P.vector, P.make_stack, P.registered_nodes
local key_of, rounded, metas, node_at = P.key_of, P.rounded, P.metas, P.api.get_node

-- ---------------------------------------- digging and placing
function api.get_node_drops(node, tool_name)
	local name = type(node) == "table" and node.name or node
	local def = nodes[name]
	local drop = def and def.drop
	if drop == nil then return { name } end
	if type(drop) == "string" then return drop ~= "" and { drop } or {} end
	local got, picked = {}, 0
	for _, item in ipairs(drop.items or {}) do
		local lucky = item.rarity == nil or item.rarity < 1 or random(item.rarity) == 1
		local fits = item.tools == nil
		for _, wanted in ipairs(item.tools or {}) do
			if tool_name and (wanted == tool_name or sub(wanted, 1, 1) == "~" and find(tool_name, sub(wanted, 2))) then
				fits = true
			end
		end
		if lucky and fits then
			picked = picked + 1
			for _, one in ipairs(item.items) do got[#got + 1] = one end
			if picked == drop.max_items then break end
		end
	end
	return got
end

function api.handle_node_drops(pos, drops, digger)
	local inv = digger and digger:get_inventory()
	for _, item in ipairs(drops) do
		local left = inv and inv:add_item("main", item) or make_stack(item)
		if not left:is_empty() then api.add_item(pos, left) end
	end
end

function api.node_dig(pos, node, digger)
	local def = nodes[node.name]
	if not def or not def.diggable then return false end
	if type(def.can_dig) == "function" and not def.can_dig(rounded(pos), digger) then return false end
	local tool = digger and digger:get_wielded_item():get_name()
	local old_meta = metas[key_of(pos)] and metas[key_of(pos)]:to_table() or { fields = {}, inventory = {} }
	core.handle_node_drops(pos, core.get_node_drops(node, tool), digger)
	api.remove_node(pos)
	if type(def.after_dig_node) == "function" then def.after_dig_node(rounded(pos), node, old_meta, digger) end
	P.run_event("on_dignode", rounded(pos), node, digger)
	return true
end

function api.dig_node(pos, digger)
	local node = node_at(pos)
	local def = nodes[node.name]
	if not def or node.name == "air" then return false end
	return def.on_dig(rounded(pos), node, digger) ~= false
end

function api.node_punch(pos, node, puncher, pointed) P.run_event("on_punchnode", pos, node, puncher, pointed) end

function api.punch_node(pos, puncher)
	local node = node_at(pos)
	local def = nodes[node.name]
	local pointed = { type = "node", under = rounded(pos), above = rounded(pos) }
	if def then def.on_punch(rounded(pos), node, puncher, pointed) end
	return true
end

function api.item_place_node(stack, placer, pointed, param2)
	local def = stack:get_definition()
	if def.type ~= "node" or pointed.type ~= "node" then return stack, nil end
	local under = nodes[node_at(pointed.under).name]
	local at = rounded(under and under.buildable_to and pointed.under or pointed.above)
	local here = nodes[node_at(at).name]
	if here and not here.buildable_to then return stack, nil end
	if core.is_protected(at, placer and placer:get_player_name() or "") then return stack, nil end
	local old, new = node_at(at), { name = def.name, param1 = 0, param2 = param2 or def.place_param2 or 0 }
	api.set_node(at, new)
	local keep = type(def.after_place_node) == "function" and def.after_place_node(at, placer, stack, pointed)
	keep = P.run_event("on_placenode", at, new, placer, old, stack, pointed) or keep
	if not keep then stack:take_item() end
	return stack, at
end

function api.item_place(stack, placer, pointed, param2)
	if pointed.type == "node" and placer then
		local node = node_at(pointed.under)
		local def = nodes[node.name]
		if def and type(def.on_rightclick) == "function" then
			return def.on_rightclick(pointed.under, node, placer, stack, pointed) or stack, nil
		end
	end
	return api.item_place_node(stack, placer, pointed, param2)
end

function api.place_node(pos, node, placer)
	local pointed = { type = "node", under = vector(pos.x, pos.y - 1, pos.z), above = rounded(pos) }
	api.item_place_node(make_stack(node.name), placer, pointed, node.param2)
	return true
end

function api.item_secondary_use(stack) return stack end
function api.item_drop(stack, dropper, pos)
	api.add_item(pos, make_stack(stack))
	stack:clear()
	return stack
end
function api.item_pickup(stack, picker)
	local inv = picker and picker:get_inventory()
	return inv and inv:add_item("main", stack) or make_stack(stack)
end

function api.do_item_eat(change, replacement, stack, user, pointed)
	for _, f in ipairs(P.event_list("on_item_eat")) do
		local result = f(change, replacement, stack, user, pointed)
		if result then return result end
	end
	if stack:take_item():is_empty() then return stack end
	local rest = stack
	if replacement and replacement ~= "" then
		if stack:is_empty() then
			rest = make_stack(replacement)
		else
			user:get_inventory():add_item("main", replacement)
		end
	end
	user:set_wielded_item(rest)
	user:set_hp(user:get_hp() + change)
	-- As in the engine: the rest is in the hand already, nil keeps the caller from putting it there again.
	return nil
end

function api.item_eat(change, replacement)
	return function(stack, user, pointed)
		if user then return core.do_item_eat(change, replacement, stack, user, pointed) end
	end
end

-- ---------------------------------------- objects
P.entities, P.detached = {}, {}
local players, player_order = {}, {}

-- Returns the fake player of that name; it joins the world on first mention.
function P.player(name)
	if not players[name] then
		players[name] = P.new_player(name)
		player_order[#player_order + 1] = name
	end
	return players[name]
end

function api.get_player_by_name(name)
	if type(name) ~= "string" then
		error("bad argument #1 to 'get_player_by_name' (string expected, got " .. type(name) .. ")", 2)
	end
	return players[name]
end

function api.get_connected_players()
	local out = {}
	for i, name in ipairs(player_order) do out[i] = players[name] end
	return out
end

function api.add_entity(pos, name, staticdata)
	local def = core.registered_entities[name]
	if not def then return nil end
	local object = P.new_entity(pos, setmetatable({ name = name }, { __index = def }))
	insert(P.entities, object)
	local properties = {}
	for key, value in next, def.initial_properties or {} do properties[key] = value end
	object:set_properties(properties)
	if type(def.on_activate) == "function" then def.on_activate(object:get_luaentity(), staticdata or "", 0) end
	return object
end

function api.add_item(pos, item)
	local stack = make_stack(item)
	if stack:is_empty() then return nil end
	local object = P.new_entity(pos, { name = "__builtin:item", itemstring = stack:to_string() })
	insert(P.entities, object)
	return object
end
api.spawn_item = api.add_item

local function objects_where(test)
	local out = {}
	for _, object in ipairs(api.get_connected_players()) do
		if test(object:get_pos()) then out[#out + 1] = object end
	end
	for _, object in ipairs(P.entities) do
		if test(object:get_pos()) then out[#out + 1] = object end
	end
	return out
end

function P.objects_in_world() return objects_where(function() return true end) end

function api.get_objects_inside_radius(center, radius)
	return objects_where(function(pos) return vectors.distance(pos, center) <= radius end)
end

function api.get_objects_in_area(low, high)
	return objects_where(function(pos) return vectors.in_area(pos, low, high) end)
end

local function iterator(list)
	local i = 0
	return function()
		i = i + 1
		return list[i]
	end
end
function api.objects_inside_radius(center, radius) return iterator(api.get_objects_inside_radius(center, radius)) end
function api.objects_in_area(low, high) return iterator(api.get_objects_in_area(low, high)) end
