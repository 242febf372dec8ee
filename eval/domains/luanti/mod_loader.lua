local dofile, loadfile
do
	local core, files = core or minetest, ...
	local function relative(path)
		path = tostring(path):gsub("\\", "/")
		local own = core.get_modpath(core.get_current_modname()) or ""
		if own ~= "" and path:sub(1, #own) == own then path = path:sub(#own + 1) end
		return (path:gsub("/+", "/"):gsub("/%./", "/"):gsub("^%./", ""):gsub("^/", ""))
	end
	function loadfile(path)
		local name = relative(path)
		if not files[name] then return nil, "cannot open " .. name .. ": the mod has no such Lua file" end
		local chunk, message = loadstring(files[name], "=" .. name)
		if not chunk then return nil, message end
		return chunk(dofile, loadfile)
	end
	function dofile(path)
		local chunk, message = loadfile(path)
		if not chunk then error(message, 2) end
		return chunk()
	end
end
