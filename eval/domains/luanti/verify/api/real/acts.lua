-- Digging, punching and placing by someone: the engine's C side does these only for players of its own.

local real, ItemStack = P.engine.core, P.engine.globals.ItemStack
local get_node, nodes = real.get_node, real.registered_nodes

local function def_at(pos)
	local node = get_node(pos)
	return node, nodes[node.name]
end

function real.dig_node(pos, digger)
	local node, def = def_at(pos)
	if not def or node.name == "air" or node.name == "ignore" then return false end
	return def.on_dig(P.vector(pos.x, pos.y, pos.z), node, digger) ~= false
end

function real.punch_node(pos, puncher)
	local node, def = def_at(pos)
	local at = P.vector(pos.x, pos.y, pos.z)
	if def then def.on_punch(at, node, puncher, { type = "node", under = at, above = at }) end
	return def ~= nil
end

function real.place_node(pos, node, placer)
	local at = P.vector(pos.x, pos.y, pos.z)
	local stack, under = ItemStack(node.name), P.vector(pos.x, pos.y - 1, pos.z)
	stack:get_definition().on_place(stack, placer, { type = "node", under = under, above = at })
	return true
end
