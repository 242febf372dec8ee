"""How users request parts: their properties, their place, and what happens to them in time or by a touch."""

from __future__ import annotations

from eval.dealing.problem import Phrases

PART = Phrases(
    train=(
        "an anchored part {name} of size {x}, {y}, {z}",
        "a part {name} in workspace, anchored, [size|with the size] {x}, {y}, {z}",
        "a part [called|named] {name} [with size|of size] {x}, {y}, {z} that is anchored",
        "a part of size {x}, {y}, {z}, anchored, [called|named] {name}",
        "the anchored part {name}; its size is {x}, {y}, {z}",
        "a part {name}: anchored, size {x}, {y}, {z}",
        "a part with the name {name}, the size {x}, {y}, {z} and Anchored on",
        "{name}, an anchored part of [the size|size] {x}, {y}, {z}",
    ),
    dev=(
        "a part {name} measuring {x}, {y}, {z}, held by Anchored",
        "a part {name} whose dimensions are {x}, {y}, {z} (anchored)",
    ),
    test=(
        "a part known as {name} that measures {x} by {y} by {z} and stays anchored",
        "a part under the name {name}, Size {x}, {y}, {z}, fixed in place by Anchored",
        "an anchored part with dimensions {x}, {y}, {z} which goes by {name}",
    ),
)

COLOR = Phrases(
    train=(
        "a {material} part {name} with the RGB color {x}, {y}, {z}",
        "a part {name} of {material}, [color|RGB color|RGB] {x}, {y}, {z}",
        "a part [called|named] {name}, material {material}, [RGB|RGB color] {x}, {y}, {z}",
        "the part {name} with [color|RGB color] {x}, {y}, {z} and material {material}",
        "a part of material {material} and [color|RGB color] {x}, {y}, {z}, [called|named] {name}",
        "a part {name}; its material is {material}, its RGB color {x}, {y}, {z}",
        "{name}, a part of {material} with the color {x}, {y}, {z}",
        "an RGB {x}, {y}, {z} part {name} of material {material}",
    ),
    dev=(
        "a part {name} built from {material}, tinted RGB {x}, {y}, {z}",
        "a part {name} showing the color RGB {x}, {y}, {z}, surfaced with {material}",
    ),
    test=(
        "a part known as {name} made out of {material} and colored RGB {x}, {y}, {z}",
        "a part {name} whose look is {material} in the RGB shade {x}, {y}, {z}",
        "a {material} part identified as {name}, painted RGB {x}, {y}, {z}",
    ),
)

PLACE = Phrases(
    train=(
        "a part {name} at the position {x}, {y}, {z}",
        "a part {name} in workspace [at|with the CFrame] {x}, {y}, {z}",
        "a part [called|named] {name} with the [CFrame|position] {x}, {y}, {z}",
        "the part {name}; its [position|CFrame] is {x}, {y}, {z}",
        "a part at [position|CFrame] {x}, {y}, {z}, [called|named] {name}",
        "a part with the name {name}, [put|moved] to {x}, {y}, {z}",
        "{name}, a part at {x}, {y}, {z}",
        "a part {name}, CFrame {x}, {y}, {z}",
    ),
    dev=(
        "a part {name} standing on the point {x}, {y}, {z}",
        "a part {name} whose coordinates are {x}, {y}, {z}",
    ),
    test=(
        "a part known as {name} located at {x}, {y}, {z}",
        "a part {name} that sits at the spot {x}, {y}, {z}",
        "a part which goes by {name}, its center on {x}, {y}, {z}",
    ),
)

TAG = Phrases(
    train=(
        "a part {name} with the tag {tag}",
        "a part [called|named] {name} that has the tag {tag}",
        "a part {name} in workspace, [tagged|tag] {tag}",
        "the part {name}; its [CollectionService tag|tag] is {tag}",
        "a part with the tag {tag}, [called|named] {name}",
        "a [part|new part] {name}, tagged {tag}",
        "{name}, a part with the [CollectionService tag|tag] {tag}",
        "the tag {tag} on a new part {name}",
    ),
    dev=(
        "a part {name} carrying {tag} as its tag",
        "a part {name} listed in CollectionService under {tag}",
    ),
    test=(
        "a part known as {name} bearing the tag {tag}",
        "a part {name} which CollectionService finds by the tag {tag}",
        "a part {name} marked by the tag {tag}",
    ),
)

TWEEN = Phrases(
    train=(
        "a part {name} that a tween fades to transparency 1 in {seconds} seconds",
        "a part {name} with a tween of {seconds} seconds to transparency 1",
        "a part [called|named] {name} and a {seconds} second tween of its transparency to 1",
        "the part {name}; a tween [fades it|takes its transparency to 1] in {seconds} seconds",
        "a tween that fades a new part {name} [in|within] {seconds} seconds",
        "a part {name} and a TweenService tween: transparency 1 after {seconds} seconds",
        "a [fading part|part that fades] {name}, by a tween of {seconds} seconds",
        "a tween of {seconds} seconds on a new part {name}, transparency to 1",
    ),
    dev=(
        "a part {name} tweened to full transparency over {seconds} seconds",
        "a part {name} growing transparent by TweenService, {seconds} seconds long",
    ),
    test=(
        "a part known as {name} which a tween makes invisible during {seconds} seconds",
        "a part {name} whose Transparency is tweened up to 1, duration {seconds} seconds",
        "a part {name} vanishing through a tween that lasts {seconds} seconds",
    ),
)

DEBRIS = Phrases(
    train=(
        "a part {name} that Debris removes after {seconds} seconds",
        "a part {name} given to Debris for {seconds} seconds",
        "a part [called|named] {name}, added to Debris with {seconds} seconds",
        "a part {name} which [lives|stays] {seconds} seconds, by Debris",
        "the part {name}; Debris removes it after {seconds} seconds",
        "a part for {seconds} seconds, [called|named] {name}, using Debris",
        "a Debris item: a new part {name}, {seconds} seconds",
        "a part {name} with a Debris [time|lifetime] of {seconds} seconds",
    ),
    dev=(
        "a part {name} that is gone {seconds} seconds later thanks to Debris",
        "a part {name} handed over to Debris, lifetime {seconds} seconds",
    ),
    test=(
        "a part known as {name} cleaned up by Debris when {seconds} seconds are over",
        "a temporary part {name}: Debris should delete it {seconds} seconds from now",
        "a part {name} registered with Debris to last {seconds} seconds",
    ),
)

TRAP = Phrases(
    train=(
        "a part {name} that destroys what touches it",
        "a part [called|named] {name} that destroys whatever touches it",
        "a part {name} in workspace; what touches it is destroyed",
        "the part {name}, which destroys [everything|each part] that touches it",
        "a part {name}: on touch [destroy|it destroys] the other part",
        "a part that destroys [all|everything] touching it, [called|named] {name}",
        "a trap {name}: a part that destroys what touches it",
        "a part {name} with a Touched handler that destroys the other part",
    ),
    dev=(
        "a part {name} erasing anything that comes to touch it",
        "a part {name} on whose touch the visitor gets destroyed",
    ),
    test=(
        "a part known as {name} at whose touch other parts are destroyed",
        "a deadly part {name}: any object touching it must be destroyed",
        "a part {name} which gets rid of each object that has touched it",
    ),
)

POINTS = Phrases(
    train=(
        "a part {name} that sets {attribute} of what touches it to {number}",
        "a part {name}; what touches it gets the attribute {attribute} with {number}",
        "a part [called|named] {name} that gives what touches it the attribute {attribute} {number}",
        "the part {name}: on touch set the attribute {attribute} of the other part to {number}",
        "a part {name} in workspace that sets a touching part's attribute {attribute} to {number}",
        "a part {name} with a Touched handler: the other part gets attribute {attribute}, value {number}",
        "a touch part {name}: attribute {attribute} of the other part becomes {number}",
        "a part that gives {attribute} {number} to the part touching it, [called|named] {name}",
    ),
    dev=(
        "a part {name} rewarding whatever steps on it by {attribute} (attribute) {number}",
        "a part {name} through whose touch the visitor's attribute {attribute} turns to {number}",
    ),
    test=(
        "a part known as {name}; once something has touched it, the visitor's {attribute} attribute reads {number}",
        "a pick-up part {name} granting the attribute {attribute} {number} upon a touch",
        "a part {name} that on contact writes {number} into the attribute {attribute} of any visitor",
    ),
)

SOUND = Phrases(
    train=(
        "a sound {name} in workspace with the id {number}",
        "a sound [called|named] {name} with the [asset id|id|asset] {number}",
        "the sound {name}; its [asset id|id|asset] is {number}",
        "a sound {name}, [asset|asset id|id] {number}",
        "a Sound object {name} with rbxassetid {number}",
        "a sound with the [asset id|id] {number}, [called|named] {name}",
        "{name}, a sound of the asset {number} in workspace",
        "a sound {name} that has SoundId {number}",
    ),
    dev=(
        "a sound {name} taken from asset number {number}",
        "a sound {name} whose SoundId points at asset {number}",
    ),
    test=(
        "a sound known as {name} which uses asset {number}",
        "a sound {name} backed by the uploaded asset {number}",
        "a sound object under the name {name} for asset {number}",
    ),
)
