-- Checks that only a running engine can answer; a task check that calls one says needs = "world".

local real, api, checks = P.engine.core, P.api, P.check_env
local type, ipairs, error, tostring = type, ipairs, error, tostring
local ItemStack = P.engine.globals.ItemStack

local LIGHT_REACH = 15 -- nodes; light 14 is gone after them
local LONGEST_S = 5
local FLUSH_S = 0.1

-- Light that nodes give off (0 to 14) at a position, daylight left out.
function checks.light_at(pos)
	P.make_land(pos, LIGHT_REACH)
	return api.get_artificial_light(api.get_node(pos).param1)
end

-- Digs a node as a player who holds ``tool`` (nil is the bare hand) does; returns the item strings the player gets.
local digger
function checks.dig_drops(pos, tool)
	digger = digger or P.new_player("luagate_digger")
	local inventory, out = digger:get_inventory(), {}
	for i = 1, inventory:get_size("main") do inventory:set_stack("main", i, "") end
	digger:set_wielded_item(tool or "")
	checks.run(api.dig_node, pos, digger)
	for i = tool and 2 or 1, inventory:get_size("main") do
		local stack = inventory:get_stack("main", i)
		if not stack:is_empty() then out[#out + 1] = stack:to_string() end
	end
	return out
end

-- What a grid of item names (rows of a square grid, "" for none) crafts; method is "normal", "cooking" or "fuel".
function checks.craft_result(items, width, method)
	local result = api.get_craft_result({ method = method or "normal", width = width or 3, items = items })
	return result.item:to_string(), result.time
end

-- Seconds one dig of the node takes with the tool ("" is the hand); nil when it cannot be dug with it.
function checks.dig_time(node_name, tool_name)
	local def = real.registered_nodes[node_name]
	if not def then checks.fail('there is no node "' .. tostring(node_name) .. '"') end
	local params = api.get_dig_params(def.groups, ItemStack(tool_name):get_tool_capabilities())
	return params.diggable and params.time or nil
end

-- Types a line such as "/home there" as a player; returns what the server told that player.
function checks.say(name, line)
	P.player(name)
	local told, send = {}, real.chat_send_player
	real.chat_send_player = function(to, text)
		if to == name then told[#told + 1] = api.get_translated_string("en", text) end
		return send(to, text)
	end
	local function speak()
		for _, f in ipairs(real.registered_on_chat_messages) do
			if f(name, line) then break end
		end
	end
	local ok, problem = P.call(speak)
	real.chat_send_player = send
	if not ok then checks.run(error, problem, 0) end
	return told
end

-- Lets the server itself run: ABMs near loaded land, node timers, entities, liquids. Real seconds, at most 5.
function checks.steps(seconds)
	if type(seconds) ~= "number" or seconds <= 0 or seconds > LONGEST_S then
		checks.fail("steps: between 0 and " .. LONGEST_S .. " seconds")
	end
	P.pause("steps", seconds + FLUSH_S)
end

-- Keeps the land around a position running while nobody is near it.
function checks.keep_active(pos)
	P.make_land(pos, LIGHT_REACH)
	api.forceload_block(pos, true)
end
