-- What the model of the C side knows of what is registered: builtin's tables, which are made later.

local core = P.engine.core
local setmetatable, next = setmetatable, next

for _, name in next, { "nodes", "tools", "craftitems", "items", "aliases" } do
	P["registered_" .. name] = setmetatable({}, { __index = function(_, key)
		return core["registered_" .. name][key]
	end })
end
