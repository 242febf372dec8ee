-- Real entities among fake players: calls on them are written down, and a fake player may punch, click and carry them.

local real = P.engine.core
local type, next, pairs = type, next, pairs
local getmetatable = debug.getmetatable
local record, state = P.record, P.state

local carried = setmetatable({}, { __mode = "k" }) -- entity -> the fake player it is attached to
local function is_fake(value) return type(value) == "userdata" and state[value] ~= nil end

local function punch(original)
	return function(self, puncher, time, capabilities, direction)
		local entity = self:get_luaentity()
		if not (is_fake(puncher) and entity) then return original(self, puncher, time, capabilities, direction) end
		local hit = real.get_hit_params(self:get_armor_groups(), capabilities or {}, time)
		local handled = entity.on_punch
			and entity.on_punch(entity, puncher, time, capabilities, direction, hit.hp)
		if not handled and hit.hp ~= 0 then self:set_hp(self:get_hp() - hit.hp) end
	end
end

local function right_click(original)
	return function(self, clicker)
		local entity = self:get_luaentity()
		if not (is_fake(clicker) and entity) then return original(self, clicker) end
		if entity.on_rightclick then entity.on_rightclick(entity, clicker) end
	end
end

local function set_attach(original)
	return function(self, parent, ...)
		carried[self] = is_fake(parent) and parent or nil
		if not is_fake(parent) then return original(self, parent, ...) end
	end
end

local function get_attach(original)
	return function(self)
		if carried[self] then return carried[self] end
		return original(self)
	end
end

local function set_detach(original)
	return function(self)
		carried[self] = nil
		return original(self)
	end
end

-- Called once, when the world is there: without an object there is no way to its methods.
function P.open_entities()
	local object = real.add_entity({ x = 0, y = 30000, z = 0 }, P.marker)
	local methods = getmetatable(object).__index
	P.discard = methods.remove
	for name, wrap in pairs({ punch = punch, right_click = right_click, set_attach = set_attach,
		get_attach = get_attach, set_detach = set_detach }) do
		methods[name] = wrap(methods[name])
	end
	-- Newer engines have it; checks of all verifiers use it.
	methods.is_valid = methods.is_valid or function(self) return self:get_pos() ~= nil end
	for name, method in next, P.copy(methods) do
		if type(method) == "function" then
			methods[name] = function(self, ...)
				if P.is_in_candidate() then record("ObjectRef:" .. name, ...) end
				return method(self, ...)
			end
		end
	end
	P.discard(object)
end

-- P.call says when the candidate runs; what checks do themselves is not written down.
local call, depth = P.call, 0
local function back(...)
	depth = depth - 1
	return ...
end
function P.call(f, ...)
	depth = depth + 1
	return back(call(f, ...))
end
function P.is_in_candidate() return depth > 0 end
