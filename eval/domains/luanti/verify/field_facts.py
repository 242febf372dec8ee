"""What Luanti's modding API says about the fields of definitions: types, ranges and choices (doc/lua_api.md, 5.x)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

S16, U8, U16, U32 = (-(1 << 15), (1 << 15) - 1), (0, (1 << 8) - 1), (0, (1 << 16) - 1), (0, (1 << 32) - 1)


@dataclass(frozen=True, slots=True)
class Field:
    """What one field accepts.

    Attributes:
        types: letters of shapes.lua: s text, n number, b boolean, t table, f function; "" accepts anything.
        span: lowest and highest number; None is unbounded.
        is_whole: a number must have no fraction.
        choices: the texts it accepts; empty means any.
    """

    types: str
    span: tuple[int, int] | None = None
    is_whole: bool = False
    choices: tuple[str, ...] = ()


def _fields(types: str, names: str, **limits: Any) -> dict[str, Field]:
    return dict.fromkeys(names.split(), Field(types, **limits))


def _one_of(names: str, choices: str, types: str = "s") -> dict[str, Field]:
    return _fields(types, names, choices=tuple(choices.split()))


# The engine adds them to every registered definition, so that a copy of one has them.
_OWN = _fields("", "name type mod_origin")

_ITEM = {
    **_OWN,
    **_fields("s", "description short_description palette node_placement_prediction node_dig_prediction"),
    **_fields("st", "inventory_image inventory_overlay wield_image wield_overlay wear_color touch_interaction"),
    **_fields("stn", "color"),
    **_fields("t", "groups wield_scale pointabilities tool_capabilities sound"),
    **_fields("n", "stack_max", span=(1, 65535), is_whole=True),
    **_fields("n", "light_source", span=(0, 14), is_whole=True),
    **_fields("n", "range"),
    **_fields("b", "liquids_pointable"),
    **_fields("f", "on_place on_secondary_use on_drop on_pickup on_use after_use"),
}

_NODE = {
    **_ITEM,
    **_one_of(
        "drawtype",
        "normal airlike liquid flowingliquid glasslike glasslike_framed glasslike_framed_optional allfaces "
        "allfaces_optional torchlike signlike plantlike firelike fencelike raillike nodebox mesh plantlike_rooted",
    ),
    **_one_of("paramtype", "light none"),
    **_one_of(
        "paramtype2",
        "4dir color color4dir colordegrotate colorfacedir colorwallmounted degrotate facedir flowingliquid "
        "glasslikeliquidlevel leveled meshoptions none wallmounted",
    ),
    **_one_of("liquidtype", "none source flowing"),
    **_one_of("use_texture_alpha", "opaque clip blend", types="sb"),
    **_fields("s", "liquid_alternative_flowing liquid_alternative_source mesh"),
    **_fields("st", "drop"),
    **_fields("stn", "post_effect_color"),
    **_fields("sb", "pointable"),  # "blocking" is a text
    **_fields("t", "tiles overlay_tiles special_tiles node_box selection_box collision_box sounds connect_sides"),
    **_fields("st", "connects_to"),
    **_fields("n", "visual_scale"),
    **_fields("n", "damage_per_second drowning", is_whole=True),
    **_fields("n", "place_param2", span=U8, is_whole=True),
    **_fields("n", "move_resistance liquid_viscosity", span=(0, 7), is_whole=True),
    **_fields("n", "liquid_range", span=(0, 8), is_whole=True),
    **_fields("n", "leveled leveled_max", span=(0, 127), is_whole=True),
    **_fields("n", "waving", span=(0, 3), is_whole=True),
    **_fields(
        "b",
        "post_effect_color_shaded wallmounted_rotate_vertical is_ground_content sunlight_propagates walkable diggable "
        "climbable buildable_to floodable liquid_renewable liquid_move_physics air_equivalent legacy_facedir_simple "
        "legacy_wallmounted",
    ),
    **_fields(
        "f",
        "on_construct on_destruct after_destruct on_flood preserve_metadata after_place_node after_dig_node can_dig "
        "on_punch on_rightclick on_dig on_timer on_receive_fields allow_metadata_inventory_move "
        "allow_metadata_inventory_put allow_metadata_inventory_take on_metadata_inventory_move "
        "on_metadata_inventory_put on_metadata_inventory_take on_blast",
    ),
}

_PROPERTIES = {
    **_one_of("visual", "cube sprite upright_sprite mesh wielditem item node"),
    **_fields("n", "hp_max breath_max", span=U16, is_whole=True),
    **_fields("n", "zoom_fov eye_height stepheight automatic_rotate automatic_face_movement_max_rotation_per_sec glow"),
    **_fields("n", "nametag_fontsize"),
    **_fields("s", "mesh nametag infotext damage_texture_modifier wield_item"),
    **_fields("t", "collisionbox selectionbox visual_size textures colors spritediv initial_sprite_basepos node"),
    **_fields("stn", "nametag_color"),
    **_fields("stnb", "nametag_bgcolor"),
    **_fields("sb", "pointable"),
    **_fields("nb", "automatic_face_movement_dir"),
    **_fields(
        "b",
        "physical collide_with_objects use_texture_alpha is_visible makes_footstep_sound backface_culling static_save "
        "shaded show_on_minimap nametag_scale_z",
    ),
}

_ENTITY = {
    **_OWN,
    **_fields("t", "initial_properties"),
    **_fields(
        "f",
        "on_activate on_deactivate on_step on_punch on_death on_rightclick on_attach_child on_detach_child on_detach "
        "get_staticdata",
    ),
}

_ABM = {
    **_OWN,
    **_fields("s", "label"),
    **_fields("st", "nodenames neighbors without_neighbors"),
    **_fields("n", "interval"),
    **_fields("n", "chance", span=U32, is_whole=True),
    **_fields("n", "min_y max_y", span=S16, is_whole=True),
    **_fields("b", "catch_up"),
    **_fields("f", "action"),
}

_LBM = {
    **_OWN,
    **_fields("s", "label name"),
    **_fields("st", "nodenames"),
    **_fields("b", "run_at_every_load"),
    **_fields("f", "action bulk_action"),
}

_ORE = {
    **_OWN,
    **_one_of("ore_type", "scatter sheet puff blob vein stratum"),
    **_fields("s", "name ore"),
    **_fields("st", "wherein flags"),
    **_fields("stn", "biomes"),
    **_fields("n", "ore_param2", span=U8, is_whole=True),
    **_fields("n", "clust_scarcity", span=U32, is_whole=True),
    **_fields("n", "clust_num_ores clust_size", span=(0, 32767), is_whole=True),
    **_fields("n", "y_min y_max", span=S16, is_whole=True),
    **_fields("n", "stratum_thickness column_height_min column_height_max", span=U16, is_whole=True),
    **_fields("n", "noise_threshold column_midpoint_factor random_factor"),
    **_fields("t", "noise_params np_puff_top np_puff_bottom np_stratum_thickness"),
}

_BIOME = {
    **_OWN,
    **_fields(
        "s",
        "name node_dust node_top node_filler node_stone node_water_top node_water node_river_water node_riverbed "
        "node_dungeon node_dungeon_alt node_dungeon_stair",
    ),
    **_fields("st", "node_cave_liquid"),
    **_fields("n", "depth_top depth_filler depth_water_top depth_riverbed y_min y_max", span=S16, is_whole=True),
    **_fields("n", "vertical_blend", span=S16, is_whole=True),
    **_fields("t", "min_pos max_pos"),
    **_fields("n", "heat_point humidity_point weight"),
}

_DECORATION = {
    **_OWN,
    **_one_of("deco_type", "simple schematic lsystem"),
    **_fields("s", "name rotation"),
    **_fields("st", "place_on spawn_by flags decoration"),
    **_fields("stn", "biomes schematic"),  # a registered schematic is a number
    **_fields("n", "sidelen height", span=(1, 32767), is_whole=True),
    **_fields("n", "height_max", span=(0, 32767), is_whole=True),
    **_fields("n", "y_min y_max place_offset_y num_spawn_by", span=S16, is_whole=True),
    **_fields("n", "check_offset", span=(-1, 1), is_whole=True),
    **_fields("n", "param2 param2_max", span=U8, is_whole=True),
    **_fields("n", "fill_ratio"),
    **_fields("t", "noise_params replacements treedef"),
}

_COMMAND = {**_OWN, **_fields("s", "params description"), **_fields("t", "privs"), **_fields("f", "func")}
_PRIVILEGE = {
    **_OWN,
    **_fields("s", "description"),
    **_fields("b", "give_to_singleplayer give_to_admin"),
    **_fields("f", "on_grant on_revoke"),
}

_KIND = _one_of("type", "shaped shapeless toolrepair cooking fuel")
_RECIPE = {**_KIND, **_fields("s", "output"), **_fields("t", "recipe replacements")}

# Kind of definition (with its type for a craft) -> field -> what it accepts.
FIELDS: dict[str, dict[str, Field]] = {
    "item": _NODE,  # what is overridden or registered by type may be a node
    "node": _NODE,
    "tool": _ITEM,
    "craftitem": _ITEM,
    "entity": _ENTITY,
    "properties": _PROPERTIES,
    "abm": _ABM,
    "lbm": _LBM,
    "ore": _ORE,
    "biome": _BIOME,
    "decoration": _DECORATION,
    "chatcommand": _COMMAND,
    "privilege": _PRIVILEGE,
    "craft shaped": _RECIPE,
    "craft shapeless": _RECIPE,
    "craft toolrepair": {**_KIND, **_fields("n", "additional_wear")},
    "craft cooking": {**_RECIPE, **_fields("s", "recipe"), **_fields("n", "cooktime")},
    "craft fuel": {**_KIND, **_fields("s", "recipe"), **_fields("n", "burntime"), **_fields("t", "replacements")},
}

# Fields that came after 5.6, and texts that a field takes since then: the first version whose engine reads them.
SINCE: dict[str, tuple[int, int]] = {
    "on_pickup": (5, 7),
    **dict.fromkeys(("post_effect_color_shaded", "check_offset"), (5, 8)),
    **dict.fromkeys(("wear_color", "touch_interaction", "pointabilities", "wallmounted_rotate_vertical"), (5, 9)),
    **dict.fromkeys(("without_neighbors", "bulk_action"), (5, 10)),
    "weight": (5, 11),
    **dict.fromkeys(("nametag_fontsize", "nametag_scale_z"), (5, 14)),
}
CHOICE_SINCE: dict[tuple[str, str], tuple[int, int]] = {
    ("paramtype2", "4dir"): (5, 7),
    ("paramtype2", "color4dir"): (5, 7),
    ("visual", "node"): (5, 12),
}

# Outdated and mistaken names whose replacement is not similar enough in spelling to be found.
SUCCESSORS = {
    "alpha": "use_texture_alpha",
    "tile_images": "tiles",
    "textures": "tiles",
    "texture": "tiles",
    "image": "inventory_image",
    "light": "light_source",
    "light_level": "light_source",
    "metadata_name": "on_construct",
    "height_min": "y_min",
    "height_max": "y_max",
    "privileges": "privs",
    "callback": "func",
    "collision_box": "collisionbox",
}
