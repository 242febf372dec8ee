-- What LuaJIT's library has and Lua 5.1's lacks or does otherwise, as far as it can be made in Lua.
-- What cannot is listed in docs/luantibench.md; where a program meets it, P.lacks says so.

local error, type, tostring, tonumber, select, unpack = error, type, tostring, tonumber, select, unpack
local pcall, xpcall = pcall, xpcall
local floor, log, random, find, byte, sub = math.floor, math.log, math.random, string.find, string.byte, string.sub
local gsub, match, rep, concat, raw_format = string.gsub, string.match, string.rep, table.concat, string.format
local running, resume, create = coroutine.running, coroutine.resume, coroutine.create

-- Names of Lua 5.0 that LuaJIT has given up, and C's random stream, which outlives a program.
math.mod, string.gfind, table.setn = nil, nil, nil
math.randomseed(0)

jit = { arch = "none", os = "Other", version = "none: Lua 5.1", version_num = 0,
	on = function() end, off = function() end, flush = function() end, status = function() return false end }

local function wrong(position, name, expected, value, count)
	local found = position > (count or position) and "no value" or type(value)
	error("bad argument #" .. position .. " to '" .. name .. "' (" .. expected .. " expected, got " .. found .. ")", 3)
end

-- ---------------------------------------- numbers and texts
local function shown(...)
	local value = ...
	if type(value) == "number" and value ~= value then return "nan" end
	if select("#", ...) == 0 then error("bad argument #1 to 'tostring' (value expected)", 2) end
	local text = tostring(value)
	return text
end
_G.tostring = shown

function math.log(x, base)
	if tonumber(x) == nil then wrong(1, "log", "number", x) end
	if base == nil then return log(x) end
	if tonumber(base) == nil then wrong(2, "log", "number", base) end
	return log(x) / log(base)
end

-- An empty interval is no error in LuaJIT.
function math.random(...)
	local count, low, high = select("#", ...), ...
	if count == 0 then return random() end
	if tonumber(low) == nil then wrong(1, "random", "number", low) end
	if count == 1 then return floor(random() * low) + 1 end
	if tonumber(high) == nil then wrong(2, "random", "number", high) end
	return floor(random() * (high - low + 1) + low)
end

function string.rep(text, count, separator)
	if type(text) ~= "string" and type(text) ~= "number" then wrong(1, "rep", "string", text) end
	if tonumber(count) == nil then wrong(2, "rep", "number", count) end
	count = floor(tonumber(count))
	if separator == nil or count < 2 then
		local out = rep(text, count)
		return out
	end
	if type(separator) ~= "string" and type(separator) ~= "number" then wrong(3, "rep", "string", separator) end
	local out = rep(text .. separator, count - 1)
	return out .. text
end

-- ---------------------------------------- string.format
local ESCAPED = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\\n" }

-- Control characters as LuaJIT writes them: by number, with three digits before a digit.
local function quoted(text)
	text = gsub(text, '["\\\n]', ESCAPED)
	text = gsub(text, "([%z\1-\9\11-\31\127])(%d?)", function(control, digit)
		return raw_format(digit == "" and "\\%d" or "\\%03d", byte(control)) .. digit
	end)
	return '"' .. text .. '"'
end

local function not_finite(flags, value)
	local text = value ~= value and "nan" or value == 1 / 0 and "inf" or value == -1 / 0 and "-inf"
	if not text then return nil end
	if find(flags, "+", 1, true) and value > 0 then text = "+inf" end
	return raw_format("%" .. (find(flags, "-", 1, true) and "-" or "") .. match(flags, "^[-+ #0]*(%d*)") .. "s", text)
end

-- Returns the text of one directive such as "%5.1f".
local function directive(flags, letter, value)
	if letter == "s" then
		value = shown(value)
		return flags == "" and value or raw_format("%" .. flags .. "s", value)
	elseif letter == "q" then
		return quoted(value)
	end
	value = tonumber(value)
	if find(letter, "[eEfgG]") then return not_finite(flags, value) or raw_format("%" .. flags .. letter, value) end
	-- what C makes of a negative number without a sign is the processor's own
	if value < 0 and flags == "" and find(letter, "[xX]") then
		value = -floor(-value)
		return raw_format("%" .. letter .. "%08" .. letter, floor(value / 2 ^ 32) % 2 ^ 32, value % 2 ^ 32)
	end
	return raw_format("%" .. flags .. letter, value)
end

function string.format(text, ...)
	if type(text) == "number" then text = shown(text) end
	local count = select("#", ...)
	if type(text) ~= "string" then wrong(1, "format", "string", text) end
	local out, used, at = {}, 0, 1
	while true do
		local from = find(text, "%", at, true)
		if not from then break end
		out[#out + 1] = sub(text, at, from - 1)
		local _, last, flags, letter = find(text, "^([-+ #0]*%d?%d?%.?%d?%d?)(.?)", from + 1)
		if letter == "%" and flags == "" then
			out[#out + 1] = "%"
		elseif find(letter, "^[aAp]") then
			P.lacks = "string.format's %" .. letter
			error("Lua 5.1 lacks " .. P.lacks, 2)
		elseif not find(letter, "^[cdiouxXeEfgGsq]") then
			error("invalid option '%" .. flags .. letter .. "' to 'format'", 2)
		else
			used = used + 1
			local value = (select(used, ...))
			if used > count then error("bad argument #" .. used + 1 .. " to 'format' (no value)", 2) end
			if not find(letter, "[sq]") and tonumber(value) == nil then wrong(used + 1, "format", "number", value) end
			if letter == "q" and type(value) ~= "string" and type(value) ~= "number" then
				wrong(used + 1, "format", "string", value)
			end
			out[#out + 1] = directive(flags, letter, value)
		end
		at = last + 1
	end
	out[#out + 1] = sub(text, at)
	return concat(out)
end

-- ---------------------------------------- tables and calls
function table.move(from, first, last, to, target)
	if type(from) ~= "table" then wrong(1, "move", "table", from) end
	if target == nil then target = from elseif type(target) ~= "table" then wrong(5, "move", "table", target) end
	if tonumber(first) == nil then wrong(2, "move", "number", first) end
	if tonumber(last) == nil then wrong(3, "move", "number", last) end
	if tonumber(to) == nil then wrong(4, "move", "number", to) end
	if to > last or to <= first or target ~= from then
		for i = 0, last - first do target[to + i] = from[first + i] end
	else
		for i = last - first, 0, -1 do target[to + i] = from[first + i] end
	end
	return target
end

-- LuaJIT can yield where Lua 5.1 has a C function in between. What fails for that says nothing about the program.
local ACROSS = "attempt to yield across metamethod/C-call boundary"
P.lacks = false

local function told(ok, ...)
	local problem = ...
	if not ok and type(problem) == "string" and find(problem, ACROSS, 1, true) then
		P.lacks = "a coroutine that yields through pcall, a metamethod or an iterator"
	end
	return ok, ...
end

-- Outside a coroutine the same words are right: LuaJIT cannot yield there either.
local function told_inside(ok, ...)
	if not ok and running() then return told(ok, ...) end
	return ok, ...
end

function _G.pcall(...)
	if select("#", ...) == 0 then error("bad argument #1 to 'pcall' (value expected)", 2) end
	return told_inside(pcall(...))
end

function _G.xpcall(f, handler, ...)
	if type(handler) ~= "function" then wrong(2, "xpcall", "function", handler) end
	local count = select("#", ...)
	if count == 0 then return told_inside(xpcall(f, handler)) end
	local arguments = { ... }
	return told_inside(xpcall(function() return f(unpack(arguments, 1, count)) end, handler))
end

function coroutine.resume(thread, ...)
	if type(thread) ~= "thread" then error("bad argument #1 to 'resume' (coroutine expected)", 2) end
	return told(resume(thread, ...))
end

local function results(ok, ...)
	if ok then return ... end
	local problem = told(ok, ...) or (...)
	-- 1 is this function, 2 the tail call that made it, 3 the caller
	error(problem, type(problem) == "string" and 3 or 0)
end

function coroutine.wrap(f)
	if type(f) ~= "function" then wrong(1, "wrap", "function", f) end
	local thread = create(f)
	return function(...) return results(resume(thread, ...)) end
end

function coroutine.isyieldable()
	return running() ~= nil
end
