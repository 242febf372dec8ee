-- The helpers the engine adds to string, table and math, and its text functions.

local api, implemented = P.api, P.implemented
local type, tostring, tonumber, pairs, ipairs, error = type, tostring, tonumber, pairs, ipairs, error
local find, sub, gsub, format, byte = string.find, string.sub, string.gsub, string.format, string.byte
local gmatch, match, lower = string.gmatch, string.match, string.lower
local concat, sort = table.concat, table.sort
local floor, ceil, random = math.floor, math.ceil, math.random
local loadstring, setfenv, pcall, next, setmetatable, getmetatable = loadstring, setfenv, pcall, next, setmetatable,
	getmetatable

-- ---------------------------------------- string
implemented["string.split"] = function(text, separator, include_empty, max_splits, is_pattern)
	separator = separator or ","
	if separator == "" then separator = "," end
	local limit = max_splits and max_splits >= 0 and max_splits or math.huge
	local parts, from = {}, 1
	while true do
		local first, last = find(text, separator, from, not is_pattern)
		if limit <= 0 or not first or last < first then first = nil end
		local piece = sub(text, from, first and first - 1 or #text)
		if include_empty or piece ~= "" then
			parts[#parts + 1] = piece
			if first then limit = limit - 1 end
		end
		if not first then return parts end
		from = last + 1
	end
end

implemented["string.trim"] = function(text)
	return match(text, "^%s*(.-)%s*$")
end

-- ---------------------------------------- table
local function copy_deep(value, keep, seen)
	if type(value) ~= "table" then return value end
	if seen[value] then return seen[value] end
	local out = {}
	seen[value] = out
	for key, entry in next, value do out[copy_deep(key, keep, seen)] = copy_deep(entry, keep, seen) end
	if keep then setmetatable(out, getmetatable(value)) end
	return out
end

implemented["table.copy"] = function(value) return copy_deep(value, false, {}) end
implemented["table.copy_with_metatables"] = function(value) return copy_deep(value, true, {}) end

implemented["table.indexof"] = function(list, wanted)
	for i, value in ipairs(list) do
		if value == wanted then return i end
	end
	return -1
end

implemented["table.keyof"] = function(t, wanted)
	for key, value in pairs(t) do
		if value == wanted then return key end
	end
	return nil
end

implemented["table.insert_all"] = function(target, source)
	for i = 1, #source do target[#target + 1] = source[i] end
	return target
end

implemented["table.key_value_swap"] = function(t)
	local out = {}
	for key, value in pairs(t) do out[value] = key end
	return out
end

implemented["table.shuffle"] = function(t, from, to, draw)
	from, to, draw = from or 1, to or #t, draw or random
	for i = to, from + 1, -1 do
		local j = draw(from, i)
		t[i], t[j] = t[j], t[i]
	end
end

-- ---------------------------------------- math
implemented["math.sign"] = function(x, tolerance)
	tolerance = tolerance or 0
	return x > tolerance and 1 or x < -tolerance and -1 or 0
end

implemented["math.hypot"] = function(x, y) return math.sqrt(x * x + y * y) end

implemented["math.factorial"] = function(x)
	if x % 1 ~= 0 or x < 0 then error("factorial expects a non-negative integer", 2) end
	if x >= 171 then return math.huge end
	local product = 1
	for i = 2, x do product = product * i end
	return product
end

implemented["math.round"] = function(x)
	if x >= 0 then return floor(x + 0.5) end
	return ceil(x - 0.5)
end

implemented["math.isfinite"] = function(x) return x == x and x ~= math.huge and x ~= -math.huge end

-- ---------------------------------------- dump and serialize
local function literal(value, indent, seen)
	local kind = type(value)
	if kind == "string" then return format("%q", value) end
	if kind ~= "table" then return kind == "number" and format("%.17g", value) or tostring(value) end
	if seen[value] then return "<circular>" end
	seen[value] = true
	local parts, length = {}, #value
	for i = 1, length do parts[i] = literal(value[i], indent .. "\t", seen) end
	for key, entry in next, value do
		if not (type(key) == "number" and key >= 1 and key <= length and key % 1 == 0) then
			local name = type(key) == "string" and find(key, "^[%a_][%w_]*$") and key
				or "[" .. literal(key, indent .. "\t", seen) .. "]"
			parts[#parts + 1] = name .. " = " .. literal(entry, indent .. "\t", seen)
		end
	end
	seen[value] = nil
	if #parts == 0 then return "{}" end
	return "{\n" .. indent .. "\t" .. concat(parts, ",\n" .. indent .. "\t") .. "\n" .. indent .. "}"
end

function implemented.dump(value) return literal(value, "", {}) end
function implemented.dump2(value, name) return (name or "_") .. " = " .. literal(value, "", {}) .. "\n" end

local function serial(value, seen)
	local kind = type(value)
	if kind == "function" or kind == "userdata" or kind == "thread" then
		error("unsupported type: " .. kind, 0)
	elseif kind == "string" then
		return (gsub(format("%q", value), "\\\n", "\\n"))
	elseif kind == "number" then
		if value ~= value then return "0/0" end
		if value == math.huge then return "math.huge" end
		if value == -math.huge then return "-math.huge" end
		return format("%.17g", value)
	elseif kind ~= "table" then
		return tostring(value)
	end
	if seen[value] then error("circular table", 0) end
	seen[value] = true
	local parts, length = {}, #value
	for i = 1, length do parts[i] = serial(value[i], seen) end
	for key, entry in next, value do
		if not (type(key) == "number" and key >= 1 and key <= length and key % 1 == 0) then
			parts[#parts + 1] = "[" .. serial(key, seen) .. "]=" .. serial(entry, seen)
		end
	end
	seen[value] = nil
	return "{" .. concat(parts, ",") .. "}"
end

function api.serialize(value) return "return " .. serial(value, {}) end

function api.deserialize(text)
	if type(text) ~= "string" then return nil, "cannot deserialize a " .. type(text) .. ": a string is needed" end
	if byte(text, 1) == 27 then return nil, "Bytecode prohibited" end
	local chunk, message = loadstring(text, "=deserialize")
	if not chunk then return nil, message end
	local nothing = { math = { huge = math.huge } }
	P.private_envs[nothing] = true
	setfenv(chunk, nothing)
	local ok, value = pcall(chunk)
	if ok then return value end
	return nil, value
end

-- ---------------------------------------- positions in text
function api.pos_to_string(pos, places)
	local x, y, z = pos.x, pos.y, pos.z
	if places then
		local style = "%." .. places .. "f"
		x, y, z = format(style, x), format(style, y), format(style, z)
	end
	return "(" .. x .. "," .. y .. "," .. z .. ")"
end

function api.string_to_pos(text)
	if type(text) ~= "string" then return nil end
	local x, y, z = match(text, "^%s*%(?%s*([^,%s]+)[,%s]%s*([^,%s]+)[,%s]%s*([^,%s%)]+)%s*%)?%s*$")
	x, y, z = tonumber(x), tonumber(y), tonumber(z)
	return x and y and z and P.vector(x, y, z) or nil
end

function api.string_to_area(text)
	local first, second = match(text, "^%s*(%b())%s*(%b())%s*$")
	if not first then return nil end
	return api.string_to_pos(first), api.string_to_pos(second)
end

-- ---------------------------------------- formspecs and colours
function api.formspec_escape(text)
	return text and (gsub(text, "[%[%];,\\$]", "\\%0"))
end

function api.hypertext_escape(text)
	return text and (gsub(gsub(text, "\\", "\\\\"), "<", "\\<"))
end

function api.explode_table_event(event)
	local kind, row, column = match(event or "", "^(%u+):?(%d*):?(%d*)")
	if kind == "CHG" or kind == "DCL" then
		return { type = kind, row = tonumber(row) or 0, column = tonumber(column) or 0 }
	end
	return { type = "INV", row = 0, column = 0 }
end

function api.explode_textlist_event(event)
	local kind, index = match(event or "", "^(%u+):(%d+)")
	if kind == "CHG" or kind == "DCL" then return { type = kind, index = tonumber(index) } end
	return { type = "INV", index = 0 }
end

function api.explode_scrollbar_event(event)
	local kind, value = match(event or "", "^(%u+):(%-?%d+)")
	if kind == "CHG" or kind == "VAL" then return { type = kind, value = tonumber(value) } end
	return { type = "INV", value = 0 }
end

function api.get_color_escape_sequence(color) return "\27(c@" .. color .. ")" end
function api.get_background_escape_sequence(color) return "\27(b@" .. color .. ")" end

function api.colorize(color, message)
	local start = api.get_color_escape_sequence(color)
	local lines = gsub(tostring(message), "\n", function() return "\n" .. start end)
	return start .. lines .. api.get_color_escape_sequence("#ffffff")
end

function api.strip_foreground_colors(text) return (gsub(text, "\27%(c@[^)]+%)", "")) end
function api.strip_background_colors(text) return (gsub(text, "\27%(b@[^)]+%)", "")) end
function api.strip_colors(text) return (gsub(text, "\27%([bc]@[^)]+%)", "")) end
function api.strip_escapes(text) return (gsub(gsub(text, "\27%b()", ""), "\27.", "")) end

function api.rgba(r, g, b, a)
	return a and format("#%02X%02X%02X%02X", r, g, b, a) or format("#%02X%02X%02X", r, g, b)
end

function api.wrap_text(text, width, as_list)
	local lines, line = {}, ""
	for word in gmatch(text, "%S+") do
		if line ~= "" and #line + 1 + #word > width then
			lines[#lines + 1], line = line, word
		else
			line = line == "" and word or line .. " " .. word
		end
	end
	lines[#lines + 1] = line
	return as_list and lines or concat(lines, "\n")
end

function api.inventorycube(top, left, right)
	return "[inventorycube{" .. concat({ gsub(top, "%^", "&"), (gsub(left or top, "%^", "&")),
		(gsub(right or left or top, "%^", "&")) }, "{")
end

-- ---------------------------------------- translation
-- Untranslated and substituted at once, so that checks read plain text.
local function substitute(text, ...)
	local values = { ... }
	return (gsub(text, "@(.)", function(c)
		if find(c, "%d") then return tostring(values[tonumber(c)]) end
		return c == "n" and "\n" or c
	end))
end

function api.translate(_, text, ...)
	if type(text) ~= "string" then error("bad argument to translate (string expected, got " .. type(text) .. ")", 2) end
	return substitute(text, ...)
end

function api.translate_n(_, text, plural, count, ...)
	return substitute(count == 1 and text or plural, ...)
end

function api.get_translator(domain)
	return function(text, ...) return api.translate(domain, text, ...) end,
		function(...) return api.translate_n(domain, ...) end
end

function api.get_translated_string(_, text) return text end

-- ---------------------------------------- small tests
function api.is_yes(value)
	value = lower(tostring(value))
	return value == "y" or value == "yes" or value == "true" or (tonumber(value) or 0) ~= 0
end

function api.is_nan(x) return x ~= x end

function api.string_to_privs(text, separator)
	local privileges = {}
	for _, name in pairs(implemented["string.split"](text, separator or ",")) do
		privileges[implemented["string.trim"](name)] = true
	end
	return privileges
end

function api.privs_to_string(privileges, separator)
	local names = {}
	for name, held in pairs(privileges) do
		if held then names[#names + 1] = name end
	end
	sort(names)
	return concat(names, separator or ",")
end

function api.urlencode(text)
	return (gsub(text, "[^%w%-_%.~]", function(c) return format("%%%02X", byte(c)) end))
end
