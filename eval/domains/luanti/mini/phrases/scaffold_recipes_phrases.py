"""How users request crafting recipes, fuels and aliases."""

from __future__ import annotations

from eval.dealing.problem import Phrases

SHAPED = Phrases(
    train=(
        "a recipe with {top} above {bottom} that gives {count} {output}",
        "a [shaped|crafting] recipe for {count} {output}: {top} on top of {bottom}",
        "a [craft|recipe] [giving|making|that makes] {count} {output} from {top} over {bottom}",
        "a recipe: put {top} [over|above|on] {bottom}, get {count} {output}",
        "the [shaped|crafting] recipe of {output}, {count} at a time: {top} in the [upper|first|top] row, {bottom} below",
        "a shaped craft, {top} [over|above] {bottom}, [output|giving] {count} {output}",
        "{count} {output} crafted from {top} [on top of|above] {bottom}",
        "a recipe with {bottom} [below|under] {top} that [gives|makes] {count} {output}",
        "a [crafting|shaped] recipe: {bottom} under {top} [makes|gives] {count} of {output}",
    ),
    dev=(
        "a shaped recipe yielding {count} {output} where {top} sits above {bottom}",
        "a shaped recipe of {top}, then {bottom} beneath it, with the result {count} {output}",
    ),
    test=(
        "a crafting column of {top} atop {bottom} that turns out {count} {output}",
        "a shaped recipe which stacks {top} over {bottom} and produces {count} {output}",
        "a vertical recipe, first {top} and then {bottom}, returning {count} {output}",
    ),
)

SHAPELESS = Phrases(
    train=(
        "a shapeless recipe that makes {count} {output} from {first} and {second}",
        "a shapeless craft of {first} and {second} [giving|making] {count} {output}",
        "a shapeless recipe: {first} [plus|and|with] {second} [gives|makes] {count} {output}",
        "{count} {output} from {first} and {second} in any order, a shapeless recipe",
        "the shapeless recipe for {count} {output}, [from|using|with] {first} and {second}",
        "a recipe without shape: {first}, {second}, output {count} {output}",
        "a shapeless [craft|recipe] [with the output|whose output is] {count} {output}: {first}, {second}",
        "a shapeless recipe [for|of] {output}, {count} at a time, [from|with] {first} and {second}",
    ),
    dev=(
        "a shapeless recipe yielding {count} {output} when {first} meets {second}",
        "a shapeless mix of {first} with {second}, the result being {count} {output}",
    ),
    test=(
        "a shapeless combination: {first} together with {second} turns into {count} {output}",
        "a shapeless recipe which joins {first} to {second} and produces {count} {output}",
        "an order-free shapeless recipe returning {count} {output} out of {first} plus {second}",
    ),
)

COOKING = Phrases(
    train=(
        "a cooking recipe that turns {source} into {output} in {seconds} seconds",
        "a [furnace|cooking] recipe: {source} [to|becomes|gives] {output}, cook time {seconds}",
        "a cooking recipe for {output} from {source} [taking|with time|with cook time] {seconds}",
        "the [cooking|furnace] recipe of {output}: cook {source} for {seconds} seconds",
        "a recipe that cooks {source} to {output} in {seconds} [s|seconds]",
        "cooking of {source} into {output}, time {seconds}",
        "a furnace recipe [giving|making] {output} from {source} after {seconds} seconds",
        "{output} cooked from {source} in {seconds} [s|seconds]",
        "a {seconds} second cooking recipe [from|of] {source} [to|into] {output}",
    ),
    dev=(
        "a cooking recipe where {source} needs {seconds} seconds and yields {output}",
        "a furnace cooking rule: {seconds} seconds, {source} is baked, result {output}",
    ),
    test=(
        "a smelting (cooking) recipe that changes {source} to {output} over {seconds} seconds",
        "a cooking recipe which produces {output} once {source} was heated for {seconds} seconds",
        "a cooking recipe, duration {seconds}, whose input {source} returns {output}",
    ),
)

FUEL = Phrases(
    train=(
        "a fuel recipe for {source} that burns {seconds} seconds",
        "{source} as [fuel|a fuel] with [burn time|burntime] {seconds}",
        "a fuel {source} with a burn time of {seconds} [seconds|s]",
        "the fuel recipe of {source}: burn time {seconds}",
        "a recipe that makes {source} a fuel for {seconds} [s|seconds]",
        "fuel: {source}, [burns|burning] for {seconds} seconds",
        "a fuel that burns {seconds} [s|seconds], {source}",
        "a burn time of {seconds} for the fuel {source}",
        "a {seconds} second fuel [recipe of|from] {source}",
    ),
    dev=(
        "a fuel entry so that {source} keeps a furnace lit for {seconds} seconds",
        "a fuel recipe where {source} lasts {seconds} seconds",
    ),
    test=(
        "a fuel rule by which one {source} heats a furnace for {seconds} seconds",
        "a fuel recipe giving {source} a burning duration of {seconds}",
        "a furnace fuel made of {source}, good for {seconds} seconds",
    ),
)

ALIAS = Phrases(
    train=(
        "an alias from {old} to {new}",
        "an alias {old} [for|that means|pointing to|of] {new}",
        "an alias so that {old} becomes {new}",
        "the old name {old} as alias of {new}",
        "an alias: {old} [is now|is|now means] {new}",
        "an alias that [maps|turns|sends] {old} to {new}",
        "an alias of {new} with the name {old}",
        "an alias for {new} [called|named] {old}",
        "an alias [with|having] old name {old} and new name {new}",
    ),
    dev=(
        "an alias by which {old} is read as {new}",
        "an alias that lets {old} stand for {new}",
    ),
    test=(
        "an alias because {old} was renamed {new}",
        "an alias redirecting {old} towards {new}",
        "an alias that resolves {old}, a retired name, into {new}",
    ),
)
