"""How users request what a documentation excerpt describes, and the wordings of the excerpts themselves."""

from __future__ import annotations

from eval.dealing.problem import Phrases

GROUP = Phrases(
    train=(
        "a node {name} with tile {texture} in the group of nodes that {meaning}, rating {rating}",
        "a [node|block] {name}, [texture|tile] {texture}, that {meaning}, [with|at] [rating|level] {rating}",
        "the [node|block] {name} with {texture}; it {meaning}; [rating|level] {rating}",
        "a [node|block] that {meaning}, [rating|value] {rating}, [named|called] {name}, [texture|tile] {texture}",
        "a [node|block] {name} with {texture} that {meaning} ([group rating|rating|level] {rating})",
        "a [node|block] [named|called] {name} with [group rating|rating|level] {rating} that {meaning} and uses {texture}",
    ),
    dev=(
        "a node {name} drawn as {texture} that {meaning} by a rating of {rating}",
        "a node {name} which {meaning}, rating set to {rating}, pictured by {texture}",
    ),
    test=(
        "a node known as {name}, covered in {texture}, which {meaning}, with number {rating} as the group's rating",
        "a node {name} looking like {texture} such that it {meaning} (rated {rating})",
        "a node identified as {name} of the kind that {meaning}, rating amount {rating}, texture file {texture}",
    ),
)

FIELD = Phrases(
    train=(
        "a craft item {name} with the image {texture} and {meaning} {value}",
        "a [craftitem|craft item] {name}, [image|picture] {texture}, {meaning} {value}",
        "the [craftitem|craft item] {name} with {texture} whose {meaning} is {value}",
        "a [craftitem|craft item] with {meaning} {value}, [named|called] {name}, [image|picture] {texture}",
        "a [craftitem|craft item] {name} using {texture}; its {meaning} [is|must be] {value}",
        "an item {name} with {value} as {meaning} and {texture} as [image|picture]",
    ),
    dev=(
        "a craft item {name} pictured by {texture} that has its {meaning} set to {value}",
        "a craft item {name}, shown as {texture}, {meaning} of {value}",
    ),
    test=(
        "a craft item known as {name}, looking like {texture}, the {meaning} being {value}",
        "a craft item {name} drawn from {texture} where {meaning} equals {value}",
        "a craft item identified as {name}, {meaning} amount {value}, inventory picture file {texture}",
    ),
)

FLAG = Phrases(
    train=(
        "a node {name} with the texture {texture} that {meaning}",
        "a [node|block] {name}, [texture|tile] {texture}, that {meaning}",
        "the [node|block] {name} with {texture}; it {meaning}",
        "a [node|block] that {meaning}, [named|called] {name}, [texture|tile] {texture}",
        "a [node|block] {name} using {texture} that {meaning}",
        "{name}, a [node|block] with {texture} that {meaning}",
    ),
    dev=(
        "a node {name} drawn as {texture} which {meaning}",
        "a node {name} such that it {meaning}, pictured by {texture}",
    ),
    test=(
        "a node known as {name}, covered in {texture}, of which one can say it {meaning}",
        "a node {name} looking like {texture}, the sort that {meaning}",
        "a node identified as {name}, texture file {texture}, made so that it {meaning}",
    ),
)

CALLBACK = Phrases(
    train=(
        'code that sends all players "{text}" when {event}',
        'a callback that [tells|sends] everybody "{text}" when {event}',
        'a callback: when {event}, [tell|send] [all|everybody] "{text}"',
        'the [message|text] "{text}" to all players when {event}',
        'a [message|text] to everybody, "{text}", [each time|every time|when] {event}',
        'code for when {event}: send "{text}" to all',
    ),
    dev=('a callback letting everybody read "{text}" once {event}', 'a chat line "{text}" to all as soon as {event}'),
    test=(
        'a hook which shows all players "{text}" whenever {event}',
        'an announcement "{text}" for everybody in case {event}',
        'a reaction to the moment {event}, namely "{text}" to all',
    ),
)

DELAY = Phrases(
    train=(
        'code that sends all players "{text}" after {seconds} seconds',
        'a [message|text] "{text}" to [everybody|all], {seconds} seconds [later|from now]',
        'a [wait|delay] of {seconds} seconds and then "{text}" to [all|everybody]',
        'the [message|text] "{text}" for all players after {seconds} [s|seconds]',
        'a timer of {seconds} seconds that sends [everybody|all] "{text}"',
        'code that waits {seconds} seconds, then sends "{text}" to all',
    ),
    dev=(
        'a chat line "{text}" to all once {seconds} seconds have gone by',
        'a pause of {seconds} seconds before all read "{text}"',
    ),
    test=(
        'a postponed announcement "{text}" to everybody, due in {seconds} seconds',
        'a countdown: {seconds} seconds, thereupon "{text}" shown to all players',
        'an announcement "{text}" which all players see with {seconds} seconds of lag',
    ),
)

GROUP_MEANINGS = (
    "burns in fire",
    "breaks by hand",
    "slows the player",
    "falls when loose",
    "hurts on touch",
    "holds water back",
    "grows on soil",
    "melts in the sun",
)

FIELD_MEANINGS = (
    "weight",
    "price",
    "speed",
    "range",
    "age",
    "heat",
    "power",
    "depth",
)

# field, its value, what a node with it does
FLAGS = (
    ("climbable", "true", "can be climbed like a ladder"),
    ("walkable", "false", "lets players pass through"),
    ("buildable_to", "true", "is replaced when building on it"),
    ("sunlight_propagates", "true", "lets sunlight through"),
    ("pointable", "false", "cannot be pointed at"),
    ("diggable", "false", "cannot be dug"),
    ("floodable", "true", "is washed away by liquids"),
)

EVENTS = (
    ("on_leaveplayer", "a player leaves"),
    ("on_dieplayer", "a player dies"),
    ("on_respawnplayer", "a player respawns"),
    ("on_newplayer", "a player comes for the first time"),
)

# Excerpts of held-out splits describe with other words than those of training.
GROUP_EXCERPT = Phrases(
    train=("- {group}: the node {meaning}", "{group}: {meaning}", "`{group}` - a node that {meaning}"),
    dev=("Group {group} marks what {meaning}.",),
    test=("* nodes in {group}: each {meaning}",),
)
FIELD_EXCERPT = Phrases(
    train=("- {field}: {meaning} (number)", "{field}: the {meaning}", "`{field}` - {meaning} of the item"),
    dev=("Field {field} stores the {meaning}.",),
    test=("* {field} (a number) tells the {meaning}",),
)
FLAG_EXCERPT = Phrases(
    train=(
        "- {field} = {value}: {meaning}",
        "{field} = {value} -- {meaning}",
        "`{field} = {value}` the node {meaning}",
    ),
    dev=("With {field} = {value} a node {meaning}.",),
    test=("* {field} = {value} means that it {meaning}",),
)
CALLBACK_EXCERPT = Phrases(
    train=(
        "- core.register_{event}(f): when {meaning}",
        "core.register_{event}(f) -- {meaning}",
        "`core.register_{event}(f)` f runs when {meaning}",
    ),
    dev=("core.register_{event}(f) calls f as {meaning}.",),
    test=("* use core.register_{event}(f) if {meaning}",),
)
DELAY_EXCERPT = Phrases(
    train=(
        "core.after(seconds, f): runs f later\ncore.chat_send_all(text): sends text to all",
        "- core.chat_send_all(text): text for everybody\n- core.after(seconds, f): calls f after that time",
    ),
    dev=("core.after(seconds, f) delays f.\ncore.chat_send_all(text) writes to every player.",),
    test=("* core.after(seconds, f) postpones the call of f\n* core.chat_send_all(text) shows everyone the text",),
)
