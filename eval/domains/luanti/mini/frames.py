"""The sentences that wrap a wording: how a user requests {it}, per family and split."""

from __future__ import annotations

from eval.dealing.problem import Phrases

SCAFFOLD = Phrases(
    train=(
        "[Register|Create|Make|Add] {it}.",
        "Write [Lua|Lua code|the code] for {it}.",
        "Add {it} to [the|our|this] mod.",
        "[I need|We need|I want|We want] {it}.",
        "[Please write|Please add|Write|Please make] {it}.",
        "Define {it} in Luanti.",
        "[Give me|Show me|Send me] {it}.",
        "Show the [Lua|code] of {it}.",
        "[Can you|Will you|Would you] [write|add|make] {it}?",
        "The mod [needs|wants|must have] {it}.",
        "Luanti Lua: {it}.",
        "[Task|Wanted|Needed|To do]: {it}.",
        "Set up {it}[| please].",
        "We want {it}, nothing else.",
        "For [our|this] game, [write|add|create] {it}.",
        "In Lua, [write|make|create] {it}.",
    ),
    dev=(
        "Implement {it}.",
        "Help me build {it}.",
        "What is the Lua for {it}?",
        "Provide {it} for the game.",
    ),
    test=(
        "Declare {it}.",
        "Could you put together {it}?",
        "My game is missing {it}.",
        "Compose {it} for Luanti.",
        "Code up {it} now.",
    ),
)

REPAIR = Phrases(
    train=(
        "Fix {it} in this [file|code]. [Answer|Reply] with a unified diff.",
        "[Repair|Fix|Mend] {it}; [answer|reply] with a diff.",
        "There is {it} here. Send a [unified diff|diff].",
        "This code has {it}. Write a unified diff that [fixes|repairs|mends] it.",
        "Give a unified diff [for|against] {it}.",
        "[Write|Send|Give] a [unified diff|diff] that fixes {it}.",
        "The [file|mod|code] has {it}. [Fix|Mend] it with a unified diff.",
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
        "The game will not load because of {it}. Return the unified diff.",
        "Debug this: {it}. Output a unified diff only.",
        "Deal with {it}; respond in unified diff form.",
    ),
)

DOC = Phrases(
    train=(
        "[Read|See] the documentation and write {it}.",
        "[Using|With|By] the documentation, [write|make|create] {it}.",
        "[From|After] these notes, [write|register|make] {it}.",
        "The [notes|docs] tell how: [write|make|add] {it}.",
        "[Follow|Use] the [docs|notes] and [write|add|create] {it}.",
        "[Write|Register|Make|Create] {it}, as the [docs|notes|documentation] say.",
        "[I need|We want|I want] {it}; see the [docs|notes].",
        "Given this documentation, [add|write] {it}.",
        "Look at the [docs|notes]. Then [write|make|add] {it}.",
        "[Write|Make|Add] {it} by these [notes|docs].",
    ),
    dev=(
        "Consult the reference text and implement {it}.",
        "Relying on the manual page, build {it}.",
        "Going by the description, I would like {it}.",
    ),
    test=(
        "According to the excerpt, declare {it}.",
        "Study the excerpt, then produce {it}.",
        "Based on what is documented, code {it}.",
        "The excerpt explains it: now put together {it}.",
    ),
)
