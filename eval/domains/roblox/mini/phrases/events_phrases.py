"""How users request handlers: of players, remotes, tags and time."""

from __future__ import annotations

from eval.dealing.problem import Phrases

JOIN = Phrases(
    train=(
        "a handler that sets the attribute {attribute} of a player who joins to {number}",
        "a joining player's attribute {attribute}, [set to|value] {number}",
        "a PlayerAdded handler that sets the player's attribute {attribute} to {number}",
        "code that gives [each|every] player who joins the attribute {attribute} with {number}",
        "the attribute {attribute} [at|with] {number} for [each|every] player who joins",
        "a handler: when a player joins, set the attribute {attribute} to {number}",
        "an attribute {attribute} of {number} on [each|every] joining player",
        "a join handler with the player attribute {attribute}, value {number}",
    ),
    dev=(
        "a handler by which any newly joined player starts from the attribute {attribute} {number}",
        "a script through which a player has {attribute} (attribute) {number} from joining on",
    ),
    test=(
        "a hook that writes {number} to the attribute {attribute} once a player has joined",
        "a script so that whoever joins the server carries the attribute {attribute} equal to {number}",
        "a PlayerAdded callback putting {number} into the attribute {attribute} of the new player",
    ),
)

LEADERSTATS = Phrases(
    train=(
        "a module function {function} that adds the IntValue {name} of {number} to a player's leaderstats",
        "a module with {function}, which puts an IntValue {name} with {number} in leaderstats of the player",
        "a module whose {function} gives a player {name} at {number} in leaderstats",
        "a module function {function} of a player: leaderstats gets {name}, value {number}",
        "the module function {function} for leaderstats: a new IntValue {name} with {number}",
        "a module; its function {function} makes the leaderstats value {name} of {number} for a player",
        "a function {function} in a module that adds {name} [at|with] {number} to leaderstats",
        "a leaderboard module: {function} adds {name}, {number}, to the player's leaderstats",
    ),
    dev=(
        "a module function {function} under which a player's leaderstats begin with {name} {number}",
        "a module to list {name}, starting from {number}, in leaderstats by {function}",
    ),
    test=(
        "a module function {function} so that leaderstats show {number} as {name}",
        "a module exporting {function}, by which leaderstats receive an IntValue known as {name} equal to {number}",
        "a module that exposes {function}: {name} appears in leaderstats, first reading {number}",
    ),
)

HUMANOID = Phrases(
    train=(
        "a module function {function} that sets {property} of a character to {number}",
        "a module with {function}, which sets the humanoid's {property} to {number}",
        "a module whose {function} gives a character the {property} {number}",
        "a module function {function} of a character: its humanoid gets {property} {number}",
        "the module function {function} for characters with a {property} of {number}",
        "a module; its function {function} sets {property} of the humanoid to {number}",
        "a function {function} in a module that gives the humanoid a {property} of {number}",
        "a character module: {function} sets {property} to {number}",
    ),
    dev=(
        "a module function {function} under which a character's {property} equals {number}",
        "a module to change {property} into {number} by {function}, given a character",
    ),
    test=(
        "a module function {function} through which any character comes with {property} {number}",
        "a module exporting {function}, making {number} the {property} of the character passed in",
        "a module that exposes {function}: it writes {number} into the character's {property}",
    ),
)

REMOTE = Phrases(
    train=(
        "a RemoteEvent {name} that sets the player's attribute {attribute} to the sent value",
        "a remote event {name}; the server sets {attribute} of the player to the value it gets",
        "a RemoteEvent [called|named] {name} in ReplicatedStorage: the sent value becomes the attribute {attribute}",
        "the RemoteEvent {name} with a server handler that sets the player's attribute {attribute} to the value",
        "a remote [event|RemoteEvent] {name}: on the server set the player attribute {attribute} to the value",
        "a RemoteEvent {name} whose value goes into the attribute {attribute} of the player",
        "a RemoteEvent in ReplicatedStorage, [called|named] {name}; its value is set as player attribute {attribute}",
        "an OnServerEvent handler of a new RemoteEvent {name} that sets {attribute} to the value",
    ),
    dev=(
        "a RemoteEvent {name} by which a client changes its player's attribute {attribute}",
        "a RemoteEvent {name} storing what a client sends under the player's attribute {attribute}",
    ),
    test=(
        "a RemoteEvent known as {name}: what arrives is written into the attribute {attribute} of the sender",
        "a RemoteEvent {name} letting a player fill in the attribute {attribute}",
        "a RemoteEvent {name} that keeps the argument as {attribute}, an attribute of the sender",
    ),
)

CALLBACK = Phrases(
    train=(
        "a RemoteFunction {name} that returns its argument times {number}",
        "a RemoteFunction [called|named] {name} in ReplicatedStorage returning x times {number}",
        "a remote function {name}: the server returns {number} times x",
        "the RemoteFunction {name} with a server callback that multiplies x by {number}",
        "a RemoteFunction {name} whose server callback returns x times {number}",
        "a RemoteFunction that [multiplies by|returns x times] {number}, [called|named] {name}",
        "an OnServerInvoke callback of a new RemoteFunction {name}: x times {number}",
        "{name}, a RemoteFunction in ReplicatedStorage that returns {number} times its argument",
    ),
    dev=(
        "a RemoteFunction {name} scaling what a client sends by {number}",
        "a RemoteFunction {name} through which the server answers {number} times the argument",
    ),
    test=(
        "a RemoteFunction known as {name} that hands back the product of x and {number}",
        "a RemoteFunction {name}: whoever invokes it receives the argument multiplied with {number}",
        "a RemoteFunction {name} computing {number} times the number sent",
    ),
)

TAGGED = Phrases(
    train=(
        "a handler that sets the attribute {attribute} of parts that get the tag {tag} to {number}",
        "the attribute {attribute} of {number} for [each|every] instance that gets the tag {tag}",
        "a handler for the tag {tag}: a new one gets the attribute {attribute} with {number}",
        "an attribute {attribute} with {number} on [each|every] part tagged {tag} later",
        "code that gives instances added to the tag {tag} the attribute {attribute}, value {number}",
        "a CollectionService handler: tag {tag} added, set the attribute {attribute} to {number}",
        "a handler of the added signal of tag {tag} that sets {attribute} to {number}",
        "when an instance gets the tag {tag}, its attribute {attribute} [at|set to] {number}",
    ),
    dev=(
        "a script by which anything newly tagged {tag} has the attribute {attribute} {number}",
        "a listener on the tag {tag} so that its attribute {attribute} becomes {number}",
    ),
    test=(
        "a hook that, as soon as {tag} tags an instance, writes {number} into the attribute {attribute}",
        "a CollectionService callback under which members of {tag} receive the attribute {attribute} equal to {number}",
        "a script reacting to the tag {tag} by putting {number} in the attribute {attribute}",
    ),
)

DELAY = Phrases(
    train=(
        "the workspace attribute {attribute}, set to {number} after {seconds} seconds",
        "code that sets the workspace attribute {attribute} to {number} after {seconds} seconds",
        "a delay of {seconds} seconds, then the workspace attribute {attribute} with {number}",
        "a task that after {seconds} seconds sets the workspace attribute {attribute} to {number}",
        "a delayed workspace attribute {attribute}: {number} after {seconds} seconds",
        "after {seconds} seconds the workspace attribute {attribute}, value {number}",
        "the number {number} in workspace attribute {attribute}, {seconds} seconds [late|later]",
        "a delay: {seconds} seconds, attribute {attribute} of workspace to {number}",
    ),
    dev=(
        "an attribute {attribute} of workspace that turns to {number} when {seconds} seconds have gone by",
        "a timer of {seconds} seconds that ends in {attribute} (workspace attribute) being {number}",
    ),
    test=(
        "a postponed change: {seconds} seconds from now {attribute} (attribute of workspace) must read {number}",
        "a script that waits {seconds} seconds before it writes {number} to the attribute {attribute} of workspace",
        "a workspace attribute {attribute} equal to {number}, though only once {seconds} seconds are over",
    ),
)

COUNTDOWN = Phrases(
    train=(
        "a countdown from {count} to 1 in the workspace attribute {attribute}, one a second",
        "the workspace attribute {attribute} counting down from {count} to 1 [each|every] second",
        "a loop that counts {attribute} of workspace down from {count}, one a second",
        "a countdown of {count} seconds in the workspace attribute {attribute}",
        "a {count} second countdown, shown by the workspace attribute {attribute}",
        "a loop: workspace attribute {attribute} from {count} down to 1, one [a|each] second",
        "an attribute {attribute} of workspace that goes down from {count} by one [a|every] second",
        "a countdown in seconds, {count} to 1, as the workspace attribute {attribute}",
    ),
    dev=(
        "a timer that lowers the workspace attribute {attribute} by one per second, starting with {count}",
        "a countdown kept under {attribute} (workspace attribute), beginning at {count}",
    ),
    test=(
        "a clock on the workspace attribute {attribute} running backwards: {count}, then one less per second",
        "a descending count {attribute} (attribute of workspace) whose first value is {count}, second by second",
        "a countdown which writes the seconds left of {count} into the workspace attribute {attribute}",
    ),
)
