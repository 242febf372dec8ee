-- LuaJIT's bit library in Lua 5.1: operations on 32-bit integers (https://bitop.luajit.org/semantics.html).
-- Its tables are made when a program first uses it: few do.

local floor, abs = math.floor, math.abs
local type, tonumber, select, error, tostring = type, tonumber, select, error, tostring
local format = string.format

local WORD, SIGN = 2 ^ 32, 2 ^ 31
-- Adding and taking it away rounds to the nearest whole number, half to even, as the processor does.
local ROUNDING = 2 ^ 52 + 2 ^ 51

local function unsigned(x)
	if abs(x) < 2 ^ 51 then
		x = (x + ROUNDING) - ROUNDING
	elseif x ~= x or x - x ~= 0 then
		return 0
	end
	return x % WORD
end

local function signed(x)
	return x >= SIGN and x - WORD or x
end

local function word(value, position, name)
	local number = tonumber(value)
	if not number or type(value) == "boolean" then
		local found = value == nil and "no value" or type(value)
		error("bad argument #" .. position .. " to '" .. name .. "' (number expected, got " .. found .. ")", 3)
	end
	return unsigned(number)
end

-- Result of an operation on two numbers of four bits each, by 16 * first + second.
local nibbles

local function fill()
	nibbles = { band = {}, bor = {}, bxor = {} }
	for a = 0, 15 do
		for b = 0, 15 do
			local both, bit = 0, 1
			for place = 0, 3 do
				if floor(a / bit) % 2 == 1 and floor(b / bit) % 2 == 1 then both = both + bit end
				bit = bit * 2
			end
			nibbles.band[16 * a + b], nibbles.bor[16 * a + b], nibbles.bxor[16 * a + b] = both, a + b - both, a + b - 2 * both
		end
	end
end

local function combined(name)
	return function(first, ...)
		if not nibbles then fill() end
		local results, left = nibbles[name], word(first, 1, name)
		for i = 1, select("#", ...) do
			local right, out, place = word((select(i, ...)), i + 1, name), 0, 1
			while left > 0 or right > 0 do
				local a, b = left % 16, right % 16
				out = out + results[16 * a + b] * place
				left, right, place = (left - a) / 16, (right - b) / 16, place * 16
			end
			left = out
		end
		return signed(left)
	end
end

-- For x >= 0.
local function left_by(x, count)
	return (x * 2 ^ count) % WORD
end

local function right_by(x, count)
	return floor(x / 2 ^ count)
end

local function shifting(name, shift)
	return function(x, count)
		return signed(shift(word(x, 1, name), word(count, 2, name) % 32))
	end
end

bit = {
	tobit = function(x) return signed(word(x, 1, "tobit")) end,
	bnot = function(x) return signed(WORD - 1 - word(x, 1, "bnot")) end,
	band = combined("band"),
	bor = combined("bor"),
	bxor = combined("bxor"),
	lshift = shifting("lshift", left_by),
	rshift = shifting("rshift", right_by),
	arshift = shifting("arshift", function(x, count) return floor(signed(x) / 2 ^ count) % WORD end),
	rol = shifting("rol", function(x, count) return left_by(x, count) + right_by(x, 32 - count) end),
	ror = shifting("ror", function(x, count) return right_by(x, count) + left_by(x, 32 - count) end),
	bswap = function(x)
		x = word(x, 1, "bswap")
		local out = 0
		for _ = 1, 4 do
			local low = x % 256
			out, x = out * 256 + low, (x - low) / 256
		end
		return signed(out)
	end,
	tohex = function(x, digits)
		x = word(x, 1, "tohex")
		digits = digits == nil and 8 or signed(word(digits, 2, "tohex"))
		local shown = format(digits < 0 and "%08X" or "%08x", x)
		digits = digits < 0 and -digits or digits
		return digits >= 8 and shown or shown:sub(9 - digits)
	end,
}
