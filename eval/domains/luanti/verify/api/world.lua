-- A small world in memory: nodes by position, their metadata and timers, and the passing of time.

local api, vectors = P.api, P.vector_table
local type, tonumber, pairs, ipairs, next, error, assert, unpack = type, tonumber, pairs, ipairs, next, error, assert,
	unpack
local floor, ceil, max, huge = math.floor, math.ceil, math.max, math.huge
local sub, insert, sort = string.sub, table.insert, table.sort
local setmetatable, select = setmetatable, select
local vector, nodes = P.vector, P.registered_nodes

local map, metas, timers = {}, {}, {} -- "x,y,z" -> node, metadata, timer
local SEARCH_LIMIT = 4096000 -- nodes; the engine refuses larger areas too

local function round(x)
	if type(x) ~= "number" then error("invalid position (number expected, got " .. type(x) .. ")", 4) end
	return x < 0 and ceil(x - 0.5) or floor(x + 0.5) -- halves away from zero, as C does
end

local function key_of(pos)
	if type(pos) ~= "table" then error("invalid position (table expected, got " .. type(pos) .. ")", 3) end
	return round(pos.x) .. "," .. round(pos.y) .. "," .. round(pos.z)
end

local function rounded(pos) return vector(round(pos.x), round(pos.y), round(pos.z)) end

-- ---------------------------------------- nodes
local function node_at(pos)
	local node = map[key_of(pos)]
	if node then return { name = node.name, param1 = node.param1, param2 = node.param2 } end
	return { name = "air", param1 = 0, param2 = 0 }
end
api.get_node, api.get_node_or_nil = node_at, node_at

P.key_of, P.rounded, P.metas = key_of, rounded, metas

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

P.map, P.store_node = map, store

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
		local meta = metas[key_of(location.pos)]
		local inv = meta and meta:get_inventory()
		local is_kept = inv and (next(P.state[meta].fields) ~= nil or next(inv:get_lists()) ~= nil)
		return is_kept and inv or nil -- a node of which nothing is written down has none
	end
	return P.detached[location.name]
end

-- ---------------------------------------- node timers
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

-- ---------------------------------------- looking around
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

-- ---------------------------------------- time
local now, jobs = 0, {}
local job_methods = { cancel = function(self) self.cancelled = true end }

function api.after(seconds, f, ...)
	assert(tonumber(seconds) and seconds == seconds and type(f) == "function", "Invalid core.after invocation")
	local job = setmetatable({ due = now + tonumber(seconds), number = #jobs + 1, f = f,
		arguments = { n = select("#", ...), ... } }, { __index = job_methods, __metatable = false })
	jobs[#jobs + 1] = job
	return job
end

-- Runs what core.after promised for now or before, in order of expiry.
function P.run_due()
	local due, waiting = {}, {}
	for _, job in ipairs(jobs) do
		if job.due <= now then due[#due + 1] = job else waiting[#waiting + 1] = job end
	end
	for i = 1, max(#jobs, #waiting) do jobs[i] = waiting[i] end
	sort(due, function(a, b) return a.due < b.due or a.due == b.due and a.number < b.number end)
	for _, job in ipairs(due) do
		if not job.cancelled then job.f(unpack(job.arguments, 1, job.arguments.n)) end
	end
end

-- Lets time pass: due jobs, then global steps, then node timers, once each.
function P.advance(seconds)
	now = now + seconds
	P.run_due()
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
