"""How users request stored values: attributes, value objects, settings of services and counted children."""

from __future__ import annotations

from eval.dealing.problem import Phrases

ATTRIBUTE = Phrases(
    train=(
        "the attribute {attribute} of workspace, [value|set to] {number}",
        "the attribute {attribute} with {number} on workspace",
        "a workspace attribute [called|named] {attribute} with the [value|number] {number}",
        "an attribute {attribute} on workspace, value {number}",
        "an attribute of workspace: {attribute} is {number}",
        "a line that sets the [attribute|workspace attribute] {attribute} to {number}",
        "the number {number} as workspace attribute {attribute}",
        "workspace with the attribute {attribute} [at|set to] {number}",
    ),
    dev=(
        "an attribute {attribute} holding {number}, kept by workspace",
        "the value {number} stored under the attribute {attribute} of workspace",
    ),
    test=(
        "an attribute known as {attribute} that puts {number} on workspace",
        "a workspace that carries {number} in its attribute {attribute}",
        "an attribute on workspace, {attribute}, equal to {number}",
    ),
)

VALUE = Phrases(
    train=(
        "{kind} {name} with {number} in {place}",
        "{kind} [called|named] {name} in {place}, value {number}",
        "{kind} {name} of {number} in {place}",
        "{kind} with the name {name} and the value {number} in {place}",
        "{kind} in {place}, [called|named] {name}, with [the value|value] {number}",
        "{kind} {name}; its value is {number}, its parent {place}",
        "in {place} {kind} {name}, [value|set to] {number}",
        "{kind} {name} whose parent is {place} and whose value is {number}",
    ),
    dev=(
        "{kind} {name} stored inside {place}, holding {number}",
        "{kind} {name} that lives in {place} and starts from {number}",
    ),
    test=(
        "{kind} known as {name}, placed into {place}, containing {number}",
        "{kind} which goes by {name} under {place} (Value {number})",
        "{kind} {name}, child of {place}, that reads {number}",
    ),
)

SETTING = Phrases(
    train=(
        "a line that sets {property} of {service} to {number}",
        "{property} of {service}, [set to|value] {number}",
        "the {service} property {property} with {number}",
        "{service} with {property} [at|set to] {number}",
        "a {property} of {number} in {service}",
        "the value {number} for {property} of {service}",
        "the setting {property} of {service}: {number}",
        "{number} as the {property} of {service}",
    ),
    dev=(
        "{service} changed so that {property} equals {number}",
        "a {service} whose {property} amounts to {number}",
    ),
    test=(
        "an adjustment of {service}: {property} must read {number}",
        "the {property} level {number}, applied to {service}",
        "{service} configured for {property} {number}",
    ),
)

FOLDER = Phrases(
    train=(
        "a folder {name} in workspace with {count} parts",
        "a folder [called|named] {name} that holds {count} parts",
        "a folder {name} and {count} parts in it",
        "{count} parts in a [new folder|folder] {name}",
        "a workspace folder {name} with {count} [new parts|parts]",
        "the folder {name}; it has {count} parts",
        "a folder of {count} parts, [called|named] {name}",
        "a loop that puts {count} parts into a folder {name}",
    ),
    dev=(
        "a folder {name} filled by {count} parts",
        "a folder {name} under workspace that {count} parts live inside",
    ),
    test=(
        "a folder known as {name} in which {count} parts are found",
        "a folder {name} containing exactly {count} parts",
        "as many as {count} parts, collected below the folder {name}",
    ),
)
