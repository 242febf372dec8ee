-- What was registered: every core.register_x the engine accepted is kept in order under x.

local real = P.engine.core
local type, tostring, rawget = type, tostring, rawget
local match, gsub, sub = string.match, string.gsub, string.sub

local log, order = {}, {} -- kind -> entries in order; all as "kind name" in order
P.registered, P.registered_order = log, order
P.registered_nodes, P.registered_tools = real.registered_nodes, real.registered_tools
P.registered_craftitems, P.registered_items = real.registered_craftitems, real.registered_items
P.registered_aliases = real.registered_aliases

local function note(kind, name, entry)
	log[kind] = log[kind] or {}
	log[kind][#log[kind] + 1] = entry
	order[#order + 1] = type(name) == "string" and kind .. " " .. name or kind
end

local KIND_OF_TYPE = { node = "node", tool = "tool", craft = "craftitem", none = "item" }
local PUBLIC = { chatcommand = "registered_chatcommands", privilege = "registered_privileges",
	entity = "registered_entities", item = "registered_items", node = "registered_nodes",
	tool = "registered_tools", craftitem = "registered_craftitems" }

local function note_named(kind, name, def)
	name = gsub(name, "^:", "")
	if kind == "alias" or kind == "alias_force" then
		if rawget(real.registered_aliases, name) == def then note("alias", name, { name = name, def = def }) end
		return
	end
	local public = PUBLIC[kind] and real[PUBLIC[kind]]
	def = public and rawget(public, name) or def
	if kind == "item" then kind = KIND_OF_TYPE[def.type] or kind end
	note(kind, name, { name = name, def = def })
end

local function text(value)
	return (type(value) == "string" or type(value) == "number") and tostring(value) or ""
end

local function note_table(kind, def)
	if kind == "craft" then
		local output = text(rawget(def, "output"))
		note(kind, output ~= "" and output or text(rawget(def, "type")), { name = output, def = def })
	elseif kind == "abm" then
		note(kind, def.label, { name = def.label, def = def })
	else
		note(kind, def.name or (type(def.ore) == "string" and def.ore), { name = def.name, def = def })
	end
end

local function noted(kind, first, ...)
	local result = P.engine.core["register_" .. kind] -- only to fail early on a misspelt kind
	if result == nil then return end
	if type(first) == "string" then
		note_named(kind, first, (...))
	elseif type(first) == "table" then
		note_table(kind, first)
	else
		note(kind, nil, { first, ... })
	end
end

-- Returns a wrapper of a registration function that keeps what it accepted; nil for any other function.
function P.registration(name, f)
	if sub(name, 1, 9) ~= "register_" then return nil end
	local kind = match(name, "^register_(.+)$")
	local function after(arguments, ...)
		noted(kind, arguments())
		return ...
	end
	return function(...)
		local first, second, third = ...
		return after(function() return first, second, third end, f(...))
	end
end
