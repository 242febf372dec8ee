-- Programs as LuaJIT reads them: where its syntax is wider than Lua 5.1's a program is written in the narrower one, or
-- P.lacks says what it cannot be written with; where its syntax is narrower the program is refused.

local find, sub, byte, char, gsub, match = string.find, string.sub, string.byte, string.char, string.gsub, string.match
local rep, format, concat = string.rep, string.format, table.concat
local type, tonumber, floor = type, tonumber, math.floor
local compile = loadstring

-- A program with none of these reads the same in both.
local function reads_alike(text)
	return not (find(text, "\\[^abfnrtv\\\"'\n\r%d]") or find(text, "[\128-\255]") or find(text, "goto", 1, true)
		or find(text, "%f[%w_]arg%f[^%w_]") or find(text, "%d[uUlLiI]") or find(text, "0[bB][01]"))
end

local function line_of(text, at)
	local _, breaks = gsub(sub(text, 1, at), "\n", "")
	return breaks + 1
end

local function utf8(code)
	if code < 0x80 then return char(code) end
	if code < 0x800 then return char(0xC0 + floor(code / 0x40), 0x80 + code % 0x40) end
	local last = char(0x80 + floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
	if code < 0x10000 then return char(0xE0 + floor(code / 0x1000)) .. last end
	return char(0xF0 + floor(code / 0x40000), 0x80 + floor(code / 0x1000) % 0x40) .. last
end

local function by_number(bytes)
	return (gsub(bytes, ".", function(one) return format("\\%03d", byte(one)) end))
end

-- Returns what the escape at ``at`` (a backslash) is in Lua 5.1 and where it ends; nil where LuaJIT knows none.
local function escape(text, at)
	local letter = sub(text, at + 1, at + 1)
	if letter == "x" then
		local digits = match(text, "^%x%x", at + 2)
		if digits then return by_number(char(tonumber(digits, 16))), at + 3 end
	elseif letter == "u" then
		local _, last, digits = find(text, "^{(%x+)}", at + 2)
		if digits and tonumber(digits, 16) < 0x110000 then return by_number(utf8(tonumber(digits, 16))), last end
	elseif letter == "z" then
		local _, last = find(text, "^%s*", at + 2)
		return "", last
	elseif letter == "\r" or letter == "\n" then
		local _, last = find(text, letter == "\r" and "^\n?" or "^\r?", at + 2)
		return sub(text, at, last), last
	else
		local digits = match(text, "^%d%d?%d?", at + 1)
		if digits then return "\\" .. digits, at + #digits end
		if letter ~= "" and find("abfnrtv\\\"'", letter, 1, true) then return "\\" .. letter, at + 1 end
	end
	return nil
end

-- Returns the literal that starts at ``at`` with a quotation mark, for Lua 5.1, and where it ends; what a \z left out of
-- its lines is put behind it. Returns nil and where an unknown escape is, or nil alone where the literal does not end.
local function literal(text, at)
	local quote, out, left_out = sub(text, at, at), {}, ""
	local from = at
	while true do
		local stop = find(text, "[\\\n\r" .. quote .. "]", from + 1)
		if not stop then return nil end
		out[#out + 1] = sub(text, from == at and from or from + 1, stop - 1)
		local found = sub(text, stop, stop)
		if found == quote then return concat(out) .. quote .. left_out, stop end
		if found ~= "\\" then return nil end
		local written, last = escape(text, stop)
		if not written then return nil, stop end
		if sub(text, stop + 1, stop + 1) == "z" then left_out = left_out .. gsub(sub(text, stop, last), "[^\n]", "") end
		out[#out + 1] = written
		from = last
	end
end

local function end_of_long(text, at)
	local _, opened, level = find(text, "^%[(=*)%[", at)
	if not opened then return nil end
	local _, closed = find(text, "]" .. level .. "]", opened + 1, true)
	return closed or #text
end

-- Returns the number that starts at ``at`` for Lua 5.1 and where it ends, and what Lua 5.1 lacks to write it.
local function number(text, at)
	local _, last = find(text, "^0[xX][%x%.]*[pP][+-]%d*[%w_]*", at)
	if not last then _, last = find(text, "^[%d%.]+[eE][+-][%w_]*", at) end
	if not last then _, last = find(text, "^[%w_%.]+", at) end
	local found = sub(text, at, last)
	local digits = match(found, "^0[bB]([01]+)$")
	if digits and #digits <= 32 then return format("%d", tonumber(digits, 2)), last end
	if find(found, "^%d+[uU]?[lL][lL]$") or find(found, "^0[xX]%x+[uU]?[lL][lL]$") then
		return found, last, "a 64-bit integer"
	end
	return found, last, find(found, "^[%d%.]+[iI]$") and "a complex number" or nil
end

-- Returns the program for Lua 5.1, what it lacks (or nil) and its line; nil and a message where LuaJIT refuses it too.
local function rewritten(text, name)
	local edits, at = {}, 1
	local lacks, lacks_at, before = nil, nil, ""
	-- Without a use of ... Lua 5.1 gives a function of any number of arguments a table called arg.
	local names_arg = find(text, "%f[%w_]arg%f[^%w_]")
	local function replace(first, last, by)
		edits[#edits + 1] = { first = first, last = last, by = by, number = #edits }
	end
	local function miss(what, where)
		if lacks_at == nil or where < lacks_at then lacks, lacks_at = what, where end
	end
	local follow = P.follow_jumps(replace, miss)
	while true do
		at = find(text, "[%w_\128-\255\"'%[%-:%.]", at)
		if not at then break end
		local one = sub(text, at, at)
		local last = at
		if one == "-" then
			if sub(text, at, at + 1) == "--" then
				last = end_of_long(text, at + 2) or (find(text, "\n", at, true) or #text + 1) - 1
			end
		elseif one == "[" then
			last = end_of_long(text, at) or at
		elseif one == '"' or one == "'" then
			local written, ended = literal(text, at)
			if not written then
				if not ended then break end -- the compiler says that it does not end
				return nil, name .. ":" .. line_of(text, ended) .. ": invalid escape sequence"
			end
			last = ended
			if written ~= sub(text, at, last) then replace(at, last, written) end
		elseif one == ":" then
			local _, ended, label = find(text, "^::%s*([%a_\128-\255][%w_\128-\255]*)%s*::", at)
			if ended then
				follow.label(label)
				replace(at, ended, (gsub(sub(text, at, ended), "[^\n]", " ")))
				one, last = "", ended
			end
		elseif find(one, "%d") or (one == "." and find(text, "^%.%d", at) and before ~= ".") then
			local written, ended, missing = number(text, at)
			last = ended
			if missing then
				miss(missing, at)
				replace(at, last, "0")
			elseif written ~= sub(text, at, last) then
				replace(at, last, written)
			end
		elseif one == "." then
			-- .. and ... are followed by words, one dot by a field's name
			_, last = find(text, "^%.+", at)
			one = last == at and "." or ""
		else
			_, last = find(text, "^[%w_\128-\255]+", at)
			local word = sub(text, at, last)
			if find(word, "[\128-\255]") then
				miss("a name that is not ASCII", at)
				replace(at, last, (gsub(word, "[\128-\255]", function(c) return format("_%d", byte(c)) end)))
			elseif word == "goto" and before ~= "." and before ~= ":" and find(text, "^%s+[%a_\128-\255]", last + 1) then
				local _, ended, label = find(text, "^%s+([%w_\128-\255]+)", last + 1)
				follow.jump(label, at, ended, (gsub(sub(text, at, ended), "[^\n]", "")))
				last = ended
			elseif before ~= "." and before ~= ":" then
				follow.word(word, at, last)
			end
			if word == "function" and names_arg then
				local _, closed = find(text, "^%s*[%w_%.:]*%s*%([%w_,%s]*%.%.%.%s*%)", last + 1)
				if closed then
					replace(closed + 1, closed, " do local _ = ... end")
					last = closed
				end
			end
		end
		before = one
		at = last + 1
	end
	follow.finish()
	table.sort(edits, function(a, b)
		if a.first ~= b.first then return a.first < b.first end
		return a.number < b.number
	end)
	local out, from = {}, 1
	for _, edit in ipairs(edits) do
		out[#out + 1], out[#out + 2] = sub(text, from, edit.first - 1), edit.by
		from = edit.last + 1
	end
	out[#out + 1] = sub(text, from)
	return concat(out), lacks, lacks and line_of(text, lacks_at)
end

-- Like the real one: a function, or nil and why not.
function loadstring(text, name)
	if type(text) ~= "string" or byte(text, 1) == 27 or reads_alike(text) then return compile(text, name) end
	local program, lacks, line = rewritten(text, match(name or text, "^[=@](.*)") or '[string "' .. match(name or text, "^[^\n]*") .. '"]')
	if not program then return nil, lacks end
	local chunk, message = compile(program, name or text)
	if chunk and lacks then
		P.lacks = lacks .. " (line " .. line .. ")"
		return nil, "Lua 5.1 lacks " .. P.lacks
	end
	return chunk, message
end
