"""How users request module scripts: plain functions, functions with types, defaults and contracts."""

from __future__ import annotations

from eval.dealing.problem import Phrases

FUNCTION = Phrases(
    train=(
        "a module with a function {function} that returns x times {number}",
        "a module script whose function {function} [multiplies|takes] x [by|times] {number}",
        "a module [with|that has] the function {function}: x times {number}",
        "a ModuleScript with {function}, which returns its argument times {number}",
        "the module function {function} that [multiplies its argument by|returns x times] {number}",
        "a module whose {function} gives {number} times x",
        "a module; its function {function} returns {number} times x",
        "a function {function} in a module: it returns its argument times {number}",
    ),
    dev=(
        "a module offering {function}, which scales x by {number}",
        "a module to compute the product of x and {number} by {function}",
    ),
    test=(
        "a module that exposes {function}: given x, hand back {number} times x",
        "a module script known for its function {function}, x multiplied with {number}",
        "a module exporting {function} whose result is the argument times {number}",
    ),
)

CONTRACT = Phrases(
    train=(
        "a typed module function {function} that returns x times {number} and asserts that x is a number",
        "a module with a typed function {function}: assert a number, return x times {number}",
        "a typed module function {function}, x times {number}; anything but a number is an error",
        "a module whose typed {function} asserts a number and returns it times {number}",
        "a typed {function} in a module that [refuses|rejects] strings and returns x times {number}",
        "a module function {function} with types and an assert: x must be a number, result x times {number}",
        "a checked, typed module function {function} that multiplies a number by {number}",
        "a typed module function {function} with an assert on x that returns {number} times x",
    ),
    dev=(
        "a typed module function {function} scaling numbers by {number} and raising an error for other types",
        "a module, typed, in which {function} insists on a number before it gives back x times {number}",
    ),
    test=(
        "a typed module function {function} that errors unless x is a number, else yields the product with {number}",
        "a module exporting the typed {function}: strings fail, numbers are multiplied with {number}",
        "a typed module function {function} guarded against wrong types, whose result is the argument times {number}",
    ),
)

DEFAULT = Phrases(
    train=(
        "a typed module function {function} of an optional number that returns it or {number}",
        "a module with a typed function {function}: x or else {number}",
        "a typed module function {function} that returns x, {number} by default",
        "a module whose typed {function} returns its optional argument or {number}",
        "a typed {function} in a module with an optional number, default {number}",
        "a typed module function {function}: without x it returns {number}, with x it returns x",
        "a module function {function} with types that returns x, or {number} if there is none",
        "a typed module function {function} with {number} as the default of x, returning it",
    ),
    dev=(
        "a typed module function {function} falling back on {number} where x is nil",
        "a module, typed, in which {function} passes x through and replaces nil by {number}",
    ),
    test=(
        "a typed module function {function} that hands back x unless it is nil, in which case {number}",
        "a module exporting the typed {function}: its result is the argument, or {number} when it was left out",
        "a typed module function {function} yielding {number} for a missing number",
    ),
)

SCHEDULER = Phrases(
    train=(
        "the task library in place of the deprecated call",
        "a task library call [in place of|for] the deprecated one",
        "the same code with the task library",
        "this code with a call of the task library, not the [old|deprecated] one",
        "the [old|deprecated] global replaced by the task library",
        "the code without the deprecated [global|call], using the task library",
        "this script with the [old|deprecated] call replaced by its task version",
        "the task version of the [old|deprecated] call here",
    ),
    dev=(
        "a version of this that relies on the task library alone",
        "the modern scheduler call where this script uses a deprecated global",
    ),
    test=(
        "an up-to-date script: its outdated scheduler call moved over to the task library",
        "equivalent code calling the task library instead of the legacy function",
        "this script, migrated from the legacy global to the task library",
    ),
)
