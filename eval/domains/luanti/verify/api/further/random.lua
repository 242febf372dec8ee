-- The engine's random numbers, bit for bit: PcgRandom and PseudoRandom (src/noise.h, noise.cpp), and SecureRandom.

local implemented, class, state = P.implemented, P.class, P.state
local type, tonumber, error = type, tonumber, error
local floor, ceil, random = math.floor, math.ceil, math.random
local char, concat = string.char, table.concat
local bxor, bor, lshift, rshift, tobit = bit.bxor, bit.bor, bit.lshift, bit.rshift, bit.tobit

local TWO_16, TWO_32, LOW_31, HIGH_31 = 65536, 4294967296, -2147483648, 2147483647
-- Numbers of 64 bits are kept as two of 32, which every Lua has: the upper half, then the lower.
local MULTIPLIER_HIGH, MULTIPLIER_LOW = 0x5851f42d, 0x4c957f2d -- 6364136223846793005
local SEQUENCE_HIGH, SEQUENCE_LOW = 0xda3e39cb, 0x94b95bdb

local function number(value, position, name)
	local found = tonumber(value)
	if not found or type(value) == "boolean" then
		error("bad argument #" .. position .. " to '" .. name .. "' (number expected, got "
			.. (value == nil and "no value" or type(value)) .. ")", 3)
	end
	return found < 0 and ceil(found) or floor(found)
end

local function halves(value)
	return floor(value / TWO_32) % TWO_32, value % TWO_32
end

local function product_32(a, b)
	return (floor(a / TWO_16) * b % TWO_16 * TWO_16 + a % TWO_16 * b) % TWO_32
end

-- Returns both halves of a product of two numbers of 32 bits.
local function product_64(a, b)
	local a_low, b_low = a % TWO_16, b % TWO_16
	local a_high, b_high = (a - a_low) / TWO_16, (b - b_low) / TWO_16
	local middle = a_high * b_low + a_low * b_high
	local low = a_low * b_low + middle % TWO_16 * TWO_16
	return a_high * b_high + floor(middle / TWO_16) + floor(low / TWO_32), low % TWO_32
end

-- Adds to the state, modulo 2^64.
local function add(s, high, low)
	local sum = s.low + low
	s.high, s.low = (s.high + high + floor(sum / TWO_32)) % TWO_32, sum % TWO_32
end

-- ---------------------------------------- PCG
-- The next 32 bits, as a number from 0 to 2^32 - 1.
local function pcg_next(s)
	local high, low = s.high, s.low
	local carried
	carried, s.low = product_64(low, MULTIPLIER_LOW)
	s.high = (carried + product_32(high, MULTIPLIER_LOW) + product_32(low, MULTIPLIER_HIGH)) % TWO_32
	add(s, s.step_high, s.step_low)
	-- ((state >> 18) ^ state) >> 27, turned right by the five highest bits
	local mixed = bor(lshift(bxor(rshift(high, 18), high), 5), rshift(bxor(bor(lshift(high, 14), rshift(low, 18)), low), 27))
	local turn = rshift(high, 27)
	return bor(rshift(mixed, turn), lshift(mixed, (32 - turn) % 32)) % TWO_32
end

-- From low to high, each equally often: draws below 2^32 modulo the span are dropped.
local function pcg_range(s, low, high)
	local span = high - low + 1
	if span >= TWO_32 then return low + pcg_next(s) end
	local least, drawn = (TWO_32 - span) % span, nil
	repeat drawn = pcg_next(s) until drawn >= least
	return low + drawn % span
end

local function bounds(low, high, lowest, highest)
	low = tonumber(low) and number(low, 1, "next") or lowest
	high = tonumber(high) and number(high, 2, "next") or highest
	return low, high
end

local pcg = {}
function pcg.next(self, low, high)
	low, high = bounds(low, high, LOW_31, HIGH_31)
	if high < low then error("Invalid range (max < min)", 2) end
	return pcg_range(state[self], low, high)
end
function pcg.rand_normal_dist(self, low, high, trials)
	low, high = number(low, 1, "rand_normal_dist"), number(high, 2, "rand_normal_dist")
	trials = tonumber(trials) and floor(trials) or 6
	if high < low then error("Invalid range (max < min)", 2) end
	local sum = 0
	for _ = 1, trials do sum = sum + pcg_range(state[self], low, high) end
	local mean = sum / trials
	return mean < 0 and ceil(mean - 0.5) or floor(mean + 0.5)
end
local new_pcg = class(pcg)

function implemented.PcgRandom(seed, sequence)
	local high, low = halves(number(seed, 1, "PcgRandom"))
	local which_high, which_low = SEQUENCE_HIGH, SEQUENCE_LOW
	if tonumber(sequence) then which_high, which_low = halves(number(sequence, 2, "PcgRandom")) end
	local s = { high = 0, low = 0, step_high = (which_high * 2 + floor(which_low / 2 ^ 31)) % TWO_32,
		step_low = which_low * 2 % TWO_32 + 1 }
	pcg_next(s)
	add(s, high, low)
	pcg_next(s)
	return new_pcg(s)
end

-- ---------------------------------------- the old generator
local RANGE = 32767

local pseudo = {}
function pseudo.next(self, low, high)
	low, high = bounds(low, high, 0, RANGE)
	if high < low then error("PseudoRandom.next(): max < min", 2) end
	if high - low ~= RANGE and high - low > floor(RANGE / 5) then
		error("PseudoRandom.next() max-min is not 32767 and is > 32768/5. This is disallowed due to the bad random "
			.. "distribution the implementation would otherwise make.", 2)
	end
	local s = state[self]
	s.at = (product_32(1103515245, s.at) + 12345) % TWO_32
	local signed = tobit(s.at) / 65536 -- signed, towards zero: older than the fix of it
	signed = signed < 0 and ceil(signed) or floor(signed)
	return low + signed % (RANGE + 1) % (high - low + 1)
end
local new_pseudo = class(pseudo)

function implemented.PseudoRandom(seed)
	return new_pseudo({ at = number(seed, 1, "PseudoRandom") % TWO_32 })
end

-- ---------------------------------------- bytes that nobody can predict
local MOST_BYTES = 2048
local secure = {}
function secure.next_bytes(_, count)
	count = tonumber(count) and floor(count) or 1
	if count < 0 or count > MOST_BYTES then count = count < 0 and 0 or MOST_BYTES end
	local bytes = {}
	for i = 1, count do bytes[i] = char(random(0, 255)) end
	return concat(bytes)
end
local new_secure = class(secure)

function implemented.SecureRandom() return new_secure({}) end
