-- A small world in memory: nodes by position, their metadata and timers, delayed jobs, players and entities in it.

local api, core, vectors = P.api, P.core, P.vector_table
local type, tonumber, tostring, pairs, ipairs, next, error, assert, unpack = type, tonumber, tostring, pairs, ipairs,
	next, error, assert, unpack
local floor, max, min, huge = math.floor, math.max, math.min, math.huge
local format, sub, find = string.format, string.sub, string.find
local insert, remove, sort = table.insert, table.remove, table.sort
local setmetatable, select = setmetatable, select
local vector, make_stack, nodes = P.vector, P.make_stack, P.registered_nodes

local map, metas, timers = {}, {}, {} -- "x,y,z" -> node, metadata, timer
local SEARCH_LIMIT = 4096000 -- nodes; the engine refuses larger areas too

local function round(x)
	if type(x) ~= "number" then error("invalid position (number expected, got " .. type(x) .. ")", 4) end
	return floor(x + 0.5)
end

local function key_of(pos)
	if type(pos) ~= "table" then error("invalid position (table expected, got " .. type(pos) .. ")", 3) end
	return round(pos.x) .. "," .. round(pos.y) .. "," .. round(pos.z)
end

local function rounded(pos) return vector(round(pos.x), round(pos.y), round(pos.z)) end

-- ---------------------------------------------------------------------------------------------- nodes
local function node_at(pos)
	local node = map[key_of(pos)]
	if node then return { name = node.name, param1 = node.param1, param2 = node.param2 } end
	return { name = "air", param1 = 0, param2 = 0 }
end
api.get_node, api.get_node_or_nil = node_at, node_at

local function callback(name, field, ...)
	local def = nodes[name]
	local f = def and def[field]
	if type(f) == "function" then return f(...) end
end

local function store(pos, node)
	if type(node) ~= "table" or type(node.name) ~= "string" then error("invalid node (table with a name expected)", 3) end
	local name = P.registered_aliases[node.name] or node.name
	map[key_of(pos)] = { name = name, param1 = tonumber(node.param1) or 0, param2 = tonumber(node.param2) or 0,
		pos = rounded(pos) }
	return name
end

function api.swap_node(pos, node)
	store(pos, node)
	return true
end

function api.set_node(pos, node)
	local old = node_at(pos)
	callback(old.name, "on_destruct", rounded(pos))
	local key = key_of(pos)
	metas[key], timers[key] = nil, nil
	local name = store(pos, node)
	callback(old.name, "after_destruct", rounded(pos), old)
	callback(name, "on_construct", rounded(pos))
	return true
end
api.add_node = api.set_node

function api.remove_node(pos) return api.set_node(pos, { name = "air" }) end

function api.bulk_set_node(positions, node)
	for _, pos in ipairs(positions) do api.set_node(pos, node) end
	return true
end
function api.bulk_swap_node(positions, node)
	for _, pos in ipairs(positions) do store(pos, node) end
	return true
end

function api.get_meta(pos)
	local key = key_of(pos)
	if not metas[key] then
		local at = rounded(pos)
		metas[key] = P.new_meta(P.new_inventory({ type = "node", pos = at }))
	end
	return metas[key]
end

function api.get_inventory(location)
	if location.type == "player" then
		local player = api.get_player_by_name(location.name)
		return player and player:get_inventory()
	elseif location.type == "node" then
		return api.get_meta(location.pos):get_inventory()
	end
	return P.detached[location.name]
end

-- ---------------------------------------------------------------------------------------------- node timers
local timer = {}
local new_timer = P.class(timer)
local state = P.state

function timer.start(self, timeout) state[self].timeout, state[self].elapsed = timeout, 0 end
function timer.set(self, timeout, elapsed) state[self].timeout, state[self].elapsed = timeout, elapsed end
function timer.stop(self) state[self].timeout, state[self].elapsed = 0, 0 end
function timer.is_started(self) return state[self].timeout > 0 end
function timer.get_timeout(self) return state[self].timeout end
function timer.get_elapsed(self) return state[self].elapsed end

function api.get_node_timer(pos)
	local key = key_of(pos)
	timers[key] = timers[key] or new_timer({ timeout = 0, elapsed = 0, pos = rounded(pos) })
	return timers[key]
end

-- ---------------------------------------------------------------------------------------------- looking around
local function matcher(names)
	if type(names) ~= "table" then names = { names } end
	return function(name)
		for _, wanted in pairs(names) do
			if wanted == name or sub(wanted, 1, 6) == "group:" and api.get_item_group(name, sub(wanted, 7)) > 0 then
				return true
			end
		end
		return false
	end
end

function api.get_item_group(name, group)
	local def = P.registered_items[name]
	local groups = def and def.groups
	return type(groups) == "table" and tonumber(groups[group]) or 0
end
api.get_node_group = api.get_item_group

-- Only nodes that were set are visited, so that a wide search costs what the world holds.
local function each_node(low, high, wanted, visit)
	local found = {}
	for _, node in next, map do
		local p = node.pos
		if p.x >= low.x and p.x <= high.x and p.y >= low.y and p.y <= high.y and p.z >= low.z and p.z <= high.z
			and node.name ~= "air" and wanted(node.name) then
			found[#found + 1] = node
		end
	end
	sort(found, function(a, b)
		if a.pos.x ~= b.pos.x then return a.pos.x < b.pos.x end
		if a.pos.y ~= b.pos.y then return a.pos.y < b.pos.y end
		return a.pos.z < b.pos.z
	end)
	for _, node in ipairs(found) do visit(node) end
end

function api.find_nodes_in_area(low, high, names, grouped)
	low, high = vectors.sort(low, high)
	if (high.x - low.x + 1) * (high.y - low.y + 1) * (high.z - low.z + 1) > SEARCH_LIMIT then
		error("find_nodes_in_area(): area volume exceeds allowed value of " .. SEARCH_LIMIT, 2)
	end
	local positions, counts = {}, {}
	each_node(low, high, matcher(names), function(node)
		counts[node.name] = counts[node.name] or (grouped and {} or 0)
		if grouped then
			insert(counts[node.name], vector(node.pos.x, node.pos.y, node.pos.z))
		else
			counts[node.name] = counts[node.name] + 1
			positions[#positions + 1] = vector(node.pos.x, node.pos.y, node.pos.z)
		end
	end)
	if grouped then return counts end
	return positions, counts
end

function api.find_nodes_in_area_under_air(low, high, names)
	local open = {}
	for _, pos in ipairs((api.find_nodes_in_area(low, high, names))) do
		if node_at(vector(pos.x, pos.y + 1, pos.z)).name == "air" then open[#open + 1] = pos end
	end
	return open
end

function api.find_node_near(pos, radius, names, include_center)
	local best, best_distance = nil, huge
	local center = rounded(pos)
	local low, high = vectors.offset(center, -radius, -radius, -radius), vectors.offset(center, radius, radius, radius)
	each_node(low, high, matcher(names), function(node)
		local distance = vectors.distance(node.pos, center)
		if distance < best_distance and (distance > 0 or include_center) then best, best_distance = node.pos, distance end
	end)
	return best and vector(best.x, best.y, best.z)
end

function api.get_node_light() return 15 end
function api.get_natural_light() return 15 end
function api.get_artificial_light(param1) return floor(param1 / 16) end
function api.line_of_sight() return true end

-- ---------------------------------------------------------------------------------------------- digging and placing
function api.get_node_drops(node, tool_name)
	local name = type(node) == "table" and node.name or node
	local def = nodes[name]
	local drop = def and def.drop
	if drop == nil then return { name } end
	if type(drop) == "string" then return drop ~= "" and { drop } or {} end
	local got, picked = {}, 0
	for _, item in ipairs(drop.items or {}) do
		local lucky = item.rarity == nil or item.rarity < 1 or math.random(item.rarity) == 1
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
	callback(node.name, "on_punch", rounded(pos), node, puncher, { type = "node", under = rounded(pos), above = rounded(pos) })
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
	user:set_hp(user:get_hp() + change)
	if replacement and replacement ~= "" then
		if stack:is_empty() then return make_stack(replacement) end
		user:get_inventory():add_item("main", replacement)
	end
	return stack
end

function api.item_eat(change, replacement)
	return function(stack, user, pointed)
		if user then return core.do_item_eat(change, replacement, stack, user, pointed) end
	end
end

-- ---------------------------------------------------------------------------------------------- objects
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

-- ---------------------------------------------------------------------------------------------- time
local now, jobs = 0, {}
local job_methods = { cancel = function(self) self.cancelled = true end }

function api.after(seconds, f, ...)
	assert(tonumber(seconds) and seconds == seconds and type(f) == "function", "Invalid core.after invocation")
	local job = setmetatable({ due = now + tonumber(seconds), number = #jobs + 1, f = f,
		arguments = { n = select("#", ...), ... } }, { __index = job_methods, __metatable = false })
	jobs[#jobs + 1] = job
	return job
end

-- Lets time pass: due jobs in order of expiry, then global steps, then node timers, once each.
function P.advance(seconds)
	now = now + seconds
	local due, waiting = {}, {}
	for _, job in ipairs(jobs) do
		if job.due <= now then due[#due + 1] = job else waiting[#waiting + 1] = job end
	end
	for i = 1, max(#jobs, #waiting) do jobs[i] = waiting[i] end
	sort(due, function(a, b) return a.due < b.due or a.due == b.due and a.number < b.number end)
	for _, job in ipairs(due) do
		if not job.cancelled then job.f(unpack(job.arguments, 1, job.arguments.n)) end
	end
	P.run_event("globalstep", seconds)
	for _, one in next, P.copy(timers) do
		local t = state[one]
		t.elapsed = t.timeout > 0 and t.elapsed + seconds or 0
		if t.timeout > 0 and t.elapsed >= t.timeout then
			local timeout, elapsed = t.timeout, t.elapsed
			t.timeout, t.elapsed = 0, 0
			if callback(node_at(t.pos).name, "on_timer", t.pos, elapsed) then t.timeout = timeout end
		end
	end
end

function api.get_gametime() return floor(now) end
function api.get_server_uptime() return now end
