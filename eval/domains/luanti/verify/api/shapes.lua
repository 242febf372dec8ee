-- The shape of every definition as the candidate gave it, before defaults: its fields with their types and short values.
-- A shape is one text of lines: the kind, the name, then for each field its type's letter, its key, a tab and its value.
-- One with more fields than there are in any has the line "+" in their place: the order of keys is not the candidate's.
-- Nothing of the candidate's runs here (raw access only), and all that is kept is bounded.

local type, next, rawget, tostring = type, next, rawget, tostring
local format, sub, find, gsub, concat = string.format, string.sub, string.find, string.gsub, table.concat

local MOST_SHAPES, MOST_FIELDS, MOST_FIELDS_OF_ONE, MOST_CHARACTERS = 200, 4000, 150, 60
local KINDS = " item node tool craftitem entity abm lbm craft chatcommand privilege biome ore decoration "
local LETTERS = { string = "s", number = "n", boolean = "b", table = "t", ["function"] = "f" }

local shapes, fields_left = {}, MOST_FIELDS
P.shapes = shapes

local function plain(text)
	text = sub(text, 1, MOST_CHARACTERS)
	return find(text, "%c") and gsub(text, "%c", "?") or text
end

local function shown(value, kind)
	if kind == "string" then return (plain(value)) end
	if kind == "number" then return format("%.14g", value) end
	return kind == "boolean" and tostring(value) or ""
end

local function keep(kind, name, def)
	if #shapes >= MOST_SHAPES or fields_left <= 0 then return end
	local lines, count = { kind, (plain(name)) }, 0
	for key, value in next, def do
		count = count + 1
		if count > MOST_FIELDS_OF_ONE then
			lines = { lines[1], lines[2], "+" }
			break
		end
		local key_kind, value_kind = type(key), type(value)
		local label = key_kind == "string" and (plain(key)) or "[" .. (key_kind == "number" and key or key_kind) .. "]"
		lines[count + 2] = (LETTERS[value_kind] or "u") .. label .. "\t" .. shown(value, value_kind)
	end
	fields_left = fields_left - count
	shapes[#shapes + 1] = concat(lines, "\n")
end

local function look(kind, first, second)
	local def, name = first, ""
	if type(first) == "string" then def, name = second, first end
	if type(def) ~= "table" then return end
	keep(kind, name, def)
	local properties = kind == "entity" and rawget(def, "initial_properties")
	if type(properties) == "table" then keep("properties", name, properties) end
end

-- Returns ``f`` for the candidate: when it takes definitions, they are looked at before it runs.
function P.looking(name, f)
	local kind = name == "override_item" and "item" or sub(name, 1, 9) == "register_" and sub(name, 10)
	if not kind or not find(KINDS, " " .. kind .. " ", 1, true) then return f end
	return function(...)
		look(kind, ...)
		return f(...)
	end
end
