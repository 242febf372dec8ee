-- What other mods would have: items that a check names and the program does not register.
-- A task asks for a piece of a mod; the engine refuses to set a node or drop an item that nobody registered. Such names
-- become plain nodes after the program has loaded, and stay out of the registered tables: no check finds them there.

local real = P.engine.core
local register_node, items, nodes = real.register_node, real.registered_items, real.registered_nodes
local gmatch, rawset = string.gmatch, rawset

function P.register_others(text)
	for name in gmatch(text, "[\"' ]([%w_]+:[%w_]+)") do
		if items[name] == nil then -- by its name or by an alias
			register_node(":" .. name, {})
			rawset(items, name, nil)
			rawset(nodes, name, nil)
		end
	end
end
