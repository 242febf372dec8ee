-- Item stacks, inventories and metadata: userdata, as in the engine; their state stands where no candidate reaches.

local type, tonumber, tostring, pairs, ipairs, next, error = type, tonumber, tostring, pairs, ipairs, next, error
local newproxy, getmetatable, setmetatable = newproxy, getmetatable, setmetatable
local floor, min, max = math.floor, math.min, math.max
local match, format = string.match, string.format
local sort = table.sort
local record = P.record

local state = setmetatable({}, { __mode = "k" })
P.state = state

-- Returns a constructor of userdata with ``methods``; calls are written down as "Kind:method" when ``kind`` is given.
local function class(methods, kind)
	local prototype = newproxy(true)
	local metatable = getmetatable(prototype)
	metatable.__metatable = false
	metatable.__index = kind and function(_, name)
		local method = methods[name]
		return method and function(self, ...)
			record(kind .. ":" .. name, ...)
			return method(self, ...)
		end
	end or methods
	return function(fields)
		local object = newproxy(prototype)
		state[object] = fields
		return object
	end, metatable
end
P.class = class

local function whole(value, name)
	value = tonumber(value)
	if not value then error("bad argument #1 to '" .. name .. "' (number expected)", 3) end
	return floor(value)
end
P.whole = whole

-- ---------------------------------------- metadata
local meta = {}

local function meta_text(value)
	if type(value) == "number" then return format("%.14g", value) end
	if type(value) ~= "string" then
		error("bad argument #2 to 'set_string' (string expected, got " .. type(value) .. ")", 3)
	end
	return value
end

function meta.set_string(self, key, value)
	value = meta_text(value)
	state[self].fields[key] = value ~= "" and value or nil
end
function meta.get_string(self, key) return state[self].fields[key] or "" end
function meta.get(self, key) return state[self].fields[key] end
function meta.contains(self, key) return state[self].fields[key] ~= nil end
function meta.set_int(self, key, value) state[self].fields[key] = format("%d", whole(value, "set_int")) end
function meta.get_int(self, key) return floor(tonumber(state[self].fields[key] or 0) or 0) end
function meta.set_float(self, key, value) state[self].fields[key] = format("%.14g", tonumber(value)) end
function meta.get_float(self, key) return tonumber(state[self].fields[key] or 0) or 0 end
function meta.get_inventory(self) return state[self].inventory end
function meta.mark_as_private() end

function meta.get_keys(self)
	local keys = {}
	for key in next, state[self].fields do keys[#keys + 1] = key end
	sort(keys)
	return keys
end

function meta.to_table(self)
	return { fields = P.copy(state[self].fields),
		inventory = state[self].inventory and state[self].inventory:get_lists() or nil }
end

function meta.from_table(self, data)
	local fields = {}
	for key, value in pairs(type(data) == "table" and data.fields or {}) do fields[key] = tostring(value) end
	state[self].fields = fields
	return true
end

function meta.equals(self, other)
	return P.difference(state[self].fields, state[other].fields, "") == nil
end

meta.set_tool_capabilities = function() end
meta.set_wear_bar_params = function() end
local new_meta = class(meta)
P.new_meta = function(inventory) return new_meta({ fields = {}, inventory = inventory }) end

-- ---------------------------------------- item stacks
local stack = {}
local new_stack, stack_metatable

local function definition_of(name)
	return P.registered_items[name] or P.unknown_item
end

local function read_stack(item)
	if state[item] then
		local from = state[item]
		return from.name, from.count, from.wear, P.copy(state[from.meta].fields)
	elseif type(item) == "table" then
		return tostring(item.name or ""), tonumber(item.count) or 1, tonumber(item.wear) or 0, {}
	elseif type(item) == "string" then
		local name, count, wear = match(item, "^%s*(%S*)%s*(%S*)%s*(%S*)")
		return name, tonumber(count) or 1, tonumber(wear) or 0, {}
	elseif item == nil then
		return "", 0, 0, {}
	end
	error("Expecting itemstack, itemstring, table or nil", 3)
end

local function make_stack(item)
	local name, count, wear, fields = read_stack(item)
	name = P.registered_aliases[name] or name
	if name == "" or count < 1 then name, count, wear, fields = "", 0, 0, {} end
	local own = new_meta({ fields = fields })
	return new_stack({ name = name, count = floor(count), wear = floor(wear) % 65536, meta = own })
end
P.make_stack = make_stack
P.implemented.ItemStack = make_stack

local function empty(s)
	if s.count < 1 then s.name, s.count, s.wear, s.meta = "", 0, 0, new_meta({ fields = {} }) end
end

local function same_kind(a, b)
	return a.name == b.name and a.wear == b.wear and P.difference(state[a.meta].fields, state[b.meta].fields, "") == nil
end

function stack.is_empty(self) return state[self].count == 0 end
function stack.get_name(self) return state[self].name end
function stack.get_count(self) return state[self].count end
function stack.get_wear(self) return state[self].wear end
function stack.get_meta(self) return state[self].meta end
function stack.get_metadata(self) return state[state[self].meta].fields[""] or "" end
function stack.set_metadata(self, text) meta.set_string(state[self].meta, "", text) return true end
function stack.is_known(self) return P.registered_items[state[self].name] ~= nil end
function stack.get_definition(self) return definition_of(state[self].name) end
function stack.get_stack_max(self) return definition_of(state[self].name).stack_max end
function stack.get_free_space(self) return max(0, stack.get_stack_max(self) - state[self].count) end
function stack.get_tool_capabilities(self) return definition_of(state[self].name).tool_capabilities or {} end

function stack.set_name(self, name)
	state[self].name = name
	if name == "" then state[self].count = 0 end
	empty(state[self])
	return name ~= ""
end

function stack.set_count(self, count)
	state[self].count = whole(count, "set_count")
	empty(state[self])
	return count >= 1
end

function stack.set_wear(self, wear)
	state[self].wear = whole(wear, "set_wear")
	if state[self].wear > 65535 then
		state[self].count = 0
		empty(state[self])
	end
	return true
end

function stack.add_wear(self, amount)
	if definition_of(state[self].name).type ~= "tool" then return false end
	stack.set_wear(self, state[self].wear + amount)
	return true
end

function stack.add_wear_by_uses(self, uses)
	return stack.add_wear(self, uses > 0 and math.ceil(65536 / uses) or 0)
end

function stack.get_description(self)
	local own = state[state[self].meta].fields.description
	local described = own or definition_of(state[self].name).description
	return described ~= "" and described or state[self].name
end

function stack.get_short_description(self)
	local definition = definition_of(state[self].name)
	return definition.short_description or match(stack.get_description(self), "^[^\n]*")
end

function stack.clear(self)
	state[self].count = 0
	empty(state[self])
end

function stack.replace(self, item)
	state[self] = state[make_stack(item)]
	return true
end

function stack.to_string(self)
	local s = state[self]
	if s.count == 0 then return "" end
	if s.wear > 0 then return s.name .. " " .. s.count .. " " .. s.wear end
	return s.count == 1 and s.name or s.name .. " " .. s.count
end

function stack.to_table(self)
	local s = state[self]
	if s.count == 0 then return nil end
	return { name = s.name, count = s.count, wear = s.wear, metadata = "", meta = P.copy(state[s.meta].fields) }
end

function stack.equals(self, other)
	return state[self].count == state[other].count and same_kind(state[self], state[other])
end

function stack.item_fits(self, item)
	local new, old = state[make_stack(item)], state[self]
	if old.count == 0 or new.count == 0 then return true end
	return same_kind(old, new) and old.count + new.count <= stack.get_stack_max(self)
end

function stack.add_item(self, item)
	local new = make_stack(item)
	local from, to = state[new], state[self]
	if from.count == 0 then return new end
	if to.count == 0 then
		to.name, to.wear, to.meta = from.name, from.wear, from.meta
	elseif not same_kind(to, from) then
		return new
	end
	local moved = min(from.count, stack.get_stack_max(self) - to.count)
	to.count, from.count = to.count + moved, from.count - moved
	empty(from)
	return new
end

function stack.peek_item(self, count)
	local taken = make_stack(self)
	state[taken].count = min(count or 1, state[self].count)
	empty(state[taken])
	return taken
end

function stack.take_item(self, count)
	local taken = stack.peek_item(self, count)
	state[self].count = state[self].count - state[taken].count
	empty(state[self])
	return taken
end

new_stack, stack_metatable = class(stack)
stack_metatable.__tostring = function(self) return 'ItemStack("' .. stack.to_string(self) .. '")' end
stack_metatable.__eq = stack.equals

-- ---------------------------------------- inventories
local inventory = {}

local function list_of(self, name) return state[self].lists[name] end

function inventory.set_size(self, name, size)
	local list = list_of(self, name) or {}
	for i = 1, size do list[i] = list[i] or make_stack() end
	for i = size + 1, #list do list[i] = nil end
	state[self].lists[name] = size > 0 and list or nil
	return true
end

function inventory.get_size(self, name) return list_of(self, name) and #list_of(self, name) or 0 end
function inventory.set_width(self, name, width) state[self].widths[name] = width return true end
function inventory.get_width(self, name) return state[self].widths[name] or 0 end
function inventory.get_location(self) return P.copy(state[self].location) end

function inventory.is_empty(self, name)
	for _, item in ipairs(list_of(self, name) or {}) do
		if state[item].count > 0 then return false end
	end
	return true
end

function inventory.get_stack(self, name, index)
	return make_stack(list_of(self, name) and list_of(self, name)[index])
end

function inventory.set_stack(self, name, index, item)
	local list = list_of(self, name)
	if not list or not list[index] then return false end
	list[index] = make_stack(item)
	return true
end

function inventory.get_list(self, name)
	local list = list_of(self, name)
	if not list then return nil end
	local out = {}
	for i, item in ipairs(list) do out[i] = make_stack(item) end
	return out
end

function inventory.set_list(self, name, items)
	local list = list_of(self, name)
	for i = 1, list and #list or 0 do list[i] = make_stack(items[i]) end
end

function inventory.get_lists(self)
	local out = {}
	for name in pairs(state[self].lists) do out[name] = inventory.get_list(self, name) end
	return out
end

function inventory.set_lists(self, lists)
	for name, items in pairs(lists) do inventory.set_list(self, name, items) end
end

-- Puts what fits of ``item`` into ``list``, first onto stacks of its kind; returns the rest.
local function put(list, item)
	local left = make_stack(item)
	for pass = 1, 2 do
		for _, slot in ipairs(list) do
			if (state[slot].count > 0) == (pass == 1) then left = stack.add_item(slot, left) end
		end
	end
	return left
end

function inventory.add_item(self, name, item)
	return put(list_of(self, name) or {}, item)
end

function inventory.room_for_item(self, name, item)
	return stack.is_empty(put(inventory.get_list(self, name) or {}, item))
end

function inventory.contains_item(self, name, item)
	local wanted, found = make_stack(item), 0
	for _, slot in ipairs(list_of(self, name) or {}) do
		if state[slot].name == state[wanted].name then found = found + state[slot].count end
	end
	return found >= state[wanted].count
end

function inventory.remove_item(self, name, item)
	local wanted, taken = make_stack(item), make_stack()
	local list = list_of(self, name) or {}
	for i = #list, 1, -1 do
		local missing = state[wanted].count - state[taken].count
		if missing > 0 and state[list[i]].name == state[wanted].name then
			local got = stack.take_item(list[i], missing)
			local s = state[taken]
			s.name, s.count, s.wear, s.meta = state[got].name, s.count + state[got].count, state[got].wear, state[got].meta
		end
	end
	return taken
end

local new_inventory = class(inventory)
function P.new_inventory(location, sizes)
	local inv = new_inventory({ lists = {}, widths = {}, location = location })
	for name, size in pairs(sizes or {}) do inventory.set_size(inv, name, size) end
	return inv
end
