"""The sentences that wrap a wording: how a user requests {it}, per family and split."""

from __future__ import annotations

from eval.dealing.problem import Phrases

CODING = Phrases(
    train=(
        "[Create|Make|Add|Script] {it}.",
        "Write [Luau|Luau code|the code] for {it}.",
        "Add {it} to [the|our|this] game.",
        "[I need|We need|I want|We want] {it}.",
        "[Please write|Please add|Write|Please make] {it}.",
        "Script {it} in Roblox.",
        "[Give me|Show me|Send me] {it}.",
        "Show the [Luau|code] of {it}.",
        "[Can you|Will you|Would you] [write|add|make] {it}?",
        "The game [needs|wants|must have] {it}.",
        "Roblox Luau: {it}.",
        "[Task|Wanted|Needed|To do]: {it}.",
        "Set up {it}[| please].",
        "We want {it}, nothing else.",
        "For [our|this] place, [write|add|create] {it}.",
        "In Luau, [write|make|create] {it}.",
    ),
    dev=(
        "Implement {it}.",
        "Help me build {it}.",
        "What is the Luau for {it}?",
        "Provide {it} for the experience.",
    ),
    test=(
        "Produce {it}.",
        "Could you put together {it}?",
        "My experience is missing {it}.",
        "Compose {it} for Roblox.",
        "Code up {it} now.",
    ),
)

BUGFIX = Phrases(
    train=(
        "Fix {it} in this [script|code]. [Answer|Reply] with a unified diff.",
        "[Repair|Fix|Mend] {it}; [answer|reply] with a diff.",
        "There is {it} here. Send a [unified diff|diff].",
        "This code has {it}. Write a unified diff that [fixes|repairs|mends] it.",
        "Give a unified diff [for|against] {it}.",
        "[Write|Send|Give] a [unified diff|diff] that fixes {it}.",
        "The [script|code] has {it}. [Fix|Mend] it with a unified diff.",
        "Diff wanted: fix {it}.",
        "As a unified diff, fix {it}.",
        "Please fix {it}, as a diff.",
    ),
    dev=(
        "Remedy {it} and hand back a unified diff.",
        "I found {it}. Which unified diff cures it?",
        "Unified diff, please, to get rid of {it}.",
    ),
    test=(
        "Correct {it} by a unified diff.",
        "The game breaks because of {it}. Return the unified diff.",
        "Debug this: {it}. Output a unified diff only.",
        "Deal with {it}; respond in unified diff form.",
    ),
)

TYPING = Phrases(
    train=(
        "[Create|Make|Add|Write] {it}.",
        "Write [Luau|strict Luau|the code] for {it}.",
        "[I need|We need|I want|We want] {it}.",
        "[Please write|Please add|Please make] {it}.",
        "[Give me|Show me|Send me] {it}.",
        "[Can you|Will you|Would you] [write|add|make] {it}?",
        "In strict mode, [write|make|create] {it}.",
        "[Task|Wanted|Needed|To do]: {it}.",
        "Strict Luau: {it}.",
    ),
    dev=("Implement {it}.", "Help me build {it}.", "What is the strict Luau for {it}?"),
    test=("Produce {it}.", "Could you put together {it}?", "Code up {it} in strict mode.", "Compose {it}."),
)

REFACTOR = Phrases(
    train=(
        "Write {it}.",
        "[Give me|Show me|Send me] {it}.",
        "[I need|We need|I want|We want] {it}.",
        "Refactor: {it}.",
        "[Please write|Please make] {it}.",
        "Rewrite this to have {it}.",
        "[Can you|Will you|Would you] write {it}?",
        "[Task|Wanted|Needed|To do]: {it}.",
    ),
    dev=("Provide {it}.", "Help me get {it}.", "Clean up: {it}."),
    test=("Produce {it}.", "Modernise: {it}.", "Could you turn this into {it}?", "My code base calls for {it}."),
)
