"""Engine versions: those this project was validated with, and the functions of core that each one added."""

from __future__ import annotations

import re

from eval.pipeline.verifier import Caveat

# `python -m eval.datasets validate` found no fault under these.
VALIDATED = ("5.6.1", "5.10.0", "5.15.2")
# Functions added after 5.6, by the first version that has them (builtin and src/script/lua_api of its releases).
NEWER: dict[tuple[int, int], str] = {
    (5, 7): "dir_to_fourdir error_handler fourdir_to_dir get_game_info get_mapgen_edges get_player_window_information "
    "item_pickup register_on_item_pickup register_on_mapblocks_changed registered_on_item_pickups "
    "registered_on_mapblocks_changed",
    (5, 8): "urlencode",
    (5, 9): "change_player_privs get_mod_data_path get_node_boxes get_node_raw known_metatables "
    "objects_in_area objects_inside_radius register_async_metatable register_mapgen_script register_portable_metatable "
    "save_gen_notify sha256",
    (5, 10): "bulk_swap_node colorspec_to_table hypertext_escape ipc_cas ipc_get ipc_poll ipc_set "
    "is_valid_player_name run_lbm show_death_screen time_to_day_night_ratio translate_n",
    (5, 11): "protocol_versions spawn_tree_on_vmanip",
    (5, 12): "get_value_noise get_value_noise_map",
    (5, 13): "get_mapgen_chunksize objects_by_guid",
    (5, 14): "cancel_async_callback get_async_threading_capacity strip_escapes",
    (5, 15): "path_exists",
    (5, 16): "get_active_blocks get_loadable_blocks get_loaded_blocks",
}

NEWEST = max(NEWER)
RENAMED = (5, 10)  # from Minetest to Luanti


def series(version: str) -> tuple[int, int] | None:
    """Return the first two numbers of a version such as "5.10.0"; None where it names no version."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else None


def project(version: str) -> str:
    """Return the name that an engine of this version calls itself."""
    own = series(version)
    return "Minetest" if own is not None and own < RENAMED else "Luanti"


def absent(version: str) -> tuple[str, ...]:
    """Return the functions that an engine of this version does not have; none where the version is not known."""
    own = series(version)
    later = (names.split() for since, names in NEWER.items() if own is not None and own < since)
    return tuple(name for names in later for name in names)


def caveat(version: str) -> Caveat | None:
    """Return what is not known of an engine's version; None for a patch of a validated series."""
    own, tried = series(version), {series(known) for known in VALIDATED}
    if own in tried:
        return None
    newest = max(known for known in tried if known)
    age = ", and this one is newer" if own is not None and own > newest else ""
    return Caveat(
        f"The verifiers were validated with Luanti {', '.join(VALIDATED[:-1])} and {VALIDATED[-1]}{age}.",
        "Run `python -m eval.datasets validate`: without faults this version can be relied on as well.",
    )
