"""How users name the fault that a diff must fix."""

from __future__ import annotations

from eval.dealing.problem import Phrases

MISSING_COMMA = Phrases(
    train=(
        "a missing comma",
        "a [comma that is missing|forgotten comma|lost comma]",
        "a comma missing [between|after one of] the fields",
        "the missing comma of the [table|definition]",
        "a [table|definition] that [lacks|misses] a comma",
        "two fields without a comma [between them|in between]",
        "a [line|field] that [must|should] end with a comma",
        "a field without [its|a] comma",
    ),
    dev=("an absent comma", "fields not separated by a comma"),
    test=("an omitted comma", "a spot where the comma was left out", "a pair of fields needing a comma"),
)

WRONG_FIELD = Phrases(
    train=(
        "a field with a wrong name",
        "a wrong field name",
        "the [misnamed|badly named] field",
        "a field [that is wrongly named|whose name is wrong]",
        "a field name [that is wrong|Luanti does not know]",
        "the name of a field[, which is wrong|]",
        "a misspelt field[| name]",
        "a field the engine does not know[| by that name]",
    ),
    dev=("a faulty field name", "a field going by a bad name"),
    test=("an incorrect field name", "a field that was given an invalid name", "an unknown field name"),
)

STRING_NUMBER = Phrases(
    train=(
        "a number written as a string",
        "a number in quotes",
        "a string where a number [must|should] be",
        "the quotes around a number",
        "a quoted number",
        "a [value|field] that must be a number, not a string",
        "a string that [should|must] be a number",
        "a number that is a string",
    ),
    dev=("a number mistyped as text", "a numeric string"),
    test=("a stringly number", "quotation marks about a numeric value", "a field holding a string instead of a number"),
)

MISSING_MOD = Phrases(
    train=(
        "an item name without its mod {mod}",
        "a name that lacks the mod {mod}",
        "the name, which needs the mod {mod} in front",
        "the missing prefix {mod} of the name",
        "a name without the prefix {mod}",
        "an item of mod {mod} registered without [its prefix|the mod]",
        "the item name: its mod is {mod}",
        "a missing mod prefix {mod} [on|in|before] the name",
    ),
    dev=("a name that forgot to say {mod} as its mod", "an unprefixed name (mod {mod})"),
    test=(
        "an item name from which the mod {mod} was left out",
        "a bare item name that belongs to mod {mod}",
        "the absent mod prefix {mod}",
    ),
)

OPEN_BRACE = Phrases(
    train=(
        "a brace that is never closed",
        "a missing closing brace",
        "the brace missing [from|in] one line",
        "a table [without|missing] its closing brace",
        "an inner table that is [never|not] closed",
        "a list of [textures|tiles] without closing brace",
        "an open brace in the [tiles|list]",
        "a missing brace[| at the end of the list]",
    ),
    dev=("a brace somebody forgot to close", "an unbalanced brace"),
    test=("an unclosed brace", "a curly brace with no partner", "a tiles table left open"),
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

WRONG_INGREDIENT = Phrases(
    train=(
        "the ingredient {bad}, which should be {good}",
        "a recipe with {bad} in place of {good}",
        "the [recipe|craft]: it must use {good}, not {bad}",
        "a wrong [item|ingredient]: {bad} should be {good}",
        "a recipe that uses {bad} where {good} is meant",
        "a wrong ingredient ({bad}, [right|correct] is {good})",
        "the ingredient {bad}; [replace it by|it must be] {good}",
        "a recipe that should take {good} and not {bad}",
    ),
    dev=("a recipe naming {bad} although {good} is right", "the faulty ingredient {bad} (make it {good})"),
    test=(
        "an ingredient mix-up: {bad} stands where {good} belongs",
        "the incorrect ingredient {bad} that has to become {good}",
        "a recipe asking for {bad} instead of {good}",
    ),
)

WRONG_CALL = Phrases(
    train=(
        "a misspelt function",
        "a function [name that is misspelt|with a misspelt name]",
        "a call to a function that does not exist",
        "the wrong name of a function",
        "a call [with a wrong name|that has the wrong name]",
        "a wrong function name",
        "a typo in the function name",
        "a call of a function Luanti does not [have|know]",
    ),
    dev=("a badly spelt API call", "a faulty function name"),
    test=("an incorrect function name", "a call to an unknown API function", "a spelling mistake in the call"),
)
