"""Doc problems: a short documentation excerpt says which name does what, and the program must use the right one."""

from __future__ import annotations

from eval.dealing.pools import Draw
from eval.dealing.problem import Kind, Phrases, Problem
from eval.domains.luanti.mini.lua import field_equals, nested_equals, register
from eval.domains.luanti.mini.names import item_name, texture_file
from eval.domains.luanti.mini.phrases import doc_phrases as phrases
from eval.records import NearMiss, TaskCheck

ENTRIES = 3


def excerpt(draw: Draw, layout: Phrases, entries: list[dict[str, str]]) -> str:
    """Return one line an entry, in a layout of the drawing split."""
    line = draw.stream.choice(layout.of(draw.split))
    return "\n".join(line.format_map(entry) for entry in entries)


def group(draw: Draw) -> Problem:
    """Invented groups; the node needs the one with the requested meaning."""
    meanings = draw.stream.sample(phrases.GROUP_MEANINGS, ENTRIES)
    entries = [{"group": draw.word(), "meaning": meaning} for meaning in meanings]
    asked, other = draw.stream.sample(entries, 2)
    name, texture, rating = item_name(draw), texture_file(draw), draw.number(1, 999)
    tiles = f'tiles = {{"{texture}"}}'

    def old(groups: str) -> str:
        return register("register_node", name, tiles, groups, api="minetest")

    return Problem(
        slots={"name": name, "texture": texture, "meaning": asked["meaning"], "rating": str(rating)},
        input=excerpt(draw, phrases.GROUP_EXCERPT, entries),
        answer=register("register_node", name, tiles, f"groups = {{{asked['group']} = {rating}}}"),
        outdated=(
            NearMiss(old(f'groups = "{asked["group"]}={rating}"'), "groups is a string"),
            NearMiss(old(f'group = {{"{asked["group"]}", {rating}}}'), "there is no field group"),
        ),
        slips=(
            NearMiss(
                register("register_node", name, tiles, f"groups = {{{other['group']} = {rating}}}"), "another group"
            ),
        ),
        checks=(
            field_equals("tiles", f'node("{name}")', "tiles", f'{{"{texture}"}}'),
            nested_equals("group", f'node("{name}")', "groups", asked["group"], str(rating)),
        ),
    )


def field(draw: Draw) -> Problem:
    """Invented fields of a mod; the item needs the one with the requested meaning."""
    meanings = draw.stream.sample(phrases.FIELD_MEANINGS, ENTRIES)
    entries = [{"field": f"_{draw.word()}", "meaning": meaning} for meaning in meanings]
    asked, other = draw.stream.sample(entries, 2)
    name, texture, value = item_name(draw), texture_file(draw), draw.number(2, 999)
    image = f'inventory_image = "{texture}"'

    def item(last: str, api: str = "core") -> str:
        return register("register_craftitem", name, image, last, api=api)

    return Problem(
        slots={"name": name, "texture": texture, "meaning": asked["meaning"], "value": str(value)},
        input=excerpt(draw, phrases.FIELD_EXCERPT, entries),
        answer=item(f"{asked['field']} = {value}"),
        outdated=(
            NearMiss(item(f'{asked["field"]} = "{value}"', "minetest"), "the number is a string"),
            NearMiss(item(f"{asked['meaning']} = {value}", "minetest"), "the meaning is not the field's name"),
        ),
        slips=(NearMiss(item(f"{other['field']} = {value}"), "another field"),),
        checks=(
            field_equals("image", f'craftitem("{name}")', "inventory_image", f'"{texture}"'),
            field_equals("documented field", f'craftitem("{name}")', asked["field"], str(value)),
        ),
    )


def flag(draw: Draw) -> Problem:
    """Node fields of the engine; the node needs the one that does what the prompt says."""
    chosen = draw.stream.sample(phrases.FLAGS, ENTRIES)
    entries = [{"field": name, "value": value, "meaning": meaning} for name, value, meaning in chosen]
    asked, other = draw.stream.sample(entries, 2)
    name, texture = item_name(draw), texture_file(draw)
    tiles = f'tiles = {{"{texture}"}}'

    def node(last: str, api: str = "core") -> str:
        return register("register_node", name, tiles, last, api=api)

    return Problem(
        slots={"name": name, "texture": texture, "meaning": asked["meaning"]},
        input=excerpt(draw, phrases.FLAG_EXCERPT, entries),
        answer=node(f"{asked['field']} = {asked['value']}"),
        outdated=(
            NearMiss(node(f'{asked["field"]} = "{asked["value"]}"', "minetest"), "a string, not a boolean"),
            NearMiss(node(f'flags = "{asked["field"]}"', "minetest"), "there is no field flags"),
        ),
        slips=(NearMiss(node(f"{other['field']} = {other['value']}"), "another field"),),
        checks=(
            field_equals("tiles", f'node("{name}")', "tiles", f'{{"{texture}"}}'),
            field_equals("documented field", f'node("{name}")', asked["field"], asked["value"]),
        ),
    )


def callback(draw: Draw) -> Problem:
    """Callbacks of the engine; the right one must send a message to all."""
    chosen = draw.stream.sample(phrases.EVENTS, ENTRIES)
    entries = [{"event": event, "meaning": meaning} for event, meaning in chosen]
    asked, other = draw.stream.sample(entries, 2)
    text = f"{draw.word()} {draw.word()}"

    def code(event: str) -> str:
        return f'core.register_{event}(function()\n\tcore.chat_send_all("{text}")\nend)\n'

    return Problem(
        slots={"text": text, "event": asked["meaning"]},
        input=excerpt(draw, phrases.CALLBACK_EXCERPT, entries),
        answer=code(asked["event"]),
        outdated=(
            NearMiss(
                f'minetest.{asked["event"]} = function()\n\tminetest.chat_send_all("{text}")\nend\n', "not registered"
            ),
            NearMiss(
                f'minetest.register_callback("{asked["event"]}", function()\n'
                f'\tminetest.chat_send_all("{text}")\nend)\n',
                "there is no register_callback",
            ),
        ),
        slips=(NearMiss(code(other["event"]), "another event"),),
        checks=(
            TaskCheck(
                "message",
                f'equal(#calls("chat_send_all"), 0, "messages before the event")\n'
                f'fire("{asked["event"]}", player("visitor"))\nlocal call = calls("chat_send_all")[1]\n'
                f'expect(call, "chat_send_all was not called")\nequal(call[1], "{text}", "message")',
            ),
        ),
    )


def delay(draw: Draw) -> Problem:
    """A message to all after some seconds."""
    text, seconds = f"{draw.word()} {draw.word()}", draw.number(2, 999)
    send = f'core.chat_send_all("{text}")'
    return Problem(
        slots={"text": text, "seconds": str(seconds)},
        input=draw.stream.choice(phrases.DELAY_EXCERPT.of(draw.split)),
        answer=f"core.after({seconds}, function()\n\t{send}\nend)\n",
        outdated=(
            NearMiss(f'minetest.after({seconds}, minetest.chat_send_all("{text}"))\n', "sends at once, passes nil"),
            NearMiss(f'minetest.after("{text}", {seconds})\nminetest.chat_send_all("{text}")\n', "arguments mixed up"),
        ),
        slips=(NearMiss(f"{send}\n", "no delay"),),
        checks=(
            TaskCheck(
                "delayed",
                'equal(#calls("chat_send_all"), 0, "messages at once")\nlocal call = calls("after")[1]\n'
                f'expect(call, "core.after was not called")\nequal(call[1], {seconds}, "seconds")\n'
                'expect(type(call[2]) == "function", "core.after got no function")\nrun(call[2], unpack(call, 3))\n'
                f'equal((calls("chat_send_all")[1] or {{}})[1], "{text}", "message")',
            ),
        ),
    )


KINDS = (
    Kind("doc", "group", 3, phrases.GROUP, group),
    Kind("doc", "field", 3, phrases.FIELD, field),
    Kind("doc", "flag", 2, phrases.FLAG, flag),
    Kind("doc", "callback", 3, phrases.CALLBACK, callback),
    Kind("doc", "delay", 2, phrases.DELAY, delay),
)
