"""How users name the fault that a diff must fix."""

from __future__ import annotations

from eval.dealing.problem import Phrases

WRONG_MEMBER = Phrases(
    train=(
        "a property with a wrong name",
        "a wrong property name",
        "the [misnamed|badly named] property",
        "a property [that is wrongly named|whose name is wrong]",
        "a property name [that is wrong|Roblox does not know]",
        "the name of a property[, which is wrong|]",
        "a misspelt property[| name]",
        "a property that a part does not [have|know]",
    ),
    dev=("a faulty property name", "a property going by a bad name"),
    test=("an incorrect property name", "a property that was given an invalid name", "an unknown property of the part"),
)

DOT_CALL = Phrases(
    train=(
        "a method called with a dot",
        "a dot where a colon [must|should] be",
        "a dot in place of a colon",
        "a method call [without|that lacks] its colon",
        "a call with a dot, [which needs|not] a colon",
        "a method that [must|should] be called with a colon",
        "the dot in a method call",
        "a missing colon in a method call",
    ),
    dev=("a dot used for a method call", "a method call written without colon"),
    test=(
        "an omitted colon: the method is called by a dot",
        "a dotted method call",
        "a call where the dot ought to be a colon",
    ),
)

MISSING_END = Phrases(
    train=(
        "a function without its end",
        "a missing end",
        "the missing end of [the|a] function",
        "a function that is not [closed|ended]",
        "an end that is missing [after|at the end of] the function",
        "a function [lacking|missing] its end",
        "a [forgotten|lost] end",
        "a function body without [an end|end]",
    ),
    dev=("a function whose end is absent", "a function somebody forgot to end"),
    test=("an omitted end keyword", "a function left unfinished by its end", "an unterminated function"),
)

WRONG_SERVICE = Phrases(
    train=(
        "a misspelt service",
        "a service [name that is misspelt|with a misspelt name]",
        "a service that does not exist",
        "the wrong name of a service",
        "a GetService call with a wrong name",
        "a wrong service name",
        "a typo in the service name",
        "a service Roblox does not [have|know]",
    ),
    dev=("a badly spelt service", "a faulty service name"),
    test=("an incorrect service name", "an unknown service in GetService", "a spelling mistake in the service"),
)

UNPARENTED = Phrases(
    train=(
        "a part without a parent",
        "a part that has no parent, which should be workspace",
        "the missing parent of the part",
        "a part that is not [put|placed] in workspace",
        "a part that never gets [into|to] workspace",
        "a part [lacking|missing] its parent",
        "a forgotten parent: the part belongs in workspace",
        "a part whose parent is not set",
    ),
    dev=("a part that was left out of workspace", "an absent parent"),
    test=(
        "an omitted Parent assignment",
        "an invisible part, since nobody parented it to workspace",
        "an orphaned part",
    ),
)

WRONG_VALUE = Phrases(
    train=(
        "the value {bad}, which should be {good}",
        "a value of {bad} in place of {good}",
        "the attribute: it must be {good}, not {bad}",
        "a wrong value: {bad} should be {good}",
        "an attribute set to {bad} where {good} is meant",
        "a wrong value ({bad}, [right|correct] is {good})",
        "the value {bad}; [replace it by|it must be] {good}",
        "an attribute that should be {good} and not {bad}",
    ),
    dev=("an attribute holding {bad} although {good} is right", "the faulty value {bad} (make it {good})"),
    test=(
        "a mix-up of values: {bad} stands where {good} belongs",
        "the incorrect value {bad} that has to become {good}",
        "an attribute reading {bad} instead of {good}",
    ),
)

CALLED_HANDLER = Phrases(
    train=(
        "a handler that is called, not passed",
        "a Connect call that calls the handler",
        "a handler called at once in Connect",
        "a Connect that [must|should] get the function, not its result",
        "the brackets after the handler in Connect",
        "a function called where it [must|should] be passed",
        "a handler with brackets in Connect",
        "a connected call in place of a connected function",
    ),
    dev=("a handler that runs instead of being connected", "parentheses too many inside Connect"),
    test=(
        "an accidental call: Connect receives what the handler returns",
        "a handler invoked rather than handed to Connect",
        "a premature handler call within Connect",
    ),
)

MISSING_PLAYER = Phrases(
    train=(
        "a server handler without its player",
        "an OnServerEvent handler that lacks the player",
        "a handler whose first argument must be the player",
        "a missing player parameter",
        "a handler [lacking|missing] the player as its first parameter",
        "a remote handler that [forgot|forgets] the player",
        "the missing first parameter player of the handler",
        "a handler that takes the value alone, not the player first",
    ),
    dev=("an absent player argument", "a handler that ignores who sent the event"),
    test=(
        "an omitted player parameter",
        "a handler mistaking the sender for the value",
        "a remote event handler one parameter short",
    ),
)
