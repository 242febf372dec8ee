"""Scaffold problems that write commands, privileges, callbacks and functions."""

from __future__ import annotations

from eval.dealing.pools import Draw
from eval.dealing.problem import Kind, Problem
from eval.domains.luanti.mini.lua import register, register_table
from eval.domains.luanti.mini.names import item_name
from eval.domains.luanti.mini.phrases import scaffold_behaviour_phrases as phrases
from eval.records import NearMiss, TaskCheck


def command(draw: Draw) -> Problem:
    """A chat command that answers; old code listened to every chat message."""
    name, text = draw.word(), f"{draw.word()} {draw.word()}"
    return Problem(
        slots={"command": f"`{name}`", "text": text},
        answer=register("register_chatcommand", name, f'func = function(name) return true, "{text}" end'),
        outdated=(
            NearMiss(
                f'minetest.register_on_chat_message(function(name, message)\n\tif message == "/{name}" then\n'
                f'\t\tminetest.chat_send_player(name, "{text}")\n\tend\nend)\n',
                "not a chat command",
            ),
            NearMiss(
                f'minetest.register_chatcommand("{name}", function(name) return true, "{text}" end)\n',
                "a function in place of the definition",
            ),
        ),
        slips=(
            NearMiss(
                register("register_chatcommand", name, f'func = function(name) return "{text}" end'), "no success value"
            ),
        ),
        checks=(
            TaskCheck(
                "answer",
                f'local ok, text = run(command("{name}").func, "singleplayer", "")\n'
                f'equal(ok, true, "first result")\nequal(text, "{text}", "second result")',
            ),
        ),
    )


def privilege(draw: Draw) -> Problem:
    """A privilege singleplayer does not get; old code passed the description alone."""
    name, title = draw.word(), draw.title()
    described, withheld = f'description = "{title}"', "give_to_singleplayer = false"
    return Problem(
        slots={"privilege": f"`{name}`", "title": title},
        answer=register("register_privilege", name, described, withheld),
        outdated=(
            NearMiss(f'minetest.register_privilege("{name}", "{title}")\n', "singleplayer gets it"),
            NearMiss(
                register("register_privilege", name, described, "singleplayer = false", api="minetest"),
                "there is no field singleplayer",
            ),
        ),
        slips=(
            NearMiss(
                register("register_privilege", name, described, "give_to_singleplayer = true"), "singleplayer gets it"
            ),
        ),
        checks=(
            TaskCheck(
                "privilege",
                f'local definition = privilege("{name}")\nexpect(type(definition) == "table", "no definition table")\n'
                f'equal(definition.description, "{title}", "description")\n'
                'equal(definition.give_to_singleplayer, false, "give_to_singleplayer")',
            ),
        ),
    )


def abm(draw: Draw) -> Problem:
    """An active block modifier that replaces a node; careless code passes a name where a node is wanted."""
    source, target, interval, chance = item_name(draw), item_name(draw), draw.number(2, 999), draw.number(2, 999)
    timing = (f'nodenames = {{"{source}"}}', f"interval = {interval}", f"chance = {chance}")
    place = f'action = function(pos) core.set_node(pos, {{name = "{target}"}}) end'
    old_place = f'action = function(pos) minetest.set_node(pos, "{target}") end'
    return Problem(
        slots={"source": source, "target": target, "interval": str(interval), "chance": str(chance)},
        answer=register_table("register_abm", *timing, place),
        outdated=(
            NearMiss(register_table("register_abm", *timing, old_place, api="minetest"), "a name is not a node"),
            NearMiss(
                register_table(
                    "register_abm",
                    f'nodes = {{"{source}"}}',
                    *timing[1:],
                    place.replace("core", "minetest"),
                    api="minetest",
                ),
                "there is no field nodes",
            ),
        ),
        slips=(NearMiss(register_table("register_abm", *timing, place.replace(target, source)), "sets the same node"),),
        checks=(
            TaskCheck(
                "when",
                f"{_ABM}local names = definition.nodenames\n"
                f'if type(names) == "string" then names = {{names}} end\nequal(names, {{"{source}"}}, "nodenames")\n'
                f'equal(definition.interval, {interval}, "interval")\nequal(definition.chance, {chance}, "chance")',
            ),
            TaskCheck(
                "action",
                f'{_ABM}local pos = {{x = 0, y = 1, z = 2}}\nworld.set_node(pos, {{name = "{source}"}})\n'
                f'run(definition.action, pos, {{name = "{source}"}}, 0, 0)\n'
                f'equal(world.get_node({{x = 0, y = 1, z = 2}}).name, "{target}", "node after the action")',
            ),
        ),
    )


_ABM = 'local entry = all("abm")[1]\nexpect(entry, "no ABM was registered")\nlocal definition = entry.def\n'


def join(draw: Draw) -> Problem:
    """A message to a player who joins; careless code passes the player object as name."""
    text = f"{draw.word()} {draw.word()}"

    def callback(api: str, call: str) -> str:
        return f"{api}.register_on_joinplayer(function(player)\n\t{api}.{call}\nend)\n"

    return Problem(
        slots={"text": text},
        answer=callback("core", f'chat_send_player(player:get_player_name(), "{text}")'),
        outdated=(
            NearMiss(callback("minetest", f'chat_send_player(player, "{text}")'), "the object is not a name"),
            NearMiss(callback("minetest", f'chat_send_all("{text}")'), "sent to everybody"),
        ),
        slips=(NearMiss(f'core.chat_send_player("singleplayer", "{text}")\n', "no callback"),),
        checks=(
            TaskCheck(
                "message",
                'fire("on_joinplayer", player("visitor"))\nlocal call = calls("chat_send_player")[1]\n'
                'expect(call, "chat_send_player was not called")\n'
                f'equal(call[1], "visitor", "receiver")\nequal(call[2], "{text}", "message")',
            ),
        ),
    )


def function(draw: Draw) -> Problem:
    """A global function; careless code makes it local or prints the result."""
    name, number = draw.word(), draw.number(2, 999)
    return Problem(
        slots={"function": f"`{name}`", "number": str(number)},
        answer=f"function {name}(x)\n\treturn x * {number}\nend\n",
        outdated=(
            NearMiss(f"local function {name}(x)\n\treturn x * {number}\nend\n", "a local function"),
            NearMiss(f"local {name} = function(x)\n\tprint(x * {number})\nend\n", "a local function that prints"),
        ),
        slips=(NearMiss(f"function {name}(x)\n\treturn x + {number}\nend\n", "adds"),),
        checks=(
            TaskCheck(
                "product",
                f'for _, x in ipairs({{0, 1, 3}}) do\n\tequal(run(global("{name}"), x), x * {number}, "result")\nend',
            ),
        ),
    )


KINDS = (
    Kind("scaffold", "command", 3, phrases.COMMAND, command),
    Kind("scaffold", "privilege", 2, phrases.PRIVILEGE, privilege),
    Kind("scaffold", "abm", 4, phrases.ABM, abm),
    Kind("scaffold", "join", 3, phrases.JOIN, join),
    Kind("scaffold", "function", 1, phrases.FUNCTION, function),
)
