-- JSON as the engine writes and reads it (jsoncpp, src/script/common/c_content.cpp).

local api = P.model
local type, tonumber, tostring, next, error, pcall, select = type, tonumber, tostring, next, error, pcall, select
local byte, char, find, format, gsub, rep, sub = string.byte, string.char, string.find, string.format, string.gsub,
	string.rep, string.sub
local concat, sort = table.concat, table.sort
local floor = math.floor
local MOST_LEVELS = 16

-- ---------------------------------------- writing
local NAMED = { ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ['"'] = '\\"',
	["\\"] = "\\\\" }

-- Returns the code point of a UTF-8 sequence, and 0xFFFD of what is none.
local function code_point(sequence)
	local first = byte(sequence)
	local value = first < 0xE0 and first % 0x20 or first < 0xF0 and first % 0x10 or first % 0x08
	for i = 2, #sequence do value = value * 64 + byte(sequence, i) % 64 end
	return #sequence > 1 and value or 0xFFFD
end

local function escaped(sequence)
	local code = code_point(sequence)
	if code < 0x10000 then return format("\\u%04x", code) end
	code = code - 0x10000
	return format("\\u%04x\\u%04x", 0xD800 + floor(code / 1024), 0xDC00 + code % 1024)
end

local function quoted(text)
	text = gsub(text, '[%z\1-\31"\\]', function(c) return NAMED[c] or format("\\u%04x", byte(c)) end)
	return '"' .. gsub(text, "[\192-\247][\128-\191]*", escaped) .. '"'
end

local function number_text(value)
	local text = format("%.17g", value)
	if find(text, "^%-?inf") then return sub(text, 1, 1) == "-" and "-1e+9999" or "1e+9999" end
	if find(text, "nan") then return "null" end
	return find(text, "^%-?%d+$") and text .. ".0" or text
end

-- Returns a tree of {text}, {list = ...} and {names, members}: what is checked before a character is written.
local function tree(value, level)
	local kind = type(value)
	if kind == "nil" then return { text = "null" } end
	if kind == "boolean" then return { text = tostring(value) } end
	if kind == "number" then return { text = number_text(value) } end
	if kind == "string" then return { text = quoted(value) } end
	if kind ~= "table" then error("Can only store booleans, numbers, strings, objects, arrays, and null in JSON", 0) end
	if level > MOST_LEVELS then error("Maximum recursion depth exceeded", 0) end
	local list, members, names, last = {}, {}, {}, 0
	for key, entry in next, value do
		if type(key) == "number" then
			if key < 1 then error("Can't use zero-based or negative indexes in JSON", 0) end
			if key ~= floor(key) then error("Can't use indexes with a fractional part in JSON", 0) end
			list[key] = tree(entry, level + 1)
			if key > last then last = key end
		elseif type(key) == "string" then
			names[#names + 1] = key
			members[key] = tree(entry, level + 1)
		else
			error("Lua key to convert to JSON is not a string or number", 0)
		end
	end
	if last > 0 and #names > 0 then error("Can't mix array and object values in JSON", 0) end
	if last > 0 then
		for i = 1, last do list[i] = list[i] or { text = "null" } end
		return { list = list }
	end
	if #names == 0 then return { text = "null" } end
	sort(names)
	return { names = names, members = members }
end

local function compact(node)
	if node.text then return node.text end
	local parts = {}
	if node.list then
		for i, entry in next, node.list do parts[i] = compact(entry) end
		return "[" .. concat(parts, ",") .. "]"
	end
	for i, name in next, node.names do parts[i] = quoted(name) .. ":" .. compact(node.members[name]) end
	return "{" .. concat(parts, ",") .. "}"
end

local function styled(node, indent, is_at_start)
	if node.text then return node.text end
	local line, deeper = "\n" .. rep("\t", indent), "\n" .. rep("\t", indent + 1)
	local parts, opening, closing = {}, node.list and "[" or "{", node.list and "]" or "}"
	for i = 1, #(node.list or node.names) do
		if node.list then
			parts[i] = deeper .. styled(node.list[i], indent + 1, true)
		else
			local name = node.names[i]
			parts[i] = deeper .. quoted(name) .. " : " .. styled(node.members[name], indent + 1, false)
		end
	end
	return (is_at_start and "" or line) .. opening .. concat(parts, ",") .. line .. closing
end

function api.write_json(value, is_styled)
	local ok, found = pcall(tree, value, 1)
	if not ok then return nil, found end
	return is_styled and styled(found, 0, true) .. "\n" or compact(found)
end

-- ---------------------------------------- reading
local ESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/" }
local BAD = {}

local function utf8_of(code)
	if code < 0x80 then return char(code) end
	if code < 0x800 then return char(0xC0 + floor(code / 64), 0x80 + code % 64) end
	if code < 0x10000 then
		return char(0xE0 + floor(code / 4096), 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
	end
	return char(0xF0 + floor(code / 262144), 0x80 + floor(code / 4096) % 64, 0x80 + floor(code / 64) % 64,
		0x80 + code % 64)
end

local function skip(text, at)
	while true do
		at = find(text, "[^%s]", at) or #text + 1
		if sub(text, at, at + 1) == "//" then
			at = find(text, "\n", at, true) or #text + 1
		elseif sub(text, at, at + 1) == "/*" then
			at = (select(2, find(text, "*/", at + 2, true)) or error(BAD)) + 1
		else
			return at
		end
	end
end

local function read_string(text, at)
	local parts = {}
	while true do
		local stop = find(text, '["\\]', at) or error(BAD)
		parts[#parts + 1] = sub(text, at, stop - 1)
		if sub(text, stop, stop) == '"' then return concat(parts), stop + 1 end
		local mark = sub(text, stop + 1, stop + 1)
		at = stop + 2
		if mark == "u" then
			local code = tonumber(sub(text, at, at + 3), 16) or error(BAD)
			at = at + 4
			if code >= 0xD800 and code < 0xDC00 and sub(text, at, at + 1) == "\\u" then
				local low = tonumber(sub(text, at + 2, at + 5), 16) or error(BAD)
				code, at = 0x10000 + (code - 0xD800) * 1024 + low - 0xDC00, at + 6
			end
			parts[#parts + 1] = utf8_of(code)
		else
			parts[#parts + 1] = ESCAPES[mark] or error(BAD)
		end
	end
end

local function read(text, at, null)
	at = skip(text, at)
	local first = sub(text, at, at)
	if first == '"' then return read_string(text, at + 1) end
	if first == "[" or first == "{" then
		local out, count, closing = {}, 0, first == "[" and "]" or "}"
		at = skip(text, at + 1)
		while sub(text, at, at) ~= closing do
			count = count + 1
			local key, value = count, nil
			if first == "{" then
				if sub(text, at, at) ~= '"' then error(BAD) end
				key, at = read_string(text, at + 1)
				at = skip(text, at)
				if sub(text, at, at) ~= ":" then error(BAD) end
				at = at + 1
			end
			value, at = read(text, at, null)
			out[key] = value
			at = skip(text, at)
			if sub(text, at, at) == "," then
				at = skip(text, at + 1)
			elseif sub(text, at, at) ~= closing then
				error(BAD)
			end
		end
		return out, at + 1
	end
	for word, value in next, { ["true"] = true, ["false"] = false } do
		if sub(text, at, at + #word - 1) == word then return value, at + #word end
	end
	if sub(text, at, at + 3) == "null" then return null, at + 4 end
	local _, stop = find(text, "^%-?%d+%.?%d*[eE]?[+-]?%d*", at)
	return tonumber(sub(text, at, stop or error(BAD))) or error(BAD), stop + 1
end

function api.parse_json(text, null, wants_error)
	if type(text) ~= "string" and type(text) ~= "number" then
		error("bad argument #1 to 'parse_json' (string expected, got " .. type(text) .. ")", 2)
	end
	local ok, value = pcall(read, tostring(text), 1, null)
	if ok then return value end
	if wants_error then return nil, "the text is not JSON" end
	return nil
end
