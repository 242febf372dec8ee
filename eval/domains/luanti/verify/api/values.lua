-- Looking at values without running anything of theirs: no metamethod is called here.

local type, next, rawget, rawequal = type, next, rawget, rawequal
local format, gsub, sub, find, byte = string.format, string.gsub, string.sub, string.find, string.byte
local concat, sort = table.concat, table.sort
local tostring = tostring

local function is_name(text)
	return find(text, "^[%a_][%w_]*$") ~= nil
end

local function quote(text)
	text = gsub(sub(text, 1, 200), "[%c\"\\]", function(c)
		if c == "\n" then return "\\n" end
		if c == '"' then return '\\"' end
		if c == "\\" then return "\\\\" end
		return format("\\%d", byte(c))
	end)
	return '"' .. text .. '"'
end

local function sorted_keys(t)
	local keys = {}
	for key in next, t do keys[#keys + 1] = key end
	sort(keys, function(a, b)
		local ta, tb = type(a), type(b)
		if ta ~= tb then return ta < tb end
		if ta == "number" or ta == "string" then return a < b end
		return false
	end)
	return keys
end

-- Returns a short text of a value, on one line: tables to the third level and the twelfth entry.
local function describe(value, depth)
	depth = depth or 0
	local kind = type(value)
	if kind == "string" then return quote(value) end
	if kind == "number" then return format("%.14g", value) end
	if kind ~= "table" then return kind == "boolean" and tostring(value) or kind end
	if depth >= 3 then return "{...}" end
	local parts, array_end = {}, 0
	while rawget(value, array_end + 1) ~= nil and array_end < 12 do
		array_end = array_end + 1
		parts[array_end] = describe(rawget(value, array_end), depth + 1)
	end
	for _, key in next, sorted_keys(value) do
		if #parts >= 12 then
			parts[#parts + 1] = "..."
			break
		end
		if not (type(key) == "number" and key >= 1 and key <= array_end) then
			local name = type(key) == "string" and is_name(key) and key or "[" .. describe(key, depth + 1) .. "]"
			parts[#parts + 1] = name .. " = " .. describe(rawget(value, key), depth + 1)
		end
	end
	return "{" .. concat(parts, ", ") .. "}"
end
P.describe = describe

-- Returns a candidate's error as one line of text. An error value that is not a string is named, never converted.
function P.error_text(problem)
	if type(problem) == "nil" then return "error with no message" end
	if type(problem) ~= "string" then return "error value " .. describe(problem) end
	return (gsub(sub(problem, 1, 400), "%s*[\r\n]+%s*", " "))
end

-- Returns a copy of plain data, tables without their metatables; functions and userdata stay themselves.
local function snapshot(value, seen)
	if type(value) ~= "table" then return value end
	seen = seen or {}
	if seen[value] then return seen[value] end
	local out = {}
	seen[value] = out
	for key, entry in next, value do out[snapshot(key, seen)] = snapshot(entry, seen) end
	return out
end
P.snapshot = snapshot

local function path_of(label, key)
	if type(key) == "string" and is_name(key) then return label .. "." .. key end
	return label .. "[" .. describe(key) .. "]"
end

-- Returns nil when the two are equal as plain data, else where and how they differ: 'light_source: expected 7, got 14'.
local function difference(actual, expected, label, depth)
	depth = depth or 0
	if rawequal(actual, expected) then return nil end
	if type(actual) ~= "table" or type(expected) ~= "table" or depth > 50 then
		return label .. ": expected " .. describe(expected) .. ", got " .. describe(actual)
	end
	for _, key in next, sorted_keys(expected) do
		local found = difference(rawget(actual, key), rawget(expected, key), path_of(label, key), depth + 1)
		if found then return found end
	end
	for _, key in next, sorted_keys(actual) do
		if rawget(expected, key) == nil then
			return path_of(label, key) .. ": expected nil, got " .. describe(rawget(actual, key))
		end
	end
	return nil
end
P.difference = difference
