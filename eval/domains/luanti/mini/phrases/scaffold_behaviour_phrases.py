"""How users request commands, privileges, callbacks and functions."""

from __future__ import annotations

from eval.dealing.problem import Phrases

COMMAND = Phrases(
    train=(
        'a chat command {command} that returns true and "{text}"',
        'a [chat command|command] {command} that [answers|replies] "{text}"',
        'the [chat command|command] {command}; it [returns|answers] true and "{text}"',
        'a [chat command|command] [called|named] {command} [answering|replying|returning] "{text}"',
        'a command with the name {command} and the [answer|reply] "{text}"',
        'a [chat command|command] that [answers|replies] "{text}", [called|named] {command}',
        '{command}, a chat command with [answer|reply] "{text}"',
        'a reply "{text}" to the [chat command|command] {command}',
        'a [chat command|command] {command} [with the|whose] reply [of|is] "{text}"',
    ),
    dev=(
        'a chat command {command} that tells its caller "{text}"',
        'a chat command {command} whose success message reads "{text}"',
    ),
    test=(
        'a chat command known as {command} that responds "{text}"',
        'a chat command: whoever types {command} sees "{text}"',
        'a slash command {command} (chat command) with the output "{text}"',
    ),
)

PRIVILEGE = Phrases(
    train=(
        'a privilege {privilege} described as "{title}", not given in singleplayer',
        'a privilege [called|named] {privilege}, description "{title}", [off|not granted] in singleplayer',
        'the privilege {privilege} "{title}" without singleplayer',
        'a privilege with the [description|text] "{title}", the name {privilege} and no singleplayer grant',
        'a [privilege|priv] {privilege} that singleplayer does not [get|have], [described as|description] "{title}"',
        '{privilege}, a [privilege|priv] described as "{title}", [not for|never in|not in] singleplayer',
        'a privilege not given in singleplayer: {privilege}, "{title}"',
        'a [privilege|priv] "{title}" named {privilege}, singleplayer [off|not given]',
    ),
    dev=(
        'a privilege {privilege} labelled "{title}" that singleplayer must ask for',
        'a privilege {privilege}, its label reading "{title}", withheld in singleplayer',
    ),
    test=(
        'a privilege known as {privilege}, titled "{title}", which singleplayer lacks',
        'a privilege {privilege} under the heading "{title}", disabled for singleplayer',
        'a permission (privilege) {privilege} explained by "{title}", excluded from singleplayer',
    ),
)

ABM = Phrases(
    train=(
        "an ABM that turns {source} into {target} every {interval} seconds with chance {chance}",
        "an [ABM|abm] for {source}, interval {interval}, chance {chance}, that sets {target}",
        "an [ABM|active block modifier]: {source} becomes {target}; interval {interval}, chance {chance}",
        "an ABM with interval {interval} and chance {chance} that [changes|turns] {source} to {target}",
        "an [ABM|abm] on {source} that places {target}; chance {chance}, interval {interval}",
        "an ABM of chance {chance} and interval {interval} [changing|turning] {source} into {target}",
        "an ABM: every {interval} seconds with chance {chance} [set|put] {target} where {source} is",
        "an ABM that puts {target} in place of {source}, [chance|with chance] {chance}, [every|interval] {interval}",
    ),
    dev=(
        "an ABM by which {source} grows into {target} (interval {interval}, chance {chance})",
        "an ABM running on {source} by interval {interval}, chance {chance}, leaving {target}",
    ),
    test=(
        "an ABM which replaces {source} by {target} at interval {interval} and chance {chance}",
        "an ABM converting {source} to {target}, interval of {interval}, one chance in {chance}",
        "an ABM, interval {interval}, chance {chance}, after which {source} has turned to {target}",
    ),
)

JOIN = Phrases(
    train=(
        'a callback that sends "{text}" to a player who joins',
        'code that [tells|sends] a joining player "{text}"',
        'a [join|joinplayer] callback that [sends|says] "{text}" to that player',
        'a welcome: the player who joins [gets|reads] "{text}"',
        'a callback for joining players with the [chat message|message] "{text}"',
        'a [chat message|message] "{text}" for [each|every] player who joins',
        'the [chat message|message] "{text}", sent to a player on join',
        'an on_joinplayer callback with the [message|text] "{text}" for that player',
    ),
    dev=(
        'a callback greeting the player who has joined by "{text}"',
        'a chat line "{text}" that a player reads on joining',
    ),
    test=(
        'a callback which says "{text}" to anyone joining the game',
        'a greeting "{text}" shown to a player upon join',
        'a hook so that a newly joined player receives "{text}"',
    ),
)

FUNCTION = Phrases(
    train=(
        "a global function {function} that [multiplies|takes] its argument [by|times] {number}",
        "a global function {function} that returns its argument times {number}",
        "a global function [called|named] {function} [giving|returning] {number} times its argument",
        "the global function {function} of x that returns x times {number}",
        "a global function {function} with one argument x; it returns x times {number}",
        "a global function that returns {number} times x, [called|named] {function}",
        "{function}, a global function [returning|giving] its argument times {number}",
        "a global function {function} which [returns|gives] {number} times the number it gets",
        "a global function {function} of x, x times {number}",
    ),
    dev=(
        "a global function {function} scaling its argument by {number}",
        "a global function {function} for the product of x and {number}",
    ),
    test=(
        "a global function known as {function} that computes x multiplied with {number}",
        "a global function {function}: given x, hand back {number} times x",
        "a global function {function} whose result is the argument times {number}",
    ),
)
