"""How users request nodes, tools, items and entities."""

from __future__ import annotations

from eval.dealing.problem import Phrases

NODE = Phrases(
    train=(
        "a node [called|named|with the name] {name} with the texture {texture}",
        "a [node|block] {name} [textured with|that uses the texture|that has the tile] {texture}",
        "a node {name}[, texture|, tile| with tile] {texture}",
        "the [node|block] {name} with {texture} on [all sides|every side|each face]",
        "[one|a simple|a plain] node; [name|its name is] {name}; [texture|tiles|its texture is] {texture}",
        "a [node|block] that shows {texture} on its sides and is [named|called] {name}",
        "a [node|block] with [the texture|tile|the tile] {texture} and the name {name}",
        "a [node|block] using {texture}, [called|named] {name}",
        "{name}, a [node|block] with {texture} as [texture|tile]",
        "a [full|solid|new] [node|block] {name} whose [texture|tile] is {texture}",
    ),
    dev=(
        "a fresh node {name} wearing the texture {texture}",
        "a node painted with {texture} that goes by the name {name}",
    ),
    test=(
        "an ordinary node {name} covered in the texture {texture}",
        "a node known as {name}, its faces drawn from {texture}",
        "a cube-shaped node with texture file {texture}, identified as {name}",
    ),
)

LIT_NODE = Phrases(
    train=(
        "a node {name} with the texture {texture} and light level {light}",
        "a [glowing|shining|bright] node {name}, texture {texture}, light [level|source] {light}",
        "a [node|block] [called|named] {name} that [glows|shines] with [level|light level] {light} and uses {texture}",
        "a [lamp|light] [node|block] {name} with light {light} and [texture|tile] {texture}",
        "a [node|block] that gives light {light}, with the texture {texture}, [named|called] {name}",
        "the [glowing|light] [node|block] {name} with {texture}; light [level|source] {light}",
        "a [node|block] with light level {light} and [texture|tile] {texture} and the name {name}",
        "a [node|block] using {texture} that [gives|makes] light of level {light}, [called|named] {name}",
        "a light of level {light}: [node|block] {name}, [texture|tile] {texture}",
        "{name}, a [node|block] with {texture} [glowing|shining] at [level|light level] {light}",
    ),
    dev=(
        "a luminous node {name} of light strength {light} showing {texture}",
        "a node {name} drawn as {texture} whose light reaches level {light}",
    ),
    test=(
        "a node {name} wrapped in {texture} which emits light at level {light}",
        "a radiant node of brightness {light} known as {name}, texture file {texture}",
        "a light-emitting node {name} (light {light}) that looks like {texture}",
    ),
)

GROUP_NODE = Phrases(
    train=(
        "a node {name} with the texture {texture} and the group {group} of {rating}",
        "a [node|block] {name}, texture {texture}, group {group} = {rating}",
        "a [node|block] [called|named] {name} in group {group} with [rating|level|value] {rating} and tile {texture}",
        "the [node|block] {name} with {texture}; [group|groups]: {group} {rating}",
        "a [node|block] of group {group} [at|with] [rating|level] {rating}, [texture|tile] {texture}, name {name}",
        "a [node|block] that has {group} {rating} as group, uses {texture} and is [called|named] {name}",
        "a [node|block] using {texture} and having group {group} at [value|rating] {rating}, [called|named] {name}",
        "{name}, a [node|block] with [texture|tile] {texture} and [group|groups] {group}={rating}",
        "a [node|block] with group {group} [rating|level|value] {rating}, the name {name} and the texture {texture}",
    ),
    dev=(
        "a node {name} showing {texture} that is placed in group {group} by rating {rating}",
        "a node {name} whose group {group} is set to {rating}, drawn as {texture}",
    ),
    test=(
        "a node {name} looking like {texture} that belongs to the group {group} at {rating}",
        "a node known as {name}, texture file {texture}, member of group {group} with number {rating}",
        "a {group} node, rated {rating}, identified as {name}, covered in {texture}",
    ),
)

TOOL = Phrases(
    train=(
        "a tool {name} with the image {texture} and damage {damage}",
        "a [tool|weapon] [called|named] {name} that [does|deals] {damage} damage and has the [image|picture] {texture}",
        "a [tool|weapon] {name}, [image|inventory image] {texture}, fleshy damage {damage}",
        "the tool {name} [using|with] {texture}; [damage|fleshy damage|fleshy]: {damage}",
        "a [tool|weapon] with {damage} damage, [image|picture] {texture} and name {name}",
        "a [tool|weapon] using {texture} that [does|deals] [damage|fleshy damage] of {damage}, [called|named] {name}",
        "{name}, a [tool|weapon] with [picture|inventory image] {texture} and {damage} points of damage",
        "a [tool|weapon] that [does|deals] {damage} [points of damage|fleshy damage], {name}, with [image|picture] {texture}",
        "a [tool|weapon] whose [image|inventory image] is {texture}, whose damage is {damage} and whose name is {name}",
    ),
    dev=(
        "a tool {name} pictured by {texture} that hits for {damage} damage",
        "a tool {name} of damage strength {damage}, shown as {texture}",
    ),
    test=(
        "a tool {name} hurting creatures by {damage} fleshy damage, inventory picture file {texture}",
        "a fighting tool known as {name} which inflicts {damage} damage and looks like {texture}",
        "a tool identified as {name}, damage amount {damage}, drawn from {texture}",
    ),
)

CRAFTITEM = Phrases(
    train=(
        'a craft item {name} described as "{title}" with the image {texture}',
        'a [craftitem|craft item] [called|named] {name}, [description|described as] "{title}", [image|picture] {texture}',
        'the [craftitem|craft item|item] {name} "{title}" [using|with] {texture}',
        'an item {name} with [image|inventory image] {texture} and [description|the description] "{title}"',
        'a [craftitem|craft item] with the [description|text] "{title}", the [image|picture] {texture} and the name {name}',
        'a [craftitem|craft item] using {texture}, described as "{title}", [called|named] {name}',
        '{name}, a [craftitem|craft item] with [picture|image] {texture} and description "{title}"',
        'an item [described as|with description] "{title}": {name}, [image|inventory image] {texture}',
        'a [craftitem|craft item] whose description is "{title}", whose image is {texture} and whose name is {name}',
    ),
    dev=(
        'a craft item {name} labelled "{title}" and pictured by {texture}',
        'a craft item {name} shown as {texture}, its label reading "{title}"',
    ),
    test=(
        'a craft item known as {name} that players see as "{title}", inventory picture file {texture}',
        'a craft item {name} drawn from {texture} under the heading "{title}"',
        'a material (craft item) identified as {name}, looking like {texture}, titled "{title}"',
    ),
)

STACK_ITEM = Phrases(
    train=(
        "a craft item {name} with the image {texture} and a stack size of {count}",
        "a [craftitem|craft item] [called|named] {name}, [image|picture] {texture}, stack [max|size|limit] {count}",
        "the [craftitem|craft item|item] {name} with {texture}; at most {count} [to|in] a stack",
        "an item {name} with [image|inventory image] {texture} that stacks [up to|to] {count}",
        "a [craftitem|craft item] stacking to {count}, [image|picture] {texture}, name {name}",
        "a [craftitem|craft item] using {texture} with [maximum stack|stack size] {count}, [called|named] {name}",
        "{name}, a [craftitem|craft item] with [picture|image] {texture} and stacks of [at most|up to] {count}",
        "a stack limit of {count} for the new [item|craft item] {name} with {texture}",
    ),
    dev=(
        "a craft item {name} pictured by {texture} of which {count} make a full stack",
        "a craft item {name}, shown as {texture}, with {count} as the largest stack",
    ),
    test=(
        "a craft item known as {name}, looking like {texture}, that piles up to {count} per stack",
        "a craft item {name} drawn from {texture} whose stack holds {count}",
        "a stackable craft item identified as {name} (stack of {count}), inventory picture file {texture}",
    ),
)

FOOD = Phrases(
    train=(
        "a food {name} with the image {texture} that [heals|restores|gives] {health} [health|points|hp]",
        "[food|a food item|an edible item] [called|named] {name}, [image|picture] {texture}, [heals|restores] {health}",
        "an [item|edible item] {name} with {texture} that can be eaten [for|and gives] {health} [hp|health|points]",
        "the food {name} using {texture}; eating it [gives|heals|restores] {health} [points|hp]",
        "an [item|edible item] that [heals|restores] {health} [health|hp|points] when eaten, [image|picture] {texture}, name {name}",
        "a food using {texture}, worth {health} [points|hp|health], [called|named] {name}",
        "{name}, a food with [picture|image] {texture} and {health} [points|hp|health] when eaten",
        "a meal of {health} [points|hp|health]: [food|item] {name} with {texture}",
    ),
    dev=(
        "a food {name} pictured by {texture} whose eater gains {health} health",
        "something to eat: food {name}, shown as {texture}, good for {health} hp",
    ),
    test=(
        "a food known as {name} looking like {texture} that mends {health} health on eating",
        "a snack (food) {name} drawn from {texture} which refills {health} hp",
        "an eatable food identified as {name}, inventory picture file {texture}, eat value {health}",
    ),
)

ENTITY = Phrases(
    train=(
        "an entity {name} with {health} hp and the texture {texture}",
        "an entity [called|named] {name}, [texture|sprite] {texture}, hp [max|maximum|of] {health}",
        "[a mob|an entity] {name} with {health} [health|hp|health points] that uses {texture}",
        "the entity {name} using {texture}; [health|hp|hp max]: {health}",
        "an entity of {health} [hp|health], [texture|sprite] {texture}, name {name}",
        "an entity with [texture|sprite] {texture} and [at most|a maximum of] {health} [hp|health], [called|named] {name}",
        "{name}, an entity with [sprite|texture] {texture} and {health} [hp|health]",
        "a [sprite|mob] entity {name} that has {health} [hp|health|health points] and shows {texture}",
    ),
    dev=(
        "an entity {name} drawn as {texture} whose hp starts from {health}",
        "an entity {name} with health strength {health}, pictured by {texture}",
    ),
    test=(
        "an entity known as {name} looking like {texture}, able to take {health} hp",
        "a creature (entity) {name} covered in {texture} with hp limit {health}",
        "an entity identified as {name}, texture file {texture}, health amount {health}",
    ),
)
