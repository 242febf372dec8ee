-- Players and entities: userdata with the methods a check can look at; a method we do not know is nil.

local type, pairs, ipairs = type, pairs, ipairs
local max, min, cos, sin = math.max, math.min, math.cos, math.sin
local state, snapshot, make_stack, whole = P.state, P.snapshot, P.make_stack, P.whole

local object = {}
local vector = P.vector

-- set_x keeps what it is given, get_x gives a copy of it.
for _, name in ipairs({ "acceleration", "rotation", "armor_groups", "properties", "animation", "physics_override",
	"nametag_attributes",
	"inventory_formspec", "formspec_prepend", "look_horizontal", "look_vertical", "breath", "fov", "sky", "sun", "moon",
	"stars", "clouds", "lighting", "eye_offset", "local_animation", "texture_mod", "flags", "camera", "observers" }) do
	object["set_" .. name] = function(self, value) state[self][name] = snapshot(value) end
	object["get_" .. name] = function(self) return snapshot(state[self][name]) end
end
for _, name in ipairs({ "set_animation_frame_speed", "set_bone_position", "set_bone_override", "set_sprite",
	"set_minimap_modes", "override_day_night_ratio", "send_mapblock", "hud_set_flags", "hud_set_hotbar_itemcount",
	"hud_set_hotbar_image", "hud_set_hotbar_selected_image", "right_click", "respawn" }) do
	object[name] = function() end
end

local function merge(name)
	return function(self, changes)
		for key, value in pairs(changes) do state[self][name][key] = snapshot(value) end
	end
end
object.set_properties = merge("properties")
object.set_physics_override = merge("physics_override")

local function place(name)
	return function(self) local v = state[self][name] return vector(v.x, v.y, v.z) end,
		function(self, v) state[self][name] = vector(v.x, v.y, v.z) end,
		function(self, v)
			local old = state[self][name]
			state[self][name] = vector(old.x + v.x, old.y + v.y, old.z + v.z)
		end
end
object.get_pos, object.set_pos, object.add_pos = place("pos")
object.get_velocity, object.set_velocity, object.add_velocity = place("velocity")
object.move_to = object.set_pos

function object.is_valid(self) return not state[self].removed end
function object.is_player(self) return state[self].player_name ~= nil end
function object.get_player_name(self) return state[self].player_name or "" end
function object.get_luaentity(self) return state[self].luaentity end
function object.get_entity_name(self) return state[self].luaentity and state[self].luaentity.name end
function object.get_hp(self) return state[self].hp end
function object.get_meta(self) return state[self].meta end
function object.get_inventory(self) return state[self].inventory end
function object.get_wield_list() return "main" end
function object.get_wield_index() return 1 end
function object.get_yaw(self) return state[self].yaw or 0 end
function object.set_yaw(self, yaw) state[self].yaw = yaw end
function object.get_player_control() return { up = false, down = false, left = false, right = false, jump = false,
	aux1 = false, sneak = false, dig = false, place = false, LMB = false, RMB = false, zoom = false } end
function object.get_player_control_bits() return 0 end
function object.get_attach(self) return state[self].attached_to end
function object.set_attach(self, parent) state[self].attached_to = parent end
function object.set_detach(self) state[self].attached_to = nil end
function object.get_children() return {} end

function object.set_hp(self, hp, reason)
	local s = state[self]
	hp = whole(hp, "set_hp")
	if s.player_name then
		local reasons = type(reason) == "table" and reason or { type = "set_hp" }
		hp = s.hp + P.change_hp(self, max(0, min(20, hp)) - s.hp, reasons)
	end
	local died = s.hp > 0 and hp <= 0
	s.hp = max(0, hp)
	if died and s.player_name then P.run_event("on_dieplayer", self, reason or { type = "set_hp" }) end
end

function object.remove(self)
	if state[self].player_name then return end
	state[self].removed = true
	for i, other in ipairs(P.entities) do
		if other == self then table.remove(P.entities, i) break end
	end
end

function object.punch(self, puncher, time, capabilities, direction)
	local entity = state[self].luaentity
	if entity and type(entity.on_punch) == "function" then
		entity.on_punch(entity, puncher, time, capabilities, direction, 0)
	end
end

function object.get_wielded_item(self)
	return state[self].inventory and state[self].inventory:get_stack("main", 1) or make_stack()
end

function object.set_wielded_item(self, item)
	return state[self].inventory ~= nil and state[self].inventory:set_stack("main", 1, item)
end

function object.get_look_dir(self)
	local yaw, pitch = state[self].look_horizontal, state[self].look_vertical
	return vector(-sin(yaw) * cos(pitch), -sin(pitch), cos(yaw) * cos(pitch))
end

function object.hud_add(self, definition)
	local s = state[self]
	s.huds[#s.huds + 1] = snapshot(definition)
	return #s.huds
end
function object.hud_get(self, id) return snapshot(state[self].huds[id] or nil) end
function object.hud_remove(self, id) state[self].huds[id] = false end
function object.hud_change(self, id, field, value)
	if state[self].huds[id] then state[self].huds[id][field] = snapshot(value) end
end

local new_object = P.class(object, "ObjectRef")

local function fresh(fields)
	fields.pos, fields.velocity = fields.pos or vector(0, 0, 0), vector(0, 0, 0)
	fields.acceleration, fields.rotation = vector(0, 0, 0), vector(0, 0, 0)
	fields.properties, fields.armor_groups, fields.huds = {}, {}, {}
	return fields
end

function P.new_player(name)
	return new_object(fresh({
		player_name = name, hp = 20, breath = 10, meta = P.new_meta(), look_horizontal = 0, look_vertical = 0,
		physics_override = { speed = 1, jump = 1, gravity = 1, sneak = true, sneak_glitch = false, new_move = true },
		inventory_formspec = "", formspec_prepend = "",
		inventory = P.new_inventory({ type = "player", name = name },
			{ main = 32, craft = 9, craftpreview = 1, craftresult = 1, hand = 1 }),
	}))
end

function P.new_entity(pos, luaentity)
	local self = new_object(fresh({ pos = vector(pos.x, pos.y, pos.z), luaentity = luaentity, hp = 1 }))
	luaentity.object = self
	return self
end
