-- Registration of items and recipes: all is kept in order; what the engine refuses, we refuse.

local api, core, registers = P.api, P.core, P.registers
local type, tostring, tonumber, pairs, ipairs, next, error = type, tostring, tonumber, pairs, ipairs, next, error
local setmetatable, rawget, rawset = setmetatable, rawget, rawset
local sub, find = string.sub, string.find
P.mod_name = "*builtin*" -- until a candidate runs
-- A program's life: it loads, then on_mods_loaded runs, then there is a world.
P.is_loading, P.in_world = true, false

local log, order = {}, {} -- kind -> entries in order; all as "kind name" in order
P.registered, P.registered_order = log, order

local function note(kind, name, entry)
	local list = log[kind] or {}
	log[kind] = list
	list[#list + 1] = entry
	order[#order + 1] = type(name) == "string" and kind .. " " .. name or kind
end

local function define(name, f)
	registers[name] = true
	api[name] = f
end
P.note, P.define = note, define

-- ---------------------------------------- names
local FORBIDDEN = { MaterialItem = true, MaterialItem2 = true, MaterialItem3 = true, NodeItem = true, node = true,
	CraftItem = true, craft = true, MBOItem = true, ToolItem = true, tool = true }

local function own_name(name)
	if name == nil then error("Unable to register: Name is nil", 3) end
	name = tostring(name)
	if sub(name, 1, 1) == ":" then return sub(name, 2) end
	local prefix = (P.is_loading and P.mod_name or "") .. ":" -- afterwards it is nobody's
	if sub(name, 1, #prefix) ~= prefix then
		error('Name ' .. name .. ' does not follow naming conventions: "' .. prefix .. '" or ":" prefix required', 3)
	end
	if find(sub(name, #prefix + 1), "[^%w_]") then
		error("Name " .. name .. " does not follow naming conventions: contains unallowed characters", 3)
	end
	return name
end
P.own_name = own_name

-- What the engine has read when its world begins cannot change any more.
local function before_the_world(what, name)
	if not P.in_world then return end
	error("Tried to register " .. what .. (type(name) == "string" and " " .. name or "") .. " after load time!", 4)
end
P.before_the_world = before_the_world

-- ---------------------------------------- items
local nodes, tools, craftitems, items, aliases = {}, {}, {}, {}, {}
P.registered_nodes, P.registered_tools, P.registered_craftitems = nodes, tools, craftitems
P.registered_items, P.registered_aliases = items, aliases

for name, t in pairs({ registered_nodes = nodes, registered_tools = tools, registered_craftitems = craftitems,
	registered_items = items }) do
	setmetatable(t, { __index = function(self, key)
		local alias = aliases[key]
		return alias ~= nil and rawget(self, alias) or nil
	end })
	rawset(core, name, t)
end
core.registered_aliases = aliases

local function late(name) return function(...) return core[name](...) end end

local function defaults(kind, more)
	local common = { type = kind, description = "", groups = {}, inventory_image = "", wield_image = "",
		wield_scale = { x = 1, y = 1, z = 1 }, stack_max = kind == "tool" and 1 or 99, liquids_pointable = false,
		on_place = late("item_place"), on_drop = late("item_drop"), on_pickup = late("item_pickup") }
	for key, value in next, more do common[key] = value end
	return common
end

local DEFAULTS = {
	node = defaults("node", { usable = false, on_punch = late("node_punch"), on_dig = late("node_dig"),
		drawtype = "normal", visual_scale = 1.0, post_effect_color = { a = 0, r = 0, g = 0, b = 0 }, paramtype = "none",
		paramtype2 = "none", is_ground_content = true, sunlight_propagates = false, walkable = true, pointable = true,
		diggable = true, climbable = false, buildable_to = false, floodable = false, liquidtype = "none",
		liquid_alternative_flowing = "", liquid_alternative_source = "", liquid_viscosity = 0, drowning = 0,
		light_source = 0, damage_per_second = 0, selection_box = { type = "regular" }, legacy_facedir_simple = false,
		legacy_wallmounted = false }),
	craft = defaults("craft", { on_secondary_use = late("item_secondary_use") }),
	tool = defaults("tool", { on_secondary_use = late("item_secondary_use") }),
	none = defaults("none", { on_secondary_use = late("item_secondary_use") }),
}
core.nodedef_default, core.craftitemdef_default = DEFAULTS.node, DEFAULTS.craft
core.tooldef_default, core.noneitemdef_default = DEFAULTS.tool, DEFAULTS.none

local LIST_OF = { node = nodes, tool = tools, craft = craftitems }
local KIND_OF = { node = "node", tool = "tool", craft = "craftitem", none = "item" }

local function require_table(value, field)
	if value ~= nil and type(value) ~= "table" then
		error("bad field '" .. field .. "' (table expected, got " .. type(value) .. ")", 4)
	end
end

-- What the engine's C side reads strictly; everything else it takes as it comes.
local function read_strictly(def)
	require_table(def.groups, "groups")
	for group, rating in next, def.groups or {} do
		if type(rating) ~= "number" and not tonumber(type(rating) == "string" and rating) then
			error("bad rating of group '" .. tostring(group) .. "' (number expected, got " .. type(rating) .. ")", 3)
		end
	end
	require_table(def.sound, "sound")
	if def.type == "node" then require_table(def.sounds, "sounds") end
	if type(def.tool_capabilities) == "table" then
		for _, cap in next, def.tool_capabilities.groupcaps or {} do
			for rating, seconds in next, type(cap) == "table" and type(cap.times) == "table" and cap.times or {} do
				if not tonumber(rating) or not tonumber(seconds) then
					error("bad entry in 'times' (numbers expected)", 3)
				end
			end
		end
		for _, points in next, def.tool_capabilities.damage_groups or {} do
			if not tonumber(points) then error("bad entry in 'damage_groups' (number expected)", 3) end
		end
	end
end

P.read_strictly = read_strictly

local function prepare_node(def)
	if def.drawtype == "nodebox" and not def.selection_box then
		def.selection_box = def.node_box
	elseif def.drawtype == "fencelike" and not def.selection_box then
		def.selection_box = { type = "fixed", fixed = { -1 / 8, -1 / 2, -1 / 8, 1 / 8, 1 / 2, 1 / 8 } }
	end
	if def.light_source and def.light_source > 14 then def.light_source = 14 end
	if def.liquidtype == "flowing" then def.paramtype2 = "flowingliquid" end
end

local function prepare_tool(def)
	def.stack_max = 1
	local capabilities = def.tool_capabilities
	if capabilities and capabilities.punch_attack_uses == nil then
		for _, cap in pairs(capabilities.groupcaps or {}) do
			local level = (cap.maxlevel or 0) - 1
			if (cap.uses or 0) ~= 0 and level >= 0 then
				capabilities.punch_attack_uses = cap.uses * 3 ^ level
				break
			end
		end
	end
end

local function register_item(name, def)
	before_the_world("item", name)
	name = own_name(name)
	if FORBIDDEN[name] then error("Unable to register item: Name is forbidden: " .. name, 3) end
	def.name = name
	if def.type == "node" then prepare_node(def) end
	if def.type == "tool" then prepare_tool(def) end
	if (def.type == "craft" or def.type == "tool") and def.inventory_image == nil then def.inventory_image = def.image end
	local base = DEFAULTS[def.type]
	if not base then error("Unable to register item: Type is invalid: " .. P.describe(def.type), 3) end
	setmetatable(def, { __index = base })
	def.mod_origin = P.mod_name
	read_strictly(def)
	if LIST_OF[def.type] then LIST_OF[def.type][name] = def end
	items[name] = def
	aliases[name] = nil
	return name
end

define("register_item", function(name, def)
	name = register_item(name, def)
	note(KIND_OF[def.type], name, { name = name, def = def })
end)
for function_name, kind in pairs({ register_node = "node", register_tool = "tool", register_craftitem = "craft" }) do
	define(function_name, function(name, def)
		def.type = kind
		name = register_item(name, def)
		note(KIND_OF[kind], name, { name = name, def = def })
	end)
end

function api.unregister_item(name)
	if P.in_world then error("Refusing to unregister item " .. tostring(name) .. " after load time", 2) end
	for _, list in ipairs({ items, nodes, tools, craftitems }) do rawset(list, name, nil) end
end

function api.override_item(name, changes, removed)
	if changes.name ~= nil then error("Attempt to redefine name of " .. name, 2) end
	if changes.type ~= nil then error("Attempt to redefine type of " .. name, 2) end
	local def = items[name]
	if not def then error("Attempt to override non-existent item " .. name, 2) end
	for key, value in pairs(changes) do rawset(def, key, value) end
	for _, field in ipairs(removed or {}) do rawset(def, field, nil) end
	read_strictly(def)
end

local function register_alias(name, target)
	before_the_world("alias", name)
	if FORBIDDEN[name] then error("Unable to register alias: Name is forbidden: " .. name, 3) end
	if type(name) ~= "string" or type(target) ~= "string" then
		error("bad argument to 'register_alias' (string expected)", 3)
	end
	note("alias", name, { name = name, def = target })
	aliases[name] = target
end
define("register_alias", function(name, target)
	if items[name] == nil then return register_alias(name, target) end
end)
define("register_alias_force", function(name, target)
	api.unregister_item(name)
	register_alias(name, target)
end)

-- ---------------------------------------- crafts
local function text_field(def, field)
	local value = def[field]
	return (type(value) == "string" or type(value) == "number") and tostring(value) or ""
end

local function is_text_list(list)
	for _, value in ipairs(list) do
		if type(value) ~= "string" and type(value) ~= "number" then return false end
	end
	return true
end

local function valid_recipe(kind, recipe)
	if type(recipe) ~= "table" then return false end
	if kind == "shapeless" then return is_text_list(recipe) end
	local width
	for _, row in ipairs(recipe) do
		if type(row) ~= "table" or not is_text_list(row) then return false end
		if width and #row ~= width then return false end
		width = #row
	end
	return width ~= nil
end

local function valid_replacements(list)
	if type(list) ~= "table" then return false end
	for _, pair in pairs(list) do
		if type(pair) ~= "table" or type(pair[1]) ~= "string" or type(pair[2]) ~= "string" then return false end
	end
	return true
end

local function check_craft(def, kind)
	local needs_output = kind == "shaped" or kind == "shapeless" or kind == "cooking"
	local output = text_field(def, "output")
	if needs_output and output == "" then error("Crafting definition (" .. kind .. ") is missing an output", 3) end
	if kind == "cooking" or kind == "fuel" then
		if text_field(def, "recipe") == "" then error("Crafting definition (" .. kind .. ") is missing a recipe", 3) end
	elseif kind ~= "toolrepair" then
		if def.recipe == nil then
			error("Crafting definition (" .. kind .. ') is missing a recipe (output="' .. output .. '")', 3)
		end
		if not valid_recipe(kind, def.recipe) then error('Invalid crafting recipe (output="' .. output .. '")', 3) end
	end
	if kind ~= "toolrepair" and def.replacements ~= nil and not valid_replacements(def.replacements) then
		error('Invalid replacements (output="' .. output .. '")', 3)
	end
end

local CRAFT_KINDS = { shaped = true, shapeless = true, toolrepair = true, cooking = true, fuel = true }
define("register_craft", function(def)
	if type(def) ~= "table" then
		error("bad argument #1 to 'register_craft' (table expected, got " .. type(def) .. ")", 2)
	end
	local kind = def.type == nil and "shaped" or text_field(def, "type")
	if not CRAFT_KINDS[kind] then error('Unknown crafting definition type: "' .. kind .. '"', 2) end
	check_craft(def, kind)
	local output = text_field(def, "output")
	note("craft", output ~= "" and output or kind, { name = output, def = def })
end)

-- ---------------------------------------- what is always there
local builtin_items = {
	unknown = { type = "none", description = "Unknown Item", inventory_image = "unknown_item.png" },
	air = { type = "node", description = "Air", drawtype = "airlike", paramtype = "light", sunlight_propagates = true,
		walkable = false, pointable = false, diggable = false, buildable_to = true, floodable = true,
		air_equivalent = true, drop = "" },
	ignore = { type = "node", description = "Ignore", drawtype = "airlike", walkable = false, pointable = false,
		diggable = false, buildable_to = true, air_equivalent = true, drop = "" },
	[""] = { type = "none", wield_image = "wieldhand.png" },
}
for name, def in pairs(builtin_items) do
	def.groups = { not_in_creative_inventory = 1 }
	register_item(":" .. name, def)
end
P.unknown_item = items.unknown
