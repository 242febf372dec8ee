-- Texts that stand for data: base64, hashes, packed bytes, colours, relative coordinates, and the wear of tools.

local api = P.model
local type, tonumber, tostring, error, ipairs = type, tonumber, tostring, error, ipairs
local byte, char, format, gmatch, gsub, lower, match, rep, sub, upper = string.byte, string.char,
	string.format, string.gmatch, string.gsub, string.lower, string.match, string.rep, string.sub, string.upper
local concat, floor = table.concat, math.floor
local band, bnot, bor, bxor, rol, ror, rshift, tohex = bit.band, bit.bnot, bit.bor, bit.bxor, bit.rol, bit.ror,
	bit.rshift, bit.tohex

local function need_text(value, name)
	if type(value) ~= "string" and type(value) ~= "number" then
		error("bad argument #1 to '" .. name .. "' (string expected, got " .. type(value) .. ")", 3)
	end
	return tostring(value)
end

-- ---------------------------------------- base64, without padding
local DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local value_of = {}
for i = 1, #DIGITS do value_of[sub(DIGITS, i, i)] = i - 1 end

function api.encode_base64(data)
	data = need_text(data, "encode_base64")
	return (gsub(data, "..?.?", function(part)
		local a, b, c = byte(part, 1, 3)
		local whole = a * 65536 + (b or 0) * 256 + (c or 0)
		local out = {}
		for i = 1, #part + 1 do
			local digit = floor(whole / 64 ^ (4 - i)) % 64
			out[i] = sub(DIGITS, digit + 1, digit + 1)
		end
		return concat(out)
	end))
end

function api.decode_base64(text)
	text = need_text(text, "decode_base64")
	local digits = match(text, "^([%w+/]*)=?=?$")
	if not digits or #digits % 4 == 1 then return nil end
	return (gsub(digits, "...?.?", function(part)
		local whole, out = 0, {}
		for i = 1, 4 do whole = whole * 64 + (value_of[sub(part, i, i)] or 0) end
		for i = 1, #part - 1 do out[i] = char(floor(whole / 256 ^ (3 - i)) % 256) end
		return concat(out)
	end))
end

-- ---------------------------------------- SHA-1 and SHA-256 (FIPS 180-4)
local TWO_32 = 4294967296

-- Yields a padded message in blocks of sixteen words.
local function blocks(data)
	local bits = #data * 8
	data = data .. "\128" .. rep("\0", (55 - #data) % 64)
	for i = 7, 0, -1 do data = data .. char(floor(bits / 256 ^ i) % 256) end
	local at = -63
	return function()
		at = at + 64
		if at > #data then return nil end
		local words = {}
		for i = 0, 15 do
			local a, b, c, d = byte(data, at + 4 * i, at + 4 * i + 3)
			words[i] = ((a * 256 + b) * 256 + c) * 256 + d
		end
		return words
	end
end

local function digest(state, is_raw)
	for i, word in ipairs(state) do state[i] = tohex(word % TWO_32) end
	local hex = concat(state)
	return is_raw and (gsub(hex, "..", function(pair) return char(tonumber(pair, 16)) end)) or hex
end

function api.sha1(data, is_raw)
	local h = { 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0 }
	for w in blocks(need_text(data, "sha1")) do
		for i = 16, 79 do w[i] = rol(bxor(w[i - 3], w[i - 8], w[i - 14], w[i - 16]), 1) end
		local a, b, c, d, e = h[1], h[2], h[3], h[4], h[5]
		for i = 0, 79 do
			local f, k
			if i < 20 then
				f, k = bor(band(b, c), band(bnot(b), d)), 0x5A827999
			elseif i < 40 then
				f, k = bxor(b, c, d), 0x6ED9EBA1
			elseif i < 60 then
				f, k = bor(band(b, c), band(b, d), band(c, d)), 0x8F1BBCDC
			else
				f, k = bxor(b, c, d), 0xCA62C1D6
			end
			a, b, c, d, e = (rol(a, 5) + f + e + k + w[i]) % TWO_32, a, rol(b, 30), c, d
		end
		h = { (h[1] + a) % TWO_32, (h[2] + b) % TWO_32, (h[3] + c) % TWO_32, (h[4] + d) % TWO_32, (h[5] + e) % TWO_32 }
	end
	return digest(h, is_raw)
end

-- The first 32 bits of the fractions of the roots of the first primes: square roots begin, cube roots are added.
local function fractions(count, power)
	local out, candidate = {}, 2
	while #out < count do
		local is_prime = true
		for divisor = 2, floor(candidate ^ 0.5) do is_prime = is_prime and candidate % divisor ~= 0 end
		if is_prime then
			local root = candidate ^ (1 / power)
			out[#out + 1] = floor((root - floor(root)) * TWO_32)
		end
		candidate = candidate + 1
	end
	return out
end

function api.sha256(data, is_raw)
	local h, k = fractions(8, 2), fractions(64, 3)
	for w in blocks(need_text(data, "sha256")) do
		for i = 16, 63 do
			local x, y = w[i - 15], w[i - 2]
			w[i] = (w[i - 16] + bxor(ror(x, 7), ror(x, 18), rshift(x, 3)) + w[i - 7]
				+ bxor(ror(y, 17), ror(y, 19), rshift(y, 10))) % TWO_32
		end
		local a, b, c, d, e, f, g, last = h[1], h[2], h[3], h[4], h[5], h[6], h[7], h[8]
		for i = 0, 63 do
			local one = last + bxor(ror(e, 6), ror(e, 11), ror(e, 25)) + bxor(band(e, f), band(bnot(e), g)) + k[i + 1] + w[i]
			local two = bxor(ror(a, 2), ror(a, 13), ror(a, 22)) + bxor(band(a, b), band(a, c), band(b, c))
			a, b, c, d, e, f, g, last = (one + two) % TWO_32, a, b, c, (d + one) % TWO_32, e, f, g
		end
		for i, value in ipairs({ a, b, c, d, e, f, g, last }) do h[i] = (h[i] + value) % TWO_32 end
	end
	return digest(h, is_raw)
end

-- ---------------------------------------- packed bytes
-- What compress gives is a valid zlib stream that stores and does not shrink; decompress reads what compress gave.
local HEAD, LONGEST = "\120\156", 65535

local function checksum(data)
	local a, b = 1, 0
	for i = 1, #data do
		a = (a + byte(data, i)) % 65521
		b = (b + a) % 65521
	end
	return char(floor(b / 256), b % 256, floor(a / 256), a % 256)
end

function api.compress(data)
	data = need_text(data, "compress")
	local parts, at = { HEAD }, 1
	repeat
		local part = sub(data, at, at + LONGEST - 1)
		at = at + LONGEST
		local length, left = #part, LONGEST - #part
		parts[#parts + 1] = char(at > #data and 1 or 0, length % 256, floor(length / 256), left % 256, floor(left / 256))
			.. part
	until at > #data
	return concat(parts) .. checksum(data)
end

function api.decompress(data)
	data = need_text(data, "decompress")
	local parts, at, is_last = {}, 3, 0
	while sub(data, 1, 2) == HEAD and is_last == 0 do
		local low, high
		is_last, low, high = byte(data, at, at + 2)
		if not high or is_last > 1 then break end
		parts[#parts + 1] = sub(data, at + 5, at + 4 + high * 256 + low)
		at = at + 5 + high * 256 + low
	end
	local whole = concat(parts)
	if is_last ~= 1 or sub(data, at, at + 3) ~= checksum(whole) then error("decompressZlib: inflate failed", 2) end
	return whole
end

-- ---------------------------------------- colours
-- CSS Color Module Level 4, named colours, as the engine reads them.
local NAMED = {}
for name, value in gmatch([[
aliceblue f0f8ff antiquewhite faebd7 aqua 00ffff aquamarine 7fffd4 azure f0ffff beige f5f5dc bisque ffe4c4 black 000000
blanchedalmond ffebcd blue 0000ff blueviolet 8a2be2 brown a52a2a burlywood deb887 cadetblue 5f9ea0 chartreuse 7fff00
chocolate d2691e coral ff7f50 cornflowerblue 6495ed cornsilk fff8dc crimson dc143c cyan 00ffff darkblue 00008b
darkcyan 008b8b darkgoldenrod b8860b darkgray a9a9a9 darkgreen 006400 darkgrey a9a9a9 darkkhaki bdb76b
darkmagenta 8b008b darkolivegreen 556b2f darkorange ff8c00 darkorchid 9932cc darkred 8b0000 darksalmon e9967a
darkseagreen 8fbc8f darkslateblue 483d8b darkslategray 2f4f4f darkslategrey 2f4f4f darkturquoise 00ced1
darkviolet 9400d3 deeppink ff1493 deepskyblue 00bfff dimgray 696969 dimgrey 696969 dodgerblue 1e90ff firebrick b22222
floralwhite fffaf0 forestgreen 228b22 fuchsia ff00ff gainsboro dcdcdc ghostwhite f8f8ff gold ffd700 goldenrod daa520
gray 808080 green 008000 greenyellow adff2f grey 808080 honeydew f0fff0 hotpink ff69b4 indianred cd5c5c indigo 4b0082
ivory fffff0 khaki f0e68c lavender e6e6fa lavenderblush fff0f5 lawngreen 7cfc00 lemonchiffon fffacd lightblue add8e6
lightcoral f08080 lightcyan e0ffff lightgoldenrodyellow fafad2 lightgray d3d3d3 lightgreen 90ee90 lightgrey d3d3d3
lightpink ffb6c1 lightsalmon ffa07a lightseagreen 20b2aa lightskyblue 87cefa lightslategray 778899
lightslategrey 778899 lightsteelblue b0c4de lightyellow ffffe0 lime 00ff00 limegreen 32cd32 linen faf0e6
magenta ff00ff maroon 800000 mediumaquamarine 66cdaa mediumblue 0000cd mediumorchid ba55d3 mediumpurple 9370db
mediumseagreen 3cb371 mediumslateblue 7b68ee mediumspringgreen 00fa9a mediumturquoise 48d1cc mediumvioletred c71585
midnightblue 191970 mintcream f5fffa mistyrose ffe4e1 moccasin ffe4b5 navajowhite ffdead navy 000080 oldlace fdf5e6
olive 808000 olivedrab 6b8e23 orange ffa500 orangered ff4500 orchid da70d6 palegoldenrod eee8aa palegreen 98fb98
paleturquoise afeeee palevioletred db7093 papayawhip ffefd5 peachpuff ffdab9 peru cd853f pink ffc0cb plum dda0dd
powderblue b0e0e6 purple 800080 rebeccapurple 663399 red ff0000 rosybrown bc8f8f royalblue 4169e1 saddlebrown 8b4513
salmon fa8072 sandybrown f4a460 seagreen 2e8b57 seashell fff5ee sienna a0522d silver c0c0c0 skyblue 87ceeb
slateblue 6a5acd slategray 708090 slategrey 708090 snow fffafa springgreen 00ff7f steelblue 4682b4 tan d2b48c
teal 008080 thistle d8bfd8 tomato ff6347 turquoise 40e0d0 violet ee82ee wheat f5deb3 white ffffff whitesmoke f5f5f5
yellow ffff00 yellowgreen 9acd32]], "(%a+) (%x+)") do
	NAMED[name] = value
end

-- Returns the eight hexadecimal digits of a colour, red first; nil of what is none.
local function colour(spec)
	local kind = type(spec)
	if kind == "number" then
		local value = floor(spec) % TWO_32
		return format("%06X%02X", value % 16777216, floor(value / 16777216))
	elseif kind == "table" then
		return format("%02X%02X%02X%02X", (tonumber(spec.r) or 0) % 256, (tonumber(spec.g) or 0) % 256,
			(tonumber(spec.b) or 0) % 256, (tonumber(spec.a) or 255) % 256)
	elseif kind ~= "string" then
		return nil
	end
	local digits = match(spec, "^#(%x+)$")
	if digits then
		if #digits == 3 or #digits == 4 then digits = gsub(digits, ".", "%0%0") end
		if #digits ~= 6 and #digits ~= 8 then return nil end
		return upper(#digits == 6 and digits .. "FF" or digits)
	end
	local name, alpha = match(spec, "^(%a+)#?(%x?%x?)$")
	local value = name and NAMED[lower(name)]
	if not value then return nil end
	return upper(value .. (#alpha == 1 and alpha .. alpha or alpha ~= "" and alpha or "FF"))
end

function api.colorspec_to_colorstring(spec)
	local found = colour(spec)
	if found then return "#" .. found end
end
function api.colorspec_to_bytes(spec)
	local found = colour(spec)
	if found then return (gsub(found, "..", function(pair) return char(tonumber(pair, 16)) end)) end
end
function api.colorspec_to_table(spec)
	local found = colour(spec)
	if not found then return nil end
	local r, g, b, a = match(found, "(..)(..)(..)(..)")
	return { r = tonumber(r, 16), g = tonumber(g, 16), b = tonumber(b, 16), a = tonumber(a, 16) }
end

-- ---------------------------------------- coordinates in chat, wear
local function relative(text, origin)
	if not text then return nil end
	if sub(text, 1, 1) ~= "~" then return tonumber(text) end
	if text == "~" then return origin end
	local step = tonumber(sub(text, 2))
	return step and step + origin
end
api.parse_relative_number = relative

function api.parse_coordinates(x, y, z, origin)
	if origin then
		x, y, z = relative(x, origin.x), relative(y, origin.y), relative(z, origin.z)
	else
		x, y, z = tonumber(x), tonumber(y), tonumber(z)
	end
	return x and y and z and P.vector(x, y, z)
end

local WEAR = 65536
function api.get_tool_wear_after_use(uses, wear)
	uses, wear = floor(tonumber(uses) or 0), tonumber(wear) or 0
	if uses <= 0 then return 0 end
	local each, over = floor(WEAR / uses), WEAR % uses
	local is_late = over > 0 and wear >= WEAR - over * (each + 1) % WEAR
	return each + (is_late and 1 or 0)
end
