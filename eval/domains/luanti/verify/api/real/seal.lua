-- The last word before the candidate: what checks call is kept aside, whatever the candidate puts in its place.

local find, sub = string.find, string.sub

P.api = P.copy(P.engine.core)

-- An error in builtin names its file with a folder that differs from machine to machine; Lua shortens a long one.
local text_of, folder = P.error_text, P.engine.core.get_builtin_path()
function P.error_text(problem)
	local text = text_of(problem)
	local first, last = find(text, folder, 1, true)
	if not first then first, last = find(text, "%.%.%.[^%s:]-/builtin/") end
	if not first then return text end
	return sub(text, 1, first - 1) .. "builtin/" .. sub(text, last + 1)
end
