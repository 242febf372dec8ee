-- Lua 5.1 has no goto. The common one, which goes on to a loop's next round (goto continue, its label last in the body),
-- is written as a break out of a loop that runs once; every other one is missing.

local function innermost(blocks)
	for i = #blocks, 1, -1 do
		local kind = blocks[i].kind
		if kind == "loop" or kind == "repeat" or kind == "function" then return blocks[i] end
	end
	return nil
end

-- Follows a program's words; ``replace(first, last, by)`` edits it, ``miss(what, where)`` says what cannot be written.
function P.follow_jumps(replace, miss)
	local blocks, jumps, awaiting = {}, {}, false

	-- A body without a break of its own can stand in a loop that runs once: then break leaves that, and the round ends.
	local function close(last_at)
		local block = table.remove(blocks)
		local label = block and block.label
		if not (label and label.ends_body) or block.kind ~= "loop" or block.breaks then return end
		local left, found = {}, false
		for _, jump in ipairs(jumps) do
			if jump.name == label.name and jump.loop == block then
				found = true
				replace(jump.first, jump.last, "do break end" .. jump.breaks)
			else
				left[#left + 1] = jump
			end
		end
		jumps = left
		if found then
			replace(block.body, block.body - 1, " repeat ")
			replace(last_at, last_at - 1, " until true ")
		end
	end

	local follow = {}

	function follow.word(word, first, last)
		local top = blocks[#blocks]
		if top and top.label and word ~= "end" then top.label.ends_body = false end
		if word == "for" or word == "while" then
			awaiting = true
		elseif word == "do" then
			blocks[#blocks + 1] = { kind = awaiting and "loop" or "block", body = last + 1 }
			awaiting = false
		elseif word == "function" or word == "if" or word == "repeat" then
			blocks[#blocks + 1] = { kind = word }
		elseif word == "end" or word == "until" then
			close(first)
		elseif word == "break" then
			local loop = innermost(blocks)
			if loop then loop.breaks = true end
		end
	end

	function follow.label(name)
		local top = blocks[#blocks]
		if top then top.label = { name = name, ends_body = top.label == nil } end
	end

	-- ``breaks`` are the line breaks inside the statement.
	function follow.jump(name, first, last, breaks)
		follow.word("goto", first, last)
		jumps[#jumps + 1] = { name = name, first = first, last = last, breaks = breaks, loop = innermost(blocks) }
	end

	function follow.finish()
		for _, jump in ipairs(jumps) do
			miss("goto", jump.first)
			replace(jump.first, jump.last, "do end" .. jump.breaks)
		end
	end

	return follow
end
